//! One request from its head to its answer, as it is counted and logged: by which route it was answered and how
//! long that took, what it is called, whose it is.
//!
//! The name of a request is the one its sender gave (`X-Request-Id`), or is made up when one is needed: for an error
//! page, or for a line of the log. Whoever has a name, given or made, finds it in the answer.

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, OnceLock};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use hyper::body::Body;
use uuid::Uuid;
use veritable_config::settings;
use veritable_shm::{Counter, RouteId, SLO};

use super::peer;
use super::reply::{Reply, X_CACHE};
use super::stream::Origin;
use super::trace::TraceContext;
use crate::app::App;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The beginnings of addresses that let in whoever has them, and the patterns of their routes.
static SECRET: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let table = crate::routes::table();
    table.iter().filter_map(|(pattern, _)| Some((pattern.split_once("{secret}")?.0, *pattern))).collect()
});
/// Longest name taken from a sender: several times a UUID.
const ID_BYTES: usize = 128;

/// A path as the log may have it: whoever reads the log is not to have what was sent to somebody alone.
pub(crate) fn loggable(path: &str) -> &str {
    SECRET.iter().find(|(beginning, _)| path.starts_with(beginning)).map_or(path, |(_, pattern)| pattern)
}

/// A request.
pub(crate) struct Access {
    pub(crate) head: Parts,
    begun: Instant,
    /// A [`RouteId`]'s number.
    route: AtomicU16,
    id: OnceLock<String>,
}

impl Access {
    /// One whose head was just read.
    pub(crate) fn now(head: Parts) -> Access {
        let route = AtomicU16::new(RouteId::OTHER.number());
        Access { head, begun: Instant::now(), route, id: OnceLock::new() }
    }

    /// Its path, as it was sent.
    pub(crate) fn path(&self) -> &str {
        self.head.uri.path()
    }

    /// Says what answers it.
    pub(crate) fn is_for(&self, route: RouteId) {
        self.route.store(route.number(), Ordering::Relaxed);
    }

    /// What it is called.
    pub(crate) fn id(&self) -> &str {
        self.id.get_or_init(|| match self.given() {
            Some(id) => String::from_utf8_lossy(id.as_bytes()).into_owned(),
            None => Uuid::now_v7().to_string(),
        })
    }

    /// The name its sender gave it, if that is one: what could do harm in a log or a page, or has no end, is none.
    fn given(&self) -> Option<&HeaderValue> {
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte);
        self.head
            .headers
            .get(X_REQUEST_ID)
            .filter(|id| (1..=ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(is_plain))
    }

    /// Counts and logs it with its answer, and puts its name there.
    pub(crate) fn answered(&self, app: &App, origin: &Origin, reply: &mut Reply) {
        let took = self.begun.elapsed();
        let route = RouteId::from_number(self.route.load(Ordering::Relaxed));
        app.routes.record(route, reply.status().as_u16(), took);
        app.count(Counter::Requests);
        app.count_bytes(reply.body().size_hint().lower());
        let has_line = match app.config.log.access {
            settings::Access::Off => false,
            settings::Access::Slow => took > SLO,
            settings::Access::On => true,
        };
        if has_line && tracing::enabled!(target: "access", tracing::Level::INFO) {
            self.log(app, origin, route, reply, took);
        }
        let id = match self.id.get() {
            Some(id) => HeaderValue::from_str(id).ok(),
            None => self.given().cloned(),
        };
        if let Some(id) = id {
            reply.headers_mut().insert(X_REQUEST_ID, id);
        }
    }

    fn log(&self, app: &App, origin: &Origin, route: RouteId, reply: &Reply, took: Duration) {
        let Parts { method, headers, .. } = &self.head;
        let name = app.route_name(route);
        let client = peer::client(origin, headers, &app.trusted_proxies);
        let trace = TraceContext::of(headers);
        let cache = reply.headers().get(X_CACHE).and_then(|value| value.to_str().ok());
        tracing::info!(
            target: "access",
            request_id = self.id(),
            client = client.map(display),
            %method,
            path = loggable(self.path()),
            route = name,
            status = reply.status().as_u16(),
            body_bytes = reply.body().size_hint().lower(),
            duration_ms = (took.as_secs_f64() * 1e6).round() / 1e3,
            cache,
            trace_id = trace.as_ref().map(|trace| display(&trace.trace)),
            parent_span_id = trace.as_ref().map(|trace| display(&trace.parent)),
            span_id = trace.as_ref().map(|trace| display(&trace.span)),
            sampled = trace.as_ref().map(|trace| trace.sampled),
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: Option<&[u8]>) -> Access {
        let mut request = http::Request::new(());
        if let Some(id) = id {
            request.headers_mut().insert(X_REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        }
        Access::now(request.into_parts().0)
    }

    #[test]
    fn a_senders_name_is_kept_and_what_is_none_is_replaced() {
        assert_eq!(asked(Some(b"a.b-C_9:/+=@")).id(), "a.b-C_9:/+=@");
        let long = [b'x'; ID_BYTES + 1];
        for bad in
            [None, Some(&b""[..]), Some(&long[..]), Some(b"a b"), Some(b"\"a"), Some(b"a\tb"), Some(b"\xff")]
        {
            let one = asked(bad);
            assert!(Uuid::try_parse(one.id()).is_ok(), "{bad:?}");
            assert_eq!(one.id(), one.id());
            assert_ne!(one.id(), asked(bad).id());
        }
        assert_eq!(asked(Some(&long[1..])).id().len(), ID_BYTES);
    }
}
