//! What the command line asks about accounts: read by a connection of its own, beside the server or without one.

use rusqlite::{Connection, OptionalExtension, Row};
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Groups, Role};
use veritable_domain::text::user_key;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::LinkKind;

/// An account as whoever runs the server sees it.
#[derive(Clone, Debug)]
pub struct Person {
    /// Its number.
    pub id: UserId,
    /// Its name.
    pub name: String,
    /// How it is called beside that.
    pub display_name: String,
    /// Its role.
    pub role: Role,
    /// Which of the site's own groups it is in.
    pub groups: Groups,
    /// Its e-mail address.
    pub address: Option<String>,
    /// When it was made.
    pub created_at: UnixMillis,
    /// Since when nobody may log in to it.
    pub disabled_at: Option<UnixMillis>,
    /// The address is its owner's.
    pub verified: bool,
    /// It waits for no approval.
    pub approved: bool,
    /// Logging in asks for a code.
    pub second_factor: bool,
    /// Sessions that are not over.
    pub sessions: i64,
    /// Posts and wiki edits.
    pub wrote: i64,
}

macro_rules! people {
    ($where:literal) => {
        concat!(
            "SELECT id, name, display_name, role, groups, address, created_at, disabled_at, ",
            "verified_at IS NOT NULL, approved_at IS NOT NULL, totp_confirmed_at IS NOT NULL, ",
            "(SELECT count(*) FROM sessions s WHERE s.user_id = users.id AND s.expires_at > ?2), ",
            "post_count + edit_count FROM users WHERE erased_at IS NULL AND ",
            $where
        )
    };
}

const BY_ADDRESS: &str = people!("address_key = ?1");
const BY_NAME: &str = people!("name_key = ?1");
const AT_LEAST: &str = people!("role >= ?1 ORDER BY id");

#[cfg(test)]
pub(crate) const ALL: [&str; 3] = [BY_ADDRESS, BY_NAME, AT_LEAST];

fn person(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person {
        id: UserId(row.get(0)?),
        name: row.get(1)?,
        display_name: row.get(2)?,
        role: Role::from_number(row.get(3)?),
        groups: Groups::from_bits(row.get(4)?),
        address: row.get(5)?,
        created_at: UnixMillis(row.get(6)?),
        disabled_at: row.get::<_, Option<i64>>(7)?.map(UnixMillis),
        verified: row.get(8)?,
        approved: row.get(9)?,
        second_factor: row.get(10)?,
        sessions: row.get(11)?,
        wrote: row.get(12)?,
    })
}

/// The account with this name or address.
///
/// # Errors
/// SQLite's.
pub fn find(db: &Connection, name: &str) -> rusqlite::Result<Option<Person>> {
    let (sql, key) =
        if name.contains('@') { (BY_ADDRESS, name.trim().to_lowercase()) } else { (BY_NAME, user_key(name)) };
    db.query_row(sql, (key, UnixMillis::now().0), person).optional()
}

/// Every account with at least this role, in the order they were made, each handed to `each`.
///
/// # Errors
/// SQLite's.
pub fn list(db: &Connection, least: Role, mut each: impl FnMut(Person)) -> rusqlite::Result<()> {
    let mut statement = db.prepare(AT_LEAST)?;
    for found in statement.query_map((least.number(), UnixMillis::now().0), person)? {
        each(found?);
    }
    Ok(())
}

/// Whether anybody could administer the site: can log in, or choose a password by a link that is good.
///
/// # Errors
/// SQLite's.
pub fn has_administrator(db: &Connection) -> rusqlite::Result<bool> {
    can_administer(db, None, UnixMillis::now())
}

/// Whether anybody can administer the site at `now` besides somebody.
pub(crate) fn can_administer(
    db: &Connection,
    besides: Option<UserId>,
    now: UnixMillis,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM users u WHERE role = ?1 AND role > 1 AND id IS NOT ?4
               AND disabled_at IS NULL AND erased_at IS NULL AND verified_at IS NOT NULL AND approved_at IS NOT NULL
               AND (password_hash IS NOT NULL
                    OR EXISTS (SELECT 1 FROM links WHERE user_id = u.id AND kind = ?2 AND expires_at > ?3))";
    let besides = besides.map(|user| user.0);
    let values = (Role::Administrator.number(), LinkKind::Reset.number(), now.0, besides);
    veritable_sql::first(db, sql, values, |_| Ok(())).map(|found| found.is_some())
}

/// The site's own groups: numbers and names.
///
/// # Errors
/// SQLite's.
pub fn groups(db: &Connection) -> rusqlite::Result<Vec<(u8, String)>> {
    let mut statement = db.prepare("SELECT id, name FROM groups ORDER BY id")?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}
