//! The questions, as one asks them with rusqlite: a connection a thread, statements kept prepared.

use std::cell::RefCell;
use std::path::Path;

use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Row, params};
use serde::Serialize;

const TOPICS: &str = "SELECT t.id, t.title, t.slug, t.category_id, c.name, a.name, a.display_name, l.name, \
    l.display_name, t.created_at, t.last_post_at, t.post_count, t.view_count, t.like_count, t.pinned, t.locked \
    FROM topics t JOIN categories c ON c.id = t.category_id JOIN users a ON a.id = t.author_id \
    JOIN users l ON l.id = t.last_author_id \
    WHERE t.deleted_at IS NULL AND (t.last_post_at, t.id) < (?1, ?2) \
    ORDER BY t.last_post_at DESC, t.id DESC LIMIT ?3";
const POSTS: &str = "SELECT p.id, p.topic_id, p.number, p.parent_id, q.number, p.depth, p.reply_count, u.name, \
    u.display_name, p.created_at, p.edited_at, p.like_count, p.deleted_at IS NOT NULL, p.html \
    FROM posts p JOIN users u ON u.id = p.author_id LEFT JOIN posts q ON q.id = p.parent_id \
    WHERE p.topic_id = ?1 ORDER BY p.path LIMIT ?2 OFFSET ?3";
const PAGE: &str = "SELECT p.id, p.title, p.revision_id, p.created_at, p.updated_at, p.redirect_to, p.protected, \
    p.html, r.format, r.source FROM pages p JOIN revisions r ON r.id = p.revision_id \
    WHERE p.id = ?1 AND p.deleted_at IS NULL";

thread_local! {
    static CONNECTION: RefCell<Option<Connection>> = const { RefCell::new(None) };
}

/// A reading connection.
pub(crate) fn open(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // As Veritable's readers have it.
    db.pragma_update(None, "mmap_size", 1_i64 << 30)?;
    Ok(db)
}

/// Reads on this thread's connection.
pub(crate) fn with<T>(
    path: &Path,
    read: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    CONNECTION.with_borrow_mut(|kept| {
        let db = match kept.take() {
            Some(db) => db,
            None => open(path)?,
        };
        read(kept.insert(db))
    })
}

#[derive(Serialize)]
struct Person {
    name: String,
    display_name: String,
}

#[derive(Serialize)]
struct Topic {
    id: i64,
    title: String,
    slug: String,
    category_id: i64,
    category: String,
    author: Person,
    last_author: Person,
    created_at: String,
    last_post_at: String,
    post_count: i64,
    view_count: i64,
    like_count: i64,
    pinned: bool,
    locked: bool,
    #[serde(skip)]
    place: (i64, i64),
}

#[derive(Serialize)]
struct Topics {
    topics: Vec<Topic>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Post {
    id: i64,
    topic_id: i64,
    number: i64,
    parent: Option<i64>,
    parent_number: Option<i64>,
    depth: i64,
    reply_count: i64,
    author: Person,
    created_at: String,
    edited_at: Option<String>,
    like_count: i64,
    deleted: bool,
    html: String,
}

#[derive(Serialize)]
struct Posts {
    posts: Vec<Post>,
    next: Option<u32>,
}

#[derive(Serialize)]
struct Page {
    id: i64,
    title: String,
    path: String,
    revision: i64,
    created_at: String,
    updated_at: String,
    redirect_to: Option<String>,
    protected: bool,
    html: String,
    format: String,
    source: String,
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    let millis = row.get(column)?;
    let time = jiff::Timestamp::from_millisecond(millis);
    time.map(|time| time.to_string())
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(column, Type::Integer, Box::new(error)))
}

fn bytes(value: &impl Serialize) -> rusqlite::Result<Option<Vec<u8>>> {
    serde_json::to_vec(value)
        .map(Some)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}

pub(crate) fn topics(db: &Connection, before: Option<&str>, limit: u32) -> rusqlite::Result<Option<Vec<u8>>> {
    let place = before.and_then(|text| text.split_once('-'));
    let place = place.and_then(|(at, id)| Some((at.parse().ok()?, id.parse().ok()?)));
    let (at, id): (i64, i64) = place.unwrap_or((i64::MAX, i64::MAX));
    let mut statement = db.prepare_cached(TOPICS)?;
    let topic = |row: &Row<'_>| {
        Ok(Topic {
            id: row.get(0)?,
            title: row.get(1)?,
            slug: row.get(2)?,
            category_id: row.get(3)?,
            category: row.get(4)?,
            author: Person { name: row.get(5)?, display_name: row.get(6)? },
            last_author: Person { name: row.get(7)?, display_name: row.get(8)? },
            created_at: time(row, 9)?,
            last_post_at: time(row, 10)?,
            post_count: row.get(11)?,
            view_count: row.get(12)?,
            like_count: row.get(13)?,
            pinned: row.get(14)?,
            locked: row.get(15)?,
            place: (row.get(10)?, row.get(0)?),
        })
    };
    let mut topics =
        statement.query_map(params![at, id, limit + 1], topic)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let has_more = topics.len() > limit as usize;
    topics.truncate(limit as usize);
    let next = topics.last().filter(|_| has_more).map(|last| format!("{}-{}", last.place.0, last.place.1));
    bytes(&Topics { topics, next })
}

pub(crate) fn posts(
    db: &Connection,
    topic: i64,
    after: u32,
    limit: u32,
) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached(POSTS)?;
    let post = |row: &Row<'_>| {
        let edited: Option<i64> = row.get(10)?;
        Ok(Post {
            id: row.get(0)?,
            topic_id: row.get(1)?,
            number: row.get(2)?,
            parent: row.get(3)?,
            parent_number: row.get(4)?,
            depth: row.get(5)?,
            reply_count: row.get(6)?,
            author: Person { name: row.get(7)?, display_name: row.get(8)? },
            created_at: time(row, 9)?,
            edited_at: edited.map(|_| time(row, 10)).transpose()?,
            like_count: row.get(11)?,
            deleted: row.get(12)?,
            html: row.get(13)?,
        })
    };
    let posts =
        statement.query_map(params![topic, limit, after], post)?.collect::<rusqlite::Result<Vec<_>>>()?;
    if posts.is_empty() {
        return Ok(None);
    }
    let next = (posts.len() == limit as usize).then_some(after + limit);
    bytes(&Posts { posts, next })
}

pub(crate) fn page(db: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = db.prepare_cached(PAGE)?;
    let page = |row: &Row<'_>| {
        let title: String = row.get(1)?;
        Ok(Page {
            id: row.get(0)?,
            path: format!("/wiki/{}", title.replace(' ', "_")),
            title,
            revision: row.get(2)?,
            created_at: time(row, 3)?,
            updated_at: time(row, 4)?,
            redirect_to: row.get(5)?,
            protected: row.get(6)?,
            html: row.get(7)?,
            format: row.get(8)?,
            source: row.get(9)?,
        })
    };
    match statement.query_row([id], page).optional()? {
        Some(page) => bytes(&page),
        None => Ok(None),
    }
}
