//! API tokens of one's own.

use veritable_domain::account::{Scope, Scopes};
use veritable_domain::ids::TokenId;
use veritable_domain::permission::{Actor, Role};
use veritable_domain::secret::{self, digest};
use veritable_domain::text::Label;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Accounts, Command, IdempotencyKey, Outcome};

use super::{FAULTY, Faults, passwords, said, told};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::number;
use crate::http::csrf::random;
use crate::reads::accounts::Login;
use crate::reads::{moderation, settings};
use crate::routes::{Asker, ChangeKey, Cost, Pending, Submission, Visit};
use crate::views::{Page, ShownOnce, Tabs, TokensPage, render};

const PATH: &str = "/account/tokens";
const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// After how many days a token may end; 0: never.
pub(crate) const DAYS: [i64; 5] = [30, 90, 365, 7, 0];

/// What a token of somebody may be for: nothing that its owner may not. Who keeps order in some category alone may do so
/// with a token too; where, is asked with each deed.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn offered(app: &App, actor: Actor) -> Result<Vec<Scope>, Error> {
    let keeps = actor.role >= Role::Moderator
        || app.run(Cost::Point, move |db| Ok(moderation::keeps(db, actor.groups)?)).await?;
    let is_offered = |scope: &Scope| match scope {
        Scope::Moderate => keeps,
        Scope::Administer => actor.role >= Role::Administrator,
        Scope::Read | Scope::Write | Scope::Account => true,
    };
    Ok(Scope::ALL.into_iter().filter(is_offered).collect())
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let said = visit.query.get("done").and_then(|name| said(name));
        let usual = ("", Scopes::NONE.with(Scope::Read), DAYS[0]);
        show(app, &visit.asker, visit.now, usual, said, Faults::new()).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    now: UnixMillis,
    (name, chosen, chosen_days): (&str, Scopes, i64),
    said: Option<&str>,
    faults: Faults,
) -> Result<Answer, Error> {
    let user = asker.user()?;
    let tokens = app.run(Cost::Point, move |db| Ok(settings::tokens(db, user, now)?)).await?;
    let page = Page::own(app, asker, "API tokens").await?;
    let (tabs, scopes) = (Tabs::at(PATH), offered(app, asker.actor).await?);
    let is_faulty = !faults.is_empty();
    let shown = TokensPage { page, tabs, tokens, scopes, name, chosen, chosen_days, said, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

/// The only time that a token is shown. Each time the form is sent makes another one: what it was made with is not kept.
pub(crate) fn create<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let typed = form.fields.line("name")?;
        let mut faults = Faults::new();
        let name = Label::new(typed).map_err(|error| faults.insert("name", error.to_string())).ok();
        let wanted = |scope: &Scope| form.fields.has(&format!("scope-{}", scope.name()));
        let scopes: Scopes = offered(app, form.asker.actor).await?.into_iter().filter(wanted).collect();
        if scopes == Scopes::NONE {
            faults.insert("scopes", "A token has to be for something.".into());
        }
        let days = form.fields.get("days").parse::<i64>().ok().filter(|days| DAYS.contains(days));
        if days.is_none() {
            faults.insert("days", "Choose when it ends.".into());
        }
        // A token outlives the session that it was made in: a session alone is not enough to make one.
        let login = passwords::current(app, &form, &mut faults).await?;
        let (Some(name), Some(days), true) = (name, days, faults.is_empty()) else {
            let typed = (typed, scopes, days.unwrap_or(DAYS[0]));
            return show(app, &form.asker, form.now, typed, None, faults).await;
        };
        let expires_at = (days > 0).then_some(UnixMillis(form.now.0 + days * DAY_MS));
        let (token, _) = make(app, &form.asker, &login, name.as_str(), (scopes, expires_at)).await?;
        let page = Page::own(app, &form.asker, "Your new token").await?;
        let text = "Keep it like a password: whoever has it acts as you. It is shown only now.";
        let shown = ShownOnce { page, text, label: "Token", secret: &token, back: ("API tokens", PATH) };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

/// Makes a token; its text and its number. Under a key of its own: answered a second time, nobody would know its text.
pub(super) async fn make(
    app: &App,
    asker: &Asker,
    login: &Login,
    name: &str,
    (scopes, expires_at): (Scopes, Option<UnixMillis>),
) -> Result<(String, TokenId), Error> {
    let text = secret::token(&random()?);
    let create = Accounts::CreateApiToken {
        user: asker.user()?,
        name: name.to_owned(),
        hash: digest(&text),
        scopes,
        expires_at,
        notice: told(app, login, &format!("an API token, called “{name}”, was made for your account.")),
    };
    let key = ChangeKey::of(IdempotencyKey::fresh());
    match app.send(Command::accounts(asker.by(), create), &key).await? {
        Outcome::TokenCreated { token } => Ok((text, token)),
        other => Err(Error::Internal(format!("the writer answered another command: {other:?}"))),
    }
}

pub(crate) fn revoke<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let token = TokenId(number("token", form.fields.get("token"))?);
        app.send(Command::accounts(form.asker.by(), Accounts::RevokeApiToken { token }), &form.key).await?;
        Ok(Answer::see_other("/account/tokens?done=token"))
    })
}
