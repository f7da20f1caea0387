//! A page becomes again what it was: a new revision with the text of an old one.

use rusqlite::Connection;
use veritable_domain::ids::RevisionId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::text::{Comment, Source};
use veritable_domain::wiki::upper_first;
use veritable_writer_api::message::{Command, Outcome, Refusal, Wiki};

use super::super::accounts::{FAULTY, Faults};
use super::super::changes::unexpected;
use super::super::{missing, number};
use super::revisions::changed_lines;
use super::subject::{self, Subject};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::wiki;
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{Page, RevertPage, Tools, render};

/// A revision and the page that it is of.
fn find(db: &Connection, id: i64) -> Result<(wiki::Revision, wiki::Page), Error> {
    let revision = wiki::revision(db, id)?.ok_or_else(|| missing("revision"))?;
    let page = wiki::page_by_id(db, revision.page_id)?.ok_or_else(|| missing("page"))?;
    Ok((revision, page))
}

/// What is said of it unless something else is.
fn usual_comment(old: &wiki::Revision) -> String {
    Comment::truncated(&format!("Back to the revision of {} by {}", old.created_at.human(), old.author))
        .as_str()
        .to_owned()
}

async fn show(
    app: &App,
    asker: &Asker,
    revision: i64,
    typed: Option<(i64, String)>,
    faults: Faults,
) -> Result<Answer, Error> {
    let read = app.run(Cost::Pool, move |db| {
        let (old, page) = find(db, revision)?;
        let ((_, then), (_, now)) = (subject::source(db, old.id)?, subject::source(db, page.revision_id)?);
        Ok((old, page, changed_lines(&now, &then)))
    });
    let (old, current, lines) = read.await?;
    may(asker.actor, Deed::EditPage { protected: current.protected })?;
    let title = current.full_title();
    let page = Page::own(app, asker, &format!("Revert “{title}”"))
        .await?
        .under("Wiki", "/wiki".into())
        .under(&title, current.path());
    let (base, comment) = typed.unwrap_or_else(|| (current.revision_id, usual_comment(&old)));
    let tools = Tools::own(asker.actor, title, current.protected);
    let is_faulty = !faults.is_empty();
    let shown = RevertPage { page, tools, old, base, comment, lines, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let id = number("id", visit.params.get("id").map_or("", String::as_str))?;
        show(app, &visit.asker, id, None, Faults::new()).await
    })
}

/// What makes a page what it was at a revision; where it is.
///
/// # Errors
/// There is no such revision, or its text cannot be read.
pub(super) fn prepare(
    db: &Connection,
    revision: i64,
    base: Option<RevisionId>,
    comment: Option<Comment>,
) -> Result<(Wiki, wiki::Page), Error> {
    let (old, page) = find(db, revision)?;
    let subject = Subject::named(db, &page.full_title())?;
    let (format, text) = subject::source(db, revision)?;
    let comment = match comment {
        Some(comment) => comment,
        None => Comment::new(&usual_comment(&old))?,
    };
    let edit = Wiki::EditPage {
        namespace: subject.namespace,
        title: subject.title.clone(),
        base_revision: Some(base.unwrap_or(RevisionId(page.revision_id))),
        content: subject.content(db, format, Source::allowing_blank(&text)?)?,
        comment,
        minor: false,
    };
    Ok((edit, page))
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let id = number("id", form.params.get("id").map_or("", String::as_str))?;
        let base = RevisionId(form.fields.get("base").parse().unwrap_or_default());
        let typed = form.fields.get("comment").to_owned();
        let comment = match Comment::new(&typed) {
            Ok(comment) => comment,
            Err(error) => {
                let faults = Faults::from([("comment", upper_first(&error.to_string()))]);
                return show(app, &form.asker, id, Some((base.0, typed)), faults).await;
            }
        };
        let ready = app.run(Cost::Pool, move |db| prepare(db, id, Some(base), Some(comment)));
        let (edit, page) = ready.await?;
        match app.send(Command::wiki(form.asker.by(), edit), &form.key).await {
            Ok(Outcome::PageSaved { .. }) => Ok(Answer::see_other(page.path())),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::Refused(Refusal::Conflict { current })) => {
                let said = "Somebody changed the page meanwhile. What would change of it now is shown below.";
                let faults = Faults::from([("comment", said.to_owned())]);
                show(app, &form.asker, id, Some((current, typed)), faults).await
            }
            Err(error) => Err(error),
        }
    })
}
