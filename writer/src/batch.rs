//! Group commit: whatever waits becomes one transaction with a savepoint for each command, and every answer
//! goes out after the commit. A lone command is committed at once; a thousand go together.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, never, select};
use rusqlite::{Connection, OptionalExtension, params};
use veritable_config::Config;
use veritable_config::channel::Order;
use veritable_domain::codec;
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Owner, Scoreboard, TagRef, Tags, now_ms};
use veritable_writer_api::message::{Command, Event, FromWriter, Outcome, Refusal, Reply, Request};

use crate::apply::{self, Failure, Transaction};
use crate::mark;
use crate::server::{Job, Subscribers};

/// Quiet for this long, the writer does its housekeeping.
const IDLE: Duration = Duration::from_millis(500);
/// Answers of commands are kept this long for those who ask again. A worker asks again within seconds; a
/// client over HTTP may come back after a night.
const KEEP_DONE_MS: i64 = 24 * 60 * 60 * 1000;
/// Longest wait for readers when the log is truncated at the end.
const TIDY: Duration = Duration::from_millis(200);
/// Pages of the search index merged in one go of housekeeping: some milliseconds, unless one word fills more.
const MERGE_AT_ONCE: u32 = 250;
const MERGE_POSTS: &str = "INSERT INTO posts_fts (posts_fts, rank) VALUES ('merge', ?1)";
const MERGE_PAGES: &str = "INSERT INTO pages_fts (pages_fts, rank) VALUES ('merge', ?1)";
/// A batch that takes longer is worth a line in the log: who waits for it notices.
const SLOW: Duration = Duration::from_secs(1);
/// Most old answers forgotten in one go, so that housekeeping never holds up a command for long.
const FORGET_AT_ONCE: u32 = 1_000;

pub(crate) struct Batcher {
    db: Connection,
    tags: Option<Tags>,
    /// Where it says that it is alive.
    pulse: Option<(Scoreboard, Owner)>,
    subscribers: Arc<Subscribers>,
    most: usize,
    commits: u64,
    /// Something was committed since the last housekeeping.
    dirty: bool,
}

/// A command's end, before its commit.
type Result_ = Result<Outcome, Refusal>;

/// A transaction's end.
struct Transacted {
    /// In the order of its commands.
    results: Vec<Result_>,
    /// What it made stale, each once.
    tags: Vec<Tag>,
    /// What it left in the database if it made anything stale.
    mark: Option<u64>,
}

impl Batcher {
    pub(crate) fn new(
        db: Connection,
        config: &Config,
        tags: Option<Tags>,
        subscribers: Arc<Subscribers>,
    ) -> Self {
        let most = config.writer.batch.max(1) as usize;
        Batcher { db, tags, pulse: None, subscribers, most, commits: 0, dirty: true }
    }

    /// Has it say that it is alive, twice a second at least unless a batch takes longer.
    pub(crate) fn beating(self, pulse: Option<(Scoreboard, Owner)>) -> Self {
        Batcher { pulse, ..self }
    }

    /// Commits until told to stop, then what is still queued, and closes the database.
    pub(crate) fn run(mut self, queue: &Receiver<Job>, stop: &Receiver<Order>) -> Order {
        let mut order = None;
        let listening = never();
        loop {
            if let Some((board, owner)) = &self.pulse {
                board.beat(*owner, now_ms());
            }
            let mut jobs = Vec::new();
            select! {
                recv(queue) -> job => jobs.extend(job),
                recv(if order.is_none() { stop } else { &listening }) -> said => {
                    order = Some(said.unwrap_or(Order::MasterGone));
                }
                default(if order.is_none() { IDLE } else { Duration::ZERO }) => match order {
                    Some(order) => return self.close(order),
                    None => self.keep_house(),
                },
            }
            while jobs.len() < self.most
                && let Ok(job) = queue.try_recv()
            {
                jobs.push(job);
            }
            if !jobs.is_empty() {
                self.commit(jobs);
            }
        }
    }

