//! Rate limits that hold over all workers: one word a key, so that there is nothing for a death to leave half
//! done.
//!
//! The generic cell rate algorithm (ITU-T I.371, as `governor` and others use it): a key's word holds the time
//! until which it has used up its rate, its *theoretical arrival time*. A request moves that time on by one
//! interval, and is refused when it would then lie further ahead than the burst allows. A refused request
//! moves nothing.
//!
//! Keys share sets of four words by hash. When all four are in use the key that is nearest to being free is
//! forgotten: a full table is lenient, never unjust.

use crate::sync::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::fail::{Point, point};
use crate::layout::Area;
use crate::segment::Segment;

/// Words of a set.
const WAYS: usize = 4;
/// Bits of a time in milliseconds since boot; the key's fingerprint has the others.
const TIME_BITS: u32 = 40;
const TIME: u64 = (1 << TIME_BITS) - 1;
/// Tries before a request is refused: as many others have used the very key meanwhile.
const TRIES_MAX: u32 = 16;

/// How often something may happen: `burst` times at once, in the long run once in `interval_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// At least 1; 0 allows nothing.
    pub burst: u32,
    /// Milliseconds.
    pub interval_ms: u32,
}

/// What a limit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is within the rate, and was counted.
    Allowed,
    /// It is not, and would be in so many milliseconds.
    RetryAfter {
        /// At most `burst` times `interval_ms`, whatever the segment holds.
        ms: u64,
    },
}

/// The rate limits of a segment.
#[derive(Clone, Debug)]
pub struct Limits {
    segment: Segment,
}

impl Limits {
    /// The limits of `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// Counts one use of `key` under `rate` if it is allowed. What is limited is part of the key
    /// (`login:192.0.2.1`): one key is always used with one rate.
    #[must_use]
    pub fn check(&self, key: &[u8], rate: Rate, now_ms: u64) -> Verdict {
        let hash = xxh3_64_with_seed(key, self.segment.seed());
        let (window, interval) =
            (u64::from(rate.burst) * u64::from(rate.interval_ms), u64::from(rate.interval_ms));
        let now = now_ms & TIME;
        for _ in 0..TRIES_MAX {
            let Some((word, seen)) = self.find(hash, now) else { break };
            // Noise may lie anywhere: nobody waits for longer than his own burst would make him.
            let used = if is_of(seen, hash) { (seen & TIME).clamp(now, now + window) } else { now };
            let next = used + interval;
            if next > now + window {
                return Verdict::RetryAfter { ms: next - now - window };
            }
            let new = hash & !TIME | next & TIME;
            if word.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                point(Point::LimitMoved);
                return Verdict::Allowed;
            }
        }
        Verdict::RetryAfter { ms: interval }
    }

    /// Takes back one use that was allowed and turned out not to count. When others keep using the key it may stay
    /// counted.
    pub fn give_back(&self, key: &[u8], rate: Rate, now_ms: u64) {
        let hash = xxh3_64_with_seed(key, self.segment.seed());
        let (interval, now) = (u64::from(rate.interval_ms), now_ms & TIME);
        for _ in 0..TRIES_MAX {
            let Some((word, seen)) = self.find(hash, now).filter(|(_, seen)| is_of(*seen, hash)) else {
                return;
            };
            // Before now there is nothing to give back: no more than a burst is ever saved up.
            let used = (seen & TIME).saturating_sub(interval).max(now);
            let new = hash & !TIME | used.min(seen & TIME);
            if word.compare_exchange(seen, new, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                return;
            }
        }
    }

    /// The key's word, or the one of its set that is free first.
    fn find(&self, hash: u64, now: u64) -> Option<(&AtomicU64, u64)> {
        let table = self.segment.area(Area::Limits);
        // The table's length is a power of two (`Geometry::check`) and a multiple of a set's.
        let start = hash as usize & (table.len() - 1) & !(WAYS - 1);
        let set = table.get(start..start + WAYS)?;
        let seen = set.iter().map(|word| (word, word.load(Ordering::Acquire)));
        seen.min_by_key(|(_, seen)| if is_of(*seen, hash) { 0 } else { (seen & TIME).max(now) })
    }
}

/// Whether a word is of the key with this hash: by the bits that the table's index does not take.
fn is_of(word: u64, hash: u64) -> bool {
    word != 0 && (word ^ hash) & !TIME == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    const RATE: Rate = Rate { burst: 5, interval_ms: 1_000 };

    fn limits() -> Limits {
        let (_fd, segment) =
            Segment::create(&Geometry { cache_bytes: 8 << 20, limit_slots: 64, ..Geometry::default() })
                .expect("segment");
        Limits::of(&segment)
    }

    /// How many of `count` at one moment are allowed.
    fn allowed(limits: &Limits, key: &[u8], count: usize, now_ms: u64) -> usize {
        (0..count).filter(|_| limits.check(key, RATE, now_ms) == Verdict::Allowed).count()
    }

    #[test]
    fn a_burst_then_one_an_interval() {
        let limits = limits();
        assert_eq!(allowed(&limits, b"a", 20, 50_000), 5);
        assert_eq!(limits.check(b"a", RATE, 50_000), Verdict::RetryAfter { ms: 1_000 });
        assert_eq!(limits.check(b"a", RATE, 50_400), Verdict::RetryAfter { ms: 600 });
        assert_eq!(allowed(&limits, b"a", 20, 51_000), 1, "after what it was told");
        assert_eq!(allowed(&limits, b"a", 20, 53_500), 2);
        assert_eq!(allowed(&limits, b"a", 20, 90_000), 5, "no more than a burst is saved up");
        assert_eq!(allowed(&limits, b"b", 20, 90_000), 5, "keys do not share");
        assert_eq!(limits.check(b"c", Rate { burst: 0, interval_ms: 9 }, 0), Verdict::RetryAfter { ms: 9 });
    }

    #[test]
    fn what_is_given_back_was_not_used_and_no_more_is_saved_up() {
        let limits = limits();
        for _ in 0..100 {
            assert_eq!(limits.check(b"a", RATE, 50_000), Verdict::Allowed);
            limits.give_back(b"a", RATE, 50_000);
        }
        limits.give_back(b"a", RATE, 50_000);
        limits.give_back(b"of nobody", RATE, 50_000);
        assert_eq!(allowed(&limits, b"a", 20, 50_000), 5);
        limits.give_back(b"a", RATE, 50_000);
        assert_eq!(allowed(&limits, b"a", 20, 50_000), 1);
        limits.give_back(b"a", RATE, 90_000);
        assert_eq!(allowed(&limits, b"a", 20, 90_000), 5);
    }

    #[test]
    fn many_keys_make_it_lenient_and_never_unjust() {
        let limits = limits();
        for key in 0..10_000_u32 {
            assert_eq!(limits.check(&key.to_le_bytes(), RATE, 1_000), Verdict::Allowed, "{key}");
        }
    }

    #[test]
    fn whatever_the_segment_holds_the_wait_is_bounded() {
        let limits = limits();
        let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
        for now in 0..5_000_u64 {
            for word in limits.segment.area(Area::Limits) {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                word.store(noise, Ordering::Relaxed);
            }
            if let Verdict::RetryAfter { ms } = limits.check(b"a", RATE, now * 977) {
                assert!(ms <= 5_000, "{ms}");
            }
        }
    }

    #[test]
    fn threads_that_race_are_allowed_no_more_than_the_burst() {
        let limits = limits();
        let total: usize = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| allowed(&limits, b"a", 1_000, 7_000))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a thread")).sum()
        });
        assert_eq!(total, 5);
    }
}
