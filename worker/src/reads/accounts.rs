//! Accounts as others see them, and who a token speaks for.

use rusqlite::{Connection, Row, params};
use serde::Serialize;
use veritable_domain::account::{Scopes, Session};
use veritable_domain::ids::{SessionId, UserId};
use veritable_domain::permission::{Actor, Groups, Role};
use veritable_domain::text::user_key;
use veritable_domain::time::UnixMillis;

use veritable_writer_api::message::LinkKind;

use super::{When, first, rows, when};

const BY_TOKEN: &str = "SELECT u.id, u.role, u.groups, t.scopes, t.expires_at FROM api_tokens t \
    CROSS JOIN users u ON u.id = t.user_id WHERE t.token_hash = ?1 AND t.revoked_at IS NULL \
    AND (t.expires_at IS NULL OR t.expires_at > ?2) AND u.disabled_at IS NULL AND u.erased_at IS NULL";

const SESSION: &str = "SELECT s.id, u.id, u.role, u.groups, s.expires_at, s.csrf FROM sessions s \
    CROSS JOIN users u ON u.id = s.user_id WHERE s.token_hash = ?1 AND s.expires_at > ?2 \
    AND u.disabled_at IS NULL AND u.erased_at IS NULL";

macro_rules! login {
    ($where:literal) => {
        concat!(
            "SELECT id, name, address, password_hash, verified_at IS NOT NULL, approved_at IS NOT NULL, ",
            "disabled_at IS NOT NULL, iif(totp_confirmed_at IS NULL, NULL, totp_secret) FROM users ",
            "WHERE erased_at IS NULL AND ",
            $where
        )
    };
}

const LOGIN_BY_NAME: &str = login!("name_key = ?1");
const LOGIN_BY_ADDRESS: &str = login!("address_key = ?1");
const LOGIN_BY_ID: &str = login!("id = ?1");

const OWN: &str = "SELECT name, display_name, role, address, created_at, totp_confirmed_at IS NOT NULL \
    FROM users WHERE id = ?1";
const SESSIONS: &str = "SELECT id, created_at, seen_at, address, user_agent FROM sessions WHERE user_id = ?1 \
    ORDER BY seen_at DESC";

const MADE_AT: &str = "SELECT created_at FROM users WHERE id = ?1";

const NAME: &str = "SELECT name FROM users WHERE id = ?1";

const BY_NAME: &str = "SELECT id, name, display_name, role, post_count, edit_count, created_at FROM users WHERE name_key = ?1 \
    AND approved_at IS NOT NULL AND (verified_at IS NOT NULL OR address IS NULL)";

/// An account that a link sent by mail is of, with the address that the link shows to be its owner's.
const LINK: &str = "SELECT user_id, address FROM links WHERE hash = ?1 AND kind = ?2 AND expires_at > ?3";

const IS_ANY_HIDDEN: &str = "SELECT 1 FROM categories WHERE read_groups & ?1 = 0 LIMIT 1";

const HIDDEN_POSTS: &str = "SELECT count(*) FROM posts p WHERE p.author_id = ?1 AND p.deleted_at IS NULL \
    AND (SELECT c.read_groups FROM categories c WHERE c.id = p.category_id) & ?2 = 0";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] = &[
    ("accounts::BY_TOKEN", BY_TOKEN),
    ("accounts::SESSION", SESSION),
    ("accounts::LOGIN_BY_NAME", LOGIN_BY_NAME),
    ("accounts::LOGIN_BY_ADDRESS", LOGIN_BY_ADDRESS),
    ("accounts::LOGIN_BY_ID", LOGIN_BY_ID),
    ("accounts::OWN", OWN),
    ("accounts::SESSIONS", SESSIONS),
    ("accounts::MADE_AT", MADE_AT),
    ("accounts::NAME", NAME),
    ("accounts::BY_NAME", BY_NAME),
    ("accounts::LINK", LINK),
    ("accounts::IS_ANY_HIDDEN", IS_ANY_HIDDEN),
    ("accounts::HIDDEN_POSTS", HIDDEN_POSTS),
];

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

/// What logging in needs to know of an account.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) user: UserId,
    pub(crate) name: String,
    pub(crate) address: Option<String>,
    pub(crate) password_hash: Option<String>,
    pub(crate) verified: bool,
    pub(crate) approved: bool,
    pub(crate) disabled: bool,
    /// What codes are made of, where it asks for a second factor.
    pub(crate) totp_secret: Option<Vec<u8>>,
}

impl Login {
    /// What only this server knows of the account.
    pub(crate) fn key(&self) -> Vec<u8> {
        let password = self.password_hash.as_deref().unwrap_or_default().as_bytes();
        [password, self.totp_secret.as_deref().unwrap_or_default()].concat()
    }
}

/// Who the token with this SHA-256 speaks for, what it is for and when it ends, unless it or the account was switched off.
///
/// # Errors
/// SQLite's.
pub fn by_token(
    db: &Connection,
    hash: &[u8; 32],
    now: UnixMillis,
) -> rusqlite::Result<Option<(Actor, Scopes, Option<UnixMillis>)>> {
    first(db, BY_TOKEN, params![hash, now.0], |row| {
        let (role, groups) = (Role::from_number(row.get(1)?), Groups::from_bits(row.get(2)?));
        let ends = row.get::<_, Option<i64>>(4)?.map(UnixMillis);
        Ok((Actor::account(UserId(row.get(0)?), role, groups), Scopes::from_bits(row.get(3)?), ends))
    })
}

