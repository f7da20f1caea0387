//! The writer process: the only one that opens a database for writing.
//!
//! Commands come in over a Unix socket, each connection read by a thread of its own, into a bounded queue for each
//! database. A thread for each takes whatever waits there (`batch`) and makes one transaction of it (`commit`); the
//! kinds of change are in `apply`, by noun. When nobody waits it keeps house (`house`, `check`). One more thread sends
//! mail (`clerk`, `mail`). It must never serve a request, and nothing else in the project may write.

mod apply;
pub mod backup;
mod batch;
mod check;
mod clerk;
mod commit;
pub mod database;
mod facts;
mod files;
mod health;
mod house;
mod mail;
mod mark;
pub mod migrate;
pub mod people;
mod pulse;
mod server;

pub use commit::{Committed, Lost, commit};
pub use house::task_name;
pub use mail::MailTrouble;

use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam::channel;
use veritable_config::Config;
use veritable_config::channel::{Channel, Order};
use veritable_config::slots::WORKER_SLOTS;
use veritable_shm::{Owner, Scoreboard, Segment, SlotState, Store, Tags};
use veritable_sql::Trouble;

use crate::batch::{Batcher, Shared};
use crate::clerk::Clerk;
use crate::database::Database;
use crate::health::Files;
use crate::pulse::Pulse;

/// What a writer is started with.
#[derive(Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// Where commands come in. It outlives this process: the master keeps it, so that a restart of the
    /// writer looks to workers like a pause.
    pub listener: UnixListener,
    /// The segment whose tags are bumped; `None` when no server runs beside an import.
    pub segment: Option<Segment>,
    /// Its slot in the segment, where its heartbeat goes; `None` when nobody watches it.
    pub owner: Option<Owner>,
    /// The master's orders.
    pub channel: Channel,
}

