//! Reload after reload under a load of every kind, and nobody may notice. The full form (`VERITABLE_FULL=1`) is
//! 200 reloads under a million requests; what latency it costs is printed, not judged.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::json;

use super::harness::http::Connection;
use super::harness::server::{Server, try_change};
use super::harness::{PATIENCE, rounds, wait_for};

/// Bytes of text in a post.
const POST_BYTES: usize = 16 * 1024;
/// How long a slow client takes for its request.
const SLOW: Duration = Duration::from_secs(2);
/// Longest idleness of a pooled client between two requests, in milliseconds.
const IDLE_MS: u64 = 10_000;

/// Requests answered while it lasts, by all clients.
struct Storm<'a> {
    server: &'a Server,
    token: &'a str,
    topic: i64,
    stop: &'a AtomicBool,
    answered: &'a AtomicU64,
}

impl Storm<'_> {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    fn answered(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    /// Asks over a new connection each time; yields the latencies.
    fn newcomer(&self) -> Vec<Duration> {
        let mut took = Vec::new();
        while self.goes_on() {
            let begun = Instant::now();
            let mut connection = self.server.connect();
            let reply = connection.send("GET", "/latest", &["Connection: close"], b"").expect("an answer");
            assert_eq!(reply.status, 200);
            took.push(begun.elapsed());
            self.answered();
        }
        took
    }

    /// Asks over one connection, which must never be closed.
    fn regular(&self) -> Vec<Duration> {
        let (mut connection, mut took) = (self.server.connect(), Vec::new());
        while self.goes_on() {
            let begun = Instant::now();
            let reply = connection.send("GET", "/api/forums/topics", &[], b"").expect("an answer");
            assert_eq!((reply.status, reply.header("connection")), (200, None));
            took.push(begun.elapsed());
            self.answered();
        }
        took
    }

    /// One connection, used now and then; how often it was used.
    fn pooled(&self, mut seed: u64) -> Vec<Duration> {
        let mut connection = self.server.connect();
        while self.goes_on() {
            let reply = connection.send("GET", "/latest", &[], b"").expect("an answer, not a reset");
            assert_eq!(reply.status, 200);
            self.answered();
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let until = Instant::now() + Duration::from_millis((seed >> 33) % IDLE_MS);
            while self.goes_on() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Vec::new()
    }

    /// Posts without pause; each must be acknowledged.
    fn poster(&self, number: usize) -> Vec<Duration> {
        let mut connection = self.server.connect();
        for post in 0.. {
            if !self.goes_on() {
                break;
            }
            let text = format!("{number} {post} {}", "x ".repeat(POST_BYTES / 2));
            let path = format!("/api/topics/{}/posts", self.topic);
            let begun = Instant::now();
            let reply = try_change(&mut connection, self.token, None, "POST", &path, &json!({ "body": text }))
                .expect("an answer");
            assert_eq!(reply.status, 201, "after {:?}: {}", begun.elapsed(), reply.text());
            self.answered();
        }
        Vec::new()
    }

    /// Takes its time over each request, so that a reload falls into it.
    fn slow(&self) -> Vec<Duration> {
        while self.goes_on() {
            let mut stream = TcpStream::connect(&self.server.address).expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            let head = format!(
                "POST /api/topics/{}/posts HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {}\r\n\
                 Content-Type: application/json\r\nContent-Length: 16\r\n\r\n{{\"body\": ",
                self.topic, self.token
            );
            stream.write_all(head.as_bytes()).unwrap();
            let until = Instant::now() + SLOW;
            while self.goes_on() && Instant::now() < until {
                std::thread::sleep(Duration::from_millis(20));
            }
            stream.write_all(b"\"slow\"}").unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).expect("an answer");
            assert_eq!(&status, b"HTTP/1.1 201");
            self.answered();
        }
        Vec::new()
    }
}

/// The latency that this share of requests stays below, in microseconds.
fn quantile(took: &mut [Duration], share: f64) -> u128 {
    took.sort_unstable();
    let index = ((took.len() as f64 * share) as usize).min(took.len().saturating_sub(1));
    took.get(index).map_or(0, Duration::as_micros)
}

/// Runs clients of every kind until `enough` says so; the latencies of the quick ones.
fn storm(server: &Server, token: &str, topic: i64, enough: impl FnOnce(&AtomicU64)) -> (u64, Vec<Duration>) {
    let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    let storm = Storm { server, token, topic, stop: &stop, answered: &answered };
    let took = std::thread::scope(|scope| {
        let storm = &storm;
        let mut clients = Vec::new();
        for number in 0..2 {
            clients.push(scope.spawn(|| storm.newcomer()));
            clients.push(scope.spawn(|| storm.regular()));
            clients.push(scope.spawn(move || storm.poster(number)));
        }
        for number in 0..16 {
            clients.push(scope.spawn(move || storm.pooled(number)));
        }
        for _ in 0..4 {
            clients.push(scope.spawn(|| storm.slow()));
        }
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| enough(&answered)));
        stop.store(true, Ordering::Relaxed);
        let took = clients.into_iter().flat_map(|client| client.join().expect("no request failed")).collect();
        watched.expect("the reloads went on");
        took
    });
    (answered.load(Ordering::Relaxed), took)
}

#[test]
fn reload_after_reload_fails_no_request() {
    let (reloads, requests) = (rounds(6, 200) as u64, rounds(2_000, 1_000_000) as u64);
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let calm_requests = requests / 10;
    let (_, mut calm) = storm(&server, &token, topic, |answered| {
        wait_long("answers", || answered.load(Ordering::Relaxed) >= calm_requests);
    });
    let begun = Instant::now();
    let (answered, mut stormy) = storm(&server, &token, topic, |answered| {
        for reload in 1..=reloads {
            let target = requests * reload / reloads;
            wait_long("answers", || answered.load(Ordering::Relaxed) >= target);
            let generation = server.status()["generation"].as_u64().unwrap();
            server.signal(Signal::SIGHUP);
            wait_for("the reload", || (server.status()["generation"].as_u64()? > generation).then_some(()));
        }
    });
    let line = format!(
        "{reloads} reloads under {answered} requests in {:.0} s, 0 failed; p99.9 of quick requests {} us, without \
         reloads {} us",
        begun.elapsed().as_secs_f64(),
        quantile(&mut stormy, 0.999),
        quantile(&mut calm, 0.999)
    );
    eprintln!("{line}");
    assert!(server.status()["last_reload_error"].is_null());
    let mut connection: Connection = server.connect();
    assert_eq!(connection.send("GET", "/latest", &[], b"").unwrap().status, 200);
}

/// Waits as long as it goes on at all: a million requests take their time.
fn wait_long(what: &str, mut reached: impl FnMut() -> bool) {
    let deadline = Instant::now() + 60 * PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
