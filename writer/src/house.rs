//! What is done for a database when nobody waits, each time only a little: old answers are forgotten, search indexes
//! merged, the log copied and shortened, the planner's statistics renewed, free pages given back. A command that
//! comes meanwhile waits for one small step at most, or interrupts it.

use std::time::{Duration, Instant};

use rusqlite::{Connection, params};
use veritable_config::Config;
use veritable_config::settings::Checkpoints;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};

use crate::check::Check;
use crate::database::Database;
use crate::health::Health;

/// Quiet for this long, there is time for it.
const IDLE: Duration = Duration::from_millis(500);
/// The same while there is more to do.
const BUSY_IDLE: Duration = Duration::from_millis(20);
/// Answers of commands are kept this long for those who ask again. A worker asks again within seconds; a
/// client over HTTP may come back after a night.
pub(crate) const KEEP_DONE_MS: i64 = 24 * 60 * 60 * 1000;
/// Most old answers forgotten in one go.
const FORGET_AT_ONCE: u32 = 1_000;
/// Pages of the search index merged in one go: some milliseconds, unless one word fills more.
const MERGE_AT_ONCE: u32 = 250;
/// Quiet for this long, the log's file is made short.
const QUIET: Duration = Duration::from_secs(30);
/// A log of fewer bytes is left as it is: the next commits would only make it long again.
const SHORT_LOG_BYTES: u64 = 4 << 20;
/// Longest wait for readers when the log is made short.
const TRUNCATE_WAIT: Duration = Duration::from_millis(20);
/// Between two renewals of the planner's statistics (<https://www.sqlite.org/lang_analyze.html>).
const OPTIMIZE: Duration = Duration::from_secs(60 * 60);
/// Free pages are given back once they are more than this part of all, ...
const VACUUM_FROM: u64 = 5;
/// ... until they are less than this one: then it does not begin anew with each deleted row.
const VACUUM_TO: u64 = 10;
/// Pages given back in one go: a few milliseconds.
const VACUUM_AT_ONCE: u32 = 64;
/// SQLite's instructions between two looks at whether somebody waits.
const STEPS: i32 = 1_000;

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
}

/// The name of what a store says is being done; `None` for nothing.
#[must_use]
pub fn task_name(number: u64) -> Option<&'static str> {
    let tasks = [Task::Forget, Task::Merge, Task::Checkpoint, Task::Truncate, Task::Optimize, Task::Vacuum];
    tasks.into_iter().find(|task| *task as u64 == number).map(|task| match task {
        Task::Forget => "forgetting old answers",
        Task::Merge => "merging the search index",
        Task::Checkpoint => "copying the log",
        Task::Truncate => "shortening the log",
        Task::Optimize => "renewing statistics",
        Task::Vacuum => "giving free space back",
    })
}

/// The keeper of one database.
pub(crate) struct House {
    database: Database,
    store: Option<Store>,
    own_checkpoints: bool,
    /// Something was committed since the last look.
    dirty: bool,
    /// There is more of the same to do.
    more: bool,
    /// The last commit.
    busy_at: Instant,
    /// The log may be longer than it need be.
    long_log: bool,
    optimized_at: Option<Instant>,
    vacuuming: bool,
    check: Check,
}

impl House {
    pub(crate) fn new(config: &Config, database: Database, store: Option<Store>) -> House {
        House {
            database,
            check: Check::new(config, database, store.clone()),
            store,
            own_checkpoints: config.writer.checkpoints == Checkpoints::Own,
            dirty: true,
            more: false,
            busy_at: Instant::now(),
            long_log: true,
            optimized_at: None,
            vacuuming: false,
        }
    }

    /// Something was committed.
    pub(crate) fn soil(&mut self) {
        (self.dirty, self.long_log, self.busy_at) = (true, true, Instant::now());
    }

    /// How long to wait for commands before it is worth looking.
    pub(crate) fn patience(&self) -> Duration {
        if self.more { BUSY_IDLE } else { IDLE }
    }

    /// Whether there is nothing left to do but by the clock.
    #[cfg(test)]
    pub(crate) fn is_tidy(&self) -> bool {
        !self.dirty && !self.more
    }

