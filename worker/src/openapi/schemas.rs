//! What the API takes and tells, as its document has it. Answers are put together out of several reads; what they
//! promise is written once, here, and a test holds real answers to it, with no field more and none less.
#![expect(dead_code, reason = "types that are described, not made")]

use utoipa::ToSchema;

/// Somebody's name.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Person {
    name: String,
    /// May be empty.
    display_name: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Category {
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
pub(super) struct Categories {
    categories: Vec<Category>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Topic {
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
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Topics {
    topics: Vec<Topic>,
    /// Where the list goes on; `null` at its end.
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Post {
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
    /// Safe HTML; empty when it is deleted.
    html: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Posts {
    posts: Vec<Post>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RecentPost {
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
pub(super) struct RecentPosts {
    posts: Vec<RecentPost>,
    #[schema(required = true)]
    next: Option<String>,
}

/// What is edited.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Version {
    version: i64,
    format: String,
    source: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OnePost {
    post: Post,
    /// `null` when the post is deleted.
    #[schema(required = true)]
    current: Option<Version>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    id: i64,
    name: String,
    display_name: String,
    #[schema(schema_with = role)]
    role: String,
    post_count: i64,
    edit_count: i64,
    #[schema(format = DateTime)]
    created_at: String,
}

fn role() -> utoipa::openapi::schema::Object {
    utoipa::openapi::schema::Object::builder()
        .schema_type(utoipa::openapi::schema::Type::String)
        .enum_values(Some(["member", "moderator", "administrator"]))
        .build()
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageEntry {
    #[schema(minimum = 1)]
    id: i64,
    title: String,
    path: String,
    redirect: bool,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    pages: Vec<PageEntry>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WikiPage {
    #[schema(minimum = 1)]
    id: i64,
    title: String,
    path: String,
    /// Id of the current one: the base of an edit.
    revision: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[schema(required = true)]
    redirect_to: Option<String>,
    protected: bool,
    html: String,
    format: String,
    source: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revision {
    #[schema(minimum = 1)]
    id: i64,
    page_id: i64,
    #[schema(required = true)]
    parent_id: Option<i64>,
    title: String,
    path: String,
    author: String,
    /// Whether `author` names an account of this site.
    account: bool,
    #[schema(format = DateTime)]
    created_at: String,
    comment: String,
    minor: bool,
    /// Bytes.
    size: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revisions {
    revisions: Vec<Revision>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Changes {
    changes: Vec<Revision>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OneRevision {
    revision: Revision,
    format: String,
    source: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundPage {
    id: i64,
    title: String,
    url: String,
    /// Safe HTML whose only element is `<mark>`.
    excerpt_html: String,
    #[schema(format = DateTime)]
    updated_at: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundPost {
    id: i64,
    topic_id: i64,
    number: i64,
    title: String,
    url: String,
    /// Safe HTML whose only element is `<mark>`.
    excerpt_html: String,
    author: Person,
    #[schema(format = DateTime)]
    created_at: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Found {
    pages: Vec<FoundPage>,
    posts: Vec<FoundPost>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTopic {
    #[schema(min_length = 1, max_length = 255)]
    title: String,
    /// Markdown.
    #[schema(min_length = 1)]
    body: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPost {
    /// Markdown.
    #[schema(min_length = 1)]
    body: String,
    /// Id of the post that it answers.
    parent: Option<i64>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PostEdit {
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
pub(super) struct PageEdit {
    /// With its namespace.
    #[schema(min_length = 1)]
    title: String,
    /// Markdown.
    body: String,
    /// The revision that the edit began with; none of a new page.
    base_revision: Option<i64>,
    #[schema(required = false)]
    comment: String,
    #[schema(required = false)]
    minor: bool,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MadeTopic {
    topic: NamedTopic,
    post: Id,
    path: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedTopic {
    id: i64,
    slug: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Id {
    id: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NumberedPost {
    id: i64,
    number: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MadePost {
    post: NumberedPost,
    topic: Id,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionedPost {
    id: i64,
    version: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditedPost {
    post: VersionedPost,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedPage {
    page: Id,
    revision: Id,
    path: String,
}

/// RFC 9457.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Problem {
    r#type: String,
    title: String,
    status: u16,
    /// What is wrong, and where.
    detail: String,
    /// The request's path.
    instance: String,
    /// As the log has it.
    request_id: String,
}
