//! Who has to go: LRU, and a second opinion that is heard as far as it proves right.
//!
//! Each eviction looks at a stretch of entries. One expert would take the one not used for the longest; the other
//! the oldest newcomer, one nobody has asked for a second time, as a crawler leaves them behind. A draw by the
//! shard's weight decides between them. Ghosts remember who was evicted and on whose advice: when somebody comes
//! back soon, the expert who sent him away loses weight, and he is no newcomer this time. The idea is LeCaR's
//! (Vietri et al., HotStorage 2018); docs/decisions/0010-eviction.md has the measurements that chose it.
//!
//! Time is counted in stores of the shard. A hit notes the time with one relaxed store, and with none when it was
//! noted since the last store: the lines of popular entries stay shared.

use crate::sync::{AtomicU32, Ordering};

use super::lock::{Damaged, Held};
use super::read::Reading;
use super::shard::{Desc, HAND, Shard, TICK, WEIGHT};
use crate::fail::{Point, point};
use crate::tags::Table;

/// Entries of which one goes: more is no better on any trace, and takes longer under the lock.
const STRETCH: u32 = 64;
/// Of those, so many are looked at whether anybody may still be shown them: each look is a miss of the CPU's
/// cache, and the hand comes round.
const LOOKS: u32 = 4;
/// Set for an entry nobody has asked for since it came; below it the time of its last use.
const NEWCOMER: u32 = 1 << 31;
const TIME: u32 = NEWCOMER - 1;

/// A weight of one.
const ONE: u64 = 1 << 16;
/// No expert is silent for ever, or it could not be found right later.
const LEAST: u64 = ONE / 100;
/// How much one regret counts, and what is left of it when as many stores lie between as there are entries.
const LEARN: f64 = 0.4;
const FADE: f64 = 0.005;

/// A ghost: the key's mark, whose advice it was, and when.
const MARK_BITS: u32 = 12;
const ADVICE_BITS: u32 = 2;
const WHEN_BITS: u32 = 32 - MARK_BITS - ADVICE_BITS;

/// Whose advice an eviction followed. Never zero, so that no ghost is an empty word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Advice {
    /// Both experts named the same entry: there is nothing to learn about them.
    Same = 1,
    Oldest = 2,
    Newcomer = 3,
}

/// Notes a use. Lost updates do not matter.
#[inline]
pub(crate) fn note_use(shard: &Shard<'_>, desc: Desc<'_>) {
    let now = shard.head[TICK].load(Ordering::Relaxed) & u64::from(TIME);
    if desc.used().load(Ordering::Relaxed) != now {
        desc.used().store(now, Ordering::Relaxed);
    }
}

