//! Accounts as others see them, and who a token speaks for.

use rusqlite::{Connection, Row};
use serde::Serialize;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Actor, Role};

use super::{When, first, when};

const BY_TOKEN: &str = "SELECT u.id, u.role FROM api_tokens t CROSS JOIN users u ON u.id = t.user_id \
    WHERE t.token_hash = ?1 AND t.revoked_at IS NULL AND u.disabled_at IS NULL";

const BY_NAME: &str =
    "SELECT id, name, display_name, role, post_count, edit_count, created_at FROM users WHERE name_key = ?1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[("accounts::BY_TOKEN", BY_TOKEN), ("accounts::BY_NAME", BY_NAME)];

/// A public profile.
#[derive(Debug, Serialize)]
pub(crate) struct Profile {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) role: Role,
    pub(crate) post_count: i64,
    pub(crate) edit_count: i64,
    pub(crate) created_at: When,
}

/// Who the token with this SHA-256 speaks for, unless it or the account was switched off.
///
/// # Errors
/// SQLite's.
pub fn actor_by_token(db: &Connection, token_hash: &[u8; 32]) -> rusqlite::Result<Option<Actor>> {
    first(db, BY_TOKEN, [&token_hash[..]], |row| {
        Ok(Actor { user: Some(UserId(row.get(0)?)), role: Role::from_number(row.get(1)?) })
    })
}

/// The account known by `key` (see `UserName::key`).
pub(crate) fn by_name(db: &Connection, key: &str) -> rusqlite::Result<Option<Profile>> {
    first(db, BY_NAME, [key], profile)
}

fn profile(row: &Row<'_>) -> rusqlite::Result<Profile> {
    Ok(Profile {
        id: row.get(0)?,
        name: row.get(1)?,
        display_name: row.get(2)?,
        role: Role::from_number(row.get(3)?),
        post_count: row.get(4)?,
        edit_count: row.get(5)?,
        created_at: when(row, 6)?,
    })
}
