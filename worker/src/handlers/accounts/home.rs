//! One's own account: what is known of it, where one is logged in, and what can be changed.

use veritable_domain::ids::SessionId;
use veritable_writer_api::message::{Accounts, Command};

use super::{Faults, said};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::number;
use crate::reads::accounts;
use crate::routes::{Asker, Cost, KnownBy, Pending, Submission, Visit};
use crate::views::{AccountPage, Page, render};

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let said = visit.query.get("done").and_then(|name| said(name));
        show(app, &visit.asker, said, Faults::new()).await
    })
}

pub(super) async fn show(
    app: &App,
    asker: &Asker,
    said: Option<&str>,
    faults: Faults,
) -> Result<Answer, Error> {
    let user = asker.user()?;
    let current = match &asker.known_by {
        KnownBy::Session { session, .. } => Some(session.id.0),
        _ => None,
    };
    let read = app.run(Cost::Point, move |db| Ok((accounts::own(db, user)?, accounts::sessions(db, user)?)));
    let (own, sessions) = read.await?;
    let own = own.ok_or(Error::Unauthorized)?;
    let page = Page::own(app, asker, "Your account").await?;
    Ok(Answer::html(render(&AccountPage { page, own, sessions, current, said, faults })?, Vec::new()))
}

pub(crate) fn end_session<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let session = SessionId(number("session", form.fields.get("session"))?);
        let command = Command::accounts(form.asker.by(), Accounts::RevokeSession { session });
        app.send(command, &form.key).await?;
        Ok(Answer::see_other("/account?done=session"))
    })
}

pub(crate) fn end_sessions<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let except = form.asker.session().copied();
        app.send(Command::accounts(form.asker.by(), Accounts::RevokeSessions { except }), &form.key).await?;
        Ok(Answer::see_other("/account?done=sessions"))
    })
}
