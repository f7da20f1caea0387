//! Reports: what members tell the moderators of a post, and what comes of it.

use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

/// What is wrong with a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaWrite, SchemaRead)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Advertising, or written by a machine for it.
    Spam,
    /// Insults, threats, what is against the law.
    Abuse,
    /// It belongs elsewhere.
    OffTopic,
    /// What the note says.
    Other,
}

impl Reason {
    /// Every reason, as forms list them.
    pub const ALL: [Reason; 4] = [Reason::Spam, Reason::Abuse, Reason::OffTopic, Reason::Other];

    /// As the database, forms and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Spam => "spam",
            Reason::Abuse => "abuse",
            Reason::OffTopic => "off-topic",
            Reason::Other => "other",
        }
    }

    /// Takes back [`Reason::name`].
    pub fn from_name(name: &str) -> Option<Reason> {
        Reason::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Reason::Spam => "Spam: it advertises something",
            Reason::Abuse => "Abuse: it insults or threatens somebody, or is against the law",
            Reason::OffTopic => "Off topic: it belongs elsewhere",
            Reason::Other => "Something else",
        }
    }
}

/// What a moderator made of the reports of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, SchemaWrite, SchemaRead)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The post was deleted, alone or with its topic.
    Deleted,
    /// There is nothing wrong with it.
    Dismissed,
}

impl Verdict {
    /// As the database, forms and the API have it.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Deleted => "deleted",
            Verdict::Dismissed => "dismissed",
        }
    }

    /// Takes back [`Verdict::name`].
    pub fn from_name(name: &str) -> Option<Verdict> {
        [Verdict::Deleted, Verdict::Dismissed].into_iter().find(|verdict| verdict.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written_and_the_api_has_the_same() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_name(reason.name()), Some(reason));
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.name());
        }
        for verdict in [Verdict::Deleted, Verdict::Dismissed] {
            assert_eq!(Verdict::from_name(verdict.name()), Some(verdict));
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.name());
        }
        assert_eq!((Reason::from_name("Spam"), Verdict::from_name("")), (None, None));
    }
}
