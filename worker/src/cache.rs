//! Whole answers in the shared cache: their keys, their form there, and one computation for many askers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use veritable_config::Config;
use veritable_config::settings::Site;
use veritable_domain::tag::Tag;
use veritable_shm::{
    Cache, Flight, LeaseGuard, Leases, Lifetime, Lookup, NewEntry, Owner, Segment, ShmError, Snapshot, TagRef,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::answer::{Answer, ContentType};
use crate::http::encoding::Encoding;
use crate::key;

/// How long another worker may take to compute what this one wants too, in milliseconds. Longer than any
/// page takes; a worker that died gives its leases up at once.
const LEASE_MS: u64 = 1_000;
/// How often a follower looks whether the leader is done.
const FOLLOW_LOOK: Duration = Duration::from_millis(1);
/// Bytes before the location and the body: status, content type, encoding, length of the location.
const HEAD_BYTES: usize = 6;

/// A whole answer, ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// As in [`Answer`].
    pub status: StatusCode,
    /// Kind of the body.
    pub content_type: ContentType,
    /// What the body is in; identity also for one that an encoding would not make shorter.
    pub encoding: Encoding,
    /// As in [`Answer`].
    pub location: Option<String>,
    /// Of this representation: the hash of its bytes.
    pub etag: u64,
    /// The bytes as they are sent.
    pub body: Bytes,
}

/// The cache as the HTTP side uses it.
pub(crate) struct PageCache {
    cache: Cache,
    leases: Leases,
    lifetime: Lifetime,
    /// What else a page depends on: this binary's templates and what the settings say of the site. Part of
    /// every key, so that old and new workers do not show each other's pages during and after a reload.
    edition: u64,
    /// One lock for each key that is being computed in this worker.
    computing: Mutex<HashMap<Vec<u8>, Arc<tokio::sync::Mutex<()>>>>,
}

impl PageCache {
    /// # Errors
    /// The segment has no such slot.
    pub(crate) fn new(segment: &Segment, owner: Owner, config: &Config) -> Result<Self, ShmError> {
        let ttl_seconds = config.cache.ttl_seconds;
        Ok(PageCache {
            edition: edition(&config.site),
            cache: Cache::of(segment, owner)?,
            leases: Leases::of(segment, owner)?,
            lifetime: Lifetime { ttl_ms: ttl_seconds.saturating_mul(1_000), stale_ms: 0 },
            computing: Mutex::default(),
        })
    }

    /// The key of an address in one encoding: what the client accepts, then the address.
    pub(crate) fn key(&self, encoding: Encoding, path: &str, query: &str) -> Vec<u8> {
        key::of(self.edition, encoding, path, query)
    }

    /// What is kept under `key`, if it is fresh. Counts a hit or a miss: once a request.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Kept> {
        let mut bytes = Vec::new();
        Kept::found(self.cache.get(key, veritable_shm::now_ms(), &mut bytes), bytes)
    }

    /// [`PageCache::get`] without counting.
    pub(crate) fn peek(&self, key: &[u8]) -> Option<Kept> {
        let mut bytes = Vec::new();
        Kept::found(self.cache.peek(key, veritable_shm::now_ms(), &mut bytes), bytes)
    }

    /// To be taken before the database is read for an answer that will be put here.
    pub(crate) fn snapshot(&self) -> Snapshot {
        self.cache.snapshot()
    }

    /// Keeps an answer. That it cannot be kept (too large, busy, outdated) is counted there and no matter.
    pub(crate) fn put(&self, key: &[u8], kept: &Kept, tags: &[Tag], snapshot: Snapshot) {
        let tags: Vec<TagRef> = tags.iter().map(|tag| TagRef::new(tag.to_string().as_bytes())).collect();
        let value = kept.encode();
        let entry =
            NewEntry { value: &value, meta: kept.etag, tags: &tags, snapshot, lifetime: self.lifetime };
        self.cache.insert(key, &entry, veritable_shm::now_ms());
    }

    /// This worker's turn to compute `key`: others of this worker wait here meanwhile.
    pub(crate) async fn turn(&self, key: &[u8]) -> Turn<'_> {
        let lock = {
            let mut computing = self.computing.lock().unwrap_or_else(PoisonError::into_inner);
            computing.entry(key.to_owned()).or_default().clone()
        };
        let guard = lock.lock_owned().await;
        Turn { cache: self, key: key.to_owned(), guard: Some(guard) }
    }

    /// The right to compute `key` among all workers, or what another one computed meanwhile. A leader that
    /// takes too long is not waited for.
    pub(crate) async fn lead(&self, key: &[u8]) -> Result<Option<LeaseGuard>, Box<Kept>> {
        let begun = tokio::time::Instant::now();
        loop {
            match self.leases.lease(key, LEASE_MS, veritable_shm::now_ms()) {
                Flight::Lead(guard) => return Ok(Some(guard)),
                Flight::Follow { .. } if begun.elapsed() > Duration::from_millis(LEASE_MS) => {
                    return Ok(None);
                }
                Flight::Follow { .. } => tokio::time::sleep(FOLLOW_LOOK).await,
            }
            if let Some(kept) = self.peek(key) {
                return Err(Box::new(kept));
            }
        }
    }
}

