//! The cookies there are: one that says which session a request belongs to, one by which the forms of somebody not logged
//! in are known again (logging in, joining), and one by which a browser is known in which somebody logged in before.

use cookie::{Cookie, SameSite};
use http::{HeaderMap, HeaderValue, header};

/// Which cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The session's token.
    Session,
    /// What forms of a guest must repeat.
    Guest,
    /// That somebody logged in here before.
    Device,
}

/// How cookies are set here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    /// Browsers reach the site by plain HTTP.
    pub(crate) plain: bool,
}

impl Cookies {
    /// With the prefix, browsers take the cookie only from this very host, over TLS, for all of it
    /// (RFC 6265bis, 4.1.3.2): no other host of the domain can set it.
    fn name(self, kind: Kind) -> &'static str {
        match (kind, self.plain) {
            (Kind::Session, false) => "__Host-session",
            (Kind::Session, true) => "session",
            (Kind::Guest, false) => "__Host-guest",
            (Kind::Guest, true) => "guest",
            (Kind::Device, false) => "__Host-device",
            (Kind::Device, true) => "device",
        }
    }

    /// The value a request carries; the first one where there are several.
    pub(crate) fn get(self, headers: &HeaderMap, kind: Kind) -> Option<&str> {
        let name = self.name(kind);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find_map(|(found, value)| (found == name).then_some(value))
    }

    /// Sets one; `days` is for how long the browser keeps it, `None` until it is closed.
    pub(crate) fn set(self, kind: Kind, value: &str, days: Option<u32>) -> HeaderValue {
        let mut built = Cookie::build((self.name(kind), value.to_owned()))
            .path("/")
            .http_only(true)
            .secure(!self.plain)
            .same_site(SameSite::Lax);
        if let Some(days) = days {
            built = built.max_age(cookie::time::Duration::days(days.into()));
        }
        encoded(&built.build())
    }

    /// Has the browser forget one.
    pub(crate) fn remove(self, kind: Kind) -> HeaderValue {
        let mut gone =
            Cookie::build((self.name(kind), "")).path("/").http_only(true).secure(!self.plain).build();
        gone.set_same_site(SameSite::Lax);
        gone.make_removal();
        encoded(&gone)
    }
}

/// Values here are made of letters, digits and few marks.
fn encoded(cookie: &Cookie<'_>) -> HeaderValue {
    HeaderValue::from_str(&cookie.to_string()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (header::COOKIE, HeaderValue::from_static(line))).collect()
    }

    #[test]
    fn cookies_are_of_this_host_alone_and_out_of_scripts_reach() {
        let (secure, plain) = (Cookies { plain: false }, Cookies { plain: true });
        let set = secure.set(Kind::Session, "abc", Some(30));
        let set = set.to_str().unwrap();
        assert!(set.starts_with("__Host-session=abc;"), "{set}");
        for part in ["HttpOnly", "SameSite=Lax", "Secure", "Path=/", "Max-Age=2592000"] {
            assert!(set.contains(part), "{part} is not in {set}");
        }
        assert!(!set.contains("Domain"));
        let set = plain.set(Kind::Guest, "abc", None);
        let set = set.to_str().unwrap();
        assert!(
            set.starts_with("guest=abc;") && !set.contains("Secure") && !set.contains("Max-Age"),
            "{set}"
        );
        let gone = secure.remove(Kind::Session);
        assert!(gone.to_str().unwrap().contains("Max-Age=0"), "{gone:?}");
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let secure = Cookies { plain: false };
        let found = |lines: &[&'static str]| secure.get(&headers(lines), Kind::Session).map(str::to_owned);
        assert_eq!(found(&["a=1; __Host-session=x; b=2"]).as_deref(), Some("x"));
        assert_eq!(found(&["a=1", "__Host-session=y"]).as_deref(), Some("y"));
        assert_eq!(found(&["session=x; not__Host-session=y"]), None);
        assert_eq!(found(&["", ";;=;", "__Host-session"]), None);
    }
}
