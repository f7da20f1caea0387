//! The forum's questions: categories and lists of topics.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::permission::{Access, Groups};
use veritable_domain::time::UnixMillis;

use super::{Person, When, first, rows, when};

macro_rules! categories {
    ($where:literal) => {
        concat!(
            "SELECT id, name, slug, description, topic_count, post_count, locked, read_groups, post_groups, ",
            "moderate_groups FROM categories WHERE read_groups & ?1 <> 0 ",
            $where
        )
    };
}

// Every question names who asks by ?1: what is in a category that they may not see is not there.
const CATEGORIES: &str = categories!("ORDER BY position, id");
const CATEGORY: &str = categories!("AND id = ?2");

// CROSS JOIN fixes the order: whatever the statistics say, the list's index comes first.
macro_rules! topics {
    ($where:literal) => {
        concat!(
            "SELECT t.id, t.title, t.slug, t.category_id, c.name AS category, c.slug AS category_slug, ",
            "u.name AS author, u.display_name AS author_display, l.name AS last, ",
            "l.display_name AS last_display, t.created_at, t.last_post_at, t.post_count, t.view_count, ",
            "t.like_count, t.pinned, t.locked, c.read_groups, c.post_groups, c.moderate_groups, t.author_id, ",
            "t.deleted_at FROM topics t ",
            "CROSS JOIN categories c ON c.id = t.category_id AND c.read_groups & ?1 <> 0 ",
            "CROSS JOIN users u ON u.id = t.author_id ",
            "CROSS JOIN users l ON l.id = t.last_author_id WHERE ",
            $where
        )
    };
}

const LATEST: &str = topics!(
    "t.deleted_at IS NULL AND (t.last_post_at, t.id) < (?2, ?3) \
     ORDER BY t.last_post_at DESC, t.id DESC LIMIT ?4"
);
const IN_CATEGORY: &str = topics!(
    "t.deleted_at IS NULL AND t.category_id = ?5 AND (t.last_post_at, t.id) < (?2, ?3) \
     ORDER BY t.last_post_at DESC, t.id DESC LIMIT ?4"
);
const PINNED: &str = topics!(
    "t.deleted_at IS NULL AND t.pinned = 1 AND t.category_id = ?2 ORDER BY t.last_post_at DESC LIMIT ?3"
);
const TOPIC: &str = topics!("t.id = ?2 AND t.deleted_at IS NULL");
// Those who keep order see what was deleted.
const DELETED_TOPIC: &str = topics!("t.id = ?2 AND t.deleted_at IS NOT NULL AND c.moderate_groups & ?1 <> 0");
const DELETED: &str = topics!(
    "t.deleted_at IS NOT NULL AND c.moderate_groups & ?1 <> 0 AND (t.deleted_at, t.id) < (?2, ?3) \
     ORDER BY t.deleted_at DESC, t.id DESC LIMIT ?4"
);
const FORMER_SLUG: &str = "SELECT 1 FROM former_slugs WHERE topic_id = ?1 AND slug = ?2";
const DELETER: &str = "SELECT u.name, u.display_name FROM topics t CROSS JOIN users u ON u.id = t.deleted_by \
    WHERE t.id = ?1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("forum::CATEGORIES", CATEGORIES),
    ("forum::CATEGORY", CATEGORY),
    ("forum::LATEST", LATEST),
    ("forum::IN_CATEGORY", IN_CATEGORY),
    ("forum::PINNED", PINNED),
    ("forum::TOPIC", TOPIC),
    ("forum::DELETED_TOPIC", DELETED_TOPIC),
    ("forum::DELETED", DELETED),
    ("forum::FORMER_SLUG", FORMER_SLUG),
    ("forum::DELETER", DELETER),
];

/// A place in a list that goes back in time; [`Before::NOW`] is its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Before(pub(crate) i64, pub(crate) i64);

impl Before {
    /// Later than everything.
    pub(crate) const NOW: Before = Before(i64::MAX, i64::MAX);
}

#[derive(Debug, Serialize)]
pub(crate) struct Category {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) slug: String,
    pub(crate) description: String,
    pub(crate) topic_count: i64,
    pub(crate) post_count: i64,
    pub(crate) locked: bool,
    /// Who may do what in it.
    #[serde(skip)]
    pub(crate) access: Access,
}

impl Category {
    pub(crate) fn path(&self) -> String {
        category_path(&self.slug, self.id)
    }
}

pub(crate) fn category_path(slug: &str, id: i64) -> String {
    format!("/c/{}/{id}", super::escape_part(slug))
}

pub(crate) fn topic_path(slug: &str, id: i64) -> String {
    format!("/t/{}/{id}", super::escape_part(slug))
}

