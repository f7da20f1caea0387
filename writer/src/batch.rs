//! Group commit: whatever waits becomes one transaction, and every answer goes out after the commit. A lone command
//! is committed at once; a thousand go together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, never, select};
use rusqlite::Connection;
use veritable_config::Config;
use veritable_config::channel::Order;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Counter, Fact, Histograms, Owner, Scoreboard, Segment, Series, Store, TagRef, Tags};
use veritable_sql::Trouble;
use veritable_writer_api::message::{Event, FromWriter, Refusal, Reply};

use crate::commit::{Committed, commit, name};
use crate::database::{self, Database};
use crate::health::Health;
use crate::house::House;
use crate::pulse::Beat;
use crate::server::{Job, Subscribers};

/// Longest wait for readers when the log is truncated at the end.
const TIDY: Duration = Duration::from_millis(200);
/// A batch that takes longer is worth a line in the log: who waits for it notices.
const SLOW: Duration = Duration::from_secs(1);
/// Between two tries whether a database that could not be written can be again.
const PROBE: Duration = Duration::from_secs(1);
/// Longest wait for another program's lock at such a try: commands may come meanwhile.
const PROBE_WAIT: Duration = Duration::from_millis(100);

/// What a batch leaves in the shared segment.
pub(crate) struct Shared {
    tags: Tags,
    store: Option<Store>,
    gauges: Option<(Scoreboard, Histograms, Owner)>,
}

impl Shared {
    pub(crate) fn of(segment: &Segment, owner: Option<Owner>, database: Database) -> Shared {
        Shared {
            tags: Tags::of(segment),
            store: Store::of(segment, database.index()),
            gauges: owner.map(|owner| (Scoreboard::of(segment), Histograms::of(segment), owner)),
        }
    }
}

/// The thread that writes one database.
pub(crate) struct Batcher {
    db: Connection,
    shared: Option<Shared>,
    subscribers: Arc<Subscribers>,
    most: usize,
    commits: u64,
    health: Health,
    probed: Instant,
    house: House,
}

impl Batcher {
    pub(crate) fn new(
        db: Connection,
        database: Database,
        config: &Config,
        shared: Option<Shared>,
        subscribers: Arc<Subscribers>,
    ) -> Self {
        let store = shared.as_ref().and_then(|shared| shared.store.clone());
        Batcher {
            health: Health::of(&database.path(config), store.clone()),
            house: House::new(config, database, store),
            db,
            shared,
            subscribers,
            most: config.writer.batch.max(1) as usize,
            commits: 0,
            probed: Instant::now(),
        }
    }

    /// Commits until told to stop, then what is still queued, and closes the database. Says by `beat` that it is
    /// alive, twice a second at least unless a batch takes longer.
    pub(crate) fn run(mut self, queue: &Receiver<Job>, stop: &Receiver<Order>, beat: &Beat) -> Order {
        let mut order = None;
        let listening = never();
        loop {
            beat.now();
            let mut jobs = Vec::new();
            select! {
                recv(queue) -> job => jobs.extend(job),
                recv(if order.is_none() { stop } else { &listening }) -> said => {
                    order = Some(said.unwrap_or(Order::MasterGone));
                }
                default(if order.is_none() { self.house.patience() } else { Duration::ZERO }) => match order {
                    Some(order) => return self.close(order),
                    None => self.use_the_quiet(queue),
                },
            }
            while jobs.len() < self.most
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
            if !jobs.is_empty() {
                self.say(Fact::Queue, queue.len() as u64);
                self.commit(jobs);
            }
        }
    }

    /// One transaction: all of `jobs`.
    pub(crate) fn commit(&mut self, jobs: Vec<Job>) {
        let begun = Instant::now();
        let done = self.transact(&jobs);
        let took = begun.elapsed();
        if took > SLOW {
            let first = jobs.first().map(|job| name(&job.request.command));
            tracing::warn!(?took, commands = jobs.len(), first, "a batch took long");
        }
        self.measure(&jobs, &done, begun, took);
        self.commits += 1;
        if !done.tags.is_empty() {
            // Before any answer: who knows of a change must find it on every worker.
            if let Some(Shared { tags, .. }) = &self.shared {
                let refs: Vec<TagRef> =
                    done.tags.iter().map(|tag| TagRef::new(tag.to_string().as_bytes())).collect();
                tags.invalidate(&refs);
                if let Some(mark) = done.mark {
                    tags.set_mark(mark);
                }
            }
            self.subscribers.send(&Event { commit: self.commits, tags: done.tags });
        }
        for (job, result) in jobs.into_iter().zip(done.results) {
            let sent = job.peer.send(FromWriter::Reply(Reply { id: job.request.id, result }));
            if !sent {
                tracing::debug!("an answer found its asker gone");
            }
        }
        self.house.soil();
    }

