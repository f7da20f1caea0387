//! Which session a request belongs to: by the shared segment, which knows those that are used, or by the database
//! behind it. What is known of an account's sessions ends in every worker before a change of the account is answered.

use std::time::Duration;

use veritable_domain::account::{MAX_SESSION_BYTES, Session};
use veritable_domain::codec;
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_shm::{
    NewSession, Owner, SESSION_BYTES_MAX, Segment, SessionDigest, Sessions, ShmError, TagRef, Tags,
};
use veritable_writer_api::message::{Accounts, By, Command, IdempotencyKey};

use crate::app::App;
use crate::error::Error;
use crate::reads::accounts;
use crate::routes::{ChangeKey, Cost};

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// A session that is used is made to last longer at most this often: not a write a request.
const TOUCH_MS: i64 = DAY_MS;
/// Between two tries to make it last longer.
const TOUCH_PAUSE: Duration = Duration::from_secs(60);

const _: () = assert!(MAX_SESSION_BYTES <= SESSION_BYTES_MAX, "a session outgrows its record");

/// The sessions as one worker knows them.
pub(crate) struct Known {
    sessions: Sessions,
    tags: Tags,
    lifetime_ms: i64,
}

impl Known {
    /// # Errors
    /// The segment has no such slot.
    pub(crate) fn of(segment: &Segment, owner: Owner, days: u32) -> Result<Known, ShmError> {
        Ok(Known {
            sessions: Sessions::of(segment, owner)?,
            tags: Tags::of(segment),
            lifetime_ms: i64::from(days) * DAY_MS,
        })
    }

    /// When a session ends that is used now.
    pub(crate) fn expiry(&self, now: UnixMillis) -> UnixMillis {
        UnixMillis(now.0 + self.lifetime_ms)
    }
}

/// The session of the token with this digest, unless it is over.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn find(
    app: &App,
    digest: &SessionDigest,
    now: UnixMillis,
) -> Result<Option<Session>, Error> {
    let known = &app.sessions;
    let now_ms = veritable_shm::now_ms();
    let kept = known.sessions.get(digest, now_ms).and_then(|bytes| codec::decode::<Session>(&bytes).ok());
    let session = match kept {
        Some(session) => session,
        None => {
            let snapshot = known.tags.snapshot();
            let hash = *digest;
            let found = app.run(Cost::Point, move |db| Ok(accounts::session(db, &hash, now)?)).await?;
            let Some(session) = found else { return Ok(None) };
            let value = codec::encode(&session).map_err(|error| Error::Internal(error.to_string()))?;
            let left = u64::try_from(session.expires_at.0 - now.0).unwrap_or_default();
            let tag = TagRef::new(Tag::Account(session.user).to_string().as_bytes());
            let new = NewSession { value: &value, tag, snapshot, expires_ms: now_ms + left };
            // One that is not kept is looked up again.
            let _kept = known.sessions.put(digest, &new, now_ms);
            session
        }
    };
    if session.expires_at <= now {
        return Ok(None);
    }
    if known.expiry(now).0 - session.expires_at.0 >= TOUCH_MS {
        touch(app, digest, known.expiry(now));
    }
    Ok(Some(session))
}

/// Makes a session that is used last longer; nobody waits for it.
fn touch(app: &App, digest: &SessionDigest, expires_at: UnixMillis) {
    if !app.limits.once_in("touch", digest, TOUCH_PAUSE) {
        return;
    }
    let command = Command::accounts(By::OPERATOR, Accounts::TouchSession { hash: *digest, expires_at });
    let sending = app.send_later(command, ChangeKey::of(IdempotencyKey::fresh()));
    tokio::spawn(async move {
        if let Err(error) = sending.await {
            tracing::debug!(%error, "a session could not be made to last longer; the next request tries again");
        }
    });
}
