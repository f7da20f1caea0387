//! What things of older systems became here.

use rusqlite::{Connection, params};
use veritable_domain::permission::Groups;

use super::{first, rows};

/// Most things of one id in old systems that are looked through for an old address: one for each system.
const MAX_NAMESAKES: i64 = 8;

const IMPORTED: &str = "SELECT local_id FROM imported WHERE kind = ?1 AND foreign_id = ?2 LIMIT ?3";
const NAMESAKES: &str = "SELECT t.title, t.slug, t.id FROM imported i CROSS JOIN topics t ON t.id = i.local_id \
    CROSS JOIN categories c ON c.id = t.category_id AND c.read_groups & ?5 <> 0 WHERE i.kind = 'topic' AND i.foreign_id = ?1 AND ?2 IN (t.slug, '-') AND t.id <> ?3 AND t.deleted_at IS NULL LIMIT ?4";
const ANY: &str = "SELECT 1 FROM imported WHERE kind = ?1 LIMIT 1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] =
    &[("old::IMPORTED", IMPORTED), ("old::NAMESAKES", NAMESAKES), ("old::ANY", ANY)];

/// What imported things of this foreign id became.
pub(crate) fn imported(db: &Connection, kind: &str, foreign: i64) -> rusqlite::Result<Vec<i64>> {
    rows(db, IMPORTED, params![kind, foreign.to_string(), MAX_NAMESAKES], |row| row.get(0))
}

/// Titles and addresses of imported topics, other than `own`, that had this id and this slug.
pub(crate) fn namesakes(
    db: &Connection,
    foreign: i64,
    slug: &str,
    own: i64,
    who: Groups,
) -> rusqlite::Result<Vec<(String, String)>> {
    rows(db, NAMESAKES, params![foreign.to_string(), slug, own, MAX_NAMESAKES, who.bits()], |row| {
        Ok((row.get(0)?, super::forum::topic_path(&row.get::<_, String>(1)?, row.get(2)?)))
    })
}

/// Whether anything of this kind was imported.
pub(crate) fn any(db: &Connection, kind: &str) -> rusqlite::Result<bool> {
    Ok(first(db, ANY, [kind], |_| Ok(()))?.is_some())
}
