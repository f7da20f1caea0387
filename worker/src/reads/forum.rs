//! The forum's questions: categories, lists of topics, posts in reading order.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::permission::{Access, Groups};

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
            "t.like_count, t.pinned, t.locked, c.read_groups, c.post_groups, c.moderate_groups FROM topics t ",
            "CROSS JOIN categories c ON c.id = t.category_id AND c.read_groups & ?1 <> 0 ",
            "CROSS JOIN users u ON u.id = t.author_id ",
            "CROSS JOIN users l ON l.id = t.last_author_id WHERE t.deleted_at IS NULL AND ",
            $where
        )
    };
}

const LATEST: &str =
    topics!("(t.last_post_at, t.id) < (?2, ?3) ORDER BY t.last_post_at DESC, t.id DESC LIMIT ?4");
const IN_CATEGORY: &str = topics!(
    "t.category_id = ?5 AND (t.last_post_at, t.id) < (?2, ?3) \
     ORDER BY t.last_post_at DESC, t.id DESC LIMIT ?4"
);
const PINNED: &str = topics!("t.pinned = 1 AND t.category_id = ?2 ORDER BY t.last_post_at DESC LIMIT ?3");
const TOPIC: &str = topics!("t.id = ?2");

macro_rules! posts {
    ($where:literal) => {
        concat!(
            "SELECT p.id, p.topic_id, p.number, p.parent_id, p.depth, p.reply_count, p.created_at, ",
            "p.edited_at, p.like_count, p.deleted_at, p.html, p.path, u.name AS author, ",
            "u.display_name AS author_display, p.author_id FROM posts p ",
            "CROSS JOIN users u ON u.id = p.author_id WHERE ",
            $where
        )
    };
}

const POSTS: &str = posts!("p.topic_id = ?1 AND p.path > ?2 AND p.path < ?3 ORDER BY p.path LIMIT ?4");
const POST: &str = posts!(
    "p.id = ?2 AND EXISTS (SELECT 1 FROM categories c WHERE c.id = p.category_id AND c.read_groups & ?1 <> 0)"
);
const POST_BY_NUMBER: &str = posts!("p.topic_id = ?1 AND p.number = ?2");
const NUMBER: &str = "SELECT number FROM posts WHERE id = ?1";
const VERSION: &str = "SELECT version, format, source FROM post_revisions WHERE post_id = ?1 \
    ORDER BY version DESC LIMIT 1";

macro_rules! recent {
    ($where:literal) => {
        concat!(
            "SELECT p.id, p.topic_id, p.number, p.created_at, p.html, t.title, t.slug, u.name AS author, ",
            "u.display_name AS author_display FROM posts p CROSS JOIN topics t ON t.id = p.topic_id ",
            "CROSS JOIN categories c ON c.id = p.category_id AND c.read_groups & ?1 <> 0 ",
            "CROSS JOIN users u ON u.id = p.author_id WHERE p.deleted_at IS NULL AND t.deleted_at IS NULL AND ",
            $where
        )
    };
}

const BY_AUTHOR: &str = recent!(
    "p.author_id = ?5 AND (p.created_at, p.id) < (?2, ?3) ORDER BY p.created_at DESC, p.id DESC LIMIT ?4"
);
const BY_CATEGORY: &str = recent!(
    "p.category_id = ?5 AND (p.created_at, p.id) < (?2, ?3) ORDER BY p.created_at DESC, p.id DESC LIMIT ?4"
);
const HIT: &str = recent!("p.id = ?2");

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("forum::CATEGORIES", CATEGORIES),
    ("forum::CATEGORY", CATEGORY),
    ("forum::LATEST", LATEST),
    ("forum::IN_CATEGORY", IN_CATEGORY),
    ("forum::PINNED", PINNED),
    ("forum::TOPIC", TOPIC),
    ("forum::POSTS", POSTS),
    ("forum::POST", POST),
    ("forum::POST_BY_NUMBER", POST_BY_NUMBER),
    ("forum::NUMBER", NUMBER),
    ("forum::VERSION", VERSION),
    ("forum::BY_AUTHOR", BY_AUTHOR),
    ("forum::BY_CATEGORY", BY_CATEGORY),
    ("forum::HIT", HIT),
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
}

#[derive(Debug, Serialize)]
pub(crate) struct Post {
    pub(crate) id: i64,
    pub(crate) topic_id: i64,
    pub(crate) number: i64,
    pub(crate) parent: Option<i64>,
    pub(crate) parent_number: Option<i64>,
    pub(crate) depth: i64,
    pub(crate) reply_count: i64,
    pub(crate) author: Person,
    #[serde(skip)]
    pub(crate) author_id: i64,
    pub(crate) created_at: When,
    pub(crate) edited_at: Option<When>,
    pub(crate) like_count: i64,
    pub(crate) deleted: bool,
    /// Empty when deleted: what was taken back is not shown.
    pub(crate) html: String,
    #[serde(skip)]
    pub(crate) path: Vec<u8>,
}

