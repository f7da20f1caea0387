//! Everything there is to tell, read from the segment at one time. A family is there even while it has no sample, so
//! that the list of all is the list of these.

use std::borrow::Cow;
use std::time::Duration;

use veritable_config::Config;
use veritable_config::slots::{MASTER_SLOT, TOOL_SLOT, WORKER_SLOTS, WRITER_SLOT};
use veritable_domain::time::UnixMillis;
use veritable_shm::{
    Cache, Counter, Fact, Gauge, Histogram, Histograms, LATENCY_BOUNDS, Latency, Owner, RouteStats, Routes,
    Scoreboard, Segment, Series, SlotState, SlotStatus, Store, now_ms,
};
use veritable_sql::Trouble;

use super::counters::COUNTERS;
use super::{Family, Kind, Labels, Value};

/// What the databases are called, in the order of their stores.
const DATABASES: [&str; 2] = ["forums", "notebooks"];
/// Microseconds of the first bound of times that are measured finely, and how often it doubles: 64 us to 4.2 s. Powers
/// of two of the unit in which they are counted, so that none is on the wrong side.
const FINE_MICROS: u64 = 64;
const FINE_BOUNDS: u32 = 17;
/// Commands in a transaction: one less than powers of two, for the same reason.
const BATCH_BOUNDS: u32 = 12;

/// Where everything is read from.
pub(super) struct Source<'a> {
    pub(super) segment: &'a Segment,
    pub(super) config: &'a Config,
    /// How long ago a read that failed says something about the database.
    pub(super) read_trouble_ms: u64,
    /// Whether the writer answered just now.
    pub(super) writer_answers: bool,
}

