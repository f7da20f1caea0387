//! The second factor: codes by time (TOTP, RFC 6238), the picture by which an app learns to make them, recovery codes,
//! and the ticket of somebody who has shown the password and not yet the code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use qrcode::QrCode;
use qrcode::render::svg;
use sha2::{Digest, Sha256};
use totp_rs::{Builder, Totp};
use veritable_domain::codec::{self, SchemaRead, SchemaWrite};
use veritable_domain::ids::UserId;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::SecretHash;

use crate::error::Error;
use crate::http::csrf::{Secret, random};

/// Bytes of what codes are made of (RFC 4226, 4: as long as the hash).
pub(crate) const SECRET_BYTES: usize = 20;
/// Recovery codes of an account.
const CODES: usize = 10;
/// Letters of a recovery code, 5 bits each: nobody guesses one of ten among 2^60.
const CODE_LETTERS: usize = 12;
/// No letter looks like another, whatever its case (Crockford's base 32).
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How long somebody may take from the password to the code.
const TICKET_MS: i64 = 5 * 60 * 1_000;
/// Pixels of the picture, at least.
const PICTURE: u32 = 220;

/// What an app needs to make codes.
pub(crate) struct Enrolment {
    /// To type in: base 32 in groups of four.
    pub(crate) text: String,
    /// For a click on the device itself (Key Uri Format).
    pub(crate) url: String,
    /// The same as a QR code: an `svg` element.
    pub(crate) picture: String,
}

/// A fresh secret.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn fresh() -> Result<[u8; SECRET_BYTES], Error> {
    random()
}

/// SHA-1, six digits, 30 seconds, one step early or late: what every app knows.
fn totp(secret: &[u8], site: &str, user: &str) -> Result<Totp, Error> {
    let plain = |text: &str| text.replace(':', " ");
    Builder::new()
        .with_secret(secret)
        .with_issuer(Some(plain(site)))
        .with_account_name(plain(user))
        .build()
        .map_err(|error| Error::Internal(error.to_string()))
}

/// The step of time that a code is of; `None` when it is wrong.
///
/// # Errors
/// The stored secret is none.
pub(crate) fn step(secret: &[u8], code: &str, now: UnixMillis) -> Result<Option<i64>, Error> {
    let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    let seconds = u64::try_from(now.0 / 1_000).unwrap_or_default();
    let step = totp(secret, "", "")?.check(&digits, seconds);
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

/// What an app needs to make codes of `secret`.
///
/// # Errors
/// The names are too long for a picture.
pub(crate) fn enrolment(secret: &[u8], site: &str, user: &str) -> Result<Enrolment, Error> {
    let totp = totp(secret, site, user)?;
    let internal = |error: &dyn ToString| Error::Internal(error.to_string());
    let url = totp.to_url().map_err(|error| internal(&error))?;
    let code = QrCode::new(&url).map_err(|error| internal(&error))?;
    let drawn = code.render::<svg::Color<'_>>().min_dimensions(PICTURE, PICTURE).build();
    // Within a page there is no declaration of XML.
    let picture = drawn.find("<svg").map_or("", |at| &drawn[at..]).to_owned();
    let base32 = totp.secret().to_base32();
    let groups: Vec<&str> =
        base32.as_bytes().chunks(4).filter_map(|four| std::str::from_utf8(four).ok()).collect();
    Ok(Enrolment { text: groups.join(" "), url, picture })
}

/// Fresh recovery codes, as their owner is shown them, and what is stored of them.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn recovery_codes() -> Result<(Vec<String>, Vec<SecretHash>), Error> {
    let mut codes = Vec::new();
    for _ in 0..CODES {
        let bytes: [u8; CODE_LETTERS] = random()?;
        let letters: Vec<char> =
            bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect();
        let parts: Vec<String> = letters.chunks(4).map(|part| part.iter().collect()).collect();
        codes.push(parts.join("-"));
    }
    let hashes = codes.iter().map(|code| recovery_hash(code)).collect();
    Ok((codes, hashes))
}

/// What is stored of a recovery code, however it is typed.
pub(crate) fn recovery_hash(code: &str) -> SecretHash {
    let letters: String = code
        .chars()
        .filter(|c| c.is_alphanumeric())
        .map(|c| match c.to_ascii_lowercase() {
            'o' => '0',
            'i' | 'l' => '1',
            c => c,
        })
        .collect();
    Sha256::digest(letters.as_bytes()).into()
}

/// Somebody who has shown the password of an account and not yet a code: for minutes, and in this very browser.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub(crate) struct Ticket {
    /// Whose password it was.
    pub(crate) user: UserId,
    /// The session is to outlast the browser.
    pub(crate) remember: bool,
    expires_at: UnixMillis,
}

/// A ticket as a form has it, not known to be ours yet.
pub(crate) struct Shown {
    /// What it says.
    pub(crate) ticket: Ticket,
    body: Vec<u8>,
    mac: Vec<u8>,
}

