//! Accounts of others: found, looked at, changed.

use veritable_domain::account::Address;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Role;
use veritable_domain::secret::reset_path;
use veritable_domain::text::Comment;
use veritable_writer_api::message::{Administration, Refusal};

use super::{PAGE, asked_to_say, before_of, deed_of, id_of, send, ticked};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::local;
use crate::handlers::{invalid, missing, number};
use crate::mails;
use crate::reads::admin::{self, Which};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{ApprovalsPage, Page, ShownOnce, UserAdminPage, UsersPage, render};

pub(crate) fn list<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (query, which, before) = asked(&visit)?;
        let users = find(app, query.clone(), which, before).await?;
        let next = next(&users, &query, which);
        let page = Page::own(app, &visit.asker, "Users").await?.under("Administration", "/admin".into());
        let said = asked_to_say(&visit);
        Ok(Answer::html(render(&UsersPage { page, query: &query, which, users, next, said })?, Vec::new()))
    })
}

/// What a list of accounts is asked for: a name or address, a kind, and a place to go on.
pub(super) fn asked(visit: &Visit) -> Result<(String, Which, i64), Error> {
    let query = visit.query.get("q").map_or("", String::as_str).trim().to_owned();
    let named = visit.query.get("which").map_or("all", String::as_str);
    let which = Which::ALL.into_iter().find(|which| which.name() == named);
    let which = which.ok_or_else(|| invalid("which", "must be all, staff, disabled or waiting"))?;
    Ok((query, which, before_of(visit)?))
}

pub(super) async fn find(
    app: &App,
    query: String,
    which: Which,
    before: i64,
) -> Result<Vec<admin::User>, Error> {
    app.run(Cost::Point, move |db| {
        Ok(match query.as_str() {
            "" => admin::users(db, which, before, PAGE)?,
            text => admin::users_like(db, text, PAGE)?,
        })
    })
    .await
}

/// The number to go on before, where a list of all was full.
pub(super) fn next(users: &[admin::User], query: &str, which: Which) -> Option<i64> {
    let is_full = query.is_empty() && which == Which::All && users.len() == PAGE;
    users.last().filter(|_| is_full).map(|user| user.id)
}

pub(crate) fn approvals<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let users = app.run(Cost::Point, |db| Ok(admin::users(db, Which::Waiting, i64::MAX, PAGE)?)).await?;
        let page = Page::own(app, &visit.asker, "Accounts that wait for approval").await?;
        let page = page.under("Administration", "/admin".into());
        let said = asked_to_say(&visit);
        Ok(Answer::html(render(&ApprovalsPage { page, users, said })?, Vec::new()))
    })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let user = UserId(number("id", visit.params.get("id").map_or("", String::as_str))?);
        show(app, &visit.asker, user, asked_to_say(&visit), None).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    user: UserId,
    said: Option<&str>,
    fault: Option<&str>,
) -> Result<Answer, Error> {
    let read = app
        .run(Cost::Point, move |db| Ok((admin::one(db, user)?, admin::seen(db, user)?, admin::groups(db)?)));
    let (found, (sessions, seen_at), groups) = read.await?;
    let found = found.ok_or_else(|| missing("user"))?;
    let page = Page::own(app, asker, &found.name).await?;
    let page = page.under("Administration", "/admin".into()).under("Users", "/admin/users".into());
    let sends_mail = mails::are_sent(&app.config);
    let shown = UserAdminPage { page, user: found, sessions, seen_at, groups, sends_mail, said, fault };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if fault.is_some() { answer.with_status(http::StatusCode::CONFLICT) } else { answer })
}

