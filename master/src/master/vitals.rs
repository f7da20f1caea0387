//! Looking at every child about once a second: what the scoreboard says of it goes to the supervisor. And at this
//! process itself, which has a slot of its own there to say how it is.

use veritable_config::slots::MASTER_SLOT;
use veritable_shm::{Counter, Owner, Scoreboard, Segment, ShmError, SlotState, now_ms};

use super::Master;
use crate::figures::Figures;
use crate::supervisor::{self, ChildId, Event, Millis};

/// Between two looks.
const EVERY: Millis = 1_000;
/// A master that looks this late was stopped itself, and so may everybody have been: silence then says nothing.
const STOPPED: Millis = 3_000;

/// When the children are looked at, and how this process is.
pub(super) struct Vitals {
    next: Millis,
    board: Scoreboard,
    owner: Owner,
    own: Figures,
}

impl Vitals {
    /// Takes the master's slot. What an image before this one counted there goes on.
    ///
    /// # Errors
    /// There is no such slot in a segment made by an older program.
    pub(super) fn of(segment: &Segment, generation: u64) -> Result<Vitals, ShmError> {
        let board = Scoreboard::of(segment);
        let owner = board.enlist(MASTER_SLOT, generation, now_ms())?;
        board.set_pid(MASTER_SLOT, std::process::id())?;
        board.set_state(owner, SlotState::Ready);
        Ok(Vitals { next: 0, own: Figures::of(board.clone(), owner), board, owner })
    }

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
        self.vitals.board.beat(self.vitals.owner, now_ms());
        self.vitals.own.look();
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
