//! What a cacheable read yields: a body, how it is to be labelled, and what it depends on.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use tokio::sync::mpsc::Receiver;
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

/// A body that is made while it is sent, for the client to keep as a file.
#[derive(Clone)]
pub struct Parts {
    body: Arc<Mutex<Option<Receiver<io::Result<Bytes>>>>>,
    /// What the file is to be called: letters, digits, `-` and `.`.
    pub file_name: &'static str,
}

impl Parts {
    /// Whatever comes by `body`, up to its end; an error breaks the connection off.
    pub fn of(body: Receiver<io::Result<Bytes>>, file_name: &'static str) -> Parts {
        Parts { body: Arc::new(Mutex::new(Some(body))), file_name }
    }

    /// The parts; once.
    pub(crate) fn take(&self) -> Option<Receiver<io::Result<Bytes>>> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("file_name", &self.file_name).finish_non_exhaustive()
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Such as `200`; `301` with `location`; `404` where something can be suggested instead.
    pub status: StatusCode,
    /// Kind of `body`.
    pub content_type: ContentType,
    /// The whole body, not compressed.
    pub body: Bytes,
    /// Where to, for redirects: an absolute path of this site.
    pub location: Option<String>,
    /// What it was made from; a change of any makes it stale. May be found while reading: the cache took
    /// its snapshot before. Of no use in an answer that is not kept.
    pub tags: Vec<Tag>,
    /// Cookies to set; only in answers that are not kept.
    pub cookies: Vec<HeaderValue>,
    /// Instead of `body`; only in answers that are not kept.
    pub parts: Option<Parts>,
}

impl Answer {
    /// An answer with a body and nothing else to say.
    pub fn new(status: StatusCode, content_type: ContentType, body: impl Into<Bytes>) -> Self {
        Answer {
            status,
            content_type,
            body: body.into(),
            location: None,
            tags: Vec::new(),
            cookies: Vec::new(),
            parts: None,
        }
    }

    /// A page.
    pub fn html(body: String, tags: Vec<Tag>) -> Self {
        Answer { tags, ..Answer::new(StatusCode::OK, ContentType::Html, body) }
    }

    /// An API answer.
    pub fn json(body: Vec<u8>, tags: Vec<Tag>) -> Self {
        Answer { tags, ..Answer::new(StatusCode::OK, ContentType::Json, body) }
    }

    /// A permanent redirect to a path of this site.
    pub fn moved(location: String, tags: Vec<Tag>) -> Self {
        let answer = Answer::new(StatusCode::MOVED_PERMANENTLY, ContentType::Text, Bytes::new());
        Answer { tags, location: Some(location), ..answer }
    }

    /// Where to look after something was done: the browser asks there with `GET`.
    pub fn see_other(location: impl Into<String>) -> Self {
        let answer = Answer::new(StatusCode::SEE_OTHER, ContentType::Text, Bytes::new());
        Answer { location: Some(location.into()), ..answer }
    }

    /// The same with another status.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Answer { status, ..self }
    }

    /// The same with a cookie to set.
    #[must_use]
    pub fn with_cookie(mut self, cookie: HeaderValue) -> Self {
        self.cookies.push(cookie);
        self
    }
}
