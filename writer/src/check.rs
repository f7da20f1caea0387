//! The check for damage: SQLite's `quick_check` of every table in turn, on a thread and a connection of its own, at
//! a quarter of the speed it could have, so that nobody notices.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use veritable_config::Config;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};

use crate::database::Database;
use crate::health::Health;

/// SQLite's instructions, or pages looked at, between two pauses.
const STEPS: i32 = 200;
/// A pause is this many times as long as the work before it.
const PAUSE: u32 = 3;
/// Longest pause, so that its end is soon noticed.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// After a check that could not be made, another one is tried not before this.
const RETRY: Duration = Duration::from_secs(600);
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What a check ended with: the first line of what was found, if anything.
type Found = rusqlite::Result<Option<String>>;

/// The checks of one database.
pub(crate) struct Check {
    path: PathBuf,
    database: Database,
    store: Option<Store>,
    every_ms: i64,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<Found>>,
    not_before: Option<Instant>,
    /// When the last one ended, milliseconds since 1970; `None` while that is not known.
    last: Option<i64>,
}

impl Check {
    pub(crate) fn new(config: &Config, database: Database, store: Option<Store>) -> Check {
        Check {
            path: database.path(config),
            database,
            store,
            every_ms: i64::from(config.writer.check_hours) * HOUR_MS,
            stop: Arc::default(),
            running: None,
            not_before: None,
            last: None,
        }
    }

    /// Starts one that is due, and takes in what one found. `db` remembers when.
    pub(crate) fn tend(&mut self, db: &Connection, health: &mut Health) {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            let found = self.running.take().map(JoinHandle::join);
            self.say(Fact::CheckSince, 0);
            match found {
                Some(Ok(Ok(found))) => self.ended(db, health, found.as_deref()),
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, database = ?self.database, "it could not be checked for damage");
                    self.not_before = Some(Instant::now() + RETRY);
                    health.failed(&error);
                }
                Some(Err(_)) => tracing::error!("the check for damage panicked"),
                None => {}
            }
        }
        if self.running.is_none() && self.is_due(db, health) {
            self.start();
        }
    }

    /// Ends one that is running, without waiting for its end.
    pub(crate) fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the last is long ago, or damage was met that it has to confirm.
    fn is_due(&mut self, db: &Connection, health: &Health) -> bool {
        if self.every_ms == 0 || self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return false;
        }
        let last = *self.last.get_or_insert_with(|| last_check(db).unwrap_or_default());
        let due = UnixMillis::now().0 - last >= self.every_ms;
        due || health.trouble() == Some(veritable_sql::Trouble::Damaged)
    }

    fn start(&mut self) {
        let (path, stop) = (self.path.clone(), self.stop.clone());
        let thread = std::thread::Builder::new().name("check".into());
        match thread.spawn(move || check(&path, &stop)) {
            Ok(running) => {
                self.running = Some(running);
                self.say(Fact::CheckSince, now());
            }
            Err(error) => tracing::warn!(%error, "no thread to check for damage"),
        }
        // Until it has ended it is not tried again.
        self.not_before = Some(Instant::now() + RETRY);
    }

    fn ended(&mut self, db: &Connection, health: &mut Health, found: Option<&str>) {
        match found {
            Some(found) => health.damaged(found),
            None if health.trouble() == Some(veritable_sql::Trouble::Damaged) => health.recover(),
            None => tracing::info!(database = ?self.database, "checked, no damage found"),
        }
        let at = UnixMillis::now().0;
        self.last = Some(at);
        self.say(Fact::CheckAt, now());
        self.say(Fact::CheckFound, found.is_some().into());
        let sql = "INSERT INTO facts (name, value) VALUES ('checked_at', ?1)
                   ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        if let Err(error) = veritable_sql::run(db, sql, [at.to_string()]) {
            tracing::warn!(%error, "when it was checked is not remembered");
        }
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = &self.store {
            store.set(fact, value);
        }
    }
}

fn now() -> u64 {
    u64::try_from(UnixMillis::now().0).unwrap_or_default()
}

fn last_check(db: &Connection) -> Option<i64> {
    let sql = "SELECT value FROM facts WHERE name = 'checked_at'";
    let value: Option<String> = veritable_sql::first(db, sql, [], |row| row.get(0)).ok().flatten();
    value?.parse().ok()
}

/// Checks table by table: each is a short read of its own, which holds the log back for no longer than it takes.
fn check(path: &Path, stop: &Arc<AtomicBool>) -> Found {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    let (stop, mut worked) = (stop.clone(), Instant::now());
    db.progress_handler(
        STEPS,
        Some(move || {
            std::thread::sleep((worked.elapsed() * PAUSE).min(PAUSE_MAX));
            worked = Instant::now();
            stop.load(Ordering::Relaxed)
        }),
    )?;
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    for table in veritable_sql::rows(&db, names, [], |row| row.get::<_, String>(0))? {
        let quoted = table.replace('\'', "''");
        let said: String = db.query_row(&format!("PRAGMA quick_check('{quoted}')"), [], |row| row.get(0))?;
        if said != "ok" {
            return Ok(Some(format!("{table}: {said}")));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_is_found_and_a_sound_database_is_not_accused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = Connection::open(&path).unwrap();
        db.execute_batch(
            "CREATE TABLE t (a, b); CREATE INDEX i ON t (a);
             WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 500)
             INSERT INTO t SELECT x, hex(randomblob(200)) FROM n;",
        )
        .unwrap();
        drop(db);
        let stop = Arc::default();
        assert_eq!(check(&path, &stop).unwrap(), None);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4_096 * 4_096;
        bytes[middle..middle + 4_096].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(check(&path, &stop), Ok(Some(_)) | Err(_)));
    }
}
