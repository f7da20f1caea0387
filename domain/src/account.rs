//! What accounts are made of besides their names: addresses, passwords people may choose, what tokens are for, and
//! what is known of a session.

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use wincode::{SchemaRead, SchemaWrite};
use zxcvbn::{Score, zxcvbn};

use crate::ids::{SessionId, UserId};
use crate::permission::{Actor, Groups, Role};
use crate::text::TextError;
use crate::time::UnixMillis;

/// Longest address (RFC 5321, 4.5.3.1.3: a path of 256 bytes with its angle brackets).
pub const MAX_ADDRESS_BYTES: usize = 254;
/// Shortest password (NIST SP 800-63B, 5.1.1.2).
pub const MIN_PASSWORD_CHARS: usize = 8;
/// Longest password, bytes: hashing takes no longer for it, and whoever sends more means harm.
pub const MAX_PASSWORD_BYTES: usize = 1_024;
/// Characters of a password whose strength is judged: judging takes longer for long ones, which are strong, and of more
/// neighbouring keys in a row the estimate overflows its numbers.
const JUDGED_CHARS: usize = 27;
/// Bytes of a session's record.
pub const MAX_SESSION_BYTES: usize = 64;

/// An e-mail address, as its owner writes it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, SchemaWrite, SchemaRead)]
pub struct Address(String);

impl Address {
    /// Checks an address: one mailbox at a domain, without name or comments (RFC 5321).
    ///
    /// # Errors
    /// [`TextError`] when it is none, or too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TextError::Empty { what: "e-mail address" });
        }
        if text.len() > MAX_ADDRESS_BYTES {
            let found = text.len();
            return Err(TextError::TooLong {
                what: "e-mail address",
                found,
                most: MAX_ADDRESS_BYTES,
                unit: "bytes",
            });
        }
        if let Some(character) =
            text.chars().find(|c| c.is_control() || c.is_whitespace() || "<>\"(),;\\".contains(*c))
        {
            return Err(TextError::Forbidden { what: "e-mail address", character });
        }
        let options = Options::default().with_required_tld().without_display_text().without_domain_literal();
        match EmailAddress::parse_with_options(text, options) {
            Ok(_) => Ok(Address(text.to_owned())),
            Err(_) => Err(TextError::Malformed { what: "e-mail address", like: "name@example.org" }),
        }
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form by which it is unique. Mailboxes that differ by case only are one person's, whatever RFC 5321 allows.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// A password somebody wants to have: neither short nor known to everybody. Never printed.
pub struct NewPassword(String);

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(..)")
    }
}

impl NewPassword {
    /// Checks a password. `known` are words that others know of its owner: name, address, the site's name.
    ///
    /// # Errors
    /// [`WeakPassword`] says what to do better.
    pub fn new(password: &str, known: &[&str]) -> Result<Self, WeakPassword> {
        if password.chars().count() < MIN_PASSWORD_CHARS {
            return Err(WeakPassword::Short);
        }
        if password.len() > MAX_PASSWORD_BYTES {
            return Err(WeakPassword::Long);
        }
        let judged: String = password.chars().take(JUDGED_CHARS).collect();
        // The estimate of Wheeler (USENIX Security 2016): how many guesses of one who knows what people choose, from
        // lists of passwords that were published.
        let plain: Vec<String> =
            known.iter().map(|word| word.chars().filter(|c| c.is_alphanumeric()).collect()).collect();
        let known: Vec<&str> = known.iter().copied().chain(plain.iter().map(String::as_str)).collect();
        if zxcvbn(&judged, &known).score() < Score::Two {
            return Err(WeakPassword::Guessable);
        }
        Ok(NewPassword(password.to_owned()))
    }

    /// The password.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Why a password may not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Fewer than [`MIN_PASSWORD_CHARS`].
    #[error("the password is too short: at least {MIN_PASSWORD_CHARS} characters, a few words for example")]
    Short,
    /// More than [`MAX_PASSWORD_BYTES`].
    #[error("the password is too long: at most {MAX_PASSWORD_BYTES} bytes")]
    Long,
    /// Among those that are tried first.
    #[error(
        "this password is among those that are guessed first: take a few words that nobody would expect together"
    )]
    Guessable,
}

/// What an API token may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Scopes(u8);

/// One thing a token may be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Scope {
    /// Read what its owner may read.
    Read = 1,
    /// Post and edit as its owner.
    Write = 2,
    /// Keep order as its owner may.
    Moderate = 4,
    /// Change the owner's account.
    Account = 8,
    /// Administer the site as its owner may.
    Administer = 16,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Scope; 5] =
        [Scope::Read, Scope::Write, Scope::Moderate, Scope::Account, Scope::Administer];

    /// As forms, the API and the command line have it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
            Scope::Moderate => "moderate",
            Scope::Account => "account",
            Scope::Administer => "administer",
        }
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(name: &str) -> Result<Scope, String> {
        let named = Scope::ALL.into_iter().find(|scope| scope.name() == name);
        named.ok_or_else(|| {
            format!("{name:?} is no scope; scopes are read, write, moderate, account, administer")
        })
    }
}

