//! The wiki, and pictures.
#![expect(dead_code, reason = "types that are described, not made")]

use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::{Id, words};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PageEntry {
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
pub(in super::super) struct Pages {
    pages: Vec<PageEntry>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct WikiPage {
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
pub(in super::super) struct Revision {
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
pub(in super::super) struct Revisions {
    revisions: Vec<Revision>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Changes {
    changes: Vec<Revision>,
    #[schema(required = true)]
    next: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct OneRevision {
    revision: Revision,
    format: String,
    source: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PageEdit {
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
pub(in super::super) struct SavedPage {
    page: Id,
    revision: Id,
    path: String,
}

fn kind() -> Object {
    words(&["same", "added", "removed", "left out"])
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Line {
    #[schema(schema_with = kind)]
    kind: String,
    text: String,
}

/// What one revision of a page changed against another.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Difference {
    old: Revision,
    new: Revision,
    lines: Vec<Line>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PageMove {
    /// With its namespace.
    #[schema(min_length = 1)]
    title: String,
    /// The revision that is moved; else the current one.
    base_revision: Option<i64>,
    #[schema(required = false, max_length = 500)]
    comment: String,
    /// Whether a page is left behind that leads to it; else it is.
    #[schema(required = false)]
    redirect: bool,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct PageRevert {
    /// The one that it becomes again.
    #[schema(minimum = 1)]
    revision: i64,
    /// The current one as far as is known.
    base_revision: Option<i64>,
    #[schema(max_length = 500)]
    comment: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Protection {
    protected: bool,
    #[schema(required = false, max_length = 500)]
    comment: String,
}

/// What is said of a change; nothing where there is no body.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Why {
    #[schema(required = false, max_length = 500)]
    comment: String,
}

/// A page that has no address any more.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct DeletedPage {
    page: Id,
    revision: Id,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Picture {
    path: String,
    /// What shows it in a text.
    markdown: String,
    name: String,
    #[schema(schema_with = media)]
    media: String,
    bytes: i64,
    /// Pixels.
    width: i64,
    /// Pixels.
    height: i64,
}

fn media() -> Object {
    words(&["image/png", "image/jpeg", "image/gif"])
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct RemovedPicture {
    /// Its hash.
    removed: String,
}
