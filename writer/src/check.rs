//! The check for damage: SQLite's `quick_check` of every table in turn, on a thread and a connection of its own, at
//! a quarter of the speed it could have, so that nobody notices. While a table is read the log cannot be begun anew: when
//! it grows the check hastens, and gives way when it grows too long.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use veritable_config::Config;
use veritable_config::settings::Checkpoints;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};
use veritable_sql::Trouble;

use crate::database::{self, Database};
use crate::health::Health;
use crate::{beside, facts};

/// SQLite's instructions, or pages looked at, between two pauses.
const STEPS: i32 = 200;
/// A pause is this many times as long as the work before it.
const PAUSE: u32 = 3;
/// Longest pause, so that its end is soon noticed.
const PAUSE_MAX: Duration = Duration::from_millis(100);
/// After a check that could not be made, or found damage, another one is made not before this.
const RETRY: Duration = Duration::from_secs(600);
/// Bytes by which the log may grow while one is made, beyond what it may have anyhow: tables are read one after the
/// other, and somebody reads at any moment. Past them the check gives way, ...
const LOG_GROWTH: u64 = 32 << 20;
/// ... and goes on with that table after this, in which the log is copied and cut.
const GIVE_WAY: Duration = Duration::from_secs(60);
/// A check that is not made for so many times as long as it should is late.
const LATE: i64 = 2;
const HOUR_MS: i64 = 60 * 60 * 1000;

/// What a check ended with.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// No damage.
    Nothing,
    /// The first line of what was found.
    Damage(String),
    /// It gave way while it read this table.
    Postponed(String),
}

/// The checks of one database.
pub(crate) struct Check {
    path: PathBuf,
    database: Database,
    store: Option<Store>,
    every_ms: i64,
    /// Bytes of a log that is cut to a length by the writer; `None` where that is another program's business.
    cut_to: Option<u64>,
    /// When this process began, milliseconds since 1970.
    begun: i64,
    stop: Arc<AtomicBool>,
    running: Option<JoinHandle<rusqlite::Result<Found>>>,
    /// The table that one which gave way is to go on with.
    from: Option<String>,
    not_before: Option<Instant>,
    /// When the last one ended that found no damage, milliseconds since 1970; `None` while that is not known.
    last: Option<i64>,
}

impl Check {
    pub(crate) fn new(config: &Config, database: Database, store: Option<Store>) -> Check {
        Check {
            path: database.path(config),
            database,
            store,
            every_ms: i64::from(config.writer.check_hours) * HOUR_MS,
            cut_to: (config.writer.checkpoints == Checkpoints::Own).then_some(database::LOG_BYTES.into()),
            begun: UnixMillis::now().0,
            stop: Arc::default(),
            running: None,
            from: None,
            not_before: None,
            last: None,
        }
    }

    /// Starts one that is due, and takes in what one found. `db` remembers it.
    pub(crate) fn tend(&mut self, db: &Connection, health: &mut Health) {
        if self.running.as_ref().is_some_and(JoinHandle::is_finished) {
            let found = self.running.take().map(JoinHandle::join);
            self.say(Fact::CheckSince, 0);
            self.not_before = Some(Instant::now() + RETRY);
            match found {
                Some(Ok(Ok(found))) => self.ended(db, health, found),
                Some(Ok(Err(error))) if Trouble::of(&error, &self.path) == Some(Trouble::Damaged) => {
                    self.ended(db, health, Found::Damage(error.to_string()));
                }
                Some(Ok(Err(error))) => {
                    tracing::warn!(%error, database = ?self.database, "it could not be checked for damage");
                    health.failed(&error);
                }
                Some(Err(_)) => tracing::error!("the check for damage panicked"),
                None => {}
            }
        }
        if self.running.is_none() && self.is_due(db, health) {
            self.start();
        }
        let last = self.last.unwrap_or_default();
        let since = UnixMillis::now().0 - if last == 0 { self.begun } else { last };
        self.say(Fact::CheckLate, (self.every_ms != 0 && since >= self.every_ms.saturating_mul(LATE)).into());
    }

