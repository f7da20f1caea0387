//! Uploaded pictures: who uploaded which. Their bytes are in their files before this runs (`files`).

use std::fs;

use rusqlite::params;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, Denial, may};
use veritable_domain::upload::{Media, Upload, UploadHash};
use veritable_writer_api::message::{By, Outcome, Refusal, Uploads};

use super::{Failure, Transaction, malformed, no_such};
use crate::files::{Fate, Files};

/// Carries out a change of uploads.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Uploads) -> Result<Outcome, Failure> {
    match change {
        Uploads::StorePicture { upload, name, most, content } => {
            if !content.is_empty() {
                return Err(malformed("a picture that is not in its file"));
            }
            store(tx, by, upload, name, *most)
        }
        Uploads::RemovePicture { hash, of } => remove(tx, by, *hash, *of),
    }
}

fn store(
    tx: &mut Transaction<'_>,
    by: &By,
    upload: &Upload,
    name: &str,
    most: u64,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    may(actor, Deed::OwnThings)?;
    let user = actor.user.ok_or(Denial::LoginRequired)?;
    let path = Files::beside(tx.db, upload.hash, upload.media);
    let path = path.ok_or_else(|| malformed("a database without a folder"))?;
    // Somebody else may have removed the same picture just now.
    let bytes = fs::metadata(&path).map_err(|error| Refusal::Storage { reason: error.to_string() })?.len();
    let known = tx.row(
        "SELECT 1 FROM uploads WHERE hash = ?1 AND user_id = ?2",
        params![upload.hash.0, user.0],
        |_| Ok(()),
    )?;
    tx.files.push(Fate::Named(upload.hash));
    if known.is_some() {
        return Ok(Outcome::Done);
    }
    let sql = "SELECT coalesce(sum(bytes), 0) FROM uploads WHERE user_id = ?1";
    let taken: i64 = tx.row(sql, [user.0], |row| row.get(0))?.unwrap_or_default();
    if taken.unsigned_abs().saturating_add(bytes) > most {
        return Err(Refusal::NoRoom { most }.into());
    }
    tx.run(
        "INSERT INTO uploads (hash, user_id, name, media, bytes, width, height, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            upload.hash.0,
            user.0,
            name,
            upload.media.name(),
            bytes.cast_signed(),
            upload.width,
            upload.height,
            tx.now.0
        ],
    )?;
    Ok(Outcome::Done)
}

fn remove(
    tx: &mut Transaction<'_>,
    by: &By,
    hash: UploadHash,
    of: Option<UserId>,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let is_own = of.is_some() && actor.user == of;
    may(actor, if is_own { Deed::OwnThings } else { Deed::KeepOrder })?;
    let sql = "SELECT media, user_id FROM uploads WHERE hash = ?1";
    let found = veritable_sql::rows(tx.db, sql, params![hash.0], |row| {
        Ok((row.get::<_, String>(0)?, UserId(row.get(1)?)))
    })?;
    let whose = |user: &UserId| of.is_none_or(|of| of == *user);
    let (gone, left): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, user)| whose(user));
    let media =
        gone.first().and_then(|(media, _)| Media::from_name(media)).ok_or_else(|| no_such("picture"))?;
    for (_, user) in &gone {
        tx.run("DELETE FROM uploads WHERE hash = ?1 AND user_id = ?2", params![hash.0, user.0])?;
        if !is_own {
            tx.audit(by, "upload.remove", &format!("user:{user}"), &hash.to_string())?;
        }
    }
    if left.is_empty() {
        // After the commit: if that fails, the picture is still listed, and still there.
        tx.files.push(Fate::Unnamed(hash, media));
    }
    Ok(Outcome::Done)
}
