//! The master: opens what everybody shares, then carries out what the supervisor decides. One thread, one
//! `poll`; it never waits for a child and takes no lock in the segment.

mod events;
mod lending;
mod reloading;
mod telling;
mod upgrading;
mod vitals;

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use sd_notify::NotifyState;
use serde_json::{Value, json};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::iterator::backend::SignalDelivery;
use signal_hook::iterator::exfiltrator::SignalOnly;
use veritable_config::Config;
use veritable_config::channel::{DRAIN, HAND_OVER, LEAVE, SHED};
use veritable_config::settings::{self, Entry, Switch};
use veritable_config::slots::{MASTER_SLOT, SLOTS, WORKER_SLOTS, WORKERS_MAX, WRITER_SLOT};
use veritable_shm::{Counter, Geometry, Owner, Pages, Scoreboard, Segment, SlotState, now_ms};

use crate::binary::Binary;
use crate::boot::{self, Boot};
use crate::control::Control;
use crate::listeners::Listener;
use crate::process::Process;
use crate::supervisor::{Action, ChildId, Event, Life, Limits, Millis, Phase, Role, Supervisor};
use crate::{databases, listeners, out, spawn, status, systemd};
use lending::Lending;
use reloading::Reloading;
use telling::Telling;
use upgrading::Upgrading;
use vitals::Vitals;

/// What a start or a stop takes beside its processes' own time.
const SOME: Duration = Duration::from_secs(10);

/// What a master is started with.
pub(crate) struct Start {
    /// The settings.
    pub(crate) config: Config,
    /// The flags they were loaded with, for loading them again.
    pub(crate) flags: Vec<OsString>,
    /// The data directory's lock.
    pub(crate) lock: File,
    /// What workers accept from.
    pub(crate) public: Vec<Rc<Listener>>,
    /// The segment of the server before this one, if systemd kept it.
    pub(crate) kept_cache: Option<OwnedFd>,
}

/// One child's process.
struct Running {
    process: Process,
    /// `None` once the child has closed its end.
    channel: Option<UnixStream>,
    owner: Option<Owner>,
    /// Requests its slot had counted before it.
    requests_before: u64,
    /// Why it cannot serve, as it said.
    reason: Option<String>,
    /// That may pass by itself, it said.
    may_pass: bool,
}

/// What the processes of one generation are made of.
#[derive(Clone)]
struct Generation {
    config: Config,
    binary: Rc<Binary>,
    listeners: Vec<Rc<Listener>>,
}

impl Generation {
    /// Where people reach it, as they write it.
    fn urls(&self) -> Vec<String> {
        let public = self.listeners.iter().filter(|listener| listener.entry == Entry::Public);
        public.map(|listener| listener.url()).collect()
    }
}

struct Master {
    started: Instant,
    /// Where a reload looks for the program.
    exe: PathBuf,
    flags: Vec<OsString>,
    lock: File,
    for_writer: UnixListener,
    /// Both ends of what workers hand connections over with.
    handover: (OwnedFd, OwnedFd),
    segment: Segment,
    segment_fd: OwnedFd,
    board: Scoreboard,
    /// Each generation that still runs somewhere.
    generations: BTreeMap<u64, Generation>,
    supervisor: Supervisor,
    children: BTreeMap<ChildId, Running>,
    control: Control,
    signals: SignalDelivery<UnixStream, SignalOnly>,
    reloading: Reloading,
    vitals: Vitals,
    telling: Telling,
    lending: Lending,
    upgrading: Upgrading,
    /// Why those are not there that ended by themselves; by what they are called.
    failures: BTreeMap<String, String>,
    outcome: Option<Result<(), String>>,
}

/// Serves until told to stop.
///
/// # Errors
/// It could not start; the reason in one line.
pub(crate) fn run(start: Start) -> anyhow::Result<()> {
    raise_descriptor_limit()?;
    let mut master = Master::new(start)?;
    tracing::info!(pid = std::process::id(), version = env!("CARGO_PKG_VERSION"), "starting");
    systemd::notify(&[systemd::lasting(master.longest(|process| process.boot_seconds))]);
    master.dispatch(Event::Start);
    finish(master)
}

