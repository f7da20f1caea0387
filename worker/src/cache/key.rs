//! What answers are kept under: the one home of the key's form, for those who store and for tools.

use veritable_domain::permission::Groups;

use crate::http::encoding::Encoding;

/// Bytes before the address: edition, encoding and audience.
const HEAD_BYTES: usize = 17;

/// A key, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'a> {
    /// What else the answer depends on: the program and what the settings say of the site.
    pub edition: u64,
    /// What its askers accept. A body that this would not make shorter is kept as it is.
    pub accepted: Encoding,
    /// The groups that its askers are in: what they may see.
    pub audience: Groups,
    /// The path as it was asked for and, after a `?`, the parameters that matter.
    pub address: &'a [u8],
}

impl<'a> Key<'a> {
    /// Takes a key apart; `None` for one of another form.
    #[must_use]
    pub fn parse(key: &'a [u8]) -> Option<Key<'a>> {
        let (head, address) = key.split_first_chunk::<HEAD_BYTES>()?;
        let (edition, rest) = head.split_first_chunk()?;
        let (accepted, audience) = rest.split_first()?;
        let audience = Groups::from_bits(i64::from_le_bytes(audience.try_into().ok()?));
        let accepted = Encoding::from_number(*accepted)?;
        Some(Key { edition: u64::from_le_bytes(*edition), accepted, audience, address })
    }
}

/// The key of an address in one encoding, for one audience.
pub(crate) fn of(edition: u64, accepted: Encoding, audience: Groups, path: &str, query: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(HEAD_BYTES + path.len() + 1 + query.len());
    key.extend_from_slice(&edition.to_le_bytes());
    key.push(accepted as u8);
    key.extend_from_slice(&audience.bits().to_le_bytes());
    key.extend_from_slice(path.as_bytes());
    if !query.is_empty() {
        key.push(b'?');
        key.extend_from_slice(query.as_bytes());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Groups = Groups::EVERYONE;

    #[test]
    fn keys_differ_by_edition_encoding_audience_path_and_query() {
        let keys = [
            of(1, Encoding::Identity, ALL, "/a", ""),
            of(1, Encoding::Zstd, ALL, "/a", ""),
            of(1, Encoding::Identity, Groups::MEMBERS, "/a", ""),
            of(1, Encoding::Identity, ALL, "/a", "b=1"),
            of(1, Encoding::Identity, ALL, "/b", ""),
            of(2, Encoding::Identity, ALL, "/b", ""),
        ];
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }

    #[test]
    fn a_key_is_taken_apart_as_it_was_made_and_nothing_else_is() {
        let made = of(0x0102_0304_0506_0708, Encoding::Brotli, ALL, "/a", "b=1");
        let key = Key {
            edition: 0x0102_0304_0506_0708,
            accepted: Encoding::Brotli,
            audience: ALL,
            address: b"/a?b=1",
        };
        assert_eq!(Key::parse(&made), Some(key));
        assert_eq!(Key::parse(&made[..HEAD_BYTES - 1]), None);
        assert_eq!(Key::parse(b"12345678\xffabcdefghrest"), None);
    }
}
