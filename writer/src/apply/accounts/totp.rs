//! The second factor: codes by time (TOTP, RFC 6238), each good once, and recovery codes for when they are lost.
//!
//! Workers compute which code belongs to which step of time; here it is decided whether the step was used before,
//! together with what it is used for.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_writer_api::message::{By, Factor, Mail, Outcome, Refusal, SecretHash};

use super::super::{Failure, Transaction};
use super::{links, own, sessions};

/// Uses a factor up.
pub(super) fn take(tx: &Transaction<'_>, user: UserId, factor: Factor) -> Result<(), Failure> {
    let taken = match factor {
        Factor::None => 0,
        Factor::Totp { step } => {
            tx.run("UPDATE users SET totp_step = ?2 WHERE id = ?1 AND totp_step < ?2", [user.0, step])?
        }
        Factor::Recovery { hash } => {
            tx.run("DELETE FROM recovery_codes WHERE user_id = ?1 AND hash = ?2", params![user.0, hash])?
        }
    };
    if taken == 0 { Err(Refusal::WrongCode.into()) } else { Ok(()) }
}

pub(super) fn begin(tx: &mut Transaction<'_>, by: &By, secret: &[u8; 20]) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let sql = "UPDATE users SET totp_secret = ?2, totp_step = 0 WHERE id = ?1 AND totp_confirmed_at IS NULL";
    changed(tx.run(sql, params![user.0, secret])?)
}

pub(super) fn confirm(
    tx: &mut Transaction<'_>,
    by: &By,
    (secret, step): (&[u8; 20], i64),
    codes: &[SecretHash],
    session: Option<&SecretHash>,
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let sql = "UPDATE users SET totp_confirmed_at = ?3, totp_step = ?4
               WHERE id = ?1 AND totp_secret = ?2 AND totp_confirmed_at IS NULL";
    changed(tx.run(sql, params![user.0, secret, tx.now.0, step])?)?;
    store_codes(tx, user, codes)?;
    // Whoever is logged in elsewhere has shown the password alone.
    sessions::end_all(tx, user, session)?;
    links::post_all(tx, notice)?;
    Ok(Outcome::Done)
}

pub(super) fn renew_codes(
    tx: &mut Transaction<'_>,
    by: &By,
    codes: &[SecretHash],
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND totp_confirmed_at IS NOT NULL";
    changed(tx.row(sql, [user.0], |_| Ok(()))?.map_or(0, |()| 1))?;
    store_codes(tx, user, codes)?;
    links::post_all(tx, notice)?;
    Ok(Outcome::Done)
}

pub(super) fn end_own(tx: &mut Transaction<'_>, by: &By, notice: Option<&Mail>) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    end(tx, user)?;
    links::post_all(tx, notice)?;
    Ok(Outcome::Done)
}

/// Has an account log in with its password alone.
pub(in super::super) fn end(tx: &Transaction<'_>, user: UserId) -> rusqlite::Result<()> {
    let sql = "UPDATE users SET totp_secret = NULL, totp_confirmed_at = NULL, totp_step = 0 WHERE id = ?1";
    tx.run(sql, [user.0])?;
    store_codes(tx, user, &[])
}

fn store_codes(tx: &Transaction<'_>, user: UserId, codes: &[SecretHash]) -> rusqlite::Result<()> {
    tx.run("DELETE FROM recovery_codes WHERE user_id = ?1", [user.0])?;
    for code in codes {
        tx.run(
            "INSERT OR IGNORE INTO recovery_codes (user_id, hash) VALUES (?1, ?2)",
            params![user.0, code],
        )?;
    }
    Ok(())
}

/// Refuses when the account was not as its owner's page had it.
fn changed(rows: usize) -> Result<Outcome, Failure> {
    if rows == 0 { Err(Refusal::Conflict { current: 0 }.into()) } else { Ok(Outcome::Done) }
}
