//! The table of contents: every address this server answers, one line each.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use veritable_config::settings::Site;
use veritable_domain::account::Scope;
use veritable_domain::permission::{Actor, Deed, Denial, Groups, may};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::IdempotencyKey;

use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
pub use crate::http::asker::{Asker, KnownBy};
pub use crate::http::body::Fields;
use crate::openapi;

/// Everything a read may look at. The same view of the same database yields the same answer: that is
/// what lets any worker keep it, for everybody who is in the same groups.
pub struct View<'a> {
    /// A read-only connection to forums.db within one read transaction.
    pub db: &'a rusqlite::Connection,
    /// What the site says of itself.
    pub site: &'a Site,
    /// The groups that those are in who will see it: all of one answer's may see the same.
    pub audience: Groups,
    /// The request's path, percent-decoded.
    pub path: &'a str,
    /// Parts of the path by the names in the route's pattern, percent-decoded.
    pub params: BTreeMap<&'static str, String>,
    /// Those query parameters that the route names, percent-decoded; the last one wins.
    pub query: BTreeMap<&'static str, String>,
}

impl View<'_> {
    /// Whether those who will see it may do something, none of them as its author.
    #[must_use]
    pub fn may(&self, deed: Deed) -> bool {
        may(Actor { user: None, role: self.audience.role(), groups: self.audience }, deed).is_ok()
    }
}

/// The key of a change, and what its sender calls it.
#[derive(Clone, Debug)]
pub struct ChangeKey {
    /// As the writer knows it.
    pub key: IdempotencyKey,
    /// As it stood in the `Idempotency-Key` header, or was made up.
    pub name: String,
}

impl ChangeKey {
    /// One that nobody will ask about.
    pub(crate) fn of(key: IdempotencyKey) -> ChangeKey {
        ChangeKey { key, name: String::new() }
    }
}

/// A change asked for over the API.
pub struct Change {
    /// Who asks: always somebody.
    pub asker: Asker,
    /// Parts of the path, as in [`View`].
    pub params: BTreeMap<&'static str, String>,
    /// The body, within the bound.
    pub body: Bytes,
    /// From the `Idempotency-Key` header, or made up.
    pub key: ChangeKey,
    /// One clock reading for the whole request.
    pub now: UnixMillis,
}

/// A page asked for that is another for each person.
pub struct Visit {
    /// Who asks: with the role that the route asks for.
    pub asker: Asker,
    /// The path and the query, as they were asked for.
    pub address: String,
    /// Parts of the path, as in [`View`].
    pub params: BTreeMap<&'static str, String>,
    /// Query parameters that the route names, as in [`View`].
    pub query: BTreeMap<&'static str, String>,
    /// One clock reading for the whole request.
    pub now: UnixMillis,
}

/// A form sent from a page of ours.
pub struct Submission {
    /// Who asks: with the role that the route asks for.
    pub asker: Asker,
    /// Parts of the path, as in [`View`].
    pub params: BTreeMap<&'static str, String>,
    /// What was filled in.
    pub fields: Fields,
    /// What the browser says of itself.
    pub user_agent: String,
    /// From the form, or made up: a form that is sent twice is done once.
    pub key: ChangeKey,
    /// One clock reading for the whole request.
    pub now: UnixMillis,
}

/// Who a page or form is for at all; what they may do with it is asked of `permission`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Everybody.
    Anyone,
    /// Who has an account.
    Member,
    /// Who keeps order somewhere.
    Moderator,
    /// Administrators.
    Administrator,
}

impl Who {
    /// Whether somebody is one of them.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn admit(self, actor: Actor) -> Result<(), Denial> {
        match self {
            Who::Anyone => Ok(()),
            Who::Member => may(actor, Deed::OwnThings),
            Who::Moderator => may(actor, Deed::KeepOrder),
            Who::Administrator => may(actor, Deed::Administer),
        }
    }
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

/// An answer that is being made.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// A change: builds a command, sends it, tells what came of it.
pub type Write = for<'a> fn(&'a App, Change) -> Pending<'a>;

