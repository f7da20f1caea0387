//! What a cacheable read yields: a body, how it is to be labelled, and what it depends on.

use bytes::Bytes;
use http::StatusCode;
use veritable_domain::tag::Tag;

/// Kind of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContentType {
    /// `text/html; charset=utf-8`
    Html,
    /// `application/json`
    Json,
    /// `application/problem+json` (RFC 9457)
    Problem,
    /// `text/plain; charset=utf-8`
    Text,
}

impl ContentType {
    /// The header's value.
    pub fn header(self) -> &'static str {
        match self {
            ContentType::Html => "text/html; charset=utf-8",
            ContentType::Json => "application/json",
            ContentType::Problem => "application/problem+json",
            ContentType::Text => "text/plain; charset=utf-8",
        }
    }

    const ALL: [ContentType; 4] =
        [ContentType::Html, ContentType::Json, ContentType::Problem, ContentType::Text];

    /// Its number in cache entries.
    pub(crate) fn number(self) -> u8 {
        self as u8
    }

    /// Takes back [`ContentType::number`].
    pub(crate) fn from_number(number: u8) -> Option<ContentType> {
        Self::ALL.into_iter().find(|content_type| content_type.number() == number)
    }
}

/// The answer to a read that anyone may see and any worker may keep.
#[derive(Clone, Debug)]
pub struct Answer {
    /// `200`; `301` with `location`; `404` where something can be suggested instead.
    pub status: StatusCode,
    /// Kind of `body`.
    pub content_type: ContentType,
    /// The whole body, not compressed.
    pub body: Bytes,
    /// Where to, for redirects: an absolute path of this site.
    pub location: Option<String>,
    /// What it was made from; a change of any makes it stale. May be found while reading: the cache took
    /// its snapshot before.
    pub tags: Vec<Tag>,
}

impl Answer {
    /// A page.
    pub fn html(body: String, tags: Vec<Tag>) -> Self {
        Answer {
            status: StatusCode::OK,
            content_type: ContentType::Html,
            body: body.into(),
            location: None,
            tags,
        }
    }

    /// An API answer.
    pub fn json(body: Vec<u8>, tags: Vec<Tag>) -> Self {
        Answer {
            status: StatusCode::OK,
            content_type: ContentType::Json,
            body: body.into(),
            location: None,
            tags,
        }
    }

    /// A permanent redirect to a path of this site.
    pub fn moved(location: String, tags: Vec<Tag>) -> Self {
        Answer {
            status: StatusCode::MOVED_PERMANENTLY,
            content_type: ContentType::Text,
            body: Bytes::new(),
            location: Some(location),
            tags,
        }
    }
}
