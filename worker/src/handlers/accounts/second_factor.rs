//! Setting up a second factor, its recovery codes, and doing without it again.

use veritable_writer_api::message::{Accounts, Command, Refusal};

use super::{FAULTY, Faults, passwords, told};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::invalid;
use crate::reads::{accounts, settings};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::second_factor::{SECRET_BYTES, enrolment, fresh, recovery_codes, step};
use crate::views::{CodesPage, Page, SecondFactorPage, Tabs, render};

const PATH: &str = "/account/second-factor";

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move { show(app, &visit.asker, Faults::new()).await })
}

async fn show(app: &App, asker: &Asker, faults: Faults) -> Result<Answer, Error> {
    let user = asker.user()?;
    let read = app.run(Cost::Point, move |db| {
        Ok((settings::second_factor(db, user)?, accounts::name(db, user)?.unwrap_or_default()))
    });
    let (factor, name) = read.await?;
    let factor = factor.ok_or(Error::Unauthorized)?;
    let pending = factor.secret.as_deref().filter(|_| factor.since.is_none());
    let enrolment = pending.map(|secret| enrolment(secret, &app.config.site.name, &name)).transpose()?;
    let page = Page::own(app, asker, "Second factor").await?;
    let tabs = Tabs::at(PATH);
    let is_faulty = !faults.is_empty();
    let shown = SecondFactorPage { page, tabs, since: factor.since, codes: factor.codes, enrolment, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn begin<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let secret = fresh()?;
        app.send(Command::accounts(form.asker.by(), Accounts::BeginTotp { secret }), &form.key).await?;
        Ok(Answer::see_other(PATH))
    })
}

/// A first code shows that the app has the secret; the password, that nobody else locks its owner out.
pub(crate) fn confirm<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let user = form.asker.user()?;
        let mut faults = Faults::new();
        let login = passwords::current(app, &form, &mut faults).await?;
        let factor = app.run(Cost::Point, move |db| Ok(settings::second_factor(db, user)?)).await?;
        let pending = factor.filter(|factor| factor.since.is_none()).and_then(|factor| factor.secret);
        let Some(secret) = pending else { return Ok(Answer::see_other(PATH)) };
        let secret = <[u8; SECRET_BYTES]>::try_from(secret)
            .map_err(|_| Error::Internal("a stored secret has another length".into()))?;
        let Some(step) = step(&secret, form.fields.get("code"), form.now)? else {
            let text = "This is not the code that the app shows now. Is the clock of your device right?";
            faults.insert("code", text.into());
            return show(app, &form.asker, faults).await;
        };
        if !faults.is_empty() {
            return show(app, &form.asker, faults).await;
        }
        let (codes, hashes) = recovery_codes()?;
        let notice = told(app, &login, "logging in to your account asks for a second factor from now on.");
        let session = form.asker.session().copied();
        let confirm = Accounts::ConfirmTotp { secret, step, codes: hashes, session, notice };
        app.send(Command::accounts(form.asker.by(), confirm), &form.key).await?;
        show_codes(app, &form.asker, codes, "Your second factor is set up").await
    })
}

async fn show_codes(app: &App, asker: &Asker, codes: Vec<String>, title: &str) -> Result<Answer, Error> {
    let page = Page::own(app, asker, title).await?;
    Ok(Answer::html(render(&CodesPage { page, codes })?, Vec::new()))
}

pub(crate) fn renew_codes<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        let login = passwords::current(app, &form, &mut faults).await?;
        if !faults.is_empty() {
            return show(app, &form.asker, faults).await;
        }
        let (codes, hashes) = recovery_codes()?;
        let notice = told(app, &login, "new recovery codes were made for your account.");
        let renew = Accounts::RenewRecoveryCodes { codes: hashes, notice };
        match app.send(Command::accounts(form.asker.by(), renew), &form.key).await {
            Err(Error::Refused(Refusal::Conflict { .. })) => {
                return Err(invalid("second factor", "is not set up"));
            }
            other => other?,
        };
        show_codes(app, &form.asker, codes, "Your new recovery codes").await
    })
}

pub(crate) fn end<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        let login = passwords::current(app, &form, &mut faults).await?;
        if !faults.is_empty() {
            return show(app, &form.asker, faults).await;
        }
        let notice = told(app, &login, "logging in to your account asks for the password alone from now on.");
        app.send(Command::accounts(form.asker.by(), Accounts::EndTotp { notice }), &form.key).await?;
        Ok(Answer::see_other("/account?done=factor-off"))
    })
}
