//! Leases: one worker computes an answer, the others wait for it a little.
//!
//! A lease is one word in a table indexed by key hash, holding fingerprint, owner and expiry together, so
//! taking and giving back is one compare-and-swap and there is no half-taken lease for a death to leave
//! behind. A lease whose owner is dead or whose time is over is void and simply replaced.
//!
//! The contract with whoever computes (the worker's `get_or_compute`):
//! 1. On a miss, share the computation within the process first; only its leader comes here.
//! 2. [`Flight::Lead`]: take a snapshot, read, insert, then drop the guard, in this order, so that a
//!    follower that sees the lease gone finds the entry.
//! 3. [`Flight::Follow`]: look the key up again every few milliseconds; after each miss ask for the lease
//!    again, and stop following once the bound it named is over. Then compute without a lease: leases save
//!    work, they never decide about correctness.
//!
//! Two different keys may fall on one slot. The later one then leads *without* a lease rather than wait
//! for a stranger; the price is one computation a worker instead of one over all of them.

use crate::sync::Ordering;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::ShmError;
use crate::fail::{Point, point};
use crate::layout::Area;
use crate::scoreboard::{self, Counter, Owner};
use crate::segment::Segment;

/// The longest lease, milliseconds: longer than any read may take, short enough that a worker that hangs
/// holds nobody up for long. A word that claims more is noise and void.
pub const LEASE_MS_MAX: u64 = 60_000;

/// Tries to put a word before going without: each failure means that another worker changed the slot, and
/// what it put there mostly ends the search. Only noise can use them all up.
const ATTEMPTS_MAX: u32 = 16;
/// Milliseconds of one expiry step: four ticks of the coarse clock.
const STEP_MS: u64 = 16;
/// Bits of each field; together one word.
const FINGERPRINT_BITS: u32 = 16;
const EXPIRY_BITS: u32 = 22;
const EPOCH_BITS: u32 = 16;
const SLOT_BITS: u32 = 10;
const EXPIRY_SHIFT: u32 = FINGERPRINT_BITS;
const EPOCH_SHIFT: u32 = EXPIRY_SHIFT + EXPIRY_BITS;
const SLOT_SHIFT: u32 = EPOCH_SHIFT + EPOCH_BITS;
const _: () = assert!(SLOT_SHIFT + SLOT_BITS == 64);
const _: () = assert!((crate::geometry::WORKER_SLOTS_MAX as u64) < mask(SLOT_BITS));
const FREE: u64 = 0;

/// The lease table of a segment, seen by one owner.
#[derive(Clone, Debug)]
pub struct Leases {
    segment: Segment,
    owner: Owner,
}

/// Who computes.
#[derive(Debug)]
pub enum Flight {
    /// This caller does.
    Lead(LeaseGuard),
    /// Another worker does, and its lease ends in this many milliseconds at the latest.
    Follow {
        /// Upper bound of the wait, milliseconds.
        expires_in_ms: u64,
    },
}

/// The right to compute one answer. Dropping it gives the lease back.
#[derive(Debug)]
pub struct LeaseGuard {
    segment: Segment,
    /// Slot in the lease table and the word put there; `None` when the slot was another key's.
    held: Option<(usize, u64)>,
}

impl LeaseGuard {
    /// Whether other workers follow this computation. `false` when the slot belonged to another key.
    #[must_use]
    pub fn is_exclusive(&self) -> bool {
        self.held.is_some()
    }
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        if let Some((index, word)) = self.held
            && let Some(slot) = self.segment.area(Area::Leases).get(index)
        {
            // When the word is no longer ours the lease had run out and somebody else has it: leave it.
            let _not_ours = slot.compare_exchange(word, FREE, Ordering::Release, Ordering::Relaxed);
        }
    }
}

