//! Answers in the shared cache: found, or computed once for everybody who asks meanwhile.
//!
//! [`SharedCache::get_or_compute`] is the one way: a lookup here (`nearby`), a lookup in the segment, then one
//! computation a key over all workers. `kept` is what an answer looks like in the cache, `flight` how one
//! computation serves many.

mod flight;
mod kept;
mod key;
mod nearby;
mod outer;

use std::sync::Arc;

use veritable_config::Config;
use veritable_config::settings::Site;
use veritable_domain::permission::Groups;
use veritable_domain::tag::Tag;
use veritable_shm::{
    Cache, Counter, Leases, Lifetime, Lookup, NewEntry, Owner, Segment, ShmError, TagRef, Tags,
};
use xxhash_rust::xxh3::xxh3_64;

use self::flight::{Flights, Landed};
pub use self::kept::{Kept, Stored};
pub use self::key::Key;
use self::nearby::Nearby;
use self::outer::Outer;
use crate::error::Error;
use crate::http::encoding::Encoding;
use crate::http::reply::head;
use crate::routes::Keep;

/// How far what is found may be behind: nobody searches for what was written within so many milliseconds, and the words
/// most asked for are asked for more often.
const BRIEF_MS: u32 = 10_000;
/// The part of a lifetime by which it may be cut short, as a divisor: what was stored together does not end
/// together.
const JITTER: u32 = 10;

/// How an answer came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// It was kept.
    Hit,
    /// It was kept and its time is over; a new one is being made.
    Stale,
    /// It was made now, for this asker or for another.
    Miss,
}

impl How {
    /// As `X-Cache` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            How::Hit => "hit",
            How::Stale => "stale",
            How::Miss => "miss",
        }
    }
}

/// What a computation yields: an answer and what it was made from.
pub(crate) struct Computed {
    pub(crate) kept: Kept,
    pub(crate) tags: Vec<Tag>,
}

/// The cache as the HTTP side uses it.
pub(crate) struct SharedCache {
    cache: Cache,
    tags: Tags,
    leases: Leases,
    nearby: Nearby,
    /// A cache outside this host, if there is one.
    outer: Option<Arc<dyn Outer>>,
    flights: Flights,
    /// Of what there is unless its asker says otherwise, and of what there is not.
    usual: Lifetime,
    nothing: Lifetime,
    /// What else a page depends on: this binary's templates and what the settings say of the site. Part of
    /// every key, so that old and new workers do not show each other's pages during and after a reload.
    edition: u64,
}

impl SharedCache {
    /// # Errors
    /// The segment has no such slot.
    pub(crate) fn new(segment: &Segment, owner: Owner, config: &Config) -> Result<Self, ShmError> {
        let settings = &config.cache;
        let millis = |seconds: u32| seconds.saturating_mul(1_000);
        let stale_ms = millis(settings.stale_seconds);
        Ok(SharedCache {
            cache: Cache::of(segment, owner)?,
            tags: Tags::of(segment),
            leases: Leases::of(segment, owner)?,
            nearby: Nearby::new(settings.worker_bytes),
            flights: Flights::default(),
            outer: None,
            usual: Lifetime { ttl_ms: millis(settings.ttl_seconds), stale_ms },
            nothing: Lifetime { ttl_ms: millis(settings.negative_seconds), stale_ms: 0 },
            edition: edition(&config.site),
        })
    }

    /// The key of an address in one encoding: what the client accepts, then the address.
    pub(crate) fn key(&self, encoding: Encoding, audience: Groups, path: &str, query: &str) -> Vec<u8> {
        key::of(self.edition, encoding, audience, path, query)
    }

    /// The fresh answer kept under `key`, if there is one. Counts that one only: whoever finds none goes on to
    /// [`SharedCache::get_or_compute`].
    pub(crate) fn fresh(&self, key: &[u8]) -> Option<Kept> {
        match self.find(key)? {
            (Stored::Answer(kept), How::Hit) => {
                self.cache.count(Counter::CacheHit);
                Some(kept)
            }
            _ => None,
        }
    }

