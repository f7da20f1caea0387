//! Wiki pages and their revisions.

mod keeping;
mod moving;

use std::collections::BTreeSet;

use rusqlite::params;
use veritable_domain::content::{Content, Format, Rendered, WikiLink};
use veritable_domain::draft::Place;
use veritable_domain::ids::{NamespaceId, PageId, RevisionId, UserId};
use veritable_domain::permission::{Deed, Denial, may};
use veritable_domain::tag::Tag;
use veritable_domain::text::Comment;
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::{PageTitle, full_title};
use veritable_writer_api::message::{By, Outcome, Refusal, Wiki};

use super::accounts::drafts;
use super::search::Text;
use super::{Failure, Transaction, no_such};

/// Stands in a history for whoever runs the server.
const OPERATOR: &str = "operator";
/// Authors whose lists of edits are named one by one when a page leaves them; with more, everything is made anew.
const MAX_AUTHORS: usize = 1_000;

/// Carries out a change of the wiki.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Wiki) -> Result<Outcome, Failure> {
    match change {
        Wiki::EditPage { namespace, title, base_revision, content, comment, minor } => {
            let edit = Edit { base_revision: *base_revision, content, comment, minor: *minor };
            edit_page(tx, by, *namespace, title, &edit)
        }
        Wiki::MovePage { page, base_revision, namespace, title, rendered, redirect, comment } => {
            let to = moving::Move { base: *base_revision, namespace: *namespace, title, rendered, comment };
            moving::move_page(tx, by, *page, &to, redirect.as_ref())
        }
        Wiki::DeletePage { page, comment } => keeping::delete(tx, by, *page, comment),
        Wiki::RestorePage { page, comment } => keeping::restore(tx, by, *page, comment),
        Wiki::ProtectPage { page, protected, comment } => {
            keeping::protect(tx, by, *page, *protected, comment)
        }
    }
}

/// A page as it is when it is about to be changed.
struct Current {
    id: PageId,
    namespace: NamespaceId,
    title: String,
    /// With its namespace.
    full_title: String,
    revision: RevisionId,
    protected: bool,
    deleted: bool,
}

fn current(tx: &Transaction<'_>, page: PageId) -> Result<Current, Failure> {
    let found = tx.row(
        "SELECT p.namespace_id, p.title, n.name, p.revision_id, p.protected, p.deleted_at IS NOT NULL
         FROM pages p JOIN namespaces n ON n.id = p.namespace_id WHERE p.id = ?1",
        [page.0],
        |row| {
            let (title, space): (String, String) = (row.get(1)?, row.get(2)?);
            Ok(Current {
                id: page,
                namespace: NamespaceId(row.get(0)?),
                full_title: full_title(&space, &title),
                title,
                revision: RevisionId(row.get(3)?),
                protected: row.get(4)?,
                deleted: row.get(5)?,
            })
        },
    )?;
    found.ok_or_else(|| no_such("page"))
}

/// Whether a page has the title.
fn is_taken(tx: &Transaction<'_>, namespace: NamespaceId, title: &str) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM pages WHERE namespace_id = ?1 AND title = ?2 AND deleted_at IS NULL";
    Ok(tx.row(sql, params![namespace.0, title], |_| Ok(()))?.is_some())
}

/// Adds to a page's history what was done to it other than a change of its text.
fn note(
    tx: &Transaction<'_>,
    page: &Current,
    author: Option<UserId>,
    deed: &str,
    comment: &Comment,
) -> rusqlite::Result<RevisionId> {
    let said = match comment.as_str() {
        "" => deed.to_owned(),
        why => format!("{deed}: {why}"),
    };
    let name = if author.is_none() { OPERATOR } else { "" };
    tx.run(
        "INSERT INTO revisions (page_id, parent_id, author_id, author_name, created_at, comment, minor, size, format,
                                source)
         SELECT page_id, id, ?2, ?3, ?4, ?5, 1, size, format, source FROM revisions WHERE id = ?1",
        params![page.revision.0, author.map(|id| id.0), name, tx.now.0, said],
    )?;
    let revision = RevisionId(tx.db.last_insert_rowid());
    count_edit(tx, author)?;
    tx.run(
        "UPDATE pages SET revision_id = ?2, updated_at = ?3 WHERE id = ?1",
        params![page.id.0, revision.0, tx.now.0],
    )?;
    Ok(revision)
}