    /// Ends one that is running, without waiting for its end.
    pub(crate) fn close(self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether the last is long ago, or damage is known: then whatever the schedule, since only a check ends that.
    fn is_due(&mut self, db: &Connection, health: &mut Health) -> bool {
        if self.last.is_none() {
            match last_check(db) {
                Ok(last) => self.last = Some(last.unwrap_or_default()),
                Err(error) => {
                    health.failed(&error);
                    tracing::debug!(%error, "when the last check was made cannot be read");
                }
            }
        }
        if self.not_before.is_some_and(|moment| Instant::now() < moment) {
            return false;
        }
        if health.is_damaged() {
            return true;
        }
        let is_old = |last| UnixMillis::now().0 - last >= self.every_ms;
        self.every_ms != 0 && self.last.is_some_and(is_old)
    }

    fn start(&mut self) {
        let (path, from) = (self.path.clone(), self.from.take());
        let pace = Pace::of(&path, self.cut_to, &self.stop);
        let thread = std::thread::Builder::new().name("check".into());
        match thread.spawn(move || check(&path, from.as_deref(), &pace)) {
            Ok(running) => {
                self.running = Some(running);
                self.say(Fact::CheckSince, now());
            }
            Err(error) => {
                tracing::warn!(%error, "no thread to check for damage");
                self.not_before = Some(Instant::now() + RETRY);
            }
        }
    }

    fn ended(&mut self, db: &Connection, health: &mut Health, found: Found) {
        let remembered = match &found {
            Found::Postponed(table) => {
                tracing::debug!(table, "the check for damage gives way to those who write");
                self.not_before = Some(Instant::now() + GIVE_WAY);
                self.from = Some(table.clone());
                return;
            }
            Found::Damage(how) => {
                health.damaged(how);
                facts::set(db, DAMAGE, how)
            }
            Found::Nothing => {
                health.sound();
                tracing::info!(database = ?self.database, "checked, no damage found");
                let at = UnixMillis::now().0;
                self.last = Some(at);
                facts::remove(db, DAMAGE).and_then(|()| facts::set(db, CHECKED_AT, &at.to_string()))
            }
        };
        self.say(Fact::CheckAt, now());
        self.say(Fact::CheckFound, matches!(found, Found::Damage(_)).into());
        if let Err(error) = remembered {
            tracing::warn!(%error, "what the check for damage found is not remembered");
        }
    }

    /// Says that damage was found before this process began.
    pub(crate) fn found_before(&self) {
        self.say(Fact::CheckFound, 1);
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = &self.store {
            store.set(fact, value);
        }
    }
}

/// Facts in the database: when it was last found to be without damage, and what damage was found since.
const CHECKED_AT: &str = "checked_at";
const DAMAGE: &str = "damage";

/// The damage that a check found and none has found gone since.
///
/// # Errors
/// SQLite's.
pub(crate) fn known_damage(db: &Connection) -> rusqlite::Result<Option<String>> {
    facts::get(db, DAMAGE)
}

fn now() -> u64 {
    u64::try_from(UnixMillis::now().0).unwrap_or_default()
}

fn last_check(db: &Connection) -> rusqlite::Result<Option<i64>> {
    Ok(facts::get(db, CHECKED_AT)?.and_then(|at| at.parse().ok()))
}

/// What there is to decide between two steps: how long to pause, and whether to go on.
#[derive(Clone)]
struct Pace {
    log: PathBuf,
    /// Bytes of the log when it was begun.
    begun: u64,
    /// Bytes of it past which the check gives way.
    most: u64,
    stop: Arc<AtomicBool>,
}

impl Pace {
    fn of(path: &Path, cut_to: Option<u64>, stop: &Arc<AtomicBool>) -> Pace {
        let log = beside(path, "-wal");
        let begun = bytes(&log);
        // Not from where it was begun, if that can be helped: one after the other would let it grow for ever.
        Pace { begun, most: cut_to.unwrap_or(begun) + LOG_GROWTH, log, stop: stop.clone() }
    }

