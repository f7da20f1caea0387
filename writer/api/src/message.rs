//! All messages of the writer protocol in one file. Append only: old workers outlive a reload. Variants
//! and fields are added at the end; anything else raises [`PROTOCOL_VERSION`].

use uuid::Uuid;
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::Content;
use veritable_domain::ids::{CategoryId, NamespaceId, PageId, PostId, RevisionId, TopicId, UserId};
use veritable_domain::permission::{Actor, Denial, Role};
use veritable_domain::tag::Tag;
use veritable_domain::text::{Comment, TopicTitle, UserName};
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::PageTitle;

/// Raised when a message changes its bytes; a peer of another version is refused at connect.
pub const PROTOCOL_VERSION: u32 = 2;

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

/// Everything the writer can be asked to do.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Command {
    /// Nothing: answered at once, whatever the databases wait for. Tells that the writer is there.
    Ping,
    /// Open a topic with its first post.
    CreateTopic {
        /// Who.
        actor: Actor,
        /// Where.
        category: CategoryId,
        /// Its title.
        title: TopicTitle,
        /// The first post.
        content: Content,
    },
    /// Answer a topic, or a post of it.
    Reply {
        /// Who.
        actor: Actor,
        /// Which topic.
        topic: TopicId,
        /// The post answered; `None` answers the topic itself.
        parent: Option<PostId>,
        /// The text.
        content: Content,
    },
    /// Replace a post's text, keeping the old one.
    EditPost {
        /// Who.
        actor: Actor,
        /// Which post.
        post: PostId,
        /// The version the editor saw; another current version refuses with [`Refusal::Conflict`].
        base_version: u32,
        /// The new text.
        content: Content,
        /// Why.
        comment: Comment,
    },
    /// Make or change a wiki page.
    EditPage {
        /// Who.
        actor: Actor,
        /// Namespace of the page.
        namespace: NamespaceId,
        /// Its title.
        title: PageTitle,
        /// The revision the editor saw, `None` for a new page; another current revision refuses with
        /// [`Refusal::Conflict`].
        base_revision: Option<RevisionId>,
        /// The new text.
        content: Content,
        /// Why.
        comment: Comment,
        /// Of no interest to followers.
        minor: bool,
    },
    /// Make an account. Local only: no worker sends it in this version.
    CreateUser {
        /// Its name; taken ones refuse with [`Refusal::NameTaken`].
        name: UserName,
        /// Its role.
        role: Role,
        /// PHC string of its password, if it may log in.
        password_hash: Option<String>,
    },
    /// Make an API token for an account. Local only.
    CreateApiToken {
        /// Whose.
        user: UserId,
        /// What for.
        name: String,
        /// SHA-256 of the token.
        token_hash: [u8; 32],
    },
    /// Make a category. Local only.
    CreateCategory {
        /// Its name.
        name: String,
        /// What belongs there.
        description: String,
        /// Order on the front page, low first.
        position: i64,
    },
    /// Part of an import. Local only.
    Import(Box<Import>),
}

/// Steps of an import. Each names its `source` (such as `discourse:discourse.urho3d.io`) and the foreign
/// id, and does nothing when that one was imported before with the same content.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Import {
    /// Accounts, which cannot log in.
    Users {
        /// Where from.
        source: String,
        /// Who.
        users: Vec<ImportUser>,
    },
    /// Forum categories.
    Categories {
        /// Where from.
        source: String,
        /// Which.
        categories: Vec<ImportCategory>,
    },
    /// A topic with its posts, or more posts of a topic imported before: posts already there (by foreign
    /// id, with the same digest) are left alone, changed ones replaced, new ones added.
    Topic {
        /// Where from.
        source: String,
        /// The topic; its users and category were imported before.
        topic: ImportTopic,
    },
    /// Wiki namespaces, matched by name.
    Namespaces {
        /// Which.
        namespaces: Vec<ImportNamespace>,
    },
    /// A run of a page's revisions, oldest first; a long history comes in several.
    Page {
        /// Where from.
        source: String,
        /// The page.
        page: ImportPage,
    },
    /// Addresses of the old system and where they lead.
    Finish {
        /// Where from.
        source: String,
        /// Recorded in `facts` as the last import of this source.
        summary: String,
    },
}

