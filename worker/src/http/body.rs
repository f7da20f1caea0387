//! A request's body: read within its bound, and the fields of a form in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt, Limited};
use hyper::body::Body;
use tokio::sync::Semaphore;

use super::received::Received;
use crate::app::App;
use crate::error::Error;

/// Most fields of a form: several times as many as any of ours has.
const MAX_FIELDS: usize = 200;

/// Most bytes of a field that is one line: four times the longest name, address, code or password that is taken.
const LINE_BYTES: usize = 4_096;

/// Nothing here unpacks what others packed: a small body could be a large one.
///
/// # Errors
/// The body of a request with this head is compressed.
pub(crate) fn is_plain(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get(CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Error::UnsupportedType { takes: "it is, without a Content-Encoding" })
        }
        _ => Ok(()),
    }
}

/// Bytes that any body may have: a form without a text in it, whoever sends it, needs no more.
pub(crate) const SMALL_BYTES: usize = 64 * 1024;
/// Kilobytes of larger bodies that are read at once: their senders may be slow.
const LARGE_KB: usize = 64 * 1024;

/// Room for the bodies of a worker.
pub(crate) struct Room(Semaphore);

impl Room {
    pub(crate) fn new() -> Room {
        Room(Semaphore::new(LARGE_KB))
    }
}

/// The whole body, of at most `most` bytes and no more than the settings allow.
///
/// # Errors
/// It is too long, or ends early; or too many large ones are being read.
pub(crate) async fn read(app: &App, body: Received, most: usize) -> Result<Bytes, Error> {
    let most = usize::try_from(app.config.http.body_bytes).unwrap_or(usize::MAX).min(most);
    // One that does not say how long it is may have as much as it is allowed.
    let claimed =
        body.size_hint().upper().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(most).min(most);
    let _room = if claimed > SMALL_BYTES {
        let kilobytes = u32::try_from(claimed.div_ceil(1_024).min(LARGE_KB)).unwrap_or(u32::MAX);
        Some(app.bodies.0.try_acquire_many(kilobytes).map_err(|_| Error::Busy)?)
    } else {
        None
    };
    let collected = Limited::new(body, most).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Error::TooLarge { most }
        } else {
            Error::Invalid { where_: "body", why: "ended early".into() }
        }
    })?;
    Ok(collected.to_bytes())
}

/// Whether the body is said to be of this media type.
pub(crate) fn is_of(headers: &HeaderMap, media: &str) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(media)
}

/// The fields of a form, by name; the last one of a name wins.
#[derive(Clone, Debug, Default)]
pub struct Fields(BTreeMap<String, String>);

impl Fields {
    /// Of a body in `application/x-www-form-urlencoded` (URL Standard, WHATWG).
    ///
    /// # Errors
    /// Too many fields.
    pub(crate) fn parse(body: &[u8]) -> Result<Fields, Error> {
        let mut fields = BTreeMap::new();
        for (at, (name, value)) in form_urlencoded::parse(body).enumerate() {
            if at == MAX_FIELDS {
                let why = format!("has more than {MAX_FIELDS} fields");
                return Err(Error::Invalid { where_: "body", why });
            }
            fields.insert(name.into_owned(), value.into_owned());
        }
        Ok(Fields(fields))
    }

    /// A field's text; empty when there is none.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// A field that is one line, without the space around it; empty when there is none. Bounded before anything else looks
    /// at it.
    ///
    /// # Errors
    /// It is longer than any line that is taken.
    pub fn line(&self, name: &'static str) -> Result<&str, Error> {
        let text = self.get(name);
        if text.len() > LINE_BYTES {
            return Err(Error::Invalid { where_: name, why: format!("is longer than {LINE_BYTES} bytes") });
        }
        Ok(text.trim())
    }

    /// Whether the form has the field: a button that was pressed, a box that was ticked.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// All fields, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_decoded_and_bounded() {
        let fields = Fields::parse(b"a=1+2&b=%C3%A9&a=last&flag&=x&bad=%zz&cut=%C3").unwrap();
        assert_eq!((fields.get("a"), fields.get("b"), fields.get("none")), ("last", "é", ""));
        assert!(fields.has("flag") && !fields.has("none"));
        let long = Fields::parse(format!("a={}&b=+x+", "y".repeat(LINE_BYTES + 1)).as_bytes()).unwrap();
        assert!(long.line("a").is_err());
        assert_eq!((long.line("b").unwrap(), long.line("none").unwrap()), ("x", ""));
        assert_eq!((fields.get("bad"), fields.get("cut")), ("%zz", "\u{FFFD}"));
        let many = "x=1&".repeat(MAX_FIELDS + 1);
        assert!(Fields::parse(many.as_bytes()).is_err());
    }
}
