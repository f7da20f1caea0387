//! What people are written: plain text, one thing each, with the link that it is about.

use veritable_config::Config;
use veritable_config::settings::MailTransport;
use veritable_domain::account::Address;
use veritable_domain::secret::{self, SECRET_BYTES, digest, reset_path, verify_path};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Link, LinkKind, Mail};

use crate::error::Error;
use crate::http::csrf::random;

/// How long a link shows that an address is its owner's.
const VERIFY_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
/// How long a link allows a new password: whoever reads the mailbox later has no use for it.
const RESET_MS: i64 = 60 * 60 * 1_000;

/// Whether anything is sent at all.
pub(crate) fn are_sent(config: &Config) -> bool {
    config.mail.transport != MailTransport::Off
}

/// A fresh secret as text of an address or cookie, and what is stored of it.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn secret() -> Result<(String, [u8; 32]), Error> {
    let secret = secret::text(&random::<SECRET_BYTES>()?);
    let hash = digest(&secret);
    Ok((secret, hash))
}

/// A link to show that an address is its owner's.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn verify(config: &Config, to: &Address, name: &str, now: UnixMillis) -> Result<Link, Error> {
    let (secret, hash) = secret()?;
    let (site, url, path) = (&config.site.name, base(config), verify_path(&secret));
    let body = format!(
        "Hello {name},\n\nplease confirm that this address is yours, so that you can take part in {site}:\n\n\
         {url}{path}\n\nThe link is good for three days. If you did not ask for it, ignore this message: \
         nothing happens.\n"
    );
    let mail = Mail { to: to.clone(), subject: format!("Your e-mail address at {site}"), body };
    Ok(Link { hash, kind: LinkKind::Verify, expires_at: UnixMillis(now.0 + VERIFY_MS), mail })
}

/// Until when a link for a new password is good that is made now.
pub(crate) fn reset_expiry(now: UnixMillis) -> UnixMillis {
    UnixMillis(now.0 + RESET_MS)
}

/// A link to choose a new password.
///
/// # Errors
/// The system has no random numbers.
pub(crate) fn reset(config: &Config, to: &Address, name: &str, now: UnixMillis) -> Result<Link, Error> {
    let (secret, hash) = secret()?;
    let (site, url, path) = (&config.site.name, base(config), reset_path(&secret));
    let body = format!(
        "Hello {name},\n\nsomebody, you we hope, wants a new password for your account at {site}. Choose it here:\n\n\
         {url}{path}\n\nThe link is good for an hour, once. If it was not you, ignore this message: your \
         password stays as it is.\n"
    );
    let mail = Mail { to: to.clone(), subject: format!("A new password for {site}"), body };
    Ok(Link { hash, kind: LinkKind::Reset, expires_at: UnixMillis(now.0 + RESET_MS), mail })
}

/// To somebody who joins a second time: the page says the same as to everybody else.
pub(crate) fn known_already(config: &Config, to: &Address, name: &str) -> Mail {
    let (site, url) = (&config.site.name, base(config));
    let body = format!(
        "Hello {name},\n\nsomebody wanted to join {site} with this address, which already has an account there, named \
         {name}. Log in with it:\n\n{url}/login\n\nA forgotten password can be replaced:\n\n{url}/forgot\n\n\
         If it was not you, there is nothing to do.\n"
    );
    Mail { to: to.clone(), subject: format!("Your account at {site}"), body }
}

/// Tells the owner of an account that something about it was changed, so that it is noticed when it was somebody else.
pub(crate) fn notice(config: &Config, to: &Address, name: &str, what: &str) -> Mail {
    let (site, url) = (&config.site.name, base(config));
    let body = format!(
        "Hello {name},\n\n{what}\n\nIf that was you, there is nothing to do. If it was not, choose a new password at \
         once, and tell an administrator:\n\n{url}/forgot\n"
    );
    Mail { to: to.clone(), subject: format!("Your account at {site} was changed"), body }
}

/// To somebody whose account was approved.
pub(crate) fn approved(config: &Config, to: &Address, name: &str) -> Mail {
    let (site, url) = (&config.site.name, base(config));
    let body = format!("Hello {name},\n\nyour account at {site} was approved. Log in:\n\n{url}/login\n");
    Mail { to: to.clone(), subject: format!("Welcome to {site}"), body }
}

/// Where people reach the site. The settings say it, never a request, which may come from anybody.
pub(crate) fn base(config: &Config) -> String {
    if !config.site.base_url.is_empty() {
        return config.site.base_url.clone();
    }
    let listened = config.listen.iter().find(|address| !address.starts_with("unix:"));
    format!("http://{}", listened.map_or("localhost", String::as_str))
}
