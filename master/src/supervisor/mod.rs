//! What the master decides: [`Supervisor::step`] takes what happened and yields what to do. It knows no
//! process, descriptor or clock, so its rules are tested without any; `master` carries them out.
//!
//! A *place* is what should run: the writer, or one of the workers. A *child* is a process that fills or
//! filled one. During a reload a place has a successor beside its child; a child that was told to drain
//! belongs to no place any more.

mod model;
mod recycle;
mod roll;

use std::collections::BTreeMap;

use model::Wear;
pub(crate) use model::{Action, Child, ChildId, Event, Life, Limits, Phase, Place, Role, Snapshot, Vitals};
use recycle::Recycling;

/// Milliseconds since the master's start.
pub(crate) type Millis = u64;

/// First pause before a child that failed is started again.
const BACKOFF_MIN: Millis = 100;
/// Longest pause. With it a process that always fails is started ten times in the first minute.
const BACKOFF_MAX: Millis = 30_000;
/// Longest pause before a writer that had come as far as to serve is: every change waits for it.
const WRITER_MAX: Millis = 1_000;
/// Starts in a row that fail before they are ready, after which only a reload tries again, unless the process says
/// that the reason may pass: nothing that happens by itself will change the outcome.
const BOOTS_MAX: u32 = 6;
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
    /// The first worker of the reload proves itself.
    trial: Trial,
}

