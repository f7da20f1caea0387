//! Uploaded pictures.

use rusqlite::{Connection, Row, params};
use veritable_domain::ids::UserId;
use veritable_domain::upload::{Described, Media, Upload, UploadHash};

use super::forum::Before;
use super::{When, first, rows, when};

const OF_USER: &str = "SELECT hash, media, width, height, name, bytes, created_at FROM uploads \
    WHERE user_id = ?1 AND created_at < ?2 ORDER BY created_at DESC LIMIT ?3";
const ONE: &str = "SELECT hash, media, width, height, name, bytes, created_at FROM uploads WHERE hash = ?1 AND user_id = ?2";
const TAKEN: &str = "SELECT coalesce(sum(bytes), 0) FROM uploads WHERE user_id = ?1";

#[cfg(test)]
pub(crate) const ALL: &[(&str, &str)] =
    &[("uploads::OF_USER", OF_USER), ("uploads::ONE", ONE), ("uploads::TAKEN", TAKEN)];

/// A picture that somebody uploaded.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) upload: Upload,
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) at: When,
}

impl Picture {
    /// Where a list goes on; the time alone counts.
    pub(crate) fn place(&self) -> Before {
        Before(self.at.0.0, 0)
    }

    /// Its size in kilobytes, a started one counted.
    pub(crate) fn kilobytes(&self) -> i64 {
        self.bytes.div_ceil(1024).cast_signed()
    }

    /// As the API has it.
    pub(crate) fn described(&self) -> Described {
        Described {
            path: self.upload.path(),
            markdown: self.upload.markdown(&self.name),
            name: self.name.clone(),
            media: self.upload.media.name(),
            bytes: self.bytes,
            width: self.upload.width,
            height: self.upload.height,
        }
    }
}

/// The pictures of an account from before a time, the newest first.
pub(crate) fn of_user(
    db: &Connection,
    user: UserId,
    before: i64,
    limit: usize,
) -> rusqlite::Result<Vec<Picture>> {
    let found = rows(db, OF_USER, params![user.0, before, limit as i64], picture)?;
    Ok(found.into_iter().flatten().collect())
}

/// One of them.
pub(crate) fn one(db: &Connection, user: UserId, hash: UploadHash) -> rusqlite::Result<Option<Picture>> {
    Ok(first(db, ONE, params![hash.0, user.0], picture)?.flatten())
}

/// Bytes that an account's pictures take.
pub(crate) fn taken(db: &Connection, user: UserId) -> rusqlite::Result<u64> {
    let taken: Option<i64> = first(db, TAKEN, [user.0], |row| row.get(0))?;
    Ok(taken.unwrap_or_default().unsigned_abs())
}

/// `None` for a row of a kind that this version does not know.
fn picture(row: &Row<'_>) -> rusqlite::Result<Option<Picture>> {
    let Some(media) = Media::from_name(&row.get::<_, String>(1)?) else { return Ok(None) };
    let (width, height) = (row.get(2)?, row.get(3)?);
    Ok(Some(Picture {
        upload: Upload { hash: UploadHash(row.get(0)?), media, width, height },
        name: row.get(4)?,
        bytes: row.get::<_, i64>(5)?.unsigned_abs(),
        at: when(row, 6)?,
    }))
}
