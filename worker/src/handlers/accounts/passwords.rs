//! Passwords that were forgotten, and those that are to be others.

use veritable_domain::account::{Address, MAX_PASSWORD_BYTES};
use veritable_domain::ids::UserId;
use veritable_domain::password::Verdict;
use veritable_domain::secret::{digest, reset_path};
use veritable_writer_api::message::{Accounts, Command, LinkKind, Refusal};

use super::{FAULTY, Faults, home, joining, new_password, notice, told};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::mails;
use crate::reads::accounts::{self, Login};
use crate::routes::{Cost, Pending, Submission, Visit};
use crate::views::{ForgotPage, Page, ResetPage, render};

pub(crate) fn forgot_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        if !mails::are_sent(&app.config) {
            let text = "This site sends no mail. Ask an administrator for a new password.";
            return notice(app, &visit.asker, "Forgotten password", text, None).await;
        }
        let page = Page::own(app, &visit.asker, "Forgotten password").await?;
        Ok(Answer::html(render(&ForgotPage { page })?, Vec::new()))
    })
}

/// Says the same whether there is such an account or not.
pub(crate) fn forgot<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        if !mails::are_sent(&app.config) {
            return Ok(Answer::see_other("/forgot"));
        }
        app.limits.count_address(limits::MAIL, form.asker.address)?;
        let typed = form.fields.line("user")?.to_owned();
        // By what was typed, as the answer must not tell whether it is somebody's.
        app.limits.count(limits::MAIL, format!("typed:{}", typed.to_lowercase()).as_bytes())?;
        let found = app.run(Cost::Point, move |db| Ok(accounts::login(db, &typed)?)).await?;
        let found = found.filter(|login| !login.disabled);
        // A password is offered to an address only once it is known whose it is.
        let found = match found {
            Some(login) if !login.verified && login.address.is_some() => {
                match joining::confirm_again(app, &form, &login).await {
                    Ok(_) | Err(Error::TooMany { .. }) => None,
                    Err(error) => return Err(error),
                }
            }
            // Name and address are the same account's: what was sent to it is counted by itself, and not told.
            Some(login) => {
                let account = format!("account:{}", login.user);
                app.limits.count(limits::MAIL, account.as_bytes()).is_ok().then_some(login)
            }
            None => None,
        };
        let address = found.as_ref().and_then(|login| Address::new(login.address.as_deref()?).ok());
        if let Some((login, address)) = found.zip(address) {
            let link = mails::reset(&app.config, &address, &login.name, form.now)?;
            let sending = app.send_later(
                Command::accounts(form.asker.by(), Accounts::SendLink { user: login.user, link }),
                form.key.clone(),
            );
            // Not waited for: the answer takes as long where there is no account.
            tokio::spawn(async move {
                if let Err(error) = sending.await {
                    tracing::warn!(%error, "a link for a new password could not be sent");
                }
            });
        }
        let text = "If there is such an account, a message is on its way to its e-mail address. Follow the link in it \
                    within an hour.";
        notice(app, &form.asker, "Look into your mailbox", text, None).await
    })
}

pub(crate) fn reset_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move { show_reset(app, &visit.asker, &visit.address, Faults::new()).await })
}

async fn show_reset(
    app: &App,
    asker: &crate::routes::Asker,
    action: &str,
    faults: Faults,
) -> Result<Answer, Error> {
    let page = Page::own(app, asker, "Choose a new password").await?;
    let is_faulty = !faults.is_empty();
    let answer = Answer::html(render(&ResetPage { page, action, faults })?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn reset<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let secret = form.params.get("secret").map_or("", String::as_str);
        app.hashing.has_room().await?;
        app.limits.count_address(limits::LOGIN_ADDRESS, form.asker.address)?;
        let mut faults = Faults::new();
        let (hash, now) = (digest(secret), form.now);
        let read = move |db: &rusqlite::Connection| Ok(accounts::by_link(db, &hash, LinkKind::Reset, now)?);
        let login = app.run(Cost::Point, read).await?.ok_or(Error::Refused(Refusal::LinkDead))?.0;
        let address = login.address.as_deref().unwrap_or_default();
        let known = [login.name.as_str(), address, app.config.site.name.as_str()];
        let Some(password) = new_password(form.fields.get("password"), &known, &mut faults) else {
            return show_reset(app, &form.asker, &reset_path(secret), faults).await;
        };
        let password_hash = app.hashing.hash(password.as_str()).await?;
        let command = Accounts::ResetPassword { hash, password_hash };
        app.send(Command::accounts(form.asker.by(), command), &form.key).await?;
        Ok(Answer::see_other("/login?done=reset"))
    })
}

/// The account of who asks, and whether the field `current` of a form is its password; a fault where it is not.
pub(super) async fn current(app: &App, form: &Submission, faults: &mut Faults) -> Result<Login, Error> {
    let (login, right) = is_current(app, form.asker.user()?, form.fields.get("current")).await?;
    if !right {
        faults.insert("current", "This is not your password.".into());
    }
    Ok(login)
}

/// An account, and whether this is its password. Wrong ones are counted.
pub(super) async fn is_current(app: &App, user: UserId, typed: &str) -> Result<(Login, bool), Error> {
    app.hashing.has_room().await?;
    app.limits.count(limits::LOGIN_ACCOUNT, &user.0.to_le_bytes())?;
    let login = app.run(Cost::Point, move |db| Ok(accounts::login_of(db, user)?)).await?;
    let login = login.ok_or(Error::Unauthorized)?;
    if typed.len() > MAX_PASSWORD_BYTES {
        return Ok((login, false));
    }
    let verdict = app.hashing.verify(typed, login.password_hash.clone()).await;
    if !matches!(verdict, Ok(Verdict::Wrong)) {
        app.limits.give_back(limits::LOGIN_ACCOUNT, &user.0.to_le_bytes());
    }
    Ok((login, verdict? != Verdict::Wrong))
}

/// A new password for who knows the old one.
pub(crate) fn change<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        let login = current(app, &form, &mut faults).await?;
        let address = login.address.clone().unwrap_or_default();
        let known = [login.name.as_str(), address.as_str(), app.config.site.name.as_str()];
        let password = new_password(form.fields.get("password"), &known, &mut faults);
        let (Some(password), true) = (password, faults.is_empty()) else {
            return Ok(home::show(app, &form.asker, None, faults).await?.with_status(FAULTY));
        };
        let password_hash = app.hashing.hash(password.as_str()).await?;
        let notice = told(app, &login, "the password of your account was changed.");
        let session = form.asker.session().copied();
        let ends_tokens = form.fields.has("end-tokens");
        let command = Accounts::ChangePassword { password_hash, session, ends_tokens, notice };
        app.send(Command::accounts(form.asker.by(), command), &form.key).await?;
        Ok(Answer::see_other("/account?done=password"))
    })
}