impl Leases {
    /// The leases of `segment` as `owner` takes them.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn of(segment: &Segment, owner: Owner) -> Result<Self, ShmError> {
        scoreboard::check_slot(segment, owner)?;
        Ok(Self { segment: segment.clone(), owner })
    }

    /// Asks for the lease on `key` for `lease_ms` (at most [`LEASE_MS_MAX`]).
    #[must_use]
    pub fn lease(&self, key: &[u8], lease_ms: u64, now_ms: u64) -> Flight {
        let hash = xxh3_64_with_seed(key, self.segment.seed());
        let table = self.segment.area(Area::Leases);
        // The table's length is a power of two (`Geometry::check`).
        let index = (hash as usize) & (table.len() - 1);
        let word = self.word(hash, lease_ms, now_ms);
        let slot = &table[index];
        let mut seen = slot.load(Ordering::Acquire);
        for _ in 0..ATTEMPTS_MAX {
            if let Some(left_ms) = self.left_ms(seen, now_ms) {
                if seen & mask(FINGERPRINT_BITS) == word & mask(FINGERPRINT_BITS) {
                    scoreboard::add(&self.segment, self.owner.slot, Counter::LeaseFollow, 1);
                    return Flight::Follow { expires_in_ms: left_ms };
                }
                return self.lead(None);
            }
            match slot.compare_exchange(seen, word, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => {
                    point(Point::LeaseTaken);
                    return self.lead(Some((index, word)));
                }
                Err(now) => seen = now,
            }
        }
        self.lead(None)
    }

    fn lead(&self, held: Option<(usize, u64)>) -> Flight {
        scoreboard::add(&self.segment, self.owner.slot, Counter::LeaseLead, 1);
        Flight::Lead(LeaseGuard { segment: self.segment.clone(), held })
    }

    fn word(&self, hash: u64, lease_ms: u64, now_ms: u64) -> u64 {
        let expiry = (now_ms + lease_ms.min(LEASE_MS_MAX)).div_ceil(STEP_MS) & mask(EXPIRY_BITS);
        (u64::from(self.owner.slot) + 1) << SLOT_SHIFT
            | (u64::from(self.owner.epoch) & mask(EPOCH_BITS)) << EPOCH_SHIFT
            | expiry << EXPIRY_SHIFT
            // The index took the low bits.
            | hash >> (64 - FINGERPRINT_BITS)
    }

    /// Milliseconds a lease word still has, or `None` when it is free, over, a dead owner's or noise.
    fn left_ms(&self, word: u64, now_ms: u64) -> Option<u64> {
        let slot = u16::try_from(word >> SLOT_SHIFT).ok()?.checked_sub(1)?;
        let epoch = scoreboard::epoch(&self.segment, slot)?;
        if u64::from(epoch) & mask(EPOCH_BITS) != word >> EPOCH_SHIFT & mask(EPOCH_BITS) {
            return None;
        }
        let expiry = word >> EXPIRY_SHIFT & mask(EXPIRY_BITS);
        let steps = expiry.wrapping_sub(now_ms / STEP_MS) & mask(EXPIRY_BITS);
        // The difference wraps: what is over looks like a lease of hours.
        (1..=LEASE_MS_MAX / STEP_MS + 1).contains(&steps).then_some(steps * STEP_MS)
    }
}

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::scoreboard::Scoreboard;

    fn two() -> (Scoreboard, Leases, Leases) {
        let (_fd, segment) =
            Segment::create(&Geometry { cache_bytes: 8 << 20, ..Geometry::default() }).expect("segment");
        let board = Scoreboard::of(&segment);
        let first = board.enlist(0, 1, 0).expect("slot");
        let second = board.enlist(1, 1, 0).expect("slot");
        let leases = |owner| Leases::of(&segment, owner).expect("leases");
        (board, leases(first), leases(second))
    }

    #[test]
    fn one_leads_until_its_guard_drops() {
        let (_, a, b) = two();
        let Flight::Lead(guard) = a.lease(b"k", 1000, 5000) else { panic!("first must lead") };
        assert!(guard.is_exclusive());
        let Flight::Follow { expires_in_ms } = b.lease(b"k", 1000, 5000) else {
            panic!("second must follow")
        };
        assert!((984..=1016).contains(&expires_in_ms), "{expires_in_ms}");
        assert!(matches!(a.lease(b"k", 1000, 5000), Flight::Follow { .. }), "not even the same owner twice");
        drop(guard);
        assert!(matches!(b.lease(b"k", 1000, 5000), Flight::Lead(_)));
    }

    #[test]
    fn an_expired_lease_is_void_and_its_late_guard_harmless() {
        let (_, a, b) = two();
        let Flight::Lead(late) = a.lease(b"k", 100, 5000) else { panic!("first must lead") };
        let Flight::Lead(_second) = b.lease(b"k", 100, 5200) else { panic!("expired") };
        drop(late);
        assert!(matches!(a.lease(b"k", 100, 5200), Flight::Follow { .. }), "the second lease stands");
    }

    #[test]
    fn a_dead_owner_leads_nothing() {
        let (board, a, b) = two();
        let Flight::Lead(guard) = a.lease(b"k", 60_000, 5000) else { panic!("first must lead") };
        std::mem::forget(guard);
        assert!(matches!(b.lease(b"k", 1000, 5000), Flight::Follow { .. }));
        board.retire(0).expect("slot");
        assert!(matches!(b.lease(b"k", 1000, 5000), Flight::Lead(_)));
    }

    #[test]
    fn any_word_is_bounded() {
        let (_, a, _) = two();
        let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
        for now in 0..20_000_u64 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            if let Some(left) = a.left_ms(noise, now * 977) {
                assert!(left <= LEASE_MS_MAX + 2 * STEP_MS);
            }
        }
    }
}
