//! The way of a request: the shared cache first, then the route, then the database, then back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Incoming;
use rusqlite::Connection;
use veritable_config::settings::Entry;
use veritable_shm::Counter;

use super::encoding::Encoding;
use super::router::{Found, ReadRoute, query};
use super::stream::Origin;
use super::{health, peer, problem, write};
use crate::answer::Answer;
use crate::app::App;
use crate::assets;
use crate::cache::{Computed, How, Kept};
use crate::error::Error;
use crate::routes::View;

/// Longest address: what browsers and proxies agree on.
const TARGET_BYTES: usize = 8 * 1024;

/// What every answer carries. Nothing is loaded from elsewhere but pictures in posts, and no page can be
/// framed.
const SECURITY: [(HeaderName, HeaderValue); 5] = [
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
];

/// Room for the headers of any answer at once.
const HEADERS: usize = 16;
/// Says how an answer came about, to people who wonder about the cache.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

type Reply = Response<Full<Bytes>>;

/// Answers one request. Nothing a client sends makes this fail: every error is an answer.
pub(crate) async fn answer(app: Arc<App>, origin: &Origin, request: Request<Incoming>) -> Reply {
    let begun = tokio::time::Instant::now();
    let (version, method) = (request.version(), request.method().clone());
    let within = Duration::from_secs(app.config.http.request_seconds.into());
    let path = request.uri().path().to_owned();
    // Looked for only when it is shown.
    let client = tracing::enabled!(target: "access", tracing::Level::DEBUG)
        .then(|| peer::client(origin, request.headers(), &app.trusted_proxies))
        .flatten();
    if origin.entry == Entry::Health {
        let answer = health::answer(&app, &path).await;
        let nothing = || Error::NotFound { what: "page at a health address".into() };
        return answer.map_or_else(|| refuse(&app, &path, &nothing()), |answer| plain(&answer));
    }
    let mut reply = match tokio::time::timeout(within, dispatch(&app, request)).await {
        Ok(reply) => reply,
        Err(_) => {
            let late = problem::of_status(
                &app.config.site,
                &path,
                &request_id(),
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long",
            );
            plain(&late)
        }
    };
    if app.is_closing() && version < http::Version::HTTP_2 {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    count(&app, &reply);
    tracing::debug!(
        target: "access",
        client = client.map(tracing::field::display),
        %method,
        path,
        status = reply.status().as_u16(),
        bytes = hyper::body::Body::size_hint(reply.body()).lower(),
        micros = begun.elapsed().as_micros(),
    );
    reply
}

async fn dispatch(app: &Arc<App>, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let reading = matches!(head.method, Method::GET | Method::HEAD);
    let accepted =
        Encoding::accepted(head.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()));
    // Whatever was asked for with credentials is answered for that asker alone.
    let public = !head.headers.contains_key(header::AUTHORIZATION);
    if reading && public && head.uri.query().is_none() {
        let key = app.cache.key(accepted, path, "");
        if let Some(kept) = app.cache.fresh(&key) {
            return send(&kept, &head.headers, How::Hit);
        }
    }
    if reading && let Some(asset) = assets::find(path) {
        return send_asset(app, path, accepted, asset, &head.headers).await;
    }
    if reading && let Some(answer) = health::answer(app, path).await {
        return plain(&answer);
    }
    routed(app, &head, body, accepted).await.unwrap_or_else(|error| refuse(app, path, &error))
}

/// A request for the route table.
async fn routed(app: &Arc<App>, head: &Parts, body: Incoming, accepted: Encoding) -> Result<Reply, Error> {
    let (path, raw_query) = (head.uri.path(), head.uri.query());
    if path.len() + raw_query.map_or(0, str::len) > TARGET_BYTES {
        return Err(Error::Invalid {
            where_: "address",
            why: format!("is longer than {TARGET_BYTES} bytes"),
        });
    }
    let found = app.router.find(path)?;
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(plain(&write::answer(app, found, (&head.method, path), &head.headers, body).await?));
    }
    let read = found.route.read.ok_or_else(|| Error::MethodNotAllowed { allow: found.route.allow() })?;
    Ok(match read_through(app, found, read, path, raw_query, accepted).await? {
        (Ok(kept), how) => send(&kept, &head.headers, how),
        (Err(error), _) => refuse(app, path, &error),
    })
}

