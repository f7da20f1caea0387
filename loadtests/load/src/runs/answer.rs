//! What servers are compared by: each is one answer, kept or made anew.

use serde::{Deserialize, Serialize};

/// An answer of a comparison, as reports and budgets name it.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
pub enum Answer {
    /// The latest topics, for people.
    #[serde(rename = "topic list, page, cached")]
    ListPageCached,
    /// A topic, for people.
    #[serde(rename = "topic, page, cached")]
    TopicPageCached,
    /// The latest topics, for programs.
    #[serde(rename = "topic list, API, cached")]
    ListApiCached,
    /// A topic's posts, for programs.
    #[serde(rename = "thread, API, cached")]
    ThreadApiCached,
    /// A page of the wiki, for programs.
    #[serde(rename = "wiki page, API, cached")]
    WikiApiCached,
    /// What nginx says out of its configuration: the least that an answer costs.
    #[serde(rename = "19 bytes, nginx return")]
    Return,
    /// Parts of the list of topics, for programs.
    #[serde(rename = "topic list, API, uncached")]
    ListApiUncached,
    /// Topics' posts, for programs.
    #[serde(rename = "thread, API, uncached")]
    ThreadApiUncached,
    /// Pages of the wiki, for programs.
    #[serde(rename = "wiki page, API, uncached")]
    WikiApiUncached,
    /// Parts of the list of topics, for people.
    #[serde(rename = "topic list, page, uncached")]
    ListPageUncached,
    /// Topics, for people.
    #[serde(rename = "topic, page, uncached")]
    TopicPageUncached,
    /// Pages of the wiki, for people.
    #[serde(rename = "wiki page, page, uncached")]
    WikiPageUncached,
}

impl std::fmt::Display for Answer {
    /// The name, which stands above and nowhere else.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.serialize(f)
    }
}
