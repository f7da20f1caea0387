//! Accounts of others.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Groups, Role};
use veritable_domain::tag::Tag;
use veritable_domain::text::Comment;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Mail, Outcome, Refusal, SecretHash};

use super::super::accounts::{claim, erase, links, sessions, totp};
use super::super::{Failure, Transaction, malformed, no_such};
use super::{groups, leave_an_administrator};

/// What matters of an account before it is changed.
struct Found {
    role: Role,
    groups: Groups,
    waits: bool,
    confirmed: bool,
    disabled: bool,
}

/// An account whose person is not gone.
fn find(tx: &Transaction<'_>, user: UserId) -> Result<Found, Failure> {
    let sql = "SELECT role, groups, approved_at IS NULL, verified_at IS NOT NULL, disabled_at IS NOT NULL
               FROM users WHERE id = ?1 AND erased_at IS NULL";
    tx.row(sql, [user.0], |row| {
        Ok(Found {
            role: Role::from_number(row.get(0)?),
            groups: Groups::from_bits(row.get(1)?),
            waits: row.get(2)?,
            confirmed: row.get(3)?,
            disabled: row.get(4)?,
        })
    })?
    .ok_or_else(|| no_such("user"))
}

fn object(user: UserId) -> String {
    format!("user:{user}")
}

pub(super) fn set_role(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    role: Role,
) -> Result<Outcome, Failure> {
    let found = find(tx, user)?;
    if role == Role::Guest {
        return Err(malformed("an account is no guest"));
    }
    if found.role == role {
        return Ok(Outcome::Done);
    }
    if role < Role::Administrator {
        leave_an_administrator(tx, user)?;
    }
    tx.run("UPDATE users SET role = ?2 WHERE id = ?1", [user.0, role.number()])?;
    tx.audit(by, "user.role", &object(user), &format!("{} to {}", found.role.name(), role.name()))?;
    tx.touch([Tag::Account(user), Tag::User(user)]);
    Ok(Outcome::Done)
}

pub(super) fn set_groups(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    into: Groups,
    out_of: Groups,
) -> Result<Outcome, Failure> {
    let found = find(tx, user)?;
    if into.own().among(groups::all(tx)?) != into.own() {
        return Err(no_such("group"));
    }
    let wanted = found.groups.without(out_of).and(into).own();
    if found.groups == wanted {
        return Ok(Outcome::Done);
    }
    tx.run("UPDATE users SET groups = ?2 WHERE id = ?1", [user.0, wanted.bits()])?;
    let names = groups::names(tx, wanted)?;
    let said = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    tx.audit(by, "user.groups", &object(user), &said)?;
    tx.touch([Tag::Account(user), Tag::User(user)]);
    Ok(Outcome::Done)
}

pub(super) fn set_disabled(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    disabled: bool,
    reason: &Comment,
) -> Result<Outcome, Failure> {
    if find(tx, user)?.disabled == disabled {
        return Ok(Outcome::Done);
    }
    if disabled {
        leave_an_administrator(tx, user)?;
        sessions::end_all(tx, user, None)?;
        links::drop_all(tx, user)?;
    }
    let at = disabled.then_some(tx.now.0);
    tx.run("UPDATE users SET disabled_at = ?2 WHERE id = ?1", params![user.0, at])?;
    let deed = if disabled { "user.disable" } else { "user.enable" };
    tx.audit(by, deed, &object(user), reason.as_str())?;
    tx.touch([Tag::Account(user), Tag::User(user)]);
    Ok(Outcome::Done)
}

pub(super) fn approve(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    if !find(tx, user)?.waits {
        return Ok(Outcome::Done);
    }
    tx.run("UPDATE users SET approved_at = ?2 WHERE id = ?1", [user.0, tx.now.0])?;
    // Not seen by others before.
    tx.touch([Tag::User(user)]);
    links::post_all(tx, notice)?;
    tx.audit(by, "user.approve", &object(user), "")?;
    Ok(Outcome::Done)
}

/// An account that waits has written nothing, and its name becomes free.
pub(super) fn reject(tx: &mut Transaction<'_>, by: &By, user: UserId) -> Result<Outcome, Failure> {
    if !find(tx, user)?.waits {
        return Err(Refusal::Conflict { current: 0 }.into());
    }
    erase::erase(tx, user)?;
    tx.audit(by, "user.reject", &object(user), "")?;
    Ok(Outcome::Done)
}

pub(super) fn confirm_address(tx: &mut Transaction<'_>, by: &By, user: UserId) -> Result<Outcome, Failure> {
    if find(tx, user)?.confirmed {
        return Ok(Outcome::Done);
    }
    claim(tx, user)?;
    tx.audit(by, "user.confirm", &object(user), "")?;
    Ok(Outcome::Done)
}

pub(super) fn end_sessions(tx: &mut Transaction<'_>, by: &By, user: UserId) -> Result<Outcome, Failure> {
    find(tx, user)?;
    sessions::end_all(tx, user, None)?;
    links::drop_all(tx, user)?;
    tx.audit(by, "user.end-sessions", &object(user), "")?;
    Ok(Outcome::Done)
}

pub(super) fn offer_password(
    tx: &mut Transaction<'_>,
    by: &By,
    user: UserId,
    (hash, expires_at): (&SecretHash, UnixMillis),
    mail: Option<&Mail>,
) -> Result<Outcome, Failure> {
    find(tx, user)?;
    links::offer_password(tx, user, hash, expires_at, mail)?;
    let how = if mail.is_some() { "by mail" } else { "shown" };
    tx.audit(by, "user.reset", &object(user), how)?;
    Ok(Outcome::Done)
}

pub(super) fn end_second_factor(tx: &mut Transaction<'_>, by: &By, user: UserId) -> Result<Outcome, Failure> {
    find(tx, user)?;
    totp::end(tx, user)?;
    tx.audit(by, "user.end-second-factor", &object(user), "")?;
    Ok(Outcome::Done)
}

pub(super) fn erase(tx: &mut Transaction<'_>, by: &By, user: UserId) -> Result<Outcome, Failure> {
    find(tx, user)?;
    leave_an_administrator(tx, user)?;
    erase::erase(tx, user)?;
    tx.audit(by, "user.erase", &object(user), "")?;
    Ok(Outcome::Done)
}
