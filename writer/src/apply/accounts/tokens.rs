//! API tokens.

use rusqlite::params;
use veritable_domain::account::Scopes;
use veritable_domain::ids::{TokenId, UserId};
use veritable_domain::permission::{Deed, may};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Mail, Outcome, Refusal, SecretHash};

use super::super::{Failure, Transaction, no_such};
use super::{links, own};

/// Tokens of one account that are good at a time: what a person can tell apart.
const MAX: u32 = 50;

pub(super) fn create(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    name: &str,
    hash: &SecretHash,
    (scopes, expires_at): (Scopes, Option<UnixMillis>),
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    // One's own; only the operator makes one for somebody else, as whoever has it acts as that person.
    if by.user != Some(user) {
        may(actor, if by.user.is_none() { Deed::Administer } else { return Err(no_such("user")) })?;
    }
    tx.row("SELECT 1 FROM users WHERE id = ?1 AND erased_at IS NULL", [user.0], |_| Ok(()))?
        .ok_or_else(|| no_such("user"))?;
    let sql = "SELECT count(*) FROM api_tokens WHERE user_id = ?1 AND revoked_at IS NULL
               AND (expires_at IS NULL OR expires_at > ?2)";
    if tx.row(sql, [user.0, tx.now.0], |row| row.get::<_, u32>(0))? >= Some(MAX) {
        return Err(Refusal::TooMany { what: "API tokens".into(), most: MAX }.into());
    }
    tx.run(
        "INSERT INTO api_tokens (user_id, token_hash, name, created_at, scopes, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![user.0, hash, name, tx.now.0, scopes.bits(), expires_at.map(|at| at.0)],
    )?;
    links::post_all(tx, notice)?;
    let token = TokenId(tx.db.last_insert_rowid());
    if by.user.is_none() {
        tx.audit(by, "token.create", &format!("user:{user}"), &format!("{name}: {}", scopes.names()))?;
    }
    Ok(Outcome::TokenCreated { token })
}

/// Ends all tokens of an account.
pub(super) fn end_all(tx: &Transaction<'_>, user: UserId) -> rusqlite::Result<()> {
    let sql = "UPDATE api_tokens SET revoked_at = ?2 WHERE user_id = ?1 AND revoked_at IS NULL";
    tx.run(sql, [user.0, tx.now.0])?;
    Ok(())
}

/// One of those who ask; it is asked of the database with each request, so it ends at once.
pub(super) fn revoke(tx: &mut Transaction<'_>, by: &By, token: TokenId) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let sql = "UPDATE api_tokens SET revoked_at = ?3 WHERE id = ?1 AND user_id = ?2 AND revoked_at IS NULL";
    if tx.run(sql, [token.0, user.0, tx.now.0])? == 0 {
        return Err(no_such("API token"));
    }
    Ok(Outcome::Done)
}
