//! One's own account: what is known of it, where one is logged in, and what can be changed.

use veritable_domain::account::Address;
use veritable_domain::ids::SessionId;
use veritable_domain::text::DisplayName;
use veritable_writer_api::message::{Accounts, Command, Outcome, Refusal};

use super::{FAULTY, Faults, joining, notice, passwords, said, told};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::number;
use crate::limits;
use crate::mails;
use crate::reads::accounts;
use crate::routes::{Asker, Cost, KnownBy, Pending, Submission, Visit};
use crate::views::{AccountPage, Page, Tabs, render};

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
    let tabs = Tabs::at("/account");
    Ok(Answer::html(render(&AccountPage { page, tabs, own, sessions, current, said, faults })?, Vec::new()))
}

pub(crate) fn display_name<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let name = match DisplayName::new(form.fields.line("display-name")?) {
            Ok(name) => name,
            Err(error) => {
                let faults = Faults::from([("display-name", error.to_string())]);
                return Ok(show(app, &form.asker, None, faults).await?.with_status(FAULTY));
            }
        };
        app.limits.count(limits::DISPLAY_NAME, &form.asker.user()?.0.to_le_bytes())?;
        let set = Command::accounts(form.asker.by(), Accounts::SetDisplayName { name });
        match app.send(set, &form.key).await {
            Err(Error::Refused(Refusal::NameTaken)) => {
                let text = "This is somebody else's name, or looks like it.".to_owned();
                let faults = Faults::from([("display-name", text)]);
                return Ok(show(app, &form.asker, None, faults).await?.with_status(FAULTY));
            }
            other => other?,
        };
        Ok(Answer::see_other("/account?done=name"))
    })
}

/// Another address: it counts once it was shown to be this person's, and the old one is told.
pub(crate) fn address<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        let new = Address::new(form.fields.line("address")?)
            .map_err(|error| faults.insert("address", error.to_string()))
            .ok();
        let login = passwords::current(app, &form, &mut faults).await?;
        let (Some(new), true) = (new, faults.is_empty()) else {
            // The field of the password stands on this page more than once.
            let said = faults.remove("current").map(|text| ("address", text));
            faults.extend(said);
            return Ok(show(app, &form.asker, None, faults).await?.with_status(FAULTY));
        };
        let sends = mails::are_sent(&app.config);
        let link = if sends {
            app.limits.count(limits::MAIL, new.key().as_bytes())?;
            Some(mails::verify(&app.config, &new, &login.name, form.now)?)
        } else {
            None
        };
        let what = "somebody asked for another e-mail address for your account. It is used as soon as it is confirmed, \
                    and no more mail comes to this one then.";
        let change = Accounts::ChangeAddress { address: new.clone(), link, notice: told(app, &login, what) };
        // Whose address it is, is told to its owner alone.
        if let Outcome::Account { user } =
            app.send(Command::accounts(form.asker.by(), change), &form.key).await?
        {
            joining::tell_owner(app, &form, user).await?;
        }
        if !sends {
            return Ok(Answer::see_other("/account?done=address"));
        }
        let text = format!(
            "We have sent a message to {}. Follow the link in it to confirm that it is yours.",
            new.as_str()
        );
        notice(app, &form.asker, "Look into your mailbox", &text, Some(("Your account", "/account"))).await
    })
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
