//! Which wiki pages link to one.

use rusqlite::{Connection, params};
use veritable_domain::wiki::{full_title, page_path};

use super::wiki::Entry;
use super::{first, rows, when};

const LINKING: &str = "SELECT p.id, p.namespace_id, n.name, p.title, p.updated_at, p.redirect_to IS NOT NULL \
    FROM page_links l CROSS JOIN pages p ON p.id = l.page_id CROSS JOIN namespaces n ON n.id = p.namespace_id \
    WHERE l.namespace_id = ?1 AND l.title = ?2 AND l.page_id > ?3 AND p.deleted_at IS NULL \
    ORDER BY l.page_id LIMIT ?4";
const PREVIOUS: &str = "SELECT l.page_id FROM page_links l CROSS JOIN pages p ON p.id = l.page_id \
    WHERE l.namespace_id = ?1 AND l.title = ?2 AND l.page_id <= ?3 AND p.deleted_at IS NULL \
    ORDER BY l.page_id DESC LIMIT 1 OFFSET ?4";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[("backlinks::LINKING", LINKING), ("backlinks::PREVIOUS", PREVIOUS)];

/// Pages with a link to a title, whether a page has it or not, by their ids from `after` on.
pub(crate) fn linking(
    db: &Connection,
    (space, title): (i64, &str),
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Entry>> {
    rows(db, LINKING, params![space, title, after, limit as i64], |row| {
        let (namespace, bare): (String, String) = (row.get(2)?, row.get(3)?);
        Ok(Entry {
            id: row.get(0)?,
            title: full_title(&namespace, &bare),
            path: page_path(&namespace, &bare),
            redirect: row.get(5)?,
            updated_at: when(row, 4)?,
            namespace_id: row.get(1)?,
            bare_title: bare,
        })
    })
}

/// After which id the part of the list before the one after `shown` begins; `None` at its beginning.
pub(crate) fn previous(
    db: &Connection,
    (space, title): (i64, &str),
    shown: i64,
    size: usize,
) -> rusqlite::Result<Option<i64>> {
    first(db, PREVIOUS, params![space, title, shown, size as i64], |row| row.get(0))
}
