//! What every request of this worker shares: settings, cache, readers, the way to the writer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipnet::IpNet;
use rusqlite::Connection;
use tokio::sync::Mutex;
use tokio::time::Instant;
use veritable_config::Config;
use veritable_config::settings::Switch;
use veritable_config::slots::{WORKER_SLOTS, WORKERS_MAX};
use veritable_domain::time::UnixMillis;
use veritable_shm::{Counter, Fact, Gauge, Owner, RouteId, Routes, Scoreboard, Segment, SlotState, Store};
use veritable_sql::Trouble;
use veritable_writer_api::CallError;
use veritable_writer_api::client::Client;
use veritable_writer_api::message::{Command, Outcome, Refusal};

use crate::WorkerError;
use crate::cache::SharedCache;
use crate::error::Error;
use crate::hashing::Hashing;
use crate::http::body::Room;
use crate::http::cookies::Cookies;
use crate::http::router::Router;
use crate::limits::Limiter;
use crate::memory;
use crate::reads::meter::Meter;
use crate::reads::pool::Pool;
use crate::routes::{ChangeKey, Cost};
use crate::sessions::Known;
use crate::uploads::Uploads;

/// How long a writer's sign of life counts.
const WRITER_SEEN: Duration = Duration::from_secs(1);
/// After how long without a sign of life a worker is not counted on to take connections: several of its beats.
const SILENT_MS: u64 = 2_000;
/// How long a read that failed says something about the database.
pub(crate) const READ_TROUBLE_MS: u64 = 60_000;
/// How long after its deadline a change is waited for whose outcome is not known: a writer that died is there again
/// within a second or two. Well within the time a request may take.
const TRUTH: Duration = Duration::from_secs(10);

/// One worker's state. Lives as long as the process.
pub struct App {
    pub(crate) config: Config,
    pub(crate) router: Router,
    /// Where answers are counted.
    pub(crate) routes: Routes,
    /// Where those are that no pattern of the table answers.
    pub(crate) asset: RouteId,
    pub(crate) picture: RouteId,
    pub(crate) health: RouteId,
    pub(crate) cache: Arc<SharedCache>,
    /// See `http.trusted_proxies`.
    pub(crate) trusted_proxies: Vec<IpNet>,
    leaving: AtomicBool,
    draining: AtomicBool,
    closing: AtomicBool,
    /// Where it says what things cost.
    pub(crate) meter: Meter,
    pub(crate) sessions: Known,
    pub(crate) cookies: Cookies,
    pub(crate) limits: Limiter,
    pub(crate) hashing: Hashing,
    pub(crate) uploads: Uploads,
    pub(crate) bodies: Room,
    reads: Pool,
    writer: Client,
    writer_seen: Mutex<Option<(Instant, bool)>>,
    pub(crate) segment: Segment,
    scoreboard: Scoreboard,
    stores: Vec<Store>,
    owner: Owner,
}

impl App {
    /// Opens the databases and starts the connection to the writer, on the current tokio runtime.
    ///
    /// # Errors
    /// A database cannot be opened, or the segment has no such slot.
    pub(crate) fn open(config: Config, segment: &Segment, owner: Owner) -> Result<App, WorkerError> {
        veritable_sql::watch(segment, owner);
        let path = config.forums_db();
        let routes = Routes::of(segment, owner.slot);
        let meter = Meter::of(segment, owner);
        let reads = Pool::open(&path, &config.reads, meter.clone())
            .map_err(|error| WorkerError::Database { path: path.display().to_string(), error })?;
        Ok(App {
            router: Router::new(crate::routes::table()).counted(&routes),
            asset: routes.find("asset"),
            picture: routes.find("picture"),
            health: routes.find("health"),
            routes,
            cache: Arc::new(SharedCache::new(segment, owner, &config)?),
            // The settings were checked: what does not parse is not there.
            trusted_proxies: config.http.trusted_proxies.iter().flat_map(|text| text.parse()).collect(),
            leaving: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            meter,
            sessions: Known::of(segment, owner, config.accounts.session_days)?,
            cookies: Cookies { plain: config.accounts.plain_http == Switch::On },
            limits: Limiter::of(segment),
            hashing: Hashing::start(&config)
                .map_err(|error| WorkerError::Io { what: "the threads that hash passwords", error })?,
            uploads: Uploads::start(&config)
                .map_err(|error| WorkerError::Io { what: "the thread that makes pictures", error })?,
            bodies: Room::new(),
            reads,
            writer: Client::start(&config.writer_socket()),
            writer_seen: Mutex::new(None),
            segment: segment.clone(),
            scoreboard: Scoreboard::of(segment),
            stores: (0..).map_while(|index| Store::of(segment, index)).collect(),
            owner,
            config,
        })
    }

    /// Sends a command to the writer and waits for its commit.
    ///
    /// # Errors
    /// The writer refused, or its answer did not come in time.
    pub async fn send(&self, command: Command, key: &ChangeKey) -> Result<Outcome, Error> {
        self.send_later(command, key.clone()).await
    }

