//! The way of a change: whether a page of ours asks for it, who asks, with what, under which key.

use std::net::IpAddr;

use http::request::Parts;
use http::{Method, header};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use veritable_config::settings::Switch;
use veritable_domain::ids::UserId;
use veritable_domain::permission::Role;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::IdempotencyKey;
use xxhash_rust::xxh3::Xxh3;

use super::asker::{self, Asker, KnownBy};
use super::body::{self, Fields};
use super::cookies::Kind;
use super::received::Received;
use super::router::{FormRoute, Found};
use super::{again, csrf, upload};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::reads::accounts;
use crate::routes::{Change, ChangeKey, Cost, Submission, Text, Who};

/// Longest `Idempotency-Key` (the IETF draft leaves it to the server).
const KEY_BYTES: usize = 255;
/// Where scripts of ours put what forms repeat.
const CSRF_HEADER: &str = "x-csrf-token";
/// The same field of forms.
pub(crate) const CSRF_FIELD: &str = "csrf";
/// The field by which a form that is sent twice is known again.
pub(crate) const KEY_FIELD: &str = "key";
/// The button that shows what was written without sending it.
pub(crate) const PREVIEW_FIELD: &str = "preview";
/// The button that keeps what was written without sending it.
pub(crate) const DRAFT_FIELD: &str = "draft";
/// An account is new for a day.
const NEW_MS: i64 = 24 * 60 * 60 * 1_000;

/// Answers a request that changes something.
///
/// # Errors
/// No page of ours asks for it, nobody may, or whatever the handler fails with.
pub(crate) async fn answer(
    app: &App,
    found: Found<'_>,
    head: &Parts,
    body: Received,
    (address, now): (Option<IpAddr>, UnixMillis),
) -> Result<Answer, Error> {
    let form = found.route.form.filter(|_| head.method == Method::POST);
    let picture = found.route.upload.filter(|_| head.method == Method::POST);
    let change = found.route.writes.iter().find(|(method, ..)| *method == head.method);
    if form.is_none() && picture.is_none() && change.is_none() {
        return Err(Error::MethodNotAllowed { allow: found.route.allow() });
    }
    let authority = head.uri.authority().map(http::uri::Authority::as_str);
    csrf::check_origin(&head.headers, authority, &app.config.site.base_url)?;
    body::is_plain(&head.headers)?;
    // Who asks comes before what: a guest's body is not worth reading.
    let asker = asker::of(app, (&head.headers, head.uri.path()), address, now).await?;
    if let Some(form) = form {
        return submit(app, found, form, head, body, asker, now).await;
    }
    if let Some(picture) = picture {
        return upload::take(app, picture, head, body, asker).await;
    }
    let Some((_, scope, run)) = change else {
        return Err(Error::MethodNotAllowed { allow: found.route.allow() });
    };
    let user = asker.user()?;
    asker.within(*scope)?;
    check_header(&asker, head)?;
    limit(app, &asker, now).await?;
    let body = body::read(app, body, usize::MAX).await?;
    let says_nothing = body.is_empty() && !head.headers.contains_key(header::CONTENT_TYPE);
    if !says_nothing && !body::is_of(&head.headers, "application/json") {
        return Err(Error::UnsupportedType { takes: "application/json" });
    }
    let name = key_name(head)?;
    let asked = [head.method.as_str().as_bytes(), head.uri.path().as_bytes(), &body];
    let key = key(name, Some(user), &asked);
    run(app, Change { asker, params: found.params, body, key, now }).await
}

async fn submit(
    app: &App,
    found: Found<'_>,
    form: FormRoute,
    head: &Parts,
    body: Received,
    asker: Asker,
    now: UnixMillis,
) -> Result<Answer, Error> {
    if form.text != Text::None && asker.actor.user.is_none() {
        // What is sent after the session is over is shown back; but not to whoever sends as much as it takes.
        app.limits.count_address(limits::WRITE_ADDRESS, asker.address)?;
    } else {
        form.who.admit(asker.actor)?;
    }
    if !body::is_of(&head.headers, "application/x-www-form-urlencoded") {
        return Err(Error::UnsupportedType { takes: "application/x-www-form-urlencoded" });
    }
    let most = if form.text == Text::None { body::SMALL_BYTES } else { usize::MAX };
    let body = body::read(app, body, most).await?;
    let fields = Fields::parse(&body)?;
    if form.text != Text::None && !matches!(asker.known_by, KnownBy::Token { .. }) {
        let address = head.uri.path_and_query().map_or(head.uri.path(), |address| address.as_str());
        let sent = carry_out(app, found, form, head, (&asker, fields.clone()), now).await;
        return match sent {
            Ok(answer) => Ok(answer),
            Err(error) => again::answer(app, &asker, address, &fields, error).await,
        };
    }
    carry_out(app, found, form, head, (&asker, fields), now).await
}