impl Scopes {
    /// Everything.
    pub const ALL: Scopes = Scopes(31);
    /// Nothing.
    pub const NONE: Scopes = Scopes(0);

    /// Those with these bits.
    pub fn from_bits(bits: i64) -> Scopes {
        Scopes(bits.to_le_bytes()[0] & Self::ALL.0)
    }

    /// As the database stores them.
    pub fn bits(self) -> i64 {
        self.0.into()
    }

    /// With one more.
    #[must_use]
    pub fn with(self, scope: Scope) -> Scopes {
        Scopes(self.0 | scope as u8)
    }

    /// Whether it is one of them.
    pub fn has(self, scope: Scope) -> bool {
        self.0 & scope as u8 != 0
    }

    /// Their names, separated by spaces.
    pub fn names(self) -> String {
        let names: Vec<&str> =
            Scope::ALL.into_iter().filter(|scope| self.has(*scope)).map(Scope::name).collect();
        names.join(" ")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<T: IntoIterator<Item = Scope>>(scopes: T) -> Self {
        scopes.into_iter().fold(Scopes::NONE, Scopes::with)
    }
}

/// What every request of somebody logged in needs to know; everything else about the account is looked up when it is
/// needed. At most [`MAX_SESSION_BYTES`] as stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Session {
    /// Which.
    pub id: SessionId,
    /// Whose.
    pub user: UserId,
    /// The account's role.
    pub role: Role,
    /// The groups it is in.
    pub groups: Groups,
    /// When it ends unless it is used.
    pub expires_at: UnixMillis,
    /// What forms of this session must repeat.
    pub csrf: [u8; 16],
}

impl Session {
    /// Who asks.
    pub fn actor(&self) -> Actor {
        Actor { user: Some(self.user), role: self.role, groups: self.groups }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_mailboxes_at_domains() {
        for good in ["ada@example.org", "ada.l+forum@sub.example.org", "äda@exämple.org", " a@b.co "] {
            assert!(Address::new(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@localhost",
            "Ada <a@b.co>",
            "a@b.co\r\nBcc: c@d.co",
            "a@[127.0.0.1]",
            "a b@c.de",
            "\"x\"@b.co",
        ] {
            assert!(Address::new(bad).is_err(), "{bad:?}");
        }
        assert!(Address::new(&format!("{}@b.co", "a".repeat(MAX_ADDRESS_BYTES))).is_err());
        assert_eq!(Address::new("Ada@Example.ORG").unwrap().key(), "ada@example.org");
    }

    #[test]
    fn passwords_that_everybody_tries_are_refused() {
        let known = ["ada.lovelace", "Workshop"];
        let refused = |password: &str| NewPassword::new(password, &known).err();
        assert_eq!(refused("short"), Some(WeakPassword::Short));
        assert_eq!(refused(&"x".repeat(MAX_PASSWORD_BYTES + 1)), Some(WeakPassword::Long));
        for guessable in
            ["password", "12345678", "qwertyuiop", "iloveyou1", "adalovelace", "workshop1", "aaaaaaaaaa"]
        {
            assert_eq!(refused(guessable), Some(WeakPassword::Guessable), "{guessable}");
        }
        for good in ["correct horse battery staple", "gb7-Kq!2mZx", "мой дедушка чинит часы"]
        {
            assert_eq!(refused(good), None, "{good}");
        }
        assert!(!format!("{:?}", NewPassword::new("gb7-Kq!2mZx", &known).unwrap()).contains("gb7"));
    }

    #[test]
    fn scopes_have_names_and_bits() {
        let scopes: Scopes = [Scope::Write, Scope::Read].into_iter().collect();
        assert_eq!(scopes.names(), "read write");
        assert_eq!(Scopes::from_bits(scopes.bits()), scopes);
        assert!(!scopes.has(Scope::Administer) && Scopes::ALL.has(Scope::Administer));
        assert_eq!(Scopes::from_bits(-1), Scopes::ALL);
        for scope in Scope::ALL {
            assert_eq!(scope.name().parse(), Ok(scope));
        }
        assert!("root".parse::<Scope>().is_err());
    }

    #[test]
    fn a_session_keeps_its_bytes_and_its_bound() {
        let session = Session {
            id: SessionId(1),
            user: UserId(2),
            role: Role::Moderator,
            groups: Groups::from_bits(7),
            expires_at: UnixMillis(3),
            csrf: [4; 16],
        };
        let bytes = crate::codec::encode(&session).unwrap();
        let golden = [
            &1_i64.to_le_bytes()[..],
            &2_i64.to_le_bytes(),
            &2_u32.to_le_bytes(),
            &7_u64.to_le_bytes(),
            &3_i64.to_le_bytes(),
            &[4; 16],
        ]
        .concat();
        assert_eq!(bytes, golden);
        assert!(bytes.len() <= MAX_SESSION_BYTES, "{}", bytes.len());
    }
}
