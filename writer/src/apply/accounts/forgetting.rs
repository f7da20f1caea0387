//! What is too old: forgotten a little at a time, once in a while (`clerk` asks for it).

use veritable_domain::ids::UserId;
use veritable_writer_api::message::{Outcome, Refusal};

use super::super::{Failure, Transaction, administration};
use super::erase;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// Most of a kind at once, so that a command that comes meanwhile waits for milliseconds.
const AT_ONCE: i64 = 500;
/// Most accounts at once: each is a dozen statements.
const ACCOUNTS_AT_ONCE: i64 = 50;
/// An account whose address nobody confirmed holds its name for so long; the link to confirm it is good for three days.
const UNCONFIRMED_MS: i64 = 7 * DAY_MS;
/// An invitation that is over, used or not, is shown to those who keep order for so long.
const INVITATION_MS: i64 = 90 * DAY_MS;
/// A draft that nobody went on with is kept for so long.
const DRAFT_MS: i64 = 365 * DAY_MS;

pub(super) fn forget(tx: &mut Transaction<'_>) -> Result<Outcome, Failure> {
    let now = tx.now.0;
    let sql = "DELETE FROM sessions WHERE id IN
               (SELECT id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    tx.run(sql, [now, AT_ONCE])?;
    let sql = "DELETE FROM links WHERE hash IN
               (SELECT hash FROM links WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    tx.run(sql, [now, AT_ONCE])?;
    let sql = "DELETE FROM invitations WHERE id IN
               (SELECT id FROM invitations WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2)";
    tx.run(sql, [now - INVITATION_MS, AT_ONCE])?;
    let sql = "SELECT user_id, place FROM drafts WHERE updated_at <= ?1 ORDER BY updated_at LIMIT ?2";
    let drafts =
        tx.rows(sql, [now - DRAFT_MS, AT_ONCE], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    for (user, place) in drafts {
        tx.run("DELETE FROM drafts WHERE user_id = ?1 AND place = ?2", rusqlite::params![user, place])?;
    }
    // Somebody who wrote before there were addresses is not among them.
    let sql = "SELECT id FROM users WHERE verified_at IS NULL AND address IS NOT NULL AND created_at <= ?1
               AND erased_at IS NULL ORDER BY created_at LIMIT ?2";
    let accounts = tx.rows(sql, [now - UNCONFIRMED_MS, ACCOUNTS_AT_ONCE], |row| row.get(0).map(UserId))?;
    for user in accounts {
        match administration::leave_an_administrator(tx, user) {
            Ok(()) => erase::erase(tx, user)?,
            Err(Failure::Refused(Refusal::LastAdministrator)) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(Outcome::Done)
}
