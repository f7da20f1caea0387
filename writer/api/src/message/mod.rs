//! All messages of the writer protocol: the envelopes here, the changes by noun in the files beside. Append only: old
//! workers outlive a reload. Variants and fields are added at the end; anything else raises [`PROTOCOL_VERSION`].

mod accounts;
mod administration;
mod forum;
mod import;
mod uploads;
mod wiki;

use uuid::Uuid;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::ids::{CategoryId, InvitationId, PageId, PostId, RevisionId, TokenId, TopicId, UserId};
use veritable_domain::permission::Denial;
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;

pub use accounts::{Accounts, Factor, Link, LinkKind, Mail, NewSession, SecretHash};
pub use administration::{Administration, CategorySettings};
pub use forum::Forum;
pub use import::{
    Import, ImportCategory, ImportNamespace, ImportPage, ImportPost, ImportRevision, ImportTally,
    ImportTopic, ImportUser,
};
pub use uploads::Uploads;
pub use wiki::Wiki;

/// Raised when a message changes its bytes; a peer of another version is refused at connect.
pub const PROTOCOL_VERSION: u32 = 3;

/// A key the sender makes up once for each command it wants done once. A command resent under the same
/// key is answered again, not done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub struct IdempotencyKey {
    /// What the sender calls it.
    pub name: [u8; 16],
    /// A hash of what is asked for under it, by which a command that is sent again is told from another one under the
    /// same name; 0 for a name that only one command ever has.
    pub digest: u64,
}

impl IdempotencyKey {
    /// A fresh one: a UUID of version 7 (RFC 9562), which begins with the time. Keys that are made one after the other
    /// then lie together in the writer's index; with others, each command would change a page of its own there.
    pub fn fresh() -> Self {
        IdempotencyKey::of(Uuid::now_v7().into_bytes())
    }

    /// The key of this name.
    pub fn of(name: [u8; 16]) -> Self {
        IdempotencyKey { name, digest: 0 }
    }
}

/// One command on its way.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Request {
    /// Chosen by the client; the reply carries it.
    pub id: u64,
    /// See [`IdempotencyKey`].
    pub key: IdempotencyKey,
    /// The writer refuses with [`Refusal::Expired`] rather than start after this moment.
    pub deadline: UnixMillis,
    /// What to do.
    pub command: Command,
}

/// The answer to a [`Request`]; sent after the commit.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Reply {
    /// The request's.
    pub id: u64,
    /// What came of it.
    pub result: Result<Outcome, Refusal>,
}

/// Something was committed; sent to every subscribed client after the tags were bumped.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Event {
    /// Number of the commit since the writer started.
    pub commit: u64,
    /// What it changed.
    pub tags: Vec<Tag>,
}

/// What a client sends after its hello.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum ToWriter {
    /// Do this.
    Request(Box<Request>),
    /// Send me events from now on.
    Subscribe,
}

/// What the writer sends after its hello.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum FromWriter {
    /// An answer.
    Reply(Reply),
    /// News.
    Event(Event),
}

/// Who has something done.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct By {
    /// The account; `None` for whoever runs the server, at its command line. What it may do is asked of the database.
    pub user: Option<UserId>,
    /// Where the request came from, for the audit log; empty: from this host.
    pub address: String,
}

impl By {
    /// Whoever runs the server.
    pub const OPERATOR: By = By { user: None, address: String::new() };

    /// An account, from no address in particular.
    pub fn user(user: UserId) -> By {
        By { user: Some(user), address: String::new() }
    }
}

/// Everything the writer can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Command {
    /// Nothing: answered at once, whatever the databases wait for. Tells that the writer is there.
    Ping,
    /// A change of the forum.
    Forum(By, Box<Forum>),
    /// A change of the wiki.
    Wiki(By, Box<Wiki>),
    /// A change of accounts.
    Accounts(By, Box<Accounts>),
    /// Part of an import. Local only.
    Import(Box<Import>),
    /// A change of others' accounts, of groups or of categories.
    Administration(By, Box<Administration>),
    /// A picture that somebody uploads or takes back.
    Uploads(By, Box<Uploads>),
}

impl Command {
    /// A change of the forum.
    pub fn forum(by: By, change: Forum) -> Command {
        Command::Forum(by, Box::new(change))
    }

    /// A change of the wiki.
    pub fn wiki(by: By, change: Wiki) -> Command {
        Command::Wiki(by, Box::new(change))
    }

