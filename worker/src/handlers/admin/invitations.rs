//! Invitations: links by which somebody may join. Moderators make them too.

use veritable_domain::ids::InvitationId;
use veritable_domain::permission::Role;
use veritable_domain::secret::invitation_path;
use veritable_domain::text::Comment;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Administration, Refusal};

use super::{PAGE, asked_to_say, before_of, send};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::{FAULTY, Faults};
use crate::handlers::number;
use crate::mails;
use crate::reads::admin;
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{InvitationsPage, Page, ShownOnce, render};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// After how many days an invitation may end.
pub(crate) const DAYS: [i64; 4] = [7, 1, 30, 90];

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (before, said) = (before_of(&visit)?, asked_to_say(&visit));
        show(app, &visit.asker, visit.now, before, said, Faults::new()).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    now: UnixMillis,
    before: i64,
    said: Option<&str>,
    faults: Faults,
) -> Result<Answer, Error> {
    let invitations = app.run(Cost::Point, move |db| Ok(admin::invitations(db, before, PAGE)?)).await?;
    let next = invitations.last().filter(|_| invitations.len() == PAGE).map(|last| last.id);
    let page = Page::own(app, asker, "Invitations").await?;
    let role = asker.actor.role;
    let registration = app.config.accounts.registration;
    let is_faulty = !faults.is_empty();
    let shown = InvitationsPage { page, role, invitations, now, next, registration, said, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

/// The only time that a link is shown.
pub(crate) fn create<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        let note = Comment::new(form.fields.get("note"));
        let note = note.map_err(|error| faults.insert("note", error.to_string())).ok();
        let days = form.fields.get("days").parse::<i64>().ok().filter(|days| DAYS.contains(days));
        if days.is_none() {
            faults.insert("days", "Choose when it ends.".into());
        }
        let (Some(note), Some(days)) = (note, days) else {
            return show(app, &form.asker, form.now, i64::MAX, None, faults).await;
        };
        let (secret, hash) = mails::secret()?;
        let expires_at = UnixMillis(form.now.0 + days * DAY_MS);
        let invite = Administration::Invite { hash, role: Role::Member, note, expires_at };
        match send(app, &form, invite).await {
            Ok(_) => {}
            Err(Error::Refused(refusal @ Refusal::TooMany { .. })) => {
                let faults = Faults::from([("note", format!("{refusal}."))]);
                return show(app, &form.asker, form.now, i64::MAX, None, faults).await;
            }
            Err(error) => return Err(error),
        }
        let page = Page::own(app, &form.asker, "Your invitation").await?;
        let link = format!("{}{}", mails::base(&app.config), invitation_path(&secret));
        let text = "Send this link to whoever may join. It is good once, and shown only now.";
        let shown =
            ShownOnce { page, text, label: "Link", secret: &link, back: ("Invitations", "/invitations") };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

pub(crate) fn revoke<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let invitation = InvitationId(number("invitation", form.fields.get("invitation"))?);
        send(app, &form, Administration::RevokeInvitation { invitation }).await?;
        Ok(Answer::see_other("/invitations?done=revoked"))
    })
}
