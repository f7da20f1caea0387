//! Group commit: whatever waits becomes one transaction, and every answer goes out after the commit. A lone command
//! is committed at once; a thousand go together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, never, select};
use rusqlite::Connection;
use veritable_config::Config;
use veritable_config::channel::Order;
use veritable_domain::upload::UploadHash;
use veritable_shm::{Counter, Fact, Histograms, Owner, Scoreboard, Segment, Series, Store, TagRef, Tags};
use veritable_sql::Trouble;
use veritable_writer_api::message::{Command, Event, FromWriter, Refusal, Reply, Uploads};

use crate::commit::{Committed, Lost, commit, done_before, name};
use crate::database::{self, Database};
use crate::files::{Fate, Files};
use crate::health::Health;
use crate::house::House;
use crate::pulse::Beat;
use crate::server::{Job, Subscribers};
use crate::{check, facts};

/// Longest wait for readers when the log is truncated at the end.
const TIDY: Duration = Duration::from_millis(200);
/// A batch that takes longer is worth a line in the log: who waits for it notices.
const SLOW: Duration = Duration::from_secs(1);
/// Between two tries whether a database that could not be written can be again.
const PROBE: Duration = Duration::from_secs(1);
/// The fact that such a try writes.
const PROBED: &str = "probe";
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
    /// What was in a log that is gone is in the database.
    saved_log: bool,
    house: House,
    files: Files,
}

