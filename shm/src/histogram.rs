//! Counts of values by size, in buckets that grow with the values: an eighth of a power of two each, so that what
//! is read from one is off by at most 6 %, over eight decades, in 1.6 KB. No locks: one atomic addition a value.
//! The idea is HdrHistogram's (<https://hdrhistogram.org>).

use crate::sync::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets a power of two is divided into, as a power of two.
const PART_BITS: u32 = 3;
const PARTS: u64 = 1 << PART_BITS;
/// Powers of two that are told apart; everything above counts as the largest.
const POWERS: u32 = 27;
/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = ((POWERS - PART_BITS + 1) as usize) << PART_BITS;
/// Length of a tick, the unit in which durations are counted: 250 ns, so that the largest bucket holds half a
/// minute.
const TICK_NANOS: u128 = 250;

/// The bucket of a value.
fn bucket(value: u64) -> usize {
    let value = value.min((1 << POWERS) - 1);
    if value < PARTS {
        return value as usize;
    }
    let power = value.ilog2();
    let part = (value >> (power - PART_BITS)) & (PARTS - 1);
    ((u64::from(power - PART_BITS + 1) << PART_BITS) + part) as usize
}

/// The least value of a bucket.
fn least(bucket: usize) -> u64 {
    let (power, part) = (bucket as u64 >> PART_BITS, bucket as u64 & (PARTS - 1));
    if power == 0 { part } else { (PARTS + part) << (power - 1) }
}

/// The middle of a bucket.
fn middle(bucket: usize) -> f64 {
    let (power, part) = (bucket as u64 >> PART_BITS, bucket as u64 & (PARTS - 1));
    if power == 0 {
        return part as f64;
    }
    let width = (1_u64 << (power - 1)) as f64;
    ((PARTS + part) as f64 + 0.5) * width - 0.5
}

/// A duration in ticks.
pub(crate) fn ticks(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(TICK_NANOS)).unwrap_or(u64::MAX)
}

/// Counts one value; `words` are the sum and the buckets.
pub(crate) fn record(words: &[AtomicU64], value: u64) {
    if let [sum, buckets @ ..] = words
        && let Some(count) = buckets.get(bucket(value))
    {
        sum.fetch_add(value, Ordering::Relaxed);
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// What was counted, read at one time and summed over any number of places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    sum: u64,
    counts: Vec<u64>,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { sum: 0, counts: vec![0; BUCKETS] }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, words: &[AtomicU64]) {
        if let [sum, buckets @ ..] = words {
            self.sum = self.sum.wrapping_add(sum.load(Ordering::Relaxed));
            for (count, word) in self.counts.iter_mut().zip(buckets) {
                *count = count.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// How many values lie below `bound`. Exact for powers of two and for what is less than 16; else values of the
    /// bucket in which `bound` lies are not counted.
    #[must_use]
    pub fn below(&self, bound: u64) -> u64 {
        let wholly = self.counts.iter().enumerate().take_while(|(index, _)| least(index + 1) <= bound);
        wholly.fold(0, |sum, (_, count)| sum.wrapping_add(*count))
    }

    /// How many durations lie below `bound`, alike: exact, but for a tick of 250 ns, for one times a power of two.
    #[must_use]
    pub fn shorter(&self, bound: Duration) -> u64 {
        self.below(ticks(bound))
    }

    /// What has come since `before`, an earlier reading of the same.
    #[must_use]
    pub fn since(&self, before: &Histogram) -> Histogram {
        let counts = self.counts.iter().zip(&before.counts).map(|(now, then)| now.wrapping_sub(*then));
        Histogram { sum: self.sum.wrapping_sub(before.sum), counts: counts.collect() }
    }

    /// The value below which this share of all lies, from 0 to 1; 0 when there was none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0_u64;
        for (index, count) in self.counts.iter().enumerate() {
            seen = seen.saturating_add(*count);
            if seen >= wanted {
                return middle(index);
            }
        }
        0.0
    }

    /// The same of durations.
    #[must_use]
    pub fn time(&self, share: f64) -> Duration {
        Duration::from_nanos((self.quantile(share) * TICK_NANOS as f64) as u64)
    }

    /// All values together.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// All durations together.
    #[must_use]
    pub fn total_time(&self) -> Duration {
        Duration::from_nanos(u64::try_from(u128::from(self.sum) * TICK_NANOS).unwrap_or(u64::MAX))
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_and_their_middles_are_near() {
        let mut last = 0;
        for value in (0..5_000).chain((11..30).map(|power| 3_u64 << power)) {
            let bucket = bucket(value);
            assert!(bucket >= last && bucket < BUCKETS, "{value}: {bucket}");
            last = bucket;
            if value < 1 << POWERS {
                let off = (middle(bucket) - value as f64).abs();
                assert!(off <= value as f64 * 0.0625 + f64::EPSILON, "{value}: {}", middle(bucket));
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn values_below_a_bound_are_counted() {
        let words: Vec<AtomicU64> = (0..=BUCKETS).map(|_| AtomicU64::new(0)).collect();
        for value in 0..1_000 {
            record(&words, value);
        }
        let mut read = Histogram::default();
        read.add(&words);
        for bound in [0, 1, 3, 15, 16, 64, 512] {
            assert_eq!(read.below(bound), bound, "{bound}");
        }
        assert_eq!(read.below(1 << POWERS), 1_000);
        assert_eq!(read.since(&read), Histogram::default());
        let before = read.clone();
        record(&words, 7);
        let mut now = Histogram::default();
        now.add(&words);
        assert_eq!((now.since(&before).count(), now.since(&before).sum()), (1, 7));
        for index in 1..BUCKETS {
            assert_eq!((bucket(least(index)), bucket(least(index) - 1)), (index, index - 1));
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let words: Vec<AtomicU64> = (0..=BUCKETS).map(|_| AtomicU64::new(0)).collect();
        for value in 1..=1_000 {
            record(&words, value);
        }
        let mut read = Histogram::default();
        read.add(&words);
        assert_eq!((read.count(), read.sum()), (1_000, 500_500));
        for (share, value) in [(0.5, 500.0), (0.95, 950.0), (0.999, 999.0)] {
            let found = read.quantile(share);
            assert!((found - value).abs() <= value * 0.0625, "{share}: {found}");
        }
        assert_eq!(Histogram::default().quantile(0.5), 0.0);
        assert_eq!(ticks(Duration::from_micros(1)), 4);
    }
}
