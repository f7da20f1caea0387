//! Accounts and their tokens.

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Role;
use veritable_domain::tag::Tag;
use veritable_domain::text::{MAX_USER_NAME_CHARS, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{ImportTally, ImportUser, Outcome, Refusal};

use super::{Failure, Transaction, digest, known, malformed, no_such, remember};

/// Numbers tried after a name that is taken, before giving up.
const NAMES_TRIED: u32 = 10_000;

pub(super) fn create_user(
    tx: &mut Transaction<'_>,
    name: &UserName,
    role: Role,
    password_hash: Option<&str>,
) -> Result<Outcome, Failure> {
    if holder(tx, name)?.is_some() {
        return Err(Refusal::NameTaken.into());
    }
    let user = insert_user(tx, name, "", role, tx.now)?;
    tx.run("UPDATE users SET password_hash = ?2 WHERE id = ?1", params![user.0, password_hash])?;
    tx.touch([Tag::User(user)]);
    Ok(Outcome::UserCreated { user })
}

pub(super) fn create_api_token(
    tx: &mut Transaction<'_>,
    user: UserId,
    name: &str,
    token_hash: &[u8; 32],
) -> Result<Outcome, Failure> {
    tx.row("SELECT 1 FROM users WHERE id = ?1", [user.0], |_| Ok(()))?.ok_or_else(|| no_such("user"))?;
    tx.run(
        "INSERT INTO api_tokens (user_id, token_hash, name, created_at) VALUES (?1, ?2, ?3, ?4)",
        params![user.0, token_hash, name, tx.now.0],
    )?;
    Ok(Outcome::Done)
}

/// Accounts of another system. They have no password, so nobody can log in to them by knowing a name.
pub(super) fn import_users(
    tx: &mut Transaction<'_>,
    source: &str,
    users: &[ImportUser],
) -> Result<ImportTally, Failure> {
    let mut tally = ImportTally::default();
    for user in users {
        let digest = digest(user)?;
        match known(tx, source, "user", &user.foreign_id)? {
            Some(known) if known.is(&digest) => tally.unchanged += 1,
            Some(known) => {
                tx.run(
                    "UPDATE users SET display_name = ?2 WHERE id = ?1",
                    params![known.local_id, user.display_name],
                )?;
                remember(tx, (source, "user", &user.foreign_id), known.local_id, Some(digest))?;
                tally.changed += 1;
            }
            None => {
                let name = free_name(tx, &user.name)?;
                if name != user.name {
                    tally.notes.push(format!(
                        "user {:?} became {:?}: the name was taken",
                        user.name.as_str(),
                        name.as_str()
                    ));
                }
                let id = insert_user(tx, &name, &user.display_name, user.role, user.created_at)?;
                remember(tx, (source, "user", &user.foreign_id), id.0, Some(digest))?;
                tally.added += 1;
            }
        }
    }
    Ok(tally)
}

/// The account that an imported id became.
pub(super) fn imported_user(tx: &Transaction<'_>, source: &str, foreign: &str) -> Result<UserId, Failure> {
    known(tx, source, "user", foreign)?
        .map(|known| UserId(known.local_id))
        .ok_or_else(|| malformed(format!("user {foreign} of {source} was not imported before what it wrote")))
}

fn insert_user(
    tx: &Transaction<'_>,
    name: &UserName,
    display_name: &str,
    role: Role,
    at: UnixMillis,
) -> rusqlite::Result<UserId> {
    tx.run(
        "INSERT INTO users (name, name_key, display_name, role, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![name.as_str(), name.key(), display_name, role.number(), at.0],
    )?;
    Ok(UserId(tx.db.last_insert_rowid()))
}

fn holder(tx: &Transaction<'_>, name: &UserName) -> rusqlite::Result<Option<i64>> {
    tx.row("SELECT id FROM users WHERE name_key = ?1", [name.key()], |row| row.get(0))
}

/// `name`, or the first of `name-2`, `name-3`, ... that nobody has.
fn free_name(tx: &Transaction<'_>, name: &UserName) -> Result<UserName, Failure> {
    if holder(tx, name)?.is_none() {
        return Ok(name.clone());
    }
    for number in 2..NAMES_TRIED {
        let suffix = format!("-{number}");
        let kept = name.as_str().chars().take(MAX_USER_NAME_CHARS - suffix.len()).collect::<String>();
        let candidate = UserName::new(&(kept + &suffix)).map_err(|error| malformed(error.to_string()))?;
        if holder(tx, &candidate)?.is_none() {
            return Ok(candidate);
        }
    }
    Err(malformed(format!("no free name for user {:?}", name.as_str())))
}