impl Ticket {
    pub(crate) fn new(user: UserId, remember: bool, now: UnixMillis) -> Ticket {
        Ticket { user, remember, expires_at: UnixMillis(now.0 + TICKET_MS) }
    }

    /// As a form has it. `key` is what only this server knows of the account: another password makes it void.
    ///
    /// # Errors
    /// None that happens.
    pub(crate) fn seal(&self, key: &[u8], browser: Secret) -> Result<String, Error> {
        let body = codec::encode(self).map_err(|error| Error::Internal(error.to_string()))?;
        let mac = mac(key, browser, &body)?.finalize().into_bytes();
        Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(body), URL_SAFE_NO_PAD.encode(mac)))
    }
}

impl Shown {
    /// Takes back what [`Ticket::seal`] made; `None` for anything else.
    pub(crate) fn parse(text: &str) -> Option<Shown> {
        let (body, mac) = text.split_once('.')?;
        let body = URL_SAFE_NO_PAD.decode(body).ok()?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        Some(Shown { ticket: codec::decode(&body).ok()?, body, mac })
    }

    /// The ticket, if it is ours, of this browser, and not too old. Compares in constant time.
    pub(crate) fn check(self, key: &[u8], browser: Secret, now: UnixMillis) -> Option<Ticket> {
        let ours = mac(key, browser, &self.body).ok()?.verify_slice(&self.mac).is_ok();
        Some(self.ticket).filter(|ticket| ours && now < ticket.expires_at)
    }
}

fn mac(key: &[u8], browser: Secret, body: &[u8]) -> Result<Hmac<Sha256>, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|error| Error::Internal(error.to_string()))?;
    mac.update(b"second step");
    mac.update(&browser.0);
    mac.update(body);
    Ok(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Its appendix B, the last six digits.
        let secret = b"12345678901234567890";
        for (seconds, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            let now = UnixMillis(seconds * 1_000);
            assert_eq!(step(secret, code, now).unwrap(), Some(seconds / 30));
            assert_eq!(
                step(secret, &format!(" {} {} ", &code[..3], &code[3..]), now).unwrap(),
                Some(seconds / 30)
            );
            assert_eq!(
                step(secret, code, UnixMillis(now.0 + 30_000)).unwrap(),
                Some(seconds / 30),
                "a step late"
            );
            assert_eq!(step(secret, code, UnixMillis(now.0 + 90_000)).unwrap(), None);
        }
        for wrong in ["", "000000", "28708", "2870822", "abcdef", "٢٨٧٠٨٢"] {
            assert_eq!(step(secret, wrong, UnixMillis(59_000)).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn an_app_is_told_who_and_what_in_words_and_as_a_picture() {
        let told = enrolment(b"12345678901234567890", "Work: shop", "Mia").unwrap();
        assert_eq!(told.text, "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        let url =
            "otpauth://totp/Work%20%20shop:Mia?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Work%20%20shop";
        assert_eq!(told.url, url);
        assert!(told.picture.starts_with("<svg") && !told.picture.contains("style="), "{}", told.picture);
        let longest = "é".repeat(60);
        assert!(enrolment(&[7; SECRET_BYTES], &longest, &longest).is_ok());
    }

    #[test]
    fn recovery_codes_are_ten_and_known_however_they_are_typed() {
        let (codes, hashes) = recovery_codes().unwrap();
        assert_eq!((codes.len(), hashes.len()), (CODES, CODES));
        assert_eq!(codes[0].len(), 14);
        assert_eq!(recovery_hash(&codes[0].to_uppercase().replace('-', " ")), hashes[0]);
        assert_eq!(recovery_hash("O1lI-0000"), recovery_hash("0111 0000"));
        assert_ne!(recovery_hash(&codes[0]), recovery_hash(&codes[1]));
    }

    #[test]
    fn a_ticket_is_good_for_minutes_in_one_browser_for_one_password() {
        let (now, browser) = (UnixMillis(1_000_000), Secret([7; 16]));
        let ticket = Ticket::new(UserId(5), true, now);
        let text = ticket.seal(b"key", browser).unwrap();
        let check = |text: &str, key: &[u8], browser, later: i64| {
            Shown::parse(text)?.check(key, browser, UnixMillis(now.0 + later))
        };
        assert_eq!(check(&text, b"key", browser, 1_000), Some(ticket));
        assert_eq!(check(&text, b"another", browser, 1_000), None);
        assert_eq!(check(&text, b"key", Secret([8; 16]), 1_000), None);
        assert_eq!(check(&text, b"key", browser, TICKET_MS), None);
        let mut forged = Ticket::new(UserId(6), true, now).seal(b"mine", browser).unwrap();
        assert_eq!(check(&forged, b"key", browser, 0), None);
        forged.truncate(20);
        for wrong in ["", ".", "x.y", forged.as_str()] {
            assert!(check(wrong, b"key", browser, 0).is_none(), "{wrong}");
        }
    }
}