    /// The same as something to be done, by whoever does it.
    pub(crate) fn send_later(
        &self,
        command: Command,
        key: ChangeKey,
    ) -> impl Future<Output = Result<Outcome, Error>> + Send + use<> {
        self.count(Counter::Writes);
        let within = Duration::from_millis(self.config.writer.deadline_ms.into());
        let writer = self.writer.clone();
        async move {
            writer.send(command, key.key, within, TRUTH).await.map_err(|error| match error {
                CallError::Refused(
                    refusal @ (Refusal::Busy | Refusal::Expired | Refusal::Storage { .. }),
                ) => Error::NotStored { refusal, key: key.name },
                CallError::Refused(refusal) => Error::Refused(refusal),
                CallError::OutcomeUnknown { why } => Error::OutcomeUnknown { why, key: key.name },
                CallError::Broken(error) => Error::OutcomeUnknown { why: error.to_string(), key: key.name },
            })
        }
    }

    /// Runs a read in a read transaction of its own: on the event loop or on the pool, by its cost. One that takes
    /// longer on the event loop than its cost says is run a second time, on the pool.
    ///
    /// # Errors
    /// What `read` yields; [`Error::Busy`] when it took too long or no reader was free.
    pub async fn run<T: Send + 'static>(
        &self,
        cost: Cost,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        match cost {
            Cost::Point => self.reads.inline(read).await,
            Cost::Pool => self.reads.pooled(read).await,
        }
    }

    /// Whether the writer answers, by a ping at most a second old.
    pub(crate) async fn writer_answers(&self) -> bool {
        let mut seen = self.writer_seen.lock().await;
        if let Some((at, answers)) = *seen
            && at.elapsed() < WRITER_SEEN
        {
            return answers;
        }
        let answers = self.writer.ping(WRITER_SEEN).await;
        *seen = Some((Instant::now(), answers));
        answers
    }

    /// What is wrong with the databases although requests are answered, for load balancers and people.
    pub(crate) fn troubles(&self) -> Vec<(&'static str, Trouble)> {
        let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
        let mut troubles = Vec::new();
        for store in &self.stores {
            let read_at = store.get(Fact::ReadTroubleAt);
            let reads = Trouble::from_number(store.get(Fact::ReadTrouble));
            troubles.extend(Trouble::from_number(store.get(Fact::WriteTrouble)).map(|t| ("writes", t)));
            let is_recent = now.saturating_sub(read_at) < READ_TROUBLE_MS;
            troubles.extend(reads.filter(|_| is_recent).map(|trouble| ("reads", trouble)));
        }
        troubles
    }

    /// Says to load balancers that this server is about to end, while everything is served as before.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Says to load balancers and the master that this worker is about to end, and with `closing` to every
    /// client that its connection will.
    pub(crate) fn drain(&self, closing: bool) {
        self.draining.store(true, Ordering::Relaxed);
        self.closing.store(closing, Ordering::Relaxed);
        self.scoreboard.set_state(self.owner, SlotState::Draining);
    }

    /// Whether at least half of the workers that should serve do.
    pub(crate) fn has_quorum(&self) -> bool {
        let cores = || {
            let all = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            all.min(usize::from(WORKERS_MAX))
        };
        let wanted = if self.config.workers == 0 { cores() } else { usize::from(self.config.workers) };
        self.ready_workers().count() * 2 >= wanted
    }

    /// The workers that take connections: each one's slot, and when it was heard of.
    fn ready_workers(&self) -> impl Iterator<Item = (u16, u64)> {
        (0..WORKER_SLOTS).filter_map(|slot| {
            let status = self.scoreboard.status(slot).ok()?;
            (status.state == Some(SlotState::Ready)).then_some((slot, status.heartbeat_ms))
        })
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What the answers counted for `route` are called.
    pub(crate) fn route_name(&self, route: RouteId) -> &'static str {
        match route {
            _ if route == self.asset => "asset",
            _ if route == self.picture => "picture",
            _ if route == self.health => "health",
            _ => self.router.pattern(route).unwrap_or("other"),
        }
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.scoreboard.add(self.owner.slot, counter, 1);
    }

    pub(crate) fn count_bytes(&self, bytes: u64) {
        self.scoreboard.add(self.owner.slot, Counter::BytesOut, bytes);
    }

    /// Tells others how many connections this process has open.
    pub(crate) fn tell_connections(&self, open: usize) {
        self.scoreboard.set_gauge(self.owner, Gauge::Connections, open as u64);
    }

    /// The fewest connections that another worker, one that takes some, has open. One that hangs takes none.
    pub(crate) fn fewest_connections(&self) -> Option<usize> {
        let since = veritable_shm::now_ms().saturating_sub(SILENT_MS);
        self.ready_workers()
            .filter(|(slot, heard_ms)| *slot != self.owner.slot && *heard_ms >= since)
            .map(|(slot, _)| self.scoreboard.gauge(slot, Gauge::Connections) as usize)
            .min()
    }

    /// Tells the master that the event loop turns, and how large this process is; and others how many connections it has,
    /// which threads that met may have told in the wrong order.
    pub(crate) fn beat(&self, connections: usize) {
        self.tell_connections(connections);
        self.scoreboard.beat(self.owner, veritable_shm::now_ms());
        self.scoreboard.set_memory(self.owner, memory::heap_bytes(), memory::anon_bytes());
        self.reads.look();
    }

    /// Gives back what memory can be spared. The allocator returns freed pages to the system by itself,
    /// within a second or so.
    pub(crate) fn shed(&self) {
        tracing::info!(heap_bytes = memory::heap_bytes(), "giving memory back");
        self.cache.shed();
        self.reads.shrink();
    }
}
