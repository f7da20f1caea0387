//! The writer's heartbeat, which is as old as that of its slowest thread: one that hangs is not to be hidden by the
//! others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use veritable_shm::{Owner, Scoreboard, now_ms};

/// The heartbeats of all threads.
#[derive(Clone)]
pub(crate) struct Pulse {
    beats: Arc<[AtomicU64]>,
    board: Option<(Scoreboard, Owner)>,
}

impl Pulse {
    /// Of this many threads; `board` is `None` when nobody watches.
    pub(crate) fn new(threads: usize, board: Option<(Scoreboard, Owner)>) -> Pulse {
        let now = now_ms();
        Pulse { beats: (0..threads).map(|_| AtomicU64::new(now)).collect(), board }
    }

    /// The part of one thread.
    pub(crate) fn beat(&self, thread: usize) -> Beat {
        Beat { pulse: self.clone(), thread }
    }
}

/// One thread's way to say that it is alive.
pub(crate) struct Beat {
    pulse: Pulse,
    thread: usize,
}

impl Beat {
    pub(crate) fn now(&self) {
        let Pulse { beats, board: Some((board, owner)) } = &self.pulse else { return };
        if let Some(beat) = beats.get(self.thread) {
            beat.store(now_ms(), Ordering::Relaxed);
        }
        if let Some(oldest) = beats.iter().map(|beat| beat.load(Ordering::Relaxed)).min() {
            board.beat(*owner, oldest);
        }
    }
}
