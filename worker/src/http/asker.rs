//! Who asks: somebody with a session, a program with a token, or a guest.

use std::net::IpAddr;

use http::{HeaderMap, header};
use veritable_domain::account::{Scope, Scopes, Session};
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Actor, Denial};
use veritable_domain::secret;
use veritable_domain::time::UnixMillis;
use veritable_shm::SessionDigest;
use veritable_writer_api::message::By;

use super::cookies::Kind;
use super::csrf::Secret;
use crate::app::App;
use crate::error::Error;
use crate::reads::accounts;
use crate::routes::Cost;
use crate::sessions;

/// Longest token looked at.
const TOKEN_BYTES: usize = 256;

/// Who a request is from, and by what that is known.
#[derive(Clone, Debug)]
pub struct Asker {
    /// Who, and what they may do.
    pub actor: Actor,
    /// Where the request came from; `None`: from this host.
    pub address: Option<IpAddr>,
    /// By what it is known who asks.
    pub known_by: KnownBy,
}

/// By what it is known who asks.
#[derive(Clone, Debug)]
pub enum KnownBy {
    /// Nothing: a guest. The secret is that of the cookie by which forms are known again, if it has one.
    Nothing(Option<Secret>),
    /// A cookie with a session's token.
    Session {
        /// Of the token.
        digest: SessionDigest,
        /// What is known of the session.
        session: Session,
    },
    /// A token in the `Authorization` header, which no browser sends by itself.
    Token {
        /// What the token is for.
        scopes: Scopes,
        /// When it ends, if it does.
        expires_at: Option<UnixMillis>,
    },
}

impl Asker {
    /// Somebody of whom nothing is known.
    pub(crate) fn guest(address: Option<IpAddr>, secret: Option<Secret>) -> Asker {
        Asker { actor: Actor::GUEST, address, known_by: KnownBy::Nothing(secret) }
    }

    /// The account.
    ///
    /// # Errors
    /// A guest asks.
    pub fn user(&self) -> Result<UserId, Error> {
        self.actor.user.ok_or(Error::Unauthorized)
    }

    /// As the writer is told.
    pub fn by(&self) -> By {
        let address = self.address.map(|address| address.to_string()).unwrap_or_default();
        By { user: self.actor.user, address }
    }

    /// What this asker's forms must repeat, if anything is known by which they would be known again.
    pub fn secret(&self) -> Option<Secret> {
        match &self.known_by {
            KnownBy::Nothing(secret) => *secret,
            KnownBy::Session { session, .. } => Some(Secret(session.csrf)),
            KnownBy::Token { .. } => None,
        }
    }

    /// The session's digest, if it is by a session that this asker is known.
    pub fn session(&self) -> Option<&SessionDigest> {
        match &self.known_by {
            KnownBy::Session { digest, .. } => Some(digest),
            _ => None,
        }
    }

    /// Whether this asker may do what a token needs the scope for; a person in front of a browser may.
    ///
    /// # Errors
    /// A token without the scope.
    pub fn within(&self, scope: Scope) -> Result<(), Error> {
        match &self.known_by {
            KnownBy::Token { scopes, .. } if !scopes.has(scope) => Err(Error::Denied(Denial::Scope)),
            _ => Ok(()),
        }
    }
}

/// Begins the addresses that programs ask.
const API: &str = "/api";

/// What a request has in its `Authorization` header that matters here (RFC 6750; schemes are of any case, RFC 9110,
/// 11.1). What is not a token is not for us on a page: it may be for a proxy in front, and browsers repeat it.
fn authorization<'h>(headers: &'h HeaderMap, path: &str) -> Option<Result<&'h str, Error>> {
    let value = headers.get(header::AUTHORIZATION)?;
    let token = value.to_str().ok().map(|value| value.split_once(' ').unwrap_or((value, "")));
    match token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")) {
        Some((_, token)) if token.len() <= TOKEN_BYTES => Some(Ok(token.trim())),
        Some(_) => Some(Err(Error::Unauthorized)),
        None => path.starts_with(API).then_some(Err(Error::Unauthorized)),
    }
}

/// Whether a request says who it is from at all: one that does not is a guest's, and is answered without looking.
pub(crate) fn is_anonymous(app: &App, headers: &HeaderMap, path: &str) -> bool {
    authorization(headers, path).is_none()
        && (!headers.contains_key(header::COOKIE) || app.cookies.get(headers, Kind::Session).is_none())
}

/// Who a request is from. A session that is over is a guest's.
///
/// # Errors
/// [`Error::Unauthorized`] for a token that is none; the database cannot be read.
pub(crate) async fn of(
    app: &App,
    (headers, path): (&HeaderMap, &str),
    address: Option<IpAddr>,
    now: UnixMillis,
) -> Result<Asker, Error> {
    if let Some(token) = authorization(headers, path) {
        // The database knows only the hash, and finds it by an index: nothing here compares secrets by bytes.
        let hash = secret::digest(token?);
        let found = app.run(Cost::Point, move |db| Ok(accounts::by_token(db, &hash, now)?)).await?;
        let (actor, scopes, expires_at) = found.ok_or(Error::Unauthorized)?;
        return Ok(Asker { actor, address, known_by: KnownBy::Token { scopes, expires_at } });
    }
    if let Some(token) = app.cookies.get(headers, Kind::Session).filter(|token| token.len() <= TOKEN_BYTES) {
        let digest = secret::digest(token);
        if let Some(session) = sessions::find(app, &digest, now).await? {
            let actor = session.actor();
            return Ok(Asker { actor, address, known_by: KnownBy::Session { digest, session } });
        }
    }
    let secret = app.cookies.get(headers, Kind::Guest).and_then(Secret::parse);
    Ok(Asker::guest(address, secret))
}
