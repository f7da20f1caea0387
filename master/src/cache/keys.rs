//! `veritable cache keys`: what is kept, as people and scripts read it.

use std::cmp::{Ordering, Reverse};
use std::fmt::Write;

use serde_json::{Value, json};
use veritable_domain::permission::Groups;
use veritable_shm::KeyInfo;
use veritable_worker::{Encoding, Key};

use super::name;

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    /// As it is shown and asked for; of a key of another form, the key.
    pub(super) address: String,
    /// What its askers accept; `None` for a key of another form.
    pub(super) accepted: Option<Encoding>,
    /// Who may see it.
    pub(super) audience: Groups,
    edition: Option<u64>,
    pub(super) info: KeyInfo,
}

impl Listed {
    pub(super) fn of(info: KeyInfo) -> Listed {
        match Key::parse(&info.key) {
            Some(key) => Listed {
                address: shown(key.address),
                accepted: Some(key.accepted),
                audience: key.audience,
                edition: Some(key.edition),
                info,
            },
            None => Listed {
                address: info.key.escape_ascii().to_string(),
                accepted: None,
                audience: Groups::NONE,
                edition: None,
                info,
            },
        }
    }

    fn encoding(&self) -> &'static str {
        self.accepted.map_or("-", name)
    }

    /// For whom it was made: the role, and how many groups of the site's own.
    fn audience(&self) -> String {
        match (self.accepted, self.audience.own().numbers().count()) {
            (None, _) => "-".to_owned(),
            (_, 0) => self.audience.role().name().to_owned(),
            (_, own) => format!("{}+{own}", self.audience.role().name()),
        }
    }

    fn number(&self) -> Option<u8> {
        self.accepted.map(|encoding| encoding as u8)
    }

    /// By address, then encoding; of different editions, the youngest first.
    pub(super) fn by_address(&self, other: &Listed) -> Ordering {
        let place = |one: &Listed| (one.audience, one.number(), one.info.age_ms);
        self.address.cmp(&other.address).then_with(|| place(self).cmp(&place(other)))
    }

    /// The one to show first: what guests see, fresh, hardly encoded, young.
    pub(super) fn by_use(&self, other: &Listed) -> Ordering {
        let place = |one: &Listed| (one.audience, Reverse(one.info.fresh), one.number(), one.info.age_ms);
        place(self).cmp(&place(other))
    }
}

/// Bytes as text that cannot move a terminal's cursor: as they are when all can be printed.
pub(super) fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => bytes.escape_ascii().to_string(),
    }
}

/// Milliseconds as seconds with a unit.
pub(super) fn seconds(ms: u64) -> String {
    format!("{} s", ms / 1_000)
}

/// `kept`, out of `all` that match.
pub(super) fn json(kept: &[Listed], all: usize) -> Value {
    let entries = kept.iter().map(|listed| {
        json!({
            "address": listed.address,
            "encoding": listed.accepted.map(name),
            "audience": listed.audience(),
            "edition": listed.edition.map(|edition| format!("{edition:016x}")),
            "bytes": listed.info.len,
            "age_ms": listed.info.age_ms,
            "ttl_ms": listed.info.lifetime.ttl_ms,
            "fresh": listed.info.fresh,
        })
    });
    json!({ "matching": all, "entries": entries.collect::<Vec<_>>() })
}

/// The same for people.
pub(super) fn table(kept: &[Listed], all: usize) -> String {
    let mut page = String::new();
    let mut row =
        |[encoding, audience]: [&str; 2], [bytes, age, ttl]: [&str; 3], state: &str, address: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(
                page,
                "{encoding:<8} {audience:<13} {bytes:>9} {age:>9} {ttl:>9}  {state:<5}  {address}"
            );
        };
    row(["ENCODING", "FOR"], ["BYTES", "AGE", "TTL"], "STATE", "ADDRESS");
    for listed in kept {
        let (age, ttl) = (seconds(listed.info.age_ms), seconds(listed.info.lifetime.ttl_ms.into()));
        let state = if listed.info.fresh { "fresh" } else { "stale" };
        let (audience, bytes) = (listed.audience(), listed.info.len.to_string());
        row([listed.encoding(), &audience], [&bytes, &age, &ttl], state, &listed.address);
    }
    if kept.len() < all {
        let _ = writeln!(page, "({} of {all}; --limit shows more)", kept.len());
    }
    page
}

#[cfg(test)]
mod tests {
    use veritable_shm::Lifetime;

    use super::*;

    fn listed(key: &[u8], fresh: bool) -> Listed {
        let lifetime = Lifetime { ttl_ms: 300_000, stale_ms: 0 };
        Listed::of(KeyInfo { key: key.to_owned(), len: 5, age_ms: 2_500, lifetime, fresh })
    }

    #[test]
    fn keys_of_another_form_and_control_characters_are_escaped() {
        let known = listed(b"\x01\0\0\0\0\0\0\0\x03\x01\0\0\0\0\0\0\0/wiki/Caf%C3%A9", true);
        assert_eq!((known.address.as_str(), known.encoding()), ("/wiki/Caf%C3%A9", "zstd"));
        assert_eq!(
            listed(b"\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0/a?q=\xc3\xa9\x1b[2J", true).address,
            "/a?q=\\xc3\\xa9\\x1b[2J"
        );
        let other = listed(b"query:\xff", false);
        assert_eq!((other.address.as_str(), other.encoding()), ("query:\\xff", "-"));
        let page = table(&[known.clone(), other], 7);
        assert!(
            page.contains("zstd     guest                 5       2 s     300 s  fresh  /wiki/Caf%C3%A9"),
            "{page}"
        );
        assert!(page.contains("stale  query:\\xff") && page.contains("(2 of 7;"), "{page}");
        let one = json(&[known], 1);
        assert_eq!(one["entries"][0]["edition"], "0000000000000001");
    }

    #[test]
    fn what_is_shown_first_is_fresh_and_as_it_is() {
        let [stale, zstd, plain] = [(0, false), (3, true), (0, true)]
            .map(|(encoding, fresh)| listed(&[&[0; 8][..], &[encoding, 1], &[0; 7], b"/a"].concat(), fresh));
        let mut all = [stale, zstd, plain];
        all.sort_by(Listed::by_use);
        assert_eq!(
            all.map(|one| (one.encoding(), one.info.fresh)),
            [("identity", true), ("zstd", true), ("identity", false)]
        );
    }
}
