//! What is done for a database, each time only a little: old answers are forgotten, search indexes merged, the log
//! copied and shortened, the planner's statistics renewed, free pages given back. When nobody waits, one step after the
//! other; under steady writing one now and then. A command that comes meanwhile waits for one small step at most.

use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use veritable_config::Config;
use veritable_config::settings::Checkpoints;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};

use crate::check::Check;
use crate::database::Database;
use crate::files::Files;
use crate::health::Health;

/// Quiet for this long, there is time for it.
const IDLE: Duration = Duration::from_millis(500);
/// The same while there is more to do.
const BUSY_IDLE: Duration = Duration::from_millis(20);
/// Where it is never quiet for so long, a step is done this often, between two commands.
const EVERY: Duration = Duration::from_secs(2);
/// Where commands wait at any moment, a step is done this often all the same, and they wait for it: a log that is never
/// copied and answers that are never forgotten cost all of them more.
const OVERDUE: Duration = Duration::from_secs(30);
/// After a step that failed nothing is done for this long.
const AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Answers of commands are kept this long for those who ask again. A worker asks again within seconds; a
/// client over HTTP may come back after a night.
pub(crate) const KEEP_DONE_MS: i64 = 24 * 60 * 60 * 1000;
/// Most old answers forgotten in one go.
const FORGET_AT_ONCE: u32 = 1_000;
/// The same while it falls behind, some tens of milliseconds: twice as many each time up to this.
const FORGET_MOST: u32 = 8_000;
/// How often it is looked for old answers.
const FORGET: Duration = Duration::from_secs(60);
/// A log that somebody's reading kept from being copied to its end is tried again after this.
const CHECKPOINT_AGAIN: Duration = Duration::from_secs(1);
/// Pages of the search index merged in one go: some milliseconds, unless one word fills more.
const MERGE_AT_ONCE: u32 = 250;
/// Quiet for this long, the log's file is made short.
const QUIET: Duration = Duration::from_secs(30);
/// A log of fewer bytes is left as it is: the next commits would only make it long again.
const SHORT_LOG_BYTES: u64 = 4 << 20;
/// Longest wait for readers when the log is made short.
const TRUNCATE_WAIT: Duration = Duration::from_millis(20);
/// Between two renewals of the planner's statistics (<https://www.sqlite.org/lang_analyze.html>), when it is quiet.
const OPTIMIZE: Duration = Duration::from_secs(60 * 60);
/// `PRAGMA optimize` with all its usual work, told rather than done (<https://www.sqlite.org/pragma.html#pragma_optimize>).
const OPTIMIZE_LIST: &str = "PRAGMA optimize(0xffff)";
/// It is renewed without quiet when it is late by this.
const OPTIMIZE_LATE: Duration = Duration::from_secs(10 * 60);
/// Free pages are given back once they are more than this part of all, ...
const VACUUM_FROM: u64 = 5;
/// ... until they are less than this one: then it does not begin anew with each deleted row.
const VACUUM_TO: u64 = 10;
/// Between two looks for pictures' files that no row names.
const SWEEP: Duration = Duration::from_secs(60 * 60);
/// Pages given back in one go: a few milliseconds.
const VACUUM_AT_ONCE: u32 = 64;

/// What is being done, as `status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
enum Task {
    Forget = 1,
    Merge = 2,
    Checkpoint = 3,
    Truncate = 4,
    Optimize = 5,
    Vacuum = 6,
    Sweep = 7,
}

/// Every kind, each in its turn.
const TASKS: [Task; 7] =
    [Task::Forget, Task::Merge, Task::Checkpoint, Task::Vacuum, Task::Truncate, Task::Optimize, Task::Sweep];

/// The name of what a store says is being done; `None` for nothing.
#[must_use]
pub fn task_name(number: u64) -> Option<&'static str> {
    TASKS.into_iter().find(|task| *task as u64 == number).map(Task::name)
}

impl Task {
    fn name(self) -> &'static str {
        match self {
            Task::Forget => "forgetting old answers",
            Task::Merge => "merging the search index",
            Task::Checkpoint => "copying the log",
            Task::Truncate => "shortening the log",
            Task::Optimize => "renewing statistics",
            Task::Vacuum => "giving free space back",
            Task::Sweep => "sweeping up pictures",
        }
    }
}

