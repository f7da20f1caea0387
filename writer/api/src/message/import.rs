//! Taking over another system's community.

use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::content::{Content, Format, Rendered};
use veritable_domain::permission::Role;
use veritable_domain::text::{Comment, Source, TopicTitle, UserName};
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::PageTitle;

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
    pub rendered: Option<Rendered>,
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
    pub format: Format,
    /// The text; `allowing_blank`.
    pub source: Source,
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
