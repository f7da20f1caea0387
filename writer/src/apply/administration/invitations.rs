//! Invitations: links by which somebody may join.

use rusqlite::params;
use veritable_domain::ids::InvitationId;
use veritable_domain::permission::{Deed, Role, may};
use veritable_domain::text::Comment;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Outcome, Refusal, SecretHash};

use super::super::{Failure, Transaction, malformed, no_such};

/// Invitations of one person that are good at a time.
const MAX: u32 = 100;

pub(super) fn invite(
    tx: &mut Transaction<'_>,
    by: &By,
    hash: &SecretHash,
    role: Role,
    note: &Comment,
    expires_at: UnixMillis,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    may(actor, deed(role))?;
    if role == Role::Guest {
        return Err(malformed("nobody is invited to be a guest"));
    }
    let maker = by.user.map(|user| user.0);
    let sql =
        "SELECT count(*) FROM invitations WHERE created_by IS ?1 AND used_at IS NULL AND expires_at > ?2";
    if tx.row(sql, params![maker, tx.now.0], |row| row.get::<_, u32>(0))? >= Some(MAX) {
        return Err(Refusal::TooMany { what: "open invitations".into(), most: MAX }.into());
    }
    tx.run(
        "INSERT INTO invitations (hash, role, note, created_by, created_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![hash, role.number(), note.as_str(), maker, tx.now.0, expires_at.0],
    )?;
    let invitation = InvitationId(tx.db.last_insert_rowid());
    tx.audit(by, "invitation.create", &format!("invitation:{invitation}"), role.name())?;
    Ok(Outcome::Invited { invitation })
}

/// What whoever invites, or takes an invitation back, has to be allowed.
fn deed(role: Role) -> Deed {
    if role > Role::Member { Deed::Administer } else { Deed::KeepOrder }
}

pub(super) fn revoke(
    tx: &mut Transaction<'_>,
    by: &By,
    invitation: InvitationId,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    may(actor, Deed::KeepOrder)?;
    let sql = "SELECT role FROM invitations WHERE id = ?1 AND used_at IS NULL";
    let role = tx.row(sql, [invitation.0], |row| row.get(0).map(Role::from_number))?;
    may(actor, deed(role.ok_or_else(|| no_such("open invitation"))?))?;
    tx.run("DELETE FROM invitations WHERE id = ?1", [invitation.0])?;
    tx.audit(by, "invitation.revoke", &format!("invitation:{invitation}"), "")?;
    Ok(Outcome::Done)
}
