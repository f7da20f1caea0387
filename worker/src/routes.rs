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

/// The key of a change, and what its sender calls it.
#[derive(Clone, Debug)]
pub struct ChangeKey {
    /// As the writer knows it.
    pub key: IdempotencyKey,
    /// As it stood in the `Idempotency-Key` header, or was made up.
    pub name: String,
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
    pub key: ChangeKey,
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
pub type Write =
    for<'a> fn(&'a App, Change) -> Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

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

const POINT: Cost = Cost::Point;
const POOL: Cost = Cost::Pool;

/// What MediaWiki's addresses may ask for.
const OLD_WIKI: &[&str] = &["title", "oldid", "curid", "action", "diff", "redirect"];

const fn get(cost: Cost, query: &'static [&'static str], run: Read) -> Endpoint {
    Endpoint::Read { cost, query, run }
}

const fn set(method: http::Method, run: Write) -> Endpoint {
    Endpoint::Write { method, run }
}

/// Every address with what answers it, in the router's syntax. An address may stand here once for
/// reading and once for each method that changes it.
pub fn table() -> Vec<(&'static str, Endpoint)> {
    use crate::handlers::{api_forum, api_wiki, changes, forum, old, search, topic, user, wiki};
    vec![
        // Pages.
        ("/", get(POINT, &[], forum::front)),
        ("/latest", get(POINT, &["before"], forum::latest)),
        ("/c/{slug}/{id}", get(POINT, &["before"], forum::category)),
        ("/t/{slug}/{id}", get(POINT, &["after"], topic::whole)),
        ("/t/{slug}/{id}/{number}", get(POINT, &["after"], topic::from_post)),
        ("/u/{name}", get(POINT, &["before"], user::profile)),
        ("/u/{name}/edits", get(POINT, &["before"], user::edits)),
        ("/wiki", get(POINT, &["from"], wiki::lists::index)),
        (
            "/wiki/{*title}",
            get(POINT, &["action", "before", "redirect", "from", "oldid", "diff"], wiki::page),
        ),
        ("/wiki-revision/{id}", get(POOL, &[], wiki::revisions::revision)),
        ("/wiki-diff/{old}/{new}", get(POOL, &[], wiki::revisions::difference)),
        ("/wiki-all", get(POOL, &["from"], wiki::lists::all)),
        ("/recent", get(POINT, &["before"], wiki::lists::recent)),
        ("/search", get(POOL, &["q", "in", "page"], search::page)),
        // Old addresses and machines.
        ("/t/{id}", get(POINT, &[], topic::by_id)),
        ("/c/{parent}/{slug}/{id}", get(POINT, &[], forum::category)),
        ("/categories", get(POINT, &[], old::categories)),
        ("/users/{name}", get(POINT, &[], old::profile)),
        ("/u/{name}/{*part}", get(POINT, &[], old::profile)),
        ("/p/{id}", get(POINT, &[], topic::post_by_id)),
        ("/index.php", get(POINT, OLD_WIKI, old::index_php)),
        ("/w/index.php", get(POINT, OLD_WIKI, old::index_php)),
        ("/robots.txt", get(POINT, &[], old::robots)),
        // API.
        ("/api/forums", get(POINT, &[], api_forum::categories)),
        ("/api/forums/topics", get(POINT, &["before", "limit"], api_forum::latest)),
        ("/api/forums/{id}/topics", get(POINT, &["before", "limit"], api_forum::topics)),
        ("/api/forums/{id}/topics", set(http::Method::POST, changes::create_topic)),
        ("/api/forums/{id}/posts", get(POINT, &["before", "limit"], api_forum::category_posts)),
        ("/api/topics/{id}", get(POINT, &[], api_forum::topic)),
        ("/api/topics/{id}/posts", get(POINT, &["after", "limit"], api_forum::posts)),
        ("/api/topics/{id}/posts", set(http::Method::POST, changes::reply)),
        ("/api/posts/{id}", get(POINT, &[], api_forum::post)),
        ("/api/posts/{id}", set(http::Method::PATCH, changes::edit_post)),
        ("/api/wiki/pages", get(POINT, &["from", "limit"], api_wiki::pages)),
        ("/api/wiki/pages", set(http::Method::PUT, changes::save_page)),
        ("/api/wiki/pages/{id}", get(POINT, &[], api_wiki::page)),
        ("/api/wiki/pages/{id}/history", get(POINT, &["before", "limit"], api_wiki::history)),
        ("/api/wiki/revisions/{id}", get(POINT, &[], api_wiki::revision)),
        ("/api/wiki/changes", get(POINT, &["before", "limit"], api_wiki::changes)),
        ("/api/users/{name}", get(POINT, &[], api_forum::user)),
        ("/api/users/{name}/edits", get(POINT, &["before", "limit"], api_wiki::user_edits)),
        ("/api/users/{name}/posts", get(POINT, &["before", "limit"], api_forum::user_posts)),
        ("/api/search", get(POOL, &["q", "in", "after", "limit"], search::api)),
    ]
}
