//! What happened between two readings: rates, shares and quantiles, ready to be shown.

use std::time::Duration;

use serde_json::Value;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Counter, Latency, RouteStats, StatementStats};

use super::sample::{Process, Sample};

/// A process with what it did meanwhile.
#[derive(Clone, Debug)]
pub(super) struct ProcessRow {
    pub(super) process: Process,
    /// Requests a second.
    pub(super) rate: f64,
    /// Of one core, from 0 to 1 and above; `None` when the process was not there before.
    pub(super) cpu: Option<f64>,
    pub(super) uptime: Option<Duration>,
}

/// What was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct RouteRow {
    pub(super) name: String,
    /// Requests a second.
    pub(super) rate: f64,
    /// Of all time spent on requests, from 0 to 1.
    pub(super) share: f64,
    /// Answers of status 500 and above, from 0 to 1.
    pub(super) errors: f64,
    pub(super) latency: Latency,
}

/// A statement with what it did meanwhile.
#[derive(Clone, Debug)]
pub(super) struct StatementRow {
    pub(super) text: String,
    /// Runs a second.
    pub(super) rate: f64,
    /// Seconds of time a second.
    pub(super) load: f64,
    /// Since the segment was made.
    pub(super) stats: StatementStats,
}

/// One picture.
pub(super) struct Frame {
    /// All routes together.
    pub(super) all: RouteRow,
    pub(super) routes: Vec<RouteRow>,
    pub(super) processes: Vec<ProcessRow>,
    pub(super) statements: Vec<StatementRow>,
    pub(super) databases: Value,
    /// Of all lookups in the cache, from 0 to 1; `None` when there were none.
    pub(super) hit_ratio: Option<f64>,
    /// A second.
    pub(super) evictions: f64,
    pub(super) commits: f64,
    pub(super) commands: f64,
    /// At 99 %.
    pub(super) commit: Duration,
    pub(super) lag: Duration,
    pub(super) connections: u64,
    /// Since the master last said anything.
    pub(super) silence: Duration,
}

impl Frame {
    pub(super) fn between(before: &Sample, now: &Sample) -> Frame {
        let seconds = now.at.saturating_duration_since(before.at).as_secs_f64();
        let rate = |rise: u64| if seconds > 0.0 { rise as f64 / seconds } else { 0.0 };
        let rise = |counter| now.count(counter).wrapping_sub(before.count(counter));
        let mut routes = routes(before, now);
        let mut all = RouteStats { name: "all".into(), ..RouteStats::default() };
        for route in &routes {
            all.latency.add(&route.latency);
            all.statuses.extend(&route.statuses);
        }
        let time = all.latency.sum_nanos;
        let row = |stats: RouteStats| {
            let count = stats.latency.count();
            let failed: u64 =
                stats.statuses.iter().filter(|(status, _)| *status >= 500).map(|(_, n)| n).sum();
            RouteRow {
                rate: rate(count),
                share: ratio(stats.latency.sum_nanos, time).unwrap_or_default(),
                errors: ratio(failed, count).unwrap_or_default(),
                name: stats.name,
                latency: stats.latency,
            }
        };
        routes.retain(|route| route.latency.count() > 0);
        let shown = rise(Counter::CacheHit) + rise(Counter::CacheStale);
        Frame {
            all: row(all),
            routes: routes.into_iter().map(row).collect(),
            processes: processes(before, now, seconds, rate),
            statements: statements(before, now, seconds),
            databases: now.databases.clone(),
            hit_ratio: ratio(shown, shown + rise(Counter::CacheMiss)),
            evictions: rate(rise(Counter::CacheEvict)),
            commits: rate(rise(Counter::Commits)),
            commands: rate(rise(Counter::Commands)),
            commit: now.commit.since(&before.commit).time(0.99),
            lag: now.lag.since(&before.lag).time(0.99),
            connections: now.processes.iter().map(|process| process.connections).sum(),
            silence: now.silence(),
        }
    }
}

/// `None` of nothing.
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn routes(before: &Sample, now: &Sample) -> Vec<RouteStats> {
    let rise = |route: &RouteStats| {
        let Some(old) = before.routes.iter().find(|old| old.name == route.name) else { return route.clone() };
        let of = |status: u16| old.statuses.iter().find(|(known, _)| *known == status).map_or(0, |(_, n)| *n);
        RouteStats {
            name: route.name.clone(),
            statuses: route
                .statuses
                .iter()
                .map(|&(status, n)| (status, n.wrapping_sub(of(status))))
                .collect(),
            latency: route.latency.since(&old.latency),
        }
    };
    now.routes.iter().map(rise).collect()
}

fn processes(before: &Sample, now: &Sample, seconds: f64, rate: impl Fn(u64) -> f64) -> Vec<ProcessRow> {
    let clock = u64::try_from(UnixMillis::now().0).unwrap_or_default();
    let row = |process: &Process| {
        let old = before.processes.iter().find(|old| old.pid == process.pid && old.slot == process.slot);
        let used = old.map(|old| process.cpu_ms.saturating_sub(old.cpu_ms) as f64 / 1e3);
        ProcessRow {
            rate: rate(old.map_or(0, |old| process.requests.wrapping_sub(old.requests))),
            cpu: used.filter(|_| seconds > 0.0).map(|used| used / seconds),
            uptime: (process.started_at > 0)
                .then(|| Duration::from_millis(clock.saturating_sub(process.started_at))),
            process: process.clone(),
        }
    };
    let mut rows: Vec<ProcessRow> = now.processes.iter().map(row).collect();
    // The master first, then the writer, then the workers.
    rows.sort_by_key(|row| match row.process.role {
        "master" => (0, row.process.slot),
        "writer" => (1, row.process.slot),
        _ => (2, row.process.slot),
    });
    rows
}

/// The busiest of the moment first, then those that once were slow, then the others by all their time.
fn statements(before: &Sample, now: &Sample, seconds: f64) -> Vec<StatementRow> {
    let row = |stats: &StatementStats| {
        let old = before.statements.iter().find(|old| old.text == stats.text);
        let times = old.map_or_else(|| stats.times.clone(), |old| stats.times.since(&old.times));
        let each = if seconds > 0.0 { 1.0 / seconds } else { 0.0 };
        StatementRow {
            text: stats.text.split_whitespace().collect::<Vec<_>>().join(" "),
            rate: times.count() as f64 * each,
            load: times.total_time().as_secs_f64() * each,
            stats: stats.clone(),
        }
    };
    let mut rows: Vec<StatementRow> = now.statements.iter().map(row).collect();
    let rank =
        |row: &StatementRow| (row.load, row.stats.slow as f64, row.stats.times.total_time().as_secs_f64());
    rows.sort_by(|a, b| rank(b).partial_cmp(&rank(a)).unwrap_or(std::cmp::Ordering::Equal));
    rows
}
