//! The engine against a server of a few lines that does as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;

use super::*;
use crate::ask::Kind;

/// Answers every request on every connection; `answer` says how, given the number of requests before it.
fn server(answer: impl Fn(u64) -> &'static str + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let shared = Arc::new((std::sync::atomic::AtomicU64::new(0), answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let shared = shared.clone();
            std::thread::spawn(move || {
                // The other end may go at any moment.
                let _gone = talk(&stream, || (shared.1)(shared.0.fetch_add(1, Ordering::SeqCst)));
            });
        }
    });
    address
}

fn talk(mut stream: &TcpStream, answer: impl Fn() -> &'static str) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    loop {
        while !lines.next().ok_or(std::io::ErrorKind::UnexpectedEof)??.is_empty() {}
        let status = answer();
        if status.is_empty() {
            return Ok(());
        }
        stream.write_all(
            format!("HTTP/1.1 {status}\r\nx-cache: hit\r\ncontent-length: 2\r\n\r\nok").as_bytes(),
        )?;
    }
}

struct Same;

impl Visitor for Same {
    fn next(&mut self, _: &mut SmallRng) -> Ask {
        Ask::get(Kind::Only, "/")
    }
    fn answered(&mut self, _: &Ask, _: Result<&Reply, Trouble>) {}
    fn is_midway(&self) -> bool {
        false
    }
}

fn load(address: SocketAddr, pace: Pace, connections: usize, millis: u64) -> Result<Outcome, EngineError> {
    load_within(address, pace, connections, millis, Duration::from_secs(5))
}

fn load_within(
    address: SocketAddr,
    pace: Pace,
    connections: usize,
    millis: u64,
    timeout: Duration,
) -> Result<Outcome, EngineError> {
    let stop = AtomicBool::new(false);
    let load = Load {
        address,
        host: "x".into(),
        pace,
        connections,
        threads: 1,
        duration: Duration::from_millis(millis),
        timeout,
        seed: 1,
        visitor: &|_| Box::new(Same),
        stop: &stop,
    };
    load.run(|| (), |_| ()).map(|((), outcome)| outcome)
}

/// Requests that took at least so long.
fn at_least(times: &crate::tally::Tally, millis: f64, of: fn(&Tally) -> &crate::tally::Times) -> u64 {
    let times = of(times);
    let quick = (0..=1_000).rev().map(f64::from).find(|permille| times.millis(permille / 1e3) < millis);
    times.count() - (quick.unwrap_or(0.0) / 1e3 * times.count() as f64) as u64
}

#[test]
fn a_stall_counts_for_all_who_came_meanwhile() {
    // One connection, so that one slow answer stops everything; it comes after a tenth of a second.
    let stalled = Duration::from_millis(400);
    let address = server(move |number| {
        if number == 20 {
            std::thread::sleep(stalled);
        }
        "200 OK"
    });
    let outcome = load(address, Pace::Rate(200.0), 1, 1_000).unwrap();
    let tally = &outcome.tally;
    assert_eq!((tally.answered, tally.failed()), (200, 0), "{:?}", tally.errors);
    // 80 were due within the stall; those in its second half waited at least half of it.
    let (waited, slow) = (at_least(tally, 100.0, |t| &t.latency), at_least(tally, 100.0, |t| &t.service));
    assert!(waited >= 45, "{waited} requests waited");
    assert!(slow < waited / 4, "{slow} were slow once they were sent");
    assert!(tally.late.millis(0.9) > 100.0);
}

#[test]
fn more_connections_let_others_pass_a_slow_answer() {
    let address = server(|number| {
        if number == 20 {
            std::thread::sleep(Duration::from_millis(400));
        }
        "200 OK"
    });
    let outcome = load(address, Pace::Rate(200.0), 8, 1_000).unwrap();
    assert_eq!(outcome.tally.answered, 200);
    assert!(at_least(&outcome.tally, 100.0, |t| &t.latency) < 40, "{:?}", outcome.tally.latency);
    assert!((outcome.tally.cache_hits, outcome.tally.bytes) == (200, 400));
}

#[test]
fn what_goes_wrong_is_counted_by_reason() {
    let address = server(|number| match number % 4 {
        0 => "503 Service Unavailable",
        1 => "",
        2 => "409 Conflict",
        _ => "200 OK",
    });
    let outcome = load(address, Pace::Rate(400.0), 4, 500).unwrap();
    let tally = &outcome.tally;
    assert_eq!(tally.total(), 200);
    for trouble in [Trouble::Status(503), Trouble::Closed] {
        assert!((40..=60).contains(&tally.errors[&trouble]), "{:?}", tally.errors);
    }
    assert!((40..=60).contains(&tally.conflicts));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = load(nobody, Pace::Rate(10.0), 2, 100).unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }));
}

#[test]
fn what_cannot_be_sent_is_no_success_and_has_waited() {
    let address = server(|_| {
        std::thread::sleep(Duration::from_millis(600));
        "200 OK"
    });
    let outcome = load(address, Pace::Rate(100.0), 1, 500).unwrap();
    let tally = &outcome.tally;
    assert_eq!(tally.total(), 50);
    assert!(tally.errors[&Trouble::Unsent] >= 45, "{:?}", tally.errors);
    assert!(tally.latency.millis(0.5) > 1_000.0, "{}", tally.latency.millis(0.5));
}

