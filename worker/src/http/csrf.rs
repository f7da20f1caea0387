//! That a change was asked for by a page of this site: by where the browser says that the request comes from, and by
//! a secret that only our pages hold (OWASP, Cross-Site Request Forgery Prevention).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Uri, header};
use subtle::ConstantTimeEq;

use crate::error::Error;

/// Bytes of the secret.
const BYTES: usize = 16;

/// What forms must repeat.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub(crate) [u8; BYTES]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// A fresh one.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub(crate) fn fresh() -> Result<Secret, Error> {
        random().map(Secret)
    }

    /// As a cookie has it.
    pub(crate) fn text(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Takes back [`Secret::text`].
    pub(crate) fn parse(text: &str) -> Option<Secret> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Secret)
    }

    /// As a form has it: another text each time, so that nobody learns it from the length of compressed pages
    /// (<https://www.breachattack.com>).
    pub(crate) fn masked(self) -> String {
        // Without random numbers the form is refused when it comes back.
        let pad: [u8; BYTES] = random().unwrap_or_default();
        let masked = std::array::from_fn::<u8, BYTES, _>(|at| self.0[at] ^ pad[at]);
        URL_SAFE_NO_PAD.encode([pad, masked].concat())
    }

    /// Whether `text` is one of the texts of this secret. Takes as long for a wrong one.
    pub(crate) fn is(self, text: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) else { return false };
        let Ok([pad, masked]) = <[[u8; BYTES]; 2]>::try_from(bytes.as_chunks::<BYTES>().0) else {
            return false;
        };
        let found = std::array::from_fn::<u8, BYTES, _>(|at| masked[at] ^ pad[at]);
        bytes.len() == 2 * BYTES && found.ct_eq(&self.0).into()
    }
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(bytes)
}

/// Whether a request that changes something may come from where it says it does: from a page of this site, or from no
/// page at all. `base_url` is where people reach the site; where it is empty the `Host` header says it.
///
/// # Errors
/// [`Error::ForeignOrigin`].
pub(crate) fn check_origin(
    headers: &HeaderMap,
    authority: Option<&str>,
    base_url: &str,
) -> Result<(), Error> {
    let text = |name: header::HeaderName| match headers.get(name) {
        None => Ok(None),
        Some(value) => value.to_str().map(Some).map_err(|_| Error::ForeignOrigin),
    };
    // Browsers set it themselves, scripts cannot (Fetch Metadata, W3C). `none`: somebody typed the address.
    let site = text(header::HeaderName::from_static("sec-fetch-site"))?;
    if !matches!(site, None | Some("same-origin" | "none")) {
        return Err(Error::ForeignOrigin);
    }
    let named = match text(header::ORIGIN)? {
        Some(origin) => Some(origin),
        None => text(header::REFERER)?,
    };
    let Some(named) = named else { return Ok(()) };
    let named: Uri = named.parse().map_err(|_| Error::ForeignOrigin)?;
    let named = named.authority().ok_or(Error::ForeignOrigin)?.as_str();
    let own = match base_url.parse::<Uri>().ok().and_then(|url| url.into_parts().authority) {
        Some(authority) => authority.as_str().to_owned(),
        None => match text(header::HOST)?.or(authority) {
            Some(host) => host.to_owned(),
            None => return Err(Error::ForeignOrigin),
        },
    };
    if named.eq_ignore_ascii_case(&own) { Ok(()) } else { Err(Error::ForeignOrigin) }
}

/// Whether a page of a person's own may be given out for what the request says that it is for: something that a person
/// looks at, not a part of another page. A picture in a post is no reader's download.
///
/// # Errors
/// [`Error::Embedded`].
pub(crate) fn check_destination(headers: &HeaderMap) -> Result<(), Error> {
    match headers.get("sec-fetch-dest").map(HeaderValue::as_bytes) {
        None | Some(b"document" | b"empty") => Ok(()),
        Some(_) => Err(Error::Embedded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_all_of_its_texts_and_by_nothing_else() {
        let secret = Secret([7; BYTES]);
        let (one, other) = (secret.masked(), secret.masked());
        assert_ne!(one, other);
        assert!(secret.is(&one) && secret.is(&other));
        assert!(!Secret([8; BYTES]).is(&one));
        assert_eq!(Secret::parse(&secret.text()), Some(secret));
        for wrong in ["", "x", &secret.text(), &one[..one.len() - 1], &format!("{one}AAAA"), &"A".repeat(43)]
        {
            assert!(!secret.is(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_pages_of_this_site_and_programs_may_ask_for_changes() {
        let check = |base: &str, pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, http::HeaderValue::from_static(value));
            }
            check_origin(&headers, None, base).is_ok()
        };
        let own = ("host", "forum.example");
        assert!(check("", &[own]), "a program says nothing");
        assert!(check("", &[own, ("origin", "https://forum.example")]));
        assert!(check("", &[own, ("origin", "http://Forum.Example")]));
        assert!(check("", &[("host", "forum.example:8080"), ("origin", "http://forum.example:8080")]));
        assert!(check("", &[own, ("referer", "https://forum.example/t/x/1?after=y")]));
        assert!(check("", &[own, ("sec-fetch-site", "same-origin"), ("origin", "https://forum.example")]));
        for foreign in [
            ("origin", "https://evil.example"),
            ("origin", "https://forum.example.evil.example"),
            ("origin", "https://forum.example:444"),
            ("origin", "null"),
            ("origin", ""),
            ("referer", "https://evil.example/?https://forum.example"),
            ("referer", "https://forum.example@evil.example/"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(!check("", &[own, foreign]), "{foreign:?}");
        }
        assert!(!check("", &[("origin", "https://forum.example")]), "nothing to compare it with");
        // Behind a proxy that changes the host, the settings say where people reach the site.
        let base = "https://forum.example";
        assert!(check(base, &[("host", "10.0.0.1"), ("origin", "https://forum.example")]));
        assert!(!check(base, &[("host", "evil.example"), ("origin", "https://evil.example")]));
    }
}
