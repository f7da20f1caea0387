//! What administrators do with accounts, groups and categories, and moderators with invitations.

use strum::IntoStaticStr;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::ids::{CategoryId, InvitationId, UserId};
use veritable_domain::permission::{Access, Groups, Role};
use veritable_domain::text::{Comment, Label};
use veritable_domain::time::UnixMillis;

use super::{Mail, SecretHash};

/// What a category is to be.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct CategorySettings {
    /// Its name.
    pub name: Label,
    /// One line about it.
    pub description: Comment,
    /// It takes no new topics from members.
    pub locked: bool,
    /// Who may do what in it.
    pub access: Access,
}

/// A change made with an administrator's or moderator's power; each is written into the audit log.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Administration {
    /// Give an account another role.
    SetRole {
        /// Whose.
        user: UserId,
        /// The new one.
        role: Role,
    },
    /// Put an account into some groups of the site's own, and out of others. What somebody else does about the rest
    /// meanwhile stays.
    SetGroups {
        /// Whose.
        user: UserId,
        /// Groups it is to be in.
        into: Groups,
        /// Groups it is to be in no longer.
        out_of: Groups,
    },
    /// Switch an account off, which ends its sessions, or on again.
    SetDisabled {
        /// Whose.
        user: UserId,
        /// Off.
        disabled: bool,
        /// Why, for the audit log.
        reason: Comment,
    },
    /// Let somebody log in who waits for it.
    Approve {
        /// Whose account.
        user: UserId,
        /// Tells the person.
        notice: Option<Mail>,
    },
    /// Turn somebody away who waits: the account is deleted.
    Reject {
        /// Whose account.
        user: UserId,
    },
    /// Take an account's address for its owner's without proof.
    ConfirmAddress {
        /// Whose.
        user: UserId,
    },
    /// End all sessions of an account.
    EndSessions {
        /// Whose.
        user: UserId,
    },
    /// Make a link by which an account's owner chooses a new password.
    OfferPassword {
        /// Whose.
        user: UserId,
        /// Of the secret in the link.
        hash: SecretHash,
        /// Until when it can be used.
        expires_at: UnixMillis,
        /// Brings it to the account's address.
        mail: Option<Mail>,
    },
    /// Let an account log in with its password alone: its second factor is lost.
    EndSecondFactor {
        /// Whose.
        user: UserId,
    },
    /// Forget the person of an account; what it wrote stays without a name.
    Erase {
        /// Whose.
        user: UserId,
    },
    /// Make an invitation.
    Invite {
        /// Of the secret in the link.
        hash: SecretHash,
        /// The role of whoever uses it.
        role: Role,
        /// For whom or what.
        note: Comment,
        /// Until when it can be used.
        expires_at: UnixMillis,
    },
    /// Take an invitation back that nobody used.
    RevokeInvitation {
        /// Which.
        invitation: InvitationId,
    },
    /// Make a group, or describe one anew.
    SaveGroup {
        /// Its number; `None` makes one.
        group: Option<u8>,
        /// Its name; taken ones refuse with [`Refusal::NameTaken`](super::Refusal::NameTaken).
        name: Label,
        /// One line about it.
        description: Comment,
    },
    /// Delete a group: nobody is in it any more, and no category is for it.
    DeleteGroup {
        /// Its number.
        group: u8,
    },
    /// Make a category, last of all, or change one; a name that another has refuses with
    /// [`Refusal::NameTaken`](super::Refusal::NameTaken).
    SaveCategory {
        /// Which; `None` makes one.
        category: Option<CategoryId>,
        /// What it is to be.
        settings: CategorySettings,
    },
    /// Put a category before the one above it, or behind the one below.
    MoveCategory {
        /// Which.
        category: CategoryId,
        /// Before the one above.
        up: bool,
    },
}
