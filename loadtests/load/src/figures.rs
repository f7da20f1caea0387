//! What was measured of one run or step, as reports and budgets have it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::engine::{EngineError, Load, Outcome, Progress};
use crate::processes::{self, Sample};
use crate::server::Server;
use crate::tally::Tally;

/// Figures that budgets may name.
pub const NAMES: [&str; 17] = [
    "achieved_rps",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "p999_ms",
    "error_percent",
    "errors",
    "hit_percent",
    "server_cpu_us",
    "pss_mb",
    "pss_after_mb",
    "own_slope_mb_per_hour",
    "own_growth_mb",
    "cpu_of_nginx",
    "cpu_of_axum",
    "rate_of_nginx",
    "rate_of_axum",
];
/// Bytes of a megabyte here.
pub const MB: f64 = 1024.0 * 1024.0;
/// Part of its threads' time from which on the generator, not the server, may have been the limit.
const BUSY: f64 = 0.9;

/// One run's figures.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Requests a second asked for; none for users, who ask as fast as they are answered.
    pub asked_rps: Option<f64>,
    /// Good answers a second within the time.
    pub achieved_rps: f64,
    /// How long was measured.
    pub seconds: f64,
    /// Good answers.
    pub answered: u64,
    /// Requests without one.
    pub errors: u64,
    /// These in percent of all.
    pub error_percent: f64,
    /// These by reason.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Latency from when a request was due, in milliseconds: median.
    pub p50_ms: f64,
    /// 95 of 100.
    pub p95_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// The longest.
    pub longest_ms: f64,
    /// From when it was sent: the server and the network alone. Median.
    pub service_p50_ms: f64,
    /// 99 of 100 alike.
    pub service_p99_ms: f64,
    /// How much later than due 99 of 100 were sent.
    pub late_p99_ms: f64,
    /// Edits that others came before.
    pub conflicts: u64,
    /// Answers "not modified".
    pub not_modified: u64,
    /// Connections opened again after the server had closed them between two requests.
    pub reconnects: u64,
    /// Megabytes of bodies.
    pub body_mb: f64,
    /// Lookups in the server's cache that found something, in percent: by its own counters, or by what the answers
    /// say where these are out of reach.
    pub hit_percent: Option<f64>,
    /// By kind of request.
    pub kinds: Vec<KindFigures>,
    /// By process, at the end.
    pub processes: Vec<ProcessFigures>,
    /// Processor time of all processes of the server for a request, in microseconds.
    pub server_cpu_us: Option<f64>,
    /// PSS of all processes at the end without shared memory, in megabytes.
    pub pss_mb: Option<f64>,
    /// The same some seconds after the last request of all: what stays.
    pub pss_after_mb: Option<f64>,
    /// Processor time of the generator, in percent of one core.
    pub generator_cpu_percent: f64,
    /// Whether the generator was so busy that the figures may be its own.
    pub generator_busy: bool,
}

/// Figures of one kind of request.
#[derive(Clone, Debug, Serialize)]
pub struct KindFigures {
    /// Which.
    pub kind: &'static str,
    /// How many.
    pub count: u64,
    /// These in percent of all that were sent.
    pub share_percent: f64,
    /// Without a good answer.
    pub failed: u64,
    /// Milliseconds: median.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
}

/// Figures of one process.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessFigures {
    /// What it is.
    pub role: String,
    /// Its pid.
    pub pid: i32,
    /// Processor time in percent of one core.
    pub cpu_percent: f64,
    /// PSS in megabytes.
    pub pss_mb: f64,
    /// Of that, shared memory: the cache.
    pub shared_mb: f64,
    /// Of that, memory of its own; the rest are files.
    pub own_mb: f64,
}

/// The server's cache and processes at one moment.
struct Moment {
    samples: Vec<Sample>,
    lookups: Option<(u64, u64)>,
    own_cpu: f64,
}

impl Moment {
    fn of(server: &Server) -> Moment {
        Moment {
            samples: server.pid.map(processes::tree).unwrap_or_default(),
            lookups: server.status().as_ref().and_then(lookups),
            own_cpu: processes::own_cpu_seconds(),
        }
    }
}

/// Hits (stale ones too) and misses, from `veritable status --json`.
fn lookups(status: &Value) -> Option<(u64, u64)> {
    let counter = |name: &str| status["counters"][name].as_u64();
    Some((counter("cache_hit")? + counter("cache_stale")?, counter("cache_miss")?))
}

