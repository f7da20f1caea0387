//! What the answers to requests cost, by route: how many, with which status, and how long they took.
//!
//! A route is known by its name, so that processes of two programs (before and after an upgrade) mean the same by
//! its place. A place is taken once and for ever; what finds none counts as [`RouteId::OTHER`].
//!
//! The figures lie in stripes, one for each of the first processes: an answer costs three additions to words that
//! no other process writes meanwhile, unless there are more processes than stripes. A stripe for every slot of the
//! scoreboard would be seven megabytes, nearly all of them never touched.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::layout::{
    Area, ROUTE_NAME_BYTES, ROUTE_NAME_WORDS, ROUTE_STRIPES, ROUTE_WORDS, ROUTES, STRIPE_WORDS,
};
use crate::raw::WORD;
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};

/// Upper bounds of the buckets in which times are counted, microseconds, inclusive; what takes longer than the last
/// has a bucket of its own. From what a cached answer takes to what a request may (`http.request_seconds`), and the
/// two that are promised: 127 ms for 95 % of all answers, 500 ms for 99 %.
pub const LATENCY_BOUNDS: [u32; 23] = [
    10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 75_000, 100_000, SLO_MICROS,
    250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 20_000_000, 30_000_000,
];
/// What is promised of 95 % of all answers, microseconds.
const SLO_MICROS: u32 = 127_000;
/// The same.
pub const SLO: Duration = Duration::from_micros(SLO_MICROS as u64);

/// Buckets of times: one for each bound and one above.
pub(crate) const LATENCY_BUCKETS: usize = LATENCY_BOUNDS.len() + 1;

/// Statuses that are told apart: those this server answers with, the frequent ones first.
const STATUSES: [u16; 23] = [
    200, 304, 404, 301, 302, 303, 308, 201, 204, 206, 400, 401, 403, 405, 408, 409, 410, 413, 415, 422, 429,
    500, 503,
];
/// One for each of them and one for all others.
pub(crate) const STATUS_WORDS: usize = STATUSES.len() + 1;

/// Words of a route in a stripe: all times together in nanoseconds, buckets, statuses.
const SUM: usize = 0;
const BUCKETS: usize = 1;
const BY_STATUS: usize = BUCKETS + LATENCY_BUCKETS;
const _: () = assert!(BY_STATUS + STATUS_WORDS <= ROUTE_WORDS, "a route's figures outgrow their words");

/// Words of a name. Its length is written last: one that is 0 says that the name is not there yet.
const HASH: usize = 0;
const LENGTH: usize = 1;
const NAME: usize = 2;
const _: () = assert!(NAME + ROUTE_NAME_BYTES / WORD <= ROUTE_NAME_WORDS);

/// A route's place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RouteId(u16);

const _: () = assert!(ROUTES <= 1 << 16, "a route's number is two bytes");

impl RouteId {
    /// What has no place of its own.
    pub const OTHER: RouteId = RouteId(0);

    /// Its number, for keeping.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0
    }

    /// Takes back [`RouteId::number`].
    #[must_use]
    pub fn from_number(number: u16) -> RouteId {
        if usize::from(number) < ROUTES { RouteId(number) } else { RouteId::OTHER }
    }
}

/// A route's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteStats {
    /// Its name, such as `/t/{slug}/{id}`.
    pub name: String,
    /// How many answers had a status; 0 stands for those that are not told apart. Those that no answer had are left
    /// out.
    pub statuses: Vec<(u16, u64)>,
    /// How long the answers took.
    pub latency: Latency,
}

/// Times in buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// All together, nanoseconds.
    pub sum_nanos: u64,
    /// How many fell into each bucket of [`LATENCY_BOUNDS`], and how many above.
    pub counts: [u64; LATENCY_BUCKETS],
}

impl Latency {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// How many took longer than [`SLO`].
    #[must_use]
    pub fn violations(&self) -> u64 {
        let slow = self.counts.iter().zip(0..).filter(|(_, index)| *index > bucket(SLO_MICROS.into()));
        slow.fold(0, |sum, (count, _)| sum.wrapping_add(*count))
    }

    /// The time below which this share of all lies, from 0 to 1, as if times were spread evenly within a bucket;
    /// zero when there was none. Above the last bound, the last bound.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = self.count() as f64 * share;
        let (mut seen, mut from) = (0.0, 0.0);
        for (index, &count) in self.counts.iter().enumerate() {
            let Some(&to) = LATENCY_BOUNDS.get(index) else { break };
            let count = count as f64;
            if count > 0.0 && seen + count >= wanted {
                let micros = from + (f64::from(to) - from) * ((wanted - seen) / count).clamp(0.0, 1.0);
                return Duration::from_nanos((micros * 1e3) as u64);
            }
            (seen, from) = (seen + count, f64::from(to));
        }
        if seen == 0.0 && self.count() == 0 { Duration::ZERO } else { Duration::from_micros(from as u64) }
    }

    /// Adds another's.
    pub fn add(&mut self, other: &Latency) {
        self.sum_nanos = self.sum_nanos.wrapping_add(other.sum_nanos);
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count = count.wrapping_add(more);
        }
    }

    /// What has come since `before`, an earlier reading of the same.
    #[must_use]
    pub fn since(&self, before: &Latency) -> Latency {
        let mut rise = Latency { sum_nanos: self.sum_nanos.wrapping_sub(before.sum_nanos), ..self.clone() };
        for (count, less) in rise.counts.iter_mut().zip(before.counts) {
            *count = count.wrapping_sub(less);
        }
        rise
    }
}

