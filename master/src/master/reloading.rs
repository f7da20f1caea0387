//! The course of a reload: asked for by a client or SIGHUP, checked by the binary on disk, rolled out by the
//! supervisor, reported to whoever asked. What is asked for meanwhile is done in one go afterwards.

use std::rc::Rc;

use sd_notify::NotifyState;
use serde_json::json;
use veritable_config::slots::MASTER_SLOT;
use veritable_shm::{Counter, Tags};

use super::{Generation, Master, limits};
use crate::control::ClientId;
use crate::reload::{self, Check};
use crate::supervisor::{Event, Millis, Phase};
use crate::systemd;
use crate::{databases, listeners};

/// Where it stands.
#[derive(Default)]
pub(super) struct Reloading {
    check: Option<Check>,
    /// Who waits for the one under way.
    clients: Vec<ClientId>,
    /// Who waits for the one after that.
    later: Vec<ClientId>,
    /// Another one was asked for.
    again: bool,
    /// Generations given out.
    pub(super) generations: u64,
    /// Why the last one failed; `None` after a good one.
    pub(super) last_error: Option<String>,
}

impl Reloading {
    /// Of the next image of a master that has given out so many generations.
    pub(super) fn resumed(generations: u64) -> Self {
        Reloading { generations, ..Reloading::default() }
    }

    pub(super) fn deadline(&self) -> Option<Millis> {
        self.check.as_ref().and_then(Check::deadline)
    }
}

impl Master {
    pub(super) fn is_reloading(&self) -> bool {
        self.reloading.check.is_some() || self.supervisor.is_rolling() || self.upgrading.is_under_way()
    }

    pub(super) fn request_reload(&mut self, client: Option<ClientId>) {
        if self.supervisor.phase != Phase::Serving {
            self.answer_reload(
                client.into_iter().collect(),
                &Err("the server is starting or stopping".into()),
            );
        } else if let Some(reason) = databases::unfit(&self.segment) {
            self.answer_reload(client.into_iter().collect(), &Err(reason));
        } else if self.is_reloading() {
            self.reloading.again = true;
            self.reloading.later.extend(client);
        } else {
            self.reloading.clients.extend(client);
            self.begin_check();
        }
    }

    fn begin_check(&mut self) {
        tracing::info!("reloading");
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            systemd::notify(&[NotifyState::Reloading, now]);
        }
        let deadline = self.now() + limits(&self.current().config).boot;
        match Check::start(&self.exe, &self.flags, deadline) {
            Ok(check) => self.reloading.check = Some(check),
            Err(reason) => self.reloaded(&Err(reason)),
        }
    }

    /// Goes on where time or a child's end allow it.
    pub(super) fn continue_reload(&mut self) {
        let now = self.now();
        if let Some(check) = &mut self.reloading.check {
            check.tick(now);
            if check.has_ended()
                && let Some(check) = self.reloading.check.take()
            {
                self.checked(check);
            }
        }
        if self.reloading.again && !self.is_reloading() && self.supervisor.phase == Phase::Serving {
            self.reloading.again = false;
            self.reloading.clients = std::mem::take(&mut self.reloading.later);
            self.begin_check();
        }
    }

    fn checked(&mut self, check: Check) {
        let current = self.current();
        let checked = check.finish();
        let checked = checked.and_then(|(new, binary)| {
            reload::compatible(&current.config, &new)?;
            let listeners = listeners::open(&new, false, &current.listeners);
            let listeners = listeners.map_err(|error| format!("{error:#}"))?;
            Ok(Generation { config: new, binary: Rc::new(binary), listeners })
        });
        match checked {
            Err(reason) => self.reloaded(&Err(reason)),
            Ok(new) => {
                let writer = current.config != new.config || !current.binary.is_same(&new.binary);
                let limits = limits(&new.config);
                // The first is 1; numbers of failed reloads are not given out again.
                self.reloading.generations = self.reloading.generations.max(self.supervisor.generation) + 1;
                let generation = self.reloading.generations;
                self.generations.insert(generation, new);
                self.dispatch(Event::Reload { generation, limits, writer });
            }
        }
    }

    /// Reports the outcome.
    pub(super) fn reloaded(&mut self, result: &Result<(), String>) {
        let generation = self.supervisor.generation;
        match result {
            Ok(()) => {
                // Settings and program are part of every page; no tag says so.
                Tags::of(&self.segment).invalidate_all();
                tracing::info!(generation, "reloaded");
            }
            Err(reason) => tracing::error!(reason, generation, "the reload failed; the old processes go on"),
        }
        let counter = if result.is_ok() { Counter::Reloads } else { Counter::ReloadsFailed };
        self.board.add(MASTER_SLOT, counter, 1);
        self.reloading.last_error = result.as_ref().err().cloned();
        let clients = std::mem::take(&mut self.reloading.clients);
        self.answer_reload(clients, result);
        if self.supervisor.phase == Phase::Serving {
            systemd::notify(&[NotifyState::Ready]);
        }
        self.forget_old_generations();
    }

    fn answer_reload(&mut self, clients: Vec<ClientId>, result: &Result<(), String>) {
        let answer = match result {
            Ok(()) => json!({ "generation": self.supervisor.generation }),
            Err(reason) => json!({ "error": reason }),
        };
        for client in clients {
            self.control.answer(client, &answer);
        }
    }
}
