//! What moderators do with pages: delete, restore, protect.

use veritable_domain::ids::PageId;
use veritable_domain::text::Comment;
use veritable_domain::wiki::{tool_path, upper_first};
use veritable_writer_api::message::{Command, Outcome, Refusal, Wiki};

use super::super::accounts::{FAULTY, Faults};
use super::super::changes::unexpected;
use super::super::{Around, PAGE, at_cursor, before_of, cut, missing, number, seal_place};
use super::subject::Subject;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::afterwards;
use crate::reads::forum::Before;
use crate::reads::{deleted, wiki};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{DeedPage, DeletedWikiPage, DeletedWikiPages, Page, Tools, render};

const DELETED: &str = "/wiki-deleted";

/// What is done with a page on a page of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Delete,
    Protect,
    Unprotect,
}

impl Deed {
    fn tool(self) -> &'static str {
        match self {
            Deed::Delete => "delete",
            Deed::Protect | Deed::Unprotect => "protect",
        }
    }
}

async fn show(
    app: &App,
    asker: &Asker,
    page: &wiki::Page,
    deed: Deed,
    typed: String,
    faults: Faults,
) -> Result<Answer, Error> {
    let title = page.full_title();
    let (heading, about, button, value) = match deed {
        Deed::Delete => (
            format!("Delete “{title}”"),
            "The page goes with its history. Moderators can bring it back.",
            "Delete it",
            "",
        ),
        Deed::Protect => (
            format!("Protect “{title}”"),
            "Only moderators will be able to change or move it.",
            "Protect it",
            "on",
        ),
        Deed::Unprotect => (
            format!("Open “{title}” again"),
            "The page is protected. Every member will be able to change and move it again.",
            "Open it",
            "off",
        ),
    };
    let frame =
        Page::own(app, asker, &heading).await?.under("Wiki", "/wiki".into()).under(&title, page.path());
    let is_faulty = !faults.is_empty();
    let shown = DeedPage {
        page: frame,
        action: tool_path(deed.tool(), &title),
        tools: Tools::own(asker.actor, title, page.protected),
        about,
        button,
        value,
        comment: typed,
        faults,
    };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

async fn find(app: &App, title: Option<&String>) -> Result<wiki::Page, Error> {
    let title = title.cloned().unwrap_or_default();
    Ok(app.run(Cost::Point, move |db| Subject::page_named(db, &title)).await?.1)
}

/// What was said of it, or what is wrong with that.
fn said(text: &str) -> Result<Comment, Faults> {
    Comment::new(text).map_err(|error| Faults::from([("comment", upper_first(&error.to_string()))]))
}

async fn send(app: &App, form: &Submission, change: Wiki) -> Result<(), Error> {
    match app.send(Command::wiki(form.asker.by(), change), &form.key).await? {
        Outcome::PageSaved { .. } => Ok(()),
        other => Err(unexpected(&other)),
    }
}

pub(crate) fn delete_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let page = find(app, visit.params.get("title")).await?;
        show(app, &visit.asker, &page, Deed::Delete, String::new(), Faults::new()).await
    })
}

pub(crate) fn delete<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let page = find(app, form.params.get("title")).await?;
        let typed = form.fields.get("comment").to_owned();
        match said(&typed) {
            Ok(comment) => {
                send(app, &form, Wiki::DeletePage { page: PageId(page.id), comment }).await?;
                Ok(Answer::see_other(format!("{DELETED}/{}", page.id)))
            }
            Err(faults) => show(app, &form.asker, &page, Deed::Delete, typed, faults).await,
        }
    })
}

pub(crate) fn protect_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let page = find(app, visit.params.get("title")).await?;
        let deed = if page.protected { Deed::Unprotect } else { Deed::Protect };
        show(app, &visit.asker, &page, deed, String::new(), Faults::new()).await
    })
}

pub(crate) fn protect<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let page = find(app, form.params.get("title")).await?;
        let protected = form.fields.get("value") == "on";
        let typed = form.fields.get("comment").to_owned();
        match said(&typed) {
            Ok(comment) => {
                send(app, &form, Wiki::ProtectPage { page: PageId(page.id), protected, comment }).await?;
                Ok(Answer::see_other(page.path()))
            }
            Err(faults) => {
                let deed = if protected { Deed::Protect } else { Deed::Unprotect };
                show(app, &form.asker, &page, deed, typed, faults).await
            }
        }
    })
}

/// Pages that were deleted, the newest first.
pub(crate) fn deleted_pages<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let shown = before_of(visit.query.get("before").map_or("", String::as_str))?;
        let read = app.run(Cost::Point, move |db| {
            let earlier = match shown {
                Before::NOW => None,
                shown => Some(deleted::previous(db, shown, PAGE)?),
            };
            Ok((deleted::list(db, shown, PAGE + 1)?, earlier))
        });
        let (mut entries, earlier) = read.await?;
        let next = cut(&mut entries, PAGE, deleted::DeletedEntry::place);
        let next = next.map(|cursor| at_cursor(DELETED, "before", Some(cursor)));
        let previous = earlier.map(|place| at_cursor(DELETED, "before", place.map(seal_place)));
        let page = Page::own(app, &visit.asker, "Deleted pages").await?;
        let role = visit.asker.actor.role;
        let page = page.under("Wiki", "/wiki".into()).first(DELETED).around(Around { previous, next });
        Ok(Answer::html(render(&DeletedWikiPages { page, role, entries })?, Vec::new()))
    })
}

async fn show_deleted(
    app: &App,
    asker: &Asker,
    id: i64,
    typed: String,
    faults: Faults,
) -> Result<Answer, Error> {
    let read = app.run(Cost::Point, move |db| Ok((deleted::one(db, id)?, deleted::text(db, id)?)));
    let (entry, text) = read.await?;
    let (entry, text) = entry.zip(text).ok_or_else(|| missing("deleted page"))?;
    let page = Page::own(app, asker, &format!("“{}” was deleted", entry.title)).await?;
    let page = page.under("Wiki", "/wiki".into()).under("Deleted pages", DELETED.into());
    let is_faulty = !faults.is_empty();
    let shown = DeletedWikiPage { page, entry, text, comment: typed, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn deleted_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let id = number("id", visit.params.get("id").map_or("", String::as_str))?;
        show_deleted(app, &visit.asker, id, String::new(), Faults::new()).await
    })
}

pub(crate) fn restore<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let id = number("id", form.params.get("id").map_or("", String::as_str))?;
        let typed = form.fields.get("comment").to_owned();
        let comment = match said(&typed) {
            Ok(comment) => comment,
            Err(faults) => return show_deleted(app, &form.asker, id, typed, faults).await,
        };
        match send(app, &form, Wiki::RestorePage { page: PageId(id), comment }).await {
            Ok(()) => {
                let page = afterwards(app.run(Cost::Point, move |db| Ok(wiki::page_by_id(db, id)?)).await);
                Ok(Answer::see_other(page.flatten().map_or_else(|| "/recent".to_owned(), |page| page.path())))
            }
            Err(Error::Refused(Refusal::TitleTaken)) => {
                let said = "Another page has its title now. Move or delete that one first.";
                let faults = Faults::from([("comment", said.to_owned())]);
                show_deleted(app, &form.asker, id, typed, faults).await
            }
            Err(error) => Err(error),
        }
    })
}