#[test]
fn users_think_between_answer_and_question() {
    let address = server(|_| "200 OK");
    let think = Duration::from_millis(100);
    let outcome = load(address, Pace::Users { think }, 20, 1_000).unwrap();
    // Twenty users, ten requests a second each.
    assert!((50..=260).contains(&outcome.tally.answered), "{}", outcome.tally.answered);
    let flat_out = load(address, Pace::Users { think: Duration::ZERO }, 2, 200).unwrap();
    assert!(flat_out.tally.answered > outcome.tally.answered / 5, "{}", flat_out.tally.answered);
}

#[test]
fn a_connection_that_does_not_open_takes_no_longer_than_an_answer_may() {
    let (listener, address) = tiny();
    let (served, mut queued) = (Duration::from_millis(150), Vec::new());
    // One is taken and answered once; then the queue is full, and whoever comes waits before it.
    let serving = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        fill(address, &mut queued);
        let count = std::cell::Cell::new(0);
        let _closed = talk(&stream, || if count.replace(count.get() + 1) == 0 { "200 OK" } else { "" });
        (listener, queued)
    });
    let begun = Instant::now();
    let outcome = load_within(address, Pace::Rate(10.0), 1, 500, served).unwrap();
    let (_listener, _queued) = serving.join().unwrap();
    assert_eq!(outcome.tally.answered, 1, "{:?}", outcome.tally.errors);
    assert!(outcome.tally.errors[&Trouble::Timeout] >= 2, "{:?}", outcome.tally.errors);
    let error = load_within(address, Pace::Rate(10.0), 100, 500, served).unwrap_err();
    assert!(matches!(error, EngineError::Unreachable { .. }));
    assert!(begun.elapsed() < Duration::from_secs(30), "connect(2) alone would try for two minutes");
}

/// A listener with the least queue that there is.
fn tiny() -> (TcpListener, SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let listener = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        socket.listen(1).unwrap().into_std().unwrap()
    });
    listener.set_nonblocking(false).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Connects until nobody else can.
fn fill(address: SocketAddr, queued: &mut Vec<TcpStream>) {
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queued.push(stream);
    }
}

#[test]
fn all_connections_are_open_when_the_server_is_looked_at_and_nothing_was_asked() {
    static OPEN: AtomicUsize = AtomicUsize::new(0);
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            OPEN.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || {
                talk(&stream, || {
                    ASKED.fetch_add(1, Ordering::SeqCst);
                    "200 OK"
                })
            });
        }
    });
    let stop = AtomicBool::new(false);
    let load = Load {
        address,
        host: "x".into(),
        pace: Pace::Users { think: Duration::ZERO },
        connections: 20,
        threads: 2,
        duration: Duration::from_millis(50),
        timeout: Duration::from_secs(5),
        seed: 1,
        visitor: &|_| Box::new(Same),
        stop: &stop,
    };
    let opened = || {
        // The kernel opens them; the server comes to know of the last one a little later.
        let deadline = Instant::now() + Duration::from_secs(5);
        while OPEN.load(Ordering::SeqCst) < 20 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        (OPEN.load(Ordering::SeqCst), ASKED.load(Ordering::SeqCst))
    };
    let (found, outcome) = load.run(opened, |_| ()).unwrap();
    assert_eq!(found, (20, 0));
    assert!(outcome.tally.answered > 20);
}

/// A fifth of a second at `rate` over one connection.
fn a_moment<'a>(
    rate: f64,
    visitor: &'a (dyn Fn(usize) -> Box<dyn Visitor> + Sync),
    stop: &'a AtomicBool,
) -> Load<'a> {
    Load {
        address: server(|_| "200 OK"),
        host: "x".into(),
        pace: Pace::Rate(rate),
        connections: 1,
        threads: 1,
        duration: Duration::from_millis(200),
        timeout: Duration::from_secs(5),
        seed: 1,
        visitor,
        stop,
    }
}

#[test]
fn what_cannot_be_a_request_is_no_lack_of_a_connection() {
    struct Wrong;
    impl Visitor for Wrong {
        fn next(&mut self, _: &mut SmallRng) -> Ask {
            Ask::get(Kind::Only, "/a b")
        }
        fn answered(&mut self, _: &Ask, _: Result<&Reply, Trouble>) {}
        fn is_midway(&self) -> bool {
            false
        }
    }
    let stop = AtomicBool::new(false);
    let load = a_moment(20.0, &|_| Box::new(Wrong), &stop);
    let ((), outcome) = load.run(|| (), |_| ()).unwrap();
    assert_eq!(outcome.tally.errors, [(Trouble::Unbuilt, 4)].into());
}

#[test]
fn what_was_due_while_the_generator_was_held_up_counts() {
    struct Slow(u32);
    impl Visitor for Slow {
        fn next(&mut self, _: &mut SmallRng) -> Ask {
            self.0 += 1;
            if self.0 == 5 {
                // The whole thread, until after the end.
                std::thread::sleep(Duration::from_millis(300));
            }
            Ask::get(Kind::Only, "/")
        }
        fn answered(&mut self, _: &Ask, _: Result<&Reply, Trouble>) {}
        fn is_midway(&self) -> bool {
            false
        }
    }
    let stop = AtomicBool::new(false);
    let load = a_moment(100.0, &|_| Box::new(Slow(0)), &stop);
    let ((), outcome) = load.run(|| (), |_| ()).unwrap();
    assert_eq!(outcome.tally.total(), 20, "{:?}", outcome.tally.errors);
    assert!(outcome.tally.in_time < 20 && outcome.tally.latency.millis(1.0) > 100.0);
}