/// The page itself, everything that lists it, and what its authors did.
fn touch_all(tx: &mut Transaction<'_>, page: PageId) -> rusqlite::Result<()> {
    let sql = "SELECT author_id FROM revisions WHERE page_id = ?1";
    let authors = veritable_sql::rows(tx.db, sql, [page.0], |row| row.get::<_, Option<i64>>(0))?;
    let authors: BTreeSet<i64> = authors.into_iter().flatten().collect();
    tx.touch([Tag::Page(page), Tag::Titles, Tag::RecentChanges, Tag::Search]);
    if authors.len() > MAX_AUTHORS {
        tx.touch([Tag::Site]);
    } else {
        tx.touch(authors.into_iter().map(|author| Tag::User(UserId(author))));
    }
    Ok(())
}

/// What an editor sends.
struct Edit<'a> {
    base_revision: Option<RevisionId>,
    content: &'a Content,
    comment: &'a Comment,
    minor: bool,
}

/// A revision about to be stored.
pub(in super::super) struct NewRevision<'a> {
    pub(super) page: PageId,
    pub(super) parent: Option<RevisionId>,
    pub(super) author: Option<UserId>,
    pub(super) author_name: &'a str,
    pub(super) created_at: UnixMillis,
    pub(super) comment: &'a str,
    pub(super) minor: bool,
    pub(super) format: Format,
    pub(super) source: &'a str,
}

fn edit_page(
    tx: &mut Transaction<'_>,
    by: &By,
    namespace: NamespaceId,
    title: &PageTitle,
    edit: &Edit<'_>,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let space: String = tx
        .row("SELECT name FROM namespaces WHERE id = ?1", [namespace.0], |row| row.get(0))?
        .ok_or_else(|| no_such("namespace"))?;
    // A deleted page keeps its history to itself: under its title a new page is made.
    let found = tx.row(
        "SELECT p.id, p.revision_id, p.protected, r.source, r.format
         FROM pages p JOIN revisions r ON r.id = p.revision_id
         WHERE p.namespace_id = ?1 AND p.title = ?2 AND p.deleted_at IS NULL",
        params![namespace.0, title.as_str()],
        |row| {
            let format: String = row.get(4)?;
            let same = row.get_ref(3)?.as_str()? == edit.content.source.as_str()
                && format == edit.content.format.name();
            Ok((PageId(row.get(0)?), RevisionId(row.get(1)?), row.get::<_, bool>(2)?, same))
        },
    )?;
    let protected = found.as_ref().is_some_and(|(_, _, protected, _)| *protected);
    may(actor, Deed::EditPage { protected })?;
    let author = actor.user.ok_or(Denial::LoginRequired)?;
    let current = found.as_ref().map(|(_, revision, ..)| *revision);
    if current != edit.base_revision {
        return Err(Refusal::Conflict { current: current.map_or(0, |revision| revision.0) }.into());
    }
    drafts::forget(tx, author, &Place::Page(full_title(&space, title.as_str())))?;
    if let Some((page, revision, _, true)) = found {
        return Ok(Outcome::PageSaved { page, revision, created: false });
    }
    let page = match &found {
        Some((page, ..)) => *page,
        None => insert_page(tx, namespace, title.as_str(), tx.now)?,
    };
    let revision = insert_revision(
        tx,
        &NewRevision {
            page,
            parent: current,
            author: Some(author),
            author_name: "",
            created_at: tx.now,
            comment: edit.comment.as_str(),
            minor: edit.minor,
            format: edit.content.format,
            source: edit.content.source.as_str(),
        },
    )?;
    show_revision(tx, page, revision, tx.now, &edit.content.rendered)?;
    let created = current.is_none();
    if protected {
        tx.audit(by, "page.edit", &format!("page:{page}"), edit.comment.as_str())?;
    }
    tx.touch([Tag::Page(page), Tag::RecentChanges, Tag::User(author)]);
    if created {
        tx.touch([Tag::Titles]);
    }
    Ok(Outcome::PageSaved { page, revision, created })
}