/// A read by way of the cache, under a key that names only what matters.
async fn read_through(
    app: &Arc<App>,
    found: Found<'_>,
    read: ReadRoute,
    path: &str,
    raw_query: Option<&str>,
    accepted: Encoding,
) -> Result<(Result<Kept, Arc<Error>>, How), Error> {
    let query = query(raw_query, read.query)?;
    let named: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('%', "%25").replace('&', "%26")))
        .collect();
    let key = app.cache.key(accepted, path, &named.join("&"));
    let compute = || {
        let (app, params, query) = (app.clone(), found.params.clone(), query.clone());
        let decoded = super::router::decode(path).unwrap_or_else(|| path.to_owned());
        async move {
            let site = app.config.site.clone();
            let run =
                move |db: &Connection| (read.run)(&View { db, site: &site, path: &decoded, params, query });
            let answer = app.run(read.cost, run).await?;
            Ok(Computed { kept: Kept::of(&answer, accepted), tags: answer.tags })
        }
    };
    Ok(app.cache.get_or_compute(&key, app.cache.usual(), compute).await)
}

/// An answer that may be kept by whoever asks again first.
fn send(kept: &Kept, asked: &HeaderMap, how: How) -> Reply {
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
        (StatusCode::NOT_MODIFIED, Bytes::new())
    } else {
        (kept.status, kept.body.clone())
    };
    let mut reply = Response::new(Full::new(body));
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

/// A style sheet or picture of ours: its address changes with its content.
async fn send_asset(
    app: &Arc<App>,
    path: &str,
    accepted: Encoding,
    (content_type, bytes): (&'static str, &'static [u8]),
    asked: &HeaderMap,
) -> Reply {
    let compute = || async move {
        let answer = Answer {
            status: StatusCode::OK,
            content_type: crate::answer::ContentType::Text,
            body: Bytes::from_static(bytes),
            location: None,
            tags: Vec::new(),
        };
        Ok(Computed { kept: Kept::of(&answer, accepted), tags: Vec::new() })
    };
    let key = app.cache.key(accepted, "asset:", path);
    let (kept, how) = match app.cache.get_or_compute(&key, app.cache.usual(), compute).await {
        (Ok(kept), how) => (kept, how),
        (Err(error), _) => return refuse(app, path, &error),
    };
    let mut reply = send(&kept, asked, how);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let forever = if path == assets::style_path() {
        "public, max-age=31536000, immutable"
    } else {
        "public, max-age=86400"
    };
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(forever));
    reply
}

/// An answer for this asker only.
fn plain(answer: &Answer) -> Reply {
    let mut reply = Response::new(Full::new(answer.body.clone()));
    *reply.status_mut() = answer.status;
    let headers = reply.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type.header()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    locate(headers, answer.location.as_deref());
    headers.extend(SECURITY);
    reply
}

fn refuse(app: &App, path: &str, error: &Error) -> Reply {
    let answer = problem::answer(&app.config.site, path, &request_id(), error);
    let mut reply = plain(&answer);
    let headers = reply.headers_mut();
    if let Error::OutcomeUnknown { key, .. } | Error::NotStored { key, .. } = error
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
        _ if answer.status == StatusCode::SERVICE_UNAVAILABLE => {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(problem::RETRY_SECONDS));
        }
        _ if answer.status == StatusCode::UNAUTHORIZED => {
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

/// Names a request in the log and to its sender: process and number.
fn request_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn count(app: &App, reply: &Reply) {
    app.count(Counter::Requests);
    app.count(match reply.status().as_u16() {
        200..=299 => Counter::Status2xx,
        300..=399 => Counter::Status3xx,
        400..=499 => Counter::Status4xx,
        _ => Counter::Status5xx,
    });
    app.count_bytes(hyper::body::Body::size_hint(reply.body()).lower());
}
