//! The supervisor's words: roles, children, places, and what happens to them.

use super::Millis;

/// One process, from its spawn to its end; never given out twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildId(pub(crate) u64);

/// What a process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) role: Role,
    /// Its slot in the scoreboard; the writer has none.
    pub(crate) slot: Option<u16>,
    pub(crate) generation: u64,
    pub(crate) life: Life,
    pub(crate) spawned: Millis,
}

/// What should run.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) role: Role,
    /// The configuration its next process gets.
    pub(super) generation: u64,
    pub(crate) child: Option<ChildId>,
    pub(super) successor: Option<ChildId>,
    pub(super) retry_at: Option<Millis>,
    pub(super) failures: u32,
    /// How often its process was started again after it had ended by itself.
    pub(crate) restarts: u64,
}

/// What the settings say about processes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) workers: u16,
    pub(crate) slots: u16,
    pub(crate) drain: Millis,
    pub(crate) boot: Millis,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Begin: the writer first.
    Start,
    /// A child serves.
    Ready(ChildId),
    /// A child was reaped, or could not be spawned; how it ended.
    Exited(ChildId, String),
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

impl Place {
    pub(super) fn new(role: Role, generation: u64) -> Self {
        Place { role, generation, child: None, successor: None, retry_at: None, failures: 0, restarts: 0 }
    }
}

impl Child {
    pub(super) fn boot_failure(&self, how: &str) -> String {
        match self.life {
            Life::Killed => format!("{} was not ready in time", self.role),
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
