//! The table of contents: every address this server answers, one line each.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use veritable_config::settings::Site;
use veritable_domain::permission::Actor;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::IdempotencyKey;

use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;

/// Everything a read may look at. The same view of the same database yields the same answer: that is
/// what lets any worker keep it.
pub struct View<'a> {
    /// A read-only connection to forums.db within one read transaction.
    pub db: &'a rusqlite::Connection,
    /// What the site says of itself.
    pub site: &'a Site,
    /// The request's path, percent-decoded.
    pub path: &'a str,
    /// Parts of the path by the names in the route's pattern, percent-decoded.
    pub params: BTreeMap<&'static str, String>,
    /// Those query parameters that the route names, percent-decoded; the last one wins.
    pub query: BTreeMap<&'static str, String>,
}

/// A change asked for over the API.
pub struct Change {
    /// Who asks: always somebody, the token was checked.
    pub actor: Actor,
    /// Parts of the path, as in [`View`].
    pub params: BTreeMap<&'static str, String>,
    /// The body, within the bound.
    pub body: Bytes,
    /// From the `Idempotency-Key` header, or made up.
    pub key: IdempotencyKey,
    /// One clock reading for the whole request.
    pub now: UnixMillis,
}

/// How a read is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// A few indexed rows: cheaper than handing it to a thread, so it runs on the event loop.
    Point,
    /// Anything larger: runs on the read pool.
    Pool,
}

/// A read: synchronous, pure but for the database.
pub type Read = fn(&View<'_>) -> Result<Answer, Error>;

/// A change: builds a command, sends it, tells what came of it.
pub type Write = for<'a> fn(&'a App, Change) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// What answers a route.
pub enum Endpoint {
    /// `GET` and `HEAD`, kept in the shared cache.
    Read {
        /// How it is run.
        cost: Cost,
        /// Query parameters that matter; all others are ignored.
        query: &'static [&'static str],
        /// What runs.
        run: Read,
    },
    /// A method that changes something.
    Write {
        /// `POST`, `PUT`, `PATCH` or `DELETE`.
        method: http::Method,
        /// What runs.
        run: Write,
    },
}
