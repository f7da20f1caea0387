//! What the master decides: [`Supervisor::step`] takes what happened and yields what to do. It knows no
//! process, descriptor or clock, so its rules are tested without any; `master` carries them out.
//!
//! A *place* is what should run: the writer, or one of the workers. A *child* is a process that fills or
//! filled one. During a reload a place has a successor beside its child; a child that was told to drain
//! belongs to no place any more.

mod model;
mod roll;

use std::collections::BTreeMap;

pub(crate) use model::{Action, Child, ChildId, Event, Life, Limits, Phase, Place, Role};

/// Milliseconds since the master's start.
pub(crate) type Millis = u64;

/// First pause before a child that failed is started again.
const BACKOFF_MIN: Millis = 100;
/// Longest pause: a fault that lasts is looked at every ten seconds.
const BACKOFF_MAX: Millis = 10_000;
/// Once a child has been ready for this long, its failure counts as the first one.
const STABLE: Millis = 10_000;

/// A reload under way, or its taking back.
#[derive(Clone, Debug)]
struct Roll {
    target: u64,
    limits: Limits,
    writer: bool,
    /// What to go back to; `None` when this is the way back.
    previous: Option<(u64, Limits)>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) phase: Phase,
    /// The configuration that holds.
    pub(crate) generation: u64,
    pub(crate) children: BTreeMap<ChildId, Child>,
    /// The writer's place first, then the workers'.
    pub(crate) places: Vec<Place>,
    limits: Limits,
    roll: Option<Roll>,
    next_child: u64,
    /// Why the start failed.
    failed: Option<String>,
    stops: u32,
}

impl Supervisor {
    pub(crate) fn new(limits: Limits) -> Self {
        let mut supervisor = Supervisor {
            phase: Phase::Starting,
            generation: 1,
            children: BTreeMap::new(),
            places: vec![Place::new(Role::Writer, 1)],
            limits,
            roll: None,
            next_child: 0,
            failed: None,
            stops: 0,
        };
        supervisor.places.extend((0..limits.workers).map(|place| Place::new(Role::Worker { place }, 1)));
        supervisor
    }

    /// Whether a reload, or its taking back, is under way.
    pub(crate) fn is_rolling(&self) -> bool {
        self.roll.is_some()
    }