/// Makes a page without revision; one must follow in the same transaction.
pub(super) fn insert_page(
    tx: &Transaction<'_>,
    namespace: NamespaceId,
    title: &str,
    at: UnixMillis,
) -> rusqlite::Result<PageId> {
    tx.run(
        "INSERT INTO pages (namespace_id, title, revision_id, created_at, updated_at, html)
         VALUES (?1, ?2, 0, ?3, ?3, '')",
        params![namespace.0, title, at.0],
    )?;
    Ok(PageId(tx.db.last_insert_rowid()))
}

pub(super) fn insert_revision(tx: &Transaction<'_>, new: &NewRevision<'_>) -> rusqlite::Result<RevisionId> {
    tx.run(
        "INSERT INTO revisions (page_id, parent_id, author_id, author_name, created_at, comment, minor, size, format,
                                source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            new.page.0,
            new.parent.map(|id| id.0),
            new.author.map(|id| id.0),
            new.author_name,
            new.created_at.0,
            new.comment,
            new.minor,
            new.source.len().cast_signed(),
            new.format.name(),
            new.source,
        ],
    )?;
    let revision = RevisionId(tx.db.last_insert_rowid());
    count_edit(tx, new.author)?;
    Ok(revision)
}

fn count_edit(tx: &Transaction<'_>, author: Option<UserId>) -> rusqlite::Result<()> {
    if let Some(author) = author {
        tx.run("UPDATE users SET edit_count = edit_count + 1 WHERE id = ?1", [author.0])?;
    }
    Ok(())
}

/// Makes a revision the one that is shown: its HTML, links, categories and search text.
pub(super) fn show_revision(
    tx: &mut Transaction<'_>,
    page: PageId,
    revision: RevisionId,
    at: UnixMillis,
    rendered: &Rendered,
) -> rusqlite::Result<()> {
    let redirect = rendered.redirect.as_ref().map(|link| full_title(&link.namespace, &link.title));
    tx.run(
        "UPDATE pages SET revision_id = ?2, updated_at = ?3, redirect_to = ?4, html = ?5 WHERE id = ?1",
        params![page.0, revision.0, at.0, redirect, rendered.html],
    )?;
    let title: String =
        tx.row("SELECT title FROM pages WHERE id = ?1", [page.0], |row| row.get(0))?.unwrap_or_default();
    tx.run("DELETE FROM page_links WHERE page_id = ?1", [page.0])?;
    for link in &rendered.links {
        let (namespace, title) = resolve(tx, link)?;
        tx.run(
            "INSERT OR IGNORE INTO page_links (page_id, namespace_id, title) VALUES (?1, ?2, ?3)",
            params![page.0, namespace.0, title],
        )?;
    }
    tx.run("DELETE FROM page_categories WHERE page_id = ?1", [page.0])?;
    for (category, sort_key) in &rendered.categories {
        tx.run(
            "INSERT OR IGNORE INTO page_categories (category, sort_key, page_id) VALUES (?1, ?2, ?3)",
            params![category, sort_key.as_deref().unwrap_or(&title), page.0],
        )?;
    }
    tx.texts.push(Text::page(page.0, &title, &rendered.text));
    Ok(())
}

/// The namespace with this name, whatever its case.
pub(super) fn namespace_named(tx: &Transaction<'_>, name: &str) -> rusqlite::Result<Option<NamespaceId>> {
    let key = name.replace('_', " ").to_lowercase();
    tx.row("SELECT id FROM namespaces WHERE name_key = ?1", [key], |row| row.get(0).map(NamespaceId))
}

/// Where a link leads: a prefix that names no namespace belongs to the title.
fn resolve(tx: &Transaction<'_>, link: &WikiLink) -> rusqlite::Result<(NamespaceId, String)> {
    Ok(match namespace_named(tx, &link.namespace)? {
        Some(namespace) => (namespace, link.title.clone()),
        None => (NamespaceId::MAIN, full_title(&link.namespace, &link.title)),
    })
}
