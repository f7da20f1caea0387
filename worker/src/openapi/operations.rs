//! What the document says of each address of the API beyond what the route table says, one entry each.

use http::Method;
use utoipa::OpenApi as _;
use utoipa::openapi::schema::{Object, Type};
use utoipa::openapi::{OpenApi, RefOr, Schema};

use super::schemas::*;
use super::{text, whole};

/// One address and method.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) pattern: &'static str,
    pub(super) summary: &'static str,
    /// Name of the schema of its body.
    pub(super) takes: Option<&'static str>,
    /// Name of the schema of its answer; empty: some object.
    pub(super) answers: &'static str,
    /// Statuses of that answer.
    pub(super) tells: &'static [(u16, &'static str)],
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    Categories,
    Category,
    Changes,
    EditedPost,
    Found,
    FoundPage,
    FoundPost,
    Id,
    MadePost,
    MadeTopic,
    NamedTopic,
    NewPost,
    NewTopic,
    NumberedPost,
    OnePost,
    OneRevision,
    PageEdit,
    PageEntry,
    Pages,
    Person,
    Post,
    PostEdit,
    Posts,
    Problem,
    Profile,
    RecentPost,
    RecentPosts,
    Revision,
    Revisions,
    SavedPage,
    Topic,
    Topics,
    Version,
    VersionedPost,
    WikiPage
)))]
struct Schemas;

/// A document of nothing but schemas.
pub(super) fn with_schemas() -> OpenApi {
    Schemas::openapi()
}

type Problems = &'static [(u16, &'static str)];

/// What any request can be refused with.
pub(super) const OF_READS: Problems = &[
    (400, "A part of the address is wrong."),
    (401, "The token is none."),
    (403, "The token is not for that."),
    (408, "It took too long."),
    (500, "A fault of the server's."),
    (503, "The server is too busy; try again after `Retry-After` seconds."),
];
/// The same of what is of one account.
pub(super) const OF_OWN: Problems = &[
    (400, "A part of the address is wrong."),
    (401, "No token and no session."),
    (403, "Not allowed, or not what the token is for."),
    (408, "It took too long."),
    (500, "A fault of the server's."),
    (503, "The server is too busy; try again after `Retry-After` seconds."),
];
/// The same of changes.
pub(super) const OF_CHANGES: Problems = &[
    (400, "A part of the request is wrong; `detail` says which."),
    (401, "No token and no session."),
    (403, "Not allowed, not what the token is for, or asked for by another site."),
    (404, "There is no such thing, or it is hidden."),
    (408, "It took too long."),
    (409, "Somebody else was quicker, or it is taken."),
    (410, "The link was used, or is too old."),
    (413, "The body is too large."),
    (415, "The body is not JSON, or is compressed."),
    (422, "The idempotency key was used for another request."),
    (429, "Too often; try again after `Retry-After` seconds."),
    (500, "A fault of the server's."),
    (503, "Too busy, or not known what became of it: `Idempotency-Key` says under which key to ask again."),
];

const fn get(pattern: &'static str, answers: &'static str, summary: &'static str) -> Operation {
    Operation { method: Method::GET, pattern, summary, takes: None, answers, tells: &[(200, "Found.")] }
}

const MADE: Problems = &[(201, "Made.")];
const DONE: Problems = &[(200, "Done.")];

const fn set(
    method: Method,
    pattern: &'static str,
    takes: &'static str,
    (answers, tells): (&'static str, Problems),
    summary: &'static str,
) -> Operation {
    Operation { method, pattern, summary, takes: Some(takes), answers, tells }
}

/// Every entry, those of each noun in a table of its own.
pub(super) const ALL: &[&[Operation]] = &[OTHER, FORUM, WIKI, PEOPLE];

const OTHER: &[Operation] = &[
    get("/api/openapi.json", "", "This document"),
    get("/api/search", "Found", "Posts and pages with these words, best first"),
];

const FORUM: &[Operation] = &[
    get("/api/forums", "Categories", "The categories"),
    get("/api/forums/topics", "Topics", "The latest topics of all categories"),
    get("/api/forums/{id}/topics", "Topics", "The latest topics of a category"),
    get("/api/forums/{id}/posts", "RecentPosts", "The latest posts of a category"),
    get("/api/topics/{id}", "Topic", "A topic"),
    get("/api/topics/{id}/posts", "Posts", "A topic's posts in reading order"),
    get("/api/posts/{id}", "OnePost", "A post, with what is edited"),
    get("/api/users/{name}/posts", "RecentPosts", "What somebody posted"),
    set(Method::POST, "/api/forums/{id}/topics", "NewTopic", ("MadeTopic", MADE), "Open a topic"),
    set(Method::POST, "/api/topics/{id}/posts", "NewPost", ("MadePost", MADE), "Reply"),
    set(Method::PATCH, "/api/posts/{id}", "PostEdit", ("EditedPost", DONE), "Edit a post"),
];

const WIKI: &[Operation] = &[
    get("/api/wiki/pages", "Pages", "The wiki's pages by namespace and title"),
    get("/api/wiki/pages/{id}", "WikiPage", "A page"),
    get("/api/wiki/pages/{id}/history", "Revisions", "A page's revisions, newest first"),
    get("/api/wiki/revisions/{id}", "OneRevision", "A revision with its source"),
    get("/api/wiki/changes", "Changes", "The wiki's latest changes"),
    get("/api/users/{name}/edits", "Changes", "What somebody changed in the wiki"),
    set(
        Method::PUT,
        "/api/wiki/pages",
        "PageEdit",
        ("SavedPage", &[(200, "A new revision."), (201, "A new page.")]),
        "Make or edit a page",
    ),
];

const PEOPLE: &[Operation] = &[get("/api/users/{name}", "Profile", "Somebody")];

pub(super) fn find(method: &Method, pattern: &str) -> Option<&'static Operation> {
    ALL.iter()
        .copied()
        .flatten()
        .find(|operation| operation.method == *method && operation.pattern == pattern)
}

/// A part of a path.
pub(super) fn part(name: &str) -> RefOr<Schema> {
    match name {
        "id" | "version" => whole(1, i64::MAX),
        _ => text(1, 255),
    }
}

/// A parameter of a query.
pub(super) fn asked(name: &str) -> RefOr<Schema> {
    match name {
        "limit" => whole(1, 100),
        "in" => {
            let words =
                Object::builder().schema_type(Type::String).enum_values(Some(["all", "posts", "wiki"]));
            RefOr::T(Schema::Object(words.build()))
        }
        // Only the address as a whole has a bound.
        _ => RefOr::T(Schema::Object(Object::with_type(Type::String))),
    }
}
