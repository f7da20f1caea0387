//! Browsers in which somebody logged in before: tries from them are counted by themselves, so that nobody keeps an
//! account's owner out by trying wrong passwords (OWASP calls it a device cookie).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::app::App;
use crate::error::Error;
use crate::http::csrf::random;
use crate::limits;
use crate::reads::accounts::Login;
use crate::routes::Submission;

/// Days that a browser is known: whoever logs in once a year has it.
pub(crate) const DAYS: u32 = 400;
/// Bytes of what tells browsers apart.
const NONCE_BYTES: usize = 16;
/// Longest cookie looked at: twice of what is made here.
pub(crate) const COOKIE_BYTES: usize = 160;

/// What a browser is given that logs in to an account. It is good for this account alone, and until its password changes.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn seal(login: &Login) -> Result<String, Error> {
    let nonce = random::<NONCE_BYTES>()?;
    let mac = mac(login, &nonce)?.finalize().into_bytes();
    Ok(format!("{}.{}", URL_SAFE_NO_PAD.encode(nonce), URL_SAFE_NO_PAD.encode(mac)))
}

/// What tells a browser apart from the others that logged in to an account; `None` for one that did not. Compares in
/// constant time.
fn open(text: &str, login: &Login) -> Option<Vec<u8>> {
    let (nonce, sent) = text.split_once('.')?;
    let nonce = URL_SAFE_NO_PAD.decode(nonce).ok().filter(|nonce| nonce.len() == NONCE_BYTES)?;
    let sent = URL_SAFE_NO_PAD.decode(sent).ok()?;
    mac(login, &nonce).ok()?.verify_slice(&sent).ok()?;
    Some(nonce)
}

fn mac(login: &Login, nonce: &[u8]) -> Result<Hmac<Sha256>, Error> {
    let key = login.key();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|error| Error::Internal(error.to_string()))?;
    mac.update(b"device");
    mac.update(&login.user.0.to_le_bytes());
    mac.update(nonce);
    Ok(mac)
}

/// One try at an account, by where it comes from.
pub(crate) enum Try {
    /// From a browser in which somebody logged in to it before.
    Known(Vec<u8>),
    /// From anywhere else: what was typed as the name, with the address and alone.
    Unknown {
        /// The two together.
        pair: Vec<u8>,
        /// The name.
        account: Vec<u8>,
    },
}

impl Try {
    /// Of a form that logs in to `found` under the name with this key.
    pub(crate) fn of(form: &Submission, found: Option<&Login>, key: &str) -> Try {
        let device = form.device.as_deref().filter(|text| text.len() <= COOKIE_BYTES);
        // An account without a password has nothing to know a browser by; nobody logs in to it.
        let found = found.filter(|login| login.password_hash.is_some());
        match device.zip(found).and_then(|(text, login)| open(text, login)) {
            Some(nonce) => Try::Known(nonce),
            None => Try::Unknown {
                pair: [&limits::network(form.asker.address)[..], b":", key.as_bytes()].concat(),
                account: key.as_bytes().to_vec(),
            },
        }
    }

    /// Counts it. A pair that is over its limit does not use up what is left to others.
    ///
    /// # Errors
    /// There were too many.
    pub(crate) fn count(&self, app: &App) -> Result<(), Error> {
        match self {
            Try::Known(nonce) => app.limits.count(limits::LOGIN_DEVICE, nonce),
            Try::Unknown { pair, account } => {
                app.limits.count(limits::LOGIN_PAIR, pair)?;
                app.limits.count(limits::LOGIN_ANYWHERE, account)
            }
        }
    }

    /// Takes it back: whoever was right did not try.
    pub(crate) fn give_back(&self, app: &App) {
        match self {
            Try::Known(nonce) => app.limits.give_back(limits::LOGIN_DEVICE, nonce),
            Try::Unknown { pair, account } => {
                app.limits.give_back(limits::LOGIN_PAIR, pair);
                app.limits.give_back(limits::LOGIN_ANYWHERE, account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veritable_domain::ids::UserId;

    fn login(user: i64, hash: &str) -> Login {
        Login {
            user: UserId(user),
            name: "mia".into(),
            address: None,
            password_hash: Some(hash.into()),
            verified: true,
            approved: true,
            disabled: false,
            totp_secret: None,
        }
    }

    #[test]
    fn a_browser_is_known_to_one_account_until_its_password_changes() {
        let text = seal(&login(1, "a")).unwrap();
        assert!(text.len() <= COOKIE_BYTES);
        assert!(open(&text, &login(1, "a")).is_some());
        assert_ne!(open(&text, &login(1, "a")), open(&seal(&login(1, "a")).unwrap(), &login(1, "a")));
        for other in [login(2, "a"), login(1, "b")] {
            assert_eq!(open(&text, &other), None);
        }
        for bad in ["", ".", "x.y", &text[1..], &format!("{text}A")] {
            assert_eq!(open(bad, &login(1, "a")), None, "{bad:?}");
        }
    }
}
