//! Who may do what: the one place that decides. Workers ask before they send a command (to answer
//! early), the writer asks again inside the transaction (because the topic may have been locked since).

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use crate::ids::UserId;

/// What an account may do in general. Ordered: each role may do what the ones before it may.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, SchemaWrite, SchemaRead,
)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Not logged in.
    Guest,
    /// An ordinary account.
    Member,
    /// Keeps order: edits, locks, moves and deletes what others wrote.
    Moderator,
    /// Everything.
    Administrator,
}

impl Role {
    /// Every role, the one that may do least first.
    pub const ALL: [Role; 4] = [Role::Guest, Role::Member, Role::Moderator, Role::Administrator];

    /// The number stored in `users.role`.
    pub fn number(self) -> i64 {
        match self {
            Role::Guest => 0,
            Role::Member => 1,
            Role::Moderator => 2,
            Role::Administrator => 3,
        }
    }

    /// Takes back [`Role::number`]; anything unknown is a guest, who may do least.
    pub fn from_number(number: i64) -> Role {
        match number {
            1 => Role::Member,
            2 => Role::Moderator,
            3 => Role::Administrator,
            _ => Role::Guest,
        }
    }

    /// Its name, as the command line, forms and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Role::Guest => "guest",
            Role::Member => "member",
            Role::Moderator => "moderator",
            Role::Administrator => "administrator",
        }
    }

    /// Takes back [`Role::name`]; an account is no guest.
    pub fn of_account(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| *role != Role::Guest && role.name() == name)
    }
}

/// A set of groups of people, a bit each. The first four are the roles: everybody is in the groups of the roles below
/// one's own. The others a site makes for itself, to give categories to some of its members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, SchemaWrite, SchemaRead)]
pub struct Groups(u64);

impl Groups {
    /// Nobody.
    pub const NONE: Groups = Groups(0);
    /// Everybody, guests too.
    pub const EVERYONE: Groups = Groups(1);
    /// Everybody with an account.
    pub const MEMBERS: Groups = Groups(1 << 1);
    /// Moderators and administrators.
    pub const MODERATORS: Groups = Groups(1 << 2);
    /// Administrators.
    pub const ADMINISTRATORS: Groups = Groups(1 << 3);
    /// Number of the first group that a site makes for itself.
    pub const FIRST_OWN: u8 = 4;
    /// All groups that a site may make for itself.
    pub const OWN: Groups = Groups(((1 << Self::MAX) - 1) >> Self::FIRST_OWN << Self::FIRST_OWN);
    /// Groups there may be, the roles' included: one for each bit of a session's record.
    pub const MAX: u8 = 63;

    /// The groups with these bits.
    pub fn from_bits(bits: i64) -> Groups {
        Groups(bits.cast_unsigned())
    }

    /// As the database stores them.
    pub fn bits(self) -> i64 {
        self.0.cast_signed()
    }

    /// The group with this number; none from [`Groups::MAX`] on.
    pub fn one(number: u8) -> Groups {
        if number < Self::MAX { Groups(1 << number) } else { Groups::NONE }
    }

    /// Those that a role is in.
    pub fn of_role(role: Role) -> Groups {
        Groups((2 << role.number()) - 1)
    }

    /// The highest role among them.
    pub fn role(self) -> Role {
        let among = |role: &&Role| self.meets(Groups(1 << role.number()));
        Role::ALL.iter().rev().find(among).copied().unwrap_or(Role::Guest)
    }

    /// Those that are in either.
    #[must_use]
    pub fn and(self, other: Groups) -> Groups {
        Groups(self.0 | other.0)
    }

    /// Those of this set that a site made for itself.
    #[must_use]
    pub fn own(self) -> Groups {
        self.among(Self::OWN)
    }

    /// Those that are in both.
    #[must_use]
    pub fn among(self, other: Groups) -> Groups {
        Groups(self.0 & other.0)
    }

    /// Those of this set that are not in the other.
    #[must_use]
    pub fn without(self, other: Groups) -> Groups {
        Groups(self.0 & !other.0)
    }

