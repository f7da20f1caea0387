//! Posts: in reading order, one by one, in lists out of their topics, and what they were before.

use std::collections::HashMap;

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::permission::Groups;
use veritable_domain::time::UnixMillis;

use super::forum::{Before, person, topic_path};
use super::{Person, When, first, rows, when};

// What was deleted is read by those who keep order: `$keeps` says whether those are who ask.
macro_rules! posts {
    ($keeps:literal, $from:literal, $where:literal) => {
        concat!(
            "SELECT p.id, p.topic_id, p.number, p.parent_id, p.depth, p.reply_count, p.created_at, ",
            "p.edited_at, p.like_count, p.deleted_at, p.html, p.path, u.name AS author, ",
            "u.display_name AS author_display, p.author_id, p.deleted_by, ",
            $keeps,
            " FROM posts p ",
            $from,
            "CROSS JOIN users u ON u.id = p.author_id WHERE ",
            $where
        )
    };
}

const POSTS: &str =
    posts!("?5", "", "p.topic_id = ?1 AND p.path > ?2 AND p.path < ?3 ORDER BY p.path LIMIT ?4");
const POST: &str = posts!(
    "c.moderate_groups & ?1 <> 0",
    "CROSS JOIN topics t ON t.id = p.topic_id \
     CROSS JOIN categories c ON c.id = p.category_id AND c.read_groups & ?1 <> 0 ",
    "p.id = ?2 AND (t.deleted_at IS NULL OR c.moderate_groups & ?1 <> 0)"
);
const POST_BY_NUMBER: &str = posts!("?3", "", "p.topic_id = ?1 AND p.number = ?2");
const NUMBER: &str = "SELECT number FROM posts WHERE id = ?1";
const PERSON: &str = "SELECT name, display_name FROM users WHERE id = ?1";

const VERSION: &str = "SELECT version, format, source FROM post_revisions WHERE post_id = ?1 \
    ORDER BY version DESC LIMIT 1";
const VERSION_AT: &str =
    "SELECT version, format, source FROM post_revisions WHERE post_id = ?1 AND version = ?2";
const VERSIONS: &str = "SELECT v.version, v.created_at, v.comment, octet_length(v.source), u.name, u.display_name \
    FROM post_revisions v CROSS JOIN users u ON u.id = v.editor_id \
    WHERE v.post_id = ?1 AND v.version < ?2 ORDER BY v.version DESC LIMIT ?3";

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
    ("posts::POSTS", POSTS),
    ("posts::POST", POST),
    ("posts::POST_BY_NUMBER", POST_BY_NUMBER),
    ("posts::NUMBER", NUMBER),
    ("posts::PERSON", PERSON),
    ("posts::VERSION", VERSION),
    ("posts::VERSION_AT", VERSION_AT),
    ("posts::VERSIONS", VERSIONS),
    ("posts::BY_AUTHOR", BY_AUTHOR),
    ("posts::BY_CATEGORY", BY_CATEGORY),
    ("posts::HIT", HIT),
];

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
    /// Who deleted it; known to those who keep order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) deleted_by: Option<Person>,
    #[serde(skip)]
    pub(crate) deleted_by_id: Option<i64>,
    /// Empty when deleted: what was taken back is shown to those who keep order, and to nobody else.
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

impl Post {
    /// Whether its text is shown: that of one that was deleted to those who keep order only.
    pub(crate) fn is_shown(&self) -> bool {
        !self.deleted || self.deleted_by.is_some()
    }
}

/// What a post was at a version.
#[derive(Debug, Serialize)]
pub(crate) struct Version {
    pub(crate) version: i64,
    pub(crate) format: String,
    pub(crate) source: String,
}

/// A version as histories list it.
#[derive(Debug, Serialize)]
pub(crate) struct VersionEntry {
    pub(crate) version: i64,
    pub(crate) created_at: When,
    pub(crate) editor: Person,
    pub(crate) comment: String,
    /// Bytes of the source.
    pub(crate) size: i64,
}

/// Posts in reading order, those between two paths. Of a topic that may be seen: it was asked for before. `keeps` says
/// whether those who will see it keep order there.
pub(crate) fn posts(
    db: &Connection,
    (topic, keeps): (i64, bool),
    after: &[u8],
    until: &[u8],
    limit: usize,
) -> rusqlite::Result<Vec<Post>> {
    let mut found = rows(db, POSTS, params![topic, after, until, limit as i64, keeps], post_row)?;
    number_parents(db, &mut found)?;
    name_deleters(db, &mut found)?;
    Ok(found)
}

pub(crate) fn post(db: &Connection, who: Groups, id: i64) -> rusqlite::Result<Option<Post>> {
    numbered(db, first(db, POST, [who.bits(), id], post_row)?)
}

pub(crate) fn post_by_number(
    db: &Connection,
    (topic, keeps): (i64, bool),
    number: i64,
) -> rusqlite::Result<Option<Post>> {
    numbered(db, first(db, POST_BY_NUMBER, params![topic, number, keeps], post_row)?)
}

fn numbered(db: &Connection, post: Option<Post>) -> rusqlite::Result<Option<Post>> {
    let Some(post) = post else { return Ok(None) };
    let mut one = [post];
    number_parents(db, &mut one)?;
    name_deleters(db, &mut one)?;
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

/// Few are deleted: their deleters are asked for one by one, for those who are told of them.
fn name_deleters(db: &Connection, posts: &mut [Post]) -> rusqlite::Result<()> {
    for post in posts.iter_mut().filter(|post| post.deleted_by.is_some()) {
        let Some(id) = post.deleted_by_id else { continue };
        if let Some(deleter) = first(db, PERSON, [id], |row| person(row, 0))? {
            post.deleted_by = Some(deleter);
        }
    }
    Ok(())
}

/// The newest version of a post.
pub(crate) fn version(db: &Connection, post: i64) -> rusqlite::Result<Option<Version>> {
    first(db, VERSION, [post], version_row)
}

/// One version of a post.
pub(crate) fn version_at(db: &Connection, post: i64, version: i64) -> rusqlite::Result<Option<Version>> {
    first(db, VERSION_AT, [post, version], version_row)
}

/// Versions of a post before one, the newest first.
pub(crate) fn versions(
    db: &Connection,
    post: i64,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<VersionEntry>> {
    rows(db, VERSIONS, [post, before, limit as i64], |row| {
        Ok(VersionEntry {
            version: row.get(0)?,
            created_at: when(row, 1)?,
            comment: row.get(2)?,
            size: row.get(3)?,
            editor: person(row, 4)?,
        })
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

fn version_row(row: &Row<'_>) -> rusqlite::Result<Version> {
    Ok(Version { version: row.get(0)?, format: row.get(1)?, source: row.get(2)? })
}

fn post_row(row: &Row<'_>) -> rusqlite::Result<Post> {
    let deleted = row.get::<_, Option<i64>>(9)?.is_some();
    let keeps: bool = row.get(16)?;
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
        edited_at: edited.map(|time| When(UnixMillis(time))),
        like_count: row.get(8)?,
        deleted,
        // The name follows.
        deleted_by: (deleted && keeps).then(Person::nobody),
        deleted_by_id: row.get(15)?,
        html: if deleted && !keeps { String::new() } else { row.get(10)? },
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
