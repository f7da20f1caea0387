//! Links sent by mail, and the outbox they go out by.

use rusqlite::params;
use veritable_domain::account::Address;
use veritable_domain::ids::UserId;
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Link, LinkKind, Mail, Outcome, Refusal, SecretHash};

use super::super::{Failure, Transaction, malformed, no_such};
use super::{claim, owner, sessions, tokens};

/// A new link of a kind replaces the account's last one: an old mail in a mailbox is worth nothing.
pub(super) fn insert(tx: &mut Transaction<'_>, user: UserId, link: &Link) -> rusqlite::Result<()> {
    drop_links(tx, user, link.kind)?;
    tx.run(
        "INSERT INTO links (hash, user_id, kind, address, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            link.hash,
            user.0,
            link.kind.number(),
            link.mail.to.as_str(),
            tx.now.0,
            link.expires_at.0
        ],
    )?;
    post(tx, &link.mail)
}

/// Puts a message into the outbox, if there is one.
pub(in super::super) fn post_all(tx: &Transaction<'_>, mail: Option<&Mail>) -> rusqlite::Result<()> {
    mail.map_or(Ok(()), |mail| post(tx, mail))
}

/// Puts a message into the outbox.
pub(super) fn post(tx: &Transaction<'_>, mail: &Mail) -> rusqlite::Result<()> {
    tx.run(
        "INSERT INTO outbox (address, subject, body, created_at, next_at) VALUES (?1, ?2, ?3, ?4, ?4)",
        params![mail.to.as_str(), mail.subject, mail.body, tx.now.0],
    )?;
    Ok(())
}

pub(super) fn send(tx: &mut Transaction<'_>, user: UserId, link: &Link) -> Result<Outcome, Failure> {
    let sql = "SELECT address FROM users WHERE id = ?1 AND disabled_at IS NULL AND erased_at IS NULL";
    let own: Option<String> = tx.row(sql, [user.0], |row| row.get(0))?.ok_or_else(|| no_such("user"))?;
    // A new password is only ever offered to the address that is the account's already.
    if link.kind == LinkKind::Reset && own.as_deref() != Some(link.mail.to.as_str()) {
        return Err(malformed("a link for a new password goes to the account's own address"));
    }
    insert(tx, user, link)?;
    Ok(Outcome::Done)
}

/// Whose a link is, and which address it shows to be this person's; it is used up.
fn take(tx: &Transaction<'_>, hash: &SecretHash, kind: LinkKind) -> Result<(UserId, String), Failure> {
    let sql =
        "DELETE FROM links WHERE hash = ?1 AND kind = ?2 AND expires_at > ?3 RETURNING user_id, address";
    let found = tx.row(sql, params![hash, kind.number(), tx.now.0], |row| {
        Ok((UserId(row.get(0)?), row.get::<_, String>(1)?))
    })?;
    let (user, address) = found.ok_or(Refusal::LinkDead)?;
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND disabled_at IS NULL AND erased_at IS NULL";
    tx.row(sql, [user.0], |_| Ok(()))?.ok_or(Refusal::LinkDead)?;
    Ok((user, address))
}

pub(super) fn verify(
    tx: &mut Transaction<'_>,
    hash: &SecretHash,
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let (user, address) = take(tx, hash, LinkKind::Verify)?;
    let address = Address::new(&address).map_err(|error| malformed(error.to_string()))?;
    if owner(tx, &address)?.is_some_and(|owner| owner != user) {
        return Err(Refusal::AddressTaken.into());
    }
    let sql = "SELECT address FROM users WHERE id = ?1 AND verified_at IS NOT NULL";
    let before: Option<String> = tx.row(sql, [user.0], |row| row.get(0))?.flatten();
    let told = notice.filter(|notice| before.as_deref() == Some(notice.to.as_str()) && notice.to != address);
    tx.run(
        "UPDATE users SET address = ?2, address_key = ?3, verified_at = ?4 WHERE id = ?1",
        params![user.0, address.as_str(), address.key(), tx.now.0],
    )?;
    // A link for a new password went to the mailbox that was this person's before.
    drop_links(tx, user, LinkKind::Reset)?;
    post_all(tx, told)?;
    // Not seen by others before.
    tx.touch([Tag::User(user)]);
    Ok(Outcome::Account { user })
}

/// Every link of an account: who asked for one may be who is to be kept out.
pub(in super::super) fn drop_all(tx: &Transaction<'_>, user: UserId) -> rusqlite::Result<()> {
    tx.run("DELETE FROM links WHERE user_id = ?1", [user.0])?;
    Ok(())
}

fn drop_links(tx: &Transaction<'_>, user: UserId, kind: LinkKind) -> rusqlite::Result<usize> {
    tx.run("DELETE FROM links WHERE user_id = ?1 AND kind = ?2", params![user.0, kind.number()])
}

/// A link for a new password that somebody with the power to make it hands over.
pub(in super::super) fn offer_password(
    tx: &Transaction<'_>,
    user: UserId,
    hash: &SecretHash,
    expires_at: UnixMillis,
    mail: Option<&Mail>,
) -> rusqlite::Result<()> {
    drop_all(tx, user)?;
    tx.run(
        "INSERT INTO links (hash, user_id, kind, address, created_at, expires_at) VALUES (?1, ?2, ?3, '', ?4, ?5)",
        params![hash, user.0, LinkKind::Reset.number(), tx.now.0, expires_at.0],
    )?;
    post_all(tx, mail)
}

pub(super) fn reset_password(
    tx: &mut Transaction<'_>,
    hash: &SecretHash,
    password_hash: &str,
) -> Result<Outcome, Failure> {
    let (user, _) = take(tx, hash, LinkKind::Reset)?;
    // Whoever has the mailbox, or the link from an administrator, has shown enough.
    claim(tx, user)?;
    tx.run("UPDATE users SET password_hash = ?2 WHERE id = ?1", params![user.0, password_hash])?;
    // Whoever had the account before may have asked for another address, and made tokens.
    drop_all(tx, user)?;
    tokens::end_all(tx, user)?;
    sessions::end_all(tx, user, None)?;
    tx.touch([Tag::Account(user), Tag::User(user)]);
    Ok(Outcome::Account { user })
}