/// How the first worker of a reload stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trial {
    /// It is not ready yet.
    Ahead,
    /// It serves beside the one it is to replace.
    Until(Millis),
    /// It did not fail.
    Passed,
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
    recycling: Recycling,
    /// Workers that began to be replaced for their wear since this was last taken.
    pub(crate) recycled: u64,
    /// When the stop that was announced begins.
    leaving: Option<Millis>,
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
            recycling: Recycling::default(),
            recycled: 0,
            leaving: None,
            next_child: 0,
            failed: None,
            stops: 0,
        };
        supervisor.places.extend((0..limits.workers).map(|place| Place::new(Role::Worker { place }, 1)));
        supervisor
    }

    /// What another image can go on from: everything, provided that nothing is under way.
    pub(crate) fn snapshot(&self) -> Option<Snapshot> {
        let is_quiet = self.phase == Phase::Serving
            && self.roll.is_none()
            && self.leaving.is_none()
            && self.places.iter().all(|place| place.successor.is_none())
            && !self.children.values().any(|child| matches!(child.life, Life::Starting { .. }));
        is_quiet.then(|| Snapshot {
            generation: self.generation,
            children: self.children.clone(),
            places: self.places.clone(),
            next_child: self.next_child,
        })
    }

    /// Goes on from where another image was.
    pub(crate) fn resume(limits: Limits, from: Snapshot) -> Self {
        let Snapshot { generation, children, places, next_child } = from;
        Supervisor {
            phase: Phase::Serving,
            generation,
            children,
            places,
            next_child,
            ..Supervisor::new(limits)
        }
    }

    /// Whether a reload, or its taking back, is under way.
    pub(crate) fn is_rolling(&self) -> bool {
        self.roll.is_some()
    }

    /// Whether a stop is announced and not begun.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// When to step with [`Event::Tick`] if nothing happens before.
    pub(crate) fn deadline(&self) -> Option<Millis> {
        let of_children = self.children.values().filter_map(|child| match child.life {
            Life::Starting { deadline } | Life::Draining { deadline } => Some(deadline),
            Life::Ready { .. } | Life::Killed => None,
        });
        let trial = self.roll.as_ref().and_then(|roll| match roll.trial {
            Trial::Until(at) => Some(at),
            Trial::Ahead | Trial::Passed => None,
        });
        of_children
            .chain(self.places.iter().filter_map(|place| place.retry_at))
            .chain(trial)
            .chain(self.recycling.deadline())
            .chain(self.leaving)
            .min()
    }

    /// Takes one event and yields what to do, in order.
    pub(crate) fn step(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Start => self.spawn_at(0, now, &mut actions),
            Event::Ready(id) => self.ready(id, now, &mut actions),
            Event::Exited { id, how, may_pass } => self.exited(id, &how, may_pass, now, &mut actions),
            Event::Reload { generation, limits, writer } => {
                self.begin_roll(generation, limits, writer, now, &mut actions);
            }
            Event::Seen(id, vitals) => self.seen(id, vitals, now, &mut actions),
            Event::Stop => self.leave(now, &mut actions),
            Event::Tick => self.tick(now, &mut actions),
        }
        match self.phase {
            Phase::Serving => {
                self.continue_roll(now, &mut actions);
                self.continue_recycling(now, &mut actions);
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
        self.children
            .insert(child, Child { role, slot, generation, life, spawned: now, wear: Wear::default() });
        actions.push(Action::Spawn { child, role, slot, generation });
        Some(child)
    }

    fn ready(&mut self, id: ChildId, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(&id) else { return };
        // One that was told to drain or killed meanwhile stays so.
        let Life::Starting { .. } = child.life else { return };
        child.life = Life::Ready { since: now };
        if self.leaving.is_some() && child.role != Role::Writer {
            actions.push(Action::Leave(id));
        }
        if let Some(place) = self.places.iter_mut().find(|place| place.child == Some(id)) {
            place.boot_failures = 0;
        }
        if let Some(index) = self.places.iter().position(|place| place.successor == Some(id))
            && !self.is_put_on_trial(id, now)
        {
            self.promote(index, now, actions);
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

    /// Gives a place to its successor, which is ready.
    fn promote(&mut self, index: usize, now: Millis, actions: &mut Vec<Action>) {
        let Some(id) = self.places[index].successor.take() else { return };
        let generation = self.children.get(&id).map_or(self.generation, |child| child.generation);
        let place = &mut self.places[index];
        place.generation = generation;
        place.retry_at = None;
        place.failures = 0;
        place.boot_failures = 0;
        place.given_up = false;
        if let Some(old) = place.child.replace(id) {
            self.drain(old, now, actions);
        }
    }

    fn exited(&mut self, id: ChildId, how: &str, may_pass: bool, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.remove(&id) else { return };
        self.recycling.ended(id);
        match self.phase {
            Phase::Starting => {
                self.failed = Some(child.boot_failure(how));
                self.stop(now, actions);
            }
            Phase::Serving if self.places.iter().any(|place| place.successor == Some(id)) => {
                self.recycling.failed(&child, now);
                self.roll_failed(id, &child.boot_failure(how), actions);
            }
            Phase::Serving => self.crashed(id, &child, how, may_pass, now, actions),
            Phase::Stopping | Phase::Stopped => {}
        }
        for place in &mut self.places {
            place.child = place.child.filter(|&child| child != id);
            place.successor = place.successor.filter(|&successor| successor != id);
        }
    }

    /// The child of a place ended while it should run, or the writer as it was told in a reload.
    fn crashed(
        &mut self,
        id: ChildId,
        child: &Child,
        how: &str,
        may_pass: bool,
        now: Millis,
        actions: &mut Vec<Action>,
    ) {
        let Some(index) = self.places.iter().position(|place| place.child == Some(id)) else { return };
        if matches!(child.life, Life::Draining { .. }) {
            // Only a writer is told to drain while it has its place: its successor may start now.
            self.spawn_at(index, now, actions);
            return;
        }
        let is_of_roll =
            self.roll.as_ref().is_some_and(|roll| roll.target == child.generation && roll.previous.is_some());
        let place = &mut self.places[index];
        let was_ready_since = match child.life {
            Life::Ready { since } => Some(since),
            _ => None,
        };
        let was_stable = was_ready_since.is_some_and(|since| now.saturating_sub(since) >= STABLE);
        place.failures = if was_stable { 1 } else { place.failures.saturating_add(1) };
        place.boot_failures = if was_ready_since.is_some() { 0 } else { place.boot_failures + 1 };
        // What it lacks may come back by itself: space, a disk, another program's lock.
        place.given_up = place.boot_failures >= BOOTS_MAX && !may_pass && place.role != Role::Writer;
        place.restarts += 1;
        let most =
            if place.role == Role::Writer && was_ready_since.is_some() { WRITER_MAX } else { BACKOFF_MAX };
        place.retry_at = (!place.given_up).then(|| now + backoff(place.failures).min(most));
        place.child = None;
        if is_of_roll {
            self.roll_failed(id, &child.boot_failure(how), actions);
        }
    }

    fn tick(&mut self, now: Millis, actions: &mut Vec<Action>) {
        let late: Vec<ChildId> =
            self.children.iter().filter(|(_, child)| child.is_late(now)).map(|(&id, _)| id).collect();
        for id in late {
            self.kill(id, actions);
        }
        if self.leaving.is_some_and(|at| at <= now) {
            self.stop(now, actions);
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
        let empty = |place: &&mut Place| place.child.is_none() && place.retry_at.is_none() && !place.given_up;
        for place in self.places.iter_mut().filter(empty) {
            place.retry_at = Some(now + BACKOFF_MIN);
        }
    }

    fn drain(&mut self, id: ChildId, now: Millis, actions: &mut Vec<Action>) {
        let Some(child) = self.children.get_mut(&id) else { return };
        match child.life {
            Life::Ready { .. } => {
                let most = if child.wear.is_urgent { recycle::URGENT_DRAIN } else { Millis::MAX };
                child.life = Life::Draining { deadline: now + self.limits.drain.min(most) };
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

    /// Announces a stop, or begins it when there is nothing to wait for or it is asked for once more.
    fn leave(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.phase != Phase::Serving || self.limits.leave == 0 || self.leaving.is_some() {
            self.stop(now, actions);
            return;
        }
        self.leaving = Some(now + self.limits.leave);
        let workers = self.children.iter().filter(|(_, child)| child.role != Role::Writer);
        actions.extend(workers.map(|(&id, _)| Action::Leave(id)));
    }

    fn stop(&mut self, now: Millis, actions: &mut Vec<Action>) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.phase = Phase::Stopping;
        self.leaving = None;
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
            let is_draining =
                self.children.get(&id).is_some_and(|child| matches!(child.life, Life::Draining { .. }));
            match self.stops {
                // One that drains already is to hand nothing over any more.
                1 if is_draining => actions.push(Action::Drain(id)),
                1 => self.drain(id, now, actions),
                _ => self.kill(id, actions),
            }
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
mod recycle_tests;
#[cfg(test)]
pub(crate) mod tests;
