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
    /// Whether there may be no body.
    pub(super) is_optional: bool,
    /// Name of the schema of its answer; empty: some object.
    pub(super) answers: &'static str,
    /// Statuses of that answer; with 204 there is none.
    pub(super) tells: &'static [(u16, &'static str)],
    /// What is read is not for guests.
    pub(super) is_shut: bool,
}

#[derive(utoipa::OpenApi)]
#[openapi(components(schemas(
    Audit,
    AuditEntry,
    Categories,
    Category,
    ChangedTopic,
    Changes,
    DeletedPage,
    Difference,
    EditedPost,
    EndedSession,
    EndedToken,
    ErasedUser,
    Found,
    FoundPage,
    FoundPost,
    Group,
    Groups,
    Id,
    Judgement,
    Line,
    MadePost,
    MadeToken,
    MadeTopic,
    Me,
    NamedToken,
    NamedTopic,
    NewName,
    NewPost,
    NewReport,
    NewToken,
    NewTopic,
    NumberedPost,
    OnePost,
    OneRevision,
    PageEdit,
    PageEntry,
    PageMove,
    PageRevert,
    Pages,
    Person,
    Picture,
    Post,
    PostEdit,
    Posts,
    Problem,
    Profile,
    Protection,
    RecentPost,
    RecentPosts,
    RemovedPicture,
    Report,
    Reports,
    Revision,
    Revisions,
    SavedPage,
    Session,
    Sessions,
    Token,
    Tokens,
    Topic,
    TopicChange,
    Topics,
    User,
    UserChange,
    Users,
    Version,
    VersionEntry,
    VersionedPost,
    Versions,
    Why,
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
    let tells: Problems = &[(200, "Found.")];
    let (method, takes, is_optional, is_shut) = (Method::GET, None, false, false);
    Operation { method, pattern, summary, takes, is_optional, answers, tells, is_shut }
}

/// The same of what guests are refused.
const fn shut(pattern: &'static str, answers: &'static str, summary: &'static str) -> Operation {
    let tells: Problems = &[(200, "Found.")];
    let (method, takes, is_optional, is_shut) = (Method::GET, None, false, true);
    Operation { method, pattern, summary, takes, is_optional, answers, tells, is_shut }
}

const MADE: Problems = &[(201, "Made.")];
const DONE: Problems = &[(200, "Done.")];
/// There is nothing to tell.
const QUIET: (&str, Problems) = ("", &[(204, "Done.")]);

