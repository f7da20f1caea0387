//! The writer process: the only one that opens a database for writing.
//!
//! Commands come in over a Unix socket, each connection read by a thread of its own, into one bounded queue.
//! One thread takes whatever waits there and makes one transaction of it (`batch`); the kinds of change are
//! in `apply`, by noun. It must never serve a request, and nothing else in the project may write.

mod apply;
mod batch;
pub mod database;
mod mark;
pub mod migrate;
mod server;

use std::os::unix::net::UnixListener;
use std::sync::Arc;

use crossbeam::channel;
use veritable_config::Config;
use veritable_config::channel::{Channel, Order};
use veritable_shm::{Owner, Scoreboard, Segment, SlotState, Tags};

use crate::database::Database;

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
    /// A database is of another program, newer, or changed by hand.
    #[error("{path}: {reason}")]
    Schema {
        /// The database's file.
        path: String,
        /// What is wrong and what to do.
        reason: String,
    },
}

/// Runs until the master says drain or is gone: opens and migrates the databases, reports ready, serves.
///
/// # Errors
/// The databases cannot be opened or migrated, or the socket cannot be used.
pub fn run(context: Context) -> Result<(), WriterError> {
    let Context { config, listener, segment, owner, mut channel } = context;
    let forums = database::open(&config, Database::Forums)?;
    // Migrated and left: its writes come with the notebooks themselves.
    drop(database::open(&config, Database::Notebooks)?);
    let tags = segment.as_ref().map(Tags::of);
    if let Some(tags) = &tags {
        mark::settle(&forums, tags).map_err(|error| WriterError::Sqlite {
            path: Database::Forums.path(&config).display().to_string(),
            error,
        })?;
    }
    let io = |what: &str| {
        let what = what.to_owned();
        move |error| WriterError::Io { what, error }
    };
    let (jobs, queue) = channel::bounded(config.writer.queue as usize);
    let (stop, stopped) = channel::bounded(1);
    let subscribers = Arc::new(server::Subscribers::default());
    let waker = listener.try_clone().map_err(io("the writer's listener"))?;
    let server = server::start(listener, jobs, subscribers.clone()).map_err(io("the writer's threads"))?;
    let mut orders = channel.try_clone().map_err(io("the master's channel"))?;
    std::thread::Builder::new()
        .name("orders".into())
        .spawn(move || {
            let mut order = orders.wait();
            // The writer keeps nothing that it could spare.
            while order == Order::Shed {
                order = orders.wait();
            }
            // The other end is gone only when the batch thread has ended already.
            let _ended = stop.send(order);
        })
        .map_err(io("the writer's threads"))?;
    let pulse = segment.as_ref().map(Scoreboard::of).zip(owner);
    if let Some((board, owner)) = &pulse {
        board.set_state(*owner, SlotState::Ready);
    }
    channel.ready().map_err(io("the master's channel"))?;
    tracing::info!(data_dir = %config.data_dir.display(), "writer ready");
    let order = batch::Batcher::new(forums, &config, tags, subscribers).beating(pulse).run(&queue, &stopped);
    drop(queue);
    server.stop(&waker);
    if order == Order::MasterGone {
        tracing::info!("the master is gone");
    }
    Ok(())
}
