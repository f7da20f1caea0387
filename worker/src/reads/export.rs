//! Everything about one person and by that person, for the person to take away.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use serde_json::{Map, Value};
use veritable_domain::ids::UserId;
use veritable_domain::permission::Groups;
use veritable_domain::time::UnixMillis;

use super::rows;

/// A part of the download: a list that is read from its newest entry on, some at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Section {
    /// Its name in the download.
    pub(crate) name: &'static str,
    sql: &'static str,
    /// Entries read at once: what they hold together stays in the megabytes.
    pub(crate) at_once: usize,
}

/// Where to go on in a section.
pub(crate) type Place = (i64, i64);
/// Before the first entry.
pub(crate) const BEGIN: Place = (i64::MAX, i64::MAX);

const ACCOUNT: &str = "SELECT id, created_at, name, display_name, role, groups, address, verified_at, approved_at, \
    totp_confirmed_at, preferences, post_count, edit_count FROM users WHERE id = ?1 AND ?2 > 0 AND ?3 > 0 AND ?5 <> 0 LIMIT ?4";
const SESSIONS: &str = "SELECT id, created_at, seen_at, expires_at, address, user_agent FROM sessions \
    WHERE user_id = ?1 AND id < ?3 AND ?2 > 0 AND ?5 <> 0 ORDER BY seen_at DESC LIMIT ?4";
const TOKENS: &str = "SELECT id, created_at, name, scopes, expires_at, revoked_at FROM api_tokens \
    WHERE user_id = ?1 AND id < ?3 AND ?2 > 0 AND ?5 <> 0 ORDER BY id DESC LIMIT ?4";
const INVITATIONS: &str = "SELECT id, created_at, note, expires_at, used_at FROM invitations \
    WHERE created_by = ?1 AND id < ?3 AND ?2 > 0 AND ?5 <> 0 ORDER BY id DESC LIMIT ?4";
const REPORTS: &str = "SELECT id, created_at, post_id, reason, note, verdict, handled_at FROM reports \
    WHERE reporter_id = ?1 AND id < ?3 AND ?2 > 0 AND ?5 <> 0 ORDER BY id DESC LIMIT ?4";
const AUDIT: &str = "SELECT id, at AS created_at, address, deed, object, detail FROM audit \
    WHERE actor_id = ?1 AND id < ?3 AND ?2 > 0 AND ?5 <> 0 ORDER BY id DESC LIMIT ?4";
const UPLOADS: &str = "SELECT 0 AS id, created_at, lower(hex(hash)) AS sha256, name, media, bytes, width, height \
    FROM uploads WHERE user_id = ?1 AND created_at < ?2 AND ?3 > 0 AND ?5 <> 0 ORDER BY created_at DESC LIMIT ?4";
// What others made of a post is theirs; what a topic is called is for those who may read it.
const POSTS: &str = "SELECT p.id, p.created_at, p.edited_at, \
    CASE WHEN c.read_groups & ?5 <> 0 AND t.deleted_at IS NULL THEN t.title END AS topic, p.topic_id, p.number, \
    (SELECT r.source FROM post_revisions r WHERE r.post_id = p.id AND r.editor_id = p.author_id \
    ORDER BY r.version DESC LIMIT 1) AS source \
    FROM posts p CROSS JOIN topics t ON t.id = p.topic_id CROSS JOIN categories c ON c.id = t.category_id WHERE p.author_id = ?1 AND p.deleted_at IS NULL \
    AND (p.created_at, p.id) < (?2, ?3) ORDER BY p.created_at DESC, p.id DESC LIMIT ?4";
const EDITS: &str = "SELECT r.id, r.created_at, n.name AS namespace, p.title, r.comment, r.format, r.source \
    FROM revisions r CROSS JOIN pages p ON p.id = r.page_id CROSS JOIN namespaces n ON n.id = p.namespace_id \
    WHERE r.author_id = ?1 AND (r.created_at, r.id) < (?2, ?3) AND ?5 <> 0 ORDER BY r.created_at DESC, r.id DESC LIMIT ?4";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("export::ACCOUNT", ACCOUNT),
    ("export::SESSIONS", SESSIONS),
    ("export::TOKENS", TOKENS),
    ("export::INVITATIONS", INVITATIONS),
    ("export::REPORTS", REPORTS),
    ("export::AUDIT", AUDIT),
    ("export::UPLOADS", UPLOADS),
    ("export::POSTS", POSTS),
    ("export::EDITS", EDITS),
];

const fn section(name: &'static str, sql: &'static str, at_once: usize) -> Section {
    Section { name, sql, at_once }
}

/// All parts but the drafts, in the order of the download.
pub(crate) const SECTIONS: [Section; 9] = [
    section("account", ACCOUNT, 2),
    // There are fewer: all at once, as they are in the order of their last use.
    section("sessions", SESSIONS, 1_000),
    section("api_tokens", TOKENS, 100),
    section("invitations", INVITATIONS, 100),
    section("reports", REPORTS, 100),
    section("deeds", AUDIT, 100),
    section("uploads", UPLOADS, 10_000),
    section("posts", POSTS, 20),
    section("wiki_edits", EDITS, 10),
];

/// Some entries of a section, and where the next ones begin; `None`: there are no more.
pub(crate) fn some(
    db: &Connection,
    (user, groups): (UserId, Groups),
    section: Section,
    place: Place,
) -> rusqlite::Result<(Vec<Value>, Option<Place>)> {
    let params = (user.0, place.0, place.1, section.at_once.cast_signed(), groups.bits());
    let read =
        rows(db, section.sql, params, |row| Ok((object(row)?, (row.get("created_at")?, row.get("id")?))))?;
    let next = read.last().filter(|_| read.len() == section.at_once).map(|(_, place)| *place);
    Ok((read.into_iter().map(|(object, _)| object).collect(), next))
}

/// A row under the names of its columns; times as RFC 3339 has them.
fn object(row: &Row<'_>) -> rusqlite::Result<Value> {
    let mut object = Map::new();
    for (at, name) in row.as_ref().column_names().enumerate() {
        let value = match row.get_ref(at)? {
            ValueRef::Integer(number) if name.ends_with("_at") => UnixMillis(number).rfc3339().into(),
            ValueRef::Integer(number) => number.into(),
            ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
            _ => Value::Null,
        };
        object.insert(name.to_owned(), value);
    }
    Ok(object.into())
}
