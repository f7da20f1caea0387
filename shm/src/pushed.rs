//! What was passed on to a receiver that wants to hear what has come, not what there is (StatsD): one process at a
//! time does so, and what it has told is known to the next.

use crate::layout::{Area, COUNTERS_MAX};
use crate::routes::{RouteStats, Routes};
use crate::scoreboard::{Counter, Scoreboard};
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};

/// When somebody last had the turn; the counters' values then follow.
const AT: usize = 0;
const COUNTERS: usize = 8;
const _: () = assert!(Counter::ALL.len() <= COUNTERS_MAX);

/// What was passed on of a segment's figures.
#[derive(Clone, Debug)]
pub struct Pushed {
    segment: Segment,
}

impl Pushed {
    /// Of the figures in `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// Whether the caller has the turn now: of all processes that ask, one within `every_ms`. A turn is never given
    /// back, so nobody has to: one that dies with it leaves its part to the next.
    #[must_use]
    pub fn turn(&self, every_ms: u64, now_ms: u64) -> bool {
        let Some(at) = self.words().get(AT) else { return false };
        let last = at.load(Ordering::Relaxed);
        // A time to come is noise, and over.
        let is_due = now_ms.saturating_sub(last) >= every_ms || last > now_ms;
        is_due && at.compare_exchange(last, now_ms.max(1), Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    /// By how much each counter has risen since it was asked for before.
    #[must_use]
    pub fn counters(&self) -> Vec<(Counter, u64)> {
        let board = Scoreboard::of(&self.segment);
        let words = self.words();
        let rise = |counter: Counter| {
            let now = board.total(counter);
            let before = words.get(COUNTERS + counter as usize)?.swap(now, Ordering::Relaxed);
            Some((counter, now.wrapping_sub(before)))
        };
        Counter::ALL.into_iter().filter_map(rise).collect()
    }

    /// What was answered since it was asked for before.
    #[must_use]
    pub fn routes(&self) -> Vec<RouteStats> {
        Routes::of(&self.segment, 0).rise()
    }

    fn words(&self) -> &[AtomicU64] {
        self.segment.area(Area::Pushed)
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn one_has_the_turn_and_what_was_told_is_not_told_again() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let (one, other) = (Pushed::of(&segment), Pushed::of(&segment));
        assert!(one.turn(1_000, 5_000));
        assert!(!other.turn(1_000, 5_999));
        assert!(other.turn(1_000, 6_000));
        assert!(!one.turn(1_000, 6_500));
        let board = Scoreboard::of(&segment);
        board.add(1, Counter::Commits, 3);
        board.add(2, Counter::Commits, 4);
        let commits = |pushed: &Pushed| {
            pushed.counters().into_iter().find(|(counter, _)| *counter == Counter::Commits).map(|(_, n)| n)
        };
        assert_eq!(commits(&one), Some(7));
        assert_eq!(commits(&other), Some(0));
        board.add(2, Counter::Commits, 1);
        assert_eq!(commits(&one), Some(1));
    }
}