    /// What is kept under `key`, and whether it is fresh or stale. Counts nothing.
    fn find(&self, key: &[u8]) -> Option<(Stored, How)> {
        let now_ms = veritable_shm::now_ms();
        if let Some(stored) = self.nearby.get(key, |place| self.cache.is_there(place, now_ms)) {
            return Some((stored, How::Hit));
        }
        let mut bytes = Vec::new();
        let (info, how) = match self.cache.peek(key, now_ms, &mut bytes) {
            Lookup::Hit(info) => (info, How::Hit),
            Lookup::Expired(info) => (info, How::Stale),
            Lookup::Miss(_) => return None,
        };
        let mut stored = Stored::decode(bytes, info.digest)?;
        if how == How::Hit && self.nearby.is_on() {
            if let Stored::Answer(kept) = &mut stored {
                kept.head = Some(Arc::new(head(kept)));
            }
            self.nearby.put(key, info.place, stored.clone());
        }
        Some((stored, how))
    }

    /// How long an answer may be shown, and after that while the next is made.
    pub(crate) fn lifetime(&self, keep: Keep) -> Lifetime {
        match keep {
            Keep::Usual => self.usual,
            Keep::Briefly => Lifetime { ttl_ms: self.usual.ttl_ms.min(BRIEF_MS), stale_ms: 0 },
        }
    }

    /// What is kept under `key`, or else what `compute` yields, which is then kept for `lifetime`. However many ask for a
    /// key at once, over all workers, it is computed once; an answer whose time is over is shown while one
    /// worker makes the next. That there is nothing is kept for a little while, too; other errors never are.
    pub(crate) async fn get_or_compute<F>(
        self: &Arc<Self>,
        key: &[u8],
        lifetime: Lifetime,
        compute: impl Fn() -> F,
    ) -> (Result<Kept, Arc<Error>>, How)
    where
        F: Future<Output = Result<Computed, Error>> + Send + 'static,
    {
        let found = self.find(key);
        self.cache.count(match found {
            Some((_, How::Stale)) => Counter::CacheStale,
            Some(_) => Counter::CacheHit,
            None => Counter::CacheMiss,
        });
        if let Some((stored, how)) = found {
            if how == How::Stale {
                self.fly(key, lifetime, compute());
            }
            return (stored.into_result().map_err(Arc::new), how);
        }
        loop {
            // What was read before this moment may lack a change that its asker knows of.
            let asked = self.cache.snapshot();
            let Some(landed) = self.fly(key, lifetime, compute()).land().await else {
                let error = Error::Internal("a computation ended without a result".into());
                return (Err(error.into()), How::Miss);
            };
            if landed.is_good_since(asked, &self.tags) {
                return (landed.result, How::Miss);
            }
        }
    }

    /// Keeps what was computed. That it cannot be kept (too large, busy, outdated) is counted there and no
    /// matter.
    fn keep(&self, key: &[u8], landed: &Landed, lifetime: Lifetime) {
        let (stored, lifetime) = match &landed.result {
            Ok(kept) if kept.status == http::StatusCode::NOT_FOUND => {
                (Stored::Answer(kept.clone()), self.nothing)
            }
            Ok(kept) => (Stored::Answer(kept.clone()), lifetime),
            Err(error) => match &**error {
                Error::NotFound { what } => (Stored::Nothing(what.clone()), self.nothing),
                _ => return,
            },
        };
        if lifetime.ttl_ms == 0 {
            return;
        }
        let value = stored.encode();
        let now_ms = veritable_shm::now_ms();
        let sooner = xxh3_64(key).wrapping_add(now_ms) % u64::from(lifetime.ttl_ms / JITTER).max(1);
        let ttl_ms = lifetime.ttl_ms - u32::try_from(sooner).unwrap_or(0);
        let entry = NewEntry {
            value: &value,
            tags: &landed.tags,
            snapshot: landed.snapshot,
            lifetime: Lifetime { ttl_ms, ..lifetime },
        };
        self.cache.insert(key, &entry, now_ms);
        if let Some(outer) = &self.outer {
            outer.put(key, landed.mark, &value, ttl_ms);
        }
    }

    /// Gives the memory of this worker's copies back.
    pub(crate) fn shed(&self) {
        self.nearby.clear();
    }
}

fn refs(tags: &[Tag]) -> Vec<TagRef> {
    tags.iter().map(|tag| TagRef::new(tag.to_string().as_bytes())).collect()
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

#[cfg(test)]
mod tests;
