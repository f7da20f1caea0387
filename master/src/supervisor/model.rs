//! The supervisor's words: roles, children, places, and what happens to them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Millis;

/// One process, from its spawn to its end; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct ChildId(pub(crate) u64);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Role {
    /// The only one that writes.
    Writer,
    /// One of those that serve.
    Worker {
        /// Its place, from 0.
        place: u16,
    },
}

/// Where a child is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Life {
    /// Spawned; killed at `deadline` unless it is ready by then.
    Starting { deadline: Millis },
    /// Serving.
    Ready { since: Millis },
    /// Told to finish; killed at `deadline`.
    Draining { deadline: Millis },
    /// Killed; its end is awaited.
    Killed,
}

/// One process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Child {
    pub(crate) role: Role,
    /// Its slot in the scoreboard; the writer has none.
    pub(crate) slot: Option<u16>,
    pub(crate) generation: u64,
    pub(crate) life: Life,
    pub(crate) spawned: Millis,
    #[serde(skip)]
    pub(super) wear: Wear,
}

/// What should run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) role: Role,
    /// The configuration its next process gets.
    pub(super) generation: u64,
    pub(crate) child: Option<ChildId>,
    pub(super) successor: Option<ChildId>,
    pub(super) retry_at: Option<Millis>,
    pub(super) failures: u32,
    /// How many in a row ended before they were ready.
    pub(super) boot_failures: u32,
    /// Its process fails at every start: none is started any more before the next reload.
    pub(crate) given_up: bool,
    /// How often its process was started again after it had ended by itself.
    pub(crate) restarts: u64,
}

/// What the next image of the master goes on from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    pub(super) generation: u64,
    pub(super) children: BTreeMap<ChildId, Child>,
    pub(super) places: Vec<Place>,
    pub(super) next_child: u64,
}

/// What the settings say about processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) workers: u16,
    pub(crate) slots: u16,
    pub(crate) drain: Millis,
    /// How long a stop is announced before it begins.
    pub(crate) leave: Millis,
    pub(crate) boot: Millis,
    /// How long the first worker of a reload serves beside the old ones before they go.
    pub(crate) probation: Millis,
    /// Silence after which a process counts as hung.
    pub(crate) hang: Millis,
    /// Bytes of heap past which a worker is replaced.
    pub(crate) heap: u64,
    /// Requests after which a worker is replaced; 0: never.
    pub(crate) max_requests: u64,
    /// Age at which a worker is replaced; 0: never.
    pub(crate) max_age: Millis,
}

/// What the scoreboard says of a child.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vitals {
    /// Bytes of heap.
    pub(crate) heap: u64,
    /// Requests answered.
    pub(crate) requests: u64,
    /// Since its last heartbeat.
    pub(crate) silent: Millis,
}

/// How far a child is on its way to being replaced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wear {
    /// Samples in a row over the limit of heap.
    pub(super) over: u8,
    /// It was asked to give memory back.
    pub(super) was_asked: bool,
    /// It is to be replaced, and why.
    pub(super) reason: Option<&'static str>,
    /// It is so large that its drain is to be short.
    pub(super) is_urgent: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Begin: the writer first.
    Start,
    /// A child serves.
    Ready(ChildId),
    /// A child was reaped, or could not be spawned.
    Exited {
        /// Which.
        id: ChildId,
        /// How it ended.
        how: String,
        /// Why it could not serve may pass by itself, it said.
        may_pass: bool,
    },
    /// A child was looked at, about once a second.
    Seen(ChildId, Vitals),
    /// A checked configuration is to take over.
    Reload { generation: u64, limits: Limits, writer: bool },
    /// Finish; once more: hasten.
    Stop,
    /// Time has passed.
    Tick,
}

/// What to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Spawn {
        child: ChildId,
        role: Role,
        slot: Option<u16>,
        generation: u64,
    },
    Drain(ChildId),
    Kill(ChildId),
    /// It is to give memory back.
    Shed(ChildId),
    /// It is to announce the stop.
    Leave(ChildId),
    /// Everything is up for the first time.
    Serving,
    /// A reload is over, and how.
    Reloaded(Result<(), String>),
    /// All children are gone; the process ends, with the reason if it never came up.
    Exit(Result<(), String>),
}

/// What the whole is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Starting,
    Serving,
    Stopping,
    Stopped,
}

impl Snapshot {
    /// The configuration that holds.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }
}

impl Place {
    pub(super) fn new(role: Role, generation: u64) -> Self {
        Place {
            role,
            generation,
            child: None,
            successor: None,
            retry_at: None,
            failures: 0,
            boot_failures: 0,
            given_up: false,
            restarts: 0,
        }
    }
}

impl Child {
    pub(super) fn boot_failure(&self, how: &str) -> String {
        match self.life {
            Life::Killed => format!("{} was not ready in time", self.role),
            Life::Ready { .. } => format!("{} {how} soon after it was ready", self.role),
            _ => format!("{} {how} before it was ready", self.role),
        }
    }

    pub(super) fn is_late(&self, now: Millis) -> bool {
        matches!(self.life, Life::Starting { deadline } | Life::Draining { deadline } if deadline <= now)
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Role::Writer => f.write_str("writer"),
            Role::Worker { place } => write!(f, "worker {place}"),
        }
    }
}