/// The keeper of one database.
pub(crate) struct House {
    database: Database,
    store: Option<Store>,
    own_checkpoints: bool,
    /// Whose turn it is, of [`TASKS`].
    turn: usize,
    /// There was something to do at the last step.
    more: bool,
    /// The last step.
    done_at: Instant,
    /// The last commit.
    busy_at: Instant,
    forget_at: Instant,
    /// So many answers are forgotten next.
    forget_rows: u32,
    /// Search indexes that may have something to merge.
    unmerged: VecDeque<&'static str>,
    /// When there is something to copy from the log.
    checkpoint_at: Option<Instant>,
    /// The log may be longer than it need be.
    long_log: bool,
    optimize_at: Instant,
    /// Statements that renew statistics, still to be run.
    analyses: Vec<String>,
    vacuuming: bool,
    files: Files,
    sweep_at: Instant,
    /// Folders still to be swept.
    unswept: Vec<PathBuf>,
    not_before: Option<Instant>,
    /// What is being done, in words, with the name of the search index where it is of one.
    doing: &'static str,
    /// What of this failed when it was tried last.
    failing: BTreeSet<&'static str>,
    pub(crate) check: Check,
}

impl House {
    pub(crate) fn new(config: &Config, database: Database, store: Option<Store>, files: Files) -> House {
        let now = Instant::now();
        House {
            database,
            check: Check::new(config, database, store.clone()),
            store,
            own_checkpoints: config.writer.checkpoints == Checkpoints::Own,
            turn: 0,
            more: false,
            done_at: now,
            busy_at: now,
            forget_at: now,
            forget_rows: FORGET_AT_ONCE,
            unmerged: database.search_indexes().iter().copied().collect(),
            checkpoint_at: Some(now),
            long_log: true,
            optimize_at: now,
            analyses: Vec::new(),
            vacuuming: false,
            files,
            sweep_at: now,
            unswept: Vec::new(),
            not_before: None,
            doing: "",
            failing: BTreeSet::new(),
        }
    }

    /// Something was committed.
    pub(crate) fn soil(&mut self) {
        (self.long_log, self.busy_at) = (true, Instant::now());
        for index in self.database.search_indexes() {
            if !self.unmerged.contains(index) {
                self.unmerged.push_back(index);
            }
        }
        self.checkpoint_at.get_or_insert(self.busy_at);
    }

    /// Whether the log is not another program's to copy.
    pub(crate) fn owns_checkpoints(&self) -> bool {
        self.own_checkpoints
    }

    /// How long to wait for commands before it is worth looking.
    pub(crate) fn patience(&self) -> Duration {
        if self.more { BUSY_IDLE } else { IDLE }
    }

    /// Whether a step is due after a commit: by the clock, and unless it has become late only while nobody waits.
    pub(crate) fn is_due(&self, nobody_waits: bool) -> bool {
        let since = self.done_at.elapsed();
        let is_overdue = !nobody_waits && since >= OVERDUE;
        if is_overdue {
            self.add(Fact::UpkeepOverdue);
        }
        is_overdue || (nobody_waits && since >= EVERY)
    }

    /// It is being looked after, or cannot be.
    pub(crate) fn look(&mut self) {
        self.done_at = Instant::now();
        self.say_now(Fact::UpkeepAt);
    }

    /// Whether there is nothing left to do but by the clock.
    #[cfg(test)]
    pub(crate) fn is_tidy(&self) -> bool {
        !self.more
    }

    /// As if the last commit were long ago.
    #[cfg(test)]
    pub(crate) fn pretend_quiet(&mut self) {
        self.busy_at = Instant::now().checked_sub(QUIET).expect("a machine that is up for a minute");
    }

    /// As if the last step were long ago.
    #[cfg(test)]
    pub(crate) fn pretend_neglect(&mut self, overdue: bool) {
        let long = if overdue { OVERDUE } else { EVERY };
        self.done_at = Instant::now().checked_sub(long).expect("a machine that is up for a minute");
    }

    /// As if nothing had failed for a while.
    #[cfg(test)]
    pub(crate) fn pretend_failed_long_ago(&mut self) {
        self.not_before = None;
    }

