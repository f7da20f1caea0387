//! What the API takes and tells, as its document has it. Answers are put together out of several reads; what they
//! promise is written once, here, and a test holds real answers to it, with no field more and none less.
#![expect(dead_code, reason = "types that are described, not made")]

use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, SchemaType, Type};

mod forum;
mod moderation;
mod people;
mod wiki;

pub(super) use forum::*;
pub(super) use moderation::*;
pub(super) use people::*;
pub(super) use wiki::*;

/// One of several words.
fn words(all: &[&str]) -> Object {
    Object::builder().schema_type(Type::String).enum_values(Some(all.iter().copied())).build()
}

/// What may be `null` for what is not to be changed.
fn or_none(kind: Type) -> SchemaType {
    [kind, Type::Null].into_iter().collect()
}

/// One of several values, or `null`.
fn one_or_none(kind: Type, all: impl IntoIterator<Item = Value>) -> Object {
    let all = all.into_iter().chain([Value::Null]);
    Object::builder().schema_type(or_none(kind)).enum_values(Some(all)).build()
}

fn outcome() -> Object {
    words(&["refused", "unknown"])
}

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
pub(super) struct Id {
    id: i64,
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
    /// Of a change that was not made now: whether it is certain that nothing of it is stored.
    #[schema(schema_with = outcome, required = false)]
    outcome: String,
}
