//! The mark: a random number that each commit which makes answers stale leaves in the database, and in the
//! segment once its tags are bumped. When both hold the same, the cache has heard of every commit and outlives
//! the writer that made them; when not, a writer died between a commit and its bumps, or the database was
//! changed while no server ran, and all that is cached ends.

use rusqlite::Connection;
use veritable_shm::Tags;

use crate::facts;

/// The fact that it is.
pub(crate) const MARK: &str = "mark";

/// Puts a new mark into the open transaction.
pub(crate) fn renew(db: &Connection) -> rusqlite::Result<u64> {
    facts::renew(db, MARK).map(|text| parse(&text))
}

/// Ends what is cached unless the segment's mark is the database's. Before any command is taken.
pub(crate) fn settle(db: &Connection, tags: &Tags) -> rusqlite::Result<()> {
    let text = facts::get(db, MARK)?;
    let mark = text.map_or(0, |text| parse(&text));
    if mark == 0 || mark != tags.mark() {
        tags.invalidate_all();
        tags.set_mark(mark);
        tracing::debug!("whatever was cached is forgotten");
    }
    Ok(())
}

/// 0, which fits nothing, for what no writer has put there.
fn parse(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or(0)
}