/// The same for the same binary and the same site, so that a restarted worker finds its pages.
fn edition(site: &Site) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let binary = match std::fs::metadata("/proc/self/exe") {
        Ok(file) => (file.ino(), file.len(), file.mtime(), file.mtime_nsec()),
        Err(error) => {
            // Only a procfs that is not there: then a restart begins with an empty cache.
            tracing::warn!(%error, "cannot tell this binary from others");
            (u64::from(std::process::id()), 0, 0, 0)
        }
    };
    xxh3_64(format!("{binary:?}{site:?}").as_bytes())
}

/// The turn of one computation; the next asker's begins when it is dropped.
pub(crate) struct Turn<'a> {
    cache: &'a PageCache,
    key: Vec<u8>,
    guard: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.guard.take());
        let mut computing = self.cache.computing.lock().unwrap_or_else(PoisonError::into_inner);
        if computing.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            computing.remove(&self.key);
        }
    }
}

impl Kept {
    /// An answer in the encoding its asker accepts.
    pub(crate) fn of(answer: &Answer, accepted: Encoding) -> Kept {
        let (encoding, body) = accepted.encode(&answer.body);
        Kept {
            status: answer.status,
            content_type: answer.content_type,
            encoding,
            location: answer.location.clone(),
            etag: xxh3_64(&body) ^ encoding as u64,
            body: body.into(),
        }
    }

    fn encode(&self) -> Vec<u8> {
        let location = self.location.as_deref().unwrap_or_default().as_bytes();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + location.len() + self.body.len());
        bytes.extend_from_slice(&self.status.as_u16().to_le_bytes());
        bytes.push(self.content_type.number());
        bytes.push(self.encoding as u8);
        bytes.extend_from_slice(&(location.len() as u16).to_le_bytes());
        bytes.extend_from_slice(location);
        bytes.extend_from_slice(&self.body);
        bytes
    }

    fn found(lookup: Lookup, bytes: Vec<u8>) -> Option<Kept> {
        match lookup {
            Lookup::Hit(info) | Lookup::Expired(info) => Kept::decode(bytes, info.meta),
            Lookup::Miss(_) => None,
        }
    }

    /// From an entry's value and its word; `None` for anything but what a worker stored, as the segment is not
    /// trusted.
    pub fn decode(bytes: Vec<u8>, etag: u64) -> Option<Kept> {
        let head: &[u8; HEAD_BYTES] = bytes.first_chunk()?;
        let status = StatusCode::from_u16(u16::from_le_bytes([head[0], head[1]])).ok()?;
        let content_type = ContentType::from_number(head[2])?;
        let encoding = Encoding::from_number(head[3])?;
        let location_end = HEAD_BYTES + usize::from(u16::from_le_bytes([head[4], head[5]]));
        let location = std::str::from_utf8(bytes.get(HEAD_BYTES..location_end)?).ok()?;
        let location = (!location.is_empty()).then(|| location.to_owned());
        let body = Bytes::from(bytes).slice(location_end..);
        Some(Kept { status, content_type, encoding, location, etag, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back_and_damage_is_a_miss() {
        let answer = Answer::moved("/wiki/Café".into(), Vec::new());
        let kept =
            Kept::of(&Answer { body: Bytes::from_static(b"gone there"), ..answer }, Encoding::Identity);
        let bytes = kept.encode();
        assert_eq!(Kept::decode(bytes.clone(), kept.etag), Some(kept.clone()));
        for cut in 0..HEAD_BYTES + 11 {
            assert_eq!(Kept::decode(bytes[..cut].to_vec(), 0), None, "{cut}");
        }
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let noise: Vec<u8> = (0..40)
                .map(|_| {
                    seed =
                        seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (seed >> 56) as u8
                })
                .collect();
            let _kept_or_miss = Kept::decode(noise, 0);
        }
    }
}
