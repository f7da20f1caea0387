//! Looking at every child about once a second: what the scoreboard says of it goes to the supervisor.

use veritable_shm::{Counter, now_ms};

use super::Master;
use crate::supervisor::{self, ChildId, Event, Millis};

/// Between two looks.
const EVERY: Millis = 1_000;
/// A master that looks this late was stopped itself, and so may everybody have been: silence then says nothing.
const STOPPED: Millis = 3_000;

/// When the children are looked at.
#[derive(Debug, Default)]
pub(super) struct Vitals {
    next: Millis,
}

impl Vitals {
    pub(super) fn deadline(&self) -> Millis {
        self.next
    }
}

impl Master {
    /// Looks at the children if it is time to.
    pub(super) fn look(&mut self) {
        let now = self.now();
        if now < self.vitals.next {
            return;
        }
        let was_stopped = now - self.vitals.next > STOPPED;
        self.vitals.next = now + EVERY;
        let seen: Vec<(ChildId, supervisor::Vitals)> = self
            .children
            .iter()
            .filter_map(|(&id, running)| {
                let slot = running.owner?.slot;
                let status = self.board.status(slot).ok()?;
                let silent = if was_stopped { 0 } else { now_ms().saturating_sub(status.heartbeat_ms) };
                let requests = self.board.count(slot, Counter::Requests);
                let requests = requests.saturating_sub(running.requests_before);
                let heap = status.heap_bytes.max(status.anon_bytes);
                Some((id, supervisor::Vitals { heap, requests, silent }))
            })
            .collect();
        for (id, vitals) in seen {
            self.dispatch(Event::Seen(id, vitals));
        }
    }
}
