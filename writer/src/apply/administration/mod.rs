//! What is done with an administrator's or moderator's power: to accounts, groups, categories and invitations. Each deed
//! is written into the audit log, without anybody's name: names change and are to be forgotten.

mod categories;
mod groups;
mod invitations;
mod users;

use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, Role, may};
use veritable_writer_api::message::{Administration, By, Outcome, Refusal};

use super::{Failure, Transaction};
use crate::people;

/// Carries out a change.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Administration) -> Result<Outcome, Failure> {
    match change {
        Administration::Invite { hash, role, note, expires_at } => {
            return invitations::invite(tx, by, hash, *role, note, *expires_at);
        }
        Administration::RevokeInvitation { invitation } => {
            return invitations::revoke(tx, by, *invitation);
        }
        _ => may(tx.actor(by)?, Deed::Administer)?,
    }
    match change {
        Administration::SetRole { user, role } => users::set_role(tx, by, *user, *role),
        Administration::SetGroups { user, into, out_of } => users::set_groups(tx, by, *user, *into, *out_of),
        Administration::SetDisabled { user, disabled, reason } => {
            users::set_disabled(tx, by, *user, *disabled, reason)
        }
        Administration::Approve { user, notice } => users::approve(tx, by, *user, notice.as_ref()),
        Administration::Reject { user } => users::reject(tx, by, *user),
        Administration::ConfirmAddress { user } => users::confirm_address(tx, by, *user),
        Administration::EndSessions { user } => users::end_sessions(tx, by, *user),
        Administration::OfferPassword { user, hash, expires_at, mail } => {
            users::offer_password(tx, by, *user, (hash, *expires_at), mail.as_ref())
        }
        Administration::EndSecondFactor { user } => users::end_second_factor(tx, by, *user),
        Administration::Erase { user } => users::erase(tx, by, *user),
        Administration::SaveGroup { group, name, description } => {
            groups::save(tx, by, *group, name, description)
        }
        Administration::DeleteGroup { group } => groups::delete(tx, by, *group),
        Administration::SaveCategory { category, settings } => categories::save(tx, by, *category, settings),
        Administration::MoveCategory { category, up } => categories::shift(tx, by, *category, *up),
        Administration::Invite { .. } | Administration::RevokeInvitation { .. } => Ok(Outcome::Done),
    }
}

/// Refuses when nobody could administer the site without this account.
pub(super) fn leave_an_administrator(tx: &Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND role = ?2 AND disabled_at IS NULL AND erased_at IS NULL";
    let administrator = Role::Administrator.number();
    if tx.row(sql, [user.0, administrator], |_| Ok(()))?.is_none() {
        return Ok(());
    }
    if people::can_administer(tx.db, Some(user), tx.now)? {
        Ok(())
    } else {
        Err(Refusal::LastAdministrator.into())
    }
}
