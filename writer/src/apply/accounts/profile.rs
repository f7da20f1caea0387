//! What people say of themselves: their address and how they are called.

use rusqlite::params;
use veritable_domain::account::Address;
use veritable_domain::tag::Tag;
use veritable_domain::text::DisplayName;
use veritable_writer_api::message::{By, Link, Mail, Outcome, Refusal};

use super::super::{Failure, Transaction, malformed};
use super::{links, looks_like, own, owner};

pub(super) fn change_address(
    tx: &mut Transaction<'_>,
    by: &By,
    address: &Address,
    link: Option<&Link>,
    notice: Option<&Mail>,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    let holder = owner(tx, address)?.filter(|owner| *owner != user);
    match link {
        Some(link) if link.mail.to != *address => {
            return Err(malformed("a link shows the address that it is sent to"));
        }
        // The old address is told all the same: whoever asks must not learn from it whether this one is somebody's.
        Some(_) if holder.is_some() => {}
        Some(link) => links::insert(tx, user, link)?,
        None if holder.is_some() => return Err(Refusal::AddressTaken.into()),
        None => {
            tx.run(
                "UPDATE users SET address = ?2, address_key = ?3, verified_at = ?4 WHERE id = ?1",
                params![user.0, address.as_str(), address.key(), tx.now.0],
            )?;
        }
    }
    links::post_all(tx, notice)?;
    Ok(holder.map_or(Outcome::Done, |user| Outcome::Account { user }))
}

pub(super) fn set_display_name(
    tx: &mut Transaction<'_>,
    by: &By,
    name: &DisplayName,
) -> Result<Outcome, Failure> {
    let user = own(tx, by)?;
    // It stands where names stand: nobody is called as somebody else is.
    if !name.as_str().is_empty() && looks_like(tx, &name.likeness(), Some(user))? {
        return Err(Refusal::NameTaken.into());
    }
    tx.run("UPDATE users SET display_name = ?2 WHERE id = ?1", params![user.0, name.as_str()])?;
    // Bylines have it, wherever this person wrote.
    tx.touch([Tag::Site, Tag::User(user)]);
    Ok(Outcome::Done)
}
