//! The way of a request: the shared cache first, then the route, then the database, then back.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};
use hyper::Request;
use hyper::body::Incoming;
use rusqlite::Connection;
use veritable_config::settings::{Entry, Switch};
use veritable_domain::account::Scope;
use veritable_domain::permission::Groups;
use veritable_domain::time::UnixMillis;
use veritable_shm::Counter;

use super::asker::{self, Asker};
use super::encoding::Encoding;
use super::reply::{Reply, plain, refuse, send, send_own};
use super::router::{Found, ReadRoute, query};
use super::stream::Origin;
use super::{health, own, peer, problem, write};
use crate::answer::{Answer, ContentType};
use crate::app::App;
use crate::assets;
use crate::cache::{Computed, How, Kept};
use crate::error::Error;
use crate::routes::View;

/// Longest address: what browsers and proxies agree on.
const TARGET_BYTES: usize = 8 * 1024;
/// A year: what browsers' lists of such sites ask for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

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
        return answer.map_or_else(
            || refuse(&app.config.site, &path, &request_id(), &nothing()),
            |answer| plain(&answer, Encoding::Identity),
        );
    }
    let mut reply = match tokio::time::timeout(within, dispatch(&app, origin, request)).await {
        Ok(reply) => reply,
        Err(_) => {
            let late = problem::of_status(
                &app.config.site,
                &path,
                &request_id(),
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long",
            );
            plain(&late, Encoding::Identity)
        }
    };
    if app.is_closing() && version < http::Version::HTTP_2 {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if app.config.accounts.hsts == Switch::On {
        reply.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    count(&app, &reply);
    tracing::debug!(
        target: "access",
        client = client.map(tracing::field::display),
        %method,
        path = loggable(&path),
        status = reply.status().as_u16(),
        bytes = hyper::body::Body::size_hint(reply.body()).lower(),
        micros = begun.elapsed().as_micros(),
    );
    reply
}

async fn dispatch(app: &Arc<App>, origin: &Origin, request: Request<Incoming>) -> Reply {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let reading = matches!(head.method, Method::GET | Method::HEAD);
    let accepted =
        Encoding::accepted(head.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()));
    let anonymous = asker::is_anonymous(app, &head.headers);
    if reading && anonymous && head.uri.query().is_none() {
        let key = app.cache.key(accepted, Groups::EVERYONE, path, "");
        if let Some(kept) = app.cache.fresh(&key) {
            return send(&kept, &head.headers, How::Hit);
        }
    }
    if reading && let Some(asset) = assets::find(path) {
        return send_asset(app, path, accepted, asset, &head.headers).await;
    }
    if reading && let Some(answer) = health::answer(app, path).await {
        return plain(&answer, Encoding::Identity);
    }
    let address = peer::client(origin, &head.headers, &app.trusted_proxies);
    routed(app, &head, body, accepted, address)
        .await
        .unwrap_or_else(|error| refuse(&app.config.site, path, &request_id(), &error))
}

/// A request for the route table.
async fn routed(
    app: &Arc<App>,
    head: &Parts,
    body: Incoming,
    accepted: Encoding,
    address: Option<IpAddr>,
) -> Result<Reply, Error> {
    let (path, raw_query) = (head.uri.path(), head.uri.query());
    if path.len() + raw_query.map_or(0, str::len) > TARGET_BYTES {
        return Err(Error::Invalid {
            where_: "address",
            why: format!("is longer than {TARGET_BYTES} bytes"),
        });
    }
    let (found, now) = (app.router.find(path)?, UnixMillis::now());
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(plain(&write::answer(app, found, head, body, (address, now)).await?, accepted));
    }
    if let Some(page) = &found.route.own {
        let asker = asker::of(app, &head.headers, address, now).await?;
        let query = query(raw_query, page.query)?;
        let asked = own::Asked { path, raw_query, params: found.params, query };
        return Ok(plain(&own::answer(app, page, asked, asker, now).await?, accepted));
    }
    let read = found.route.read.ok_or_else(|| Error::MethodNotAllowed { allow: found.route.allow() })?;
    let asker = if asker::is_anonymous(app, &head.headers) {
        Asker::guest(address, None)
    } else {
        asker::of(app, &head.headers, address, now).await?
    };
    asker.within(Scope::Read)?;
    let audience = asker.actor.groups;
    let (kept, how) = match read_through(app, found, read, (path, raw_query), accepted, audience).await? {
        (Ok(kept), how) => (kept, how),
        (Err(error), _) => return Ok(refuse(&app.config.site, path, &request_id(), &error)),
    };
    if audience == Groups::EVERYONE {
        return Ok(send(&kept, &head.headers, how));
    }
    let page = own::fill(app, &kept, &asker).await?;
    Ok(send_own(&kept, page, accepted, how))
}

/// A read by way of the cache, under a key that names only what matters: the address, and who may see what.
async fn read_through(
    app: &Arc<App>,
    found: Found<'_>,
    read: ReadRoute,
    (path, raw_query): (&str, Option<&str>),
    accepted: Encoding,
    audience: Groups,
) -> Result<(Result<Kept, Arc<Error>>, How), Error> {
    let query = query(raw_query, read.query)?;
    let named: Vec<String> = query
        .iter()
        .map(|(name, value)| format!("{name}={}", value.replace('%', "%25").replace('&', "%26")))
        .collect();
    // What is filled for each person is compressed afterwards.
    let accepted = if audience == Groups::EVERYONE { accepted } else { Encoding::Identity };
    let key = app.cache.key(accepted, audience, path, &named.join("&"));
    let compute = || {
        let (app, params, query) = (app.clone(), found.params.clone(), query.clone());
        let decoded = super::router::decode(path).unwrap_or_else(|| path.to_owned());
        async move {
            let site = app.config.site.clone();
            let run = move |db: &Connection| {
                (read.run)(&View { db, site: &site, audience, path: &decoded, params, query })
            };
            let answer = app.run(read.cost, run).await?;
            Ok(Computed { kept: Kept::of(&answer, accepted), tags: answer.tags })
        }
    };
    Ok(app.cache.get_or_compute(&key, app.cache.usual(), compute).await)
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
        let answer = Answer::new(StatusCode::OK, ContentType::Text, Bytes::from_static(bytes));
        Ok(Computed { kept: Kept::of(&answer, accepted), tags: Vec::new() })
    };
    let key = app.cache.key(accepted, Groups::EVERYONE, "asset:", path);
    let (kept, how) = match app.cache.get_or_compute(&key, app.cache.usual(), compute).await {
        (Ok(kept), how) => (kept, how),
        (Err(error), _) => return refuse(&app.config.site, path, &request_id(), &error),
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

/// What the addresses begin with that end in a secret: links sent by mail.
static SECRET: LazyLock<Vec<&str>> = LazyLock::new(|| {
    let table = crate::routes::table();
    table.iter().filter_map(|(pattern, _)| Some(pattern.split_once("{secret}")?.0)).collect()
});

/// A path as the log may have it: without the secret of such a link.
pub(crate) fn loggable(path: &str) -> &str {
    SECRET.iter().find(|beginning| path.starts_with(**beginning)).copied().unwrap_or(path)
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
