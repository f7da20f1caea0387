//! What every test needs: a server of its own, an HTTP client that speaks plain bytes, and a way to wait for
//! a condition.

pub(crate) mod browser;
pub(crate) mod chromium;
pub(crate) mod damage;
pub(crate) mod disk;
pub(crate) mod http;
pub(crate) mod people;
pub(crate) mod routes;
pub(crate) mod server;
mod skip;
pub(crate) mod systemd;
pub(crate) mod town;
mod workers;

use std::net::TcpListener;
use std::time::{Duration, Instant};

pub(crate) use skip::{real_data, skipped};

/// Longest wait for anything. Far beyond what a healthy run needs, so that a slow machine does not fail.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until `probe` yields something; fails naming `what` after [`PATIENCE`].
pub(crate) fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A free port, which nobody else is likely to take before it is used.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// How often to do what shows more the longer it goes on: `short` in everyday runs, `full` when
/// `VERITABLE_FULL` is set.
pub(crate) fn rounds(short: usize, full: usize) -> usize {
    if std::env::var_os("VERITABLE_FULL").is_some() { full } else { short }
}

/// Where everyday runs begin of what they try only a part of: another place each day, so that every part comes up.
/// `VERITABLE_SEED=NUMBER` repeats a day; it is told which.
pub(crate) fn seed() -> usize {
    let days =
        || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() / 86_400;
    let seed = match std::env::var("VERITABLE_SEED") {
        Ok(number) => number.parse().expect("VERITABLE_SEED is a number"),
        Err(_) => usize::try_from(days()).unwrap(),
    };
    eprintln!("VERITABLE_SEED={seed}");
    seed
}