#[derive(Debug, Serialize)]
pub(crate) struct Topic {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) slug: String,
    pub(crate) category_id: i64,
    pub(crate) category: String,
    #[serde(skip)]
    pub(crate) category_slug: String,
    pub(crate) author: Person,
    pub(crate) last_author: Person,
    pub(crate) created_at: When,
    pub(crate) last_post_at: When,
    pub(crate) post_count: i64,
    pub(crate) view_count: i64,
    pub(crate) like_count: i64,
    pub(crate) pinned: bool,
    pub(crate) locked: bool,
    /// Its category's.
    #[serde(skip)]
    pub(crate) access: Access,
    #[serde(skip)]
    pub(crate) author_id: i64,
    /// Only those who keep order see a topic that has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deleted_at: Option<When>,
}

impl Topic {
    pub(crate) fn path(&self) -> String {
        topic_path(&self.slug, self.id)
    }

    pub(crate) fn category_path(&self) -> String {
        category_path(&self.category_slug, self.category_id)
    }

    pub(crate) fn place(&self) -> Before {
        Before(self.last_post_at.0.0, self.id)
    }

    /// Where it stands among those that were deleted.
    pub(crate) fn deleted_place(&self) -> Before {
        Before(self.deleted_at.map_or(0, |at| at.0.0), self.id)
    }
}

pub(crate) fn categories(db: &Connection, who: Groups) -> rusqlite::Result<Vec<Category>> {
    rows(db, CATEGORIES, [who.bits()], category_row)
}

pub(crate) fn category(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<Category>> {
    first(db, CATEGORY, [who.bits(), id], category_row)
}

pub(crate) fn latest(
    db: &Connection,
    who: Groups,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Topic>> {
    rows(db, LATEST, params![who.bits(), before.0, before.1, limit as i64], topic_row)
}

pub(crate) fn in_category(
    db: &Connection,
    who: Groups,
    id: i64,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Topic>> {
    rows(db, IN_CATEGORY, params![who.bits(), before.0, before.1, limit as i64, id], topic_row)
}

pub(crate) fn pinned(
    db: &Connection,
    who: Groups,
    category: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Topic>> {
    rows(db, PINNED, params![who.bits(), category, limit as i64], topic_row)
}

pub(crate) fn topic(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<Topic>> {
    first(db, TOPIC, [who.bits(), id], topic_row)
}

/// A topic that was deleted, for those who keep order in its category.
pub(crate) fn deleted_topic(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<Topic>> {
    first(db, DELETED_TOPIC, [who.bits(), id], topic_row)
}

/// Topics that were deleted, the last one first, for those who keep order in their categories.
pub(crate) fn deleted_topics(
    db: &Connection,
    who: Groups,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Topic>> {
    rows(db, DELETED, params![who.bits(), before.0, before.1, limit as i64], topic_row)
}

/// Whether a topic had this in its address before it was renamed.
pub(crate) fn had_slug(db: &Connection, topic: i64, slug: &str) -> rusqlite::Result<bool> {
    Ok(first(db, FORMER_SLUG, params![topic, slug], |_| Ok(()))?.is_some())
}

/// Who deleted a topic that was deleted.
pub(crate) fn deleter(db: &Connection, topic: i64) -> rusqlite::Result<Option<Person>> {
    first(db, DELETER, [topic], |row| person(row, 0))
}

/// Columns are read by their place, in the order of the SELECT above: by name, SQLite is asked for the name of
/// each column of each row, a seventh of a list's time.
///
/// Somebody, whose name is in the column at `at` and how it is shown in the next.
pub(super) fn person(row: &Row<'_>, at: usize) -> rusqlite::Result<Person> {
    Ok(Person { name: row.get(at)?, display_name: row.get(at + 1)? })
}

/// Who may do what in a category, from the three columns that begin at `at`.
pub(crate) fn access(row: &Row<'_>, at: usize) -> rusqlite::Result<Access> {
    let groups = |column| row.get(column).map(Groups::from_bits);
    Ok(Access { read: groups(at)?, post: groups(at + 1)?, moderate: groups(at + 2)? })
}

fn category_row(row: &Row<'_>) -> rusqlite::Result<Category> {
    Ok(Category {
        id: row.get(0)?,
        name: row.get(1)?,
        slug: row.get(2)?,
        description: row.get(3)?,
        topic_count: row.get(4)?,
        post_count: row.get(5)?,
        locked: row.get(6)?,
        access: access(row, 7)?,
    })
}

fn topic_row(row: &Row<'_>) -> rusqlite::Result<Topic> {
    Ok(Topic {
        id: row.get(0)?,
        title: row.get(1)?,
        slug: row.get(2)?,
        category_id: row.get(3)?,
        category: row.get(4)?,
        category_slug: row.get(5)?,
        author: person(row, 6)?,
        last_author: person(row, 8)?,
        created_at: when(row, 10)?,
        last_post_at: when(row, 11)?,
        post_count: row.get(12)?,
        view_count: row.get(13)?,
        like_count: row.get(14)?,
        pinned: row.get(15)?,
        locked: row.get(16)?,
        access: access(row, 17)?,
        author_id: row.get(20)?,
        deleted_at: row.get::<_, Option<i64>>(21)?.map(|time| When(UnixMillis(time))),
    })
}
