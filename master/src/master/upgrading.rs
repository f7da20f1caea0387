//! The master's own replacement: the binary on disk is asked whether it understands this master's record, then
//! becomes it by exec(2), which keeps the pid, the children, and every descriptor that is let through. An image
//! that cannot go on from the record becomes the image before again. While this happens, workers and writer
//! notice nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail};
use serde_json::json;
use veritable_shm::{Owner, Scoreboard, Segment};

use super::lending::Lending;
use super::reloading::Reloading;
use super::telling::Telling;
use super::vitals::Vitals;
use super::{Generation, Master, Running, limits, raise_descriptor_limit, take_signals};
use crate::binary::Binary;
use crate::control::{ClientId, Control};
use crate::handoff::{self, ChildRecord, Fds, GenerationRecord, Handoff, Passing, Taken};
use crate::listeners::Listener;
use crate::logging;
use crate::process::Process;
use crate::reload::Check;
use crate::supervisor::{Millis, Supervisor};

/// Where it stands.
#[derive(Default)]
pub(super) struct Upgrading {
    check: Option<Check>,
    /// Who asked.
    client: Option<ClientId>,
    /// Images so far.
    pub(super) upgrades: u32,
    /// Why the last one failed; `None` after a good one.
    pub(super) last_error: Option<String>,
}

impl Upgrading {
    pub(super) fn deadline(&self) -> Option<Millis> {
        self.check.as_ref().and_then(Check::deadline)
    }

    pub(super) fn is_under_way(&self) -> bool {
        self.check.is_some()
    }
}

impl Master {
    pub(super) fn request_upgrade(&mut self, client: Option<ClientId>) {
        tracing::info!("upgrading");
        if self.upgrading.is_under_way() || self.is_reloading() {
            self.refuse_upgrade(client, "the server is reloading; try again when it is done");
            return;
        }
        self.upgrading.client = client;
        let deadline = self.now() + limits(&self.current().config).boot;
        // As good as the one that is passed on later, which is of that moment.
        let started = self.record(&mut Passing::default()).and_then(|record| record.write());
        let started = started.map_err(|error| format!("{error:#}"));
        match started.and_then(|record| Check::of_handoff(&self.exe, record.into(), deadline)) {
            Ok(check) => self.upgrading.check = Some(check),
            Err(reason) => self.refuse_upgrade(client, &reason),
        }
    }

    /// Goes on when the binary on disk has said what it thinks.
    pub(super) fn continue_upgrade(&mut self) {
        let now = self.now();
        let Some(check) = &mut self.upgrading.check else { return };
        check.tick(now);
        if !check.has_ended() {
            return;
        }
        let Some(check) = self.upgrading.check.take() else { return };
        let client = self.upgrading.client.take();
        let reason = match check.said() {
            Ok((_, binary)) => format!("{:#}", self.become_next(&binary)),
            Err(reason) => reason,
        };
        self.refuse_upgrade(client, &reason);
    }

    fn refuse_upgrade(&mut self, client: Option<ClientId>, reason: &str) {
        tracing::error!(reason, "the upgrade failed; this master goes on");
        self.upgrading.last_error = Some(reason.to_owned());
        if let Some(client) = client {
            self.control.answer(client, &json!({ "error": reason }));
        }
    }

    /// Becomes the next image; returns only if that failed, and then nothing has changed.
    fn become_next(&mut self, binary: &Binary) -> anyhow::Error {
        let mut passing = Passing::default();
        let prepared = self.record(&mut passing).and_then(|record| {
            let number = passing.add(&record.write()?)?;
            passing.open()?;
            Ok(number)
        });
        match prepared {
            Ok(number) => handoff::exec(binary, number, None),
            Err(error) => error,
        }
    }

    /// Everything this master knows; its descriptors duplicated into `passing`.
    fn record(&self, passing: &mut Passing) -> anyhow::Result<Handoff> {
        if let Some(pid) = self.lending.holder() {
            // Its connection does not outlive the exec, and that is all by which its end is known.
            bail!("`veritable cache` is at work (pid {pid}); try again");
        }
        let supervisor = self.supervisor.snapshot().ok_or_else(|| {
            anyhow!("processes are being started or replaced, or the server stops; try again")
        })?;
        let mut listeners: Vec<Rc<Listener>> = Vec::new();
        let mut generations = BTreeMap::new();
        for (&number, generation) in &self.generations {
            let mut indexes = Vec::new();
            for listener in &generation.listeners {
                let known = listeners.iter().position(|known| Rc::ptr_eq(known, listener));
                indexes.push(known.unwrap_or(listeners.len()));
                if known.is_none() {
                    listeners.push(listener.clone());
                }
            }
            let record = GenerationRecord {
                config: generation.config.clone(),
                binary: passing.add(&*generation.binary)?,
                name: generation.binary.name().to_owned(),
                listeners: indexes,
            };
            generations.insert(number, record);
        }
        let children = self.children.iter().map(|(&id, running)| {
            let channel = running.channel.as_ref().map(|channel| passing.add(channel)).transpose()?;
            let owner = running.owner.map(|owner| (owner.slot, owner.epoch));
            let (pid, requests_before) = (running.process.id(), running.requests_before);
            Ok(ChildRecord { id, pid, channel, owner, requests_before })
        });
        Ok(Handoff {
            version: handoff::VERSION,
            uptime: self.now(),
            upgrades: self.upgrading.upgrades,
            exe: self.exe.clone(),
            flags: self.flags.clone(),
            children: children.collect::<anyhow::Result<_>>()?,
            fds: Fds {
                lock: passing.add(&self.lock)?,
                for_writer: passing.add(&self.for_writer)?,
                control: passing.add(&self.control.listener())?,
                give: passing.add(&self.handover.0)?,
                take: passing.add(&self.handover.1)?,
                segment: passing.add(&self.segment_fd)?,
                before: passing.add(&Binary::running()?)?,
            },
            listeners: listeners
                .iter()
                .map(|listener| Ok(listener.record(passing.add(&**listener)?)))
                .collect::<anyhow::Result<_>>()?,
            generations,
            last_generation: self.reloading.generations.max(self.supervisor.generation),
            supervisor,
        })
    }
}