impl Source<'_> {
    /// All of it.
    pub(super) fn families(&self) -> Vec<Family> {
        let mut all = requests(&Routes::of(self.segment, 0).all());
        all.extend(self.counters());
        all.extend(self.cache());
        all.extend(self.times());
        all.extend(self.gauges());
        all
    }

    /// What is there now, without what has come: for those who are told the latter otherwise.
    pub(super) fn gauges(&self) -> Vec<Family> {
        let mut all = self.processes();
        all.extend(self.reads());
        all.extend(self.databases());
        all
    }

    fn counters(&self) -> Vec<Family> {
        let board = Scoreboard::of(self.segment);
        let mut all: Vec<Family> = Vec::new();
        for named in COUNTERS {
            if all.last().is_none_or(|family| family.name != named.name) {
                all.push(Family::new(Kind::Counter, named.name, named.help));
            }
            if let Some(family) = all.pop() {
                let labels = named.label.iter().map(|(name, value)| (*name, Cow::from(*value))).collect();
                all.push(family.with(labels, board.total(named.counter).into()));
            }
        }
        all
    }

    fn cache(&self) -> Vec<Family> {
        // Only looked at, so any owner will do.
        let stats = Cache::of(self.segment, Owner { slot: 0, epoch: 0 }).map(|cache| cache.stats());
        let gauge = |name, help| Family::new(Kind::Gauge, name, help);
        let families = [
            gauge("veritable_cache_entries", "Answers in the shared cache"),
            gauge("veritable_cache_entries_max", "Answers there may be in it"),
            gauge("veritable_cache_used_bytes", "Bytes that answers take in it"),
            gauge("veritable_cache_capacity_bytes", "Bytes it may take, its metadata included"),
            gauge("veritable_shared_memory_bytes", "Bytes of all shared memory, the cache included"),
        ];
        let values =
            stats.map_or([0; 4], |s| [s.entries, s.capacity_entries, s.used_bytes, s.capacity_bytes]);
        let values = values.into_iter().chain([self.segment.bytes()]);
        families.into_iter().zip(values).map(|(family, value)| family.of(value.into())).collect()
    }

    fn times(&self) -> Vec<Family> {
        let histograms = Histograms::of(self.segment);
        let fine = |series| times(&histograms.total(series));
        let family = |name, help| Family::new(Kind::Histogram, name, help);
        let place = |name: &'static str| vec![("place", Cow::from(name))];
        vec![
            family(
                "veritable_event_loop_lag_seconds",
                "How much later than it should a worker's event loop came to its clock, seconds",
            )
            .of(fine(Series::LoopLag)),
            family(
                "veritable_read_duration_seconds",
                "Reads of the databases, seconds, by where they ran: on the event loop or in the pool",
            )
            .with(place("loop"), fine(Series::InlineRead))
            .with(place("pool"), fine(Series::PooledRead)),
            family("veritable_read_wait_seconds", "Waits for a reading connection of the pool, seconds")
                .of(fine(Series::PoolWait)),
            family("veritable_writer_queue_wait_seconds", "Waits of commands in the writer's queue, seconds")
                .of(fine(Series::QueueWait)),
            family("veritable_writer_commit_seconds", "Transactions, from beginning to disk, seconds")
                .of(fine(Series::Commit)),
            family("veritable_writer_batch_commands", "Commands in a transaction")
                .of(sizes(&histograms.total(Series::BatchSize))),
        ]
    }

    fn reads(&self) -> Vec<Family> {
        let board = Scoreboard::of(self.segment);
        let mut connections = Family::new(
            Kind::Gauge,
            "veritable_read_connections",
            "Reading connections of a worker's pool, busy or idle",
        );
        let mut queue =
            Family::new(Kind::Gauge, "veritable_read_queue", "Reads of a worker that wait for a connection");
        let mut open = Family::new(Kind::Gauge, "veritable_http_connections", "Open connections of a worker");
        for (slot, _) in self.living().filter(|(slot, _)| *slot < WORKER_SLOTS) {
            let threads = board.gauge(slot, Gauge::ReadThreads);
            let busy = board.gauge(slot, Gauge::ReadBusy);
            for (state, count) in [("busy", busy), ("idle", threads.saturating_sub(busy))] {
                let mut labels = of_slot(slot);
                labels.push(("state", state.into()));
                connections = connections.with(labels, count.into());
            }
            queue = queue.with(of_slot(slot), board.gauge(slot, Gauge::ReadQueue).into());
            open = open.with(of_slot(slot), board.gauge(slot, Gauge::Connections).into());
        }
        let most = Family::new(
            Kind::Gauge,
            "veritable_read_connections_max",
            "Reading connections a worker's pool may have (reads.max_connections)",
        );
        vec![open, connections, most.of(u64::from(self.config.reads.max_connections).into()), queue]
    }

    fn databases(&self) -> Vec<Family> {
        let stores: Vec<(Store, &str)> = (0..)
            .zip(DATABASES)
            .filter_map(|(index, name)| Some((Store::of(self.segment, index)?, name)))
            .collect();
        let of = |name, help, read: &dyn Fn(&Store) -> Value| {
            let family = Family::new(Kind::Gauge, name, help);
            stores.iter().fold(family, |family, (store, database)| {
                family.with(vec![("database", Cow::from(*database))], read(store))
            })
        };
        let fact = |fact: Fact| move |store: &Store| Value::Whole(store.get(fact));
        let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
        let reads = |store: &Store| {
            let recent = now.saturating_sub(store.get(Fact::ReadTroubleAt)) < self.read_trouble_ms;
            !(recent && Trouble::from_number(store.get(Fact::ReadTrouble)).is_some())
        };
        let mut done = Family::new(
            Kind::Gauge,
            "veritable_database_upkeep_timestamp_seconds",
            "When a task of upkeep was last done, seconds since 1970; none before the first time",
        );
        for (store, database) in &stores {
            for (task, fact) in [
                ("checkpoint", Fact::CheckpointAt),
                ("truncate", Fact::TruncateAt),
                ("optimize", Fact::OptimizeAt),
                ("vacuum", Fact::VacuumAt),
                ("check", Fact::CheckAt),
            ] {
                let at = store.get(fact);
                if at > 0 {
                    let labels = vec![("database", Cow::from(*database)), ("task", task.into())];
                    done = done.with(labels, (at as f64 / 1e3).into());
                }
            }
        }
        let writable = |store: &Store| Trouble::from_number(store.get(Fact::WriteTrouble)).is_none().into();
        vec![
            of("veritable_database_writable", "Whether the database can be written: 1 or 0", &writable),
            of(
                "veritable_database_readable",
                "Whether reads of the last minute succeeded: 1 or 0",
                &|store| reads(store).into(),
            ),
            of(
                "veritable_database_damaged",
                "Whether the last check of the whole database found damage: 1 or 0",
                &|store| (store.get(Fact::CheckFound) != 0).into(),
            ),
            of("veritable_database_size_bytes", "Bytes of the database's file", &fact(Fact::Bytes)),
            of("veritable_database_free_bytes", "Bytes in it that hold nothing", &fact(Fact::FreeBytes)),
            of("veritable_database_log_bytes", "Bytes of its write-ahead log", &fact(Fact::LogBytes)),
            of("veritable_database_log_pages", "Pages in the log", &fact(Fact::LogPages)),
            of(
                "veritable_database_log_pages_copied",
                "Those of them that are in the database's file as well",
                &fact(Fact::LogPagesCopied),
            ),
            of(
                "veritable_writer_queue_commands",
                "Commands that wait in the writer's queue",
                &fact(Fact::Queue),
            ),
            done,
        ]
    }

    /// Slots that somebody has.
    fn living(&self) -> impl Iterator<Item = (u16, SlotStatus)> {
        let board = Scoreboard::of(self.segment);
        let is_there = |status: &SlotStatus| status.epoch != 0 && status.state != Some(SlotState::Empty);
        (0..board.slots()).filter_map(move |slot| Some((slot, board.status(slot).ok().filter(is_there)?)))
    }

    fn processes(&self) -> Vec<Family> {
        let board = Scoreboard::of(self.segment);
        let gauge = |name, help| Family::new(Kind::Gauge, name, help);
        let mut states = gauge("veritable_processes", "Processes, by role and by what they do");
        let mut heartbeat = gauge(
            "veritable_process_heartbeat_age_seconds",
            "Since a process last said that it is alive, seconds",
        );
        let mut requests = Family::new(
            Kind::Counter,
            "veritable_worker_requests",
            "Requests answered, by the worker's slot",
        );
        let mut cpu = Family::new(
            Kind::Counter,
            "veritable_process_cpu_seconds",
            "Processor time a process has used, seconds; begins anew with its successor",
        );
        let mut start =
            gauge("veritable_process_start_time_seconds", "When a process was started, seconds since 1970");
        let mut memory = [
            gauge("veritable_process_resident_memory_bytes", "Bytes resident, shared ones included (RSS)"),
            gauge(
                "veritable_process_proportional_memory_bytes",
                "Bytes resident, of shared ones only the process's part (PSS); every ten seconds",
            ),
            gauge("veritable_process_heap_bytes", "Bytes a process's allocator has given out"),
            gauge(
                "veritable_process_anonymous_memory_bytes",
                "Bytes resident that are neither of a file nor shared (RssAnon)",
            ),
            gauge("veritable_process_open_fds", "Descriptors a process has open; every ten seconds"),
            gauge("veritable_process_threads", "Threads of a process; every ten seconds"),
        ];
        let mut counts = std::collections::BTreeMap::new();
        for (slot, status) in self.living() {
            let state = match status.state {
                Some(SlotState::Starting) => "starting",
                Some(SlotState::Ready) => "ready",
                Some(SlotState::Draining) => "draining",
                Some(SlotState::Empty) | None => "unknown",
            };
            *counts.entry((role(slot), state)).or_insert(0_u64) += 1;
            let age = now_ms().saturating_sub(status.heartbeat_ms) as f64 / 1e3;
            heartbeat = heartbeat.with(of_process(slot), age.into());
            if slot < WORKER_SLOTS {
                requests = requests.with(of_slot(slot), board.count(slot, Counter::Requests).into());
            }
            let at = |gauge| board.gauge(slot, gauge);
            // A process that has not looked at itself yet says nothing.
            if at(Gauge::StartedAt) > 0 {
                cpu = cpu.with(of_process(slot), (at(Gauge::CpuMs) as f64 / 1e3).into());
                start = start.with(of_process(slot), (at(Gauge::StartedAt) as f64 / 1e3).into());
            }
            let values = [
                at(Gauge::ResidentBytes),
                at(Gauge::ProportionalBytes),
                status.heap_bytes,
                status.anon_bytes,
                at(Gauge::Descriptors),
                at(Gauge::Threads),
            ];
            memory = std::array::from_fn(|index| match values[index] {
                0 => memory[index].clone(),
                value => memory[index].clone().with(of_process(slot), value.into()),
            });
        }
        for ((role, state), count) in counts {
            states = states.with(vec![("role", role.into()), ("state", state.into())], count.into());
        }
        let version = vec![("version", Cow::from(env!("CARGO_PKG_VERSION")))];
        let mut all = vec![
            gauge("veritable_build_info", "1, labelled with the version of the program")
                .with(version, 1_u64.into()),
            gauge(
                "veritable_writer_reachable",
                "Whether the writer answers the worker that was asked: 1 or 0",
            )
            .of(self.writer_answers.into()),
            states,
            requests,
            heartbeat,
            cpu,
            start,
        ];
        all.extend(memory);
        all
    }
}

