//! What may answer an address: what each kind is given, and who may ask it. The addresses themselves are in `table`.

mod table;

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
pub use table::table;

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
    /// As it stood in the `Idempotency-Key` header, or was made up; `None` of one that cannot be asked about.
    pub name: Option<String>,
}

impl ChangeKey {
    /// One that nobody will ask about.
    pub(crate) fn of(key: IdempotencyKey) -> ChangeKey {
        ChangeKey { key, name: None }
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
    /// The cookie by which a browser is known in which somebody logged in before.
    pub device: Option<String>,
    /// From the form, or made up: a form that is sent twice is done once.
    pub key: ChangeKey,
    /// One clock reading for the whole request.
    pub now: UnixMillis,
}

/// A picture that is sent.
pub struct Sending {
    /// Who sends it: always somebody.
    pub asker: Asker,
    /// What it is called; may be empty.
    pub name: String,
    /// Its file, within the bound; may be empty.
    pub file: Bytes,
    /// From the `Idempotency-Key` header, or made up.
    pub key: ChangeKey,
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

/// How long an answer is kept when nothing ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// As the settings say: every change of what it shows ends it.
    Usual,
    /// For some seconds: of changes, only those end it that hide something it may show.
    Briefly,
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

/// What takes a picture.
pub type Upload = for<'a> fn(&'a App, Sending) -> Pending<'a>;

/// Whether people write in a form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// No.
    None,
    /// Yes: it is shown back whatever fails, to be sent again.
    Short,
    /// The same, and it has buttons for a preview and for a draft, which may be pressed more often than what is sent.
    Drafted,
}

/// What answers a route.
pub enum Endpoint {
    /// `GET` and `HEAD`, kept in the shared cache.
    Read {
        /// How it is run.
        cost: Cost,
        /// How long it is kept.
        keep: Keep,
        /// Query parameters that matter; all others are ignored.
        query: &'static [&'static str],
        /// What runs.
        run: Read,
    },
    /// `GET` and `HEAD` of a page that is another for each person, and is kept by nobody.
    Own {
        /// Who it is for.
        who: Who,
        /// What a token needs to be for; `None`: it is a page, and for no token.
        scope: Option<Scope>,
        /// Query parameters that matter.
        query: &'static [&'static str],
        /// What runs.
        run: Own,
    },
    /// `POST` of a form from a page of ours.
    Form {
        /// Who it is for.
        who: Who,
        /// Whether people write in it.
        text: Text,
        /// What runs.
        run: Form,
    },
    /// `POST` of a picture by somebody with an account.
    Upload {
        /// From a form of ours (`multipart/form-data`) rather than by the API (that, or the picture alone).
        is_form: bool,
        /// What runs.
        run: Upload,
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

impl Endpoint {
    /// The method that it answers, beside `HEAD` where that is `GET`.
    pub fn method(&self) -> http::Method {
        match self {
            Endpoint::Read { .. } | Endpoint::Own { .. } => http::Method::GET,
            Endpoint::Form { .. } | Endpoint::Upload { .. } => http::Method::POST,
            Endpoint::Write { method, .. } => method.clone(),
        }
    }
}