    /// One transaction: all of `jobs`.
    fn commit(&mut self, jobs: Vec<Job>) {
        let begun = Instant::now();
        let Transacted { results, tags, mark } = match self.transact(&jobs) {
            Ok(done) => done,
            Err(error) => {
                tracing::error!(%error, commands = jobs.len(), "a batch could not be committed");
                if !self.db.is_autocommit()
                    && let Err(error) = self.db.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "the failed batch could not be rolled back");
                }
                let refusal = Refusal::Storage { reason: error.to_string() };
                Transacted { results: vec![Err(refusal); jobs.len()], tags: Vec::new(), mark: None }
            }
        };
        if begun.elapsed() > SLOW {
            let first = jobs.first().map(|job| name(&job.request.command));
            tracing::warn!(took = ?begun.elapsed(), commands = jobs.len(), first, "a batch took long");
        }
        self.commits += 1;
        if !tags.is_empty() {
            // Before any answer: who knows of a change must find it on every worker.
            if let Some(shared) = &self.tags {
                let refs: Vec<TagRef> =
                    tags.iter().map(|tag| TagRef::new(tag.to_string().as_bytes())).collect();
                shared.invalidate(&refs);
                if let Some(mark) = mark {
                    shared.set_mark(mark);
                }
            }
            self.subscribers.send(&Event { commit: self.commits, tags });
        }
        for (job, result) in jobs.into_iter().zip(results) {
            let sent = job.peer.send(FromWriter::Reply(Reply { id: job.request.id, result }));
            if !sent {
                tracing::debug!("an answer found its asker gone");
            }
        }
        self.dirty = true;
    }

    fn transact(&mut self, jobs: &[Job]) -> rusqlite::Result<Transacted> {
        let now = UnixMillis::now();
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut results = Vec::with_capacity(jobs.len());
        let mut tags = Vec::new();
        for job in jobs {
            results.push(self.carry_out(&job.request, now, &mut tags)?);
        }
        let mark = if tags.is_empty() { None } else { Some(mark::renew(&self.db)?) };
        self.db.prepare_cached("COMMIT")?.execute([])?;
        let mut seen = std::collections::HashSet::new();
        tags.retain(|tag: &Tag| seen.insert(tag.clone()));
        Ok(Transacted { results, tags, mark })
    }

    /// One command within the open transaction. `Err` means that the whole transaction is lost.
    fn carry_out(
        &self,
        request: &Request,
        now: UnixMillis,
        tags: &mut Vec<Tag>,
    ) -> rusqlite::Result<Result_> {
        let keyed = !matches!(request.command, Command::Ping | Command::Import(_));
        // Before the deadline: one that was carried out and is asked about late must not hear that it was not.
        if keyed && let Some(outcome) = self.done_before(request)? {
            return Ok(Ok(outcome));
        }
        if request.deadline < now {
            return Ok(Err(Refusal::Expired));
        }
        self.db.prepare_cached("SAVEPOINT command")?.execute([])?;
        let mut tx = Transaction::new(&self.db, now);
        let applied = catch_unwind(AssertUnwindSafe(|| apply::apply(&mut tx, &request.command)));
        let failure = match applied {
            Ok(Ok(outcome)) => {
                if keyed {
                    self.remember(request, &outcome, now)?;
                }
                self.db.prepare_cached("RELEASE command")?.execute([])?;
                tags.append(&mut tx.tags);
                return Ok(Ok(outcome));
            }
            Ok(Err(Failure::Refused(refusal))) => refusal,
            Ok(Err(Failure::Sqlite(error))) => {
                tracing::error!(%error, command = name(&request.command), "a command failed");
                Refusal::Storage { reason: error.to_string() }
            }
            Err(_) => {
                tracing::error!(command = name(&request.command), "a command panicked");
                Refusal::Malformed { reason: "the writer failed on it".into() }
            }
        };
        if self.db.is_autocommit() {
            // SQLite gave up the whole transaction (full disk, I/O error): nothing before it is committed.
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK),
                Some(failure.to_string()),
            ));
        }
        self.db.prepare_cached("ROLLBACK TO command")?.execute([])?;
        self.db.prepare_cached("RELEASE command")?.execute([])?;
        Ok(Err(failure))
    }

    fn done_before(&self, request: &Request) -> rusqlite::Result<Option<Outcome>> {
        let bytes: Option<Vec<u8>> = self
            .db
            .prepare_cached("SELECT outcome FROM done_commands WHERE key = ?1")?
            .query_row([request.key.0], |row| row.get(0))
            .optional()?;
        Ok(bytes.and_then(|bytes| match codec::decode(&bytes) {
            Ok(outcome) => Some(outcome),
            Err(error) => {
                tracing::error!(%error, "a stored outcome cannot be read");
                None
            }
        }))
    }

    fn remember(&self, request: &Request, outcome: &Outcome, now: UnixMillis) -> rusqlite::Result<()> {
        let bytes = codec::encode(outcome)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
        self.db
            .prepare_cached(
                "INSERT OR REPLACE INTO done_commands (key, done_at, outcome) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![request.key.0, now.0, bytes])?;
        Ok(())
    }

    /// What can wait for a quiet moment: a checkpoint that waits for nobody, forgetting old answers, and
    /// merging the search index, a little each time.
    fn keep_house(&mut self) {
        if !std::mem::take(&mut self.dirty) {
            return;
        }
        let forget = "DELETE FROM done_commands WHERE key IN
                      (SELECT key FROM done_commands WHERE done_at < ?1 ORDER BY done_at LIMIT ?2)";
        let before = UnixMillis::now().0 - KEEP_DONE_MS;
        let done = self
            .db
            .prepare_cached(forget)
            .and_then(|mut statement| statement.execute(params![before, FORGET_AT_ONCE]))
            .and_then(|forgotten| {
                let merging = self.merge(MERGE_POSTS)? | self.merge(MERGE_PAGES)?;
                self.dirty = merging || forgotten == FORGET_AT_ONCE as usize;
                self.checkpoint("PASSIVE")
            });
        if let Err(error) = done {
            tracing::warn!(%error, "housekeeping failed; it will be tried again");
        }
    }

    /// Merges some of a search index; whether there may be more to merge. It counts as two changes when
    /// something was done (<https://www.sqlite.org/fts5.html#the_merge_command>).
    fn merge(&self, statement: &str) -> rusqlite::Result<bool> {
        let before = self.db.total_changes();
        self.db.prepare_cached(statement)?.execute([MERGE_AT_ONCE])?;
        Ok(self.db.total_changes() - before >= 2)
    }

    fn checkpoint(&self, mode: &str) -> rusqlite::Result<()> {
        self.db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))
    }

    fn close(self, order: Order) -> Order {
        let tidied = match order {
            Order::Drain | Order::HandOver => {
                // Its successor waits: readers of the log are not waited for, the next start has it truncated.
                self.db
                    .busy_timeout(TIDY)
                    .and_then(|()| self.checkpoint("TRUNCATE"))
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

/// A command's name for the log; its content is people's own.
fn name(command: &Command) -> &'static str {
    match command {
        Command::Ping => "ping",
        Command::CreateTopic { .. } => "create topic",
        Command::Reply { .. } => "reply",
        Command::EditPost { .. } => "edit post",
        Command::EditPage { .. } => "edit page",
        Command::CreateUser { .. } => "create user",
        Command::CreateApiToken { .. } => "create API token",
        Command::CreateCategory { .. } => "create category",
        Command::Import(_) => "import",
    }
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
