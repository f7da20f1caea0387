//! Work that takes a while is done on threads of its own, which give way to everything else: a flood of logins makes
//! logins wait, a large picture makes pictures wait, and neither makes readers wait.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;

use crate::error::Error;

/// How much these threads give way: a fifteenth of the share of the event loop where both want all of a core (nice(2)).
const NICE: i32 = 12;
/// How long whoever finds the queue full waits to be told so, milliseconds: clients that ask again at once, however often
/// they are refused, would otherwise cost readers more than the hashes do. By chance, as is the next: those who were
/// refused together are not to come back together.
const REFUSED_AFTER_MS: Range<u64> = 250..750;
/// Seconds after which they may try again.
const RETRY_SECONDS: Range<u64> = 2..5;

type Job = Box<dyn FnOnce() + Send>;

/// Some threads and what waits for them.
pub(crate) struct Background {
    jobs: Sender<Job>,
}

impl Background {
    /// So many threads of this name, for which so many jobs may wait.
    ///
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start(name: &'static str, threads: usize, queue: usize) -> std::io::Result<Background> {
        let (jobs, queue) = bounded::<Job>(queue);
        for _ in 0..threads {
            let queue: Receiver<Job> = queue.clone();
            thread::Builder::new().name(name.into()).spawn(move || {
                // Of this thread alone on Linux.
                if let Err(error) = rustix::process::nice(NICE) {
                    tracing::warn!(%error, name, "a thread does not give way");
                }
                while let Ok(job) = queue.recv() {
                    // Its asker is told; the next one's is done all the same.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!(name, "a job panicked");
                    }
                }
            })?;
        }
        Ok(Background { jobs })
    }

    /// Asks beforehand whether too many wait, and says so after a pause. To be called before anything is counted or read
    /// that the pause would hold up; [`Background::run`] itself refuses at once.
    ///
    /// # Errors
    /// [`Error::TooMany`].
    pub(crate) async fn has_room(&self) -> Result<(), Error> {
        if self.jobs.is_full() {
            tokio::time::sleep(Duration::from_millis(fastrand::u64(REFUSED_AFTER_MS))).await;
            return Err(too_many());
        }
        Ok(())
    }

    /// Does something there.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many wait; [`Error::Internal`] when it panicked.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked may have given up while it waited: then there is nothing to do.
            if !answer.is_closed() {
                let _given_up = answer.send(work());
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(too_many()),
            Err(TrySendError::Disconnected(_)) => {
                return Err(Error::Internal("the threads for it are gone".into()));
            }
        }
        answered.await.map_err(|_| Error::Internal("a job panicked".into()))
    }
}

fn too_many() -> Error {
    Error::TooMany { retry_seconds: fastrand::u64(RETRY_SECONDS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn past_the_queue_one_is_told_to_come_back() {
        let threads = Background::start("test", 1, 1).unwrap();
        let (release, held) = bounded::<()>(0);
        let (begun, begins) = bounded::<()>(0);
        let first = threads.run(move || {
            let _begun = begun.send(());
            let _released = held.recv();
        });
        let mut first = Box::pin(first);
        assert!(futures_pending(first.as_mut()).await);
        begins.recv().unwrap();
        let mut second = Box::pin(threads.run(|| ()));
        assert!(futures_pending(second.as_mut()).await);
        assert!(matches!(threads.run(|| ()).await, Err(Error::TooMany { .. })));
        assert!(matches!(threads.has_room().await, Err(Error::TooMany { .. })));
        drop(release);
        first.await.unwrap();
        second.await.unwrap();
        threads.has_room().await.unwrap();
    }

    async fn futures_pending<F: Future + Unpin>(future: F) -> bool {
        let mut future = future;
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context).is_pending())
        })
        .await
    }
}