/// A page that is another for each person.
pub type Own = for<'a> fn(&'a App, Visit) -> Pending<'a>;

/// What a form does.
pub type Form = for<'a> fn(&'a App, Submission) -> Pending<'a>;

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
    /// `GET` and `HEAD` of a page that is another for each person, and is kept by nobody.
    Own {
        /// Who it is for.
        who: Who,
        /// Query parameters that matter.
        query: &'static [&'static str],
        /// What runs.
        run: Own,
    },
    /// `POST` of a form from a page of ours.
    Form {
        /// Who it is for.
        who: Who,
        /// What runs.
        run: Form,
    },
    /// A method of the API that changes something.
    Write {
        /// `POST`, `PUT`, `PATCH` or `DELETE`.
        method: http::Method,
        /// What a token needs to be for.
        scope: Scope,
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

const fn set(method: http::Method, scope: Scope, run: Write) -> Endpoint {
    Endpoint::Write { method, scope, run }
}

const fn own(who: Who, query: &'static [&'static str], run: Own) -> Endpoint {
    Endpoint::Own { who, query, run }
}

const fn form(who: Who, run: Form) -> Endpoint {
    Endpoint::Form { who, run }
}

/// Every address with what answers it, in the router's syntax. An address may stand here once for
/// reading and once for each method that changes it.
pub fn table() -> Vec<(&'static str, Endpoint)> {
    use crate::handlers::accounts::{home, joining, login, passwords};
    use crate::handlers::{api_forum, api_wiki, changes, drafts, forum, old, search, topic, user, wiki};
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
        // Accounts.
        ("/login", own(Who::Anyone, &["next", "done"], login::page)),
        ("/login", form(Who::Anyone, login::submit)),
        ("/logout", form(Who::Anyone, login::out)),
        ("/signup", own(Who::Anyone, &["invitation"], joining::page)),
        ("/signup", form(Who::Anyone, joining::submit)),
        ("/verify/{secret}", own(Who::Anyone, &[], joining::verify_page)),
        ("/verify/{secret}", form(Who::Anyone, joining::verify)),
        ("/forgot", own(Who::Anyone, &[], passwords::forgot_page)),
        ("/forgot", form(Who::Anyone, passwords::forgot)),
        ("/reset/{secret}", own(Who::Anyone, &[], passwords::reset_page)),
        ("/reset/{secret}", form(Who::Anyone, passwords::reset)),
        ("/account", own(Who::Member, &["done"], home::page)),
        ("/account/password", form(Who::Member, passwords::change)),
        ("/account/sessions/end", form(Who::Member, home::end_session)),
        ("/account/sessions/end-others", form(Who::Member, home::end_sessions)),
        ("/drafts", own(Who::Member, &[], drafts::list)),
        ("/drafts/forget", form(Who::Member, drafts::forget)),
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
        (openapi::PATH, get(POINT, &[], openapi::served)),
        ("/api/forums", get(POINT, &[], api_forum::categories)),
        ("/api/forums/topics", get(POINT, &["before", "limit"], api_forum::latest)),
        ("/api/forums/{id}/topics", get(POINT, &["before", "limit"], api_forum::topics)),
        ("/api/forums/{id}/topics", set(http::Method::POST, Scope::Write, changes::create_topic)),
        ("/api/forums/{id}/posts", get(POINT, &["before", "limit"], api_forum::category_posts)),
        ("/api/topics/{id}", get(POINT, &[], api_forum::topic)),
        ("/api/topics/{id}/posts", get(POINT, &["after", "limit"], api_forum::posts)),
        ("/api/topics/{id}/posts", set(http::Method::POST, Scope::Write, changes::reply)),
        ("/api/posts/{id}", get(POINT, &[], api_forum::post)),
        ("/api/posts/{id}", set(http::Method::PATCH, Scope::Write, changes::edit_post)),
        ("/api/wiki/pages", get(POINT, &["from", "limit"], api_wiki::pages)),
        ("/api/wiki/pages", set(http::Method::PUT, Scope::Write, changes::save_page)),
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
