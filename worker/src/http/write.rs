//! The way of a change: who asks, with what, under which key.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Method};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use sha2::{Digest, Sha256};
use veritable_domain::permission::Actor;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::IdempotencyKey;

use super::router::Found;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::accounts::actor_by_token;
use crate::routes::{Change, Cost};

/// Longest `Idempotency-Key` (the IETF draft leaves it to the server).
const KEY_BYTES: usize = 255;

/// Answers a request that changes something.
///
/// # Errors
/// It may not, is malformed, or the writer refused.
pub(crate) async fn answer(
    app: &App,
    found: Found<'_>,
    method: &Method,
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
    let key = key(headers, actor)?;
    run(app, Change { actor, params: found.params, body: body.to_bytes(), key, now: UnixMillis::now() }).await
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

/// The client's key within its own account, or a fresh one.
fn key(headers: &HeaderMap, actor: Actor) -> Result<IdempotencyKey, Error> {
    let Some(given) = headers.get("idempotency-key") else {
        return Ok(IdempotencyKey::random());
    };
    if given.is_empty() || given.len() > KEY_BYTES {
        let why = format!("has {} bytes, 1 to {KEY_BYTES} are allowed", given.len());
        return Err(Error::Invalid { where_: "Idempotency-Key", why });
    }
    let mut hash = Sha256::new();
    hash.update(actor.user.map_or(0, |user| user.0).to_le_bytes());
    hash.update(given.as_bytes());
    let mut key = [0; 16];
    key.copy_from_slice(&hash.finalize()[..16]);
    Ok(IdempotencyKey(key))
}