/// What was answered.
fn requests(routes: &[RouteStats]) -> Vec<Family> {
    let mut total =
        Family::new(Kind::Counter, "veritable_http_requests", "Requests answered, by route and status");
    let mut duration = Family::new(
        Kind::Histogram,
        "veritable_http_request_duration_seconds",
        "From a request's head to its finished answer, before that is sent, seconds, by route",
    );
    let mut slow = Family::new(
        Kind::Counter,
        "veritable_http_slo_violations",
        "Requests that took longer than 127 ms, by route",
    );
    for route in routes {
        let labels = || vec![("route", Cow::from(route.name.clone()))];
        for (status, count) in &route.statuses {
            let mut labels = labels();
            labels.push(("status", status_name(*status)));
            total = total.with(labels, (*count).into());
        }
        duration = duration.with(labels(), latency(&route.latency));
        slow = slow.with(labels(), route.latency.violations().into());
    }
    vec![total, duration, slow]
}

/// `other` for those that are not told apart.
pub(super) fn status_name(status: u16) -> Cow<'static, str> {
    if status == 0 { "other".into() } else { status.to_string().into() }
}

fn latency(latency: &Latency) -> Value {
    let bounds = LATENCY_BOUNDS.iter().map(|&micros| f64::from(micros) / 1e6).chain([f64::INFINITY]);
    let buckets = bounds.zip(latency.counts).collect();
    Value::Buckets { sum: latency.sum_nanos as f64 / 1e9, buckets }
}

