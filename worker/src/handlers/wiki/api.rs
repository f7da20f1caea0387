//! Changes of the wiki asked for over the API, and what only concerns them.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use veritable_domain::content::Format;
use veritable_domain::ids::{PageId, RevisionId};
use veritable_domain::tag::Tag;
use veritable_domain::text::{Comment, Source};
use veritable_domain::wiki::page_path;
use veritable_writer_api::message::{Command, Outcome, Wiki};

use super::super::changes::{body, done, id, unexpected};
use super::super::{PAGE, cut_by, json as answer, limit, listed, missing, number, param};
use super::backlinks::{after, seal_id};
use super::moving;
use super::reverting;
use super::revisions::changed_lines;
use super::subject::{self, Subject};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::afterwards;
use crate::reads::{backlinks, wiki};
use crate::routes::{Change, Cost, Pending, View};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageEdit {
    title: String,
    body: String,
    base_revision: Option<RevisionId>,
    #[serde(default)]
    comment: String,
    #[serde(default)]
    minor: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageMove {
    title: String,
    base_revision: Option<RevisionId>,
    #[serde(default)]
    comment: String,
    #[serde(default = "yes")]
    redirect: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PageRevert {
    revision: i64,
    base_revision: Option<RevisionId>,
    comment: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Why {
    comment: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Protection {
    protected: bool,
    #[serde(default)]
    comment: String,
}

/// Makes a page or changes it; one that is there keeps its language.
pub(crate) fn save_page<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: PageEdit = body(&change)?;
        let comment = Comment::new(&asked.comment)?;
        let source = Source::allowing_blank(&asked.body)?;
        let (title, base) = (asked.title, asked.base_revision);
        let ready = app.run(Cost::Pool, move |db| {
            let subject = Subject::named(db, &title)?;
            let base = match base {
                Some(base) => subject.revision(db, base)?,
                None => None,
            };
            let format = match base {
                Some((format, _)) => format,
                None => Format::Markdown,
            };
            let content = subject.content(db, format, source)?;
            Ok((subject, content))
        });
        let (subject, content) = ready.await?;
        let path = page_path(&subject.space, subject.title.as_str());
        let edit = Wiki::EditPage {
            namespace: subject.namespace,
            title: subject.title,
            base_revision: asked.base_revision,
            content,
            comment,
            minor: asked.minor,
        };
        match app.send(Command::wiki(change.asker.by(), edit), &change.key).await? {
            Outcome::PageSaved { page, revision, created } => {
                let value = json!({"page": {"id": page}, "revision": {"id": revision}, "path": path});
                let status = if created { StatusCode::CREATED } else { StatusCode::OK };
                Ok(done(status, Some(path), &value))
            }
            other => Err(unexpected(&other)),
        }
    })
}

/// Sends a change of a page; its ids, and those of the revision that tells of it.
async fn send(app: &App, change: &Change, wiki: Wiki) -> Result<Value, Error> {
    match app.send(Command::wiki(change.asker.by(), wiki), &change.key).await? {
        Outcome::PageSaved { page, revision, .. } => {
            Ok(json!({"page": {"id": page}, "revision": {"id": revision}}))
        }
        other => Err(unexpected(&other)),
    }
}

/// The same, and tells where the page is then.
async fn send_to(app: &App, change: &Change, wiki: Wiki, path: String) -> Result<Answer, Error> {
    let mut value = send(app, change, wiki).await?;
    value["path"] = path.as_str().into();
    Ok(done(StatusCode::OK, Some(path), &value))
}

fn page_of(db: &rusqlite::Connection, id: i64) -> Result<wiki::Page, Error> {
    wiki::page_by_id(db, id)?.ok_or_else(|| missing("page"))
}

pub(crate) fn move_page<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let (asked, id): (PageMove, i64) = (body(&change)?, id(&change)?);
        let comment = Comment::new(&asked.comment)?;
        let ready = app.run(Cost::Pool, move |db| {
            let page = page_of(db, id)?;
            let base = asked.base_revision.unwrap_or(RevisionId(page.revision_id));
            moving::prepare(db, &page, base, &asked.title, asked.redirect, comment)
        });
        let moving::Ready { command, path } = ready.await?;
        send_to(app, &change, command, path).await
    })
}

