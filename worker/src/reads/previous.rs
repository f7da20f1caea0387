//! Where the page before the one shown begins. Lists are read in one direction, from a cursor: the entry
//! that ends the page before. Counting as many entries back from there gives that page's own cursor, so
//! every page of a list has one address, whichever way a reader came.

use rusqlite::{Connection, params};
use veritable_domain::permission::Groups;

use super::first;
use super::forum::Before;

// Named, for else SQLite goes through the index of categories, one by one, and sorts.
const LATEST: &str = "SELECT t.last_post_at, t.id FROM topics t INDEXED BY topics_latest \
    CROSS JOIN categories c ON c.id = t.category_id AND c.read_groups & ?4 <> 0 WHERE t.deleted_at IS NULL \
    AND (t.last_post_at, t.id) >= (?1, ?2) ORDER BY t.last_post_at, t.id LIMIT 1 OFFSET ?3";
const IN_CATEGORY: &str = "SELECT last_post_at, id FROM topics WHERE deleted_at IS NULL AND category_id = ?4 \
    AND (last_post_at, id) >= (?1, ?2) ORDER BY last_post_at, id LIMIT 1 OFFSET ?3";
const BY_AUTHOR: &str = "SELECT p.created_at, p.id FROM posts p CROSS JOIN topics t ON t.id = p.topic_id \
    CROSS JOIN categories c ON c.id = p.category_id AND c.read_groups & ?4 <> 0 \
    WHERE p.deleted_at IS NULL AND t.deleted_at IS NULL AND p.author_id = ?5 \
    AND (p.created_at, p.id) >= (?1, ?2) ORDER BY p.created_at, p.id LIMIT 1 OFFSET ?3";

macro_rules! revisions {
    ($where:literal) => {
        concat!(
            "SELECT r.created_at, r.id FROM revisions r CROSS JOIN pages p ON p.id = r.page_id ",
            "WHERE p.deleted_at IS NULL AND ",
            $where,
            "(r.created_at, r.id) >= (?1, ?2) ORDER BY r.created_at, r.id LIMIT 1 OFFSET ?3"
        )
    };
}

const CHANGES: &str = revisions!("");
const HISTORY: &str = revisions!("r.page_id = ?4 AND ");
const EDITS: &str = revisions!("r.author_id = ?4 AND ");

const POSTS: &str = "SELECT path FROM posts WHERE topic_id = ?1 AND path > ?2 AND path <= ?3 \
    ORDER BY path DESC LIMIT 1 OFFSET ?4";
const ALL_PAGES: &str = "SELECT namespace_id, title FROM pages WHERE deleted_at IS NULL \
    AND (namespace_id, title) <= (?1, ?2) ORDER BY namespace_id DESC, title DESC LIMIT 1 OFFSET ?3";
const MEMBERS: &str = "SELECT m.page_id, m.sort_key FROM page_categories m CROSS JOIN pages p ON p.id = m.page_id \
    WHERE m.category = ?1 AND (m.sort_key, m.page_id) <= (?2, ?3) AND p.deleted_at IS NULL \
    ORDER BY m.sort_key DESC, m.page_id DESC LIMIT 1 OFFSET ?4";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("previous::LATEST", LATEST),
    ("previous::IN_CATEGORY", IN_CATEGORY),
    ("previous::BY_AUTHOR", BY_AUTHOR),
    ("previous::CHANGES", CHANGES),
    ("previous::HISTORY", HISTORY),
    ("previous::EDITS", EDITS),
    ("previous::POSTS", POSTS),
    ("previous::ALL_PAGES", ALL_PAGES),
    ("previous::MEMBERS", MEMBERS),
];

/// A list that goes back in time, with the id of what it is a list of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum List {
    /// Topics of the whole site.
    Latest,
    /// Topics of a category.
    Category(i64),
    /// Posts of a user.
    Author(i64),
    /// Changes of the whole wiki.
    Changes,
    /// Revisions of a page.
    History(i64),
    /// Revisions by a user.
    Edits(i64),
}

/// The cursor of the page before the one at `place`; `None`: that page is the first.
pub(crate) fn of_times(
    db: &Connection,
    list: List,
    who: Groups,
    place: Before,
    size: usize,
) -> rusqlite::Result<Option<Before>> {
    let (time, id, size, who) = (place.0, place.1, size as i64, who.bits());
    let read = |row: &rusqlite::Row<'_>| Ok(Before(row.get(0)?, row.get(1)?));
    match list {
        List::Latest => first(db, LATEST, params![time, id, size, who], read),
        List::Category(of) => first(db, IN_CATEGORY, params![time, id, size, of], read),
        List::Author(of) => first(db, BY_AUTHOR, params![time, id, size, who, of], read),
        List::Changes => first(db, CHANGES, params![time, id, size], read),
        List::History(of) => first(db, HISTORY, params![time, id, size, of], read),
        List::Edits(of) => first(db, EDITS, params![time, id, size, of], read),
    }
}

/// As [`of_times`], among the posts of a topic that come after `above`.
pub(crate) fn of_posts(
    db: &Connection,
    topic: i64,
    above: &[u8],
    place: &[u8],
    size: usize,
) -> rusqlite::Result<Option<Vec<u8>>> {
    first(db, POSTS, params![topic, above, place, size as i64], |row| row.get(0))
}

/// As [`of_times`], among all titles.
pub(crate) fn of_titles(
    db: &Connection,
    place: (i64, &str),
    size: usize,
) -> rusqlite::Result<Option<(i64, String)>> {
    first(db, ALL_PAGES, params![place.0, place.1, size as i64], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// As [`of_times`], among the members of a category.
pub(crate) fn of_members(
    db: &Connection,
    category: &str,
    place: (&str, i64),
    size: usize,
) -> rusqlite::Result<Option<(i64, String)>> {
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    first(db, MEMBERS, params![category, place.0, place.1, size as i64], read)
}
