//! What each process measures, by slot: histograms that outlive it, summed by whoever reads them.

use std::time::Duration;

use crate::histogram::{self, Histogram};
use crate::layout::{Area, HISTOGRAM_WORDS, SLOT_SERIES};
use crate::scoreboard::{self, Owner};
use crate::segment::Segment;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Series {
    /// How much later than it should the event loop came to its clock.
    LoopLag = 0,
    /// A read on the event loop.
    InlineRead,
    /// A read on a thread of the pool.
    PooledRead,
    /// The wait for a thread of the pool.
    PoolWait,
    /// A command's wait in the writer's queue.
    QueueWait,
    /// A transaction, from its beginning to its end on disk.
    Commit,
    /// Commands in a transaction: a number, no duration.
    BatchSize,
}

impl Series {
    /// All series, in their order.
    pub const ALL: [Series; 7] = [
        Series::LoopLag,
        Series::InlineRead,
        Series::PooledRead,
        Series::PoolWait,
        Series::QueueWait,
        Series::Commit,
        Series::BatchSize,
    ];
}

const _: () = assert!(Series::ALL.len() <= SLOT_SERIES, "series outgrow their slot");

/// The histograms of a segment.
#[derive(Clone, Debug)]
pub struct Histograms {
    segment: Segment,
}

impl Histograms {
    /// Those of `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// Counts a duration.
    pub fn time(&self, owner: Owner, series: Series, duration: Duration) {
        self.number(owner, series, histogram::ticks(duration));
    }

    /// Counts a number.
    pub fn number(&self, owner: Owner, series: Series, value: u64) {
        histogram::record(self.words(owner.slot, series), value);
    }

    /// What a slot measured.
    #[must_use]
    pub fn read(&self, slot: u16, series: Series) -> Histogram {
        let mut histogram = Histogram::default();
        histogram.add(self.words(slot, series));
        histogram
    }

    /// What all slots measured.
    #[must_use]
    pub fn total(&self, series: Series) -> Histogram {
        let mut histogram = Histogram::default();
        // Most slots were never anybody's.
        let used = |slot: &u16| scoreboard::epoch(&self.segment, *slot).is_some_and(|epoch| epoch != 0);
        for slot in (0..self.segment.geometry().worker_slots).filter(used) {
            histogram.add(self.words(slot, series));
        }
        histogram
    }

    /// Nothing for a slot that does not exist.
    fn words(&self, slot: u16, series: Series) -> &[crate::sync::AtomicU64] {
        let start = (usize::from(slot) * SLOT_SERIES + series as usize) * HISTOGRAM_WORDS;
        self.segment.area(Area::Histograms).get(start..start + HISTOGRAM_WORDS).unwrap_or_default()
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::scoreboard::Scoreboard;

    #[test]
    fn series_of_all_slots_are_summed() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let histograms = Histograms::of(&segment);
        for slot in [0, 3] {
            Scoreboard::of(&segment).enlist(slot, 1, 0).unwrap();
            histograms.time(Owner { slot, epoch: 1 }, Series::Commit, Duration::from_millis(2));
        }
        histograms.number(Owner { slot: 3, epoch: 1 }, Series::BatchSize, 64);
        histograms.number(Owner { slot: u16::MAX, epoch: 1 }, Series::BatchSize, 64);
        assert_eq!(histograms.total(Series::Commit).count(), 2);
        assert_eq!(histograms.read(3, Series::Commit).count(), 1);
        assert_eq!(histograms.total(Series::Commit).total_time(), Duration::from_millis(4));
        assert_eq!(histograms.total(Series::BatchSize).count(), 1);
        assert_eq!(histograms.total(Series::LoopLag), Histogram::default());
    }
}
