//! The worker process: HTTP in, pages and JSON out. It reads the databases, never writes them; every
//! change goes to the writer as a typed command.

pub mod answer;
pub mod app;
pub mod assets;
mod background;
mod cache;
mod devices;
pub mod error;
pub mod handlers;
mod hashing;
mod http;
mod limits;
mod mails;
mod memory;
pub mod metrics;
#[doc(hidden)]
mod openapi;
pub mod parsers;
mod pictures;
pub mod reads;
pub mod routes;
mod second_factor;
mod sessions;
mod uploads;
pub mod views;

pub use cache::{Kept, Key, Stored};
pub use handlers::wiki::page_called;
pub use http::accept::Listener;
pub use http::encoding::Encoding;
pub use http::handover::Handover;

use std::sync::Arc;

use veritable_config::Config;
use veritable_config::channel::Channel;
use veritable_shm::{Owner, Scoreboard, Segment, ShmError, SlotState};
use veritable_sql::Trouble;

use crate::app::App;

/// What a worker is started with.
#[derive(Debug)]
pub struct Context {
    /// The settings.
    pub config: Config,
    /// Shared with the other workers; the master keeps them open.
    pub listeners: Vec<Listener>,
    /// Shared with the other workers, for connections that change hands.
    pub handover: Handover,
    /// The shared segment.
    pub segment: Segment,
    /// This worker's slot there.
    pub owner: Owner,
    /// The master's orders.
    pub channel: Channel,
}

/// Why a worker cannot run.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A socket or thread cannot be had.
    #[error("{what}: {error}")]
    Io {
        /// Which, and for what.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// A database cannot be read.
    #[error("{path}: {error}")]
    Database {
        /// Its file.
        path: String,
        /// Why.
        error: rusqlite::Error,
    },
    /// It would not serve well.
    #[error("asked for its front page, this worker {said}")]
    Probe {
        /// What it did instead.
        said: String,
    },
    /// The segment is not this worker's.
    #[error(transparent)]
    Segment(#[from] ShmError),
}

impl WorkerError {
    /// Whether it may pass by itself: a database's file, disk or lock may come back, what is in it does not change.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let WorkerError::Database { path, error } = self else { return false };
        Trouble::of(error, path.as_ref()).is_some_and(|trouble| trouble != Trouble::Damaged)
    }
}

/// Serves until the master says drain (then finishes what it has) or is gone (then returns at once).
///
/// # Errors
/// What it was started with cannot be used.
pub fn run(context: Context) -> Result<(), WorkerError> {
    let io = |what| move |error| WorkerError::Io { what, error };
    let Context { config, listeners, handover, segment, owner, mut channel } = context;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(io("starting the event loop"))?;
    runtime.block_on(async {
        let app = Arc::new(App::open(config, &segment, owner)?);
        let orders = channel.try_clone().map_err(io("the master's channel"))?;
        http::probe::check(&app).await?;
        let adopting = handover.try_clone().map_err(io("the handover's sockets"))?;
        let accepting =
            http::accept::start(listeners, adopting, &app).map_err(io("the accepting threads"))?;
        Scoreboard::of(&segment).set_state(owner, SlotState::Ready);
        channel.ready().map_err(io("the master's channel"))?;
        tracing::info!(slot = owner.slot, "worker ready");
        http::serve::until_told(app, accepting, handover, orders).await;
        Scoreboard::of(&segment).set_state(owner, SlotState::Empty);
        Ok(())
    })
}
