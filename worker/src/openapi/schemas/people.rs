//! People: as others see them, their own accounts, and their administration.
#![expect(dead_code, reason = "types that are described, not made")]

use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, Object, Type};

use super::{Id, one_or_none, or_none, words};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Profile {
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

fn scope() -> Object {
    words(&["read", "write", "moderate", "account", "administer"])
}

fn scopes() -> Array {
    ArrayBuilder::new().items(scope()).build()
}

fn some_scopes() -> Array {
    ArrayBuilder::new().items(scope()).min_items(Some(1)).build()
}

/// Who asks.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Me {
    id: i64,
    name: String,
    display_name: String,
    #[schema(schema_with = role)]
    role: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// What the token that asks is for.
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    /// With the scope `account`.
    address: Option<String>,
    /// With the scope `account`: whether logging in asks for a code.
    second_factor: Option<bool>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewName {
    #[schema(max_length = 60)]
    display_name: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Session {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    seen_at: String,
    /// Where it was begun.
    address: String,
    user_agent: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Sessions {
    sessions: Vec<Session>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct EndedSession {
    session: Id,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Token {
    #[schema(minimum = 1)]
    id: i64,
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// `null`: never.
    #[schema(required = true, format = DateTime)]
    expires_at: Option<String>,
    expired: bool,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Tokens {
    tokens: Vec<Token>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NewToken {
    #[schema(min_length = 1, max_length = 80)]
    name: String,
    /// No more than the token that asks is for.
    #[schema(schema_with = some_scopes)]
    scopes: Vec<String>,
    /// A time to come, no later than the end of the token that asks; without it, that one.
    #[schema(format = DateTime)]
    expires_at: Option<String>,
    /// The account's password; only where a session asks.
    #[schema(max_length = 1024)]
    current: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct NamedToken {
    id: i64,
    name: String,
    #[schema(schema_with = scopes)]
    scopes: Vec<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct MadeToken {
    token: NamedToken,
    /// The token itself, this once.
    secret: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct EndedToken {
    token: Id,
}

/// An account as administrators see it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct User {
    #[schema(minimum = 1)]
    id: i64,
    name: String,
    display_name: String,
    #[schema(schema_with = role)]
    role: String,
    /// Numbers of the site's own groups that it is in.
    groups: Vec<i64>,
    #[schema(required = true)]
    address: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// The address is its owner's.
    verified: bool,
    /// It waits for no approval.
    approved: bool,
    /// Since when it is switched off.
    #[schema(required = true, format = DateTime)]
    disabled_at: Option<String>,
    second_factor: bool,
    has_password: bool,
    post_count: i64,
    edit_count: i64,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Users {
    users: Vec<User>,
    #[schema(required = true)]
    next: Option<String>,
}

/// What is named is done one after the other: where one is refused, those before it are done.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct UserChange {
    #[schema(schema_with = role_or_none)]
    role: Option<String>,
    #[schema(schema_with = numbers_or_none)]
    groups: Option<Vec<u8>>,
    disabled: Option<bool>,
    /// Only `true`: it cannot be taken back.
    #[schema(schema_with = yes_or_none)]
    approved: Option<bool>,
    /// Why it is switched off or on.
    #[schema(required = false, max_length = 500)]
    reason: String,
}

fn role_or_none() -> Object {
    one_or_none(Type::String, ["member", "moderator", "administrator"].map(Into::into))
}

fn yes_or_none() -> Object {
    one_or_none(Type::Boolean, [true.into()])
}

fn numbers_or_none() -> Array {
    let number = Object::builder().schema_type(Type::Integer).minimum(Some(4)).maximum(Some(62)).build();
    ArrayBuilder::new().schema_type(or_none(Type::Array)).items(number).build()
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct ErasedUser {
    user: Id,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Group {
    id: i64,
    name: String,
    description: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Groups {
    groups: Vec<Group>,
}

/// What somebody did with a role's power.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct AuditEntry {
    #[schema(minimum = 1)]
    id: i64,
    #[schema(format = DateTime)]
    at: String,
    /// `null` with no `actor_id`: whoever runs the server.
    #[schema(required = true)]
    actor: Option<String>,
    #[schema(required = true)]
    actor_id: Option<i64>,
    address: String,
    deed: String,
    /// Such as `user:7`.
    object: String,
    detail: String,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub(in super::super) struct Audit {
    entries: Vec<AuditEntry>,
    #[schema(required = true)]
    next: Option<String>,
}