/// Puts a load on a server and takes its figures, from when all connections are open: opening a thousand costs as much as
/// a second of a low rate.
///
/// # Errors
/// Nothing could be sent.
pub fn measure(
    server: &Server,
    load: &Load<'_>,
    asked_rps: Option<f64>,
    watch: impl FnMut(&Progress<'_>),
) -> Result<Figures, EngineError> {
    let (before, outcome) = load.run(|| Moment::of(server), watch)?;
    Ok(Figures::of(&outcome, &before, &Moment::of(server), asked_rps, load.threads))
}

/// PSS of all processes without shared memory, in megabytes; `None` where there are none.
pub fn without_cache(samples: &[Sample]) -> Option<f64> {
    let bytes = |sample: &Sample| sample.pss_bytes.saturating_sub(sample.shared_bytes);
    (!samples.is_empty()).then(|| samples.iter().map(bytes).sum::<u64>() as f64 / MB)
}

impl Figures {
    fn of(
        outcome: &Outcome,
        before: &Moment,
        after: &Moment,
        asked_rps: Option<f64>,
        threads: usize,
    ) -> Figures {
        let Outcome { tally, seconds } = outcome;
        let per_second = |count: f64| if *seconds > 0.0 { count / seconds } else { 0.0 };
        let generator = per_second(after.own_cpu - before.own_cpu);
        let server =
            (!after.samples.is_empty()).then(|| processes::cpu_between(&before.samples, &after.samples));
        let sent = tally.kinds.values().map(|of_kind| of_kind.latency.count()).sum::<u64>().max(1) as f64;
        Figures {
            asked_rps,
            achieved_rps: per_second(tally.in_time as f64),
            seconds: *seconds,
            answered: tally.answered,
            errors: tally.failed(),
            error_percent: tally.error_percent(),
            errors_by_kind: tally.errors.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
            p50_ms: tally.latency.millis(0.5),
            p95_ms: tally.latency.millis(0.95),
            p99_ms: tally.latency.millis(0.99),
            p999_ms: tally.latency.millis(0.999),
            longest_ms: tally.latency.millis(1.0),
            service_p50_ms: tally.service.millis(0.5),
            service_p99_ms: tally.service.millis(0.99),
            late_p99_ms: tally.late.millis(0.99),
            conflicts: tally.conflicts,
            not_modified: tally.not_modified,
            reconnects: tally.reconnects,
            body_mb: tally.bytes as f64 / MB,
            hit_percent: hit_percent(before.lookups, after.lookups, tally),
            kinds: tally
                .kinds
                .iter()
                .map(|(kind, of_kind)| KindFigures {
                    kind: kind.name(),
                    count: of_kind.latency.count(),
                    share_percent: 100.0 * of_kind.latency.count() as f64 / sent,
                    failed: of_kind.failed,
                    p50_ms: of_kind.latency.millis(0.5),
                    p99_ms: of_kind.latency.millis(0.99),
                })
                .collect(),
            processes: after
                .samples
                .iter()
                .map(|sample| ProcessFigures::of(sample, before, *seconds))
                .collect(),
            server_cpu_us: server.map(|cpu| 1e6 * cpu / (tally.total().max(1) as f64)),
            pss_mb: without_cache(&after.samples),
            pss_after_mb: None,
            generator_cpu_percent: 100.0 * generator,
            generator_busy: generator > BUSY * threads as f64,
        }
    }

    /// By name, for budgets.
    pub fn named(&self) -> BTreeMap<&'static str, f64> {
        let mut named = BTreeMap::from([
            ("achieved_rps", self.achieved_rps),
            ("p50_ms", self.p50_ms),
            ("p95_ms", self.p95_ms),
            ("p99_ms", self.p99_ms),
            ("p999_ms", self.p999_ms),
            ("error_percent", self.error_percent),
            ("errors", self.errors as f64),
        ]);
        let more = [
            ("hit_percent", self.hit_percent),
            ("server_cpu_us", self.server_cpu_us),
            ("pss_mb", self.pss_mb),
            ("pss_after_mb", self.pss_after_mb),
        ];
        named.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
        named
    }
}

