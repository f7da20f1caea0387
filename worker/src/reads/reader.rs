//! One connection that reads: its settings, its deadline, and a read transaction for each question.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags};
use veritable_config::settings::Reads;
use veritable_shm::Counter;

use super::meter::Meter;
use crate::error::Error;

/// Statements kept prepared for each connection: more than there are.
const STATEMENTS: usize = 128;
/// KiB of page cache for a connection of the pool.
const CACHE_KIB: i64 = 256;
/// KiB of page cache for the connection of the event loop, which most reads use: the names and list entries of thousands
/// of people and topics.
const INLINE_CACHE_KIB: i64 = 2_048;
/// SQLite's instructions between two looks at the clock on a thread of its own: some tens of microseconds, unless pages
/// come from the disk.
const STEPS: i32 = 4_000;
/// The same on the event loop. Any of them may have to wait for the disk: with so few some pages at most are read past the
/// bound, and a look at the clock is still cheaper than they are.
const INLINE_STEPS: i32 = 100;
/// Wait for a lock, which WAL readers meet only while the log is being recovered.
const BUSY: Duration = Duration::from_millis(1_000);
/// How long a read may hold the event loop up. What takes longer (a page that has to come from the disk, an unusually
/// long thread) is asked again where nobody waits for it.
const INLINE: Duration = Duration::from_millis(4);

/// One connection and its deadline.
pub(crate) struct Reader {
    db: Connection,
    until: Arc<Mutex<Option<Instant>>>,
    within: Duration,
    meter: Meter,
}

impl Reader {
    /// One on a thread of its own.
    pub(crate) fn open(path: &Path, settings: &Reads, meter: Meter) -> rusqlite::Result<Reader> {
        let within = Duration::from_millis(settings.deadline_ms.into());
        Reader::with(path, settings, meter, (BUSY, within, CACHE_KIB, STEPS))
    }

    /// One on the event loop, which waits for no lock.
    pub(crate) fn open_inline(path: &Path, settings: &Reads, meter: Meter) -> rusqlite::Result<Reader> {
        Reader::with(path, settings, meter, (Duration::ZERO, INLINE, INLINE_CACHE_KIB, INLINE_STEPS))
    }

    fn with(
        path: &Path,
        settings: &Reads,
        meter: Meter,
        (busy, within, cache, steps): (Duration, Duration, i64, i32),
    ) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(busy)?;
        db.pragma_update(None, "query_only", true)?;
        // No file can be made within a worker's confines.
        db.pragma_update(None, "temp_store", "memory")?;
        db.pragma_update(None, "mmap_size", settings.mmap_bytes.cast_signed())?;
        db.pragma_update(None, "cache_size", -cache)?;
        veritable_sql::keep_prepared(&db, STATEMENTS)?;
        let until = Arc::new(Mutex::new(None::<Instant>));
        let seen = until.clone();
        db.progress_handler(
            steps,
            Some(move || {
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_some_and(|until| Instant::now() > until)
            }),
        )?;
        Ok(Reader { db, until, within, meter })
    }

    pub(crate) fn shrink(&self) {
        if let Err(error) = self.db.execute_batch("PRAGMA shrink_memory") {
            tracing::warn!(%error, "a connection keeps its memory");
        }
    }

    fn set_deadline(&self, until: Option<Instant>) {
        *self.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Ends the transaction, if one is open: some errors have ended it already.
    fn end_transaction(&self) -> rusqlite::Result<()> {
        if !self.db.is_autocommit() {
            self.db.prepare_cached("ROLLBACK")?.execute([])?;
        }
        Ok(())
    }

    /// Asks, up to the deadline.
    ///
    /// # Errors
    /// What `read` yields, or [`Error::Busy`] past the deadline.
    pub(crate) fn ask<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        match self.run(read) {
            Err(Error::Database(error)) if is(&error, ErrorCode::OperationInterrupted) => {
                tracing::warn!(within = ?self.within, "a read was interrupted at its deadline");
                self.meter.count(Counter::ReadsInterrupted);
                Err(Error::Busy)
            }
            Err(Error::Database(error)) => Err(self.failed(error)),
            result => result,
        }
    }

    /// Asks; `None` when it took too long or would have had to wait.
    pub(crate) fn try_ask<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Option<Result<T, Error>> {
        match self.run(read) {
            Err(Error::Database(error))
                if is(&error, ErrorCode::OperationInterrupted) || is(&error, ErrorCode::DatabaseBusy) =>
            {
                None
            }
            Err(Error::Database(error)) => Some(Err(self.failed(error))),
            result => Some(result),
        }
    }

    fn failed(&self, error: rusqlite::Error) -> Error {
        self.meter.failed(&error, Path::new(self.db.path().unwrap_or_default()));
        Error::Database(error)
    }

    /// Runs `read` in a read transaction of its own, which ends with it: a long one would keep the writer
    /// from shortening its log.
    fn run<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.end_transaction()?;
        self.db.prepare_cached("BEGIN")?.execute([])?;
        self.set_deadline(Some(Instant::now() + self.within));
        // A panic in a handler must not leave the transaction open for the next question.
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| read(&self.db)));
        self.set_deadline(None);
        if let Err(error) = self.end_transaction() {
            // The answer is good all the same; the next question tries again.
            tracing::warn!(%error, "a read transaction did not end");
        }
        result.unwrap_or_else(|_| Err(Error::Internal("a handler panicked".into())))
    }
}

fn is(error: &rusqlite::Error, code: ErrorCode) -> bool {
    error.sqlite_error_code() == Some(code)
}
