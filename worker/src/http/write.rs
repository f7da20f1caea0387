//! The way of a change: who asks, with what, under which key.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use veritable_domain::permission::Actor;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::IdempotencyKey;

use xxhash_rust::xxh3::Xxh3;

use super::router::Found;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::accounts::actor_by_token;
use crate::routes::{Change, ChangeKey, Cost};

/// Longest `Idempotency-Key` (the IETF draft leaves it to the server).
const KEY_BYTES: usize = 255;

/// Answers a request that changes something.
///
/// # Errors
/// It may not, is malformed, or the writer refused.
pub(crate) async fn answer(
    app: &App,
    found: Found<'_>,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
    body: Incoming,
) -> Result<Answer, Error> {
    let Some((_, run)) = found.route.writes.iter().find(|(allowed, _)| allowed == method) else {
        return Err(Error::MethodNotAllowed { allow: found.route.allow() });
    };
    // Who asks comes first: a guest's body is not worth reading. A bearer token is sent by a program on
    // purpose, never by a browser on its own, so no other site can make a visitor send it.
    let actor = authenticate(app, headers).await?;
    let json = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !json.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json") {
        return Err(Error::UnsupportedType);
    }
    let most = usize::try_from(app.config.http.body_bytes).unwrap_or(usize::MAX);
    let body = Limited::new(body, most).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            Error::TooLarge { most }
        } else {
            Error::Invalid { where_: "body", why: "ended early".into() }
        }
    })?;
    let body = body.to_bytes();
    let key = key(headers, actor, &[method.as_str().as_bytes(), path.as_bytes(), &body])?;
    run(app, Change { actor, params: found.params, body, key, now: UnixMillis::now() }).await
}

async fn authenticate(app: &App, headers: &HeaderMap) -> Result<Actor, Error> {
    let token = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .ok_or(Error::Unauthorized)?;
    // The database knows only the hash, and finds it by an index: nothing here compares secrets by bytes.
    let hash: [u8; 32] = Sha256::digest(token.trim().as_bytes()).into();
    app.run(Cost::Point, move |db| Ok(actor_by_token(db, &hash)?)).await?.ok_or(Error::Unauthorized)
}

/// Under which key a change is sent: the client's within its own account, or a fresh one, which the client is told
/// when it has to ask again.
///
/// The header is the IETF draft's, a string in quotes (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/>);
/// one without quotes, as many send it, is taken as it stands.
fn key(headers: &HeaderMap, actor: Actor, asked: &[&[u8]]) -> Result<ChangeKey, Error> {
    let name = match headers.get("idempotency-key") {
        Some(given) => named(given.as_bytes())?,
        None => Uuid::now_v7().to_string(),
    };
    let mut hash = Sha256::new();
    hash.update(actor.user.map_or(0, |user| user.0).to_le_bytes());
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
    Ok(ChangeKey { key, name })
}

fn named(given: &[u8]) -> Result<String, Error> {
    let invalid = |why: String| Error::Invalid { where_: "Idempotency-Key", why };
    if given.is_empty() || given.len() > KEY_BYTES {
        return Err(invalid(format!("has {} bytes, 1 to {KEY_BYTES} are allowed", given.len())));
    }
    let text = std::str::from_utf8(given).map_err(|_| invalid("is not text".into()))?;
    if !text.starts_with('"') {
        return Ok(text.to_owned());
    }
    match sfv::Parser::new(text).parse::<sfv::Item>() {
        Ok(sfv::Item { bare_item: sfv::BareItem::String(name), .. }) => Ok(name.as_str().to_owned()),
        _ => Err(invalid("is not a string in quotes (RFC 9651)".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use veritable_domain::ids::UserId;
    use veritable_domain::permission::Role;

    fn key_of(given: Option<&'static [u8]>, user: i64, asked: &[&[u8]]) -> Result<ChangeKey, Error> {
        let mut headers = HeaderMap::new();
        if let Some(given) = given {
            headers.insert("idempotency-key", http::HeaderValue::from_bytes(given).unwrap());
        }
        key(&headers, Actor { user: Some(UserId(user)), role: Role::Member }, asked)
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
    fn a_made_up_key_can_be_sent_back_and_a_malformed_one_is_refused() {
        let made = key_of(None, 1, &[b"x"]).unwrap();
        let again = key_of(Some(made.name.clone().into_bytes().leak()), 1, &[b"x"]).unwrap();
        assert_eq!(again.key, made.key);
        let later = key_of(None, 1, &[b"x"]).unwrap();
        assert!(later.key.name[..6] >= made.key.name[..6], "they begin with the time");
        assert_ne!(later.key.name, made.key.name);
        for given in [&b""[..], &[b'x'; 256], b"\"open", b"\"a\" b", b"\xff\xfe"] {
            assert!(
                matches!(key_of(Some(given.to_vec().leak()), 1, &[]), Err(Error::Invalid { .. })),
                "{given:?}"
            );
        }
    }
}