    /// As if the last commit were long ago.
    #[cfg(test)]
    pub(crate) fn pretend_quiet(&mut self) {
        self.busy_at = Instant::now().checked_sub(QUIET).expect("a machine that is up for a minute");
    }

    /// Does a little of what is due. `waiting` says whether a command waits.
    pub(crate) fn tend(
        &mut self,
        db: &mut Connection,
        health: &mut Health,
        waiting: impl Fn() -> bool + Send + 'static,
    ) {
        self.check.tend(db, health);
        if let Err(error) = self.work(db, waiting) {
            // An interrupted task is done another time.
            if error.sqlite_error_code() != Some(rusqlite::ErrorCode::OperationInterrupted) {
                tracing::warn!(%error, database = ?self.database, "housekeeping failed; it will be tried again");
                health.failed(&error);
            }
        }
        self.say(Fact::Task, 0);
    }

    /// Ends what runs beside.
    pub(crate) fn close(self) {
        self.check.close();
    }

    fn work(
        &mut self,
        db: &mut Connection,
        waiting: impl Fn() -> bool + Send + 'static,
    ) -> rusqlite::Result<()> {
        self.measure(db)?;
        if std::mem::take(&mut self.dirty) {
            self.begin(Task::Forget);
            let forgotten = forget(db)?;
            let mut merged = false;
            for index in self.database.search_indexes() {
                self.begin(Task::Merge);
                merged |= merge(db, index)?;
            }
            if self.own_checkpoints {
                self.begin(Task::Checkpoint);
                self.checkpoint(db, "PASSIVE")?;
            }
            self.dirty = merged || forgotten == FORGET_AT_ONCE as usize;
            self.more = self.dirty;
            return Ok(());
        }
        self.more = false;
        if self.vacuum_is_due(db)? {
            self.begin(Task::Vacuum);
            // A step of it for each page.
            let mut steps = db.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_AT_ONCE})"))?;
            let mut steps = steps.query([])?;
            while steps.next()?.is_some() {}
            self.say_now(Fact::VacuumAt);
            (self.more, self.long_log) = (true, true);
            return Ok(());
        }
        if self.busy_at.elapsed() < QUIET {
            return Ok(());
        }
        if std::mem::take(&mut self.long_log)
            && self.own_checkpoints
            && log_bytes(db).is_some_and(|bytes| bytes > SHORT_LOG_BYTES)
        {
            self.begin(Task::Truncate);
            let wait = db.query_row("PRAGMA busy_timeout", [], |row| row.get::<_, u32>(0))?;
            db.busy_timeout(TRUNCATE_WAIT)?;
            let shortened = self.checkpoint(db, "TRUNCATE");
            db.busy_timeout(Duration::from_millis(wait.into()))?;
            // Somebody reads: another time.
            self.long_log = !shortened?;
            if !self.long_log {
                self.say_now(Fact::TruncateAt);
            }
            return Ok(());
        }
        if self.optimized_at.is_none_or(|at| at.elapsed() >= OPTIMIZE) {
            self.begin(Task::Optimize);
            db.progress_handler(STEPS, Some(waiting))?;
            let optimized = db.execute_batch("PRAGMA optimize");
            db.progress_handler(0, None::<fn() -> bool>)?;
            optimized?;
            self.optimized_at = Some(Instant::now());
            self.say_now(Fact::OptimizeAt);
        }
        Ok(())
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

    fn begin(&self, task: Task) {
        self.say(Fact::Task, task as u64);
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = &self.store {
            store.set(fact, value);
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

fn forget(db: &Connection) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM done_commands WHERE key IN
               (SELECT key FROM done_commands WHERE done_at < ?1 ORDER BY done_at LIMIT ?2)";
    veritable_sql::run(db, sql, params![UnixMillis::now().0 - KEEP_DONE_MS, FORGET_AT_ONCE])
}

/// Merges some of a search index; whether there may be more to merge. It counts as two changes when
/// something was done (<https://www.sqlite.org/fts5.html#the_merge_command>).
fn merge(db: &Connection, index: &str) -> rusqlite::Result<bool> {
    let before = db.total_changes();
    let sql = format!("INSERT INTO {index} ({index}, rank) VALUES ('merge', ?1)");
    db.prepare_cached(&sql)?.execute([MERGE_AT_ONCE])?;
    Ok(db.total_changes() - before >= 2)
}
