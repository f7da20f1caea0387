//! Lookups: no lock, one copy, everything verified after copying.
//!
//! The protocol is a seqlock's. Load the version (odd: being written), copy with relaxed loads, acquire
//! fence, load the version again. A writer makes the version odd and puts a release fence before any store
//! to the entry or to blocks it gives up, so a reader that copied any of those stores sees the version
//! changed. The checksum then covers what no protocol can: damage from outside.

use std::sync::atomic::{Ordering, fence};

use super::record::{Head, Sizes};
use super::shard::{Chain, Desc, NIL, Shard};
use super::{EntryInfo, Lookup, Miss};
use crate::tags::Table;

/// Entries of one bucket that a lookup looks at. Buckets are at most half full on average, so only damage
/// makes them longer; a lookup then misses.
const BUCKET_STEPS_MAX: usize = 64;
/// Walks before a lookup that keeps losing against writers is a miss.
const WALKS_MAX: usize = 3;

/// An entry half read: its head is in, its key comes next.
pub(crate) struct Reading<'a> {
    desc: Desc<'a>,
    version: u64,
    hash: u64,
    pub(crate) sizes: Sizes,
    pub(crate) head: Head,
    chain: Chain<'a>,
}

impl<'a> Reading<'a> {
    /// Loads the head of an entry. `None` when it is free, being written, or makes no sense.
    #[inline]
    pub(crate) fn begin(shard: &Shard<'a>, desc: Desc<'a>, hash: u64) -> Option<Self> {
        let version = desc.version().load(Ordering::Acquire);
        let sizes = Sizes::unpack(desc.sizes())?;
        if version & 1 == 1 || sizes.blocks() > shard.block_count() {
            return None;
        }
        let mut chain = shard.chain(desc.first());
        let head = Head::load(chain.run(sizes.head_words())?, sizes);
        Some(Self { desc, version, hash, sizes, head, chain })
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
        fence(Ordering::Acquire);
        self.desc.version().load(Ordering::Relaxed) == self.version
    }

    /// Appends the value to `out` and verifies everything; `None`, and `out` as before, when anything is
    /// off.
    #[inline]
    pub(crate) fn value(mut self, out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        let copied = self.chain.copy(self.sizes.value, out).is_some();
        if copied && self.is_settled() && self.head.is_sealed(self.hash, &out[start..]) {
            return Some(());
        }
        out.truncate(start);
        None
    }
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
        if desc.hash() == hash {
            let mut reading = Reading::begin(shard, desc, hash)?;
            if reading.key_is(key)? {
                let answer = judge(&reading, table, now_ms);
                if matches!(answer, Lookup::Miss(_)) {
                    return reading.is_settled().then_some(answer);
                }
                reading.value(out)?;
                warm(shard, index);
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
fn judge(reading: &Reading<'_>, table: Table<'_>, now_ms: u64) -> Lookup {
    let head = &reading.head;
    if !head.is_valid(table) {
        return Lookup::Miss(Miss::Invalidated);
    }
    if head.is_over(now_ms) {
        return Lookup::Miss(Miss::Expired);
    }
    let info = EntryInfo {
        meta: head.meta(),
        len: reading.sizes.value,
        age_ms: head.age_ms(now_ms),
        lifetime: head.lifetime(),
        snapshot: head.snapshot(),
    };
    if info.age_ms < u64::from(info.lifetime.ttl_ms) { Lookup::Hit(info) } else { Lookup::Expired(info) }
}

/// How often an entry may be spared by the clock hand: with more, a once popular entry stays for too long.
pub(crate) const HEAT_MAX: u8 = 3;

/// Notes a use. Lost updates do not matter; a full counter is not stored again, so that popular entries'
/// cache lines stay shared.
#[inline]
fn warm(shard: &Shard<'_>, index: u32) {
    if let Some(heat) = shard.heat.get(index as usize) {
        let now = heat.load(Ordering::Relaxed);
        if now < HEAT_MAX {
            heat.store(now + 1, Ordering::Relaxed);
        }
    }
}
