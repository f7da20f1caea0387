//! One computation for all who ask: a task in this worker whose result they share, and a lease in the segment
//! that keeps the other workers from doing the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use veritable_shm::{EVERY_TAG, Flight as Leased, LeaseGuard, Lifetime, Snapshot, TagRef, Tags};
use xxhash_rust::xxh3::xxh3_64;

use super::kept::Stored;
use super::{Computed, How, Kept, SharedCache, refs};
use crate::error::Error;

/// How long another worker may take to compute what this one wants too, in milliseconds. Longer than any
/// page takes; a worker that died gives its leases up at once.
const LEASE_MS: u64 = 1_000;
/// How often a follower looks whether the leader is done.
const FOLLOW_LOOK: Duration = Duration::from_millis(1);

/// A computation's end.
#[derive(Clone, Debug)]
pub(super) struct Landed {
    pub(super) result: Result<Kept, Arc<Error>>,
    /// Taken before its source was read.
    pub(super) snapshot: Snapshot,
    pub(super) tags: Arc<[TagRef]>,
    /// Of the last commit known before its source was read.
    pub(super) mark: u64,
}

impl Landed {
    /// Whether somebody who asked at `asked` finds every change in it that was acknowledged by then.
    pub(super) fn is_good_since(&self, asked: Snapshot, tags: &Tags) -> bool {
        asked <= self.snapshot || tags.unchanged_since(&self.tags, self.snapshot)
    }
}

/// The computations of this worker that go on, by key.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Vec<u8>, Flight>>);

impl Flights {
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.map().is_empty()
    }

    fn map(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<u8>, Flight>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A computation that goes on, as those see it who wait for it.
#[derive(Clone)]
pub(super) struct Flight(watch::Receiver<Option<Landed>>);

impl Flight {
    /// Waits for its end; `None` when it panicked.
    pub(super) async fn land(mut self) -> Option<Landed> {
        let landed = self.0.wait_for(Option::is_some).await.ok()?;
        landed.clone()
    }
}

/// Takes a flight off the list when it ends, whichever way.
struct Listed {
    cache: Arc<SharedCache>,
    key: Vec<u8>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.cache.flights.map().remove(&self.key);
    }
}

impl SharedCache {
    /// The computation of `key` that goes on, or `compute` as the one. It goes on by itself: that an asker
    /// leaves does not end it.
    pub(super) fn fly<F>(self: &Arc<Self>, key: &[u8], lifetime: Lifetime, compute: F) -> Flight
    where
        F: Future<Output = Result<Computed, Error>> + Send + 'static,
    {
        let mut flights = self.flights.map();
        if let Some(flight) = flights.get(key) {
            return flight.clone();
        }
        let (end, flight) = watch::channel(None);
        let flight = Flight(flight);
        flights.insert(key.to_owned(), flight.clone());
        let listed = Listed { cache: self.clone(), key: key.to_owned() };
        tokio::spawn(async move {
            let landed = listed.cache.lead(&listed.key, lifetime, compute).await;
            // Off the list first: who asks from here on finds it in the cache, or computes anew.
            drop(listed);
            end.send_replace(Some(landed));
        });
        flight
    }

    /// Computes and keeps, or yields what another worker has computed meanwhile.
    async fn lead<F>(&self, key: &[u8], lifetime: Lifetime, compute: F) -> Landed
    where
        F: Future<Output = Result<Computed, Error>>,
    {
        let _lease = match self.lease(key).await {
            Ok(lease) => lease,
            Err(landed) => return *landed,
        };
        // Before the read transaction begins: a commit after this makes the answer stale, never one before.
        let snapshot = self.cache.snapshot();
        // After the snapshot: the commit it names is not newer than what a change after this makes stale.
        let mark = self.tags.mark();
        // Nobody can say which change would put something there, or what an answer from outside was made of.
        let every = || -> Arc<[TagRef]> { EVERY_TAG.into() };
        if let Some(stored) = self.outside(key, mark).await {
            let result = stored.into_result().map_err(Arc::new);
            let landed = Landed { result, snapshot, tags: every(), mark };
            self.keep(key, &landed, lifetime);
            return landed;
        }
        let landed = match compute.await {
            Ok(Computed { kept, tags }) => {
                let nothing = kept.status == http::StatusCode::NOT_FOUND;
                let tags = if nothing { every() } else { refs(&tags).into() };
                Landed { result: Ok(kept), snapshot, tags, mark }
            }
            Err(error) => Landed { result: Err(Arc::new(error)), snapshot, tags: every(), mark },
        };
        self.keep(key, &landed, lifetime);
        landed
    }

    /// What the cache outside has, if there is one.
    async fn outside(&self, key: &[u8], mark: u64) -> Option<Stored> {
        let bytes = self.outer.as_ref()?.get(key, mark).await?;
        let digest = xxh3_64(&bytes);
        Stored::decode(bytes, digest)
    }

    /// The right to compute `key` among all workers, or what another one computed meanwhile. A leader that
    /// takes too long is not waited for.
    async fn lease(&self, key: &[u8]) -> Result<Option<LeaseGuard>, Box<Landed>> {
        let begun = tokio::time::Instant::now();
        loop {
            let lease = match self.leases.lease(key, LEASE_MS, veritable_shm::now_ms()) {
                Leased::Lead(guard) => Some(guard),
                Leased::Follow { .. } if begun.elapsed() > Duration::from_millis(LEASE_MS) => None,
                Leased::Follow { .. } => {
                    tokio::time::sleep(FOLLOW_LOOK).await;
                    continue;
                }
            };
            // The one who had the lease before may have computed it. Before the look: what is found is at
            // least as new.
            let snapshot = self.cache.snapshot();
            if let Some((stored, How::Hit)) = self.find(key) {
                let result = stored.into_result().map_err(Arc::new);
                return Err(Box::new(Landed { result, snapshot, tags: EVERY_TAG.into(), mark: 0 }));
            }
            return Ok(lease);
        }
    }
}