/// An account to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportUser {
    /// Its id there.
    pub foreign_id: String,
    /// Its name there; a name taken by another account gets a number and is reported.
    pub name: UserName,
    /// Its full name there.
    pub display_name: String,
    /// Its role here: member unless it was staff there.
    pub role: Role,
    /// When it was first seen.
    pub created_at: UnixMillis,
}

/// A forum category to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportCategory {
    /// Its id there.
    pub foreign_id: String,
    /// Its name.
    pub name: String,
    /// What belongs there.
    pub description: String,
    /// Order on the front page.
    pub position: i64,
}

/// A topic to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportTopic {
    /// Its id there.
    pub foreign_id: String,
    /// Foreign id of its category.
    pub category: String,
    /// Its title.
    pub title: TopicTitle,
    /// Foreign id of its author.
    pub author: String,
    /// When it was opened.
    pub created_at: UnixMillis,
    /// How often it was read there.
    pub view_count: i64,
    /// Stays on top of its category.
    pub pinned: bool,
    /// Takes no replies.
    pub locked: bool,
    /// In order of their numbers.
    pub posts: Vec<ImportPost>,
}

/// A post to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportPost {
    /// Its id there.
    pub foreign_id: String,
    /// Its number in the topic there, kept.
    pub number: u32,
    /// Number of the post answered, if any; an unknown one makes it a first-level post and is reported.
    pub reply_to: Option<u32>,
    /// Foreign id of its author.
    pub author: String,
    /// When it was written.
    pub created_at: UnixMillis,
    /// When it was last changed, if it was.
    pub edited_at: Option<UnixMillis>,
    /// How often it was liked.
    pub like_count: i64,
    /// The text.
    pub content: Content,
}

/// A wiki namespace to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportNamespace {
    /// Its name; empty for the main one.
    pub name: String,
    /// MediaWiki's number for it.
    pub number: i64,
    /// Titles begin with an upper-case letter.
    pub first_letter: bool,
}

/// A wiki page to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportPage {
    /// Its id there.
    pub foreign_id: String,
    /// Name of its namespace; empty for the main one.
    pub namespace: String,
    /// Its title.
    pub title: PageTitle,
    /// Oldest first. Known ones (by foreign id and digest) are left alone.
    pub revisions: Vec<ImportRevision>,
    /// What the newest revision of all renders to; `None` while more revisions are to come.
    pub rendered: Option<veritable_domain::content::Rendered>,
}

/// A revision to import.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportRevision {
    /// Its id there.
    pub foreign_id: String,
    /// Foreign id of its author, when it has an account.
    pub author: Option<String>,
    /// Address or name of an author without account.
    pub author_name: String,
    /// When it was saved.
    pub created_at: UnixMillis,
    /// What the author said of it.
    pub comment: Comment,
    /// Of no interest to followers.
    pub minor: bool,
    /// Language of `source`.
    pub format: veritable_domain::content::Format,
    /// The text; `allowing_blank`.
    pub source: veritable_domain::text::Source,
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
}

/// What an import step changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct ImportTally {
    /// Things that are new.
    pub added: u64,
    /// Things that were there and differed.
    pub changed: u64,
    /// Things that were there already.
    pub unchanged: u64,
    /// What could not be taken over as it was, one line each.
    pub notes: Vec<String>,
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
    /// The name is another account's.
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
    /// The database failed in such a way that the command may be stored or not: asked once more under the same key,
    /// the writer tells.
    #[error("it is not known whether the change was stored: {reason}")]
    Unknown {
        /// What failed.
        reason: String,
    },
}
