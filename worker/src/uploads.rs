//! What bounds pictures that come and go: how many are received, made and sent at once.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};
use veritable_config::Config;
use veritable_domain::upload::{MAX_STORED_BYTES, Media, UploadHash, stored_at};

use crate::background::Background;
use crate::error::Error;
use crate::pictures::{self, Made, PictureError};

/// Pictures that are received at once: each may take as much memory as is allowed for one.
const RECEIVED_AT_ONCE: usize = 16;
/// Pictures that wait to be made; one is made at a time, which takes up to 300 MB and some seconds.
const QUEUE: usize = 8;
/// Bytes of pictures that are being sent at once, in kilobytes: their askers may read slowly.
const SENT_KB: usize = 64 * 1024;
/// Longest wait for others to have read theirs.
const PATIENCE: Duration = Duration::from_secs(5);

/// The bounds, and the thread that makes pictures.
pub(crate) struct Uploads {
    dir: PathBuf,
    workshop: Background,
    receiving: Semaphore,
    sending: Arc<Semaphore>,
}

impl Uploads {
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start(config: &Config) -> std::io::Result<Uploads> {
        Ok(Uploads {
            dir: config.uploads_dir(),
            workshop: Background::start("pictures", 1, QUEUE)?,
            receiving: Semaphore::new(RECEIVED_AT_ONCE),
            sending: Arc::new(Semaphore::new(SENT_KB)),
        })
    }

    /// A place to receive a picture in.
    ///
    /// # Errors
    /// [`Error::Busy`] when all are taken.
    pub(crate) fn receive(&self) -> Result<SemaphorePermit<'_>, Error> {
        self.receiving.try_acquire().map_err(|_| Error::Busy)
    }

    /// A file's picture as it is to be stored, or why it is none.
    ///
    /// # Errors
    /// Too many wait to be made.
    pub(crate) async fn make(&self, file: Bytes) -> Result<Result<Made, PictureError>, Error> {
        let made = self.workshop.run(move || {
            std::panic::catch_unwind(|| pictures::make(&file)).unwrap_or_else(|_| {
                tracing::warn!(bytes = file.len(), "reading a picture panicked");
                Err(PictureError::Damaged)
            })
        });
        made.await
    }

    /// How many bytes a picture has; `None` when there is none.
    ///
    /// # Errors
    /// Its file cannot be looked at.
    pub(crate) fn size(&self, hash: UploadHash, media: Media) -> Result<Option<u64>, Error> {
        match std::fs::metadata(self.dir.join(stored_at(hash, media))) {
            Ok(file) => Ok(Some(file.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// The bytes of a picture; `None` when there is none.
    ///
    /// # Errors
    /// Too many are being sent, or the file cannot be read.
    pub(crate) async fn read(&self, hash: UploadHash, media: Media) -> Result<Option<Bytes>, Error> {
        let Some(bytes) = self.size(hash, media)? else { return Ok(None) };
        let path = self.dir.join(stored_at(hash, media));
        if bytes > MAX_STORED_BYTES as u64 {
            return Err(Error::Internal(format!("a picture of {bytes} bytes")));
        }
        // A picture within the bound is within this number.
        let kilobytes = u32::try_from(bytes / 1024 + 1).unwrap_or(u32::MAX);
        let room = self.sending.clone().acquire_many_owned(kilobytes);
        let room = match tokio::time::timeout(PATIENCE, room).await {
            Ok(Ok(room)) => room,
            Ok(Err(_)) | Err(_) => return Err(Error::Busy),
        };
        let content = tokio::task::spawn_blocking(move || std::fs::read(path)).await;
        match content {
            Ok(Ok(content)) => Ok(Some(Bytes::from_owner(Sent { content, _room: room }))),
            // Removed just now.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Ok(Err(error)) => Err(failed(error)),
            Err(error) => Err(Error::Internal(format!("reading a picture: {error}"))),
        }
    }
}

fn failed(error: std::io::Error) -> Error {
    Error::Internal(format!("a picture cannot be read: {error}"))
}

/// A picture on its way; its room is free when the last of it was sent.
struct Sent {
    content: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Sent {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}
