//! Cache tags: what an answer depends on and what a commit changes. A write invalidates tags; every
//! answer that names one of them is stale from then on, in every process.

use std::fmt;

use wincode::{SchemaRead, SchemaWrite};

use crate::ids::{CategoryId, PageId, TopicId, UserId};

/// One dependency of a cached answer. Its [`fmt::Display`] form (`topic:42`) is what is hashed into the
/// shared tag table and what people type on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub enum Tag {
    /// Everything: bumped when a change has no narrower name (an import, a restore).
    Site,
    /// The list of categories and their names.
    Categories,
    /// Any list of latest topics over the whole site.
    Latest,
    /// A category's own lists.
    Category(CategoryId),
    /// A topic and its posts.
    Topic(TopicId),
    /// A user's public profile and list of posts.
    User(UserId),
    /// A wiki page: its text, history and title.
    Page(PageId),
    /// Which wiki titles exist: bumped when a page is made, moved or deleted.
    Titles,
    /// The wiki's recent changes.
    RecentChanges,
    /// Anything that search would find.
    Search,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tag::Site => f.write_str("site"),
            Tag::Categories => f.write_str("categories"),
            Tag::Latest => f.write_str("latest"),
            Tag::Category(id) => write!(f, "category:{id}"),
            Tag::Topic(id) => write!(f, "topic:{id}"),
            Tag::User(id) => write!(f, "user:{id}"),
            Tag::Page(id) => write!(f, "page:{id}"),
            Tag::Titles => f.write_str("titles"),
            Tag::RecentChanges => f.write_str("recent-changes"),
            Tag::Search => f.write_str("search"),
        }
    }
}
