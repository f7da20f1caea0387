//! One request and what became of it.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

/// What kind of thing is asked for: figures are kept apart by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The style sheet of the pages.
    Style,
    /// A list of topics, categories or changes.
    List,
    /// A topic's page.
    Topic,
    /// A page of the wiki.
    Wiki,
    /// Somebody's profile.
    Profile,
    /// A search.
    Search,
    /// JSON read by a program, without a token.
    Api,
    /// JSON read by a member, with a token.
    Member,
    /// A page read by a member, in a session.
    MemberPage,
    /// A login: the page and its form.
    LogIn,
    /// A reply.
    Reply,
    /// A new topic.
    NewTopic,
    /// A post changed by its author.
    EditPost,
    /// A page of the wiki changed.
    EditPage,
    /// The only address of a comparison.
    Only,
}

impl Kind {
    /// Every one.
    pub const ALL: [Kind; 15] = [
        Kind::Style,
        Kind::List,
        Kind::Topic,
        Kind::Wiki,
        Kind::Profile,
        Kind::Search,
        Kind::Api,
        Kind::Member,
        Kind::MemberPage,
        Kind::LogIn,
        Kind::Reply,
        Kind::NewTopic,
        Kind::EditPost,
        Kind::EditPage,
        Kind::Only,
    ];

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Style => "style sheet",
            Kind::List => "list",
            Kind::Topic => "topic",
            Kind::Wiki => "wiki page",
            Kind::Profile => "profile",
            Kind::Search => "search",
            Kind::Api => "API",
            Kind::Member => "member's read",
            Kind::MemberPage => "member's page",
            Kind::LogIn => "login",
            Kind::Reply => "reply",
            Kind::NewTopic => "new topic",
            Kind::EditPost => "edit of a post",
            Kind::EditPage => "edit of a page",
            Kind::Only => "request",
        }
    }
}

/// How a request's method and body are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `POST`, `PUT` or `PATCH` with a body of JSON.
    Send(&'static str, Bytes),
    /// `POST` of a form, as a browser sends it.
    Form(Bytes),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// For the figures.
    pub kind: Kind,
    /// Path and query, ready to be sent.
    pub target: Arc<str>,
    /// What it does.
    pub method: Method,
    /// Who asks, if a member does.
    pub as_member: Option<Credential>,
    /// The entity tag of what its sender has already.
    pub known: Option<Arc<str>>,
    /// Whether the answer's body matters to its sender; otherwise only its length does.
    pub wants_body: bool,
    /// Whether it accepts no encoding, as programs do.
    pub plain: bool,
}

/// By what an asker is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// An API token.
    Token(Arc<str>),
    /// Cookies, of a session or of the guest who is about to log in: `name=value; name=value`.
    Cookie(Arc<str>),
}

impl Credential {
    /// Name and value of the header.
    pub fn header(&self) -> (&'static str, String) {
        match self {
            Credential::Token(token) => ("authorization", format!("Bearer {token}")),
            Credential::Cookie(cookies) => ("cookie", cookies.to_string()),
        }
    }
}

impl Ask {
    /// A guest's `GET`.
    pub fn get(kind: Kind, target: impl Into<Arc<str>>) -> Ask {
        let target = target.into();
        let plain = target.starts_with("/api/");
        Ask { kind, target, method: Method::Get, as_member: None, known: None, wants_body: false, plain }
    }

    /// The same, asked by a member.
    #[must_use]
    pub fn by(self, member: Credential) -> Ask {
        Ask { as_member: Some(member), ..self }
    }
}

/// What the server said of its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheSays {
    /// `X-Cache: hit`
    Hit,
    /// `X-Cache: stale`
    Stale,
    /// `X-Cache: miss`
    Miss,
    /// Nothing.
    Nothing,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The answer's entity tag.
    pub etag: Option<Arc<str>>,
    /// How the server came by it.
    pub cache: CacheSays,
    /// The cookies it sets, as they are to be sent back.
    pub cookies: Option<Arc<str>>,
    /// Length of the body.
    pub bytes: u64,
    /// The body, if it was wanted.
    pub body: Bytes,
}

/// Why a request has no good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// No connection could be had.
    Connect,
    /// It cannot be put into a request: an error here, or of who gave a token or an address.
    Unbuilt,
    /// The connection ended before the answer did.
    Closed,
    /// No answer within the time allowed, opening a connection included.
    Timeout,
    /// It was due and could not be sent before the end: all connections were busy.
    Unsent,
    /// The answer's status says so.
    Status(u16),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Trouble::Connect => f.write_str("no connection"),
            Trouble::Unbuilt => f.write_str("no request can be made of it"),
            Trouble::Closed => f.write_str("connection closed"),
            Trouble::Timeout => f.write_str("timeout"),
            Trouble::Unsent => f.write_str("not sent in time"),
            Trouble::Status(status) => write!(f, "status {status}"),
        }
    }
}
