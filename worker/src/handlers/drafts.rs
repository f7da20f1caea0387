//! What people are writing: kept on the server as they ask for it, found again at the same place, and in a list.

use veritable_domain::draft::{Draft, Place};
use veritable_domain::ids::UserId;
use veritable_domain::packed;
use veritable_writer_api::message::{Accounts, Command};

use super::invalid;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::drafts;
use crate::routes::{Asker, ChangeKey, Cost, Pending, Submission, Visit};
use crate::views::{DraftsPage, Page, Tabs, render};

/// What somebody was writing at a place.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn find(app: &App, user: UserId, place: &Place) -> Result<Option<Draft>, Error> {
    let place = place.clone();
    app.run(Cost::Point, move |db| Ok(drafts::draft(db, user, &place)?)).await
}

/// Keeps it.
///
/// # Errors
/// The writer refuses.
pub(crate) async fn save(
    app: &App,
    asker: &Asker,
    place: Place,
    draft: &Draft,
    key: &ChangeKey,
) -> Result<(), Error> {
    let json = serde_json::to_vec(draft).map_err(|error| Error::Internal(error.to_string()))?;
    let save = Accounts::SaveDraft { place, body: packed::pack(&json) };
    app.send(Command::accounts(asker.by(), save), key).await?;
    Ok(())
}

pub(crate) fn list<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let user = visit.asker.user()?;
        let drafts = app.run(Cost::Point, move |db| Ok(drafts::drafts(db, user)?)).await?;
        let page = Page::own(app, &visit.asker, "Drafts").await?;
        Ok(Answer::html(render(&DraftsPage { page, tabs: Tabs::at("/drafts"), drafts })?, Vec::new()))
    })
}

pub(crate) fn forget<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let place = Place::parse(form.fields.get("place"));
        let place = place.ok_or_else(|| invalid("place", "is no place where something is written"))?;
        app.send(Command::accounts(form.asker.by(), Accounts::DropDraft { place }), &form.key).await?;
        Ok(Answer::see_other("/drafts"))
    })
}
