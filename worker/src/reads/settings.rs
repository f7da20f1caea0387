//! What people keep for their accounts: API tokens, the second factor, invitations they were given.

use rusqlite::{Connection, params};
use serde::Serialize;
use veritable_domain::account::Scopes;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Role;
use veritable_domain::time::UnixMillis;

use super::{When, first, rows, when};

const TOKENS: &str = "SELECT id, name, scopes, created_at, expires_at FROM api_tokens \
    WHERE user_id = ?1 AND revoked_at IS NULL ORDER BY id DESC";
const SECOND_FACTOR: &str = "SELECT totp_secret, totp_confirmed_at FROM users WHERE id = ?1";
const RECOVERY_CODES: &str = "SELECT count(*) FROM recovery_codes WHERE user_id = ?1";
const INVITATION: &str =
    "SELECT role FROM invitations WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("settings::TOKENS", TOKENS),
    ("settings::SECOND_FACTOR", SECOND_FACTOR),
    ("settings::RECOVERY_CODES", RECOVERY_CODES),
    ("settings::INVITATION", INVITATION),
];

/// An API token, without what only its owner has.
#[derive(Debug, Serialize)]
pub(crate) struct Token {
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(serialize_with = "named")]
    pub(crate) scopes: Scopes,
    pub(crate) created_at: When,
    pub(crate) expires_at: Option<When>,
    pub(crate) expired: bool,
}

fn named<S: serde::Serializer>(scopes: &Scopes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(scopes.names().split_whitespace())
}

/// The tokens of an account that were not revoked, the newest first. There are few.
pub(crate) fn tokens(db: &Connection, user: UserId, now: UnixMillis) -> rusqlite::Result<Vec<Token>> {
    rows(db, TOKENS, [user.0], |row| {
        let expires_at = row.get::<_, Option<i64>>(4)?.map(UnixMillis);
        Ok(Token {
            id: row.get(0)?,
            name: row.get(1)?,
            scopes: Scopes::from_bits(row.get(2)?),
            created_at: when(row, 3)?,
            expires_at: expires_at.map(When),
            expired: expires_at.is_some_and(|at| at <= now),
        })
    })
}

/// An account's second factor.
#[derive(Debug)]
pub(crate) struct SecondFactor {
    /// What codes are made of; `None`: it has none, and is not setting one up.
    pub(crate) secret: Option<Vec<u8>>,
    /// Since when logging in asks for codes.
    pub(crate) since: Option<When>,
    /// Recovery codes that were not used.
    pub(crate) codes: i64,
}

/// An account's second factor.
pub(crate) fn second_factor(db: &Connection, user: UserId) -> rusqlite::Result<Option<SecondFactor>> {
    let codes = first(db, RECOVERY_CODES, [user.0], |row| row.get(0))?.unwrap_or_default();
    first(db, SECOND_FACTOR, [user.0], |row| {
        let since = row.get::<_, Option<i64>>(1)?.map(|at| When(UnixMillis(at)));
        Ok(SecondFactor { secret: row.get(0)?, since, codes })
    })
}

/// The role that an open invitation gives.
pub(crate) fn invitation(
    db: &Connection,
    hash: &[u8; 32],
    now: UnixMillis,
) -> rusqlite::Result<Option<Role>> {
    first(db, INVITATION, params![hash, now.0], |row| row.get(0).map(Role::from_number))
}
