//! Forgetting a person: what was written stays, under a name that is nobody's; whatever else is known of the person is
//! deleted. The account's row is kept, so that its number is never another's.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_domain::tag::Tag;
use veritable_domain::text::UserName;
use veritable_writer_api::message::{By, Outcome};

use super::super::{Failure, Transaction, administration};
use super::{free_name, own, sessions};

/// Its owner asks for it: the password was checked.
pub(super) fn own_account(tx: &mut Transaction<'_>, by: &By) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    administration::leave_an_administrator(tx, user)?;
    erase(tx, user)?;
    Ok(Outcome::Done)
}

/// Forgets the person of an account.
pub(in super::super) fn erase(tx: &mut Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let name = free_name(tx, &UserName::of_erased(user))?;
    let address: Option<String> =
        tx.row("SELECT address FROM users WHERE id = ?1", [user.0], |row| row.get(0))?.flatten();
    let is_named = is_named(tx, user)?;
    sessions::end_all(tx, user, None)?;
    tx.run(
        "UPDATE users SET name = ?2, name_key = ?3, likeness = ?5, display_name = '', role = 1, groups = 0, password_hash = NULL,
                address = NULL, address_key = NULL, totp_secret = NULL, totp_confirmed_at = NULL, preferences = '',
                verified_at = coalesce(verified_at, ?4), approved_at = coalesce(approved_at, ?4),
                disabled_at = NULL, erased_at = ?4 WHERE id = ?1",
        params![user.0, name.as_str(), name.key(), tx.now.0, name.likeness()],
    )?;
    tx.run("DELETE FROM api_tokens WHERE user_id = ?1", [user.0])?;
    tx.run("DELETE FROM links WHERE user_id = ?1", [user.0])?;
    tx.run("DELETE FROM recovery_codes WHERE user_id = ?1", [user.0])?;
    tx.run("DELETE FROM drafts WHERE user_id = ?1", [user.0])?;
    tx.run("UPDATE uploads SET name = '' WHERE user_id = ?1", [user.0])?;
    // What was done with a role's power stays in the log, from where it was done does not.
    tx.run("UPDATE audit SET address = '' WHERE actor_id = ?1", [user.0])?;
    tx.run("UPDATE invitations SET note = '' WHERE used_by = ?1", [user.0])?;
    if let Some(address) = address {
        tx.run("DELETE FROM outbox WHERE address = ?1", [address])?;
    }
    tx.touch([Tag::Account(user), Tag::User(user)]);
    if is_named {
        tx.touch([Tag::Site]);
    }
    Ok(())
}

/// Whether its name may stand on other pages than its own: it wrote something, deleted or not, or did something to what
/// others wrote. Who only signed up did neither, and is forgotten without a loss to the cache.
fn is_named(tx: &Transaction<'_>, user: UserId) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM posts WHERE author_id = ?1 AND deleted_at IS NULL)
                   OR EXISTS (SELECT 1 FROM posts WHERE author_id = ?1 AND deleted_at IS NOT NULL)
                   OR EXISTS (SELECT 1 FROM revisions WHERE author_id = ?1)
                   OR EXISTS (SELECT 1 FROM audit WHERE actor_id = ?1)";
    Ok(tx.row(sql, [user.0], |row| row.get(0))?.unwrap_or(true))
}
