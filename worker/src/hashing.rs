//! Passwords are hashed on threads of their own, which give way to everything else: a flood of logins makes logins
//! wait, not readers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use tokio::sync::oneshot;
use veritable_config::Config;
use veritable_domain::password::{Cost, Verdict};

use crate::error::Error;
use crate::http::csrf::random;

/// How much these threads give way: a fifteenth of the share of the event loop where both want all of a core (nice(2)).
const NICE: i32 = 12;
/// Seconds after which somebody who found the queue full may try again.
const RETRY_SECONDS: u64 = 2;

type Job = Box<dyn FnOnce() + Send>;

/// The threads and what waits for them.
pub(crate) struct Hashing {
    jobs: Sender<Job>,
    /// What a hash costs by the settings.
    cost: Cost,
}

impl Hashing {
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start(config: &Config) -> std::io::Result<Hashing> {
        let accounts = &config.accounts;
        let (jobs, queue) = bounded::<Job>(accounts.hash_queue as usize);
        for _ in 0..threads(config) {
            let queue: Receiver<Job> = queue.clone();
            thread::Builder::new().name("hash".into()).spawn(move || {
                // Of this thread alone on Linux.
                if let Err(error) = rustix::process::nice(NICE) {
                    tracing::warn!(%error, "hashing passwords does not give way");
                }
                while let Ok(job) = queue.recv() {
                    // Its asker is told; the next one's password is hashed all the same.
                    if catch_unwind(AssertUnwindSafe(job)).is_err() {
                        tracing::error!("hashing a password panicked");
                    }
                }
            })?;
        }
        let cost = Cost { log_n: accounts.scrypt_log_n, r: accounts.scrypt_r, p: accounts.scrypt_p };
        Ok(Hashing { jobs, cost })
    }

    /// A new password's hash.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (password, cost, salt) = (password.to_owned(), self.cost, random()?);
        let hashed = self.run(move || cost.hash(&password, salt)).await?;
        hashed.map_err(|error| Error::Internal(error.to_string()))
    }

    /// What a stored hash says of a password; where there is none, the same time passes.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) async fn verify(&self, password: &str, stored: Option<String>) -> Result<Verdict, Error> {
        let (password, cost) = (password.to_owned(), self.cost);
        self.run(move || match stored {
            Some(stored) => cost.verify(&password, &stored),
            None => {
                cost.pretend(&password);
                Verdict::Wrong
            }
        })
        .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Whoever asked may have given up while it waited: then there is nothing to do.
            if !answer.is_closed() {
                let _given_up = answer.send(work());
            }
        });
        match self.jobs.try_send(job) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(Error::TooMany { retry_seconds: RETRY_SECONDS }),
            Err(TrySendError::Disconnected(_)) => {
                return Err(Error::Internal("the threads that hash passwords are gone".into()));
            }
        }
        answered.await.map_err(|_| Error::Internal("hashing a password panicked".into()))
    }
}

fn threads(config: &Config) -> usize {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let workers = if config.workers == 0 { cores } else { config.workers.into() };
    match config.accounts.hash_threads {
        0 => (cores / workers).max(1),
        threads => threads.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(queue: u32) -> Config {
        let mut config = Config::default();
        config.accounts.scrypt_log_n = 10;
        config.accounts.hash_threads = 1;
        config.accounts.hash_queue = queue;
        config
    }

    #[tokio::test]
    async fn passwords_are_hashed_and_verified() {
        let hashing = Hashing::start(&config(8)).unwrap();
        let stored = hashing.hash("open sesame").await.unwrap();
        assert_eq!(hashing.verify("open sesame", Some(stored.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(hashing.verify("open sesam", Some(stored)).await.unwrap(), Verdict::Wrong);
        assert_eq!(hashing.verify("open sesame", None).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn past_the_queue_one_is_told_to_come_back() {
        let hashing = Hashing::start(&config(1)).unwrap();
        let (release, held) = bounded::<()>(0);
        let (begun, begins) = bounded::<()>(0);
        let first = hashing.run(move || {
            let _begun = begun.send(());
            let _released = held.recv();
        });
        let mut first = Box::pin(first);
        assert!(futures_pending(first.as_mut()).await);
        begins.recv().unwrap();
        let mut second = Box::pin(hashing.hash("waits"));
        assert!(futures_pending(second.as_mut()).await);
        assert!(matches!(hashing.hash("refused").await, Err(Error::TooMany { .. })));
        drop(release);
        first.await.unwrap();
        second.await.unwrap();
    }

    async fn futures_pending<F: Future + Unpin>(future: F) -> bool {
        let mut future = future;
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::pin::Pin::new(&mut future).poll(context).is_pending())
        })
        .await
    }
}
