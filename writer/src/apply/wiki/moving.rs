//! A page gets another title.

use rusqlite::params;
use veritable_domain::content::{Content, Rendered};
use veritable_domain::ids::{NamespaceId, PageId, RevisionId};
use veritable_domain::permission::{Deed, Denial, may};
use veritable_domain::tag::Tag;
use veritable_domain::text::Comment;
use veritable_domain::wiki::{PageTitle, full_title};
use veritable_writer_api::message::{By, Outcome, Refusal};

use super::super::{Failure, Transaction, no_such};
use super::{NewRevision, current, insert_page, insert_revision, is_taken, note, show_revision, touch_all};

/// Where a page is to be, and as what.
pub(super) struct Move<'a> {
    pub(super) base: RevisionId,
    pub(super) namespace: NamespaceId,
    pub(super) title: &'a PageTitle,
    pub(super) rendered: &'a Rendered,
    pub(super) comment: &'a Comment,
}

pub(super) fn move_page(
    tx: &mut Transaction<'_>,
    by: &By,
    page: PageId,
    to: &Move<'_>,
    redirect: Option<&Content>,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let from = current(tx, page)?;
    if from.deleted {
        return Err(no_such("page"));
    }
    may(actor, Deed::EditPage { protected: from.protected })?;
    let author = actor.user.ok_or(Denial::LoginRequired)?;
    let space: String = tx
        .row("SELECT name FROM namespaces WHERE id = ?1", [to.namespace.0], |row| row.get(0))?
        .ok_or_else(|| no_such("namespace"))?;
    let title = to.title.as_str();
    if (from.namespace, from.title.as_str()) == (to.namespace, title) {
        return Ok(Outcome::PageSaved { page, revision: from.revision, created: false });
    }
    if is_taken(tx, to.namespace, title)? {
        return Err(Refusal::TitleTaken.into());
    }
    if from.revision != to.base {
        return Err(Refusal::Conflict { current: from.revision.0 }.into());
    }
    let new = full_title(&space, title);
    tx.run(
        "UPDATE pages SET namespace_id = ?2, title = ?3 WHERE id = ?1",
        params![page.0, to.namespace.0, title],
    )?;
    let deed = format!("Moved from {:?} to {new:?}", from.full_title);
    let revision = note(tx, &from, Some(author), &deed, to.comment)?;
    show_revision(tx, page, revision, tx.now, to.rendered)?;
    if let Some(content) = redirect {
        let left = insert_page(tx, from.namespace, &from.title, tx.now)?;
        let revision = insert_revision(
            tx,
            &NewRevision {
                page: left,
                parent: None,
                author: Some(author),
                author_name: "",
                created_at: tx.now,
                comment: &format!("Moved to {new:?}"),
                minor: true,
                format: content.format,
                source: content.source.as_str(),
            },
        )?;
        show_revision(tx, left, revision, tx.now, &content.rendered)?;
        tx.touch([Tag::Page(left)]);
    }
    if from.protected {
        tx.audit(by, "page.move", &format!("page:{page}"), &deed)?;
    }
    touch_all(tx, page)?;
    Ok(Outcome::PageSaved { page, revision, created: false })
}
