//! Accounts: made by administrators, by people themselves, and by imports.

pub(super) mod drafts;
pub(super) mod erase;
mod forgetting;
pub(super) mod links;
mod outbox;
mod passwords;
mod profile;
pub(super) mod sessions;
mod tokens;
pub(super) mod totp;

use rusqlite::params;
use veritable_domain::account::Address;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, Denial, Role, may};
use veritable_domain::tag::Tag;
use veritable_domain::text::{MAX_USER_NAME_CHARS, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{
    Accounts, By, ImportTally, ImportUser, Link, Outcome, Refusal, SecretHash,
};

use super::{Failure, Transaction, digest, known, malformed, remember};

/// Numbers tried after a name that is taken, before giving up.
const NAMES_TRIED: u32 = 10_000;

/// Carries out a change of accounts.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Accounts) -> Result<Outcome, Failure> {
    match change {
        Accounts::CreateUser { name, role, address, password_hash } => {
            create_user(tx, by, name, *role, address.as_ref(), password_hash.as_deref())
        }
        Accounts::SignUp { name, address, password_hash, invitation, waits_for_approval, link } => {
            let new = SignUp {
                name,
                address: address.as_ref(),
                password_hash,
                invitation: invitation.as_ref(),
                waits_for_approval: *waits_for_approval,
                link: link.as_ref(),
            };
            sign_up(tx, by, &new)
        }
        Accounts::SendMail { mail } => {
            links::post(tx, mail)?;
            Ok(Outcome::Done)
        }
        Accounts::SendLink { user, link } => links::send(tx, *user, link),
        Accounts::Verify { hash, notice } => links::verify(tx, hash, notice.as_ref()),
        Accounts::ResetPassword { hash, password_hash } => links::reset_password(tx, hash, password_hash),
        Accounts::ChangePassword { password_hash, session, ends_tokens, notice } => {
            let kept = (session.as_ref(), !ends_tokens);
            passwords::change(tx, by, password_hash, kept, notice.as_ref())
        }
        Accounts::Rehash { user, old, new } => passwords::rehash(tx, *user, old, new),
        Accounts::OpenSession { user, session, factor, replaces } => {
            sessions::open(tx, by, *user, session, *factor, replaces.as_ref())
        }
        Accounts::TouchSession { hash, expires_at } => sessions::touch(tx, hash, *expires_at),
        Accounts::CloseSession { hash } => sessions::close(tx, hash),
        Accounts::RevokeSession { session } => sessions::revoke(tx, by, *session),
        Accounts::RevokeSessions { except } => sessions::revoke_all(tx, by, except.as_ref()),
        Accounts::SaveDraft { place, body } => drafts::save(tx, by, place, body),
        Accounts::DropDraft { place } => drafts::forget(tx, own(tx, by)?, place),
        Accounts::CreateApiToken { user, name, hash, scopes, expires_at, notice } => {
            tokens::create(tx, by, *user, name, hash, (*scopes, *expires_at), notice.as_ref())
        }
        Accounts::RevokeApiToken { token } => tokens::revoke(tx, by, *token),
        Accounts::ChangeAddress { address, link, notice } => {
            profile::change_address(tx, by, address, link.as_ref(), notice.as_ref())
        }
        Accounts::SetDisplayName { name } => profile::set_display_name(tx, by, name),
        Accounts::BeginTotp { secret } => totp::begin(tx, by, secret),
        Accounts::ConfirmTotp { secret, step, codes, session, notice } => {
            totp::confirm(tx, by, (secret, *step), codes, session.as_ref(), notice.as_ref())
        }
        Accounts::RenewRecoveryCodes { codes, notice } => totp::renew_codes(tx, by, codes, notice.as_ref()),
        Accounts::EndTotp { notice } => totp::end_own(tx, by, notice.as_ref()),
        Accounts::Erase => erase::own_account(tx, by),
        Accounts::MailSent { message } => outbox::sent(tx, *message),
        Accounts::MailFailed { message, error, next_at } => outbox::failed(tx, *message, error, *next_at),
        Accounts::ForgetOld => forgetting::forget(tx),
    }
}

/// The account that asks, as one that can be changed by its owner.
fn own(tx: &Transaction<'_>, by: &By) -> Result<UserId, Failure> {
    let actor = tx.actor(by)?;
    may(actor, Deed::OwnThings)?;
    Ok(actor.user.ok_or(Denial::LoginRequired)?)
}

fn create_user(
    tx: &mut Transaction<'_>,
    by: &By,
    name: &UserName,
    role: Role,
    address: Option<&Address>,
    password_hash: Option<&str>,
) -> Result<Outcome, Failure> {
    may(tx.actor(by)?, Deed::Administer)?;
    let user = insert_new(tx, name, role, address, password_hash)?;
    claim(tx, user)?;
    tx.run("UPDATE users SET approved_at = ?2 WHERE id = ?1", params![user.0, tx.now.0])?;
    tx.audit(by, "user.create", &format!("user:{user}"), role.name())?;
    Ok(Outcome::UserCreated { user })
}