fn times(histogram: &Histogram) -> Value {
    let micros = (0..FINE_BOUNDS).map(|power| FINE_MICROS << power);
    let bounds = micros.map(|micros| (micros as f64 / 1e6, histogram.shorter(Duration::from_micros(micros))));
    buckets(histogram.total_time().as_secs_f64(), bounds, histogram.count())
}

fn sizes(histogram: &Histogram) -> Value {
    let bounds = (1..=BATCH_BOUNDS).map(|power| 1_u64 << power);
    let bounds = bounds.map(|bound| ((bound - 1) as f64, histogram.below(bound)));
    buckets(histogram.sum() as f64, bounds, histogram.count())
}

/// Of bounds with how many lay below each; what lies above all has a bucket of its own.
fn buckets(sum: f64, bounds: impl Iterator<Item = (f64, u64)>, count: u64) -> Value {
    let mut before = 0;
    let alone = bounds.chain([(f64::INFINITY, count)]).map(|(bound, below)| {
        let alone = below.saturating_sub(before);
        before = below.max(before);
        (bound, alone)
    });
    Value::Buckets { sum, buckets: alone.collect() }
}

fn role(slot: u16) -> &'static str {
    match slot {
        WRITER_SLOT => "writer",
        TOOL_SLOT => "tool",
        MASTER_SLOT => "master",
        _ => "worker",
    }
}

fn of_slot(slot: u16) -> Labels {
    vec![("slot", slot.to_string().into())]
}

fn of_process(slot: u16) -> Labels {
    vec![("role", role(slot).into()), ("slot", slot.to_string().into())]
}
