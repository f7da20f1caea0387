//! Waiting: one `poll` over signals, channels and control clients, and what each of them becomes.

use std::io::{self, Read};
use std::os::fd::AsFd;
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sd_notify::NotifyState;
use serde_json::json;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use veritable_config::channel::{FAILED, FAILED_FOR_NOW, READY, REASON_BYTES};
use veritable_config::slots::MASTER_SLOT;
use veritable_shm::{Counter, Tags};

use super::{Life, Master};
use crate::control::{ClientId, Request};
use crate::supervisor::{ChildId, Event, Millis};
use crate::systemd;

/// What a descriptor belongs to.
#[derive(Clone, Copy)]
enum Source {
    Signals,
    Control,
    Client(ClientId),
    Channel(ChildId),
}

impl Master {
    pub(super) fn until_done(&mut self) -> anyhow::Result<Result<(), String>> {
        loop {
            self.tell();
            if let Some(outcome) = self.outcome.take() {
                return Ok(outcome);
            }
            for source in self.wait()? {
                match source {
                    Source::Signals => self.take_signals(),
                    Source::Control => self.control.accept(),
                    Source::Client(id) => self.serve_client(id),
                    Source::Channel(id) => self.read_channel(id),
                }
            }
            self.look();
            self.dispatch(Event::Tick);
            self.continue_reload();
            self.continue_upgrade();
        }
    }

    /// Waits for the next thing to do; yields who has something.
    fn wait(&self) -> anyhow::Result<Vec<Source>> {
        let deadlines = [
            self.supervisor.deadline(),
            self.reloading.deadline(),
            self.telling.deadline(),
            self.upgrading.deadline(),
            Some(self.vitals.deadline()),
        ];
        let at = deadlines.into_iter().flatten().min().unwrap_or_default();
        // One more, for the fraction of a millisecond that the clock does not show.
        let left: Millis = at.saturating_sub(self.now()) + Millis::from(at > self.now());
        let timeout =
            PollTimeout::try_from(i32::try_from(left).unwrap_or(i32::MAX)).unwrap_or(PollTimeout::MAX);
        let mut sources = vec![Source::Signals, Source::Control];
        let mut fds = vec![self.signals.get_read().as_fd(), self.control.listener()];
        for (id, fd) in self.control.clients() {
            sources.push(Source::Client(id));
            fds.push(fd);
        }
        for (&id, running) in &self.children {
            if let Some(channel) = &running.channel {
                sources.push(Source::Channel(id));
                fds.push(channel.as_fd());
            }
        }
        let mut polled: Vec<PollFd<'_>> =
            fds.into_iter().map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("waiting for events"),
        }
        let has_something = |fd: &PollFd<'_>| fd.revents().is_some_and(|events| !events.is_empty());
        Ok(sources
            .into_iter()
            .zip(&polled)
            .filter(|(_, fd)| has_something(fd))
            .map(|(source, _)| source)
            .collect())
    }

    fn take_signals(&mut self) {
        let signals: Vec<i32> = self.signals.pending().collect();
        for signal in signals {
            match signal {
                SIGTERM | SIGINT => self.stop(),
                SIGHUP => self.request_reload(None),
                SIGUSR2 => self.request_upgrade(None),
                SIGCHLD => self.reap(),
                _ => {}
            }
        }
    }

    fn stop(&mut self) {
        tracing::info!("stopping");
        let leave = Duration::from_secs(self.current().config.process.leave_seconds.into());
        let most = leave + self.longest(|process| process.drain_seconds);
        systemd::notify(&[NotifyState::Stopping, systemd::lasting(most)]);
        self.dispatch(Event::Stop);
    }

    fn serve_client(&mut self, id: ClientId) {
        match self.control.read(id) {
            None => self.take_back(),
            Some(Request::Lend { locks }) => self.lend(id, locks),
            Some(Request::Status) => {
                let status = self.status();
                self.control.answer(id, &status);
            }
            Some(Request::Reload) => self.request_reload(Some(id)),
            Some(Request::Upgrade) => self.request_upgrade(Some(id)),
            Some(Request::Stop) => {
                self.control.say(id, &json!({ "pid": std::process::id() }));
                self.stop();
            }
        }
    }

    fn read_channel(&mut self, id: ChildId) {
        let Some(running) = self.children.get_mut(&id) else { return };
        let Some(channel) = &mut running.channel else { return };
        let mut byte = [0];
        match channel.read(&mut byte) {
            Ok(1) if byte[0] == READY => {
                if let Some(child) = self.supervisor.children.get(&id) {
                    self.failures.remove(&child.role.to_string());
                }
                self.dispatch(Event::Ready(id));
            }
            // It ends right after this; what it says fits into the socket and is there as a whole.
            Ok(1) if matches!(byte[0], FAILED | FAILED_FOR_NOW) => {
                running.may_pass = byte[0] == FAILED_FOR_NOW;
                let mut said = [0; REASON_BYTES];
                let length = channel.read(&mut said).unwrap_or_default();
                running.reason = Some(String::from_utf8_lossy(&said[..length]).into_owned());
            }
            Ok(1) => {
                tracing::warn!(byte = byte[0], pid = running.process.id(), "a process says what nobody knows")
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            // Its end comes as a signal; until then there is nothing more to read.
            Ok(_) | Err(_) => running.channel = None,
        }
    }

    /// Takes leave of the children that ended.
    fn reap(&mut self) {
        let mut ended = Vec::new();
        // What they said last is read before they are forgotten.
        let ids: Vec<ChildId> = self.children.keys().copied().collect();
        for id in ids {
            self.read_channel(id);
        }
        for (&id, running) in &self.children {
            ended.extend(running.process.try_wait().map(|how| (id, how)));
        }
        for (id, how) in ended {
            let Some(running) = self.children.remove(&id) else { continue };
            let pid = running.process.id();
            let may_pass = running.may_pass;
            let how = running.reason.map_or(how, |reason| format!("failed: {reason}"));
            match self.supervisor.children.get(&id) {
                Some(child) if matches!(child.life, Life::Draining { .. } | Life::Killed) => {
                    tracing::info!(role = %child.role, pid, how, "a process has ended");
                }
                Some(child) => {
                    tracing::error!(role = %child.role, pid, how, "a process ended by itself");
                    self.failures.insert(child.role.to_string(), how.clone());
                    self.board.add(MASTER_SLOT, Counter::Crashes, 1);
                }
                None => {}
            }
            let generation = self.supervisor.children.get(&id).map(|child| child.generation);
            if running.owner.is_some() && generation != Some(self.supervisor.generation) {
                // To its last request it could store pages made by other settings.
                Tags::of(&self.segment).invalidate_all();
            }
            // Only now: nobody may take over from a process that might still run.
            self.retire(running.owner.map(|owner| owner.slot));
            self.dispatch(Event::Exited { id, how, may_pass });
        }
        self.forget_old_generations();
    }
}