/// Goes on where the image before left off; if that cannot be, becomes that image again.
///
/// # Errors
/// Neither can go on.
pub(crate) fn resume(record: OwnedFd, reverted: Option<String>) -> anyhow::Result<()> {
    let mut master = upgrading::resume(record, reverted.as_deref())?;
    tracing::info!(upgrades = master.upgrading.upgrades, version = env!("CARGO_PKG_VERSION"), "upgraded");
    if reverted.is_none() {
        master.board.add(MASTER_SLOT, Counter::Upgrades, 1);
        // Its children still run the program of before.
        master.request_reload(None);
    }
    finish(master)
}

fn finish(mut master: Master) -> anyhow::Result<()> {
    let outcome = master.until_done();
    let config = &master.current().config;
    for socket in [config.control_socket(), config.writer_socket()] {
        if let Err(error) = fs::remove_file(&socket) {
            tracing::warn!(%error, socket = %socket.display(), "a socket stays behind");
        }
    }
    tracing::info!("stopped");
    outcome?.map_err(anyhow::Error::msg)
}

impl Master {
    fn new(start: Start) -> anyhow::Result<Master> {
        let Start { config, flags, lock, public, kept_cache } = start;
        // Before any child: one of them may end at once.
        let signals = take_signals()?;
        listeners::make_runtime_dir(&config)?;
        let for_writer = listeners::open_private(&config.writer_socket())?;
        let control = Control::new(listeners::open_private(&config.control_socket())?)?;
        let handover = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .context("making the handover's sockets")?;
        let geometry = Geometry {
            cache_bytes: config.cache.bytes,
            cache_entries: config.cache.entries,
            value_share: config.cache.value_share,
            worker_slots: SLOTS,
            ..Geometry::default()
        };
        let pages = match config.cache.huge_pages {
            Switch::On => Pages::Huge,
            Switch::Off => Pages::Usual,
        };
        let (segment_fd, segment) = systemd::segment(kept_cache, &geometry, pages)?;
        let binary = Rc::new(Binary::running().context("finding the binary")?);
        let exe = std::env::current_exe().context("finding the binary")?;
        Ok(Master {
            started: Instant::now(),
            exe,
            flags,
            lock,
            for_writer,
            handover,
            board: Scoreboard::of(&segment),
            vitals: Vitals::of(&segment, 1)?,
            segment,
            segment_fd,
            supervisor: Supervisor::new(limits(&config)),
            generations: BTreeMap::from([(1, Generation { config, binary, listeners: public })]),
            children: BTreeMap::new(),
            control,
            signals,
            reloading: Reloading::default(),
            telling: Telling::new(),
            lending: Lending::default(),
            upgrading: Upgrading::default(),
            failures: BTreeMap::new(),
            outcome: None,
        })
    }

    /// How long a start or a stop may take: the writer, the workers, and some.
    fn longest(&self, seconds: impl Fn(&settings::Process) -> u32) -> Duration {
        let each = seconds(&self.current().config.process);
        2 * Duration::from_secs(each.into()) + SOME
    }

    fn now(&self) -> Millis {
        Millis::try_from(self.started.elapsed().as_millis()).unwrap_or(Millis::MAX)
    }

    /// The generation that holds.
    fn current(&self) -> &Generation {
        &self.generations[&self.supervisor.generation]
    }

