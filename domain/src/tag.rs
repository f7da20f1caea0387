//! Cache tags: what an answer depends on and what a commit changes. A write invalidates tags; every
//! answer that names one of them is stale from then on, in every process.

use std::fmt;
use std::str::FromStr;

use wincode::{SchemaRead, SchemaWrite};

use crate::ids::{CategoryId, PageId, TopicId, UserId};

/// One dependency of a cached answer. Its [`fmt::Display`] form (`topic:42`) is what is hashed into the
/// shared tag table and what people type on the command line.
#[derive(Clone, Debug, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub enum Tag {
    /// Everything: bumped when a change has no narrower name (an import, a restore).
    Site,
    /// Which categories there are, their names and order. Their counts are `Latest`'s matter.
    Categories,
    /// Any list of latest topics over the whole site, and counts of topics and posts.
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
    /// What search finds, where that must not wait: something is deleted, brought back, renamed, or not for the same
    /// people to read any more. What is new or edited is found when the time of an answer is over, which is short.
    Search,
    /// Who may do what as an account: its role, groups, sessions and tokens.
    Account(UserId),
    /// What was reported, and what came of it.
    Reports,
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
            Tag::Account(id) => write!(f, "account:{id}"),
            Tag::Reports => f.write_str("reports"),
        }
    }
}

/// What is not the name of a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tag; tags are {forms}", forms = FORMS)]
pub struct UnknownTag(pub String);

/// What people may write for a tag.
pub const FORMS: &str = "site, categories, latest, titles, recent-changes, search, reports, category:ID, topic:ID, \
    user:ID, page:ID, account:ID";

impl FromStr for Tag {
    type Err = UnknownTag;

    /// Takes back the [`fmt::Display`] form.
    fn from_str(text: &str) -> Result<Tag, UnknownTag> {
        let unknown = || UnknownTag(text.to_owned());
        let Some((kind, id)) = text.split_once(':') else {
            return match text {
                "site" => Ok(Tag::Site),
                "categories" => Ok(Tag::Categories),
                "latest" => Ok(Tag::Latest),
                "titles" => Ok(Tag::Titles),
                "recent-changes" => Ok(Tag::RecentChanges),
                "search" => Ok(Tag::Search),
                "reports" => Ok(Tag::Reports),
                _ => Err(unknown()),
            };
        };
        let id: i64 = id.parse().map_err(|_| unknown())?;
        match kind {
            _ if id < 1 => Err(unknown()),
            "category" => Ok(Tag::Category(CategoryId(id))),
            "topic" => Ok(Tag::Topic(TopicId(id))),
            "user" => Ok(Tag::User(UserId(id))),
            "page" => Ok(Tag::Page(PageId(id))),
            "account" => Ok(Tag::Account(UserId(id))),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_read_as_it_is_written_and_nothing_else_is() {
        for tag in [
            Tag::Site,
            Tag::Categories,
            Tag::Latest,
            Tag::Category(CategoryId(3)),
            Tag::Topic(TopicId(42)),
            Tag::User(UserId(i64::MAX)),
            Tag::Page(PageId(7)),
            Tag::Titles,
            Tag::RecentChanges,
            Tag::Search,
            Tag::Account(UserId(5)),
            Tag::Reports,
        ] {
            let written = tag.to_string();
            let form = written.split_once(':').map_or(written.clone(), |(kind, _)| format!("{kind}:ID"));
            assert!(FORMS.split(", ").any(|named| named == form), "{form}");
            assert_eq!(written.parse(), Ok(tag));
        }
        assert_eq!(FORMS.split(", ").count(), 12, "each once");
        assert!(UnknownTag("x".into()).to_string().ends_with(FORMS));
        for wrong in ["", "topics", "topic:", "topic:x", "topic:0", "topic:-1", "topic:1:2", "post:1", "Site"]
        {
            assert_eq!(wrong.parse::<Tag>(), Err(UnknownTag(wrong.to_owned())));
        }
    }
}