    /// When to step with [`Event::Tick`] if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let of_children = self.children.values().filter_map(|child| match child.life {
            Life::Starting { deadline } | Life::Draining { deadline } => Some(deadline),
            Life::Ready { .. } | Life::Killed => None,
        });
        of_children.chain(self.places.iter().filter_map(|place| place.retry_at)).min()
    }

    /// Takes one event and yields what to do, in order.
    pub(crate) fn step(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start => self.spawn_at(0, now, &mut actions),
            Event::Ready(id) => self.ready(id, now, &mut actions),
            Event::Exited(id, how) => self.exited(id, how, now, &mut actions),
            Event::Reload { generation, limits, writer } => {
                self.begin_roll(generation, limits, writer, &mut actions);
            }
            Event::Stop => self.stop(now, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
        }
        match self.phase {
            Phase::Serving => {
                self.continue_roll(now, &mut actions);
                self.mend(now);
            }
            Phase::Stopping => self.continue_stop(now, &mut actions),
            Phase::Starting | Phase::Stopped => {}
        }
        actions
    }

    /// Spawns the child of a place that has none.
    fn spawn_at(&mut self, index: usize, now: Millis, actions: &mut Vec<Action>) {
        let Some((role, generation)) = self.places.get(index).map(|place| (place.role, place.generation))
        else {
            return;
        };
        match self.spawn(role, generation, now, actions) {
            Some(id) => {
                self.places[index].child = Some(id);
                self.places[index].retry_at = None;
            }
            // All slots are taken by draining workers: one of them is gone soon.
            None => self.places[index].retry_at = Some(now + BACKOFF_MIN),
        }
    }

    /// Spawns a child; `None` when the scoreboard has no slot left.
    fn spawn(
        &mut self,
        role: Role,
        generation: u64,
        now: Millis,
        actions: &mut Vec<Action>,
    ) -> Option<ChildId> {
        let slot = match role {
            Role::Writer => None,
            Role::Worker { .. } => {
                let taken: Vec<u16> = self.children.values().filter_map(|child| child.slot).collect();
                Some((0..self.limits.slots).find(|slot| !taken.contains(slot))?)
            }
        };
        let child = ChildId(self.next_child);
        self.next_child += 1;
        let life = Life::Starting { deadline: now + self.limits.boot };
        self.children.insert(child, Child { role, slot, generation, life, spawned: now });
        actions.push(Action::Spawn { child, role, slot, generation });
        Some(child)
    }

    fn ready(&mut self, id: ChildId, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(&id) else { return };
        // One that was told to drain or killed meanwhile stays so.
        let Life::Starting { .. } = child.life else { return };
        child.life = Life::Ready { since: now };
        let generation = child.generation;
        if let Some(place) = self.places.iter_mut().find(|place| place.successor == Some(id)) {
            place.successor = None;
            place.generation = generation;
            place.retry_at = None;
            place.failures = 0;
            if let Some(old) = place.child.replace(id) {
                self.drain(old, now, actions);
            }
        }
        if self.phase == Phase::Starting {
            let missing: Vec<usize> =
                (0..self.places.len()).filter(|&index| self.places[index].child.is_none()).collect();
            for index in missing {
                self.spawn_at(index, now, actions);
            }
            if self.children.values().all(|child| matches!(child.life, Life::Ready { .. })) {
                self.phase = Phase::Serving;
                actions.push(Action::Serving);
            }
        }
    }

    fn exited(&mut self, id: ChildId, how: String, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.remove(&id) else { return };
        match self.phase {
            Phase::Starting => {
                self.failed = Some(child.boot_failure(&how));
                self.stop(now, actions);
            }
            Phase::Serving if self.places.iter().any(|place| place.successor == Some(id)) => {
                self.roll_failed(id, &child.boot_failure(&how), actions);
            }
            Phase::Serving => self.crashed(id, &child, &how, now, actions),
            Phase::Stopping | Phase::Stopped => {}
        }
        for place in &mut self.places {
            place.child = place.child.filter(|&child| child != id);
            place.successor = place.successor.filter(|&successor| successor != id);
        }
    }

    /// The child of a place ended while it should run, or the writer as it was told in a reload.
    fn crashed(&mut self, id: ChildId, child: &Child, how: &str, now: Millis, actions: &mut Vec<Action>) {
        let Some(index) = self.places.iter().position(|place| place.child == Some(id)) else { return };
        if matches!(child.life, Life::Draining { .. }) {
            // Only a writer is told to drain while it has its place: its successor may start now.
            self.spawn_at(index, now, actions);
            return;
        }
        let is_new_writer = child.role == Role::Writer
            && !matches!(child.life, Life::Ready { .. })
            && self.roll.as_ref().is_some_and(|roll| roll.target == child.generation);
        let place = &mut self.places[index];
        let was_stable = matches!(child.life, Life::Ready { since } if now.saturating_sub(since) >= STABLE);
        place.failures = if was_stable { 1 } else { place.failures.saturating_add(1) };
        place.restarts += 1;
        place.retry_at = Some(now + backoff(place.failures));
        place.child = None;
        if is_new_writer {
            self.roll_failed(id, &child.boot_failure(how), actions);
        }
    }

    fn tick(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let late: Vec<ChildId> =
            self.children.iter().filter(|(_, child)| child.is_late(now)).map(|(&id, _)| id).collect();
        for id in late {
            self.kill(id, actions);
        }
        if self.phase == Phase::Serving {
            let due: Vec<usize> = (0..self.places.len())
                .filter(|&index| self.places[index].retry_at.is_some_and(|at| at <= now))
                .collect();
            for index in due {
                self.spawn_at(index, now, actions);
            }
        }
    }

    /// Sees to it that no place stays empty, whatever a failed reload left.
    fn mend(&mut self, now: Millis) {
        if self.roll.is_some() {
            return;
        }
        let empty = |place: &&mut Place| place.child.is_none() && place.retry_at.is_none();
        for place in self.places.iter_mut().filter(empty) {
            place.retry_at = Some(now + BACKOFF_MIN);
        }
    }

    fn drain(&mut self, id: ChildId, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(&id) else { return };
        match child.life {
            Life::Ready { .. } => {
                child.life = Life::Draining { deadline: now + self.limits.drain };
                actions.push(Action::Drain(id));
            }
            // It has nothing to finish.
            Life::Starting { .. } => self.kill(id, actions),
            Life::Draining { .. } | Life::Killed => {}
        }
    }

    fn kill(&mut self, id: ChildId, actions: &mut Vec<Action>) {
        if let Some(child) = self.children.get_mut(&id)
            && child.life != Life::Killed
        {
            child.life = Life::Killed;
            actions.push(Action::Kill(id));
        }
    }

    fn stop(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopping;
        self.stops += 1;
        if self.roll.take().is_some_and(|roll| roll.previous.is_some()) {
            actions.push(Action::Reloaded(Err("the server is stopping".into())));
        }
        for place in &mut self.places {
            place.retry_at = None;
        }
        let workers: Vec<ChildId> =
            self.children.iter().filter(|(_, child)| child.role != Role::Writer).map(|(&id, _)| id).collect();
        for id in workers {
            if self.stops > 1 { self.kill(id, actions) } else { self.drain(id, now, actions) }
        }
    }

    /// Workers first; then, when nobody is left to ask it anything, the writer.
    fn continue_stop(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.children.values().any(|child| child.role != Role::Writer) {
            return;
        }
        let writers: Vec<ChildId> = self.children.keys().copied().collect();
        for &id in &writers {
            self.drain(id, now, actions);
        }
        if writers.is_empty() {
            self.phase = Phase::Stopped;
            actions.push(Action::Exit(self.failed.take().map_or(Ok(()), Err)));
        }
    }
}

/// The pause after this many failures in a row.
fn backoff(failures: u32) -> Millis {
    let doublings = failures.saturating_sub(1).min(BACKOFF_MAX.ilog2());
    (BACKOFF_MIN << doublings).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests;