    /// The transaction, or the same refusal for all.
    fn transact(&mut self, jobs: &[Job]) -> Committed {
        if !self.health.is_in_place() {
            return refused(jobs, &self.in_words("the database's file is not there"));
        }
        let before = self.db.total_changes();
        match commit(&self.db, jobs.iter().map(|job| &*job.request)) {
            Ok(mut done) => {
                match done.failure.take() {
                    Some(error) => {
                        self.health.failed(&error);
                    }
                    None if self.db.total_changes() != before => self.health.works(),
                    // A transaction that wrote nothing shows nothing.
                    None => {}
                }
                done
            }
            Err(error) => {
                tracing::error!(%error, commands = jobs.len(), "a batch could not be committed");
                self.roll_back();
                let said = match self.health.failed(&error) {
                    Some(trouble) => trouble.to_string(),
                    None => error.to_string(),
                };
                refused(jobs, &said)
            }
        }
    }

    fn roll_back(&self) {
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a failed transaction could not be rolled back");
        }
    }

    fn in_words(&self, otherwise: &str) -> String {
        self.health.trouble().map_or_else(|| otherwise.to_owned(), |trouble| trouble.to_string())
    }

    fn measure(&self, jobs: &[Job], done: &Committed, begun: Instant, took: Duration) {
        let Some(Shared { gauges: Some((board, histograms, owner)), .. }) = &self.shared else { return };
        let owner = *owner;
        for job in jobs {
            histograms.time(owner, Series::QueueWait, begun.saturating_duration_since(job.arrived));
        }
        let expired = done.results.iter().filter(|result| matches!(result, Err(Refusal::Expired))).count();
        board.add(owner.slot, Counter::CommandsExpired, expired as u64);
        board.add(owner.slot, Counter::CommandsRepeated, done.repeated);
        if self.health.trouble().is_some_and(|trouble| trouble != Trouble::Damaged) {
            board.add(owner.slot, Counter::CommitsFailed, 1);
            return;
        }
        histograms.time(owner, Series::Commit, took);
        histograms.number(owner, Series::BatchSize, jobs.len() as u64);
        board.add(owner.slot, Counter::Commits, 1);
        board.add(owner.slot, Counter::Commands, jobs.len() as u64);
    }

    fn use_the_quiet(&mut self, queue: &Receiver<Job>) {
        self.say(Fact::Queue, 0);
        match self.health.trouble() {
            Some(trouble) if trouble != Trouble::Damaged => self.probe(),
            _ if !self.health.is_in_place() => {}
            _ => {
                let queue = queue.clone();
                self.house.tend(&mut self.db, &mut self.health, move || !queue.is_empty());
            }
        }
    }

    /// Tries whether the database can be written again, so that its state is known before somebody writes.
    fn probe(&mut self) {
        if self.probed.elapsed() < PROBE || !self.health.is_in_place() {
            return;
        }
        self.probed = Instant::now();
        let tried = self.db.busy_timeout(PROBE_WAIT).and_then(|()| {
            self.db.execute_batch(
                "BEGIN IMMEDIATE;
                 INSERT INTO facts (name, value) VALUES ('probe', hex(randomblob(8)))
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value;
                 COMMIT",
            )
        });
        let tried = self.db.busy_timeout(database::BUSY).and(tried);
        match tried {
            Ok(()) => self.health.works(),
            Err(error) => {
                self.roll_back();
                self.health.failed(&error);
            }
        }
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = self.shared.as_ref().and_then(|shared| shared.store.as_ref()) {
            store.set(fact, value);
        }
    }

    fn close(self, order: Order) -> Order {
        self.house.close();
        let tidied = match order {
            Order::Drain | Order::HandOver => {
                // Its successor waits: readers of the log are not waited for, the next start has it truncated.
                self.db
                    .busy_timeout(TIDY)
                    .and_then(|()| self.db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
                    .and_then(|()| self.db.execute_batch("PRAGMA optimize"))
            }
            // Orphaned workers may hold the log for as long as they live: leave it to the next start.
            Order::MasterGone | Order::Shed | Order::Leave => Ok(()),
        };
        let closed = tidied.and_then(|()| self.db.close().map_err(|(_, error)| error));
        if let Err(error) = closed {
            tracing::warn!(%error, "the database was closed without a checkpoint; the next start makes it");
        }
        order
    }
}

fn refused(jobs: &[Job], reason: &str) -> Committed {
    let now = UnixMillis::now();
    let refuse = |job: &Job| {
        // Nobody waits for that any more.
        if job.request.deadline < now {
            Refusal::Expired
        } else {
            Refusal::Storage { reason: reason.to_owned() }
        }
    };
    Committed { results: jobs.iter().map(|job| Err(refuse(job))).collect(), ..Committed::default() }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
