//! Connections that read: one on the event loop for questions that hold nobody up, and a pool of threads for the rest, which grows while there is more to do than hands and shrinks when there is not.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;
use veritable_config::settings::Reads;
use veritable_shm::{Counter, Gauge, Series};

use super::meter::Meter;
use super::reader::Reader;
use crate::error::Error;

/// Questions that may wait for a thread; one more is refused at once.
const QUEUE: usize = 256;
/// Looks at the pool, twice a second, at which it was hardly used before a thread ends: half a minute.
const CALM_LOOKS: u32 = 60;

enum Job {
    Ask(Box<dyn FnOnce(&Reader) + Send>),
    /// One thread's connection gives its page cache back.
    Shrink,
    /// One thread ends.
    Leave,
}

/// The readers of one worker.
pub struct Pool {
    inline: Mutex<Reader>,
    jobs: Sender<Job>,
    shared: Arc<Shared>,
    /// Looks in a row at which less than a fifth was used.
    calm: AtomicU32,
}

struct Shared {
    path: PathBuf,
    settings: Reads,
    meter: Meter,
    queue: Receiver<Job>,
    threads: AtomicUsize,
    /// Questions asked and not yet answered, waiting or being answered: one figure, so that none is missed
    /// on its way from the queue to a thread.
    asked: AtomicUsize,
    /// The most of them at once since the last look.
    peak: AtomicUsize,
    /// The last thread could not open the database, or be had: the next one is tried at the next look, not for each
    /// question.
    fails: AtomicBool,
}

impl Pool {
    /// Opens the connections a worker keeps at least.
    ///
    /// # Errors
    /// The database cannot be opened for reading.
    pub(crate) fn open(path: &Path, settings: &Reads, meter: Meter) -> rusqlite::Result<Pool> {
        let (jobs, queue) = bounded(QUEUE);
        let inline = Mutex::new(Reader::open_inline(path, settings, meter.clone())?);
        let shared = Arc::new(Shared {
            path: path.to_owned(),
            settings: settings.clone(),
            meter,
            queue,
            threads: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
        });
        let pool = Pool { inline, jobs, shared, calm: AtomicU32::new(0) };
        for _ in 0..settings.min_connections {
            pool.add_thread();
        }
        Ok(pool)
    }

    /// Opens them for a benchmark, which has no segment to say what they cost in.
    ///
    /// # Errors
    /// The database cannot be opened for reading.
    pub fn open_alone(path: &Path, settings: &Reads) -> rusqlite::Result<Pool> {
        Pool::open(path, settings, Meter::none())
    }