    /// Whether any is in both.
    pub fn meets(self, other: Groups) -> bool {
        self.0 & other.0 != 0
    }

    /// The numbers of its groups.
    pub fn numbers(self) -> impl Iterator<Item = u8> {
        (0..Self::MAX).filter(move |number| self.meets(Groups::one(*number)))
    }
}

/// Who may do what in a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Access {
    /// Who sees it and everything in it.
    pub read: Groups,
    /// Who may open topics and answer, of those who see it.
    pub post: Groups,
    /// Who keeps order in it.
    pub moderate: Groups,
}

impl Access {
    /// What a category is made with: everybody reads, members write, moderators keep order.
    pub const OPEN: Access =
        Access { read: Groups::EVERYONE, post: Groups::MEMBERS, moderate: Groups::MODERATORS };

    /// The same where administrators are never shut out, and guests never write.
    #[must_use]
    pub fn sound(self) -> Access {
        let without_guests = Groups(self.post.0 & !Groups::EVERYONE.0);
        let keepers = Groups(self.moderate.0 & !(Groups::EVERYONE.0 | Groups::MEMBERS.0));
        Access {
            read: self.read.and(Groups::ADMINISTRATORS),
            post: without_guests.and(Groups::ADMINISTRATORS),
            moderate: keepers.and(Groups::ADMINISTRATORS),
        }
    }
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The account; `None` for a guest.
    pub user: Option<UserId>,
    /// Its role at the moment of asking.
    pub role: Role,
    /// The groups it is in, those of its role among them.
    pub groups: Groups,
}

impl Actor {
    /// Somebody not logged in.
    pub const GUEST: Actor = Actor { user: None, role: Role::Guest, groups: Groups::EVERYONE };

    /// Whoever runs the server, at its command line: everything but what needs an account.
    pub const OPERATOR: Actor =
        Actor { user: None, role: Role::Administrator, groups: Groups((1 << (Self::ADMINISTRATOR + 1)) - 1) };
    const ADMINISTRATOR: u8 = 3;

    /// An account with a role that is in these groups of the site's own.
    pub fn account(user: UserId, role: Role, own: Groups) -> Actor {
        Actor { user: Some(user), role, groups: Groups::of_role(role).and(own.own()) }
    }

    fn is(self, author: Option<UserId>) -> bool {
        self.user.is_some() && self.user == author
    }
}

/// A deed and what matters about its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// See a category and what is in it.
    Read {
        /// The category's.
        access: Access,
    },
    /// Open a topic in a category.
    CreateTopic {
        /// The category's.
        access: Access,
        /// The category takes no new topics from members.
        category_locked: bool,
    },
    /// Answer in a topic.
    Reply {
        /// The category's.
        access: Access,
        /// The topic takes no replies from members.
        topic_locked: bool,
    },
    /// Change a post's text, or delete it; change the title of a topic that one opened.
    EditPost {
        /// The category's.
        access: Access,
        /// Who wrote it.
        author: Option<UserId>,
        /// The topic takes no changes from members.
        topic_locked: bool,
    },
    /// Bring back a deleted post.
    RestorePost {
        /// The category's.
        access: Access,
        /// Who deleted it: one's own deletion can be taken back.
        deleted_by: Option<UserId>,
        /// The topic takes no changes from members.
        topic_locked: bool,
    },
    /// Lock, pin, delete or restore a topic, see what was deleted in it, and handle reports about it.
    Moderate {
        /// The category's.
        access: Access,
    },
    /// Move a topic to another category.
    MoveTopic {
        /// Of the category it is in.
        from: Access,
        /// Of the category it is to be in.
        to: Access,
    },
    /// Tell the moderators about a post.
    Report {
        /// The category's.
        access: Access,
    },
    /// Make, change or move a wiki page.
    EditPage {
        /// Only moderators may edit it.
        protected: bool,
    },
    /// Delete, restore or protect a wiki page, and whatever else is a moderator's over the whole site.
    KeepOrder,
    /// Upload a picture, or keep a draft: what an account may do for itself.
    OwnThings,
    /// See the pages for administrators.
    Administer,
}