    /// A change of accounts.
    pub fn accounts(by: By, change: Accounts) -> Command {
        Command::Accounts(by, Box::new(change))
    }

    /// A change of others' accounts, of groups or of categories.
    pub fn administration(by: By, change: Administration) -> Command {
        Command::Administration(by, Box::new(change))
    }

    /// A change of uploads.
    pub fn uploads(by: By, change: Uploads) -> Command {
        Command::Uploads(by, Box::new(change))
    }
}

/// What came of a command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Outcome {
    /// It was committed; there is nothing to tell.
    Done,
    /// A topic was opened.
    TopicCreated {
        /// The topic.
        topic: TopicId,
        /// Readable part of its address.
        slug: String,
        /// Its first post.
        post: PostId,
    },
    /// A reply was added.
    PostCreated {
        /// The post.
        post: PostId,
        /// Its topic.
        topic: TopicId,
        /// Its number there.
        number: u32,
    },
    /// A post has a new version.
    PostEdited {
        /// The version.
        version: u32,
    },
    /// A page has a new revision.
    PageSaved {
        /// The page.
        page: PageId,
        /// The revision; the current one when nothing changed.
        revision: RevisionId,
        /// The page was made by this.
        created: bool,
    },
    /// An account was made.
    UserCreated {
        /// The account.
        user: UserId,
    },
    /// A category was made.
    CategoryCreated {
        /// The category.
        category: CategoryId,
    },
    /// An import step was taken.
    Imported(ImportTally),
    /// A link was used, or a session opened: whose.
    Account {
        /// The account.
        user: UserId,
    },
    /// An API token was made.
    TokenCreated {
        /// The token.
        token: TokenId,
    },
    /// An invitation was made.
    Invited {
        /// The invitation.
        invitation: InvitationId,
    },
    /// A group was made or described anew.
    GroupSaved {
        /// Its number.
        group: u8,
    },
    /// A topic was renamed, locked, pinned or moved.
    TopicChanged {
        /// Readable part of its address now.
        slug: String,
    },
}

/// Why a command was not carried out. Nothing of it is in the database, unless the reason says otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, SchemaWrite, SchemaRead)]
pub enum Refusal {
    /// The actor may not.
    #[error("{0}")]
    Denied(Denial),
    /// The object does not exist (any more).
    #[error("there is no such {what}")]
    NotFound {
        /// `topic`, `post`, `category`, `user`, ...
        what: String,
    },
    /// Somebody else was quicker; the editor's base is not current.
    #[error("somebody else changed this meanwhile")]
    Conflict {
        /// The current version or revision.
        current: i64,
    },
    /// The name is another's: an account's, a group's or a category's.
    #[error("that name is taken")]
    NameTaken,
    /// The deadline passed before its turn came.
    #[error("the server is too busy to do this in time")]
    Expired,
    /// The queue is full. Whether the command was carried out when it was sent before was not looked up.
    #[error("the server is too busy; try again soon")]
    Busy,
    /// The database refused: full disk, read-only, damage. The log has more.
    #[error("the change could not be stored: {reason}")]
    Storage {
        /// SQLite's words.
        reason: String,
    },
    /// The command makes no sense; a bug of the sender.
    #[error("malformed command: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The key was another command's.
    #[error("this idempotency key was used for another request")]
    KeyReused,
    /// The link or invitation was used, is too old, or never was one.
    #[error("this link was used already, or is too old")]
    LinkDead,
    /// The address is another account's.
    #[error("that e-mail address is another account's")]
    AddressTaken,
    /// The database failed in such a way that the command may be stored or not: asked once more under the same key,
    /// the writer tells.
    #[error("it is not known whether the change was stored: {reason}")]
    Unknown {
        /// What failed.
        reason: String,
    },
    /// Nobody could administer the site any more.
    #[error("this is the last administrator; make somebody else one first")]
    LastAdministrator,
    /// The second factor is missing, wrong, or was used already.
    #[error("this code is wrong, or was used already")]
    WrongCode,
    /// As many as there may be.
    #[error("there are {most} {what} already, and that is the most there may be")]
    TooMany {
        /// `API tokens`, `groups`, ...
        what: String,
        /// How many there may be.
        most: u32,
    },
    /// Another page has the title.
    #[error("there is a page of that title already")]
    TitleTaken,
    /// An account's uploads may not take more room.
    #[error("your pictures take up all the room there is for them ({most} bytes); remove some first")]
    NoRoom {
        /// Bytes that they may take.
        most: u64,
    },
}