    /// The pause after so much work; `None` when it is to end.
    fn pause(&self, worked: Duration) -> Option<Duration> {
        if self.stop.load(Ordering::Relaxed) {
            return None;
        }
        match bytes(&self.log) {
            long if long > self.most => None,
            long if long > self.begun => Some(Duration::ZERO),
            _ => Some((worked * PAUSE).min(PAUSE_MAX)),
        }
    }
}

fn bytes(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// Checks table by table, from the one named on: each is a read of its own, which holds the log back for no longer than
/// it takes.
fn check(path: &Path, from: Option<&str>, pace: &Pace) -> rusqlite::Result<Found> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name >= ?1 ORDER BY name";
    for table in veritable_sql::rows(&db, names, [from.unwrap_or_default()], |row| row.get::<_, String>(0))? {
        let (pace, mut worked) = (pace.clone(), Instant::now());
        db.progress_handler(
            STEPS,
            Some(move || {
                let pause = pace.pause(worked.elapsed());
                std::thread::sleep(pause.unwrap_or_default());
                worked = Instant::now();
                pause.is_none()
            }),
        )?;
        let quoted = table.replace('\'', "''");
        match db.query_row(&format!("PRAGMA quick_check('{quoted}')"), [], |row| row.get::<_, String>(0)) {
            Ok(said) if said == "ok" => {}
            Ok(said) => return Ok(Found::Damage(format!("{table}: {said}"))),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                return Ok(Found::Postponed(table));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Found::Nothing)
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
        let pace = Pace::of(&path, None, &Arc::default());
        assert_eq!(check(&path, None, &pace).unwrap(), Found::Nothing);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2 / 4_096 * 4_096;
        bytes[middle..middle + 4_096].fill(0x5a);
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(check(&path, None, &pace), Ok(Found::Damage(_)) | Err(_)));
        assert_eq!(check(&path, Some("u"), &pace).unwrap(), Found::Nothing, "nothing but what comes after");
    }

    #[test]
    fn a_check_hastens_while_the_log_grows_and_gives_way_before_it_is_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let db = Connection::open(&path).unwrap();
        db.pragma_update(None, "journal_mode", "wal").unwrap();
        db.execute_batch("CREATE TABLE t (a); CREATE TABLE u (a)").unwrap();
        let log = std::fs::File::options().write(true).open(dir.path().join("a.db-wal")).unwrap();
        let usual = log.metadata().unwrap().len();
        let stop = Arc::default();
        let pace = Pace::of(&path, None, &stop);
        let worked = Duration::from_millis(2);
        assert_eq!(pace.pause(worked), Some(worked * PAUSE));
        assert_eq!(pace.pause(Duration::from_secs(9)), Some(PAUSE_MAX));
        log.set_len(usual + 1).unwrap();
        assert_eq!(pace.pause(worked), Some(Duration::ZERO));
        log.set_len(usual + LOG_GROWTH + 1).unwrap();
        assert_eq!(pace.pause(worked), None);
        // The next one does not let it grow by as much again, unless it is nobody's to cut.
        let cut_to = usual + LOG_GROWTH / 2;
        assert_eq!(Pace::of(&path, Some(cut_to), &stop).pause(worked), Some(worked * PAUSE));
        log.set_len(cut_to + LOG_GROWTH + 1).unwrap();
        assert_eq!(Pace::of(&path, Some(cut_to), &stop).pause(worked), None);
        assert_eq!(Pace::of(&path, None, &stop).pause(worked), Some(worked * PAUSE));
        stop.store(true, Ordering::Relaxed);
        assert_eq!(Pace::of(&path, None, &stop).pause(worked), None);
    }
}
