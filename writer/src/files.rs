//! The files of uploaded pictures, in `uploads` beside the databases, each under its hash. A file is whole and on the
//! disk before the row that names it is committed; it is written by the thread that received it, so that no other
//! worker's commands wait for it. It is removed only after the commit that takes its last row away, or once its command
//! was refused: while a command is under way its file is held. What a crash leaves between the two is swept up later.

use std::collections::HashMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};
use veritable_config::Config;
use veritable_domain::upload::{MAX_STORED_BYTES, Media, Upload, UploadHash, parse_file_name, stored_at};
use veritable_writer_api::message::{Command, Refusal, Request, Uploads};

/// Where files are written before they have their name.
const NEW: &str = "new";

/// A file without a row is removed once it is so old: nothing is under way for so long, and whoever moved folders about
/// has time to notice.
const SWEEP_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes compared at a time.
const CHUNK: usize = 64 * 1024;

/// The folder of uploads.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    dir: PathBuf,
    held: Arc<Mutex<HashMap<UploadHash, Hold>>>,
}

/// What is known of a file that commands under way bring.
#[derive(Debug, Default)]
struct Hold {
    /// How many of them.
    holders: usize,
    /// No row names it: it goes with the last of them.
    is_unnamed: bool,
}

/// A picture's file, held for a command until that is answered.
#[derive(Debug)]
pub(crate) struct Held {
    files: Files,
    upload: (UploadHash, Media),
}

impl Drop for Held {
    fn drop(&mut self) {
        let (hash, media) = self.upload;
        let mut held = self.files.held();
        let Some(hold) = held.get_mut(&hash) else { return };
        hold.holders -= 1;
        if hold.holders == 0 {
            let is_unnamed = hold.is_unnamed;
            held.remove(&hash);
            if is_unnamed && let Err(error) = self.files.remove(hash, media) {
                tracing::warn!(%error, %hash, "a picture that was refused is left; it is swept up later");
            }
        }
    }
}

/// What a command made of a file; done after its commit, in the order of the commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// A row names it, or may do so.
    Named(UploadHash),
    /// No row names it any more.
    Unnamed(UploadHash, Media),
}

