//! Drafts: what somebody was writing somewhere, kept until it is sent.

use std::fmt;

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

use crate::ids::{CategoryId, PostId, TopicId};

/// Longest title of a wiki page in a place.
const MAX_TITLE_BYTES: usize = 1_024;

/// Where something is being written: there is one draft for each place and person.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Place {
    /// A new topic in a category.
    Topic(CategoryId),
    /// A reply in a topic.
    Reply(TopicId),
    /// An edit of a post.
    Post(PostId),
    /// A wiki page, by its full title, whether there is one or not.
    Page(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Topic(category) => write!(f, "topic:{category}"),
            Place::Reply(topic) => write!(f, "reply:{topic}"),
            Place::Post(post) => write!(f, "post:{post}"),
            Place::Page(title) => write!(f, "page:{title}"),
        }
    }
}

impl Place {
    /// Takes back the [`fmt::Display`] form; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Place> {
        let (kind, of) = text.split_once(':')?;
        let id = || of.parse().ok().filter(|id| *id > 0);
        match kind {
            "topic" => id().map(|id| Place::Topic(CategoryId(id))),
            "reply" => id().map(|id| Place::Reply(TopicId(id))),
            "post" => id().map(|id| Place::Post(PostId(id))),
            "page" if !of.is_empty() && of.len() <= MAX_TITLE_BYTES => Some(Place::Page(of.to_owned())),
            _ => None,
        }
    }
}

/// What was written so far; each place uses what it has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    /// The title of a topic: as it is written, or of the one in which something is written.
    pub title: String,
    /// The text.
    pub body: String,
    /// Number of the post that is answered.
    pub parent: Option<i64>,
    /// What is said of an edit.
    pub comment: String,
    /// The version or revision that the edit began with.
    pub base: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written_and_nothing_else_is() {
        for place in [
            Place::Topic(CategoryId(1)),
            Place::Reply(TopicId(2)),
            Place::Post(PostId(3)),
            Place::Page("Help:A: b".into()),
        ] {
            assert_eq!(Place::parse(&place.to_string()), Some(place));
        }
        for wrong in ["", "topic", "topic:", "topic:0", "topic:-1", "topic:x", "page:", "other:1"] {
            assert_eq!(Place::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Place::parse(&format!("page:{}", "x".repeat(MAX_TITLE_BYTES + 1))), None);
    }
}
