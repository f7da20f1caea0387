//! The lines of a request's head that are read here: cookies, where a change comes from, what is accepted, keys,
//! what proxies say.

use std::net::SocketAddr;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use veritable_worker::Encoding;
use veritable_worker::parsers;

/// As many as a server takes in one request.
const MOST_LINES: usize = 100;
const OWN: &str = "https://forum.example";

/// Lines as `name: value`; the name may be one letter, for the ones that are read here.
fn headers(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n').take(MOST_LINES) {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = match name {
            b"c" => header::COOKIE,
            b"o" => header::ORIGIN,
            b"r" => header::REFERER,
            b"h" => header::HOST,
            b"a" => header::ACCEPT_ENCODING,
            b"t" => header::CONTENT_TYPE,
            b"f" => header::FORWARDED,
            b"x" => HeaderName::from_static("x-forwarded-for"),
            b"s" => HeaderName::from_static("sec-fetch-site"),
            b"k" => HeaderName::from_static("idempotency-key"),
            other => match HeaderName::from_bytes(other) {
                Ok(name) => name,
                Err(_) => continue,
            },
        };
        if let Ok(value) = HeaderValue::from_bytes(value.trim_ascii()) {
            headers.append(name, value);
        }
    }
    headers
}

pub(crate) fn check(data: &[u8]) {
    let headers = headers(data);
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    for plain in [true, false] {
        for value in parsers::cookies(&headers, plain).into_iter().flatten() {
            assert!(!value.contains(';'), "a cookie's value goes on in the next one: {value:?}");
            parsers::is_guest_secret(value);
            // Of sixteen bytes that nobody sent.
            assert!(!parsers::is_secret([0xA7; 16], value) || value.len() == 43, "{value:?}");
        }
    }
    let accepted = parsers::accepted(text("accept-encoding"));
    if let Some(name) = accepted.name() {
        assert!(text("accept-encoding").is_some_and(|said| said.contains(name)), "{name} was not asked for");
    } else {
        assert_eq!(accepted, Encoding::Identity);
    }
    origin(&headers);
    for media in ["application/json", "application/x-www-form-urlencoded"] {
        parsers::is_of_type(&headers, media);
    }
    if let Some(given) = headers.get("idempotency-key")
        && let Some(name) = parsers::idempotency_name(given.as_bytes())
    {
        assert!(!name.is_empty() || given.as_bytes().starts_with(b"\""));
        // A tab may stand in a header.
        assert!(name.len() <= 255 && !name.chars().any(|c| c.is_control() && c != '\t'), "{name:?}");
    }
    let (stranger, proxy) = (SocketAddr::from(([192, 0, 2, 1], 1)), SocketAddr::from(([10, 0, 0, 1], 1)));
    let trusted = ["10.0.0.0/8".parse().expect("a network")];
    let found = parsers::client(Some(stranger), &headers, &trusted);
    assert_eq!(found, Some(stranger.ip()), "a stranger is believed");
    assert!(parsers::client(Some(proxy), &headers, &trusted).is_some());
    parsers::client(None, &headers, &trusted);
}

/// A change is taken from pages of this site alone, however their address is written.
fn origin(headers: &HeaderMap) {
    if !parsers::has_own_origin(headers, None, OWN) {
        return;
    }
    let said = headers.get(header::ORIGIN).or_else(|| headers.get(header::REFERER));
    let Some(said) = said else { return };
    let said = said.to_str().unwrap_or_default().to_ascii_lowercase();
    let after = said.split_once("://").map_or(&said[..], |(_, after)| after);
    let host = after.split(['/', '?', '#']).next().unwrap_or_default();
    assert_eq!(host, "forum.example", "{said:?} passes for {OWN}");
}
