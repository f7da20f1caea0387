//! Connections that read: one on the event loop for questions cheaper than a change of threads, and a pool
//! of threads for the rest, which grows while there is more to do than hands and shrinks when there is not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;
use veritable_config::settings::Reads;

use crate::error::Error;

/// Questions that may wait for a thread; one more is refused at once.
const QUEUE: usize = 256;
/// A thread beyond the least that had nothing to do for this long ends.
const IDLE: Duration = Duration::from_secs(60);
/// Statements kept prepared for each connection: more than there are.
const STATEMENTS: usize = 128;
/// KiB of page cache for each connection; most pages come from the mapped file.
const CACHE_KIB: i64 = 2_048;
/// SQLite's instructions between two looks at the clock: some tens of microseconds.
const STEPS: i32 = 4_000;
/// Wait for a lock, which WAL readers meet only while the log is being recovered.
const BUSY: Duration = Duration::from_millis(1_000);

type Question = Box<dyn FnOnce(&Reader) + Send>;

/// The readers of one worker.
pub(crate) struct Pool {
    inline: Mutex<Reader>,
    questions: Sender<Question>,
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    settings: Reads,
    queue: Receiver<Question>,
    threads: AtomicUsize,
    busy: AtomicUsize,
}

/// One connection and its deadline.
pub(crate) struct Reader {
    db: Connection,
    until: Arc<Mutex<Option<Instant>>>,
    within: Duration,
}

impl Pool {
    /// Opens the connections a worker keeps at least.
    ///
    /// # Errors
    /// The database cannot be opened for reading.
    pub(crate) fn open(path: &Path, settings: &Reads) -> rusqlite::Result<Pool> {
        let (questions, queue) = bounded(QUEUE);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            settings: settings.clone(),
            queue,
            threads: AtomicUsize::new(0),
            busy: AtomicUsize::new(0),
        });
        let inline = Mutex::new(Reader::open(path, settings)?);
        let pool = Pool { inline, questions, shared };
        for _ in 0..settings.min_connections {
            pool.add_thread();
        }
        Ok(pool)
    }

    /// Asks on this thread.
    ///
    /// # Errors
    /// What `read` yields, or [`Error::Busy`] past the deadline.
    pub(crate) fn inline<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        self.inline.lock().unwrap_or_else(PoisonError::into_inner).ask(read)
    }

    /// Asks on a thread of the pool.
    ///
    /// # Errors
    /// What `read` yields, or [`Error::Busy`] when too many wait or the deadline passed.
    pub(crate) async fn pooled<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let question: Question = Box::new(move |reader| {
            // Whoever asked may have left, before or meanwhile.
            if !answer.is_closed() {
                let _gone = answer.send(reader.ask(read));
            }
        });
        self.grow();
        self.questions.try_send(question).map_err(|_| Error::Busy)?;
        let within = Duration::from_millis(self.shared.settings.deadline_ms.into()) * 2;
        match tokio::time::timeout(within, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(Error::Internal("a reader ended without an answer".into())),
            Err(_) => Err(Error::Busy),
        }
    }

    /// Has every connection give its page cache back: this one's now, the threads' when they get to it.
    pub(crate) fn shrink(&self) {
        self.inline.lock().unwrap_or_else(PoisonError::into_inner).shrink();
        for _ in 0..self.shared.threads.load(Ordering::Relaxed) {
            // A full queue is work that will use the caches at once.
            let _full = self.questions.try_send(Box::new(Reader::shrink));
        }
    }

    /// Adds a thread when there are fewer than the least, or when more than four fifths are busy (the
    /// seed's rule) and the most is not reached.
    fn grow(&self) {
        let threads = self.shared.threads.load(Ordering::Relaxed);
        let busy = self.shared.busy.load(Ordering::Relaxed) + self.questions.len();
        let (least, most) = (self.shared.settings.min_connections, self.shared.settings.max_connections);
        if threads < least.into() || (busy * 5 >= threads * 4 && threads < most.into()) {
            self.add_thread();
        }
    }

    /// Starts a thread, which opens its own connection: opening reads the schema, too long for this one.
    fn add_thread(&self) {
        let shared = self.shared.clone();
        let threads = self.shared.threads.fetch_add(1, Ordering::Relaxed);
        let spawned = std::thread::Builder::new().name("read".into()).spawn(move || {
            match Reader::open(&shared.path, &shared.settings) {
                Ok(reader) => shared.answer_questions(&reader),
                Err(error) => {
                    tracing::warn!(%error, "a reading thread cannot open the database");
                    shared.threads.fetch_sub(1, Ordering::Relaxed);
                }
            }
        });
        if let Err(error) = spawned {
            self.shared.threads.fetch_sub(1, Ordering::Relaxed);
            tracing::warn!(%error, threads, "no further reading thread can be had");
        }
    }
}

