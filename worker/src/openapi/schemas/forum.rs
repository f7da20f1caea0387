//! The forum.
#![expect(dead_code, reason = "types that are described, not made")]

use utoipa::ToSchema;

use super::{Id, Person};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Category {
    #[schema(minimum = 1)]
    id: i64,
    name: String,
    slug: String,
    description: String,
    topic_count: i64,
    post_count: i64,
    /// Takes no new topics from members.
    locked: bool,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Categories {
    categories: Vec<Category>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Topic {
    #[schema(minimum = 1)]
    id: i64,
    title: String,
    slug: String,
    category_id: i64,
    category: String,
    author: Person,
    last_author: Person,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    last_post_at: String,
    post_count: i64,
    view_count: i64,
    like_count: i64,
    pinned: bool,
    /// Takes no replies from members.
    locked: bool,
    /// Of one that was deleted, for those who keep order.
    #[schema(format = DateTime)]
    deleted_at: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Topics {
    topics: Vec<Topic>,
    /// Where the list goes on; `null` at its end.
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Post {
    #[schema(minimum = 1)]
    id: i64,
    topic_id: i64,
    number: i64,
    /// Id of the post that it answers.
    #[schema(required = true)]
    parent: Option<i64>,
    #[schema(required = true)]
    parent_number: Option<i64>,
    depth: i64,
    reply_count: i64,
    author: Person,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(required = true, format = DateTime)]
    edited_at: Option<String>,
    like_count: i64,
    deleted: bool,
    /// Of one that was deleted, for those who keep order.
    deleted_by: Option<Person>,
    /// Safe HTML; of one that was deleted only those who keep order have it.
    html: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Posts {
    posts: Vec<Post>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RecentPost {
    #[schema(minimum = 1)]
    id: i64,
    topic_id: i64,
    topic_title: String,
    topic_slug: String,
    number: i64,
    author: Person,
    #[schema(format = DateTime)]
    created_at: String,
    html: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RecentPosts {
    posts: Vec<RecentPost>,
    #[schema(required = true)]
    next: Option<String>,
}

/// What is edited.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Version {
    version: i64,
    format: String,
    source: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct OnePost {
    post: Post,
    /// `null` when the post is deleted.
    #[schema(required = true)]
    current: Option<Version>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewTopic {
    #[schema(min_length = 1, max_length = 255)]
    title: String,
    /// Markdown.
    #[schema(min_length = 1)]
    body: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewPost {
    /// Markdown.
    #[schema(min_length = 1)]
    body: String,
    /// Id of the post that it answers.
    parent: Option<i64>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PostEdit {
    /// Markdown.
    #[schema(min_length = 1)]
    body: String,
    /// The version that the edit began with.
    base_version: u32,
    #[schema(required = false)]
    comment: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MadeTopic {
    topic: NamedTopic,
    post: Id,
    path: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NamedTopic {
    id: i64,
    slug: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NumberedPost {
    id: i64,
    number: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MadePost {
    post: NumberedPost,
    topic: Id,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct VersionedPost {
    id: i64,
    version: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct EditedPost {
    post: VersionedPost,
}

/// A version as histories list it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct VersionEntry {
    #[schema(minimum = 1)]
    version: i64,
    #[schema(format = DateTime)]
    created_at: String,
    editor: Person,
    comment: String,
    /// Bytes of its source.
    size: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Versions {
    versions: Vec<VersionEntry>,
    #[schema(required = true)]
    next: Option<String>,
}

/// All of it is done, or nothing. What is not named stays.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct TopicChange {
    #[schema(min_length = 1, max_length = 255)]
    title: Option<String>,
    locked: Option<bool>,
    pinned: Option<bool>,
    /// Id of the category that it is moved to.
    category: Option<i64>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ChangedTopic {
    topic: NamedTopic,
    path: String,
}
