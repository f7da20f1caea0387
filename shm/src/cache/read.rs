//! Lookups: no lock, one copy, everything verified after copying.
//!
//! The protocol is a seqlock's. Load the version (odd: being written), copy with relaxed loads, acquire
//! fence, load the version again. A writer makes the version odd and puts a release fence before any store
//! to the entry or to blocks it gives up, so a reader that copied any of those stores sees the version
//! changed. The checksum then covers what no protocol can: damage from outside.

use crate::sync::Ordering;

use xxhash_rust::xxh3::xxh3_64;

use super::evict::note_use;
use super::record::{Head, Sizes};
use super::shard::{Chain, Desc, NIL, Shard, Stamp};
use super::{EntryInfo, Lookup, Miss};
use crate::segment::Segment;
use crate::tags::Table;

/// Entries of one bucket that a lookup looks at. Buckets hold at most two on average, so only
/// damage makes them this long; a lookup then misses.
const BUCKET_STEPS_MAX: usize = 64;
/// Walks before a lookup that keeps losing against writers is a miss.
const WALKS_MAX: usize = 3;

/// An entry half read: its head is in, its key comes next.
pub(crate) struct Reading<'a> {
    desc: Desc<'a>,
    stamp: Stamp,
    pub(crate) sizes: Sizes,
    pub(crate) head: Head,
    chain: Chain<'a>,
}

impl<'a> Reading<'a> {
    /// Loads the head of an entry. `None` when it is free, being written, or makes no sense.
    #[inline]
    pub(crate) fn begin(shard: &Shard<'a>, desc: Desc<'a>) -> Option<Self> {
        let stamp = desc.stamp();
        let sizes = Sizes::unpack(desc.sizes())?;
        if stamp.is_open() || sizes.blocks() > shard.block_count() {
            return None;
        }
        let first = desc.first();
        shard.prefetch(first, sizes.blocks());
        let mut chain = shard.chain(first);
        let head = Head::load(chain.run(sizes.head_words())?, sizes);
        Some(Self { desc, stamp, sizes, head, chain })
    }

    /// Whether the key is this one. `None` when the chain ends early.
    #[inline]
    pub(crate) fn key_is(&mut self, key: &[u8]) -> Option<bool> {
        if self.sizes.key != key.len() {
            return Some(false);
        }
        self.chain.equals(key)
    }

    /// Copies the key out, for tools.
    pub(crate) fn key(&mut self) -> Option<Vec<u8>> {
        let mut key = Vec::new();
        self.chain.copy(self.sizes.key, &mut key)?;
        Some(key)
    }

    /// Whether what was read so far belongs to one version of the entry.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.desc.is_still(self.stamp)
    }

    /// Appends the value of the key with this hash to `out` and verifies everything: the value's digest.
    /// `None`, and `out` as before, when anything is off.
    #[inline]
    pub(crate) fn value(mut self, hash: u64, out: &mut Vec<u8>) -> Option<u64> {
        let start = out.len();
        if self.chain.copy(self.sizes.value, out).is_some() && self.is_settled() {
            let digest = xxh3_64(&out[start..]);
            if self.head.is_sealed(hash, digest) {
                return Some(digest);
            }
        }
        out.truncate(start);
        None
    }
}

/// Where an entry was found and as which version: whoever keeps a copy of its value asks with this whether
/// the copy still is what a lookup would yield, for the price of a few loads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Place {
    shard: usize,
    index: u32,
    stamp: Stamp,
    head: Head,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place")
            .field("shard", &self.shard)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// Whether the entry at `place` is still the one that was found there, and fresh. Counts as a use of it.
#[inline]
pub(crate) fn is_there(segment: &Segment, place: &Place, now_ms: u64) -> bool {
    let shard = Shard::of(segment, place.shard);
    let Some(desc) = shard.desc(place.index) else { return false };
    let there = desc.stamp() == place.stamp;
    // Loaded after the entry was seen in its place, as a lookup does it.
    let good = there && place.head.is_valid(Table::of(segment)) && place.head.is_fresh(now_ms);
    if good {
        note_use(&shard, desc);
    }
    good
}

/// Looks `key` up and appends its value to `out`.
#[inline]
pub(crate) fn lookup(
    shard: &Shard<'_>,
    table: Table<'_>,
    hash: u64,
    key: &[u8],
    now_ms: u64,
    out: &mut Vec<u8>,
) -> Lookup {
    for _ in 0..WALKS_MAX {
        if let Some(answer) = walk(shard, table, hash, key, now_ms, out) {
            return answer;
        }
    }
    Lookup::Miss(Miss::Torn)
}

/// One walk along the bucket; `None` when the entry changed underfoot.
#[inline]
fn walk(
    shard: &Shard<'_>,
    table: Table<'_>,
    hash: u64,
    key: &[u8],
    now_ms: u64,
    out: &mut Vec<u8>,
) -> Option<Lookup> {
    let mut index = shard.bucket(hash).load(Ordering::Acquire);
    for _ in 0..BUCKET_STEPS_MAX {
        if index == NIL {
            break;
        }
        let desc = shard.desc(index)?;
        if desc.stamp().may_be(hash) {
            let mut reading = Reading::begin(shard, desc)?;
            if reading.key_is(key)? {
                let mut answer = judge(shard, index, &reading, table, now_ms);
                match &mut answer {
                    Lookup::Miss(_) => return reading.is_settled().then_some(answer),
                    Lookup::Hit(info) | Lookup::Expired(info) => info.digest = reading.value(hash, out)?,
                }
                note_use(shard, desc);
                return Some(answer);
            }
            if !reading.is_settled() {
                return None;
            }
        }
        index = desc.next();
    }
    Some(Lookup::Miss(Miss::Absent))
}

/// What the head says about an entry, before its value is copied.
#[inline]
fn judge(shard: &Shard<'_>, index: u32, reading: &Reading<'_>, table: Table<'_>, now_ms: u64) -> Lookup {
    let head = &reading.head;
    if !head.is_valid(table) {
        return Lookup::Miss(Miss::Invalidated);
    }
    if head.is_over(now_ms) {
        return Lookup::Miss(Miss::Expired);
    }
    let info = EntryInfo {
        digest: 0,
        len: reading.sizes.value,
        age_ms: head.age_ms(now_ms),
        lifetime: head.lifetime(),
        snapshot: head.snapshot(),
        place: Place { shard: shard.index, index, stamp: reading.stamp, head: *head },
    };
    if head.is_fresh(now_ms) { Lookup::Hit(info) } else { Lookup::Expired(info) }
}