impl Shared {
    fn answer_questions(&self, reader: &Reader) {
        loop {
            match self.queue.recv_timeout(IDLE) {
                Ok(question) => {
                    self.busy.fetch_add(1, Ordering::Relaxed);
                    question(reader);
                    self.busy.fetch_sub(1, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {
                    let least = usize::from(self.settings.min_connections);
                    let left = self.threads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |threads| {
                        (threads > least).then(|| threads - 1)
                    });
                    if left.is_ok() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

impl Reader {
    fn open(path: &Path, settings: &Reads) -> rusqlite::Result<Reader> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags)?;
        db.busy_timeout(BUSY)?;
        db.pragma_update(None, "query_only", true)?;
        // No file can be made within a worker's confines.
        db.pragma_update(None, "temp_store", "memory")?;
        db.pragma_update(None, "mmap_size", settings.mmap_bytes.cast_signed())?;
        db.pragma_update(None, "cache_size", -CACHE_KIB)?;
        db.set_prepared_statement_cache_capacity(STATEMENTS);
        let until = Arc::new(Mutex::new(None::<Instant>));
        let seen = until.clone();
        db.progress_handler(
            STEPS,
            Some(move || {
                seen.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .is_some_and(|until| Instant::now() > until)
            }),
        )?;
        Ok(Reader { db, until, within: Duration::from_millis(settings.deadline_ms.into()) })
    }

    fn shrink(&self) {
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

    /// Runs `read` in a read transaction of its own, which ends with it: a long one would keep the writer
    /// from shortening its log.
    fn ask<T>(&self, read: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
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
        match result {
            Ok(Err(Error::Database(error)))
                if error.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) =>
            {
                tracing::warn!(
                    deadline_ms = self.within.as_millis(),
                    "a read was interrupted at its deadline"
                );
                Err(Error::Busy)
            }
            Ok(result) => result,
            Err(_) => Err(Error::Internal("a handler panicked".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("test.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)")
            .unwrap();
        (dir, path)
    }

    #[tokio::test]
    async fn readers_read_and_cannot_write() {
        let (_dir, path) = database();
        let pool = Pool::open(&path, &Reads::default()).unwrap();
        let count =
            |db: &Connection| Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?);
        assert_eq!(pool.inline(count).unwrap(), 1);
        assert_eq!(pool.pooled(count).await.unwrap(), 1);
        assert!(pool.inline(|db| Ok(db.execute("INSERT INTO t VALUES (2)", [])?)).is_err());
        assert!(matches!(
            pool.inline(|_| -> Result<(), Error> { panic!("planted") }),
            Err(Error::Internal(_))
        ));
        assert_eq!(pool.inline(count).unwrap(), 1);
    }

    #[tokio::test]
    async fn a_read_past_its_deadline_is_interrupted() {
        let (_dir, path) = database();
        let pool = Pool::open(&path, &Reads { deadline_ms: 20, ..Reads::default() }).unwrap();
        let endless = |db: &Connection| {
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
            Ok(db.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        };
        assert!(matches!(pool.inline(endless), Err(Error::Busy)));
        assert!(matches!(pool.pooled(endless).await, Err(Error::Busy)));
    }
}
