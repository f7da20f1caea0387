//! Passwords are hashed on threads of their own, which give way to everything else: a flood of logins makes logins
//! wait, not readers.

use std::thread;

use veritable_config::Config;
use veritable_domain::password::{Cost, Verdict};

use crate::background::Background;
use crate::error::Error;
use crate::http::csrf::random;

/// The threads and what waits for them.
pub(crate) struct Hashing {
    threads: Background,
    /// What a hash costs by the settings.
    cost: Cost,
}

impl Hashing {
    /// # Errors
    /// No thread can be made.
    pub(crate) fn start(config: &Config) -> std::io::Result<Hashing> {
        let accounts = &config.accounts;
        let threads = Background::start("hash", threads(config), accounts.hash_queue as usize)?;
        let cost = Cost { log_n: accounts.scrypt_log_n, r: accounts.scrypt_r, p: accounts.scrypt_p };
        Ok(Hashing { threads, cost })
    }

    /// Whether a password would be looked at now.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) async fn has_room(&self) -> Result<(), Error> {
        self.threads.has_room().await
    }

    /// A new password's hash.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) async fn hash(&self, password: &str) -> Result<String, Error> {
        let (password, cost, salt) = (password.to_owned(), self.cost, random()?);
        let hashed = self.threads.run(move || cost.hash(&password, salt)).await?;
        hashed.map_err(|error| Error::Internal(error.to_string()))
    }

    /// What a stored hash says of a password; where there is none, the same time passes.
    ///
    /// # Errors
    /// Too many wait.
    pub(crate) async fn verify(&self, password: &str, stored: Option<String>) -> Result<Verdict, Error> {
        let (password, cost) = (password.to_owned(), self.cost);
        self.threads
            .run(move || match stored {
                Some(stored) => cost.verify(&password, &stored),
                None => {
                    cost.pretend(&password);
                    Verdict::Wrong
                }
            })
            .await
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
}