/// A post out of its topic, as lists have it.
#[derive(Debug, Serialize)]
pub(crate) struct RecentPost {
    pub(crate) id: i64,
    pub(crate) topic_id: i64,
    pub(crate) topic_title: String,
    pub(crate) topic_slug: String,
    pub(crate) number: i64,
    pub(crate) author: Person,
    pub(crate) created_at: When,
    pub(crate) html: String,
}

impl RecentPost {
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", topic_path(&self.topic_slug, self.topic_id), self.number)
    }

    pub(crate) fn place(&self) -> Before {
        Before(self.created_at.0.0, self.id)
    }
}

/// The newest source of a post.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) version: i64,
    pub(crate) format: String,
    pub(crate) source: String,
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

/// Posts in reading order, those between two paths. Of a topic that may be seen: it was asked for before.
pub(crate) fn posts(
    db: &Connection,
    topic: i64,
    after: &[u8],
    until: &[u8],
    limit: usize,
) -> rusqlite::Result<Vec<Post>> {
    let mut found = rows(db, POSTS, params![topic, after, until, limit as i64], post_row)?;
    number_parents(db, &mut found)?;
    Ok(found)
}

pub(crate) fn post(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<Post>> {
    numbered(db, first(db, POST, [who.bits(), id], post_row)?)
}

pub(crate) fn post_by_number(db: &Connection, topic: i64, number: i64) -> rusqlite::Result<Option<Post>> {
    numbered(db, first(db, POST_BY_NUMBER, [topic, number], post_row)?)
}

fn numbered(db: &Connection, post: Option<Post>) -> rusqlite::Result<Option<Post>> {
    let Some(post) = post else { return Ok(None) };
    let mut one = [post];
    number_parents(db, &mut one)?;
    let [post] = one;
    Ok(Some(post))
}

/// Parents come before their replies, so most are on the same page; only the few above it are asked for.
fn number_parents(db: &Connection, posts: &mut [Post]) -> rusqlite::Result<()> {
    let mut known: HashMap<i64, i64> = posts.iter().map(|post| (post.id, post.number)).collect();
    for post in posts {
        let Some(parent) = post.parent else { continue };
        if let Some(number) = known.get(&parent) {
            post.parent_number = Some(*number);
        } else if let Some(number) = first(db, NUMBER, [parent], |row| row.get(0))? {
            known.insert(parent, number);
            post.parent_number = Some(number);
        }
    }
    Ok(())
}

pub(crate) fn version(db: &Connection, post: i64) -> rusqlite::Result<Option<Version>> {
    first(db, VERSION, [post], |row| {
        Ok(Version { version: row.get(0)?, format: row.get(1)?, source: row.get(2)? })
    })
}

pub(crate) fn by_author(
    db: &Connection,
    who: Groups,
    user: i64,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<RecentPost>> {
    rows(db, BY_AUTHOR, params![who.bits(), before.0, before.1, limit as i64, user], recent_row)
}

pub(crate) fn by_category(
    db: &Connection,
    who: Groups,
    id: i64,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<RecentPost>> {
    rows(db, BY_CATEGORY, params![who.bits(), before.0, before.1, limit as i64, id], recent_row)
}

/// A post that search found, unless it or its topic was deleted.
pub(crate) fn hit(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<RecentPost>> {
    first(db, HIT, [who.bits(), id], recent_row)
}

/// Columns are read by their place, in the order of the SELECT above: by name, SQLite is asked for the name of
/// each column of each row, a seventh of a list's time.
///
/// Somebody, whose name is in the column at `at` and how it is shown in the next.
fn person(row: &Row<'_>, at: usize) -> rusqlite::Result<Person> {
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
    })
}

fn post_row(row: &Row<'_>) -> rusqlite::Result<Post> {
    let deleted = row.get::<_, Option<i64>>(9)?.is_some();
    let edited: Option<i64> = row.get(7)?;
    Ok(Post {
        id: row.get(0)?,
        topic_id: row.get(1)?,
        number: row.get(2)?,
        parent: row.get(3)?,
        parent_number: None,
        depth: row.get(4)?,
        reply_count: row.get(5)?,
        author: person(row, 12)?,
        author_id: row.get(14)?,
        created_at: when(row, 6)?,
        edited_at: edited.map(|time| When(veritable_domain::time::UnixMillis(time))),
        like_count: row.get(8)?,
        deleted,
        html: if deleted { String::new() } else { row.get(10)? },
        path: row.get(11)?,
    })
}

fn recent_row(row: &Row<'_>) -> rusqlite::Result<RecentPost> {
    Ok(RecentPost {
        id: row.get(0)?,
        topic_id: row.get(1)?,
        topic_title: row.get(5)?,
        topic_slug: row.get(6)?,
        number: row.get(2)?,
        author: person(row, 7)?,
        created_at: when(row, 3)?,
        html: row.get(4)?,
    })
}
