//! Passwords: changed by their owners, and hashed anew when the settings ask for more.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_writer_api::message::{By, Mail, Outcome, SecretHash};

use super::super::{Failure, Transaction};
use super::{links, own, sessions, tokens};

pub(super) fn change(
    tx: &mut Transaction<'_>,
    by: &By,
    password_hash: &str,
    (session, keeps_tokens): (Option<&SecretHash>, bool),
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    tx.run("UPDATE users SET password_hash = ?2 WHERE id = ?1", params![user.0, password_hash])?;
    // Whoever knew the old one, or had a link for a new one, is out.
    links::drop_all(tx, user)?;
    if !keeps_tokens {
        tokens::end_all(tx, user)?;
    }
    sessions::end_all(tx, user, session)?;
    links::post_all(tx, notice)?;
    Ok(Outcome::Done)
}

pub(super) fn rehash(
    tx: &mut Transaction<'_>,
    user: UserId,
    old: &str,
    new: &str,
) -> Result<Outcome, Failure> {
    let sql = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
    tx.run(sql, params![user.0, old, new])?;
    Ok(Outcome::Done)
}
