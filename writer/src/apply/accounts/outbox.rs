//! What became of the messages in the outbox. The thread that sends them (`clerk`) tells it by these commands, so that
//! everything that is written goes the same way.

use rusqlite::params;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::Outcome;

use super::super::{Failure, Transaction};

pub(super) fn sent(tx: &Transaction<'_>, message: i64) -> Result<Outcome, Failure> {
    tx.run("DELETE FROM outbox WHERE id = ?1", [message])?;
    Ok(Outcome::Done)
}

pub(super) fn failed(
    tx: &Transaction<'_>,
    message: i64,
    error: &str,
    next_at: Option<UnixMillis>,
) -> Result<Outcome, Failure> {
    match next_at {
        Some(at) => {
            let sql = "UPDATE outbox SET attempts = attempts + 1, error = ?2, next_at = ?3 WHERE id = ?1";
            tx.run(sql, params![message, error, at.0])?;
        }
        None => {
            tx.run("DELETE FROM outbox WHERE id = ?1", [message])?;
        }
    }
    Ok(Outcome::Done)
}
