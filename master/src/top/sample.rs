//! One reading of the segment: what was counted so far, and what there is now.

use std::time::{Duration, Instant};

use serde_json::Value;
use veritable_config::slots::{MASTER_SLOT, TOOL_SLOT, WORKER_SLOTS, WRITER_SLOT};
use veritable_shm::{
    Counter, Gauge, Histogram, Histograms, RouteStats, Routes, Scoreboard, Segment, Series, SlotState,
    StatementStats, Statements, now_ms,
};

use crate::databases;

/// A process.
#[derive(Clone, Debug)]
pub(super) struct Process {
    pub(super) slot: u16,
    pub(super) role: &'static str,
    pub(super) pid: u32,
    pub(super) state: &'static str,
    pub(super) requests: u64,
    pub(super) connections: u64,
    pub(super) cpu_ms: u64,
    pub(super) heap_bytes: u64,
    pub(super) resident_bytes: u64,
    pub(super) proportional_bytes: u64,
    /// Milliseconds since 1970; 0 for unknown.
    pub(super) started_at: u64,
    /// Since its last heartbeat.
    pub(super) silence: Duration,
}

/// Everything at one time.
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) processes: Vec<Process>,
    pub(super) routes: Vec<RouteStats>,
    counters: Vec<u64>,
    pub(super) lag: Histogram,
    pub(super) commit: Histogram,
    pub(super) statements: Vec<StatementStats>,
    /// As `veritable status` has them.
    pub(super) databases: Value,
}

impl Sample {
    pub(super) fn read(segment: &Segment) -> Sample {
        let board = Scoreboard::of(segment);
        let histograms = Histograms::of(segment);
        Sample {
            at: Instant::now(),
            processes: (0..board.slots()).filter_map(|slot| process(&board, slot)).collect(),
            routes: Routes::of(segment, 0).all(),
            counters: Counter::ALL.into_iter().map(|counter| board.total(counter)).collect(),
            lag: histograms.total(Series::LoopLag),
            commit: histograms.total(Series::Commit),
            statements: Statements::of(segment).all(),
            databases: databases::status(segment),
        }
    }

    pub(super) fn count(&self, counter: Counter) -> u64 {
        self.counters.get(counter as usize).copied().unwrap_or_default()
    }

    /// Since the master last said anything.
    pub(super) fn silence(&self) -> Duration {
        let master = self.processes.iter().find(|process| process.slot == MASTER_SLOT);
        master.map_or(Duration::MAX, |process| process.silence)
    }
}

fn process(board: &Scoreboard, slot: u16) -> Option<Process> {
    let status = board.status(slot).ok().filter(|status| status.epoch != 0)?;
    let state = match status.state {
        Some(SlotState::Starting) => "starting",
        Some(SlotState::Ready) => "ready",
        Some(SlotState::Draining) => "draining",
        Some(SlotState::Empty) => return None,
        None => "unknown",
    };
    let role = match slot {
        WRITER_SLOT => "writer",
        TOOL_SLOT => "tool",
        MASTER_SLOT => "master",
        _ => "worker",
    };
    let at = |gauge| board.gauge(slot, gauge);
    Some(Process {
        slot,
        role,
        pid: status.pid,
        state,
        requests: if slot < WORKER_SLOTS { board.count(slot, Counter::Requests) } else { 0 },
        connections: at(Gauge::Connections),
        cpu_ms: at(Gauge::CpuMs),
        heap_bytes: status.heap_bytes,
        resident_bytes: at(Gauge::ResidentBytes),
        proportional_bytes: at(Gauge::ProportionalBytes),
        started_at: at(Gauge::StartedAt),
        silence: Duration::from_millis(now_ms().saturating_sub(status.heartbeat_ms)),
    })
}
