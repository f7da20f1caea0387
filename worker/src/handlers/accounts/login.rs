//! Logging in and out.

use http::StatusCode;
use veritable_config::settings::Switch;
use veritable_domain::account::MAX_PASSWORD_BYTES;
use veritable_domain::ids::UserId;
use veritable_domain::password::Verdict;
use veritable_domain::text::user_key;
use veritable_writer_api::message::{Accounts, By, Command, Factor, IdempotencyKey, NewSession};

use super::{joining, local, notice, said, second_step};
use crate::answer::Answer;
use crate::app::App;
use crate::devices::{self, Try};
use crate::error::Error;
use crate::http::cookies::Kind;
use crate::http::csrf::random;
use crate::limits;
use crate::mails;
use crate::reads::accounts;
use crate::routes::{Asker, ChangeKey, Cost, Pending, Submission, Visit};
use crate::views::{LoginPage, Page, render};

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let next = local(visit.query.get("next").map_or("/", String::as_str)).to_owned();
        if visit.asker.actor.user.is_some() {
            return Ok(Answer::see_other(next));
        }
        let said = visit.query.get("done").and_then(|name| said(name));
        show(app, &visit.asker, &Tried { user: "", next: &next, remember: true, fault: None, said }).await
    })
}

/// What was typed, and what came of it.
struct Tried<'a> {
    user: &'a str,
    next: &'a str,
    remember: bool,
    fault: Option<&'a str>,
    said: Option<&'a str>,
}

async fn show(app: &App, asker: &Asker, tried: &Tried<'_>) -> Result<Answer, Error> {
    let page = Page::own(app, asker, "Log in").await?;
    let Tried { user, next, remember, fault, said } = *tried;
    let can_reset = mails::are_sent(&app.config);
    Ok(Answer::html(render(&LoginPage { page, user, next, remember, fault, said, can_reset })?, Vec::new()))
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let (user, password) = (form.fields.line("user")?, form.fields.get("password"));
        let next = local(form.fields.get("next"));
        let remember = form.fields.has("remember");
        app.hashing.has_room().await?;
        app.limits.count_address(limits::LOGIN_ADDRESS, form.asker.address)?;
        let typed = user.to_owned();
        let found = app.run(Cost::Point, move |db| Ok(accounts::login(db, &typed)?)).await?;
        let this = Try::of(&form, found.as_ref(), &user_key(user));
        this.count(app)?;
        let stored = found.as_ref().and_then(|login| login.password_hash.clone());
        let verdict = if password.len() > MAX_PASSWORD_BYTES {
            Verdict::Wrong
        } else {
            match app.hashing.verify(password, stored.clone()).await {
                Ok(verdict) => verdict,
                Err(error) => {
                    // It was not looked at: others' tries are not to keep the owner out.
                    this.give_back(app);
                    app.limits.give_back_address(limits::LOGIN_ADDRESS, form.asker.address);
                    return Err(error);
                }
            }
        };
        let Some(login) = found.filter(|_| verdict != Verdict::Wrong) else {
            let fault = Some("The name or the password is wrong.");
            let answer = show(app, &form.asker, &Tried { user, next, remember, fault, said: None }).await?;
            return Ok(answer.with_status(StatusCode::UNAUTHORIZED));
        };
        // Tries were counted before they were looked at, as many may come at once; who was right did not try.
        this.give_back(app);
        app.limits.give_back_address(limits::LOGIN_ADDRESS, form.asker.address);
        if app.config.accounts.limits == Switch::On {
            app.limits.count(limits::LOGIN_DONE, &login.user.0.to_le_bytes())?;
        }
        if let (Verdict::Outdated, Some(old)) = (verdict, stored) {
            rehash(app, login.user, old, password).await;
        }
        // Whoever knows the password may know the rest.
        if let Some(answer) = kept_out(app, &form, &login).await? {
            return Ok(answer);
        }
        if login.totp_secret.is_some() {
            return second_step::ask(app, &form, &login, remember, next).await;
        }
        open(app, &form, (&login, Factor::None), remember, next).await
    })
}

/// Why an account whose password was given may not log in.
pub(super) async fn kept_out(
    app: &App,
    form: &Submission,
    login: &accounts::Login,
) -> Result<Option<Answer>, Error> {
    let (title, text) = if login.disabled {
        ("This account is switched off", "Ask an administrator why.".to_owned())
    } else if !login.verified {
        let sent = mails::are_sent(&app.config) && joining::confirm_again(app, form, login).await?;
        let text = match login.address.as_deref().filter(|_| sent) {
            Some(address) => format!("We have sent another message to {address}. Follow the link in it."),
            None => "Ask an administrator to confirm it.".to_owned(),
        };
        ("Your e-mail address is not confirmed yet", text)
    } else if !login.approved {
        ("Your account waits for approval", "An administrator has to approve it first.".to_owned())
    } else {
        return Ok(None);
    };
    let answer = notice(app, &form.asker, title, &text, None).await?;
    Ok(Some(answer.with_status(StatusCode::FORBIDDEN)))
}

/// Hashes a password anew as the settings want it; nobody waits for the writer, and a failure is not the login's.
async fn rehash(app: &App, user: UserId, old: String, password: &str) {
    let new = match app.hashing.hash(password).await {
        Ok(new) => new,
        Err(error) => {
            tracing::debug!(%error, "a password stays hashed as it was");
            return;
        }
    };
    let command = Command::accounts(By::OPERATOR, Accounts::Rehash { user, old, new });
    let sending = app.send_later(command, ChangeKey::of(IdempotencyKey::fresh()));
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::debug!(%error, "a password stays hashed as it was");
        }
    });
}

/// Begins a session. The one before, if there was one, ends, and its token is not taken over: whoever set it does not know
/// the new one.
pub(crate) async fn open(
    app: &App,
    form: &Submission,
    (login, factor): (&accounts::Login, Factor),
    remember: bool,
    next: &str,
) -> Result<Answer, Error> {
    let (token, hash) = mails::secret()?;
    let replaces = form.asker.session().copied();
    let session = NewSession {
        hash,
        csrf: random()?,
        expires_at: app.sessions.expiry(form.now),
        user_agent: form.user_agent.clone(),
    };
    let command = Command::accounts(
        form.asker.by(),
        Accounts::OpenSession { user: login.user, session, factor, replaces },
    );
    app.send(command, &ChangeKey::of(IdempotencyKey::fresh())).await?;
    let days = remember.then_some(app.config.accounts.session_days);
    let cookie = app.cookies.set(Kind::Session, &token, days);
    let device = app.cookies.set(Kind::Device, &devices::seal(login)?, Some(devices::DAYS));
    let answer = Answer::see_other(next).with_cookie(cookie).with_cookie(device);
    Ok(answer.with_cookie(app.cookies.remove(Kind::Guest)))
}

pub(crate) fn out<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        if let Some(digest) = form.asker.session() {
            let command = Command::accounts(form.asker.by(), Accounts::CloseSession { hash: *digest });
            app.send(command, &form.key).await?;
        }
        Ok(Answer::see_other("/login?done=out").with_cookie(app.cookies.remove(Kind::Session)))
    })
}
