//! The files of uploaded pictures, in `uploads` beside the databases, each under its hash. A file is whole and on the
//! disk before the row that names it is committed; it is written by the thread that received it, so that no other
//! worker's commands wait for it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use sha2::{Digest, Sha256};
use veritable_config::Config;
use veritable_domain::upload::{MAX_STORED_BYTES, Media, Upload, UploadHash, stored_at};
use veritable_writer_api::message::{Command, Refusal, Request, Uploads};

/// Where files are written before they have their name.
const NEW: &str = "new";

/// The folder of uploads.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    dir: PathBuf,
}

impl Files {
    /// Those of a data directory. What an earlier writer left unfinished is removed.
    pub(crate) fn of(config: &Config) -> Files {
        let files = Files { dir: config.uploads_dir() };
        match fs::remove_dir_all(files.dir.join(NEW)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, dir = %files.dir.display(), "unfinished uploads are left");
            }
            _ => {}
        }
        files
    }

    /// Those beside a database that is open.
    pub(crate) fn beside(db: &Connection) -> Option<Files> {
        let dir = Path::new(db.path()?).parent()?;
        (dir != Path::new("")).then(|| Files { dir: dir.join(Config::UPLOADS) })
    }

    /// Where a picture's bytes are.
    pub(crate) fn path(&self, hash: UploadHash, media: Media) -> PathBuf {
        self.dir.join(stored_at(hash, media))
    }

    /// Puts the bytes of a command that brings a picture into their file, and takes them out of the command. Other
    /// commands stay as they are.
    ///
    /// # Errors
    /// The bytes are not what the command says, or cannot be written.
    pub(crate) fn keep(&self, request: &mut Request) -> Result<(), Refusal> {
        let Command::Uploads(_, change) = &mut request.command else { return Ok(()) };
        let Uploads::StorePicture { upload, content, .. } = change.as_mut() else { return Ok(()) };
        let content = std::mem::take(content);
        let malformed = |reason: &str| Err(Refusal::Malformed { reason: reason.into() });
        if content.is_empty() || content.len() > MAX_STORED_BYTES {
            return malformed("a picture of no bytes, or of too many");
        }
        if Sha256::digest(&content)[..] != upload.hash.0 {
            return malformed("the hash is not the picture's");
        }
        self.write(upload, &content).map_err(|error| {
            tracing::error!(%error, dir = %self.dir.display(), "a picture could not be stored");
            Refusal::Storage { reason: error.to_string() }
        })
    }

    fn write(&self, upload: &Upload, content: &[u8]) -> io::Result<()> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = self.path(upload.hash, upload.media);
        if fs::metadata(&path).is_ok_and(|file| file.len() == content.len() as u64) {
            return Ok(());
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
    pub(crate) fn remove(&self, hash: UploadHash, media: Media) -> io::Result<()> {
        match fs::remove_file(self.path(hash, media)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}
