//! What search finds texts by. A change names the texts it wants found; they are written together at the end of the
//! transaction: FTS5 puts what it holds into a segment of its own whenever a savepoint begins, so that with each
//! command's own every post would be a segment, to be merged with all others (a third of a post's cost).

use rusqlite::{Connection, params};
use veritable_domain::search::index_text;

/// Which index.
#[derive(Clone, Copy, Debug)]
enum Index {
    Posts,
    Pages,
}

/// A text to be found from now on, or no longer.
#[derive(Debug)]
pub(crate) struct Text {
    index: Index,
    id: i64,
    /// Title and body; `None`: it is gone.
    words: Option<(String, String)>,
    /// Whether there may be a text of this id to take the place of.
    replaces: bool,
}

impl Text {
    pub(super) fn new_post(id: i64, title: Option<&str>, text: &str) -> Self {
        let title = title.map(index_text).unwrap_or_default();
        Text { index: Index::Posts, id, words: Some((title, index_text(text))), replaces: false }
    }

    pub(super) fn no_post(id: i64) -> Self {
        Text { index: Index::Posts, id, words: None, replaces: true }
    }

    pub(super) fn post(id: i64, title: Option<&str>, text: &str) -> Self {
        Text { replaces: true, ..Text::new_post(id, title, text) }
    }

    pub(super) fn page(id: i64, title: &str, text: &str) -> Self {
        let words = Some((index_text(title), index_text(text)));
        Text { index: Index::Pages, id, words, replaces: true }
    }
}

/// Writes them, in their order: the last text of an id is what it is found by.
///
/// # Errors
/// SQLite's.
pub(crate) fn write(db: &Connection, texts: &[Text]) -> rusqlite::Result<()> {
    for text in texts {
        let (delete, insert) = match text.index {
            Index::Posts => (
                "DELETE FROM posts_fts WHERE rowid = ?1",
                "INSERT INTO posts_fts (rowid, title, body) VALUES (?1, ?2, ?3)",
            ),
            Index::Pages => (
                "DELETE FROM pages_fts WHERE rowid = ?1",
                "INSERT INTO pages_fts (rowid, title, body) VALUES (?1, ?2, ?3)",
            ),
        };
        if text.replaces {
            veritable_sql::run(db, delete, [text.id])?;
        }
        if let Some((title, body)) = &text.words {
            veritable_sql::run(db, insert, params![text.id, title, body])?;
        }
    }
    Ok(())
}
