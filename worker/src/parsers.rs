//! The readers of what clients and the segment hand to a worker, for `fuzz/`, which tries them on noise. Nothing else
//! calls these: each leads to the one reader that requests go through.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use http::HeaderMap;
use http_body_util::Full;
use ipnet::IpNet;
use rusqlite::Connection;
use veritable_config::settings::{Entry, Site};
use veritable_domain::permission::Groups;

use crate::cache::Stored;
use crate::handlers::accounts::local;
use crate::handlers::{before, search, topic, wiki};
use crate::http::body::{Fields, is_of};
use crate::http::cookies::{Cookies, Kind};
use crate::http::csrf::{self, Secret};
use crate::http::encoding::Encoding;
use crate::http::peer::{self, ProxyHeader};
use crate::http::router::{self, Router};
use crate::http::stream::Origin;
use crate::http::{upload, write};
use crate::pictures;
use crate::routes::View;
use crate::views::slots;

/// The values of the session's and the guest's cookie.
pub fn cookies(headers: &HeaderMap, plain: bool) -> [Option<&str>; 2] {
    let cookies = Cookies { plain };
    [cookies.get(headers, Kind::Session), cookies.get(headers, Kind::Guest)]
}

/// Whether a guest's cookie is one of ours.
pub fn is_guest_secret(text: &str) -> bool {
    Secret::parse(text).is_some()
}

/// Whether `repeated` is one of the texts of the secret `of`.
pub fn is_secret(of: [u8; 16], repeated: &str) -> bool {
    Secret(of).is(repeated)
}

/// What a request's `Accept-Encoding` likes best.
pub fn accepted(header: Option<&str>) -> Encoding {
    Encoding::accepted(header)
}

/// Whether a change may be asked for from where a request says it comes from.
pub fn has_own_origin(headers: &HeaderMap, authority: Option<&str>, base_url: &str) -> bool {
    csrf::check_origin(headers, authority, base_url).is_ok()
}

/// Whether a body is said to be of a media type.
pub fn is_of_type(headers: &HeaderMap, media: &str) -> bool {
    is_of(headers, media)
}

/// Name and bytes of the file in a form in parts, of at most `most` bytes; what is wrong with it where there is none.
///
/// # Errors
/// As an upload's.
pub async fn multipart(content_type: &str, body: Bytes, most: u64) -> Result<(String, Bytes), String> {
    let mut headers = HeaderMap::new();
    let value = content_type.parse().map_err(|_| "no header".to_owned())?;
    headers.insert(http::header::CONTENT_TYPE, value);
    upload::parts(&headers, Full::new(body), most, None).await.map_err(|error| error.to_string())
}

/// What becomes of a picture: its bytes, width and height; what is wrong with it where it is none.
///
/// # Errors
/// As an upload's.
pub fn picture(file: &[u8]) -> Result<(Vec<u8>, u32, u32), String> {
    let made = pictures::make(file).map_err(|error| error.to_string())?;
    Ok((made.content, made.upload.width, made.upload.height))
}

/// The name in an `Idempotency-Key`.
pub fn idempotency_name(given: &[u8]) -> Option<String> {
    write::named(given).ok()
}

/// The address of the client, by what proxies say; `peer` is the connection's.
pub fn client(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Option<IpAddr> {
    let origin = Origin { entry: Entry::Public, unix: peer.is_none(), peer, proxied: false, begun: false };
    peer::client(&origin, headers, trusted)
}

/// The length of a whole PROXY header and the source it names; `Err(true)` when more bytes are needed to say.
///
/// # Errors
/// There is no whole header.
pub fn proxy_header(seen: &[u8]) -> Result<(usize, Option<SocketAddr>), bool> {
    match peer::proxy_header(seen) {
        ProxyHeader::Whole { bytes, source } => Ok((bytes, source)),
        ProxyHeader::Part => Err(true),
        ProxyHeader::Absent => Err(false),
    }
}

/// The fields of a form's body.
pub fn form(body: &[u8]) -> Option<BTreeMap<String, String>> {
    let fields = Fields::parse(body).ok()?;
    Some(fields.all().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

/// The parameters of a query that are named.
pub fn query(raw: &str, named: &'static [&'static str]) -> Option<BTreeMap<&'static str, String>> {
    router::query(Some(raw), named).ok()
}

/// The route table, and the parts of a path by the names in its pattern.
pub struct Paths(Router);

impl Default for Paths {
    fn default() -> Self {
        Paths(Router::new(crate::routes::table()))
    }
}

impl Paths {
    /// The parts of a path that has a route.
    pub fn find(&self, path: &str) -> Option<BTreeMap<&'static str, String>> {
        self.0.find(path).ok().map(|found| found.params)
    }
}

/// Where a form leads to that was given this address to go on to.
pub fn next(text: &str) -> &str {
    local(text)
}

/// A value of the shared cache, filled as for somebody when it is a page; `None` for what is none.
pub fn kept(bytes: Vec<u8>) -> Option<usize> {
    let stored = Stored::decode(bytes, 0)?;
    match &stored {
        Stored::Answer(kept) => {
            let mut token = || "token".to_owned();
            Some(slots::fill(&kept.body, &kept.places, 1, "menu", &mut token).len())
        }
        Stored::Nothing(what) => Some(what.len()),
    }
}

/// How many kinds of lists would go on from a cursor.
///
/// # Errors
/// No database can be opened in memory.
pub fn cursor(text: &str) -> rusqlite::Result<usize> {
    let (db, site) = (Connection::open_in_memory()?, Site::default());
    let query = ["before", "after", "from"].map(|name| (name, text.to_owned()));
    let (audience, params) = (Groups::EVERYONE, BTreeMap::new());
    let view = View { db: &db, site: &site, audience, path: "/", params, query: query.into() };
    let taken = [
        before(&view).is_ok(),
        topic::after(&view).is_ok(),
        search::skipped(&view).is_ok(),
        wiki::text_cursor(text).is_ok(),
    ];
    Ok(taken.into_iter().filter(|taken| *taken).count())
}