/// Why not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error, SchemaWrite, SchemaRead)]
pub enum Denial {
    /// A guest asked: logging in could help.
    #[error("log in first")]
    LoginRequired,
    /// The topic or category is locked.
    #[error("this topic or category is locked")]
    Locked,
    /// Not one's own, and no moderator.
    #[error("only the author or a moderator may do this")]
    NotYours,
    /// The role does not suffice.
    #[error("your role does not allow this")]
    Role,
    /// The category is not for this person: whoever asks is not told that it exists.
    #[error("there is no such category")]
    Hidden,
    /// The token is not for that.
    #[error("this token does not allow that")]
    Scope,
}

/// Whether `actor` may do `deed`.
///
/// # Errors
/// [`Denial`] says why not.
pub fn may(actor: Actor, deed: Deed) -> Result<(), Denial> {
    let access = match deed {
        Deed::Read { access }
        | Deed::CreateTopic { access, .. }
        | Deed::Reply { access, .. }
        | Deed::EditPost { access, .. }
        | Deed::RestorePost { access, .. }
        | Deed::Moderate { access }
        | Deed::MoveTopic { from: access, .. }
        | Deed::Report { access } => access,
        Deed::EditPage { .. } | Deed::KeepOrder | Deed::OwnThings | Deed::Administer => Access::OPEN,
    };
    let sees = |access: Access| actor.groups.meets(access.read.and(Groups::ADMINISTRATORS));
    let keeps =
        |access: Access| sees(access) && actor.groups.meets(access.moderate.and(Groups::ADMINISTRATORS));
    let writes = |access: Access| keeps(access) || actor.groups.meets(access.post);
    if !sees(access) {
        return Err(Denial::Hidden);
    }
    if matches!(deed, Deed::Read { .. }) {
        return Ok(());
    }
    if actor.role == Role::Guest {
        return Err(Denial::LoginRequired);
    }
    let keeper = keeps(access);
    match deed {
        Deed::CreateTopic { .. } | Deed::Reply { .. } if !writes(access) => Err(Denial::Role),
        Deed::CreateTopic { category_locked: true, .. } | Deed::Reply { topic_locked: true, .. }
            if !keeper =>
        {
            Err(Denial::Locked)
        }
        Deed::EditPost { author, .. } if !keeper && !actor.is(author) => Err(Denial::NotYours),
        Deed::EditPost { topic_locked: true, .. } if !keeper => Err(Denial::Locked),
        Deed::RestorePost { deleted_by, .. } if !keeper && !actor.is(deleted_by) => Err(Denial::NotYours),
        Deed::RestorePost { topic_locked: true, .. } if !keeper => Err(Denial::Locked),
        Deed::Moderate { .. } | Deed::MoveTopic { .. } if !keeper => Err(Denial::Role),
        Deed::MoveTopic { to, .. } if !sees(to) => Err(Denial::Hidden),
        Deed::MoveTopic { to, .. } if !writes(to) => Err(Denial::Role),
        Deed::EditPage { protected: true } | Deed::KeepOrder if actor.role < Role::Moderator => {
            Err(Denial::Role)
        }
        Deed::Administer if actor.role != Role::Administrator => Err(Denial::Role),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAFF: Groups = Groups(1 << 4);

    fn actors(me: UserId) -> [Actor; 5] {
        [
            Actor::GUEST,
            Actor::account(me, Role::Member, Groups::NONE),
            Actor::account(me, Role::Member, STAFF),
            Actor::account(me, Role::Moderator, Groups::NONE),
            Actor::account(me, Role::Administrator, Groups::NONE),
        ]
    }

    #[test]
    fn every_deed_by_every_role() {
        let me = UserId(1);
        let other = Some(UserId(2));
        let open = Access::OPEN;
        // What only a group of the site's own sees and keeps, and what everybody reads and only that group writes in.
        let inner = Access { read: STAFF, post: STAFF, moderate: STAFF };
        let news = Access { post: STAFF, ..open };
        let all = [true; 5];
        let members = [false, true, true, true, true];
        let keepers = [false, false, false, true, true];
        let theirs = [false, false, true, false, true];
        let deeds = [
            (Deed::Read { access: open }, all),
            (Deed::Read { access: inner }, theirs),
            (Deed::CreateTopic { access: open, category_locked: false }, members),
            (Deed::CreateTopic { access: open, category_locked: true }, keepers),
            (Deed::CreateTopic { access: inner, category_locked: true }, theirs),
            (Deed::CreateTopic { access: news, category_locked: false }, [false, false, true, true, true]),
            (Deed::Reply { access: open, topic_locked: false }, members),
            (Deed::Reply { access: open, topic_locked: true }, keepers),
            (Deed::Reply { access: inner, topic_locked: false }, theirs),
            (Deed::EditPost { access: open, author: Some(me), topic_locked: false }, members),
            (Deed::EditPost { access: open, author: Some(me), topic_locked: true }, keepers),
            (Deed::EditPost { access: open, author: other, topic_locked: false }, keepers),
            (Deed::EditPost { access: open, author: None, topic_locked: false }, keepers),
            (Deed::EditPost { access: inner, author: Some(me), topic_locked: false }, theirs),
            (Deed::RestorePost { access: open, deleted_by: Some(me), topic_locked: false }, members),
            (Deed::RestorePost { access: open, deleted_by: Some(me), topic_locked: true }, keepers),
            (Deed::RestorePost { access: open, deleted_by: other, topic_locked: false }, keepers),
            (Deed::Moderate { access: open }, keepers),
            (Deed::Moderate { access: inner }, theirs),
            (Deed::MoveTopic { from: open, to: open }, keepers),
            (Deed::MoveTopic { from: open, to: inner }, [false, false, false, false, true]),
            (Deed::MoveTopic { from: inner, to: open }, theirs),
            (Deed::Report { access: open }, members),
            (Deed::Report { access: inner }, theirs),
            (Deed::EditPage { protected: false }, members),
            (Deed::EditPage { protected: true }, keepers),
            (Deed::KeepOrder, keepers),
            (Deed::OwnThings, members),
            (Deed::Administer, [false, false, false, false, true]),
        ];
        for (deed, allowed) in deeds {
            for (actor, allowed) in actors(me).into_iter().zip(allowed) {
                assert_eq!(may(actor, deed).is_ok(), allowed, "{actor:?} {deed:?}");
            }
        }
    }

    #[test]
    fn a_hidden_category_is_not_told_of() {
        let inner = Access { read: STAFF, ..Access::OPEN };
        for deed in [
            Deed::Read { access: inner },
            Deed::Reply { access: inner, topic_locked: false },
            Deed::Moderate { access: inner },
        ] {
            let moderator = Actor::account(UserId(1), Role::Moderator, Groups::NONE);
            for actor in [Actor::GUEST, moderator] {
                assert_eq!(may(actor, deed), Err(Denial::Hidden), "{deed:?}");
            }
        }
    }

    #[test]
    fn roles_and_groups_have_numbers() {
        for role in Role::ALL {
            assert_eq!(Role::from_number(role.number()), role);
            assert_eq!(Role::of_account(role.name()), (role != Role::Guest).then_some(role));
        }
        assert_eq!(Groups::of_role(Role::Guest), Groups::EVERYONE);
        assert_eq!(Groups::of_role(Role::Administrator).bits(), 0b1111);
        let set = Groups::one(5).and(Groups::one(62)).and(Groups::MEMBERS);
        assert_eq!(set.numbers().collect::<Vec<_>>(), [1, 5, 62]);
        assert_eq!(set.own().numbers().collect::<Vec<_>>(), [5, 62]);
        assert_eq!(Groups::from_bits(set.bits()), set);
        assert_eq!(Groups::one(63), Groups::NONE);
        let sound = Access { read: Groups::NONE, post: Groups::EVERYONE, moderate: Groups::MEMBERS }.sound();
        assert!(may(Actor::GUEST, Deed::Reply { access: sound, topic_locked: false }).is_err());
        let member = Actor::account(UserId(1), Role::Member, Groups::NONE);
        assert!(may(member, Deed::Moderate { access: Access { read: Groups::EVERYONE, ..sound } }).is_err());
    }
}
