//! Logging in where a second factor is asked for: the password was right, now the code.

use http::StatusCode;
use veritable_writer_api::message::{Factor, Refusal};

use super::{local, login};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::reads::accounts::{self, Login};
use crate::routes::{Asker, Cost, Pending, Submission};
use crate::second_factor::{self, Shown, Ticket};
use crate::views::{CodePage, Page, render};

/// Longest code looked at.
const CODE_BYTES: usize = 64;

/// Asks somebody who has shown the password for the code.
pub(super) async fn ask(
    app: &App,
    form: &Submission,
    login: &Login,
    remember: bool,
    next: &str,
) -> Result<Answer, Error> {
    let browser = form.asker.secret().ok_or(Error::NoCookie)?;
    let ticket = Ticket::new(login.user, remember, form.now).seal(&login.key(), browser)?;
    show(app, &form.asker, &ticket, next, None).await
}

async fn show(
    app: &App,
    asker: &Asker,
    ticket: &str,
    next: &str,
    fault: Option<&str>,
) -> Result<Answer, Error> {
    let page = Page::own(app, asker, "Enter your code").await?;
    let answer = Answer::html(render(&CodePage { page, ticket, next, fault })?, Vec::new());
    Ok(if fault.is_some() { answer.with_status(StatusCode::UNAUTHORIZED) } else { answer })
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let (text, code) = (form.fields.get("ticket"), form.fields.get("code").trim());
        let next = local(form.fields.get("next"));
        let browser = form.asker.secret().ok_or(Error::NoCookie)?;
        app.limits.count_address(limits::LOGIN_ADDRESS, form.asker.address)?;
        let Some(shown) = Shown::parse(text) else { return Ok(Answer::see_other("/login")) };
        let user = shown.ticket.user;
        let found = app.run(Cost::Point, move |db| Ok(accounts::login_of(db, user)?)).await?;
        let Some((login, ticket)) = found.and_then(|login| {
            let ticket = shown.check(&login.key(), browser, form.now)?;
            Some((login, ticket))
        }) else {
            // Too old, or of another browser: from the beginning.
            return Ok(Answer::see_other("/login?done=late"));
        };
        app.limits.count(limits::LOGIN_CODE, &user.0.to_le_bytes())?;
        if let Some(answer) = login::kept_out(app, &form, &login).await? {
            return Ok(answer);
        }
        let factor = factor(&login, code, form.now)?;
        let opened = match factor {
            Some(factor) => login::open(app, &form, (&login, factor), ticket.remember, next).await,
            None => Err(Error::Refused(Refusal::WrongCode)),
        };
        match opened {
            Err(Error::Refused(Refusal::WrongCode)) => {
                let fault = "This code is wrong, or was used already. Wait for the next one.";
                show(app, &form.asker, text, next, Some(fault)).await
            }
            other => {
                if other.is_ok() {
                    app.limits.give_back_address(limits::LOGIN_ADDRESS, form.asker.address);
                    app.limits.give_back(limits::LOGIN_CODE, &user.0.to_le_bytes());
                }
                other
            }
        }
    })
}

/// What a code is of: a step of time, or one of the recovery codes; whether it was used is the writer's to know.
fn factor(
    login: &Login,
    code: &str,
    now: veritable_domain::time::UnixMillis,
) -> Result<Option<Factor>, Error> {
    let Some(secret) = login.totp_secret.as_deref().filter(|_| code.len() <= CODE_BYTES) else {
        return Ok(None);
    };
    if code.chars().filter(|c| !c.is_whitespace()).all(|c| c.is_ascii_digit()) && code.len() < 10 {
        return Ok(second_factor::step(secret, code, now)?.map(|step| Factor::Totp { step }));
    }
    Ok(Some(Factor::Recovery { hash: second_factor::recovery_hash(code) }))
}