impl Batcher {
    pub(crate) fn new(
        db: Connection,
        database: Database,
        config: &Config,
        shared: Option<Shared>,
        (subscribers, files): (Arc<Subscribers>, Files),
    ) -> Self {
        let store = shared.as_ref().and_then(|shared| shared.store.clone());
        let mut health = Health::of(&database.path(config), store.clone());
        let house = House::new(config, database, store, files.clone());
        match check::known_damage(&db) {
            Ok(Some(how)) => {
                health.damaged(&how);
                house.check.found_before();
            }
            Ok(None) => {}
            Err(error) => {
                if health.failed(&error).is_none() {
                    tracing::error!(%error, ?database, "whether it is damaged cannot be read");
                }
            }
        }
        Batcher {
            health,
            house,
            files,
            db,
            shared,
            subscribers,
            most: config.writer.batch.max(1) as usize,
            commits: 0,
            probed: Instant::now(),
            saved_log: false,
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
                if order.is_none() && self.house.is_due(queue.is_empty()) {
                    self.use_the_quiet(queue);
                }
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
        // The same for a picture that is gone.
        self.files.settle(&done.files);
        for (job, result) in jobs.into_iter().zip(done.results) {
            let sent = job.peer.send(FromWriter::Reply(Reply { id: job.request.id, result }));
            if !sent {
                tracing::debug!("an answer found its asker gone");
            }
        }
        self.house.soil();
    }

    /// The transaction. When it fails as a whole: one for each of `jobs`, or the same refusal for all.
    fn transact(&mut self, jobs: &[Job]) -> Committed {
        if !self.health.is_in_place() {
            self.save_log();
            let reason = self.in_words("the database's file is not there");
            return self.refuse(jobs, &Refusal::Storage { reason });
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
            Err(lost) => {
                // SQLite has not given it up: it is one command's part in what is written for all that fails.
                let is_open = !self.db.is_autocommit();
                self.roll_back();
                if is_open && jobs.len() > 1 {
                    return self.transact_each(jobs);
                }
                let reason = match self.health.failed(lost.error()) {
                    // Said once, when it began.
                    Some(trouble) => {
                        tracing::debug!(error = %lost, commands = jobs.len(), "a batch is refused");
                        trouble.to_string()
                    }
                    None => {
                        tracing::error!(error = %lost, commands = jobs.len(), "a batch could not be committed");
                        lost.to_string()
                    }
                };
                let refusal = match lost {
                    Lost::Refused(_) => Refusal::Storage { reason },
                    Lost::Unknown(_) => Refusal::Unknown { reason },
                };
                self.refuse(jobs, &refusal)
            }
        }
    }

    /// A transaction for each.
    fn transact_each(&mut self, jobs: &[Job]) -> Committed {
        let mut all = Committed::default();
        for job in jobs {
            let mut done = self.transact(std::slice::from_ref(job));
            all.results.append(&mut done.results);
            all.tags.append(&mut done.tags);
            all.mark = done.mark.or(all.mark);
            all.files.append(&mut done.files);
            all.repeated += done.repeated;
            all.commits += done.commits;
            all.lost += done.lost;
        }
        all
    }

    /// The same for all, but for those that were carried out before: they are to hear what came of it.
    fn refuse(&self, jobs: &[Job], refusal: &Refusal) -> Committed {
        let mut repeated = 0;
        let mut answer = |job: &Job| match done_before(&self.db, &job.request) {
            Ok(Some(before)) => {
                repeated += 1;
                before
            }
            Ok(None) => Err(refusal.clone()),
            Err(error) => Err(Refusal::Unknown { reason: error.to_string() }),
        };
        let results: Vec<_> = jobs.iter().map(&mut answer).collect();
        // Where nobody knows, a row may name it.
        let unknown =
            jobs.iter().zip(&results).filter(|(_, result)| matches!(result, Err(Refusal::Unknown { .. })));
        let files =
            unknown.filter_map(|(job, _)| Some(Fate::Named(brought(&job.request.command)?))).collect();
        Committed { results, repeated, files, lost: 1, ..Committed::default() }
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
        board.add(owner.slot, Counter::CommitsFailed, done.lost);
        if done.commits == 0 {
            return;
        }
        // Where some were lost, each command had its own.
        let commands = if done.lost == 0 { jobs.len() as u64 } else { done.commits };
        histograms.time(owner, Series::Commit, took);
        histograms.number(owner, Series::BatchSize, commands);
        board.add(owner.slot, Counter::Commits, done.commits);
        board.add(owner.slot, Counter::Commands, commands);
    }

    /// Looks after the database for a moment, if it can be written.
    fn use_the_quiet(&mut self, queue: &Receiver<Job>) {
        self.say(Fact::Queue, queue.len() as u64);
        self.house.look();
        match self.health.trouble() {
            Some(trouble) if trouble != Trouble::Damaged => {
                self.save_log();
                self.probe();
            }
            _ if !self.health.is_in_place() => self.save_log(),
            _ => self.house.tend(&self.db, &mut self.health),
        }
    }

    /// Tries whether the database can be written again, so that its state is known before somebody writes.
    fn probe(&mut self) {
        if self.probed.elapsed() < PROBE || !self.health.is_in_place() {
            return;
        }
        self.probed = Instant::now();
        let tried = self.db.busy_timeout(PROBE_WAIT).and_then(|()| {
            self.db.execute_batch("BEGIN IMMEDIATE")?;
            facts::renew(&self.db, PROBED)?;
            self.db.execute_batch("COMMIT")
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

    /// Copies what is in a log that is gone into the database, once: it is there only for as long as this process.
    fn save_log(&mut self) {
        if self.health.trouble() != Some(Trouble::LogGone) || self.saved_log {
            return;
        }
        let copied = self.db.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
            Ok(row.get::<_, i64>(1)? == row.get::<_, i64>(2)?)
        });
        match copied {
            Ok(true) => {
                tracing::warn!("what was in the log that is gone has been copied into the database");
                self.saved_log = true;
            }
            // Somebody reads what was there before: another time.
            Ok(false) => {}
            Err(error) => tracing::debug!(%error, "the log that is gone cannot be copied"),
        }
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = self.shared.as_ref().and_then(|shared| shared.store.as_ref()) {
            store.set(fact, value);
        }
    }

    fn close(mut self, order: Order) -> Order {
        let own_checkpoints = self.house.owns_checkpoints();
        let is_in_place = self.health.is_in_place();
        self.house.close();
        let tidied = match order {
            // What is in the log is still to be shipped away.
            Order::Drain | Order::HandOver if !own_checkpoints => self.db.execute_batch("PRAGMA optimize"),
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
        match closed {
            Ok(()) if is_in_place => self.health.closed(),
            Ok(()) => {}
            Err(error) => {
                tracing::warn!(%error, "the database was closed without a checkpoint; the next start makes it");
            }
        }
        order
    }
}

/// The picture that a command brings.
fn brought(command: &Command) -> Option<UploadHash> {
    let Command::Uploads(_, change) = command else { return None };
    let Uploads::StorePicture { upload, .. } = change.as_ref() else { return None };
    Some(upload.hash)
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
#[cfg(test)]
#[path = "upkeep_tests.rs"]
mod upkeep_tests;