    /// As if the statistics should have been renewed long ago.
    #[cfg(test)]
    pub(crate) fn pretend_late_statistics(&mut self) {
        let late = Instant::now().checked_sub(OPTIMIZE_LATE);
        self.optimize_at = late.expect("a machine that is up for some minutes");
    }

    /// Does a little of what is due.
    pub(crate) fn tend(&mut self, db: &Connection, health: &mut Health) {
        self.check.tend(db, health);
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return;
        }
        self.not_before = None;
        self.doing = "measuring it";
        if health.is_damaged() {
            // What a damaged database does not find may be there.
            self.sweep_at = Instant::now() + SWEEP;
            self.unswept.clear();
        }
        let worked = self.measure(db).and_then(|()| self.step(db));
        self.say(Fact::Task, 0);
        match worked {
            Ok(more) => {
                self.more = more;
                self.failing.remove(self.doing);
            }
            Err(error) => self.failed(&error, health),
        }
    }

    /// Says how a step failed, unless it failed before and was not done since.
    fn failed(&mut self, error: &rusqlite::Error, health: &mut Health) {
        (self.more, self.not_before) = (false, Some(Instant::now() + AFTER_FAILURE));
        if self.failing.insert(self.doing) {
            let (database, doing) = (self.database, self.doing);
            tracing::warn!(%error, ?database, doing, "housekeeping fails; it is tried again without a word");
        }
        health.failed(error);
    }

    /// Ends what runs beside.
    pub(crate) fn close(self) {
        self.check.close();
    }

    /// Does a step of the next task that is due; whether there was one.
    fn step(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        for _ in TASKS {
            let task = TASKS[self.turn];
            self.turn = (self.turn + 1) % TASKS.len();
            if self.wants(task, db)? {
                self.say(Fact::Task, task as u64);
                self.doing = task.name();
                self.perform(task, db)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn wants(&mut self, task: Task, db: &Connection) -> rusqlite::Result<bool> {
        let now = Instant::now();
        let is_quiet = self.busy_at.elapsed() >= QUIET;
        Ok(match task {
            Task::Forget => self.forget_at <= now,
            Task::Merge => !self.unmerged.is_empty(),
            Task::Checkpoint => self.own_checkpoints && self.checkpoint_at.is_some_and(|at| at <= now),
            Task::Vacuum => self.vacuum_is_due(db)?,
            Task::Truncate => {
                self.own_checkpoints
                    && is_quiet
                    && self.long_log
                    && log_bytes(db).is_some_and(|bytes| bytes > SHORT_LOG_BYTES)
            }
            Task::Optimize => {
                self.optimize_at <= now && (is_quiet || now.duration_since(self.optimize_at) >= OPTIMIZE_LATE)
            }
            Task::Sweep => self.database == Database::Forums && self.sweep_at <= now,
        })
    }

    fn perform(&mut self, task: Task, db: &Connection) -> rusqlite::Result<()> {
        let now = Instant::now();
        match task {
            Task::Forget => {
                let is_all = forget(db, self.forget_rows)? < self.forget_rows as usize;
                self.forget_at = if is_all { now + FORGET } else { now };
                self.forget_rows =
                    if is_all { FORGET_AT_ONCE } else { (self.forget_rows * 2).min(FORGET_MOST) };
            }
            Task::Merge => {
                // One that fails is not tried again before the next commit.
                if let Some(index) = self.unmerged.pop_front() {
                    self.doing = index;
                    if merge(db, index)? {
                        self.unmerged.push_back(index);
                    }
                }
            }
            Task::Checkpoint => {
                let is_whole = self.checkpoint(db, "PASSIVE")?;
                self.checkpoint_at = (!is_whole).then(|| now + CHECKPOINT_AGAIN);
                return Ok(());
            }
            Task::Vacuum => {
                // A step of it for each page.
                let mut steps = db.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_AT_ONCE})"))?;
                let mut steps = steps.query([])?;
                while steps.next()?.is_some() {}
                self.say_now(Fact::VacuumAt);
                self.long_log = true;
            }
            Task::Truncate => {
                // When somebody reads: another time.
                self.long_log = !self.truncate(db)?;
                if !self.long_log {
                    self.say_now(Fact::TruncateAt);
                }
                return Ok(());
            }
            Task::Sweep => {
                if self.unswept.is_empty() {
                    self.unswept = self.files.folders();
                }
                if let Some(folder) = self.unswept.pop() {
                    let swept = self.files.sweep(db, &folder)?;
                    if swept > 0 {
                        tracing::info!(swept, folder = %folder.display(), "pictures that nobody has are removed");
                    }
                }
                if self.unswept.is_empty() {
                    self.sweep_at = now + SWEEP;
                }
                return Ok(());
            }
            Task::Optimize => {
                if self.analyses.is_empty() {
                    // What it would do, a statement for each table that is worth it.
                    self.analyses = veritable_sql::rows(db, OPTIMIZE_LIST, [], |row| row.get(0))?;
                }
                if let Some(analyse) = self.analyses.pop() {
                    db.execute_batch(&analyse)?;
                }
                if self.analyses.is_empty() {
                    self.optimize_at = now + OPTIMIZE;
                    self.say_now(Fact::OptimizeAt);
                }
            }
        }
        // Something was written.
        self.checkpoint_at.get_or_insert(now);
        Ok(())
    }

    /// Makes the log's file short; whether it was possible.
    fn truncate(&self, db: &Connection) -> rusqlite::Result<bool> {
        let wait = db.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0))?;
        db.busy_timeout(TRUNCATE_WAIT)?;
        let shortened = self.checkpoint(db, "TRUNCATE");
        db.busy_timeout(Duration::from_millis(wait.into()))?;
        shortened
    }

    /// Copies the log into the database; whether all of it.
    fn checkpoint(&self, db: &Connection, mode: &str) -> rusqlite::Result<bool> {
        let (busy, pages, copied) = db.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
            Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        self.say(Fact::LogPages, u64::try_from(pages).unwrap_or_default());
        self.say(Fact::LogPagesCopied, u64::try_from(copied).unwrap_or_default());
        let whole = !busy && pages == copied;
        if whole {
            self.say_now(Fact::CheckpointAt);
        }
        Ok(whole)
    }

    fn vacuum_is_due(&mut self, db: &Connection) -> rusqlite::Result<bool> {
        let (pages, free) = (number(db, "page_count")?, number(db, "freelist_count")?);
        let share = if self.vacuuming { VACUUM_TO } else { VACUUM_FROM };
        // One that was made without it gives nothing back this way.
        self.vacuuming = free * share > pages && number(db, "auto_vacuum")? == 2;
        Ok(self.vacuuming)
    }

    fn measure(&self, db: &Connection) -> rusqlite::Result<()> {
        if self.store.is_some() {
            let page = number(db, "page_size")?;
            self.say(Fact::Bytes, number(db, "page_count")? * page);
            self.say(Fact::FreeBytes, number(db, "freelist_count")? * page);
            self.say(Fact::LogBytes, log_bytes(db).unwrap_or_default());
        }
        Ok(())
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = &self.store {
            store.set(fact, value);
        }
    }

    fn add(&self, fact: Fact) {
        if let Some(store) = &self.store {
            store.set(fact, store.get(fact) + 1);
        }
    }

    fn say_now(&self, fact: Fact) {
        self.say(fact, u64::try_from(UnixMillis::now().0).unwrap_or_default());
    }
}

fn number(db: &Connection, pragma: &str) -> rusqlite::Result<u64> {
    db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0))
        .map(|n| u64::try_from(n).unwrap_or_default())
}

fn log_bytes(db: &Connection) -> Option<u64> {
    let log = format!("{}-wal", db.path()?);
    std::fs::metadata(log).ok().map(|file| file.len())
}

fn forget(db: &Connection, most: u32) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM done_commands WHERE key IN
               (SELECT key FROM done_commands WHERE done_at < ?1 ORDER BY done_at LIMIT ?2)";
    veritable_sql::run(db, sql, params![UnixMillis::now().0 - KEEP_DONE_MS, most])
}

/// Merges some of a search index; whether there may be more to merge. It counts as two changes when
/// something was done (<https://www.sqlite.org/fts5.html#the_merge_command>).
fn merge(db: &Connection, index: &str) -> rusqlite::Result<bool> {
    let before = db.total_changes();
    let sql = format!("INSERT INTO {index} ({index}, rank) VALUES ('merge', ?1)");
    db.prepare_cached(&sql)?.execute([MERGE_AT_ONCE])?;
    Ok(db.total_changes() - before >= 2)
}
