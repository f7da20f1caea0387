//! Reports.
#![expect(dead_code, reason = "types that are described, not made")]

use utoipa::ToSchema;
use utoipa::openapi::schema::Object;

use super::{Person, words};

fn reason() -> Object {
    words(&["spam", "abuse", "off-topic", "other"])
}

fn verdict() -> Object {
    words(&["deleted", "dismissed"])
}

fn judged() -> Object {
    words(&["", "deleted", "dismissed"])
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewReport {
    #[schema(schema_with = reason)]
    reason: String,
    #[schema(required = false, max_length = 500)]
    note: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Judgement {
    /// Of all open reports of the post.
    #[schema(schema_with = verdict)]
    verdict: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Report {
    #[schema(minimum = 1)]
    id: i64,
    post_id: i64,
    #[schema(schema_with = reason)]
    reason: String,
    note: String,
    #[schema(format = DateTime)]
    created_at: String,
    reporter: Person,
    /// `null` as long as it is open.
    #[schema(required = true, format = DateTime)]
    handled_at: Option<String>,
    #[schema(required = true)]
    handled_by: Option<Person>,
    /// Empty as long as it is open.
    #[schema(schema_with = judged)]
    verdict: String,
    post_number: i64,
    /// Safe HTML.
    post_html: String,
    post_deleted: bool,
    /// The post's.
    author: Person,
    topic_id: i64,
    topic_title: String,
    category_id: i64,
    category: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Reports {
    reports: Vec<Report>,
    #[schema(required = true)]
    next: Option<String>,
}