async fn carry_out(
    app: &App,
    found: Found<'_>,
    form: FormRoute,
    head: &Parts,
    (asker, fields): (&Asker, Fields),
    now: UnixMillis,
) -> Result<Answer, Error> {
    let FormRoute { who, text, run } = form;
    who.admit(asker.actor)?;
    // No token of an API is for forms: what they do is not what its scopes say.
    check_secret(asker, fields.get(CSRF_FIELD))?;
    if text == Text::Drafted && (fields.has(PREVIEW_FIELD) || fields.has(DRAFT_FIELD)) {
        if is_limited(app, asker) {
            app.limits.count(limits::DRAFT, &asker.user()?.0.to_le_bytes())?;
        }
    } else if who != Who::Anyone {
        limit(app, asker, now).await?;
    }
    let name = Some(fields.get(KEY_FIELD)).filter(|name| !name.is_empty() && name.len() <= KEY_BYTES);
    // The secret that a form repeats is another text each time.
    let asked: Vec<&[u8]> = std::iter::once(head.uri.path())
        .chain(fields.all().filter(|(name, _)| *name != CSRF_FIELD).flat_map(|(name, value)| [name, value]))
        .map(str::as_bytes)
        .collect();
    let key = key_of_form(key(name.map(str::to_owned), asker.actor.user, &asked));
    let user_agent = head.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let user_agent = user_agent.unwrap_or_default().to_owned();
    let device = app.cookies.get(&head.headers, Kind::Device).map(str::to_owned);
    run(app, Submission { asker: asker.clone(), params: found.params, fields, user_agent, device, key, now })
        .await
}

/// What the client calls its change.
pub(super) fn key_name(head: &Parts) -> Result<Option<String>, Error> {
    head.headers.get("idempotency-key").map(|given| named(given.as_bytes())).transpose()
}

/// Whether a script of ours asks, where it is a session that the asker is known by.
pub(super) fn check_header(asker: &Asker, head: &Parts) -> Result<(), Error> {
    if let KnownBy::Session { .. } = asker.known_by {
        let repeated = head.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
        check_secret(asker, repeated.unwrap_or_default())?;
    }
    Ok(())
}

/// Whether a form or script holds what those of this asker's session hold.
pub(super) fn check_secret(asker: &Asker, repeated: &str) -> Result<(), Error> {
    match asker.secret() {
        Some(secret) if secret.is(repeated) => Ok(()),
        Some(_) => Err(Error::StaleForm),
        None => Err(Error::NoCookie),
    }
}

/// Whether changes by this account are counted; an administrator's are not.
fn is_limited(app: &App, asker: &Asker) -> bool {
    app.config.accounts.limits == Switch::On && asker.actor.role != Role::Administrator
}

/// Counts a change by an account.
async fn limit(app: &App, asker: &Asker, now: UnixMillis) -> Result<(), Error> {
    if !is_limited(app, asker) {
        return Ok(());
    }
    let user = asker.user()?;
    app.limits.count_address(limits::WRITE_ADDRESS, asker.address)?;
    let made = app.run(Cost::Point, move |db| Ok(accounts::made_at(db, user)?)).await?;
    let is_new = made.is_some_and(|at| now.0 - at.0 < NEW_MS) && asker.actor.role == Role::Member;
    let limit = if is_new { limits::WRITE_NEW } else { limits::WRITE };
    app.limits.count(limit, &user.0.to_le_bytes())
}

