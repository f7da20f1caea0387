//! Wiki pages and their revisions.

use rusqlite::params;
use veritable_domain::content::{Content, Format, Rendered, WikiLink};
use veritable_domain::ids::{NamespaceId, PageId, RevisionId, UserId};
use veritable_domain::permission::{Deed, Denial, may};
use veritable_domain::tag::Tag;
use veritable_domain::text::Comment;
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::{PageTitle, full_title};
use veritable_writer_api::message::{By, Outcome, Refusal, Wiki};

use super::search::Text;
use super::{Failure, Transaction, no_such};

/// Carries out a change of the wiki.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Wiki) -> Result<Outcome, Failure> {
    match change {
        Wiki::EditPage { namespace, title, base_revision, content, comment, minor } => {
            let edit = Edit { base_revision: *base_revision, content, comment, minor: *minor };
            edit_page(tx, by, *namespace, title, &edit)
        }
    }
}

/// What an editor sends.
struct Edit<'a> {
    base_revision: Option<RevisionId>,
    content: &'a Content,
    comment: &'a Comment,
    minor: bool,
}

/// A revision about to be stored.
pub(super) struct NewRevision<'a> {
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
    tx.row("SELECT 1 FROM namespaces WHERE id = ?1", [namespace.0], |_| Ok(()))?
        .ok_or_else(|| no_such("namespace"))?;
    let found = tx.row(
        "SELECT p.id, p.revision_id, p.protected, r.source, r.format, p.deleted_at IS NOT NULL
         FROM pages p JOIN revisions r ON r.id = p.revision_id
         WHERE p.namespace_id = ?1 AND p.title = ?2",
        params![namespace.0, title.as_str()],
        |row| {
            let format: String = row.get(4)?;
            let same = row.get_ref(3)?.as_str()? == edit.content.source.as_str()
                && format == edit.content.format.name();
            Ok((
                PageId(row.get(0)?),
                RevisionId(row.get(1)?),
                row.get::<_, bool>(2)?,
                same,
                row.get::<_, bool>(5)?,
            ))
        },
    )?;
    may(actor, Deed::EditPage { protected: found.as_ref().is_some_and(|(_, _, protected, ..)| *protected) })?;
    let author = actor.user.ok_or(Denial::LoginRequired)?;
    // A deleted page is made anew by who saw none, and keeps its history.
    let current = found.as_ref().filter(|(.., deleted)| !deleted).map(|(_, revision, ..)| *revision);
    if current != edit.base_revision {
        return Err(Refusal::Conflict { current: current.map_or(0, |revision| revision.0) }.into());
    }
    if let (Some(revision), Some((page, _, _, true, _))) = (current, &found) {
        return Ok(Outcome::PageSaved { page: *page, revision, created: false });
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
    tx.run("UPDATE pages SET deleted_at = NULL WHERE id = ?1", [page.0])?;
    show_revision(tx, page, revision, tx.now, &edit.content.rendered)?;
    let created = current.is_none();
    tx.touch([Tag::Page(page), Tag::RecentChanges, Tag::Search, Tag::User(author)]);
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
    if let Some(author) = new.author {
        tx.run("UPDATE users SET edit_count = edit_count + 1 WHERE id = ?1", [author.0])?;
    }
    Ok(revision)
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
