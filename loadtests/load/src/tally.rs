//! What was counted and measured of many requests.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::ask::{CacheSays, Kind, Reply, Trouble};

/// Longest latency told apart from longer ones: far beyond any request's time.
const LONGEST_US: u64 = 600_000_000;
/// Significant digits kept of a latency.
const DIGITS: u8 = 3;

/// A histogram of microseconds.
#[derive(Clone, Debug)]
pub struct Times(Histogram<u64>);

impl Default for Times {
    fn default() -> Times {
        // Both bounds are constants that the crate accepts; a test makes one.
        Times(Histogram::new_with_bounds(1, LONGEST_US, DIGITS).unwrap_or_else(|_| unreachable!()))
    }
}

impl Times {
    fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(LONGEST_US).max(1));
    }

    /// Milliseconds below which `share` (0 to 1) of them are; 0 when there are none.
    pub fn millis(&self, share: f64) -> f64 {
        if self.0.is_empty() { 0.0 } else { self.0.value_at_quantile(share) as f64 / 1e3 }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// Adds all of another's.
    pub fn add(&mut self, other: &Times) {
        // Both have the same bounds.
        let _always = self.0.add(&other.0);
    }
}

/// What is kept of each kind of request.
#[derive(Clone, Debug, Default)]
pub struct OfKind {
    /// From when it was to be sent, failed ones included.
    pub latency: Times,
    /// Without a good answer.
    pub failed: u64,
}

/// One request's end.
#[derive(Debug)]
pub struct End<'a> {
    /// What was asked for.
    pub kind: Kind,
    /// From when it was to be sent until the end of the answer.
    pub latency: Duration,
    /// Of that, the time before it was sent.
    pub late: Duration,
    /// Whether the measured time was not over yet.
    pub in_time: bool,
    /// The answer.
    pub result: Result<&'a Reply, Trouble>,
}

/// Counts and times of a run, or of a part of it.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Of every request, failed ones included, from when it was to be sent.
    pub latency: Times,
    /// Of every request, from when it was sent.
    pub service: Times,
    /// How much later than due requests were sent: the generator's own lateness, and waits for a free connection.
    pub late: Times,
    /// By kind.
    pub kinds: BTreeMap<Kind, OfKind>,
    /// By reason.
    pub errors: BTreeMap<Trouble, u64>,
    /// Edits that another edit came before: right answers, and no errors.
    pub conflicts: u64,
    /// Good answers.
    pub answered: u64,
    /// Of these, those within the measured time.
    pub in_time: u64,
    /// Of the good answers, those that said "not modified".
    pub not_modified: u64,
    /// Bytes of bodies.
    pub bytes: u64,
    /// Good answers that the server says it had kept, fresh or stale.
    pub cache_hits: u64,
    /// Those it says it made anew.
    pub cache_misses: u64,
    /// Connections opened again after the server had closed them between two requests.
    pub reconnects: u64,
}

impl Tally {
    /// Counts a request.
    pub fn record(&mut self, end: &End<'_>) {
        self.latency.record(end.latency);
        self.service.record(end.latency.saturating_sub(end.late));
        self.late.record(end.late);
        let of_kind = self.kinds.entry(end.kind).or_default();
        of_kind.latency.record(end.latency);
        match end.result {
            Ok(reply) => {
                self.answered += 1;
                self.in_time += u64::from(end.in_time);
                self.not_modified += u64::from(reply.status == 304);
                self.bytes += reply.bytes;
                match reply.cache {
                    CacheSays::Hit | CacheSays::Stale => self.cache_hits += 1,
                    CacheSays::Miss => self.cache_misses += 1,
                    CacheSays::Nothing => {}
                }
            }
            Err(Trouble::Status(409)) => self.conflicts += 1,
            Err(trouble) => {
                of_kind.failed += 1;
                *self.errors.entry(trouble).or_default() += 1;
            }
        }
    }

    /// Counts a request that was due and could not be sent: it has waited at least this long.
    pub fn unsent(&mut self, waited: Duration) {
        self.latency.record(waited);
        self.late.record(waited);
        *self.errors.entry(Trouble::Unsent).or_default() += 1;
    }

    /// All failed ones.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Good answers, conflicts and failures.
    pub fn total(&self) -> u64 {
        self.answered + self.conflicts + self.failed()
    }

    /// Failed ones of all, in percent.
    pub fn error_percent(&self) -> f64 {
        if self.total() == 0 { 0.0 } else { 100.0 * self.failed() as f64 / self.total() as f64 }
    }

    /// Adds all of another's.
    pub fn add(&mut self, other: &Tally) {
        self.latency.add(&other.latency);
        self.service.add(&other.service);
        self.late.add(&other.late);
        for (kind, theirs) in &other.kinds {
            let ours = self.kinds.entry(*kind).or_default();
            ours.latency.add(&theirs.latency);
            ours.failed += theirs.failed;
        }
        for (trouble, count) in &other.errors {
            *self.errors.entry(*trouble).or_default() += count;
        }
        self.conflicts += other.conflicts;
        self.answered += other.answered;
        self.in_time += other.in_time;
        self.not_modified += other.not_modified;
        self.bytes += other.bytes;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.reconnects += other.reconnects;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, cache: CacheSays) -> Reply {
        Reply { status, etag: None, cache, cookies: None, bytes: 10, body: bytes::Bytes::new() }
    }

    fn end(result: Result<&Reply, Trouble>) -> End<'_> {
        let (latency, late) = (Duration::from_millis(5), Duration::from_millis(2));
        End { kind: Kind::Topic, latency, late, in_time: true, result }
    }

    #[test]
    fn latency_counts_from_when_a_request_was_due_and_service_from_when_it_was_sent() {
        let mut tally = Tally::default();
        tally.record(&end(Ok(&reply(200, CacheSays::Hit))));
        assert!((tally.latency.millis(0.5) - 5.0).abs() < 0.01, "{}", tally.latency.millis(0.5));
        assert!((tally.service.millis(0.5) - 3.0).abs() < 0.01);
        assert!((tally.late.millis(0.5) - 2.0).abs() < 0.01);
    }

    #[test]
    fn failures_are_counted_by_reason_and_conflicts_are_none() {
        let mut tally = Tally::default();
        tally.record(&end(Ok(&reply(304, CacheSays::Stale))));
        tally.record(&end(Err(Trouble::Status(409))));
        tally.record(&end(Err(Trouble::Status(503))));
        tally.record(&end(Err(Trouble::Timeout)));
        tally.unsent(Duration::from_secs(3));
        assert_eq!((tally.answered, tally.not_modified, tally.conflicts), (1, 1, 1));
        assert_eq!((tally.failed(), tally.total(), tally.cache_hits), (3, 5, 1));
        assert!((tally.error_percent() - 60.0).abs() < 1e-9);
        assert!(tally.latency.millis(1.0) > 2_990.0, "what was never sent waited as well");
        let mut sum = Tally::default();
        sum.add(&tally);
        sum.add(&tally);
        assert_eq!((sum.total(), sum.kinds[&Kind::Topic].failed, sum.latency.count()), (10, 4, 10));
    }

    #[test]
    fn nothing_measured_is_nothing_and_no_division_by_it() {
        let tally = Tally::default();
        assert_eq!((tally.error_percent(), tally.latency.millis(0.99)), (0.0, 0.0));
    }
}
