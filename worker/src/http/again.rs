//! Whatever fails when people send what they wrote, nobody loses it: it is shown back, to be sent again.

use super::asker::Asker;
use super::body::Fields;
use super::write::{CSRF_FIELD, DRAFT_FIELD, PREVIEW_FIELD};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::views::{AgainPage, Page, render};
use veritable_writer_api::message::Refusal;

/// Fields in which people write, with what they are called. All others are sent again as they came, the key among them:
/// what was done all the same is not done twice.
const WRITTEN: [(&str, &str); 4] =
    [("title", "Title"), ("body", "Text"), ("comment", "What is changed"), ("note", "Note")];

/// The page that shows a form back which could not be sent because of `error`.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn answer(
    app: &App,
    asker: &Asker,
    path: &str,
    fields: &Fields,
    error: Error,
) -> Result<Answer, Error> {
    let status = error.status();
    if status == http::StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(path, %error, "a form failed");
    }
    let is_guest = asker.actor.user.is_none();
    let (title, why) = match &error {
        _ if is_guest => (
            "You are not logged in any more",
            "Your session is over, and what you sent was not taken. Nothing of it is lost: it stands below.".to_owned(),
        ),
        Error::StaleForm => (
            "Please send it once more",
            "You have logged in anew since the page of this form was loaded. Nothing is lost: it stands below."
                .to_owned(),
        ),
        Error::OutcomeUnknown { .. } | Error::Refused(Refusal::Unknown { .. }) => (
            "It may have been sent",
            "It is not known yet whether it was stored. Nothing is lost: it stands below. Send it again as it is: it is \
             then stored once, whether it was before or not."
                .to_owned(),
        ),
        Error::Database(_) | Error::Internal(_) => (
            "Something went wrong",
            "Something went wrong here. Nothing is lost: it stands below. Send it again as it is: it is stored once at \
             most."
                .to_owned(),
        ),
        other => ("It was not sent", format!("{}.", veritable_domain::wiki::upper_first(&other.to_string()))),
    };
    let text = |name: &&str| !fields.get(name).is_empty();
    let written = WRITTEN.iter().filter(|(name, _)| text(name));
    let carried = fields
        .all()
        .filter(|(name, _)| *name != CSRF_FIELD && WRITTEN.iter().all(|(written, _)| written != name));
    let shown = AgainPage {
        page: Page::own(app, asker, title).await?,
        why: &why,
        is_guest,
        action: path,
        written: written.map(|(name, called)| (*name, *called, fields.get(name))).collect(),
        carried: carried.collect(),
        button: match () {
            () if fields.has(PREVIEW_FIELD) => "Preview again",
            () if fields.has(DRAFT_FIELD) => "Save the draft again",
            () => "Send it again",
        },
    };
    Ok(Answer::html(render(&shown)?, Vec::new()).with_status(status))
}