/// Under which key a change is sent: the client's within its own account, or a fresh one, which the client is told
/// when it has to ask again.
///
/// The header is the IETF draft's, a string in quotes (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>);
/// one without quotes, as many send it, is taken as it stands.
pub(super) fn key(name: Option<String>, user: Option<UserId>, asked: &[&[u8]]) -> ChangeKey {
    let name = name.unwrap_or_else(|| Uuid::now_v7().to_string());
    let mut hash = Sha256::new();
    hash.update(user.map_or(0, |user| user.0).to_le_bytes());
    hash.update(name.as_bytes());
    let mut key = IdempotencyKey::of([0; 16]);
    key.name.copy_from_slice(&hash.finalize()[..16]);
    // The time that such a one begins with (RFC 9562) is kept, and with it the order in the writer's index.
    if let Some(uuid) = Uuid::try_parse(&name).ok().filter(|uuid| uuid.get_version_num() == 7) {
        key.name[..6].copy_from_slice(&uuid.as_bytes()[..6]);
    }
    let mut digest = Xxh3::new();
    for part in asked {
        // Each with its length, so that no part can pass for the end of another.
        digest.update(&part.len().to_le_bytes());
        digest.update(part);
    }
    key.digest = digest.digest().max(1);
    ChangeKey { key, name: Some(name) }
}

/// A form that comes again with other fields is another change: its page came out of the browser's memory, and was filled
/// in anew.
fn key_of_form(mut key: ChangeKey) -> ChangeKey {
    for (byte, digest) in key.key.name[8..].iter_mut().zip(key.key.digest.to_le_bytes()) {
        *byte ^= digest;
    }
    key
}

pub(crate) fn named(given: &[u8]) -> Result<String, Error> {
    let invalid = |why: String| Error::Invalid { where_: "Idempotency-Key", why };
    if given.is_empty() || given.len() > KEY_BYTES {
        return Err(invalid(format!("has {} bytes, 1 to {KEY_BYTES} are allowed", given.len())));
    }
    let text = std::str::from_utf8(given).map_err(|_| invalid("is not text".into()))?;
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    match sfv::Parser::new(text).parse::<sfv::Item>() {
        Ok(sfv::Item { bare_item: sfv::BareItem::String(name), .. }) if !name.as_str().is_empty() => {
            Ok(name.as_str().to_owned())
        }
        _ => Err(invalid("is not a string in quotes with something in it (RFC 9651)".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_of(given: Option<&[u8]>, user: i64, asked: &[&[u8]]) -> Result<ChangeKey, Error> {
        let name = given.map(named).transpose()?;
        Ok(key(name, Some(UserId(user)), asked))
    }

    #[test]
    fn a_key_is_the_same_in_quotes_and_without_and_each_accounts_own() {
        let one = key_of(Some(b"abc"), 1, &[b"POST", b"body"]).unwrap();
        assert_eq!(key_of(Some(b"\"abc\""), 1, &[b"POST", b"body"]).unwrap().key, one.key);
        assert_ne!(key_of(Some(b"abc"), 2, &[b"POST", b"body"]).unwrap().key.name, one.key.name);
        let other = key_of(Some(b"abc"), 1, &[b"POST", b"other"]).unwrap();
        assert_eq!(other.key.name, one.key.name);
        assert_ne!(other.key.digest, one.key.digest);
        assert_ne!(key_of(Some(b"abc"), 1, &[b"POSTbody"]).unwrap().key.digest, one.key.digest);
    }

    #[test]
    fn a_form_is_one_change_as_long_as_it_says_the_same() {
        let of = |text: &[u8]| key_of_form(key_of(Some(b"abc"), 1, &[text]).unwrap()).key;
        assert_eq!(of(b"one"), of(b"one"));
        assert_ne!(of(b"one").name, of(b"other").name);
        let made = key_of(None, 1, &[b"x"]).unwrap().key;
        let form = key_of_form(key_of(None, 1, &[b"x"]).unwrap()).key;
        assert!(form.name[..6] >= made.name[..6], "they begin with the time");
    }

    #[test]
    fn a_made_up_key_can_be_sent_back_and_a_malformed_one_is_refused() {
        let made = key_of(None, 1, &[b"x"]).unwrap();
        let again = key_of(made.name.as_deref().map(str::as_bytes), 1, &[b"x"]).unwrap();
        assert_eq!(again.key, made.key);
        let later = key_of(None, 1, &[b"x"]).unwrap();
        assert!(later.key.name[..6] >= made.key.name[..6], "they begin with the time");
        assert_ne!(later.key.name, made.key.name);
        for given in [&b""[..], b"\"\"", &[b'x'; 256], b"\"open", b"\"a\" b", b"\xff\xfe"] {
            assert!(matches!(key_of(Some(given), 1, &[]), Err(Error::Invalid { .. })), "{given:?}");
        }
    }
}
