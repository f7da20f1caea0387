//! The way of a request: the shared cache first, then the route, then the database, then back.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::Request;
use rusqlite::Connection;
use veritable_config::settings::{Entry, Switch};
use veritable_domain::account::Scope;
use veritable_domain::permission::Groups;
use veritable_domain::time::UnixMillis;

use super::access::Access;
use super::asker::{self, Asker};
use super::content::Body;
use super::encoding::Encoding;
use super::received::Received;
use super::reply::{PRIVATE, Reply, plain, refuse, refuse_to, send, send_own};
use super::router::{Found, ReadRoute, query};
use super::stream::Origin;
use super::{csrf, health, own, peer, problem, upload, write};
use crate::answer::{Answer, ContentType};
use crate::app::App;
use crate::assets;
use crate::cache::{Computed, How, Kept};
use crate::error::Error;
use crate::metrics;
use crate::routes::{Keep, View};

/// Longest address: what browsers and proxies agree on.
const TARGET_BYTES: usize = 8 * 1024;
/// A year: what browsers' lists of such sites ask for.
const HSTS: HeaderValue = HeaderValue::from_static("max-age=31536000; includeSubDomains");

/// Answers one request. Nothing a client sends makes this fail: every error is an answer.
pub(crate) async fn answer(app: Arc<App>, origin: &Origin, request: Request<Received>) -> Reply {
    let (head, body) = request.into_parts();
    let access = Access::now(head);
    let within = Duration::from_secs(app.config.http.request_seconds.into());
    let mut answering = pin!(async {
        match origin.entry {
            Entry::Health => Box::pin(for_health(&app, &access)).await,
            Entry::Public | Entry::Proxy => dispatch(&app, origin, &access, body).await,
        }
    });
    // Most are answered at once and need no timer.
    let at_once = poll_fn(|cx| Poll::Ready(answering.as_mut().poll(cx))).await;
    let answered = match at_once {
        Poll::Ready(reply) => Ok(reply),
        Poll::Pending => tokio::time::timeout(within, answering).await,
    };
    let mut reply = match answered {
        Ok(reply) => reply,
        Err(_) => {
            let late = problem::of_status(
                &app.config.site,
                access.path(),
                access.id(),
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long",
            );
            plain(&late, Encoding::Identity)
        }
    };
    if app.is_closing() && access.head.version < http::Version::HTTP_2 {
        reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if app.config.accounts.hsts == Switch::On {
        reply.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, HSTS);
    }
    access.answered(&app, origin, &mut reply);
    reply
}

/// A request that came in at a health address.
async fn for_health(app: &App, access: &Access) -> Reply {
    if access.path() == "/metrics" {
        access.is_for(app.health);
        let (content_type, page) = metrics::page(app, access.head.headers.get(header::ACCEPT)).await;
        let mut reply = Reply::new(Body::Whole(Full::new(page.into())));
        reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        return reply;
    }
    match health::answer(app, access.path()).await {
        Some(answer) => {
            access.is_for(app.health);
            plain(&answer, Encoding::Identity)
        }
        None => refused(app, access, &Error::NotFound { what: "page at a health address".into() }),
    }
}

fn refused(app: &App, access: &Access, error: &Error) -> Reply {
    refuse(&app.config.site, access.path(), access.id(), error)
}

async fn dispatch(app: &Arc<App>, origin: &Origin, access: &Access, body: Received) -> Reply {
    let (head, path) = (&access.head, access.path());
    let reading = matches!(head.method, Method::GET | Method::HEAD);
    // A proxy may have looked at the one and we at the other (RFC 9112, 3.2).
    if head.headers.get_all(header::HOST).iter().nth(1).is_some() {
        return refused(
            app,
            access,
            &Error::Invalid { where_: "header Host", why: "it is there twice".into() },
        );
    }
    let accepted =
        Encoding::accepted(head.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()));
    let anonymous = asker::is_anonymous(app, &head.headers, path);
    if reading && anonymous && head.uri.query().is_none() {
        let key = app.cache.key(accepted, Groups::EVERYONE, path, "");
        if let Some(kept) = app.cache.fresh(&key) {
            access.is_for(kept.route);
            return send(&kept, &head.headers, How::Hit);
        }
    }
    if reading && let Some(asset) = assets::find(path) {
        return Box::pin(send_asset(app, access, accepted, asset)).await;
    }
    if reading && let Some(name) = path.strip_prefix(upload::PICTURES) {
        access.is_for(app.picture);
        return Box::pin(upload::send(app, name, &head.headers))
            .await
            .unwrap_or_else(|error| refused(app, access, &error));
    }
    if reading && let Some(answer) = Box::pin(health::answer(app, path)).await {
        access.is_for(app.health);
        return plain(&answer, Encoding::Identity);
    }
    let address = peer::client(origin, &head.headers, &app.trusted_proxies);
    // What follows is kept apart from what a hit needs: a future is copied several times on its way, with all that it may
    // ever hold.
    match Box::pin(routed(app, access, body, accepted, address)).await {
        Ok(reply) => reply,
        Err(error) if anonymous || path.starts_with("/api") => refused(app, access, &error),
        Err(error) => {
            let menu = Box::pin(own::menu(app, (&head.headers, path), address)).await;
            refuse_to(&app.config.site, path, access.id(), &error, menu)
        }
    }
}