fn hit_percent(before: Option<(u64, u64)>, after: Option<(u64, u64)>, tally: &Tally) -> Option<f64> {
    let (hits, misses) = match before.zip(after) {
        Some(((hits, misses), (hits_now, misses_now))) => {
            (hits_now.saturating_sub(hits), misses_now.saturating_sub(misses))
        }
        None => (tally.cache_hits, tally.cache_misses),
    };
    (hits + misses > 0).then(|| 100.0 * hits as f64 / (hits + misses) as f64)
}

impl ProcessFigures {
    fn of(sample: &Sample, before: &Moment, seconds: f64) -> ProcessFigures {
        let cpu = processes::cpu_between(&before.samples, std::slice::from_ref(sample));
        ProcessFigures {
            role: sample.role.clone(),
            pid: sample.pid,
            cpu_percent: if seconds > 0.0 { 100.0 * cpu / seconds } else { 0.0 },
            pss_mb: sample.pss_bytes as f64 / MB,
            shared_mb: sample.shared_bytes as f64 / MB,
            own_mb: sample.own_bytes as f64 / MB,
        }
    }
}

/// A run second by second.
#[derive(Debug, Default)]
pub struct Seconds {
    begun: Duration,
    since: Tally,
    /// What is over.
    pub seconds: Vec<Second>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Second {
    /// Its end, in seconds from the beginning.
    pub at: f64,
    /// Good answers in it, a second.
    pub rps: f64,
    /// Failures in it.
    pub errors: u64,
    /// Latency of those that ended in it, in milliseconds: median.
    pub p50_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
}

impl Seconds {
    /// Adds what happened; yields a second when one is over.
    pub fn add(&mut self, progress: &Progress<'_>) -> Option<Second> {
        self.since.add(progress.since);
        let span = progress.elapsed.saturating_sub(self.begun);
        if span < Duration::from_secs(1) {
            return None;
        }
        let tally = std::mem::take(&mut self.since);
        self.begun = progress.elapsed;
        let second = Second {
            at: progress.elapsed.as_secs_f64(),
            rps: tally.answered as f64 / span.as_secs_f64(),
            errors: tally.failed(),
            p50_ms: tally.latency.millis(0.5),
            p99_ms: tally.latency.millis(0.99),
        };
        self.seconds.push(second);
        Some(second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hit_ratio_is_of_what_was_asked_meanwhile() {
        let status =
            |hit, miss| json!({"counters": {"cache_hit": hit, "cache_stale": 1, "cache_miss": miss}});
        let (before, after) = (lookups(&status(100, 50)), lookups(&status(190, 60)));
        let mut tally = Tally { cache_hits: 1, cache_misses: 3, ..Tally::default() };
        assert_eq!(hit_percent(before, after, &tally), Some(90.0));
        assert_eq!(hit_percent(None, after, &tally), Some(25.0), "by what the answers say");
        (tally.cache_hits, tally.cache_misses) = (0, 0);
        assert_eq!(hit_percent(None, None, &tally), None);
        assert_eq!(lookups(&json!({"counters": {}})), None);
    }

    #[test]
    fn every_figure_of_a_run_has_a_name_that_budgets_may_use() {
        let outcome = Outcome { tally: Tally::default(), seconds: 2.0 };
        let moment = || Moment {
            samples: processes::tree(std::process::id().cast_signed()),
            lookups: None,
            own_cpu: 0.0,
        };
        let figures = Figures::of(&outcome, &moment(), &moment(), Some(10.0), 1);
        for (name, value) in figures.named() {
            assert!(NAMES.contains(&name) && value.is_finite(), "{name} {value}");
        }
        assert!(figures.pss_mb.is_some_and(|mb| mb > 0.1));
        assert!(!figures.generator_busy);
    }

    #[test]
    fn a_second_is_over_when_one_has_passed() {
        let mut seconds = Seconds::default();
        let tally = Tally { answered: 50, ..Tally::default() };
        let at = |millis| Progress { elapsed: Duration::from_millis(millis), since: &tally };
        assert!(seconds.add(&at(400)).is_none());
        let second = seconds.add(&at(1_250)).unwrap();
        assert!((second.rps - 80.0).abs() < 1e-9 && (second.at - 1.25).abs() < 1e-9);
        assert!(seconds.add(&at(1_900)).is_none());
        assert_eq!(seconds.seconds.len(), 1);
    }
}
