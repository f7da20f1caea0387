//! From an answer to what is sent: headers, and the places of a page that are another for each person.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::Full;
use veritable_config::settings::Site;

use super::content::Body;
use super::encoding::Encoding;
use super::problem;
use crate::answer::Answer;
use crate::cache::{How, Kept};
use crate::error::Error;

/// What every answer carries. Nothing is loaded from elsewhere but pictures in posts, and no page can be
/// framed.
const SECURITY: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; img-src 'self' https: http: data:; object-src 'none'; base-uri 'none'; \
             form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("strict-origin-when-cross-origin")),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
];

/// Room for the headers of any answer at once.
const HEADERS: usize = 16;
/// Says how an answer came about, to people who wonder about the cache.
pub(crate) const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// The browser may keep it for its back button, nobody else for anything.
pub(crate) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-cache");

/// An answer as hyper takes it.
pub(crate) type Reply = Response<Body>;

/// An answer that may be kept by whoever asks again first.
pub(crate) fn send(kept: &Kept, asked: &HeaderMap, how: How) -> Reply {
    let mut headers = kept.head.as_deref().cloned().unwrap_or_else(|| head(kept));
    if how != How::Hit {
        headers.insert(X_CACHE, HeaderValue::from_static(how.name()));
    }
    let known = kept.status == StatusCode::OK
        && asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|known| {
            let etag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
            known
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || Some(tag.trim_start_matches("W/").as_bytes()) == etag)
        });
    let (status, body) = if known {
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_ENCODING);
        (StatusCode::NOT_MODIFIED, Body::Whole(Full::default()))
    } else {
        (kept.status, Body::of(&kept.body, kept.sealed.as_ref()))
    };
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    *reply.headers_mut() = headers;
    reply
}

/// The headers of an answer that was kept, as for a hit. To make them is half of the work of a cached answer:
/// a worker keeps them with its copies.
pub(crate) fn head(kept: &Kept) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kept.content_type.header()));
    if let Some(name) = kept.encoding.name() {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
    }
    locate(&mut headers, kept.location.as_deref());
    if let Ok(etag) = HeaderValue::from_str(&format!("\"{:016x}\"", kept.etag)) {
        headers.insert(header::ETAG, etag);
    }
    // Anything may change at any moment: ask every time, and be told quickly that nothing has.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(X_CACHE, HeaderValue::from_static(How::Hit.name()));
    headers.extend(SECURITY);
    headers
}

/// A page for people with accounts, with its places filled for the one who asks.
pub(crate) fn send_own(kept: &Kept, page: Vec<u8>, accepted: Encoding, how: How) -> Reply {
    let mut reply = encoded(page.into(), accepted);
    *reply.status_mut() = kept.status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kept.content_type.header()));
    locate(headers, kept.location.as_deref());
    headers.insert(header::CACHE_CONTROL, PRIVATE);
    headers.insert(X_CACHE, HeaderValue::from_static(how.name()));
    headers.extend(SECURITY);
    reply
}

/// What a picture that somebody uploaded may do where it is opened by itself: nothing.
const PICTURE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; sandbox; frame-ancestors 'none'");

/// A picture that somebody uploaded: never another one at its address. `None`: its asker has it.
pub(crate) fn picture(name: &str, media: &'static str, content: Option<Bytes>) -> Reply {
    let status = if content.is_some() { StatusCode::OK } else { StatusCode::NOT_MODIFIED };
    let is_sent = content.is_some();
    let mut reply = Response::new(Body::Whole(Full::new(content.unwrap_or_default())));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.extend(SECURITY);
    headers.insert(header::CONTENT_SECURITY_POLICY, PICTURE_POLICY);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    // Digits, letters and a dot: it was parsed.
    let quoted = [
        (header::ETAG, format!("\"{name}\"")),
        (header::CONTENT_DISPOSITION, format!("inline; filename=\"{name}\"")),
    ];
    for (header, value) in quoted {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(header, value);
        }
    }
    if is_sent {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    }
    reply
}

/// An answer for this asker only.
pub(crate) fn plain(answer: &Answer, accepted: Encoding) -> Reply {
    let mut reply = match answer.parts.as_ref().and_then(|parts| Some((parts.take()?, parts.file_name))) {
        Some((parts, name)) => {
            let mut reply = Response::new(Body::Parts(parts));
            if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
                reply.headers_mut().insert(header::CONTENT_DISPOSITION, value);
            }
            reply
        }
        None => encoded(answer.body.clone(), accepted),
    };
    *reply.status_mut() = answer.status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type.header()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for cookie in &answer.cookies {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    locate(headers, answer.location.as_deref());
    headers.extend(SECURITY);
    reply
}

fn encoded(body: Bytes, accepted: Encoding) -> Reply {
    let (encoding, body) = accepted.encode_once(body);
    let mut reply = Response::new(Body::Whole(Full::new(body)));
    if let Some(name) = encoding.name() {
        reply.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static(name));
        reply.headers_mut().insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
    reply
}

/// The answer to a guest's request that failed.
pub(crate) fn refuse(site: &Site, path: &str, request_id: &str, error: &Error) -> Reply {
    refuse_to(site, path, request_id, error, None)
}

/// The answer to a request that failed, with the menu of the one who asked.
pub(crate) fn refuse_to(
    site: &Site,
    path: &str,
    request_id: &str,
    error: &Error,
    menu: Option<String>,
) -> Reply {
    let answer = problem::answer(site, path, request_id, error, menu);
    let mut reply = plain(&answer, Encoding::Identity);
    let headers = reply.headers_mut();
    if let Error::OutcomeUnknown { key: Some(key), .. } | Error::NotStored { key: Some(key), .. } = error
        && let Ok(key) = HeaderValue::from_str(&format!("\"{key}\""))
    {
        headers.insert("idempotency-key", key);
    }
    match error {
        Error::MethodNotAllowed { allow } => {
            if let Ok(allow) = HeaderValue::from_str(allow) {
                headers.insert(header::ALLOW, allow);
            }
        }
        Error::TooMany { retry_seconds } => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_seconds));
        }
        _ if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(problem::RETRY_SECONDS));
        }
        _ if answer.status == StatusCode::UNAUTHORIZED && path.starts_with("/api") => {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    reply
}

/// Sets `Location`; what cannot stand in a header is escaped by the views already.
fn locate(headers: &mut HeaderMap, location: Option<&str>) {
    if let Some(location) = location {
        let escaped = percent_encoding::utf8_percent_encode(location, percent_encoding::CONTROLS).to_string();
        if let Ok(value) = HeaderValue::from_str(&escaped) {
            headers.insert(header::LOCATION, value);
        }
    }
}
