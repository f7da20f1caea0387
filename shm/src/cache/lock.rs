//! The lock of a shard: one word that names its owner, so that a dead owner's lock can be told from a
//! slow one's.
//!
//! Bounded: whoever cannot have it in time does without. A dead owner's lock is taken over and the shard
//! is reset, because nobody can say how far a change had come; that costs one shard's entries.

use crate::sync::{Ordering, hint};

use super::shard::{ENTRIES, FREE_BLOCK, FREE_BLOCKS, FREE_DESC, HAND, LOCK, NIL, Shard, TICK, WEIGHT};
use crate::fail::{Point, point};
use crate::scoreboard::{self, Counter, Owner};
use crate::segment::Segment;

/// Tries before an insert is skipped. With the pauses below about 30 µs: longer than storing a large page
/// takes, much shorter than computing it took.
const TRIES_MAX: u32 = 64;
/// Longest pause between tries, as a power of two of spin hints.
const PAUSE_MAX_LOG2: u32 = 5;
/// Set in every lock word, so that slot 0 is not "free".
const HELD: u64 = 1 << 63;
const FREE: u64 = 0;

/// The shard's structure contradicts itself: a stray write or a bug. The cure is the same as for a death.
#[derive(Debug)]
pub(crate) struct Damaged;

/// A locked shard. Dropping it without [`Held::settle`] (an early return, a panic) resets the shard.
pub(crate) struct Held<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) shard: Shard<'a>,
    pub(crate) owner: Owner,
    word: u64,
    settled: bool,
}

impl<'a> Held<'a> {
    /// Takes the lock of `shard`, or gives up.
    pub(crate) fn take(segment: &'a Segment, shard: Shard<'a>, owner: Owner) -> Option<Self> {
        // A process that was declared dead may no longer change anything.
        if !scoreboard::is_alive(segment, owner) {
            return None;
        }
        let word = word_of(owner);
        let lock = &shard.head[LOCK];
        for attempt in 0..TRIES_MAX {
            let seen = lock.load(Ordering::Relaxed);
            let dead = seen != FREE && !is_held_by_living(segment, seen);
            if (seen == FREE || dead)
                && lock.compare_exchange(seen, word, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                point(Point::LockTaken);
                let mut held = Self { segment, shard, owner, word, settled: false };
                if dead {
                    held.reset();
                    held.count(Counter::CacheTakeover, 1);
                }
                return Some(held);
            }
            for _ in 0..1_u32 << attempt.min(PAUSE_MAX_LOG2) {
                hint::spin_loop();
            }
        }
        None
    }

    /// Says that the structure is whole again.
    pub(crate) fn settle(mut self) {
        self.settled = true;
    }

    pub(crate) fn count(&self, counter: Counter, n: u64) {
        scoreboard::add(self.segment, self.owner.slot, counter, n);
    }

    pub(crate) fn get(&self, field: usize) -> u64 {
        self.shard.head[field].load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, field: usize, value: u64) {
        self.shard.head[field].store(value, Ordering::Relaxed);
    }

    /// Empties the shard, whatever state it is in. The lock is held.
    pub(crate) fn reset(&mut self) {
        reset(&self.shard);
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.reset();
            self.count(Counter::CacheDamage, 1);
        }
        // Another word there means that this process was declared dead while it lived and the lock was
        // taken over: it is not ours to give back.
        let _not_ours =
            self.shard.head[LOCK].compare_exchange(self.word, FREE, Ordering::Release, Ordering::Relaxed);
    }
}

/// Empties a shard: all descriptors and blocks on their free lists. Only for the lock's holder and the
/// segment's maker.
pub(crate) fn reset(shard: &Shard<'_>) {
    let descs = || (0..shard.desc_count()).filter_map(|i| shard.desc(i).map(|d| (i, d)));
    for (_, desc) in descs() {
        desc.open();
    }
    point(Point::ResetOpened);
    for bucket in shard.buckets {
        bucket.store(NIL, Ordering::Relaxed);
    }
    let last = shard.desc_count().saturating_sub(1);
    for (i, desc) in descs() {
        desc.set_links(NIL, if i == last { NIL } else { i + 1 });
        desc.set_sizes(0);
        desc.used().store(0, Ordering::Relaxed);
    }
    point(Point::ResetHalf);
    for word in shard.ghosts {
        word.store(0, Ordering::Relaxed);
    }
    let last = shard.block_count().saturating_sub(1);
    for (i, link) in (0_u32..).zip(shard.links) {
        link.store(if i as usize == last { NIL } else { i + 1 }, Ordering::Relaxed);
    }
    let free = shard.block_count() as u64;
    for (field, value) in [
        (FREE_BLOCK, 0),
        (FREE_BLOCKS, free),
        (FREE_DESC, 0),
        (ENTRIES, 0),
        (HAND, 0),
        (TICK, 0),
        (WEIGHT, u64::from(u16::MAX) / 2),
    ] {
        shard.head[field].store(value, Ordering::Relaxed);
    }
    point(Point::ResetLinked);
    for (_, desc) in descs() {
        desc.close(0);
    }
}

fn word_of(owner: Owner) -> u64 {
    HELD | u64::from(owner.slot) << 32 | u64::from(owner.epoch)
}

/// Whether a lock word that is not free names somebody alive; noise names nobody.
fn is_held_by_living(segment: &Segment, word: u64) -> bool {
    let slot = (word >> 32 & 0xFFFF) as u16;
    let epoch = (word & u64::from(u32::MAX)) as u32;
    let owner = Owner { slot, epoch };
    word == word_of(owner) && scoreboard::is_alive(segment, owner)
}