    /// Has the supervisor decide and carries it out, until nothing follows from it.
    fn dispatch(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = self.supervisor.step(self.now(), event);
            for action in actions {
                events.extend(self.act(action));
            }
        }
        let recycled = std::mem::take(&mut self.supervisor.recycled);
        self.board.add(MASTER_SLOT, Counter::Recycles, recycled);
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { child, role, slot, generation } => {
                if let Err(error) = self.spawn(child, role, slot, generation) {
                    tracing::error!(%role, error = format!("{error:#}"), "cannot start a process");
                    let how = format!("could not be started: {error:#}");
                    return Some(Event::Exited { id: child, how, may_pass: false });
                }
            }
            Action::Drain(child) => self.drain(child),
            Action::Shed(child) => self.order(child, SHED),
            Action::Leave(child) => self.order(child, LEAVE),
            Action::Kill(child) => self.kill(child),
            Action::Serving => self.serving(),
            Action::Reloaded(result) => self.reloaded(&result),
            Action::Exit(outcome) => self.outcome = Some(outcome),
        }
        None
    }

    fn spawn(&mut self, id: ChildId, role: Role, slot: Option<u16>, generation: u64) -> anyhow::Result<()> {
        let made_of = self.generations.get(&generation).context("no such generation")?.clone();
        let slot = if role == Role::Writer { Some(WRITER_SLOT) } else { slot };
        let requests_before = slot.map_or(0, |slot| self.board.count(slot, Counter::Requests));
        let owner = slot.map(|slot| self.board.enlist(slot, generation, now_ms())).transpose()?;
        let spawned = self.spawn_process(role, owner, made_of);
        if spawned.is_err() {
            self.retire(slot);
        }
        let (process, channel) = spawned?;
        tracing::debug!(%role, pid = process.id(), generation, "started");
        if let Some(slot) = slot {
            self.board.set_pid(slot, process.id())?;
        }
        let running = Running {
            process,
            channel: Some(channel),
            owner,
            requests_before,
            reason: None,
            may_pass: false,
        };
        self.children.insert(id, running);
        Ok(())
    }

    fn spawn_process(
        &self,
        role: Role,
        owner: Option<Owner>,
        Generation { config, binary, listeners }: Generation,
    ) -> anyhow::Result<(Process, UnixStream)> {
        let (command, entries, fds) = match role {
            Role::Writer => ("role-writer", Vec::new(), vec![dup(&self.for_writer)?, dup(&self.lock)?]),
            Role::Worker { .. } => {
                let entries = listeners.iter().map(|listener| listener.entry).collect();
                let fds = listeners.iter().map(|listener| dup(&**listener));
                ("role-worker", entries, fds.collect::<std::io::Result<_>>()?)
            }
        };
        let mut handed: Vec<_> = fds.into_iter().zip(boot::LISTENERS..).collect();
        handed.push((dup(&self.segment_fd)?, boot::SEGMENT));
        if role != Role::Writer {
            handed.push((dup(&self.handover.0)?, boot::GIVE));
            handed.push((dup(&self.handover.1)?, boot::TAKE));
        }
        let owner = owner.map(|owner| (owner.slot, owner.epoch));
        let boot = Boot::new(role.to_string(), owner, entries, config);
        let spawned = spawn::spawn(&binary, command, &boot, handed)?;
        Ok((spawned.process, spawned.channel))
    }

    fn retire(&self, slot: Option<u16>) {
        if let Some(Err(error)) = slot.map(|slot| self.board.retire(slot)) {
            tracing::error!(%error, "cannot free a slot");
        }
    }

    fn drain(&mut self, id: ChildId) {
        if let Some(owner) = self.children.get(&id).and_then(|running| running.owner) {
            self.board.set_state(owner, SlotState::Draining);
        }
        // While the server goes on, other workers take the connections.
        let is_worker = self.supervisor.children.get(&id).is_some_and(|child| child.role != Role::Writer);
        let goes_on = self.supervisor.phase == Phase::Serving;
        self.order(id, if is_worker && goes_on { HAND_OVER } else { DRAIN });
    }

    fn order(&mut self, id: ChildId, order: u8) {
        let Some(running) = self.children.get_mut(&id) else { return };
        if let Some(Err(error)) = running.channel.as_mut().map(|channel| channel.write_all(&[order])) {
            tracing::debug!(%error, pid = running.process.id(), "a process ended before it was told to");
        }
    }

    fn kill(&mut self, id: ChildId) {
        let Some(running) = self.children.get_mut(&id) else { return };
        let pid = running.process.id();
        tracing::warn!(pid, "killing a process that is not ready or not done in time");
        // It is not reaped yet, so the pid is still its own.
        if let Err(error) = running.process.kill() {
            tracing::error!(%error, pid, "cannot kill a process");
        }
    }

    fn serving(&mut self) {
        let urls = self.current().urls();
        for url in &urls {
            out::line(&format!("Veritable is at {url} (Ctrl-C stops it)"));
        }
        let (listen, workers) = (urls.join(", "), self.supervisor.places.len() - 1);
        tracing::info!(%listen, workers, startup_ms = self.now(), "serving");
        systemd::notify(&[NotifyState::Ready]);
    }

    fn status(&self) -> Value {
        let now = self.now();
        let processes = self.supervisor.children.iter().filter_map(|(id, child)| {
            let running = self.children.get(id)?;
            let slot = running.owner.map(|owner| owner.slot);
            Some(status::process(&self.supervisor, &self.board, child, slot, running.process.id(), now))
        });
        let state = match self.supervisor.phase {
            Phase::Starting => "starting",
            Phase::Serving if self.supervisor.is_leaving() => "leaving",
            Phase::Serving if self.is_reloading() => "reloading",
            Phase::Serving if self.supervisor.places.iter().any(|place| place.given_up) => "degraded",
            Phase::Serving => "serving",
            Phase::Stopping | Phase::Stopped => "stopping",
        };
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "state": state,
            "pid": std::process::id(),
            "uptime_seconds": now / 1_000,
            "generation": self.supervisor.generation,
            "data_dir": self.current().config.data_dir,
            "listen": self.current().urls(),
            "last_reload_error": self.reloading.last_error,
            "failures": self.failures,
            "upgrades": self.upgrading.upgrades,
            "last_upgrade_error": self.upgrading.last_error,
            "processes": processes.collect::<Vec<_>>(),
            "databases": databases::status(&self.segment),
            "mail": databases::mail(&self.segment),
            "cache": status::cache(&self.segment),
            "times": status::times(&self.segment),
            "counters": status::counters(&self.board, &self.segment),
        })
    }

    /// Forgets the generations that nobody runs any more.
    fn forget_old_generations(&mut self) {
        if !self.supervisor.is_rolling() {
            let used: Vec<u64> = self.supervisor.children.values().map(|child| child.generation).collect();
            let current = self.supervisor.generation;
            self.generations.retain(|generation, _| *generation == current || used.contains(generation));
        }
    }
}

