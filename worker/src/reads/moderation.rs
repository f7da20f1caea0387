//! What those who keep order look after: reports, open and handled.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::permission::Groups;

use super::forum::{Before, category_path, person, topic_path};
use super::{Person, When, first, rows, when};

/// Most open reports that are counted: beyond, it is said that there are more.
pub(crate) const MAX_COUNTED: i64 = 99;

// Those of the categories in which those who ask keep order.
macro_rules! reports {
    ($where:literal) => {
        concat!(
            "SELECT r.id, r.post_id, r.reason, r.note, r.created_at, w.name, w.display_name, r.handled_at, h.name, ",
            "h.display_name, r.verdict, p.number, p.html, p.deleted_at IS NOT NULL, a.name, a.display_name, t.id, ",
            "t.title, t.slug, c.id, c.name, c.slug FROM reports r ",
            "CROSS JOIN categories c ON c.id = r.category_id ",
            "AND c.read_groups & ?1 <> 0 AND c.moderate_groups & ?1 <> 0 ",
            "CROSS JOIN posts p ON p.id = r.post_id CROSS JOIN topics t ON t.id = p.topic_id ",
            "CROSS JOIN users a ON a.id = p.author_id CROSS JOIN users w ON w.id = r.reporter_id ",
            "LEFT JOIN users h ON h.id = r.handled_by WHERE ",
            $where
        )
    };
}

const OPEN: &str =
    reports!("r.handled_at IS NULL AND (r.created_at, r.id) > (?2, ?3) ORDER BY r.created_at, r.id LIMIT ?4");
const HANDLED: &str = reports!(
    "r.handled_at IS NOT NULL AND (r.handled_at, r.id) < (?2, ?3) ORDER BY r.handled_at DESC, r.id DESC LIMIT ?4"
);
const COUNT: &str = "SELECT count(*) FROM (SELECT 1 FROM reports r CROSS JOIN categories c ON c.id = r.category_id \
    AND c.read_groups & ?1 <> 0 AND c.moderate_groups & ?1 <> 0 \
    WHERE r.handled_at IS NULL AND r.created_at > 0 LIMIT ?2)";
const KEEPS: &str =
    "SELECT 1 FROM categories WHERE read_groups & ?1 <> 0 AND moderate_groups & ?1 <> 0 LIMIT 1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("moderation::OPEN", OPEN),
    ("moderation::HANDLED", HANDLED),
    ("moderation::COUNT", COUNT),
    ("moderation::KEEPS", KEEPS),
];

/// What somebody said of a post, and what came of it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) id: i64,
    pub(crate) post_id: i64,
    pub(crate) reason: String,
    pub(crate) note: String,
    pub(crate) created_at: When,
    pub(crate) reporter: Person,
    pub(crate) handled_at: Option<When>,
    pub(crate) handled_by: Option<Person>,
    pub(crate) verdict: String,
    pub(crate) post_number: i64,
    pub(crate) post_html: String,
    pub(crate) post_deleted: bool,
    pub(crate) author: Person,
    pub(crate) topic_id: i64,
    pub(crate) topic_title: String,
    #[serde(skip)]
    pub(crate) topic_slug: String,
    pub(crate) category_id: i64,
    pub(crate) category: String,
    #[serde(skip)]
    pub(crate) category_slug: String,
}

impl Report {
    /// Where the post is shown.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", topic_path(&self.topic_slug, self.topic_id), self.post_number)
    }

    pub(crate) fn category_path(&self) -> String {
        category_path(&self.category_slug, self.category_id)
    }

    /// Where it stands among the open ones.
    pub(crate) fn open_place(&self) -> Before {
        Before(self.created_at.0.0, self.id)
    }

    /// Where it stands among the handled ones.
    pub(crate) fn handled_place(&self) -> Before {
        Before(self.handled_at.map_or(0, |at| at.0.0), self.id)
    }
}

/// Open reports after one, the oldest first.
pub(crate) fn open(
    db: &Connection,
    who: Groups,
    after: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Report>> {
    rows(db, OPEN, params![who.bits(), after.0, after.1, limit as i64], report_row)
}

/// Reports that were handled, the last one first.
pub(crate) fn handled(
    db: &Connection,
    who: Groups,
    before: Before,
    limit: usize,
) -> rusqlite::Result<Vec<Report>> {
    rows(db, HANDLED, params![who.bits(), before.0, before.1, limit as i64], report_row)
}

/// How many reports are open; one more than [`MAX_COUNTED`] says that there are more than that.
pub(crate) fn count(db: &Connection, who: Groups) -> rusqlite::Result<i64> {
    Ok(first(db, COUNT, [who.bits(), MAX_COUNTED + 1], |row| row.get(0))?.unwrap_or(0))
}

/// Whether those who are in these groups keep order anywhere.
pub(crate) fn keeps(db: &Connection, who: Groups) -> rusqlite::Result<bool> {
    Ok(first(db, KEEPS, [who.bits()], |_| Ok(()))?.is_some())
}

fn report_row(row: &Row<'_>) -> rusqlite::Result<Report> {
    let handled = match row.get::<_, Option<i64>>(7)? {
        Some(_) => Some(when(row, 7)?),
        None => None,
    };
    let handled_by = match row.get::<_, Option<String>>(8)? {
        Some(_) => Some(person(row, 8)?),
        None => None,
    };
    Ok(Report {
        id: row.get(0)?,
        post_id: row.get(1)?,
        reason: row.get(2)?,
        note: row.get(3)?,
        created_at: when(row, 4)?,
        reporter: person(row, 5)?,
        handled_at: handled,
        handled_by,
        verdict: row.get(10)?,
        post_number: row.get(11)?,
        post_html: row.get(12)?,
        post_deleted: row.get(13)?,
        author: person(row, 14)?,
        topic_id: row.get(16)?,
        topic_title: row.get(17)?,
        topic_slug: row.get(18)?,
        category_id: row.get(19)?,
        category: row.get(20)?,
        category_slug: row.get(21)?,
    })
}