/// Somebody who wants to join.
struct SignUp<'a> {
    name: &'a UserName,
    address: Option<&'a Address>,
    password_hash: &'a str,
    invitation: Option<&'a SecretHash>,
    waits_for_approval: bool,
    link: Option<&'a Link>,
}

fn sign_up(tx: &mut Transaction<'_>, by: &By, new: &SignUp<'_>) -> Result<Outcome, Failure> {
    if let Some(hash) = new.invitation {
        // Before anything else is looked at: who has no invitation learns nothing.
        let sql = "SELECT 1 FROM invitations WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?2";
        tx.row(sql, params![hash, tx.now.0], |_| Ok(()))?.ok_or(Refusal::LinkDead)?;
    }
    let user = insert_new(tx, new.name, Role::Member, new.address, Some(new.password_hash))?;
    if let Some(hash) = new.invitation {
        let sql = "UPDATE invitations SET used_by = ?2, used_at = ?3
                   WHERE hash = ?1 AND used_at IS NULL AND expires_at > ?3 RETURNING role";
        let role = tx.row(sql, params![hash, user.0, tx.now.0], |row| row.get(0).map(Role::from_number))?;
        let role = role.ok_or(Refusal::LinkDead)?;
        if role > Role::Member {
            tx.run("UPDATE users SET role = ?2 WHERE id = ?1", [user.0, role.number()])?;
            tx.audit(by, "user.create", &format!("user:{user}"), &format!("{} by invitation", role.name()))?;
        }
    }
    if !new.waits_for_approval {
        tx.run("UPDATE users SET approved_at = ?2 WHERE id = ?1", params![user.0, tx.now.0])?;
    }
    match new.link {
        // An account is made all the same: its name is taken, and its number used, as if the address were free.
        Some(link) => match owner(tx, &link.mail.to)? {
            Some(owner) => return Ok(Outcome::Account { user: owner }),
            None => links::insert(tx, user, link)?,
        },
        None => claim(tx, user)?,
    }
    Ok(Outcome::UserCreated { user })
}

/// An account with a name that nobody has. Its address is not its own before [`claim`].
fn insert_new(
    tx: &mut Transaction<'_>,
    name: &UserName,
    role: Role,
    address: Option<&Address>,
    password_hash: Option<&str>,
) -> Result<UserId, Failure> {
    if name.is_of_erased() || holder(tx, name)?.is_some() || looks_like(tx, &name.likeness(), None)? {
        return Err(Refusal::NameTaken.into());
    }
    let user = insert_user(tx, name, "", role, tx.now)?;
    tx.run(
        "UPDATE users SET password_hash = ?2, address = ?3 WHERE id = ?1",
        params![user.0, password_hash, address.map(Address::as_str)],
    )?;
    tx.touch([Tag::User(user)]);
    Ok(user)
}

/// From now on an account's address is its person's, unless it is somebody else's. Only such an address is known by its
/// key: what others typed says nothing of whose it is, and keeps nobody from joining with it.
pub(super) fn claim(tx: &mut Transaction<'_>, user: UserId) -> Result<(), Failure> {
    let sql = "SELECT address FROM users WHERE id = ?1 AND verified_at IS NULL";
    let Some(address) = tx.row(sql, [user.0], |row| row.get::<_, Option<String>>(0))? else { return Ok(()) };
    let address = address.map(|text| Address::new(&text)).transpose();
    let address = address.map_err(|error| malformed(error.to_string()))?;
    if let Some(address) = &address
        && owner(tx, address)?.is_some_and(|owner| owner != user)
    {
        return Err(Refusal::AddressTaken.into());
    }
    tx.run(
        "UPDATE users SET verified_at = ?2, address_key = ?3 WHERE id = ?1",
        params![user.0, tx.now.0, address.as_ref().map(Address::key)],
    )?;
    tx.touch([Tag::User(user)]);
    Ok(())
}

/// The account that has an address.
fn owner(tx: &Transaction<'_>, address: &Address) -> rusqlite::Result<Option<UserId>> {
    tx.row("SELECT id FROM users WHERE address_key = ?1", [address.key()], |row| row.get(0).map(UserId))
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
                    "UPDATE users SET display_name = ?2 WHERE id = ?1 AND erased_at IS NULL",
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
                tx.run("UPDATE users SET approved_at = created_at WHERE id = ?1", [id.0])?;
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
        "INSERT INTO users (name, name_key, likeness, display_name, role, created_at, approved_at)
         VALUES (?1, ?2, ?6, ?3, ?4, ?5, NULL)",
        params![name.as_str(), name.key(), display_name, role.number(), at.0, name.likeness()],
    )?;
    Ok(UserId(tx.db.last_insert_rowid()))
}

fn holder(tx: &Transaction<'_>, name: &UserName) -> rusqlite::Result<Option<i64>> {
    tx.row("SELECT id FROM users WHERE name_key = ?1", [name.key()], |row| row.get(0))
}

/// Whether people would take a name for that of an account, other than `but`.
pub(super) fn looks_like(
    tx: &Transaction<'_>,
    likeness: &str,
    but: Option<UserId>,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM users WHERE likeness = ?1 AND id IS NOT ?2 LIMIT 1";
    Ok(tx.row(sql, params![likeness, but.map(|user| user.0)], |_| Ok(()))?.is_some())
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