impl Held<'_> {
    fn now(&self) -> u32 {
        self.get(TICK) as u32 & TIME
    }

    /// Notes that an entry comes to this place. `again`: its key was here a moment ago.
    pub(crate) fn note_arrival(&mut self, desc: Desc<'_>, hash: u64, again: bool) {
        self.set(TICK, self.get(TICK).wrapping_add(1));
        let known = self.came_back(hash) || again;
        let flag = if known { 0 } else { NEWCOMER };
        desc.used().store((self.now() | flag).into(), Ordering::Relaxed);
    }

    /// Evicts one entry. There is at least one.
    pub(crate) fn evict(&mut self, table: Table<'_>, now_ms: u64) -> Result<(), Damaged> {
        let chosen = self.choose(table, now_ms)?;
        point(Point::EvictChosen);
        self.unlink(chosen)
    }

    fn choose(&mut self, table: Table<'_>, now_ms: u64) -> Result<u32, Damaged> {
        let count = self.shard.desc_count();
        let now = self.now();
        let mut hand = (self.get(HAND) % u64::from(count.max(1))) as u32;
        // Age and index.
        let mut oldest: Option<(u32, u32)> = None;
        let mut newcomer: Option<(u32, u32)> = None;
        let mut met = 0;
        for _ in 0..count {
            let index = hand;
            hand = if hand + 1 >= count { 0 } else { hand + 1 };
            let desc = self.shard.desc(index).ok_or(Damaged)?;
            if desc.is_free() {
                continue;
            }
            if met < LOOKS && !self.is_of_use(index, table, now_ms) {
                self.set(HAND, hand.into());
                return Ok(index);
            }
            let used = desc.used().load(Ordering::Relaxed) as u32;
            let age = now.wrapping_sub(used) & TIME;
            if oldest.is_none_or(|(most, _)| age > most) {
                oldest = Some((age, index));
            }
            if used & NEWCOMER != 0 && newcomer.is_none_or(|(most, _)| age > most) {
                newcomer = Some((age, index));
            }
            met += 1;
            if met == STRETCH {
                break;
            }
        }
        self.set(HAND, hand.into());
        let (_, oldest) = oldest.ok_or(Damaged)?;
        let newcomer = newcomer.map_or(oldest, |(_, index)| index);
        let by_newcomer = mix(self.get(TICK)) % ONE < self.weight();
        let chosen = if by_newcomer { newcomer } else { oldest };
        let advice = match (newcomer == oldest, by_newcomer) {
            (true, _) => Advice::Same,
            (false, true) => Advice::Newcomer,
            (false, false) => Advice::Oldest,
        };
        if let Some(desc) = self.shard.desc(chosen) {
            self.leave_ghost(desc.stamp().hash(), advice);
        }
        Ok(chosen)
    }

    /// Whether anybody may still be shown this entry.
    fn is_of_use(&self, index: u32, table: Table<'_>, now_ms: u64) -> bool {
        self.shard
            .desc(index)
            .and_then(|desc| Reading::begin(&self.shard, desc))
            .is_some_and(|reading| reading.head.is_valid(table) && !reading.head.is_over(now_ms))
    }

    /// The weight of the expert for newcomers; the other has the rest.
    fn weight(&self) -> u64 {
        self.get(WEIGHT).clamp(LEAST, ONE - LEAST)
    }

    fn leave_ghost(&self, hash: u64, advice: Advice) {
        if let Some((ghost, mark)) = self.ghost(hash) {
            let when = self.now() >> self.coarse() & mask(WHEN_BITS);
            ghost.store(mark << (32 - MARK_BITS) | (advice as u32) << WHEN_BITS | when, Ordering::Relaxed);
        }
    }

    /// Whether this key was evicted not long ago. Learns from it.
    fn came_back(&mut self, hash: u64) -> bool {
        let Some((ghost, mark)) = self.ghost(hash) else { return false };
        let seen = ghost.load(Ordering::Relaxed);
        if seen == 0 || seen >> (32 - MARK_BITS) != mark {
            return false;
        }
        ghost.store(0, Ordering::Relaxed);
        let coarse = self.coarse();
        let stores = u64::from((self.now() >> coarse).wrapping_sub(seen) & mask(WHEN_BITS)) << coarse;
        let entries = self.shard.quota.max(1) as f64;
        if stores as f64 > entries {
            return false;
        }
        let factor = (-LEARN * FADE.powf(stores as f64 / entries)).exp();
        let newcomer = self.weight() as f64;
        let oldest = ONE as f64 - newcomer;
        let (newcomer, oldest) = match seen >> WHEN_BITS & mask(ADVICE_BITS) {
            advice if advice == Advice::Newcomer as u32 => (newcomer * factor, oldest),
            advice if advice == Advice::Oldest as u32 => (newcomer, oldest * factor),
            _ => return true,
        };
        self.set(WEIGHT, (newcomer / (newcomer + oldest) * ONE as f64) as u64);
        true
    }

    /// The place of a key's ghost, and the key's mark there. Only the half of the hash that a descriptor keeps
    /// is known when it is evicted.
    fn ghost(&self, hash: u64) -> Option<(&AtomicU32, u32)> {
        let mixed = mix(hash & u64::from(u32::MAX));
        // The table's length is a power of two (`ShardLayout`).
        let ghost = self.shard.ghosts.get(mixed as usize & (self.shard.ghosts.len().checked_sub(1)?))?;
        Some((ghost, (mixed >> (64 - MARK_BITS)) as u32))
    }

    /// Bits by which a ghost's time is coarser than the shard's, so that as many stores as there are entries are
    /// told from a few.
    fn coarse(&self) -> u32 {
        (self.shard.quota as u64).next_power_of_two().ilog2().saturating_sub(WHEN_BITS - 1)
    }
}

/// splitmix64's finish: every bit of the result depends on every bit of the argument.
fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

const fn mask(bits: u32) -> u32 {
    (1 << bits) - 1
}