pub(crate) fn revert<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let (asked, id): (PageRevert, i64) = (body(&change)?, id(&change)?);
        let comment = asked.comment.as_deref().map(Comment::new).transpose()?;
        let ready = app.run(Cost::Pool, move |db| {
            let (edit, page) = reverting::prepare(db, asked.revision, asked.base_revision, comment)?;
            if page.id == id { Ok((edit, page.path())) } else { Err(missing("revision of this page")) }
        });
        let (edit, path) = ready.await?;
        send_to(app, &change, edit, path).await
    })
}

/// What is said of it; nothing where there is no body.
fn why(change: &Change) -> Result<Comment, Error> {
    let Why { comment } = if change.body.is_empty() { Why::default() } else { body(change)? };
    Ok(Comment::new(&comment)?)
}

pub(crate) fn delete<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let delete = Wiki::DeletePage { page: PageId(id(&change)?), comment: why(&change)? };
        Ok(done(StatusCode::OK, None, &send(app, &change, delete).await?))
    })
}

pub(crate) fn restore<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let id = id(&change)?;
        let restore = Wiki::RestorePage { page: PageId(id), comment: why(&change)? };
        let mut value = send(app, &change, restore).await?;
        let path = afterwards(app.run(Cost::Point, move |db| Ok(page_of(db, id)?.path())).await);
        if let Some(path) = &path {
            value["path"] = path.as_str().into();
        }
        Ok(done(StatusCode::OK, path, &value))
    })
}

pub(crate) fn protect<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: Protection = body(&change)?;
        let (id, comment) = (id(&change)?, Comment::new(&asked.comment)?);
        let path = app.run(Cost::Point, move |db| Ok(page_of(db, id)?.path())).await?;
        let protect = Wiki::ProtectPage { page: PageId(id), protected: asked.protected, comment };
        send_to(app, &change, protect, path).await
    })
}

/// What one revision of a page changed against another.
pub(crate) fn difference(view: &View<'_>) -> Result<Answer, Error> {
    let revision = |name| {
        let id = number(name, param(view, name))?;
        wiki::revision(view.db, id)?.ok_or_else(|| missing("revision"))
    };
    let (old, new) = (revision("old")?, revision("new")?);
    if old.page_id != new.page_id {
        return Err(super::invalid("new", "is a revision of another page"));
    }
    let ((_, before), (_, now)) = (subject::source(view.db, old.id)?, subject::source(view.db, new.id)?);
    let lines = changed_lines(&before, &now)
        .ok_or_else(|| super::invalid("new", "these revisions are too large to compare"))?;
    let lines: Vec<_> =
        lines.into_iter().map(|line| json!({"kind": kind(line.class), "text": line.text})).collect();
    let tags = vec![Tag::Site, Tag::Page(PageId(old.page_id))];
    answer(&json!({"old": old, "new": new, "lines": lines}), tags)
}

/// What the API calls the classes of lines.
fn kind(class: &str) -> &'static str {
    match class {
        "ins" => "added",
        "del" => "removed",
        "gap" => "left out",
        _ => "same",
    }
}

/// Pages with a link to one.
pub(crate) fn links(view: &View<'_>) -> Result<Answer, Error> {
    let page = page_of(view.db, super::super::id(view)?)?;
    let limit = limit(view, PAGE)?;
    let target = (page.namespace_id, page.title.as_str());
    let mut entries = backlinks::linking(view.db, target, after(view)?, limit + 1)?;
    let next = cut_by(&mut entries, limit, |last| seal_id(last.id));
    let tags = vec![Tag::Site, Tag::Page(PageId(page.id)), Tag::Titles, Tag::RecentChanges];
    listed("pages", &entries, next, tags)
}
