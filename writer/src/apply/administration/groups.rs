//! The groups that a site makes for itself.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Groups;
use veritable_domain::tag::Tag;
use veritable_domain::text::{Comment, Label};
use veritable_writer_api::message::{By, Outcome, Refusal};

use super::super::{Failure, Transaction, no_such};

/// All groups that there are.
pub(super) fn all(tx: &Transaction<'_>) -> rusqlite::Result<Groups> {
    let numbers = tx.rows("SELECT id FROM groups", [], |row| row.get::<_, u8>(0))?;
    Ok(numbers.into_iter().fold(Groups::NONE, |all, number| all.and(Groups::one(number))))
}

/// The names of those of a set.
pub(super) fn names(tx: &Transaction<'_>, set: Groups) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT id, name FROM groups ORDER BY id";
    let all = tx.rows(sql, [], |row| Ok((row.get::<_, u8>(0)?, row.get::<_, String>(1)?)))?;
    Ok(all.into_iter().filter(|(number, _)| set.meets(Groups::one(*number))).map(|(_, name)| name).collect())
}

pub(super) fn save(
    tx: &mut Transaction<'_>,
    by: &By,
    group: Option<u8>,
    name: &Label,
    description: &Comment,
) -> Result<Outcome, Failure> {
    let holder =
        tx.row("SELECT id FROM groups WHERE name = ?1", [name.as_str()], |row| row.get::<_, u8>(0))?;
    if holder.is_some() && holder != group {
        return Err(Refusal::NameTaken.into());
    }
    let (number, deed) = match group {
        Some(number) => {
            let sql = "UPDATE groups SET name = ?2, description = ?3 WHERE id = ?1";
            if tx.run(sql, params![number, name.as_str(), description.as_str()])? == 0 {
                return Err(no_such("group"));
            }
            (number, "group.edit")
        }
        None => {
            let taken = all(tx)?;
            let free = (Groups::FIRST_OWN..Groups::MAX).find(|number| !taken.meets(Groups::one(*number)));
            let most = u32::from(Groups::MAX - Groups::FIRST_OWN);
            let number = free.ok_or_else(|| Refusal::TooMany { what: "groups".into(), most })?;
            tx.run(
                "INSERT INTO groups (id, name, description, created_at) VALUES (?1, ?2, ?3, ?4)",
                params![number, name.as_str(), description.as_str(), tx.now.0],
            )?;
            (number, "group.create")
        }
    };
    tx.audit(by, deed, &format!("group:{number}"), name.as_str())?;
    Ok(Outcome::GroupSaved { group: number })
}

/// Its number may become another group's: nothing that it stood for may be left.
pub(super) fn delete(tx: &mut Transaction<'_>, by: &By, group: u8) -> Result<Outcome, Failure> {
    let name: String = tx
        .row("DELETE FROM groups WHERE id = ?1 RETURNING name", [group], |row| row.get(0))?
        .ok_or_else(|| no_such("group"))?;
    let bit = Groups::one(group).bits();
    let sql = "SELECT id FROM users WHERE groups > 0 AND groups & ?1 <> 0";
    let members = tx.rows(sql, [bit], |row| row.get(0).map(UserId))?;
    for user in &members {
        tx.run("UPDATE users SET groups = groups & ~?2 WHERE id = ?1", [user.0, bit])?;
    }
    tx.run(
        "UPDATE categories SET read_groups = read_groups & ~?1, post_groups = post_groups & ~?1,
                moderate_groups = moderate_groups & ~?1",
        [bit],
    )?;
    tx.audit(by, "group.delete", &format!("group:{group}"), &name)?;
    tx.touch(members.into_iter().map(Tag::Account));
    tx.touch([Tag::Site, Tag::Categories]);
    Ok(Outcome::Done)
}