impl Files {
    /// Those of a data directory. What an earlier writer left unfinished is removed.
    pub(crate) fn of(config: &Config) -> Files {
        let files = Files { dir: config.uploads_dir(), held: Arc::default() };
        match fs::remove_dir_all(files.dir.join(NEW)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, dir = %files.dir.display(), "unfinished uploads are left");
            }
            _ => {}
        }
        files
    }

    /// Where a picture's bytes are, beside a database that is open.
    pub(crate) fn beside(db: &Connection, hash: UploadHash, media: Media) -> Option<PathBuf> {
        let dir = Path::new(db.path()?).parent()?;
        (dir != Path::new("")).then(|| dir.join(Config::UPLOADS).join(stored_at(hash, media)))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<UploadHash, Hold>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a picture's bytes are.
    fn path(&self, hash: UploadHash, media: Media) -> PathBuf {
        self.dir.join(stored_at(hash, media))
    }

    /// Puts the bytes of a command that brings a picture into their file, and takes them out of the command. Other
    /// commands stay as they are. The file is held until what this yields is dropped.
    ///
    /// # Errors
    /// The bytes are not what the command says, or cannot be written.
    pub(crate) fn keep(&self, request: &mut Request) -> Result<Option<Held>, Refusal> {
        let Command::Uploads(_, change) = &mut request.command else { return Ok(None) };
        let Uploads::StorePicture { upload, content, .. } = change.as_mut() else { return Ok(None) };
        let content = std::mem::take(content);
        let malformed = |reason: &str| Err(Refusal::Malformed { reason: reason.into() });
        if content.is_empty() || content.len() > MAX_STORED_BYTES {
            return malformed("a picture of no bytes, or of too many");
        }
        if Sha256::digest(&content)[..] != upload.hash.0 {
            return malformed("the hash is not the picture's");
        }
        // Before it is looked at: nobody removes it from here on.
        self.held().entry(upload.hash).or_default().holders += 1;
        let held = Held { files: self.clone(), upload: (upload.hash, upload.media) };
        self.write(upload, &content).map_err(|error| {
            tracing::error!(%error, dir = %self.dir.display(), "a picture could not be stored");
            Refusal::Storage { reason: error.to_string() }
        })?;
        Ok(Some(held))
    }

    /// Does with files what commands that are committed made of them.
    pub(crate) fn settle(&self, fates: &[Fate]) {
        for fate in fates {
            match *fate {
                Fate::Named(hash) => {
                    if let Some(hold) = self.held().get_mut(&hash) {
                        hold.is_unnamed = false;
                    }
                }
                Fate::Unnamed(hash, media) => {
                    if let Err(error) = self.let_go(hash, media) {
                        tracing::warn!(%error, %hash, "a removed picture's file is left; it is swept up later");
                    }
                }
            }
        }
    }

    /// Removes the file of a picture that no row names, once no command under way brings it.
    fn let_go(&self, hash: UploadHash, media: Media) -> io::Result<()> {
        let mut held = self.held();
        match held.get_mut(&hash) {
            Some(hold) => {
                hold.is_unnamed = true;
                Ok(())
            }
            // Under the lock: whoever brings it next finds that it is not there.
            None => self.remove(hash, media),
        }
    }

    /// The folders with pictures.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let name_bytes = |path: &PathBuf| path.file_name().map_or(0, std::ffi::OsStr::len);
        entries.map(|entry| entry.path()).filter(|path| name_bytes(path) == 2).collect()
    }

    /// Removes what is in a folder without a row; how many pictures.
    ///
    /// # Errors
    /// The database cannot be read, and nothing more is removed.
    pub(crate) fn sweep(&self, db: &Connection, folder: &Path) -> rusqlite::Result<u64> {
        let mut swept = 0;
        let prefix = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let Some((hash, media)) = parse_file_name(&name) else { continue };
            let changed = entry.metadata().and_then(|file| file.modified());
            let age = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
            if age.is_none_or(|age| age < SWEEP_AGE) {
                continue;
            }
            let sql = "SELECT 1 FROM uploads WHERE hash = ?1 AND media = ?2 LIMIT 1";
            if veritable_sql::first(db, sql, params![hash.0, media.name()], |_| Ok(()))?.is_some() {
                continue;
            }
            match self.let_go(hash, media) {
                Ok(()) => swept += 1,
                Err(error) => tracing::debug!(%error, %hash, "a picture without a row cannot be removed"),
            }
        }
        Ok(swept)
    }

    fn write(&self, upload: &Upload, content: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(upload.hash, upload.media);
        if is_of(&path, content) {
            return Ok(());
        }
        // Unless it was there, damaged: then rows may name it.
        if !path.exists()
            && let Some(hold) = self.held().get_mut(&upload.hash)
        {
            hold.is_unnamed = true;
        }
        let (new, folder) = (self.dir.join(NEW), path.parent().unwrap_or(&self.dir));
        for dir in [&new, folder] {
            DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        }
        let temporary = new.join(format!("{}-{}", upload.hash, NEXT.fetch_add(1, Ordering::Relaxed)));
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&temporary)
            .and_then(|mut file| file.write_all(content).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temporary, &path));
        if let Err(error) = written {
            // It may not have been made; what is left goes at the next start.
            let _absent = fs::remove_file(&temporary);
            return Err(error);
        }
        // The name, and the folder's own.
        File::open(folder)?.sync_all()?;
        File::open(&self.dir)?.sync_all()
    }

    /// Removes a picture's file, which may be gone already.
    fn remove(&self, hash: UploadHash, media: Media) -> io::Result<()> {
        match fs::remove_file(self.path(hash, media)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// Whether a file holds these bytes: one of the same length may be damaged.
fn is_of(path: &Path, content: &[u8]) -> bool {
    let compare = || {
        let (mut file, mut rest, mut chunk) = (File::open(path)?, content, vec![0; CHUNK]);
        loop {
            let read = file.read(&mut chunk)?;
            if read == 0 {
                return Ok(rest.is_empty());
            }
            match rest.strip_prefix(&chunk[..read]) {
                Some(more) => rest = more,
                None => return Ok(false),
            }
        }
    };
    let compared: io::Result<bool> = compare();
    compared.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use veritable_domain::time::UnixMillis;
    use veritable_domain::upload::Media;
    use veritable_writer_api::message::{By, IdempotencyKey};

    use super::*;

    fn brought(content: &[u8]) -> (Request, UploadHash) {
        let hash = UploadHash(Sha256::digest(content).into());
        let upload = Upload { hash, media: Media::Png, width: 1, height: 1 };
        let store =
            Uploads::StorePicture { upload, name: "a".into(), most: u64::MAX, content: content.to_vec() };
        let command = Command::uploads(By::OPERATOR, store);
        (Request { id: 1, key: IdempotencyKey::fresh(), deadline: UnixMillis(0), command }, hash)
    }

    fn files() -> (tempfile::TempDir, Files) {
        let dir = tempfile::tempdir().unwrap();
        let files = Files::of(&Config { data_dir: dir.path().to_owned(), ..Config::default() });
        (dir, files)
    }

    #[test]
    fn a_file_is_there_as_long_as_a_command_brings_it_or_a_row_names_it() {
        let (_dir, files) = files();
        let (request, hash) = brought(b"some bytes");
        let keep = || files.keep(&mut request.clone()).unwrap();
        let is_there = || files.path(hash, Media::Png).exists();
        // Refused twice, at the same time.
        let (first, second) = (keep(), keep());
        drop(first);
        assert!(is_there());
        drop(second);
        assert!(!is_there());
        // Stored.
        let held = keep();
        files.settle(&[Fate::Named(hash)]);
        drop(held);
        assert!(is_there());
        // Refused, but somebody else's.
        drop(keep());
        assert!(is_there());
        // Removed while somebody brings it again: it goes if that is refused, and stays if not.
        for (fates, stays) in [
            (&[Fate::Unnamed(hash, Media::Png), Fate::Named(hash)][..], true),
            (&[Fate::Unnamed(hash, Media::Png)], false),
        ] {
            let held = keep();
            files.settle(fates);
            assert!(is_there());
            drop(held);
            assert_eq!(is_there(), stays);
        }
    }

    #[test]
    fn a_damaged_file_of_the_same_length_is_written_anew() {
        let (_dir, files) = files();
        let (request, hash) = brought(b"some bytes");
        let held = files.keep(&mut request.clone()).unwrap();
        files.settle(&[Fate::Named(hash)]);
        drop(held);
        fs::write(files.path(hash, Media::Png), b"rotten, it").unwrap();
        drop(files.keep(&mut request.clone()).unwrap());
        assert_eq!(fs::read(files.path(hash, Media::Png)).unwrap(), b"some bytes", "and it stays");
    }

    #[test]
    fn what_a_crash_left_is_swept_up_when_it_is_old() {
        let (dir, files) = files();
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        let db = crate::database::open(&config, crate::database::Database::Forums).unwrap();
        db.pragma_update(None, "foreign_keys", false).unwrap();
        let mut paths = Vec::new();
        for content in [&b"named"[..], b"left", b"fresh", b"on its way"] {
            let (mut request, hash) = brought(content);
            let held = files.keep(&mut request).unwrap();
            files.settle(&[Fate::Named(hash)]);
            paths.push((hash, files.path(hash, Media::Png), held));
        }
        let sql = "INSERT INTO uploads (hash, user_id, name, media, bytes, width, height, created_at)
                   VALUES (?1, 1, 'a', 'image/png', 5, 1, 1, 0)";
        db.execute(sql, [&paths[0].0.0[..]]).unwrap();
        for (number, (_, path, held)) in paths.iter_mut().enumerate() {
            if number != 2 {
                let long_ago = SystemTime::now() - 2 * SWEEP_AGE;
                File::options().write(true).open(path).unwrap().set_modified(long_ago).unwrap();
            }
            if number != 3 {
                *held = None;
            }
        }
        for folder in files.folders() {
            files.sweep(&db, &folder).unwrap();
        }
        let there: Vec<bool> = paths.iter().map(|(_, path, _)| path.exists()).collect();
        assert_eq!(there, [true, false, true, true]);
    }
}
