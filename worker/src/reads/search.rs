//! Full-text search: the best ids first; what they are is asked of the forum and the wiki.

use rusqlite::{Connection, params};
use veritable_domain::permission::Groups;

use super::rows;

// A title says more of what a text is about than a word somewhere in it.
// Who may see a post is asked here: left to those who ask what the ids are, it would show in how many there are.
const POSTS: &str = "SELECT p.id FROM posts_fts f CROSS JOIN posts p ON p.id = f.rowid \
    CROSS JOIN topics t ON t.id = p.topic_id \
    CROSS JOIN categories c ON c.id = p.category_id AND c.read_groups & ?1 <> 0 \
    WHERE posts_fts MATCH ?2 AND rank MATCH 'bm25(6.0, 1.0)' AND p.deleted_at IS NULL AND t.deleted_at IS NULL \
    ORDER BY rank LIMIT ?3 OFFSET ?4";
const PAGES: &str = "SELECT rowid FROM pages_fts WHERE pages_fts MATCH ?1 AND rank MATCH 'bm25(6.0, 1.0)' \
    ORDER BY rank LIMIT ?2 OFFSET ?3";

// Not ranked: whoever asks compares them with what is missing.
const TITLES: &str = "SELECT n.name, p.title FROM pages_fts f CROSS JOIN pages p ON p.id = f.rowid \
    CROSS JOIN namespaces n ON n.id = p.namespace_id WHERE pages_fts MATCH ?1 AND p.deleted_at IS NULL LIMIT ?2";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] =
    &[("search::POSTS", POSTS), ("search::PAGES", PAGES), ("search::TITLES", TITLES)];

/// Ids of posts that match an FTS5 expression.
pub(crate) fn posts(
    db: &Connection,
    who: Groups,
    expression: &str,
    limit: usize,
    skip: usize,
) -> rusqlite::Result<Vec<i64>> {
    rows(db, POSTS, params![who.bits(), expression, limit as i64, skip as i64], |row| row.get(0))
}

/// Ids of wiki pages that match an FTS5 expression.
pub(crate) fn pages(
    db: &Connection,
    expression: &str,
    limit: usize,
    skip: usize,
) -> rusqlite::Result<Vec<i64>> {
    rows(db, PAGES, params![expression, limit as i64, skip as i64], |row| row.get(0))
}

/// Namespaces and titles of wiki pages that match an FTS5 expression, in no order.
pub(crate) fn titles(
    db: &Connection,
    expression: &str,
    limit: usize,
) -> rusqlite::Result<Vec<(String, String)>> {
    rows(db, TITLES, params![expression, limit as i64], |row| Ok((row.get(0)?, row.get(1)?)))
}
