//! Secrets that are given out once, in links, cookies and API tokens, as text; of each only its digest is stored. Where
//! the random bytes come from is the caller's business.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Random bytes of a secret: nobody guesses 256 bits, so that its digest needs no salt and no costly hash.
pub const SECRET_BYTES: usize = 32;

/// Begins every API token, so that one that was published by mistake is known for what it is.
pub const TOKEN_PREFIX: &str = "vt_";

/// The text of a secret made of random bytes: letters, digits, `-` and `_`, 43 of them for [`SECRET_BYTES`] (base64url
/// without padding, RFC 4648, section 5).
pub fn text(random: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(random)
}

/// The text of an API token made of random bytes.
pub fn token(random: &[u8; SECRET_BYTES]) -> String {
    format!("{TOKEN_PREFIX}{}", text(random))
}

/// What is stored of a secret or token: the SHA-256 of its whole text.
pub fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// The path of the page where whoever has this secret chooses a new password.
pub fn reset_path(secret: &str) -> String {
    format!("/reset/{secret}")
}

/// The path of the page where whoever has this secret confirms an address.
pub fn verify_path(secret: &str) -> String {
    format!("/verify/{secret}")
}

/// The path, with its query, of the page where whoever has this secret joins by an invitation.
pub fn invitation_path(secret: &str) -> String {
    format!("/signup?invitation={secret}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_text_of_addresses_and_their_digests_are_of_the_whole_text() {
        assert_eq!(text(&[0xfb; 12]), "-_v7-_v7-_v7-_v7");
        let random = [0; SECRET_BYTES];
        assert_eq!(text(&random), "A".repeat(43));
        assert_eq!(token(&random), format!("vt_{}", "A".repeat(43)));
        // The digest of "abc" in FIPS 180-2.
        assert_eq!(digest("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!((reset_path("a"), verify_path("a")), ("/reset/a".into(), "/verify/a".into()));
    }
}
