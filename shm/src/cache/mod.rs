//! The shared cache: bounded in bytes and entries, read without locks, indifferent to who dies.
//!
//! A key belongs to one shard; a shard holds a fixed share of the bytes and entries and has one lock for
//! changes. `read` is the lookup protocol, `write` the changes, `lock` who may make them, `record` what an
//! entry's bytes mean, `shard` how they are reached, `inspect` what tools see.

mod evict;
mod inspect;
mod lock;
mod read;
mod record;
mod shard;
mod write;

use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use inspect::{Audit, CacheStats, KeyInfo, ShardStats};
use lock::{Damaged, Held};
pub use read::Place;
use record::{Head, Sizes};
pub use record::{KEY_BYTES_MAX, Lifetime};
use shard::Shard;
use write::Record;

use crate::error::ShmError;
use crate::scoreboard::{self, Counter, Owner};
use crate::segment::Segment;
use crate::tags::{Snapshot, Table, TagRef};

/// The cache of a segment, as one owner uses it. Cheap to clone; every method takes `&self` and may run on
/// any thread.
#[derive(Clone, Debug)]
pub struct Cache {
    segment: Segment,
    owner: Owner,
}

/// What a lookup found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A fresh value; it was appended.
    Hit(EntryInfo),
    /// A value past its TTL but within its stale window; it was appended. Show it, and have one worker
    /// make a new one.
    Expired(EntryInfo),
    /// Nothing to show; nothing was appended.
    Miss(Miss),
}

/// Why a lookup found nothing to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss {
    /// No such key.
    Absent,
    /// Past TTL and stale window.
    Expired,
    /// Something it depends on has changed.
    Invalidated,
    /// Being written, or what was copied did not verify.
    Torn,
}

/// What an entry says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryInfo {
    /// XXH3 of the value, 64 bits: computed to verify it, and good for an `ETag`.
    pub digest: u64,
    /// Bytes of the value.
    pub len: usize,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// How long it may be shown, from when it was stored.
    pub lifetime: Lifetime,
    /// The snapshot it was computed from: an answer made of this one is no newer.
    pub snapshot: Snapshot,
    /// Where it was found, for [`Cache::is_there`].
    pub place: Place,
}

/// An entry to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// The value.
    pub value: &'a [u8],
    /// What it depends on. More than [`crate::ENTRY_TAGS_MAX`] tags mean: on every invalidation.
    pub tags: &'a [TagRef],
    /// Taken before the source was read.
    pub snapshot: Snapshot,
    /// How long it may be shown.
    pub lifetime: Lifetime,
}

/// What became of an insert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It is there (until evicted).
    Stored,
    /// Key or value is over the limit.
    TooLarge,
    /// The shard was busy; nothing changed.
    Contended,
    /// What it depends on changed since its snapshot, or a newer value is there already; nothing changed.
    Stale,
}

/// What became of a removal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It was there and is gone.
    Removed,
    /// It was not there.
    Absent,
    /// The shard was busy; the entry may still be there. Invalidation by tag never is.
    Contended,
}

/// Formats the cache area of a fresh segment.
pub(crate) fn format(segment: &Segment) {
    for index in 0..segment.layout().shards {
        lock::reset(&Shard::of(segment, index));
    }
}

impl Cache {
    /// The cache of `segment` as `owner` uses it.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`] when the segment has no such slot.
    pub fn of(segment: &Segment, owner: Owner) -> Result<Self, ShmError> {
        scoreboard::check_slot(segment, owner)?;
        Ok(Self { segment: segment.clone(), owner })
    }

    /// Looks `key` up and *appends* its value to `out`, which is as before after a miss. `now_ms` is
    /// [`crate::now_ms`], read once a turn. Takes no lock, makes no system call, allocates nothing but
    /// room in `out`.
    #[inline]
    pub fn get(&self, key: &[u8], now_ms: u64, out: &mut Vec<u8>) -> Lookup {
        let answer = self.peek(key, now_ms, out);
        self.count(match answer {
            Lookup::Hit(_) => Counter::CacheHit,
            Lookup::Expired(_) => Counter::CacheStale,
            Lookup::Miss(_) => Counter::CacheMiss,
        });
        answer
    }

    /// Whether what was found at `place` is still there, valid and fresh: then a copy of its value is what
    /// [`Cache::peek`] would yield now. For the price of a few loads.
    #[inline]
    #[must_use]
    pub fn is_there(&self, place: &Place, now_ms: u64) -> bool {
        read::is_there(&self.segment, place, now_ms)
    }

