//! How passwords are stored: scrypt (RFC 7914) in the PHC string format
//! (<https://github.com/P-H-C/phc-string-format>), and what an older site has stored.

use password_hash::phc::PasswordHash;
use password_hash::{CustomizedPasswordHasher, PasswordVerifier};
use scrypt::errors::InvalidParams;
use scrypt::{Params, Scrypt};

/// Bytes of a salt.
pub const SALT_BYTES: usize = 16;
/// Bytes of a hash.
const HASH_BYTES: usize = 64;
/// What a guess costs an older site's passwords, which do not say it themselves: Node's defaults.
const LEGACY: Cost = Cost { log_n: 14, r: 8, p: 1 };

/// What a guess costs: 128 · r · 2^`log_n` bytes of memory, written and read `p` times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    /// N as a power of two.
    pub log_n: u8,
    /// Block size.
    pub r: u32,
    /// Times one after the other.
    pub p: u32,
}

/// A password could not be hashed: the cost makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("scrypt refuses: {0}")]
pub struct HashError(String);

/// What a stored hash says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is not that one.
    Wrong,
    /// It is.
    Right,
    /// It is, and is to be hashed anew: its cost is not the one wanted.
    Outdated,
}

impl Cost {
    /// The PHC string of a password.
    ///
    /// # Errors
    /// Costs that scrypt does not take.
    pub fn hash(self, password: &str, salt: [u8; SALT_BYTES]) -> Result<String, HashError> {
        let refused = |error: &dyn ToString| HashError(error.to_string());
        let params = self.params().map_err(|error| refused(&error))?;
        Scrypt::new()
            .hash_password_customized(password.as_bytes(), &salt, None, None, params)
            .map(|hash| hash.to_string())
            .map_err(|error| refused(&error))
    }

    /// Whether `password` is the one whose hash is `stored`; compares in constant time. A hash that cannot be read is
    /// nobody's.
    pub fn verify(self, password: &str, stored: &str) -> Verdict {
        let right = match stored.split_once(':') {
            Some((salt, hex)) => legacy(password, salt, hex),
            None => PasswordHash::new(stored)
                .is_ok_and(|hash| Scrypt::new().verify_password(password.as_bytes(), &hash).is_ok()),
        };
        match right {
            false => Verdict::Wrong,
            true if self.is_of(stored) => Verdict::Right,
            true => Verdict::Outdated,
        }
    }

    /// Takes as long as [`Cost::verify`] of an account's password: whoever asks for an account that is not there learns
    /// nothing from the time of the answer.
    pub fn pretend(self, password: &str) {
        let _hash = self.hash(password, [0; SALT_BYTES]);
    }

    fn params(self) -> Result<Params, InvalidParams> {
        Params::new_with_output_len(self.log_n, self.r, self.p, HASH_BYTES)
    }

    fn is_of(self, stored: &str) -> bool {
        let Ok(hash) = PasswordHash::new(stored) else { return false };
        let is = |name: &str, wanted: u32| hash.params.get_decimal(name) == Some(wanted);
        is("ln", self.log_n.into()) && is("r", self.r) && is("p", self.p)
    }
}

/// `salt:hex`, as the older site stored it: the salt is the text itself.
fn legacy(password: &str, salt: &str, hex: &str) -> bool {
    let Ok(params) = LEGACY.params() else { return false };
    let mut hash = [0; HASH_BYTES];
    if scrypt::scrypt(password.as_bytes(), salt.as_bytes(), &params, &mut hash).is_err() {
        return false;
    }
    let mut differs = u8::from(hex.len() != HASH_BYTES * 2);
    for (byte, pair) in hash.iter().zip(hex.as_bytes().as_chunks::<2>().0) {
        let stored = std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok());
        // No byte is stored where it is no hexadecimal number; the comparison goes on all the same.
        differs |= stored.map_or(1, |stored| stored ^ byte);
    }
    differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cheap: what is tested here does not depend on the cost.
    const CHEAP: Cost = Cost { log_n: 4, r: 1, p: 1 };

    #[test]
    fn a_hash_is_of_one_password_and_says_its_cost() {
        let stored = CHEAP.hash("correct horse", [7; SALT_BYTES]).unwrap();
        assert!(stored.starts_with("$scrypt$ln=4,r=1,p=1$"), "{stored}");
        assert_eq!(CHEAP.verify("correct horse", &stored), Verdict::Right);
        assert_eq!(CHEAP.verify("correct hors", &stored), Verdict::Wrong);
        let dearer = Cost { log_n: 5, ..CHEAP };
        assert_eq!(dearer.verify("correct horse", &stored), Verdict::Outdated);
        for nonsense in ["", "x", "$scrypt$", "$argon2id$v=19$m=16,t=2,p=1$c2FsdHNhbHQ$AAAA"] {
            assert_eq!(CHEAP.verify("", nonsense), Verdict::Wrong, "{nonsense}");
        }
        assert!(Cost { r: 0, ..CHEAP }.hash("x", [0; SALT_BYTES]).is_err());
    }

    /// Made by passlib, whose documentation has it: what is stored was not made by this version of the crate.
    #[test]
    fn what_others_stored_is_understood() {
        let stored =
            "$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E";
        let cost = Cost { log_n: 16, r: 8, p: 1 };
        assert_eq!(cost.verify("password", stored), Verdict::Right);
        assert_eq!(cost.verify("passwort", stored), Verdict::Wrong);
        assert_eq!(LEGACY.verify("password", stored), Verdict::Outdated);
    }

    /// Made by Node: `crypto.scryptSync('open sesame', '00112233445566778899aabbccddeeff', 64)`.
    #[test]
    fn what_the_older_site_stored_is_understood() {
        let stored = include_str!("password_legacy.txt").trim();
        let usual = Cost { log_n: 14, r: 8, p: 1 };
        assert_eq!(usual.verify("open sesame", stored), Verdict::Outdated);
        assert_eq!(usual.verify("open sesam", stored), Verdict::Wrong);
        assert_eq!(usual.verify("open sesame", &stored[..stored.len() - 1]), Verdict::Wrong);
        assert_eq!(usual.verify("open sesame", &stored.replace('a', "x")), Verdict::Wrong);
    }
}
