//! Joining, logging in and out, and what people do with their own accounts.

pub(crate) mod api;
pub(crate) mod erasing;
pub(crate) mod export;
pub(crate) mod home;
pub(crate) mod joining;
pub(crate) mod login;
pub(crate) mod passwords;
pub(crate) mod second_factor;
pub(crate) mod second_step;
pub(crate) mod tokens;

use std::collections::BTreeMap;

use http::StatusCode;
use veritable_domain::account::{Address, NewPassword};
use veritable_writer_api::message::Mail;

use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::mails;
use crate::reads::accounts::Login;
use crate::routes::Asker;
use crate::views::{Notice, Page, render};

/// A page that says one thing.
pub(crate) async fn notice(
    app: &App,
    asker: &Asker,
    title: &str,
    text: &str,
    link: Option<(&str, &str)>,
) -> Result<Answer, Error> {
    let page = Page::own(app, asker, title).await?;
    let link = link.map(|(name, path)| (name.to_owned(), path.to_owned()));
    Ok(Answer::html(render(&Notice { page, text, link })?, Vec::new()))
}

/// A path of this site to go on to, from a request; anything else would lead people wherever its sender likes.
pub(crate) fn local(next: &str) -> &str {
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/\\");
    if is_path && !next.chars().any(|c| c.is_control() || c == '\\') { next } else { "/" }
}

/// What is said on arriving at a page after something was done; only these, by name, never text from a request.
pub(crate) fn said(name: &str) -> Option<&'static str> {
    Some(match name {
        "verified" => "Your e-mail address is confirmed. You can log in now.",
        "reset" => "Your password is changed, and you are logged out everywhere. Log in with the new one.",
        "password" => "Your password is changed. You are logged out everywhere else.",
        "session" => "That session is ended.",
        "sessions" => "You are logged out everywhere else.",
        "out" => "You are logged out.",
        "late" => "That took too long. Log in again.",
        "joined" => "Your account is made. Log in.",
        "name" => "You are called otherwise now.",
        "address" => "Your e-mail address is changed.",
        "confirmed" => "Your e-mail address is confirmed.",
        "token" => "That token is ended.",
        "factor-off" => "Your password alone is asked for from now on.",
        "erased" => "Your account is deleted.",
        _ => return None,
    })
}

/// A mail that tells an account's owner of a change, where it has an address.
pub(crate) fn told(app: &App, login: &Login, what: &str) -> Option<Mail> {
    let address = Address::new(login.address.as_deref()?).ok().filter(|_| mails::are_sent(&app.config))?;
    Some(mails::notice(&app.config, &address, &login.name, what))
}

/// Which fields of a form are wrong, with what to do about it.
pub(crate) type Faults = BTreeMap<&'static str, String>;

/// A password somebody wants, typed once; what is wrong with it goes to `faults`.
pub(crate) fn new_password(text: &str, known: &[&str], faults: &mut Faults) -> Option<NewPassword> {
    match NewPassword::new(text, known) {
        Ok(password) => Some(password),
        Err(weak) => {
            faults.insert("password", weak.to_string());
            None
        }
    }
}

/// The status of a form that comes back with faults.
pub(crate) const FAULTY: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_site_are_gone_on_to() {
        for good in ["/", "/t/x/1?after=y", "/wiki/A%20B"] {
            assert_eq!(local(good), good);
        }
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "/a\\b",
            "/a\r\nb",
            "javascript:x",
            "x",
        ] {
            assert_eq!(local(bad), "/", "{bad:?}");
        }
    }
}