    /// [`Cache::get`] without counting.
    #[inline]
    pub fn peek(&self, key: &[u8], now_ms: u64, out: &mut Vec<u8>) -> Lookup {
        let hash = self.hash(key);
        let shard = Shard::of_hash(&self.segment, hash);
        read::lookup(&shard, Table::of(&self.segment), hash, key, now_ms, out)
    }

    /// Now, in the order of invalidations: take it before the read transaction begins. The same as
    /// [`crate::Tags::snapshot`].
    #[inline]
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Table::of(&self.segment).snapshot()
    }

    /// Stores an entry, evicting others as needed. It waits for nobody for longer than some microseconds.
    pub fn insert(&self, key: &[u8], entry: &NewEntry<'_>, now_ms: u64) -> Inserted {
        let outcome = self.try_insert(key, entry, now_ms);
        match outcome {
            Inserted::Stored => {}
            Inserted::TooLarge => self.count(Counter::CacheRefuse),
            Inserted::Contended => self.count(Counter::CacheSkip),
            Inserted::Stale => self.count(Counter::CacheOutdated),
        }
        outcome
    }

    fn try_insert(&self, key: &[u8], entry: &NewEntry<'_>, now_ms: u64) -> Inserted {
        let Some(sizes) = Sizes::new(key, entry.value, entry.tags) else { return Inserted::TooLarge };
        if sizes.blocks() > self.record_blocks_max() {
            return Inserted::TooLarge;
        }
        let table = Table::of(&self.segment);
        let hash = self.hash(key);
        let head = Head::new(sizes, hash, entry, self.segment.geometry().tag_slots, now_ms);
        if !head.is_valid(table) {
            return Inserted::Stale;
        }
        let mut record = Record { hash, key, value: entry.value, sizes, head, again: false };
        let answer = self.change(hash, |held| {
            if let Some((old, old_head)) = held.find(hash, key)? {
                let newer = old_head.snapshot() > entry.snapshot;
                if newer && old_head.is_valid(table) && !old_head.is_over(now_ms) {
                    return Ok(Inserted::Stale);
                }
                held.unlink(old)?;
                record.again = true;
            }
            held.store(&record, table, now_ms)?;
            Ok(Inserted::Stored)
        });
        answer.unwrap_or(Inserted::Contended)
    }

    /// Takes one key out. To end what a change made outdated, invalidate its tags instead.
    pub fn remove(&self, key: &[u8]) -> Removed {
        let hash = self.hash(key);
        let answer = self.change(hash, |held| match held.find(hash, key)? {
            Some((index, _)) => held.unlink(index).map(|()| Removed::Removed),
            None => Ok(Removed::Absent),
        });
        answer.unwrap_or(Removed::Contended)
    }

    /// Ends every entry at once, in all processes, and gives their space back, save in shards that are
    /// busy: those give it back as they meet the entries. Returns the shards left so.
    pub fn clear(&self) -> usize {
        crate::tags::Tags::of(&self.segment).invalidate_all();
        let shards = 0..self.segment.layout().shards;
        shards
            .filter(|&index| {
                let shard = Shard::of(&self.segment, index);
                let held = Held::take(&self.segment, shard, self.owner);
                let busy = held.is_none();
                if let Some(mut held) = held {
                    held.reset();
                    held.settle();
                }
                busy
            })
            .count()
    }

    /// Runs one change of the shard of `hash` under its lock. A shard found damaged is reset and the
    /// change tried once more; `None` when the lock cannot be had or damage goes on.
    fn change<T>(&self, hash: u64, mut change: impl FnMut(&mut Held<'_>) -> Result<T, Damaged>) -> Option<T> {
        for _ in 0..2 {
            let mut held = Held::take(&self.segment, Shard::of_hash(&self.segment, hash), self.owner)?;
            if let Ok(done) = held.check().and_then(|()| change(&mut held)) {
                held.settle();
                return Some(done);
            }
            // Not settled: dropping the lock resets the shard.
        }
        None
    }

    /// Blocks one record may take.
    fn record_blocks_max(&self) -> usize {
        self.segment.layout().shard.blocks / usize::from(self.segment.geometry().value_share.max(1))
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> u64 {
        xxh3_64_with_seed(key, self.segment.seed())
    }

    /// Counts one for this owner: for those who [`Cache::peek`] more than once on behalf of a request.
    #[inline]
    pub fn count(&self, counter: Counter) {
        scoreboard::add(&self.segment, self.owner.slot, counter, 1);
    }
}