/// The bucket of a time.
#[inline]
fn bucket(micros: u64) -> usize {
    // From the left: most answers are quick.
    LATENCY_BOUNDS.iter().position(|&bound| micros <= bound.into()).unwrap_or(LATENCY_BOUNDS.len())
}

/// The routes of a segment, as the process in one slot counts them.
#[derive(Clone, Debug)]
pub struct Routes {
    segment: Segment,
    stripe: usize,
}

impl Routes {
    /// Those of `segment`; `slot` chooses where this process counts.
    #[must_use]
    pub fn of(segment: &Segment, slot: u16) -> Self {
        Self { segment: segment.clone(), stripe: usize::from(slot) % ROUTE_STRIPES }
    }

    /// The place of a route, taken now if it has none; [`RouteId::OTHER`] when there are too many, or for a name
    /// that is too long to be kept.
    #[must_use]
    pub fn find(&self, name: &str) -> RouteId {
        if name.is_empty() || name.len() > ROUTE_NAME_BYTES {
            return RouteId::OTHER;
        }
        // 0 is nobody's.
        let hash = xxh3_64(name.as_bytes()).max(1);
        // The first place is that of all others.
        for index in 1..ROUTES {
            let words = self.name_words(index);
            let Some(word) = words.get(HASH) else { break };
            match word.compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => write_name(words, name),
                Err(found) if found != hash => continue,
                Err(_) => {}
            }
            return u16::try_from(index).map_or(RouteId::OTHER, RouteId);
        }
        RouteId::OTHER
    }

    /// Counts an answer. No lock, no allocation, three additions.
    #[inline]
    pub fn record(&self, route: RouteId, status: u16, took: Duration) {
        let nanos = took.as_secs() * 1_000_000_000 + u64::from(took.subsec_nanos());
        // A bucket's bound belongs to it: part of a microsecond counts as one.
        let time = bucket(nanos.div_ceil(1_000));
        let by_status = STATUSES.iter().position(|&known| known == status).unwrap_or(STATUSES.len());
        if let Some(words) = self.figures(self.stripe, route.0.into()) {
            words[SUM].fetch_add(nanos, Ordering::Relaxed);
            words[BUCKETS + time].fetch_add(1, Ordering::Relaxed);
            words[BY_STATUS + by_status].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Every route that was answered, over all processes there ever were.
    #[must_use]
    pub fn all(&self) -> Vec<RouteStats> {
        (0..ROUTES).filter_map(|index| self.stats(index, &self.sums(index))).collect()
    }

    /// What has come since this was asked before, by anyone: for who passes it on.
    #[must_use]
    pub(crate) fn rise(&self) -> Vec<RouteStats> {
        let of = |index| {
            let mut sums = self.sums(index);
            for (sum, passed) in sums.iter_mut().zip(self.figures(ROUTE_STRIPES, index)?) {
                let now = *sum;
                *sum = now.wrapping_sub(passed.load(Ordering::Relaxed));
                passed.store(now, Ordering::Relaxed);
            }
            self.stats(index, &sums)
        };
        (0..ROUTES).filter_map(of).collect()
    }

    /// A place's words, over all stripes.
    fn sums(&self, index: usize) -> [u64; ROUTE_WORDS] {
        let mut sums = [0_u64; ROUTE_WORDS];
        for stripe in 0..ROUTE_STRIPES {
            for (sum, word) in sums.iter_mut().zip(self.figures(stripe, index).unwrap_or_default()) {
                *sum = sum.wrapping_add(word.load(Ordering::Relaxed));
            }
        }
        sums
    }

    /// `None` for a place nobody has taken or nothing was counted in.
    fn stats(&self, index: usize, sums: &[u64; ROUTE_WORDS]) -> Option<RouteStats> {
        let mut latency = Latency { sum_nanos: sums[SUM], ..Latency::default() };
        latency.counts.copy_from_slice(&sums[BUCKETS..BY_STATUS]);
        let by_status = STATUSES.into_iter().chain([0]).zip(sums[BY_STATUS..].iter().copied());
        let statuses: Vec<_> = by_status.filter(|(_, count)| *count > 0).collect();
        if statuses.is_empty() {
            return None;
        }
        let name = if index == 0 { "other".to_owned() } else { read_name(self.name_words(index))? };
        Some(RouteStats { name, statuses, latency })
    }

    #[inline]
    fn figures(&self, stripe: usize, index: usize) -> Option<&[AtomicU64]> {
        let start = stripe * STRIPE_WORDS + index * ROUTE_WORDS;
        self.segment.area(Area::Routes).get(start..start + ROUTE_WORDS)
    }

    fn name_words(&self, index: usize) -> &[AtomicU64] {
        let start = index * ROUTE_NAME_WORDS;
        self.segment.area(Area::RouteNames).get(start..start + ROUTE_NAME_WORDS).unwrap_or_default()
    }
}

fn write_name(words: &[AtomicU64], name: &str) {
    for (word, chunk) in words[NAME..].iter().zip(name.as_bytes().chunks(WORD)) {
        let mut whole = [0; WORD];
        whole[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
    }
    words[LENGTH].store(name.len() as u64, Ordering::Release);
}

fn read_name(words: &[AtomicU64]) -> Option<String> {
    let length = usize::try_from(words.get(LENGTH)?.load(Ordering::Acquire)).ok()?;
    if length == 0 || length > ROUTE_NAME_BYTES {
        return None;
    }
    let bytes: Vec<u8> = words[NAME..]
        .iter()
        .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
        .take(length)
        .collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn answers_are_summed_over_processes_and_belong_to_the_bucket_whose_bound_they_do_not_pass() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let topic = Routes::of(&segment, 0).find("/t/{slug}/{id}");
        // The second shares the first one's stripe, as many more processes do.
        for slot in [0, 1, ROUTE_STRIPES as u16] {
            let routes = Routes::of(&segment, slot);
            assert_eq!(routes.find("/t/{slug}/{id}"), topic, "the same in every process");
            routes.record(topic, 200, SLO);
            routes.record(topic, 503, SLO + Duration::from_nanos(1));
            routes.record(RouteId::OTHER, 418, Duration::from_nanos(1));
        }
        let all = Routes::of(&segment, 9).all();
        let [other, of_topic] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(
            (of_topic.name.as_str(), of_topic.statuses.as_slice()),
            ("/t/{slug}/{id}", &[(200, 3), (503, 3)][..])
        );
        assert_eq!((of_topic.latency.count(), of_topic.latency.violations()), (6, 3));
        assert_eq!(of_topic.latency.sum_nanos, 6 * 127_000_000 + 3);
        assert_eq!((other.name.as_str(), other.statuses.as_slice()), ("other", &[(0, 3)][..]));
        assert_eq!(other.latency.counts[0], 3);
    }

    #[test]
    fn what_rose_is_told_once() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let routes = Routes::of(&segment, 3);
        let route = routes.find("/latest");
        routes.record(route, 200, ms(2));
        let rise = routes.rise();
        assert_eq!(rise.len(), 1);
        assert!(routes.rise().is_empty());
        routes.record(route, 200, ms(3));
        routes.record(route, 404, ms(4));
        // Whoever asks: what was told is known to all.
        let [again] = &Routes::of(&segment, 5).rise()[..] else { panic!("one route") };
        assert_eq!(again.statuses, [(200, 1), (404, 1)]);
        assert_eq!((again.latency.count(), again.latency.sum_nanos), (2, 7_000_000));
        assert_eq!(routes.all()[0].latency.count(), 3, "the sums go on");
    }

    #[test]
    fn places_end_and_names_too_long_have_none() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let routes = Routes::of(&segment, 0);
        assert_eq!(routes.find(&"x".repeat(ROUTE_NAME_BYTES + 1)), RouteId::OTHER);
        for number in 1..ROUTES {
            assert_ne!(routes.find(&format!("/{number}")), RouteId::OTHER, "{number}");
        }
        assert_eq!(routes.find("/one-too-many"), RouteId::OTHER);
        assert_eq!(RouteId::from_number(u16::MAX), RouteId::OTHER);
        let found = routes.find("/7");
        assert_eq!(RouteId::from_number(found.number()), found);
    }

    #[test]
    fn quantiles_lie_in_the_bucket_of_what_was_recorded() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let routes = Routes::of(&segment, 0);
        assert_eq!(Latency::default().quantile(0.5), Duration::ZERO);
        for _ in 0..90 {
            routes.record(RouteId::OTHER, 200, Duration::from_micros(20));
        }
        for _ in 0..10 {
            routes.record(RouteId::OTHER, 200, ms(60));
        }
        let latency = routes.all().remove(0).latency;
        assert!(
            latency.quantile(0.5) > Duration::from_micros(10)
                && latency.quantile(0.5) <= Duration::from_micros(25)
        );
        assert!(latency.quantile(0.99) > ms(50) && latency.quantile(0.99) <= ms(75));
        routes.record(RouteId::OTHER, 200, Duration::from_secs(100));
        assert_eq!(routes.all().remove(0).latency.quantile(1.0), Duration::from_secs(30), "the last bound");
    }
}