fn take_signals() -> anyhow::Result<SignalDelivery<UnixStream, SignalOnly>> {
    let (read, write) = UnixStream::pair().context("taking signals")?;
    let taken = [SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR2];
    SignalDelivery::with_pipe(read, write, SignalOnly, taken).context("taking signals")
}

/// What the settings say about processes.
fn limits(config: &Config) -> Limits {
    let cores =
        || std::thread::available_parallelism().map_or(1, |n| u16::try_from(n.get()).unwrap_or(u16::MAX));
    let workers = if config.workers == 0 { cores().min(WORKERS_MAX) } else { config.workers };
    Limits {
        workers,
        slots: WORKER_SLOTS,
        drain: millis(config.process.drain_seconds),
        leave: millis(config.process.leave_seconds),
        boot: millis(config.process.boot_seconds),
        probation: millis(config.process.probation_seconds),
        hang: millis(config.process.hang_seconds),
        heap: config.process.heap_bytes,
        max_requests: config.process.max_requests,
        max_age: millis(config.process.max_age_seconds),
    }
}

fn millis(seconds: u32) -> Millis {
    Millis::from(seconds) * 1_000
}

fn dup(fd: &impl AsFd) -> std::io::Result<OwnedFd> {
    fd.as_fd().try_clone_to_owned()
}

/// Connections are descriptors; the children inherit the limit.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).context("the limit of descriptors")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).context("raising the limit of descriptors")
}
