//! What keeps order in the wiki: pages are taken away, brought back, and protected.

use rusqlite::params;
use veritable_domain::ids::PageId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::text::Comment;
use veritable_writer_api::message::{By, Outcome, Refusal};

use super::super::{Failure, Transaction, no_such};
use super::{Current, current, is_taken, note, touch_all};

pub(super) fn delete(
    tx: &mut Transaction<'_>,
    by: &By,
    page: PageId,
    comment: &Comment,
) -> Result<Outcome, Failure> {
    let page = keepers(tx, by, page, false)?;
    let outcome = done(tx, by, &page, ("page.delete", "Deleted"), comment)?;
    tx.run(
        "UPDATE pages SET deleted_at = ?2, deleted_by = ?3 WHERE id = ?1",
        params![page.id.0, tx.now.0, by.user.map(|user| user.0)],
    )?;
    Ok(outcome)
}

pub(super) fn restore(
    tx: &mut Transaction<'_>,
    by: &By,
    page: PageId,
    comment: &Comment,
) -> Result<Outcome, Failure> {
    let page = keepers(tx, by, page, true)?;
    if is_taken(tx, page.namespace, &page.title)? {
        return Err(Refusal::TitleTaken.into());
    }
    tx.run("UPDATE pages SET deleted_at = NULL, deleted_by = NULL WHERE id = ?1", [page.id.0])?;
    done(tx, by, &page, ("page.restore", "Restored"), comment)
}

pub(super) fn protect(
    tx: &mut Transaction<'_>,
    by: &By,
    page: PageId,
    protected: bool,
    comment: &Comment,
) -> Result<Outcome, Failure> {
    let page = keepers(tx, by, page, false)?;
    if page.protected == protected {
        return Ok(Outcome::PageSaved { page: page.id, revision: page.revision, created: false });
    }
    tx.run("UPDATE pages SET protected = ?2 WHERE id = ?1", params![page.id.0, protected])?;
    let deed =
        if protected { ("page.protect", "Protected") } else { ("page.unprotect", "No longer protected") };
    done(tx, by, &page, deed, comment)
}

/// A page, for who keeps order.
fn keepers(tx: &Transaction<'_>, by: &By, page: PageId, deleted: bool) -> Result<Current, Failure> {
    may(tx.actor(by)?, Deed::KeepOrder)?;
    let page = current(tx, page)?;
    if page.deleted == deleted { Ok(page) } else { Err(no_such("page")) }
}

fn done(
    tx: &mut Transaction<'_>,
    by: &By,
    page: &Current,
    (deed, said): (&str, &str),
    comment: &Comment,
) -> Result<Outcome, Failure> {
    let revision = note(tx, page, by.user, said, comment)?;
    let detail = match comment.as_str() {
        "" => page.full_title.clone(),
        why => format!("{}: {why}", page.full_title),
    };
    tx.audit(by, deed, &format!("page:{}", page.id), &detail)?;
    touch_all(tx, page.id)?;
    Ok(Outcome::PageSaved { page: page.id, revision, created: false })
}
