//! Replacing every process by one of a new configuration, one place at a time: the successor is ready before
//! the old one drains, so somebody always serves. The first successor serves beside the old ones for a while
//! before any of them drains. When a successor fails, what was replaced goes back the same way.

use super::{Action, ChildId, Life, Limits, Millis, Place, Role, Roll, Supervisor, Trial};

/// The generation of a place that has had no process yet.
const NEVER: u64 = 0;

impl Supervisor {
    pub(super) fn begin_roll(
        &mut self,
        generation: u64,
        limits: Limits,
        writer: bool,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        if self.phase != super::Phase::Serving || self.roll.is_some() {
            actions.push(Action::Reloaded(Err("the server is starting, stopping or reloading".into())));
            return;
        }
        let previous = Some((self.generation, self.limits));
        self.limits = limits;
        for place in self.places.iter_mut().filter(|place| place.given_up) {
            (place.given_up, place.boot_failures, place.retry_at) = (false, 0, Some(now));
        }
        self.roll = Some(Roll { target: generation, limits, writer, previous, trial: Trial::Ahead });
    }

    /// Whether a successor that is ready has to prove itself first.
    pub(super) fn is_put_on_trial(&mut self, id: ChildId, now: Millis) -> bool {
        let generation = self.children.get(&id).map(|child| child.generation);
        match &mut self.roll {
            Some(roll) if roll.trial == Trial::Ahead && generation == Some(roll.target) => {
                roll.trial = Trial::Until(now + roll.limits.probation);
                true
            }
            _ => false,
        }
    }

    /// Takes the next step if the last one is done.
    pub(super) fn continue_roll(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if let Some(Roll { trial, .. }) = &mut self.roll
            && matches!(trial, Trial::Until(at) if *at <= now)
        {
            *trial = Trial::Passed;
            if let Some(index) = self.places.iter().position(|place| place.successor.is_some()) {
                self.promote(index, now, actions);
            }
        }
        let Some(roll) = self.roll.clone() else { return };
        if self.places.iter().any(|place| place.successor.is_some()) {
            return;
        }
        while self.places.len() <= usize::from(roll.limits.workers) {
            // The writer's place comes first.
            let place = self.places.len() as u16 - 1;
            self.places.push(Place::new(Role::Worker { place }, NEVER));
        }
        let wanted = 1..=usize::from(roll.limits.workers);
        let next = wanted.clone().find(|&index| self.places[index].generation != roll.target);
        if let Some(index) = next {
            let role = self.places[index].role;
            // Without a free slot it is tried again when a draining worker has ended.
            if let Some(id) = self.spawn(role, roll.target, now, actions) {
                self.places[index].successor = Some(id);
                self.places[index].retry_at = None;
            }
            return;
        }
        for place in self.places.split_off(wanted.end() + 1) {
            if let Some(old) = place.child {
                self.drain(old, now, actions);
            }
        }
        if roll.writer && !self.writer_rolled(roll.target, now, actions) {
            return;
        }
        // An unchanged writer runs what the new generation says as well.
        self.places[0].generation = roll.target;
        self.generation = roll.target;
        self.roll = None;
        if roll.previous.is_some() {
            actions.push(Action::Reloaded(Ok(())));
        }
    }

    /// Replaces the writer: the old one closes its databases before the new one opens them. Its listener is
    /// the master's, so workers only wait. Says whether it is done.
    fn writer_rolled(&mut self, target: u64, now: Millis, actions: &mut Vec<Action>) -> bool {
        let place = &mut self.places[0];
        let child = place.child;
        let life = child.and_then(|id| self.children.get(&id)).map(|child| (child.generation, child.life));
        match life {
            Some((generation, Life::Ready { .. })) if generation == target => return true,
            Some((generation, _)) if generation == target => {}
            Some((_, Life::Ready { .. } | Life::Starting { .. })) => {
                place.generation = target;
                if let Some(id) = child {
                    self.drain(id, now, actions);
                }
            }
            // Draining, or waiting to be started again: the next one is of the new generation.
            Some(_) | None => place.generation = target,
        }
        false
    }

    /// A process of the new configuration did not come up.
    pub(super) fn roll_failed(&mut self, id: ChildId, reason: &str, actions: &mut Vec<Action>) {
        for place in &mut self.places {
            if place.successor == Some(id) {
                place.successor = None;
            }
        }
        let Some(roll) = self.roll.take() else { return };
        let Some((generation, limits)) = roll.previous else {
            // The way back failed as well: everybody stays what they are.
            return;
        };
        self.limits = limits;
        // A place made for this reload has nothing to go back to.
        self.places.retain(|place| place.child.is_some() || place.generation != NEVER);
        if self.places[0].generation == roll.target {
            self.places[0].generation = generation;
        }
        self.roll = Some(Roll {
            target: generation,
            limits,
            writer: roll.writer,
            previous: None,
            // It has served before.
            trial: Trial::Passed,
        });
        actions.push(Action::Reloaded(Err(reason.to_owned())));
    }
}