const fn set(
    method: Method,
    pattern: &'static str,
    takes: &'static str,
    (answers, tells): (&'static str, Problems),
    summary: &'static str,
) -> Operation {
    let (takes, is_optional, is_shut) = (Some(takes), false, true);
    Operation { method, pattern, summary, takes, is_optional, answers, tells, is_shut }
}

/// The same where there may be no body.
const fn may_say(
    method: Method,
    pattern: &'static str,
    (answers, tells): (&'static str, Problems),
    summary: &'static str,
) -> Operation {
    let (takes, is_optional, is_shut) = (Some("Why"), true, true);
    Operation { method, pattern, summary, takes, is_optional, answers, tells, is_shut }
}

/// A change that is said by its address alone.
const fn tell(
    method: Method,
    pattern: &'static str,
    (answers, tells): (&'static str, Problems),
    summary: &'static str,
) -> Operation {
    let (takes, is_optional, is_shut) = (None, false, true);
    Operation { method, pattern, summary, takes, is_optional, answers, tells, is_shut }
}

/// Every entry, those of each noun in a table of its own.
pub(super) const ALL: &[&[Operation]] =
    &[OTHER, FORUM, MODERATION, WIKI, UPLOADS, PEOPLE, OWN, ADMINISTRATION];

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
    get("/api/posts/{id}/history", "Versions", "What a post was, the newest first"),
    get("/api/posts/{id}/versions/{version}", "Version", "A post as it was"),
    get("/api/users/{name}/posts", "RecentPosts", "What somebody posted"),
    set(Method::POST, "/api/forums/{id}/topics", "NewTopic", ("MadeTopic", MADE), "Open a topic"),
    set(Method::POST, "/api/topics/{id}/posts", "NewPost", ("MadePost", MADE), "Reply"),
    set(Method::PATCH, "/api/posts/{id}", "PostEdit", ("EditedPost", DONE), "Edit a post"),
    tell(Method::DELETE, "/api/posts/{id}", QUIET, "Delete a post"),
    tell(Method::POST, "/api/posts/{id}/restore", QUIET, "Restore a post"),
    set(Method::POST, "/api/posts/{id}/reports", "NewReport", QUIET, "Report a post"),
];

const MODERATION: &[Operation] = &[
    set(
        Method::PATCH,
        "/api/topics/{id}",
        "TopicChange",
        ("ChangedTopic", DONE),
        "Rename, lock, pin or move a topic",
    ),
    tell(Method::DELETE, "/api/topics/{id}", QUIET, "Delete a topic"),
    tell(Method::POST, "/api/topics/{id}/restore", QUIET, "Restore a topic"),
    shut("/api/moderation/reports", "Reports", "Reports, for those who keep order"),
    set(Method::POST, "/api/moderation/posts/{id}", "Judgement", QUIET, "Handle the reports of a post"),
];

const WIKI: &[Operation] = &[
    get("/api/wiki/pages", "Pages", "The wiki's pages by namespace and title"),
    get("/api/wiki/pages/{id}", "WikiPage", "A page"),
    get("/api/wiki/pages/{id}/history", "Revisions", "A page's revisions, newest first"),
    get("/api/wiki/pages/{id}/links", "Pages", "Pages that link to a page"),
    get("/api/wiki/revisions/{id}", "OneRevision", "A revision with its source"),
    get("/api/wiki/diff/{old}/{new}", "Difference", "What lies between two revisions of a page"),
    get("/api/wiki/changes", "Changes", "The wiki's latest changes"),
    get("/api/users/{name}/edits", "Changes", "What somebody changed in the wiki"),
    set(
        Method::PUT,
        "/api/wiki/pages",
        "PageEdit",
        ("SavedPage", &[(200, "A new revision."), (201, "A new page.")]),
        "Make or edit a page",
    ),
    set(Method::POST, "/api/wiki/pages/{id}/move", "PageMove", ("SavedPage", DONE), "Move a page"),
    set(
        Method::POST,
        "/api/wiki/pages/{id}/revert",
        "PageRevert",
        ("SavedPage", DONE),
        "Make a page what it was",
    ),
    may_say(Method::DELETE, "/api/wiki/pages/{id}", ("DeletedPage", DONE), "Delete a page"),
    may_say(Method::POST, "/api/wiki/pages/{id}/restore", ("SavedPage", DONE), "Restore a page"),
    set(
        Method::PUT,
        "/api/wiki/pages/{id}/protection",
        "Protection",
        ("SavedPage", DONE),
        "Protect a page, or open it",
    ),
];

const UPLOADS: &[Operation] = &[
    // What is sent is a picture: its kinds are said where the table says that it is one.
    tell(Method::POST, "/api/uploads", ("Picture", MADE), "Upload a picture"),
    tell(Method::DELETE, "/api/uploads/{name}", ("RemovedPicture", DONE), "Remove a picture"),
];

const PEOPLE: &[Operation] = &[get("/api/users/{name}", "Profile", "Somebody")];

const OWN: &[Operation] = &[
    shut("/api/me", "Me", "Who asks"),
    set(Method::PATCH, "/api/me", "NewName", ("NewName", DONE), "Change one's display name"),
    shut("/api/me/sessions", "Sessions", "Where one is logged in"),
    tell(Method::DELETE, "/api/me/sessions/{id}", ("EndedSession", DONE), "End a session"),
    shut("/api/me/tokens", "Tokens", "One's tokens"),
    set(Method::POST, "/api/me/tokens", "NewToken", ("MadeToken", MADE), "Make a token"),
    tell(Method::DELETE, "/api/me/tokens/{id}", ("EndedToken", DONE), "End a token"),
];

const ADMINISTRATION: &[Operation] = &[
    shut("/api/admin/users", "Users", "Accounts"),
    shut("/api/admin/users/{id}", "User", "An account"),
    set(Method::PATCH, "/api/admin/users/{id}", "UserChange", ("User", DONE), "Change an account"),
    tell(Method::DELETE, "/api/admin/users/{id}", ("ErasedUser", DONE), "Delete an account"),
    shut("/api/admin/groups", "Groups", "The site's own groups"),
    shut("/api/admin/audit", "Audit", "What was done with a role's power, the latest first"),
];

pub(super) fn find(method: &Method, pattern: &str) -> Option<&'static Operation> {
    ALL.iter()
        .copied()
        .flatten()
        .find(|operation| operation.method == *method && operation.pattern == pattern)
}

/// A part of a path.
pub(super) fn part(name: &str) -> RefOr<Schema> {
    match name {
        "id" | "version" | "old" | "new" => whole(1, i64::MAX),
        _ => text(1, 255),
    }
}

/// A parameter of a query.
pub(super) fn asked(name: &str) -> RefOr<Schema> {
    match name {
        "limit" => whole(1, 100),
        "in" => words(&["all", "posts", "wiki"]),
        "state" => words(&["open", "handled"]),
        "which" => words(&["all", "staff", "disabled", "waiting"]),
        // Only the address as a whole has a bound.
        _ => RefOr::T(Schema::Object(Object::with_type(Type::String))),
    }
}

fn words(all: &[&str]) -> RefOr<Schema> {
    let words = Object::builder().schema_type(Type::String).enum_values(Some(all.iter().copied()));
    RefOr::T(Schema::Object(words.build()))
}
