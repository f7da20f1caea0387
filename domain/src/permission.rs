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
}

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Actor {
    /// The account; `None` for a guest.
    pub user: Option<UserId>,
    /// Its role at the moment of asking.
    pub role: Role,
}

impl Actor {
    /// Somebody not logged in.
    pub const GUEST: Actor = Actor { user: None, role: Role::Guest };

    fn is(self, author: Option<UserId>) -> bool {
        self.user.is_some() && self.user == author
    }
}

/// A deed and what matters about its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Open a topic in a category.
    CreateTopic {
        /// The category takes no new topics from members.
        category_locked: bool,
    },
    /// Answer in a topic.
    Reply {
        /// The topic takes no replies from members.
        topic_locked: bool,
    },
    /// Change a post's text.
    EditPost {
        /// Who wrote it.
        author: Option<UserId>,
        /// The topic takes no changes from members.
        topic_locked: bool,
    },
    /// Make or change a wiki page.
    EditPage {
        /// Only moderators may edit it.
        protected: bool,
    },
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
}

/// Whether `actor` may do `deed`.
///
/// # Errors
/// [`Denial`] says why not.
pub fn may(actor: Actor, deed: Deed) -> Result<(), Denial> {
    if actor.user.is_none() || actor.role == Role::Guest {
        return Err(Denial::LoginRequired);
    }
    let keeper = actor.role >= Role::Moderator;
    match deed {
        Deed::CreateTopic { category_locked: true } | Deed::Reply { topic_locked: true } if !keeper => {
            Err(Denial::Locked)
        }
        Deed::EditPost { author, .. } if !keeper && !actor.is(author) => Err(Denial::NotYours),
        Deed::EditPost { topic_locked: true, .. } if !keeper => Err(Denial::Locked),
        Deed::EditPage { protected: true } if !keeper => Err(Denial::Role),
        Deed::Administer if actor.role != Role::Administrator => Err(Denial::Role),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_deed_by_every_role() {
        let me = UserId(1);
        let other = Some(UserId(2));
        let deeds = [
            (Deed::CreateTopic { category_locked: false }, [false, true, true, true]),
            (Deed::CreateTopic { category_locked: true }, [false, false, true, true]),
            (Deed::Reply { topic_locked: false }, [false, true, true, true]),
            (Deed::Reply { topic_locked: true }, [false, false, true, true]),
            (Deed::EditPost { author: Some(me), topic_locked: false }, [false, true, true, true]),
            (Deed::EditPost { author: Some(me), topic_locked: true }, [false, false, true, true]),
            (Deed::EditPost { author: other, topic_locked: false }, [false, false, true, true]),
            (Deed::EditPost { author: None, topic_locked: false }, [false, false, true, true]),
            (Deed::EditPage { protected: false }, [false, true, true, true]),
            (Deed::EditPage { protected: true }, [false, false, true, true]),
            (Deed::Administer, [false, false, false, true]),
        ];
        let actors = [
            Actor::GUEST,
            Actor { user: Some(me), role: Role::Member },
            Actor { user: Some(me), role: Role::Moderator },
            Actor { user: Some(me), role: Role::Administrator },
        ];
        for (deed, allowed) in deeds {
            for (actor, allowed) in actors.into_iter().zip(allowed) {
                assert_eq!(may(actor, deed).is_ok(), allowed, "{actor:?} {deed:?}");
            }
        }
        for actor in actors {
            assert_eq!(Role::from_number(actor.role.number()), actor.role);
        }
    }
}