    /// Asks on this thread, and when that takes longer than others should wait, once more on one of the pool.
    ///
    /// # Errors
    /// As [`Pool::pooled`].
    pub async fn inline<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Clone + Send + 'static,
    ) -> Result<T, Error> {
        let begun = Instant::now();
        let answer = self.inline.lock().unwrap_or_else(PoisonError::into_inner).try_ask(read.clone());
        self.shared.meter.time(Series::InlineRead, begun.elapsed());
        match answer {
            Some(answer) => answer,
            None => self.pooled(read).await,
        }
    }

    /// Asks on a thread of the pool.
    ///
    /// # Errors
    /// What `read` yields, or [`Error::Busy`] when too many wait or the deadline passed.
    pub async fn pooled<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let (asked, meter) = (Instant::now(), self.shared.meter.clone());
        let question = Box::new(move |reader: &Reader| {
            meter.time(Series::PoolWait, asked.elapsed());
            // Whoever asked may have left, before or meanwhile.
            if !answer.is_closed() {
                let begun = Instant::now();
                let _gone = answer.send(reader.ask(read));
                meter.time(Series::PooledRead, begun.elapsed());
            }
        });
        let asked = self.shared.asked.fetch_add(1, Ordering::Relaxed) + 1;
        self.shared.peak.fetch_max(asked, Ordering::Relaxed);
        self.grow(asked);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.jobs.try_send(Job::Ask(question))
        {
            self.shared.asked.fetch_sub(1, Ordering::Relaxed);
            self.shared.meter.count(Counter::ReadsRefused);
            return Err(Error::Busy);
        }
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
            let _full = self.jobs.try_send(Job::Shrink);
        }
    }

    /// Twice a second: says how much the pool is used, and lets a thread go when for a while less than a fifth
    /// was (the seed's rule).
    pub(crate) fn look(&self) {
        let threads = self.shared.threads.load(Ordering::Relaxed);
        let asked = self.shared.asked.load(Ordering::Relaxed);
        let peak = self.shared.peak.swap(asked, Ordering::Relaxed);
        let busy = asked.min(threads);
        for (gauge, value) in
            [(Gauge::ReadThreads, threads), (Gauge::ReadBusy, busy), (Gauge::ReadQueue, asked - busy)]
        {
            self.shared.meter.show(gauge, value as u64);
        }
        let least = usize::from(self.shared.settings.min_connections);
        // One that could not open the database is gone, and somebody may wait for it.
        if self.shared.fails.load(Ordering::Relaxed) {
            if self.wants_more(threads, asked) {
                self.add_thread();
            }
        } else {
            for _ in threads..least {
                self.add_thread();
            }
        }
        if threads <= least || peak * 5 >= threads {
            self.calm.store(0, Ordering::Relaxed);
        } else if self.calm.fetch_add(1, Ordering::Relaxed) + 1 >= CALM_LOOKS {
            self.calm.store(0, Ordering::Relaxed);
            // A full queue is no calm.
            let _full = self.jobs.try_send(Job::Leave);
        }
    }

    /// Adds a thread when there are fewer than the least, or when with `asked` questions more than four fifths
    /// are busy (the seed's rule) and the most is not reached.
    fn grow(&self, asked: usize) {
        let threads = self.shared.threads.load(Ordering::Relaxed);
        if !self.shared.fails.load(Ordering::Relaxed) && self.wants_more(threads, asked) {
            self.add_thread();
        }
    }

    fn wants_more(&self, threads: usize, asked: usize) -> bool {
        let (least, most) = (self.shared.settings.min_connections, self.shared.settings.max_connections);
        threads < least.into() || (asked * 5 > threads * 4 && threads < most.into())
    }

    /// Starts a thread, which opens its own connection: opening reads the schema, too long for this one.
    fn add_thread(&self) {
        let shared = self.shared.clone();
        let threads = self.shared.threads.fetch_add(1, Ordering::Relaxed);
        let spawned = std::thread::Builder::new().name("read".into()).spawn(move || {
            match Reader::open(&shared.path, &shared.settings, shared.meter.clone()) {
                Ok(reader) => {
                    if shared.fails.swap(false, Ordering::Relaxed) {
                        tracing::info!("reading threads open the database again");
                    }
                    shared.answer_questions(&reader);
                }
                Err(error) => {
                    if !shared.fails.swap(true, Ordering::Relaxed) {
                        tracing::warn!(%error, "reading threads cannot open the database; it is tried again without a word");
                    }
                    shared.meter.failed(&error, &shared.path);
                }
            }
            shared.threads.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = spawned {
            self.shared.threads.fetch_sub(1, Ordering::Relaxed);
            if !self.shared.fails.swap(true, Ordering::Relaxed) {
                tracing::warn!(%error, threads, "no further reading thread can be had");
            }
        }
    }
}

impl Shared {
    fn answer_questions(&self, reader: &Reader) {
        while let Ok(job) = self.queue.recv() {
            match job {
                Job::Ask(question) => {
                    question(reader);
                    self.asked.fetch_sub(1, Ordering::Relaxed);
                }
                Job::Shrink => reader.shrink(),
                Job::Leave => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::ThreadId;

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
        let pool = Pool::open(&path, &Reads::default(), Meter::none()).unwrap();
        let count =
            |db: &Connection| Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?);
        assert_eq!(pool.inline(count).await.unwrap(), 1);
        assert_eq!(pool.pooled(count).await.unwrap(), 1);
        assert!(pool.inline(|db| Ok(db.execute("INSERT INTO t VALUES (2)", [])?)).await.is_err());
        assert!(matches!(
            pool.inline(|_| -> Result<(), Error> { panic!("planted") }).await,
            Err(Error::Internal(_))
        ));
        assert_eq!(pool.inline(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_read_past_its_deadline_is_interrupted() {
        let (_dir, path) = database();
        let pool = Pool::open(&path, &Reads { deadline_ms: 20, ..Reads::default() }, Meter::none()).unwrap();
        let endless = |db: &Connection| {
            let sql = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n";
            Ok(db.query_row(sql, [], |row| row.get::<_, i64>(0))?)
        };
        assert!(matches!(pool.inline(endless).await, Err(Error::Busy)));
        assert!(matches!(pool.pooled(endless).await, Err(Error::Busy)));
    }

    type Witnesses = Arc<Mutex<Vec<ThreadId>>>;

    /// A question that says on which threads it was asked.
    fn witnessed(
        sql: &'static str,
    ) -> (Witnesses, impl FnOnce(&Connection) -> Result<i64, Error> + Clone + Send) {
        let threads = Witnesses::default();
        let seen = threads.clone();
        (threads, move |db: &Connection| {
            seen.lock().unwrap().push(std::thread::current().id());
            Ok(db.query_row(sql, [], |row| row.get(0))?)
        })
    }

    #[tokio::test]
    async fn what_would_hold_the_event_loop_up_is_asked_on_another_thread() {
        let (_dir, path) = database();
        let pool = Pool::open(&path, &Reads::default(), Meter::none()).unwrap();
        let here = std::thread::current().id();
        let (short, question) = witnessed("SELECT count(*) FROM t");
        assert_eq!(pool.inline(question).await.unwrap(), 1);
        assert_eq!(*short.lock().unwrap(), [here]);
        // Far more than some milliseconds, far less than the deadline of the pool.
        let (long, question) = witnessed(
            "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000000) SELECT max(x) FROM n",
        );
        assert_eq!(pool.inline(question).await.unwrap(), 1_000_000);
        let threads = long.lock().unwrap().clone();
        assert!(threads.len() == 2 && threads[0] == here && threads[1] != here, "{threads:?}");
    }

    #[tokio::test]
    async fn a_lock_is_waited_for_on_another_thread() {
        let (_dir, path) = database();
        let one = Reads { min_connections: 1, max_connections: 1, ..Reads::default() };
        let pool = Pool::open(&path, &one, Meter::none()).unwrap();
        let here = std::thread::current().id();
        // Its connection is open then: opening waits for locks too.
        assert!(pool.pooled(|_| Ok(())).await.is_ok());
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
        let (waiting, question) = witnessed("SELECT count(*) FROM t");
        let seen = waiting.clone();
        let release = std::thread::spawn(move || {
            while seen.lock().unwrap().len() < 2 {
                std::thread::yield_now();
            }
            holder.execute_batch("ROLLBACK").unwrap();
        });
        assert_eq!(pool.inline(question).await.unwrap(), 1);
        release.join().unwrap();
        let threads = waiting.lock().unwrap().clone();
        assert!(threads.len() == 2 && threads[0] == here && threads[1] != here, "{threads:?}");
    }

    #[tokio::test]
    async fn a_database_that_cannot_be_opened_is_tried_at_each_look_and_not_for_each_question() {
        let (dir, path) = database();
        let settings = Reads { min_connections: 1, deadline_ms: 10, ..Reads::default() };
        let pool = Pool::open(&path, &settings, Meter::none()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        assert!(pool.pooled(|_| Ok(())).await.is_ok());
        let aside = dir.path().join("aside");
        std::fs::rename(&path, &aside).unwrap();
        pool.jobs.try_send(Job::Leave).unwrap();
        let failed = || pool.shared.fails.load(Ordering::Relaxed);
        let threads = || pool.shared.threads.load(Ordering::Relaxed);
        while threads() > 0 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        pool.look();
        while !failed() || threads() > 0 {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        for _ in 0..20 {
            assert!(matches!(pool.pooled(|_| Ok(())).await, Err(Error::Busy)));
            assert_eq!(threads(), 0, "no thread for a question");
        }
        std::fs::rename(&aside, &path).unwrap();
        pool.look();
        while failed() {
            assert!(Instant::now() < deadline);
            std::thread::yield_now();
        }
        assert!(pool.pooled(|_| Ok(())).await.is_ok());
    }

    #[tokio::test]
    async fn the_pool_grows_when_it_is_used_and_shrinks_when_it_is_calm() {
        let (_dir, path) = database();
        let settings = Reads { min_connections: 2, max_connections: 5, ..Reads::default() };
        let pool = Arc::new(Pool::open(&path, &settings, Meter::none()).unwrap());
        let threads = |pool: &Pool| pool.shared.threads.load(Ordering::Relaxed);
        let (release, wait) = bounded::<()>(0);
        let held: Vec<_> = (0..8)
            .map(|_| {
                let (pool, wait) = (pool.clone(), wait.clone());
                tokio::spawn(async move {
                    pool.pooled(move |_| {
                        let _released = wait.recv();
                        Ok(())
                    })
                    .await
                })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(threads(&pool), 5, "never more than the most");
        for _ in 0..CALM_LOOKS + 1 {
            pool.look();
        }
        drop((release, wait));
        for question in held {
            question.await.unwrap().unwrap();
        }
        assert_eq!(threads(&pool), 5, "not while it is used");
        let deadline = Instant::now() + Duration::from_secs(30);
        while pool.shared.asked.load(Ordering::Relaxed) > 0 {
            assert!(Instant::now() < deadline, "an answered question still counts");
            std::thread::yield_now();
        }
        for _ in 0..CALM_LOOKS * 4 {
            pool.look();
        }
        while threads(&pool) > 2 {
            assert!(Instant::now() < deadline, "{} threads are left", threads(&pool));
            std::thread::yield_now();
        }
        let one = pool.pooled(|db| Ok(db.query_row("SELECT 1", [], |row| row.get::<_, i64>(0))?)).await;
        assert_eq!(one.unwrap(), 1);
    }
}
