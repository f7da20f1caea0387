//! Replacing workers that grew too large, too old, or served for long enough, one at a time: the replacement
//! is ready before the old one drains, and the next one's turn comes when the old one has ended. A worker
//! that grew is first asked to give memory back. One that says nothing any more is killed.

use super::{Action, Child, ChildId, Life, Millis, Role, Supervisor, Vitals, backoff};

/// Samples in a row over the limit before anything is done: a large page passes.
const SAMPLES: u8 = 3;
/// Longest drain of a worker at one and a half times its limit: it may take the machine's memory meanwhile.
pub(super) const URGENT_DRAIN: Millis = 5_000;
/// How many times a worker's silence the writer may keep: it may wait for a slow disk, where killing helps
/// nobody.
const WRITER_PATIENCE: Millis = 6;
/// How far requests and age are spread over the workers, so that they do not all go at once.
const SPREAD_PERCENT: u64 = 25;

/// Who has the turn.
#[derive(Debug, Default)]
pub(super) struct Recycling {
    /// The one that is being replaced.
    turn: Option<ChildId>,
    /// Replacements in a row that did not come up.
    failures: u32,
    not_before: Option<Millis>,
}

impl Recycling {
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.not_before
    }

    /// A child has ended; if it had the turn, the next one may have it.
    pub(super) fn ended(&mut self, id: ChildId) {
        if self.turn == Some(id) {
            self.turn = None;
            self.failures = 0;
        }
    }

    /// A successor ended before it could take over.
    pub(super) fn failed(&mut self, successor: &Child, now: Millis) {
        if self.turn.is_some() && successor.role != Role::Writer {
            self.turn = None;
            self.failures = self.failures.saturating_add(1);
            self.not_before = Some(now + backoff(self.failures));
        }
    }
}

impl Supervisor {
    /// Judges what was seen of a child.
    pub(super) fn seen(&mut self, id: ChildId, vitals: Vitals, now: Millis, actions: &mut Vec<Action>) {
        let (limits, workers) = (self.limits, u64::from(self.limits.workers.max(1)));
        let Some(child) = self.children.get_mut(&id) else { return };
        if !matches!(child.life, Life::Ready { .. } | Life::Draining { .. }) {
            return;
        }
        let patience = if child.role == Role::Writer { WRITER_PATIENCE } else { 1 };
        if vitals.silent > limits.hang * patience {
            self.kill(id, actions);
            return;
        }
        let Role::Worker { place } = child.role else { return };
        if matches!(child.life, Life::Draining { .. }) {
            return;
        }
        let wear = &mut child.wear;
        if vitals.heap <= limits.heap {
            (wear.over, wear.was_asked) = (0, false);
        } else {
            wear.over = wear.over.saturating_add(1);
            wear.is_urgent = vitals.heap > limits.heap + limits.heap / 2;
            if wear.over >= SAMPLES && !wear.was_asked {
                (wear.over, wear.was_asked) = (0, true);
                actions.push(Action::Shed(id));
            } else if wear.over >= SAMPLES {
                wear.reason = Some("its heap is over the limit");
            }
        }
        let spread = |limit: u64| limit + limit * SPREAD_PERCENT * u64::from(place) / workers / 100;
        if limits.max_requests > 0 && vitals.requests >= spread(limits.max_requests) {
            wear.reason = Some("it has served its number of requests");
        }
        if limits.max_age > 0 && now.saturating_sub(child.spawned) >= spread(limits.max_age) {
            wear.reason = Some("it has reached its age");
        }
    }

    /// Gives the turn to the next worker that is to be replaced.
    pub(super) fn continue_recycling(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.recycling.not_before.is_some_and(|at| at <= now) {
            self.recycling.not_before = None;
        }
        if self.roll.is_some() || self.recycling.turn.is_some() || self.recycling.not_before.is_some() {
            return;
        }
        let next = self.places.iter().enumerate().find_map(|(index, place)| {
            let id = place.child.filter(|_| place.successor.is_none())?;
            let child = self.children.get(&id)?;
            let reason = child.wear.reason.filter(|_| matches!(child.life, Life::Ready { .. }))?;
            Some((index, id, reason))
        });
        let Some((index, old, reason)) = next else { return };
        let (role, generation) = (self.places[index].role, self.places[index].generation);
        if let Some(successor) = self.spawn(role, generation, now, actions) {
            tracing::info!(%role, reason, "replacing a worker");
            self.places[index].successor = Some(successor);
            self.recycling.turn = Some(old);
            self.recycled += 1;
        }
    }
}