/// Why the writer cannot run.
#[derive(Debug, thiserror::Error)]
pub enum WriterError {
    /// A file or socket cannot be used.
    #[error("{what}: {error}")]
    Io {
        /// Which, and for what.
        what: String,
        /// Why.
        error: std::io::Error,
    },
    /// A database cannot be used.
    #[error("{path}: {error}")]
    Sqlite {
        /// The database's file.
        path: String,
        /// Why.
        error: rusqlite::Error,
    },
    /// A database cannot be used as it is, for a reason that everybody is told.
    #[error("{path}: {reason}")]
    Trouble {
        /// The database's file.
        path: String,
        /// The kind of reason.
        trouble: Trouble,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A database is of another program, or changed by hand.
    #[error("{path}: {reason}")]
    Schema {
        /// The database's file.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A bug: a thread that writes ended by itself.
    #[error("a thread that writes panicked; the log has more")]
    Panicked,
}

/// Runs until the master says drain or is gone: opens and migrates the databases, reports ready, serves.
///
/// # Errors
/// The databases cannot be opened or migrated, or the socket cannot be used.
pub fn run(context: Context) -> Result<(), WriterError> {
    let Context { config, listener, segment, owner, mut channel } = context;
    if let Some((segment, owner)) = segment.as_ref().zip(owner) {
        veritable_sql::watch(segment, owner);
    }
    let opened = Database::ALL
        .into_iter()
        .map(|database| {
            open(&config, segment.as_ref(), database).map(|db| (database, db)).inspect_err(|error| {
                // Whoever reads goes on, and is to know why nobody writes.
                let store = segment.as_ref().and_then(|segment| Store::of(segment, database.index()));
                if let Some((store, trouble)) = store.zip(error.trouble(&database.path(&config))) {
                    health::publish(&store, Some(trouble));
                }
            })
        })
        .collect::<Result<Vec<_>, WriterError>>()?;
    if let Some((segment, (database, db))) = segment.as_ref().zip(opened.first()) {
        mark::settle(db, &Tags::of(segment)).map_err(|error| WriterError::Sqlite {
            path: database.path(&config).display().to_string(),
            error,
        })?;
    }
    let (subscribers, files) = (Arc::new(server::Subscribers::default()), files::Files::of(&config));
    let board = segment.as_ref().map(Scoreboard::of).zip(owner);
    let pulse = Pulse::new(opened.len(), board.clone());
    let (mut queues, mut stops, mut threads) = (Vec::new(), Vec::new(), Vec::new());
    for (database, db) in opened {
        let (jobs, queue) = channel::bounded(config.writer.queue as usize);
        let (stop, stopped) = channel::bounded(1);
        let shared = segment.as_ref().map(|segment| Shared::of(segment, owner, database));
        let batcher = Batcher::new(db, database, &config, shared, (subscribers.clone(), files.clone()));
        let beat = pulse.beat(database.index());
        let thread = std::thread::Builder::new().name(format!("{database:?}").to_lowercase());
        let spawned = thread.spawn(move || batcher.run(&queue, &stopped, &beat));
        threads.push(spawned.map_err(io("the writer's threads"))?);
        queues.push(server::Queue::new(jobs));
        stops.push(stop);
    }
    // Only where there is a server: a tool that writes for a moment leaves the mail to it.
    if owner.is_some()
        && let Some(jobs) = queues.get(Database::Forums.index()).cloned()
    {
        let store = segment.as_ref().and_then(|segment| Store::of(segment, Database::Forums.index()));
        let clerk = Clerk::new(&config, jobs, store)?;
        let (stop, stopped) = channel::bounded(1);
        let thread = std::thread::Builder::new().name("clerk".into());
        thread.spawn(move || clerk.run(&stopped)).map_err(io("the writer's threads"))?;
        stops.push(stop);
    }
    let waker = listener.try_clone().map_err(io("the writer's listener"))?;
    let refused = board.clone();
    let server = server::start(listener, server::Queues { queues, refused, files }, subscribers)
        .map_err(io("the writer's threads"))?;
    let mut orders = channel.try_clone().map_err(io("the master's channel"))?;
    std::thread::Builder::new()
        .name("orders".into())
        .spawn(move || {
            let mut order = orders.wait();
            // The writer keeps nothing that it could spare.
            while order == Order::Shed {
                order = orders.wait();
            }
            for stop in stops {
                // The other end is gone only when its thread has ended already.
                let _ended = stop.send(order);
            }
        })
        .map_err(io("the writer's threads"))?;
    if let Some((board, owner)) = &board {
        board.set_state(*owner, SlotState::Ready);
    }
    channel.ready().map_err(io("the master's channel"))?;
    tracing::info!(data_dir = %config.data_dir.display(), "writer ready");
    let mut panicked = false;
    for thread in threads {
        match thread.join() {
            Ok(Order::MasterGone) => tracing::info!("the master is gone"),
            Ok(_) => {}
            Err(_) => panicked = true,
        }
    }
    server.stop(&waker);
    if panicked { Err(WriterError::Panicked) } else { Ok(()) }
}

impl WriterError {
    /// What it says about the database at `path`, if anything.
    fn trouble(&self, path: &Path) -> Option<Trouble> {
        match self {
            WriterError::Trouble { trouble, .. } => Some(*trouble),
            WriterError::Sqlite { error, .. } => Trouble::of(error, path),
            WriterError::Io { .. } | WriterError::Schema { .. } | WriterError::Panicked => None,
        }
    }
}

/// Opens a database, unless a server that has served from its files lacks one of them now, or has another one in its
/// place: a new one would hide that, and what is written into it would not be what workers read.
fn open(
    config: &Config,
    segment: Option<&Segment>,
    database: Database,
) -> Result<rusqlite::Connection, WriterError> {
    let path = database.path(config);
    let missing = segment.and_then(|segment| {
        if Tags::of(segment).mark() != 0 && !path.exists() {
            return Some(Trouble::Missing);
        }
        // Workers hold their files open, and read on in those that are gone.
        let opened = Files::recorded(&Store::of(segment, database.index())?);
        opened.against(Files::found(&path)).filter(|_| database.is_read_by_workers() && is_served(segment))
    });
    match missing {
        Some(trouble) => {
            let reason = format!("{trouble}; {}", trouble.advice());
            Err(WriterError::Trouble { path: path.display().to_string(), trouble, reason })
        }
        None => database::open(config, database),
    }
}

/// A file that SQLite keeps beside the database at `path`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut file = path.as_os_str().to_owned();
    file.push(suffix);
    PathBuf::from(file)
}

/// Whether any worker serves.
fn is_served(segment: &Segment) -> bool {
    let board = Scoreboard::of(segment);
    (0..WORKER_SLOTS).any(|slot| {
        let state = board.status(slot).ok().and_then(|status| status.state);
        matches!(state, Some(SlotState::Ready | SlotState::Draining))
    })
}

fn io(what: &str) -> impl FnOnce(std::io::Error) -> WriterError + use<> {
    let what = what.to_owned();
    move |error| WriterError::Io { what, error }
}
