//! How often something may be asked for, over all workers: by address, by account, and by both.

use std::net::IpAddr;
use std::time::Duration;

use veritable_shm::{Limits, Rate, Segment, Verdict};

use crate::error::Error;

/// Something that is limited: at once so many times, in the long run once in so many seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// Part of its key.
    pub(crate) name: &'static str,
    /// At once.
    pub(crate) burst: u32,
    /// Seconds.
    pub(crate) every: u32,
}

impl Limit {
    fn rate(self) -> Rate {
        Rate { burst: self.burst, interval_ms: self.every.saturating_mul(1_000) }
    }
}

const fn limit(name: &'static str, burst: u32, every: u32) -> Limit {
    Limit { name, burst, every }
}

/// Logins from an address that failed, and those that go on: a household that mistypes, not a list of passwords.
pub(crate) const LOGIN_ADDRESS: Limit = limit("login-address", 20, 10);
/// Tries at one account that failed, from one address.
pub(crate) const LOGIN_PAIR: Limit = limit("login-pair", 10, 30);
/// Tries that failed in a browser in which its owner logged in before: others' do not keep it out.
pub(crate) const LOGIN_DEVICE: Limit = limit("login-device", 10, 30);
/// Tries at one account that failed, from wherever else: as many as ten addresses have at once, and 10^6 guesses take a
/// year.
pub(crate) const LOGIN_ANYWHERE: Limit = limit("login-anywhere", 100, 30);
/// Logins to one account that succeed: each is a session to store, and programs have tokens.
pub(crate) const LOGIN_DONE: Limit = limit("login-done", 60, 10);
/// Wrong passwords typed by somebody logged in already.
pub(crate) const LOGIN_ACCOUNT: Limit = limit("login-account", 10, 30);
/// Forms to join that are looked at, from an address: each is judged and may be hashed.
pub(crate) const SIGN_UP_TRY: Limit = limit("sign-up-try", 30, 10);
/// Codes of a second factor for an account whose password is known: three of a million are right at a time.
pub(crate) const LOGIN_CODE: Limit = limit("login-code", 5, 120);
/// Changes of a display name: each makes every page be made anew.
pub(crate) const DISPLAY_NAME: Limit = limit("display-name", 3, 8 * 3_600);
/// Downloads of all that an account has.
pub(crate) const EXPORT: Limit = limit("export", 3, 3_600);
/// Accounts made from an address.
pub(crate) const SIGN_UP: Limit = limit("sign-up", 5, 600);
/// Mails asked for from an address, and to one.
pub(crate) const MAIL: Limit = limit("mail", 5, 300);
/// Changes by an account.
pub(crate) const WRITE: Limit = limit("write", 60, 2);
/// Changes by an account that was made today.
pub(crate) const WRITE_NEW: Limit = limit("write-new", 10, 30);
/// Changes from an address, whoever makes them.
pub(crate) const WRITE_ADDRESS: Limit = limit("write-address", 300, 1);
/// Previews by an account, and drafts kept while it writes: every few seconds.
pub(crate) const DRAFT: Limit = limit("draft", 120, 2);
/// Pictures by an account.
pub(crate) const UPLOAD: Limit = limit("upload", 30, 20);

/// Bits of an IPv6 address that count: a customer is given at least these (RFC 6177).
const IPV6_PREFIX: u32 = 64;

/// The limits of all workers.
pub(crate) struct Limiter(Limits);

impl Limiter {
    pub(crate) fn of(segment: &Segment) -> Limiter {
        Limiter(Limits::of(segment))
    }

    /// Counts one use of `limit` by `who`.
    ///
    /// # Errors
    /// [`Error::TooMany`] when there were too many.
    pub(crate) fn count(&self, limit: Limit, who: &[u8]) -> Result<(), Error> {
        match self.0.check(&key(limit.name, who), limit.rate(), veritable_shm::now_ms()) {
            Verdict::Allowed => Ok(()),
            Verdict::RetryAfter { ms } => Err(Error::TooMany { retry_seconds: ms.div_ceil(1_000).max(1) }),
        }
    }

    /// Takes back one use that turned out not to count.
    pub(crate) fn give_back(&self, limit: Limit, who: &[u8]) {
        self.0.give_back(&key(limit.name, who), limit.rate(), veritable_shm::now_ms());
    }

    /// The same of an address; whoever comes from this host is not counted.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) fn count_address(&self, limit: Limit, address: Option<IpAddr>) -> Result<(), Error> {
        if address.is_none() { Ok(()) } else { self.count(limit, &network(address)) }
    }

    /// Takes back one use by an address.
    pub(crate) fn give_back_address(&self, limit: Limit, address: Option<IpAddr>) {
        if address.is_some() {
            self.give_back(limit, &network(address));
        }
    }

    /// Whether this is the first time within `pause`.
    pub(crate) fn once_in(&self, name: &'static str, who: &[u8], pause: Duration) -> bool {
        let rate = Rate { burst: 1, interval_ms: u32::try_from(pause.as_millis()).unwrap_or(u32::MAX) };
        self.0.check(&key(name, who), rate, veritable_shm::now_ms()) == Verdict::Allowed
    }
}

/// What counts as one place: an IPv4 address, or what a customer has of IPv6; nothing of who comes from this host.
pub(crate) fn network(address: Option<IpAddr>) -> Vec<u8> {
    match address {
        None => Vec::new(),
        Some(IpAddr::V4(address)) => address.octets().to_vec(),
        Some(IpAddr::V6(address)) => (address.to_bits() >> (128 - IPV6_PREFIX)).to_be_bytes().to_vec(),
    }
}

fn key(name: &str, who: &[u8]) -> Vec<u8> {
    [name.as_bytes(), b":", who].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use veritable_shm::Geometry;

    #[test]
    fn limits_are_by_name_and_asker_and_ipv6_by_customer() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let (one, other) = (Limiter::of(&segment), Limiter::of(&segment));
        let small = limit("test", 2, 60);
        assert!(one.count(small, b"a").is_ok() && other.count(small, b"a").is_ok());
        let Err(Error::TooMany { retry_seconds }) = one.count(small, b"a") else { panic!("a third") };
        assert!((1..=60).contains(&retry_seconds), "{retry_seconds}");
        assert!(one.count(small, b"b").is_ok() && one.count(limit("else", 1, 60), b"a").is_ok());
        let address = |text: &str| Some(text.parse().unwrap());
        assert!(one.count_address(small, address("2001:db8::1")).is_ok());
        assert!(one.count_address(small, address("2001:db8::2")).is_ok());
        assert!(one.count_address(small, address("2001:db8::3")).is_err());
        assert!(one.count_address(small, address("2001:db8:1::3")).is_ok());
        assert!(one.count_address(small, None).is_ok());
        assert!(one.once_in("once", b"a", Duration::from_secs(60)));
        assert!(!other.once_in("once", b"a", Duration::from_secs(60)));
    }
}