/// A request for the route table.
async fn routed(
    app: &Arc<App>,
    access: &Access,
    body: Received,
    accepted: Encoding,
    address: Option<IpAddr>,
) -> Result<Reply, Error> {
    let head = &access.head;
    let (path, raw_query) = (head.uri.path(), head.uri.query());
    if path.len() + raw_query.map_or(0, str::len) > TARGET_BYTES {
        return Err(Error::Invalid {
            where_: "address",
            why: format!("is longer than {TARGET_BYTES} bytes"),
        });
    }
    let (found, now) = (app.router.find(path)?, UnixMillis::now());
    access.is_for(found.route.id);
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return Ok(plain(&write::answer(app, found, head, body, (address, now)).await?, accepted));
    }
    if let Some(page) = &found.route.own {
        csrf::check_destination(&head.headers)?;
        let asker = asker::of(app, (&head.headers, path), address, now).await?;
        let query = query(raw_query, page.query)?;
        let asked = own::Asked { path, raw_query, params: found.params, query };
        return Ok(plain(&own::answer(app, page, asked, asker, now).await?, accepted));
    }
    let read = found.route.read.ok_or_else(|| Error::MethodNotAllowed { allow: found.route.allow() })?;
    let asker = if asker::is_anonymous(app, &head.headers, path) {
        Asker::guest(address, None)
    } else {
        asker::of(app, (&head.headers, path), address, now).await?
    };
    asker.within(Scope::Read)?;
    let audience = asker.actor.groups;
    let (kept, how) = match read_through(app, found, read, (path, raw_query), accepted, audience).await? {
        (Ok(kept), how) => (kept, how),
        (Err(error), _) => return Ok(refused(app, access, &error)),
    };
    if audience == Groups::EVERYONE {
        return Ok(send(&kept, &head.headers, how));
    }
    if kept.content_type != ContentType::Html {
        let mut reply = send(&kept, &head.headers, how);
        reply.headers_mut().insert(header::CACHE_CONTROL, PRIVATE);
        return Ok(reply);
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
    let is_filled = audience != Groups::EVERYONE && !path.starts_with("/api");
    let accepted = if is_filled { Encoding::Identity } else { accepted };
    let key = app.cache.key(accepted, audience, path, &named.join("&"));
    let compute = || {
        let (app, params, query) = (app.clone(), found.params.clone(), query.clone());
        let route = found.route.id;
        let decoded = super::router::decode(path).unwrap_or_else(|| path.to_owned());
        async move {
            let site = app.config.site.clone();
            let run = move |db: &Connection| {
                (read.run)(&View { db, site: &site, audience, path: &decoded, params, query })
            };
            let answer = app.run(read.cost, run).await?;
            Ok(Computed { kept: Kept::of(&answer, accepted, route), tags: answer.tags })
        }
    };
    Ok(app.cache.get_or_compute(&key, app.cache.lifetime(read.keep), compute).await)
}

/// A style sheet or picture of ours: its address changes with its content.
async fn send_asset(
    app: &Arc<App>,
    access: &Access,
    accepted: Encoding,
    (content_type, bytes): (&'static str, &'static [u8]),
) -> Reply {
    let (path, route) = (access.path(), app.asset);
    access.is_for(route);
    let compute = || async move {
        let answer = Answer::new(StatusCode::OK, ContentType::Text, Bytes::from_static(bytes));
        Ok(Computed { kept: Kept::of(&answer, accepted, route), tags: Vec::new() })
    };
    let key = app.cache.key(accepted, Groups::EVERYONE, "asset:", path);
    let (kept, how) = match app.cache.get_or_compute(&key, app.cache.lifetime(Keep::Usual), compute).await {
        (Ok(kept), how) => (kept, how),
        (Err(error), _) => return refused(app, access, &error),
    };
    let mut reply = send(&kept, &access.head.headers, how);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    let forever =
        if assets::is_hashed(path) { "public, max-age=31536000, immutable" } else { "public, max-age=86400" };
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static(forever));
    reply
}
