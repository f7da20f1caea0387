//! What systemd hears from a running master: how the service is, and that it is alive.

use std::collections::BTreeMap;

use sd_notify::NotifyState;
use veritable_shm::{Scoreboard, now_ms};

use super::{Master, Running};
use crate::supervisor::{Child, ChildId, Life, Millis, Phase, Place, Role, Supervisor};
use crate::systemd;

/// Signs of life in the time that systemd waits for one: one may come late.
const PINGS: u64 = 4;
/// A process whose last heartbeat is older than systemd's time divided by this hangs. The rest of that time is
/// the master's to notice, and a process's for what it does at one go.
const HANGS: u64 = 2;

/// What was said, and what is expected.
#[derive(Default)]
pub(super) struct Telling {
    status: String,
    watchdog: Option<Watchdog>,
}

struct Watchdog {
    /// systemd restarts the service when it has heard nothing for this long.
    limit: Millis,
    next: Millis,
    /// Whether it was said that the signs of life stop.
    is_silent: bool,
}

impl Telling {
    pub(super) fn new() -> Telling {
        let limit = sd_notify::watchdog_enabled();
        let watchdog = limit.map(|limit| Watchdog {
            limit: Millis::try_from(limit.as_millis()).unwrap_or(Millis::MAX),
            next: 0,
            is_silent: false,
        });
        Telling { watchdog, ..Telling::default() }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.watchdog.as_ref().map(|watchdog| watchdog.next)
    }
}

impl Master {
    /// Once a turn: the state in words if they have changed, and a sign of life if one is due.
    pub(super) fn tell(&mut self) {
        let status = self.in_words();
        if status != self.telling.status {
            systemd::notify(&[NotifyState::Status(&status)]);
            self.telling.status = status;
        }
        let now = self.now();
        let Some(watchdog) = self.telling.watchdog.as_mut().filter(|watchdog| watchdog.next <= now) else {
            return;
        };
        let limit = watchdog.limit / HANGS;
        // A master that comes this late was stopped itself, and so may everybody have been (a machine that was
        // suspended): what they last said means nothing.
        let was_stopped = now - watchdog.next > limit;
        watchdog.next = now + watchdog.limit / PINGS;
        let hanging = match was_stopped {
            true => Vec::new(),
            false => hanging(&self.supervisor, &self.children, &self.board, limit),
        };
        if is_alive(&self.supervisor, &hanging) {
            systemd::notify(&[NotifyState::Watchdog]);
            watchdog.is_silent = false;
        } else if !std::mem::replace(&mut watchdog.is_silent, true) {
            let hanging = names(&hanging);
            tracing::error!(hanging, "too much hangs; systemd is to restart everything");
        }
    }

    /// One line for `systemctl status`.
    fn in_words(&self) -> String {
        let supervisor = &self.supervisor;
        let mut line = match supervisor.phase {
            Phase::Starting => return "Starting".into(),
            Phase::Stopping | Phase::Stopped => {
                return format!("Stopping; {} processes to go", supervisor.children.len());
            }
            Phase::Serving => format!(
                "{} on {} with {} workers, generation {}",
                match (supervisor.is_leaving(), self.is_reloading()) {
                    (true, _) => "Leaving; serving",
                    (false, true) => "Reloading; serving",
                    (false, false) => "Serving",
                },
                self.current().urls().join(", "),
                supervisor.places.len() - 1,
                supervisor.generation
            ),
        };
        let is_down = |place: &&Place| {
            let child = place.child.and_then(|id| supervisor.children.get(&id));
            !child.is_some_and(|child| matches!(child.life, Life::Ready { .. }))
        };
        let hopeless = supervisor.places.iter().filter(|place| place.given_up).map(|place| place.role);
        let hopeless: Vec<Role> = hopeless.collect();
        let down: Vec<Role> = supervisor.places.iter().filter(is_down).map(|place| place.role).collect();
        if !down.is_empty() && !self.is_reloading() {
            line.push_str(&format!("; degraded, not running: {}", names(&down)));
        }
        if !hopeless.is_empty() {
            line.push_str(&format!("; given up until a reload: {}", names(&hopeless)));
        }
        if let Some(reason) = &self.reloading.last_error {
            line.push_str(&format!("; the last reload failed: {reason}"));
        }
        line
    }
}

/// Whose process says it is ready and has not been heard of for `limit`.
fn hanging(
    supervisor: &Supervisor,
    running: &BTreeMap<ChildId, Running>,
    board: &Scoreboard,
    limit: Millis,
) -> Vec<Role> {
    let now = now_ms();
    let hangs = |place: &&Place| {
        let is_ready = |child: &Child| matches!(child.life, Life::Ready { .. });
        let ready = place.child.filter(|id| supervisor.children.get(id).is_some_and(is_ready));
        let owner = ready.and_then(|id| running.get(&id)?.owner);
        let heard = owner.and_then(|owner| board.status(owner.slot).ok()).map(|slot| slot.heartbeat_ms);
        heard.is_some_and(|at| now.saturating_sub(at) > limit)
    };
    supervisor.places.iter().filter(hangs).map(|place| place.role).collect()
}

/// Whether the service is worth keeping: its writer does not hang, nor half of its workers. One that is gone
/// is the supervisor's to replace, and no reason to end those that still serve.
fn is_alive(supervisor: &Supervisor, hanging: &[Role]) -> bool {
    let workers = supervisor.places.len() - 1;
    let hanging_workers = hanging.iter().filter(|role| **role != Role::Writer).count();
    let has_quorum = (workers - hanging_workers) * 2 > workers;
    supervisor.phase != Phase::Serving || has_quorum && hanging_workers == hanging.len()
}

fn names(roles: &[Role]) -> String {
    roles.iter().map(Role::to_string).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervisor::Limits;
    use crate::supervisor::tests::LIMITS;

    #[test]
    fn a_quorum_of_workers_and_the_writer_make_a_living_service() {
        let mut supervisor = Supervisor::new(Limits { workers: 3, ..LIMITS });
        supervisor.phase = Phase::Serving;
        let worker = |place| Role::Worker { place };
        for (hanging, alive) in [
            (vec![], true),
            (vec![worker(1)], true),
            (vec![worker(1), worker(2)], false),
            (vec![worker(0), worker(1), worker(2)], false),
            (vec![Role::Writer], false),
        ] {
            assert_eq!(is_alive(&supervisor, &hanging), alive, "{hanging:?}");
        }
        supervisor.phase = Phase::Stopping;
        assert!(is_alive(&supervisor, &[Role::Writer]), "a stop has a deadline of its own");
    }
}