/// Goes on from a record, or becomes the image that wrote it again.
///
/// # Errors
/// The record cannot be read, or nobody can go on from it.
pub(super) fn resume(record: OwnedFd, reverted: Option<&str>) -> anyhow::Result<Master> {
    let number = record.as_raw_fd();
    let record = File::from(record);
    let handoff = Handoff::read(&record)?;
    let before = handoff.fds.before;
    let taken = Taken::take(&handoff, record.into());
    let resumed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        go_on(handoff, &taken, reverted).and_then(Master::proven)
    }));
    let reason = match resumed {
        Ok(Ok(master)) => return Ok(master),
        Ok(Err(reason)) => reason,
        Err(_) => anyhow!("the new master panicked"),
    };
    if reverted.is_some() {
        return Err(reason);
    }
    let binary = Binary::resumed(taken.get(before)?, "the program before".into());
    taken.give_back()?;
    Err(handoff::exec(&binary, number, Some(&format!("{reason:#}"))))
}

fn go_on(handoff: Handoff, taken: &Taken, reverted: Option<&str>) -> anyhow::Result<Master> {
    let Handoff { uptime, upgrades, exe, flags, fds, listeners, generations, last_generation, .. } = handoff;
    let listeners = listeners
        .iter()
        .map(|record| Ok(Rc::new(Listener::resumed(record, taken.get(record.fd)?))))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let generations = generations
        .into_iter()
        .map(|(number, record)| {
            let listeners = record.listeners.iter().map(|&index| listeners.get(index).cloned());
            let listeners = listeners.collect::<Option<_>>().context("a listener that is not there")?;
            let binary = Rc::new(Binary::resumed(taken.get(record.binary)?, record.name));
            Ok((number, Generation { config: record.config, binary, listeners }))
        })
        .collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let children = handoff.children.into_iter().map(|record| {
        let channel = record.channel.map(|number| taken.get(number)).transpose()?.map(UnixStream::from);
        let owner = record.owner.map(|(slot, epoch)| Owner { slot, epoch });
        let (process, requests_before) = (Process::new(record.pid), record.requests_before);
        Ok((record.id, Running { process, channel, owner, requests_before, reason: None, may_pass: false }))
    });
    let children = children.collect::<anyhow::Result<BTreeMap<_, _>>>()?;
    let supervisor = {
        let generation = handoff.supervisor.generation();
        let current = generations.get(&generation).context("the generation that holds is not there")?;
        logging::init(&current.config.log, "master")?;
        Supervisor::resume(limits(&current.config), handoff.supervisor)
    };
    let segment_fd = taken.get(fds.segment)?;
    let segment = Segment::attach(&segment_fd)?;
    let vitals = Vitals::of(&segment, supervisor.generation)?;
    let last_error = reverted.map(|reason| format!("the new master could not go on: {reason}"));
    if let Some(reason) = &last_error {
        tracing::error!(reason, "the upgrade was taken back");
    }
    let started =
        Instant::now().checked_sub(Duration::from_millis(uptime)).context("a clock before its start")?;
    let upgrades = upgrades + u32::from(reverted.is_none());
    Ok(Master {
        started,
        exe,
        flags,
        lock: taken.get(fds.lock)?.into(),
        for_writer: UnixListener::from(taken.get(fds.for_writer)?),
        handover: (taken.get(fds.give)?, taken.get(fds.take)?),
        board: Scoreboard::of(&segment),
        segment,
        segment_fd,
        generations,
        supervisor,
        children,
        control: Control::new(UnixListener::from(taken.get(fds.control)?))?,
        signals: take_signals()?,
        reloading: Reloading::resumed(last_generation),
        vitals,
        telling: Telling::new(),
        // No tool had locks, or there would be no record.
        lending: Lending::default(),
        upgrading: Upgrading { upgrades, last_error, ..Upgrading::default() },
        outcome: None,
        failures: BTreeMap::new(),
    })
}

impl Master {
    /// The last step before there is no way back: what can fail has been done, and signals come again.
    fn proven(self) -> anyhow::Result<Master> {
        raise_descriptor_limit()?;
        handoff::taken_signals().thread_unblock()?;
        let listeners = self.generations.values().flat_map(|generation| &generation.listeners);
        listeners.for_each(|listener| listener.own_file());
        Ok(self)
    }
}
