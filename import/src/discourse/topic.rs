//! Discourse's topic JSON, the fields that are taken over. What is missing is an error with its name;
//! what is unknown is no concern.

use serde::Deserialize;

#[derive(Debug, Deserialize)]
pub(super) struct Topic {
    pub(super) id: i64,
    pub(super) title: String,
    pub(super) created_at: String,
    #[serde(default)]
    pub(super) views: i64,
    pub(super) category_id: Option<i64>,
    pub(super) user_id: Option<i64>,
    #[serde(default)]
    pub(super) pinned: bool,
    #[serde(default)]
    pub(super) pinned_globally: bool,
    #[serde(default)]
    pub(super) closed: bool,
    #[serde(default)]
    pub(super) archived: bool,
    pub(super) archetype: Option<String>,
    pub(super) deleted_at: Option<String>,
    #[serde(default)]
    pub(super) posts: Vec<Post>,
    /// Where Discourse itself has the posts.
    pub(super) post_stream: Option<PostStream>,
}

#[derive(Debug, Deserialize)]
pub(super) struct PostStream {
    #[serde(default)]
    pub(super) posts: Vec<Post>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Post {
    pub(super) id: i64,
    pub(super) name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) user_id: Option<i64>,
    pub(super) created_at: String,
    pub(super) updated_at: Option<String>,
    pub(super) cooked: Option<String>,
    /// The Markdown it was made of, where the export was asked for it (`include_raw`).
    pub(super) raw: Option<String>,
    pub(super) post_number: u32,
    pub(super) reply_to_post_number: Option<u32>,
    #[serde(default = "ordinary")]
    pub(super) post_type: u8,
    #[serde(default = "first")]
    pub(super) version: u32,
    #[serde(default)]
    pub(super) staff: bool,
    pub(super) deleted_at: Option<String>,
    #[serde(default)]
    pub(super) actions_summary: Vec<Action>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Action {
    pub(super) id: i64,
    #[serde(default)]
    pub(super) count: i64,
}

/// Discourse's number for a like.
const LIKE: i64 = 2;

impl Post {
    pub(super) fn likes(&self) -> i64 {
        self.actions_summary.iter().filter(|action| action.id == LIKE).map(|action| action.count.max(0)).sum()
    }
}

fn ordinary() -> u8 {
    1
}

fn first() -> u32 {
    1
}
