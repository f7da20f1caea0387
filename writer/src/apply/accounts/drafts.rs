//! Drafts: what people are writing, kept for them until it is sent.

use rusqlite::params;
use veritable_domain::draft::Place;
use veritable_domain::ids::UserId;
use veritable_writer_api::message::{By, Outcome};

use super::super::{Failure, Transaction};
use super::own;

/// Drafts of one account: one more takes the place of the oldest.
const MAX: i64 = 100;

pub(super) fn save(
    tx: &mut Transaction<'_>,
    by: &By,
    place: &Place,
    body: &[u8],
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    tx.run(
        "INSERT INTO drafts (user_id, place, updated_at, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user_id, place) DO UPDATE SET updated_at = excluded.updated_at, body = excluded.body",
        params![user.0, place.to_string(), tx.now.0, body],
    )?;
    tx.run(
        "DELETE FROM drafts WHERE user_id = ?1 AND place IN
            (SELECT place FROM drafts WHERE user_id = ?1 ORDER BY updated_at DESC LIMIT -1 OFFSET ?2)",
        params![user.0, MAX],
    )?;
    Ok(Outcome::Done)
}

/// Whatever is sent from a place ends its draft.
pub(in super::super) fn forget(
    tx: &Transaction<'_>,
    user: UserId,
    place: &Place,
) -> Result<Outcome, Failure> {
    tx.run("DELETE FROM drafts WHERE user_id = ?1 AND place = ?2", params![user.0, place.to_string()])?;
    Ok(Outcome::Done)
}
