//! Sessions: the database has them all, the shared segment copies of those that are used. Whatever ends one touches its
//! account's tag, so that every worker asks the database again before the answer goes out.

use rusqlite::params;
use veritable_domain::ids::{SessionId, UserId};
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Factor, NewSession, Outcome, Refusal, SecretHash};

use super::super::{Failure, Transaction, no_such};
use super::{own, totp};

/// Sessions of one account: one more ends the one that was not used for the longest.
const MAX: i64 = 50;
/// Bytes kept of what a browser says of itself.
const USER_AGENT_BYTES: usize = 256;

pub(super) fn open(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    new: &NewSession,
    factor: Factor,
    replaces: Option<&SecretHash>,
) -> Result<Outcome, Failure> {
    let sql = "SELECT totp_confirmed_at IS NOT NULL FROM users WHERE id = ?1 AND disabled_at IS NULL
               AND erased_at IS NULL AND approved_at IS NOT NULL AND verified_at IS NOT NULL";
    let asks_for_code =
        tx.row(sql, [user.0], |row| row.get(0))?.ok_or_else(|| no_such("account that may log in"))?;
    if asks_for_code {
        totp::take(tx, user, factor)?;
    }
    if let Some(hash) = replaces {
        // Its browser forgets it, so nobody could end it there.
        close(tx, hash)?;
    }
    tx.run(
        "DELETE FROM sessions WHERE user_id = ?1 AND (expires_at <= ?2 OR id IN
            (SELECT id FROM sessions WHERE user_id = ?1 ORDER BY seen_at DESC LIMIT -1 OFFSET ?3))",
        params![user.0, tx.now.0, MAX - 1],
    )?;
    let agent = &new.user_agent[..new.user_agent.floor_char_boundary(USER_AGENT_BYTES)];
    tx.run(
        "INSERT INTO sessions (token_hash, user_id, csrf, created_at, seen_at, expires_at, address, user_agent)
         VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)",
        params![new.hash, user.0, new.csrf, tx.now.0, new.expires_at.0, by.address, agent],
    )?;
    tx.touch([Tag::Account(user)]);
    Ok(Outcome::Account { user })
}

/// One that is over stays over.
pub(super) fn touch(
    tx: &mut Transaction<'_>,
    hash: &SecretHash,
    expires_at: UnixMillis,
) -> Result<Outcome, Failure> {
    let sql = "UPDATE sessions SET seen_at = ?2, expires_at = max(expires_at, ?3)
               WHERE token_hash = ?1 AND expires_at > ?2 RETURNING user_id";
    let user = tx.row(sql, params![hash, tx.now.0, expires_at.0], |row| row.get(0).map(UserId))?;
    tx.touch(user.map(Tag::Account));
    Ok(Outcome::Done)
}

pub(super) fn close(tx: &mut Transaction<'_>, hash: &SecretHash) -> Result<Outcome, Failure> {
    let sql = "DELETE FROM sessions WHERE token_hash = ?1 RETURNING user_id";
    let user = tx.row(sql, [hash], |row| row.get(0).map(UserId))?;
    tx.touch(user.map(Tag::Account));
    Ok(Outcome::Done)
}

pub(super) fn revoke(tx: &mut Transaction<'_>, by: &By, session: SessionId) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let sql = "DELETE FROM sessions WHERE id = ?1 AND user_id = ?2";
    if tx.run(sql, [session.0, user.0])? == 0 {
        return Err(Refusal::NotFound { what: "session".into() }.into());
    }
    tx.touch([Tag::Account(user)]);
    Ok(Outcome::Done)
}

pub(super) fn revoke_all(
    tx: &mut Transaction<'_>,
    by: &By,
    except: Option<&SecretHash>,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    end_all(tx, user, except)?;
    Ok(Outcome::Done)
}

/// Ends all sessions of an account but one.
pub(in super::super) fn end_all(
    tx: &mut Transaction<'_>,
    user: UserId,
    except: Option<&SecretHash>,
) -> rusqlite::Result<()> {
    let sql = "DELETE FROM sessions WHERE user_id = ?1 AND token_hash IS NOT ?2";
    tx.run(sql, params![user.0, except])?;
    tx.touch([Tag::Account(user)]);
    Ok(())
}
