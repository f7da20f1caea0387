//! Drafts.

use rusqlite::Connection;
use veritable_domain::draft::{Draft, Place};
use veritable_domain::ids::UserId;
use veritable_domain::packed;

use super::{When, first, rows, when};

const DRAFT: &str = "SELECT body FROM drafts WHERE user_id = ?1 AND place = ?2";
const DRAFTS: &str = "SELECT place, updated_at, body FROM drafts WHERE user_id = ?1 ORDER BY updated_at DESC";
const PLACES: &str = "SELECT place FROM drafts WHERE user_id = ?1 ORDER BY place";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] =
    &[("drafts::DRAFT", DRAFT), ("drafts::DRAFTS", DRAFTS), ("drafts::PLACES", PLACES)];

/// What somebody was writing somewhere; one that cannot be read is none.
pub(crate) fn draft(db: &Connection, user: UserId, place: &Place) -> rusqlite::Result<Option<Draft>> {
    let body: Option<Vec<u8>> =
        first(db, DRAFT, rusqlite::params![user.0, place.to_string()], |row| row.get(0))?;
    Ok(body.and_then(|body| read(&body)))
}

/// All that somebody was writing, the newest first. There are few.
pub(crate) fn drafts(db: &Connection, user: UserId) -> rusqlite::Result<Vec<(Place, When, Draft)>> {
    let found = rows(db, DRAFTS, [user.0], |row| {
        Ok((row.get::<_, String>(0)?, when(row, 1)?, row.get::<_, Vec<u8>>(2)?))
    })?;
    let read = |(place, at, body): (String, When, Vec<u8>)| Some((Place::parse(&place)?, at, read(&body)?));
    Ok(found.into_iter().filter_map(read).collect())
}

/// Where somebody was writing. There are few.
pub(crate) fn places(db: &Connection, user: UserId) -> rusqlite::Result<Vec<Place>> {
    let places = rows(db, PLACES, [user.0], |row| row.get::<_, String>(0))?;
    Ok(places.iter().filter_map(|place| Place::parse(place)).collect())
}

fn read(body: &[u8]) -> Option<Draft> {
    serde_json::from_slice(&packed::unpack(body)?).ok()
}