/// The session of the token with this SHA-256, unless it is over.
pub(crate) fn session(
    db: &Connection,
    hash: &[u8; 32],
    now: UnixMillis,
) -> rusqlite::Result<Option<Session>> {
    first(db, SESSION, params![hash, now.0], |row| {
        let (user, role) = (UserId(row.get(1)?), Role::from_number(row.get(2)?));
        let actor = Actor::account(user, role, Groups::from_bits(row.get(3)?));
        Ok(Session {
            id: SessionId(row.get(0)?),
            user,
            role,
            groups: actor.groups,
            expires_at: UnixMillis(row.get(4)?),
            csrf: row.get(5)?,
        })
    })
}

/// The account that somebody means who logs in with a name or an e-mail address.
pub(crate) fn login(db: &Connection, typed: &str) -> rusqlite::Result<Option<Login>> {
    if typed.contains('@') {
        first(db, LOGIN_BY_ADDRESS, [typed.trim().to_lowercase()], login_row)
    } else {
        first(db, LOGIN_BY_NAME, [user_key(typed)], login_row)
    }
}

/// The same of a known account.
pub(crate) fn login_of(db: &Connection, user: UserId) -> rusqlite::Result<Option<Login>> {
    first(db, LOGIN_BY_ID, [user.0], login_row)
}

/// The account of a link that is good, and the address that the link shows to be its owner's.
pub(crate) fn by_link(
    db: &Connection,
    hash: &[u8; 32],
    kind: LinkKind,
    now: UnixMillis,
) -> rusqlite::Result<Option<(Login, String)>> {
    let found = first(db, LINK, params![hash, kind.number(), now.0], |row| {
        Ok((UserId(row.get(0)?), row.get::<_, String>(1)?))
    })?;
    let Some((user, address)) = found else { return Ok(None) };
    Ok(login_of(db, user)?.map(|login| (login, address)))
}

/// An account as its owner sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Own {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) role: Role,
    pub(crate) address: Option<String>,
    pub(crate) created_at: When,
    /// Whether logging in asks for a code.
    pub(crate) second_factor: bool,
}

/// One of an account's sessions.
#[derive(Debug, Serialize)]
pub(crate) struct SessionEntry {
    pub(crate) id: i64,
    pub(crate) created_at: When,
    pub(crate) seen_at: When,
    pub(crate) address: String,
    pub(crate) user_agent: String,
}

impl SessionEntry {
    /// What it says of itself, in a word or two.
    pub(crate) fn browser(&self) -> String {
        let has = |part: &str| self.user_agent.contains(part);
        let browser =
            ["Firefox", "Edg", "OPR", "Chrome", "Safari", "curl"].into_iter().find(|name| has(name));
        let system = [
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS", "macOS"),
            ("Linux", "Linux"),
        ];
        let system = system.into_iter().find(|(part, _)| has(part)).map(|(_, name)| name);
        let browser = browser.map(|name| match name {
            "Edg" => "Edge",
            "OPR" => "Opera",
            name => name,
        });
        match (browser, system) {
            (Some(browser), Some(system)) => format!("{browser} on {system}"),
            (Some(one), None) | (None, Some(one)) => one.to_owned(),
            (None, None) => "Unknown browser".to_owned(),
        }
    }
}

/// An account as its owner sees it.
pub(crate) fn own(db: &Connection, user: UserId) -> rusqlite::Result<Option<Own>> {
    first(db, OWN, [user.0], |row| {
        Ok(Own {
            name: row.get(0)?,
            display_name: row.get(1)?,
            role: Role::from_number(row.get(2)?),
            address: row.get(3)?,
            created_at: when(row, 4)?,
            second_factor: row.get(5)?,
        })
    })
}

/// Where an account is logged in, the session used last first. There are few.
pub(crate) fn sessions(db: &Connection, user: UserId) -> rusqlite::Result<Vec<SessionEntry>> {
    rows(db, SESSIONS, [user.0], |row| {
        Ok(SessionEntry {
            id: row.get(0)?,
            created_at: when(row, 1)?,
            seen_at: when(row, 2)?,
            address: row.get(3)?,
            user_agent: row.get(4)?,
        })
    })
}

/// When an account was made.
pub(crate) fn made_at(db: &Connection, user: UserId) -> rusqlite::Result<Option<UnixMillis>> {
    first(db, MADE_AT, [user.0], |row| row.get(0).map(UnixMillis))
}

/// An account's name.
pub(crate) fn name(db: &Connection, user: UserId) -> rusqlite::Result<Option<String>> {
    first(db, NAME, [user.0], |row| row.get(0))
}

/// The account known by `key` (see `UserName::key`), as `audience` may know of it.
pub(crate) fn seen_by(db: &Connection, key: &str, audience: Groups) -> rusqlite::Result<Option<Profile>> {
    let Some(mut profile) = by_name(db, key)? else { return Ok(None) };
    let groups = audience.bits();
    // Where everybody reads everything there is nothing to count.
    if first(db, IS_ANY_HIDDEN, [groups], |_| Ok(()))?.is_some() {
        let hidden: Option<i64> = first(db, HIDDEN_POSTS, [profile.id, groups], |row| row.get(0))?;
        profile.post_count -= hidden.unwrap_or_default();
    }
    Ok(Some(profile))
}

/// The same with all that it has, unless it is yet to be confirmed or approved: whether there is such a one is nobody's
/// business.
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

fn login_row(row: &Row<'_>) -> rusqlite::Result<Login> {
    Ok(Login {
        user: UserId(row.get(0)?),
        name: row.get(1)?,
        address: row.get(2)?,
        password_hash: row.get(3)?,
        verified: row.get(4)?,
        approved: row.get(5)?,
        disabled: row.get(6)?,
        totp_secret: row.get(7)?,
    })
}
