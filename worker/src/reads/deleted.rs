//! Wiki pages that were deleted, for who keeps order.

use rusqlite::{Connection, Row, params};
use veritable_domain::wiki::full_title;

use super::forum::Before;
use super::{When, first, rows, when};

macro_rules! deleted {
    ($where:literal) => {
        concat!(
            "SELECT p.id, n.name, p.title, p.deleted_at, coalesce(u.name, 'operator'), r.comment ",
            "FROM pages p CROSS JOIN namespaces n ON n.id = p.namespace_id ",
            "CROSS JOIN revisions r ON r.id = p.revision_id LEFT JOIN users u ON u.id = p.deleted_by ",
            "WHERE p.deleted_at IS NOT NULL AND ",
            $where
        )
    };
}

const DELETED: &str =
    deleted!("(p.deleted_at, p.id) < (?1, ?2) ORDER BY p.deleted_at DESC, p.id DESC LIMIT ?3");
const ONE: &str = deleted!("p.id = ?1");
const PREVIOUS: &str = "SELECT deleted_at, id FROM pages WHERE deleted_at IS NOT NULL \
    AND (deleted_at, id) >= (?1, ?2) ORDER BY deleted_at, id LIMIT 1 OFFSET ?3";
const TEXT: &str = "SELECT r.format, r.source, p.protected FROM pages p CROSS JOIN revisions r ON r.id = p.revision_id \
    WHERE p.id = ?1 AND p.deleted_at IS NOT NULL";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("deleted::DELETED", DELETED),
    ("deleted::ONE", ONE),
    ("deleted::PREVIOUS", PREVIOUS),
    ("deleted::TEXT", TEXT),
];

/// A page that was deleted.
#[derive(Debug)]
pub(crate) struct DeletedEntry {
    pub(crate) id: i64,
    /// With its namespace.
    pub(crate) title: String,
    pub(crate) at: When,
    /// Who deleted it.
    pub(crate) by: String,
    /// What was said of it.
    pub(crate) comment: String,
}

impl DeletedEntry {
    pub(crate) fn place(&self) -> Before {
        Before(self.at.0.0, self.id)
    }

    pub(crate) fn path(&self) -> String {
        format!("/wiki-deleted/{}", self.id)
    }
}

/// What was on it.
#[derive(Debug)]
pub(crate) struct DeletedText {
    pub(crate) format: String,
    pub(crate) source: String,
    pub(crate) protected: bool,
}

/// The last that were deleted, the newest first.
pub(crate) fn list(db: &Connection, before: Before, limit: usize) -> rusqlite::Result<Vec<DeletedEntry>> {
    rows(db, DELETED, params![before.0, before.1, limit as i64], entry)
}

/// Where the part of the list before the one from `shown` on begins; `None` at its beginning.
pub(crate) fn previous(db: &Connection, shown: Before, size: usize) -> rusqlite::Result<Option<Before>> {
    first(db, PREVIOUS, params![shown.0, shown.1, size as i64], |row| Ok(Before(row.get(0)?, row.get(1)?)))
}

/// One of them.
pub(crate) fn one(db: &Connection, page: i64) -> rusqlite::Result<Option<DeletedEntry>> {
    first(db, ONE, [page], entry)
}

/// What was on it.
pub(crate) fn text(db: &Connection, page: i64) -> rusqlite::Result<Option<DeletedText>> {
    first(db, TEXT, [page], |row| {
        Ok(DeletedText { format: row.get(0)?, source: row.get(1)?, protected: row.get(2)? })
    })
}

fn entry(row: &Row<'_>) -> rusqlite::Result<DeletedEntry> {
    let (space, title): (String, String) = (row.get(1)?, row.get(2)?);
    Ok(DeletedEntry {
        id: row.get(0)?,
        title: full_title(&space, &title),
        at: when(row, 3)?,
        by: row.get(4)?,
        comment: row.get(5)?,
    })
}