/// What is done to an account; the last part of the path says what.
pub(crate) fn act<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let (user, deed) = (UserId(id_of(&form)?), deed_of(&form).to_owned());
        if deed == "reset" {
            return reset(app, &form, user).await;
        }
        let change = change(app, &form, user, &deed).await?;
        match send(app, &form, change).await {
            Ok(_) => {}
            Err(Error::Refused(refusal @ (Refusal::LastAdministrator | Refusal::Conflict { .. }))) => {
                let fault = format!("{refusal}.");
                return show(app, &form.asker, user, None, Some(&fault)).await;
            }
            Err(error) => return Err(error),
        }
        let usual = match deed.as_str() {
            "erase" | "reject" => "/admin/users".to_owned(),
            _ => format!("/admin/users/{user}"),
        };
        let back = Some(form.fields.get("back")).filter(|back| !back.is_empty()).map(local);
        Ok(Answer::see_other(format!("{}?done={deed}", back.unwrap_or(&usual))))
    })
}

async fn change(app: &App, form: &Submission, user: UserId, deed: &str) -> Result<Administration, Error> {
    Ok(match deed {
        "role" => {
            let role = Role::of_account(form.fields.get("role"));
            Administration::SetRole { user, role: role.ok_or_else(|| invalid("role", "is none"))? }
        }
        "groups" => {
            // What the page showed, so that only what was changed on it changes.
            let (were, are) = (ticked(&form.fields, "was"), ticked(&form.fields, "group"));
            Administration::SetGroups { user, into: are.without(were).own(), out_of: were.without(are).own() }
        }
        "disable" | "enable" => {
            let reason = Comment::new(form.fields.get("reason"))?;
            Administration::SetDisabled { user, disabled: deed == "disable", reason }
        }
        "approve" => approval(app, user).await?,
        "reject" => Administration::Reject { user },
        "confirm" => Administration::ConfirmAddress { user },
        "end-sessions" => Administration::EndSessions { user },
        "end-second-factor" => Administration::EndSecondFactor { user },
        "erase" if form.fields.has("sure") => Administration::Erase { user },
        "erase" => return Err(invalid("sure", "must be ticked")),
        _ => return Err(missing("page here")),
    })
}

/// The approval of an account, with what tells its owner.
pub(super) async fn approval(app: &App, user: UserId) -> Result<Administration, Error> {
    let found = app.run(Cost::Point, move |db| Ok(admin::one(db, user)?)).await?;
    let found = found.ok_or_else(|| missing("user"))?;
    let address = found.address.as_deref().and_then(|address| Address::new(address).ok());
    // What is not confirmed may be anybody's.
    let address = address.filter(|_| found.verified && mails::are_sent(&app.config));
    let notice = address.map(|address| mails::approved(&app.config, &address, &found.name));
    Ok(Administration::Approve { user, notice })
}

/// A link for a new password, sent to the account's address or shown to be handed over.
async fn reset(app: &App, form: &Submission, user: UserId) -> Result<Answer, Error> {
    let found = app.run(Cost::Point, move |db| Ok(admin::one(db, user)?)).await?;
    let found = found.ok_or_else(|| missing("user"))?;
    let back = format!("/admin/users/{user}");
    if form.fields.has("mail") {
        let address = found.address.as_deref().and_then(|address| Address::new(address).ok());
        let address = address.filter(|_| mails::are_sent(&app.config));
        let address = address.ok_or_else(|| invalid("mail", "cannot be sent to this account"))?;
        let link = mails::reset(&app.config, &address, &found.name, form.now)?;
        let (hash, expires_at) = (link.hash, link.expires_at);
        let offer = Administration::OfferPassword { user, hash, expires_at, mail: Some(link.mail) };
        send(app, form, offer).await?;
        return Ok(Answer::see_other(format!("{back}?done=saved")));
    }
    let (secret, hash) = mails::secret()?;
    let expires_at = mails::reset_expiry(form.now);
    send(app, form, Administration::OfferPassword { user, hash, expires_at, mail: None }).await?;
    let page = Page::own(app, &form.asker, "A link for a new password").await?;
    let text = format!(
        "Hand it to {}: whoever has it chooses the password of that account. It is good for an hour, once, and shown \
         only now.",
        found.name
    );
    let link = format!("{}{}", mails::base(&app.config), reset_path(&secret));
    let shown = ShownOnce { page, text: &text, label: "Link", secret: &link, back: (&found.name, &back) };
    Ok(Answer::html(render(&shown)?, Vec::new()))
}
