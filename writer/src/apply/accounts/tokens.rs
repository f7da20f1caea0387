//! API tokens.

use rusqlite::params;
use veritable_domain::account::Scopes;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Outcome, SecretHash};

use super::super::{Failure, Transaction, no_such};

pub(super) fn create(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    name: &str,
    hash: &SecretHash,
    (scopes, expires_at): (Scopes, Option<UnixMillis>),
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    // One's own; only the operator makes one for somebody else, as whoever has it acts as that person.
    if by.user != Some(user) {
        may(actor, if by.user.is_none() { Deed::Administer } else { return Err(no_such("user")) })?;
    }
    tx.row("SELECT 1 FROM users WHERE id = ?1 AND erased_at IS NULL", [user.0], |_| Ok(()))?
        .ok_or_else(|| no_such("user"))?;
    tx.run(
        "INSERT INTO api_tokens (user_id, token_hash, name, created_at, scopes, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![user.0, hash, name, tx.now.0, scopes.bits(), expires_at.map(|at| at.0)],
    )?;
    Ok(Outcome::Done)
}
