//! One worker in this process, spoken to in raw HTTP bytes: what clients see, good and bad ones.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use veritable_config::Config;
use veritable_config::channel::{Channel, DRAIN, READY};
use veritable_config::settings::Entry;
use veritable_shm::{Counter, Geometry, Scoreboard, Segment, SlotState};
use veritable_worker::{Context, Handover, Listener, WorkerError, run};

const SCHEMA: &str = concat!(
    include_str!("../../migrations/forums/0001_initial.up.sql"),
    include_str!("../../migrations/forums/0002_search_merges.up.sql"),
    include_str!("../../migrations/forums/0003_command_digests.up.sql"),
    include_str!("../../migrations/forums/0004_accounts.up.sql")
);
/// Longer than any step here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

struct Worker {
    address: SocketAddr,
    board: Scoreboard,
    master: UnixStream,
    thread: Option<JoinHandle<Result<(), WorkerError>>>,
    _dir: tempfile::TempDir,
}

impl Worker {
    fn start(change: impl FnOnce(&mut Config)) -> Worker {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        config.http.header_seconds = 1;
        config.http.body_bytes = 1_000;
        config.process.drain_seconds = 2;
        change(&mut config);
        let db = rusqlite::Connection::open(config.forums_db()).unwrap();
        db.execute_batch(SCHEMA).unwrap();
        db.execute_batch(
            "INSERT INTO users (id, name, name_key, created_at) VALUES (1, 'ann', 'ann', 1);
             INSERT INTO categories (id, name, slug, created_at) VALUES (1, 'General', 'general', 1);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
             INSERT INTO topics (id, category_id, title, slug, author_id, created_at, last_post_at,
                                 last_author_id, post_count, last_number, pinned)
             SELECT i, 1, 'Topic ' || i, 'topic', 1, i, i, 1, 1, 1, 0 FROM n;
             INSERT INTO posts (topic_id, path, id, number, depth, author_id, category_id, created_at, html)
             SELECT id, x'01', id, 1, 0, 1, 1, id, '<p>Hello</p>' FROM topics;",
        )
        .unwrap();
        let (_fd, segment) =
            Segment::create(&Geometry { cache_bytes: 8 << 20, ..Geometry::default() }).unwrap();
        let board = Scoreboard::of(&segment);
        let owner = board.enlist(0, 1, 0).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let listeners = vec![Listener::new(Entry::Public, listener.into()).unwrap()];
        let pair =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let handover = Handover::new(pair.0, pair.1);
        let (mut master, child) = UnixStream::pair().unwrap();
        let channel = Channel::new(child);
        let thread =
            std::thread::spawn(move || run(Context { config, listeners, handover, segment, owner, channel }));
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], READY);
        Worker { address, board, master, thread: Some(thread), _dir: dir }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> Reply {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).unwrap();
        read(&mut stream, request.starts_with("HEAD"))
    }

    fn get(&self, path: &str, more: &str) -> Reply {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}\r\n"))
    }

    fn drain(&mut self) {
        self.master.write_all(&[DRAIN]).unwrap();
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Reply {
    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

fn read(stream: &mut TcpStream, bodiless: bool) -> Reply {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the rest of a head");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut reply = Reply { status, head, body: Vec::new() };
    let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
    if !bodiless && status != 304 {
        reply.body = vec![0; length];
        stream.read_exact(&mut reply.body).unwrap();
    }
    reply
}

#[test]
fn pages_problems_and_methods() {
    let worker = Worker::start(|_| {});
    let page = worker.get("/latest", "");
    assert_eq!((page.status, page.header("x-cache")), (200, Some("miss")));
    assert_eq!(worker.get("/latest", "").header("x-cache"), Some("hit"));
    assert_eq!(worker.get("/latest?utm_source=x", "").header("x-cache"), Some("hit"));
    let head = worker.ask("HEAD /latest HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(head.header("content-length").unwrap(), page.body.len().to_string());
    let etag = page.header("etag").unwrap();
    assert_eq!(worker.get("/latest", &format!("If-None-Match: {etag}\r\n")).status, 304);
    assert_eq!(worker.get("/nowhere", "").header("content-type"), Some("text/html; charset=utf-8"));
    for how in ["miss", "hit"] {
        let missing = worker.get("/wiki/Nothing_here", "");
        assert_eq!((missing.status, missing.header("x-cache")), (404, Some(how)), "kept for a little while");
    }
    let problem = worker.get("/api/nowhere", "");
    assert_eq!((problem.status, problem.header("content-type")), (404, Some("application/problem+json")));
    let other = worker.ask("DELETE /latest HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD")));
    assert_eq!(worker.get("/livez", "").status, 200);
    assert_eq!(worker.get("/readyz", "").status, 503, "there is no writer");
}

#[test]
fn representations_differ_in_bytes_and_etag() {
    let worker = Worker::start(|_| {});
    let plain = worker.get("/latest", "");
    for (accepted, name) in [("zstd, gzip", "zstd"), ("br", "br"), ("gzip", "gzip")] {
        let reply = worker.get("/latest", &format!("Accept-Encoding: {accepted}\r\n"));
        assert_eq!(reply.header("content-encoding"), Some(name));
        assert_eq!(reply.header("vary"), Some("accept-encoding"));
        assert!(reply.body.len() < plain.body.len());
        assert_ne!(reply.header("etag"), plain.header("etag"));
    }
}

#[test]
fn a_connection_is_kept_and_requests_may_be_pipelined() {
    let worker = Worker::start(|_| {});
    let mut stream = worker.connect();
    stream.write_all("GET /latest HTTP/1.1\r\nHost: x\r\n\r\n".repeat(5).as_bytes()).unwrap();
    for _ in 0..5 {
        assert_eq!(read(&mut stream, false).status, 200);
    }
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read(&mut stream, false).status, 200);
}

#[test]
fn oversized_heads_and_guests_bodies_are_refused() {
    let worker = Worker::start(|_| {});
    assert_eq!(worker.get("/latest", &format!("X: {}\r\n", "a".repeat(100_000))).status, 431);
    assert_eq!(worker.get("/latest", &"X: a\r\n".repeat(200)).status, 431);
    let post = "POST /api/topics/1/posts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    assert_eq!(worker.ask(&format!("{post}Content-Length: 2\r\n\r\n{{}}")).status, 401);
}

/// Whether the server ends a connection on which only `sent` was sent.
fn is_ended(worker: &Worker, sent: &[u8]) -> bool {
    let mut stream = worker.connect();
    stream.write_all(sent).unwrap();
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        // What was sent is never taken, so closing resets.
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}

#[test]
fn neither_silence_nor_half_a_request_is_waited_for() {
    let worker = Worker::start(|_| {});
    assert!(is_ended(&worker, b""), "silence");
    assert!(is_ended(&worker, b"P"), "half a preface");
    assert!(is_ended(&worker, b"GET / HTTP/1.1\r\nHo"), "half a head");
}

#[test]
fn an_idle_connection_is_kept_for_the_idle_time_and_not_longer() {
    let worker = Worker::start(|config| config.http.idle_seconds = 2);
    let mut stream = worker.connect();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    read(&mut stream, false);
    let begun = Instant::now();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    assert!(begun.elapsed() > Duration::from_millis(1_500), "longer than a head may take");
}

#[test]
fn a_reader_that_does_not_read_is_not_waited_for() {
    let worker = Worker::start(|config| config.http.request_seconds = 1);
    let mut stream = worker.connect();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    let begun = Instant::now();
    // Answers fill the client's buffers, then the server's; then requests fill theirs; then nothing moves.
    let ended = loop {
        match stream.write(b"GET /latest HTTP/1.1\r\nHost: x\r\n\r\n") {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => break error.kind(),
        }
        assert!(begun.elapsed() < PATIENCE, "the server goes on waiting");
    };
    assert!(
        matches!(ended, std::io::ErrorKind::ConnectionReset | std::io::ErrorKind::BrokenPipe),
        "{ended:?}"
    );
}

#[test]
fn queries_that_differ_do_not_share_an_answer() {
    let worker = Worker::start(|_| {});
    let one = worker.get("/search?q=a%26b", "");
    let other = worker.get("/search?q=a%2526b", "");
    assert_eq!((one.status, other.status), (200, 200));
    assert_eq!(other.header("x-cache"), Some("miss"));
    assert_ne!(one.body, other.body);
}

#[test]
fn one_request_is_one_lookup_in_the_counters() {
    let worker = Worker::start(|_| {});
    let before = worker.board.total(Counter::CacheMiss);
    worker.get("/latest", "");
    assert_eq!(worker.board.total(Counter::CacheMiss), before + 1);
}

#[test]
fn quality_decides_between_encodings() {
    let worker = Worker::start(|_| {});
    let reply = worker.get("/latest", "Accept-Encoding: gzip;q=1.0, zstd;q=0.1\r\n");
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
}

#[test]
fn a_drain_answers_what_is_there_and_ends() {
    let mut worker = Worker::start(|_| {});
    let mut stream = worker.connect();
    stream.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    read(&mut stream, false);
    worker.drain();
    let begun = Instant::now();
    let closing = loop {
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let reply = read(&mut stream, false);
        if reply.header("connection") == Some("close") || begun.elapsed() > PATIENCE {
            break reply;
        }
    };
    assert_eq!((closing.status, closing.header("connection")), (503, Some("close")));
    let thread = worker.thread.take().unwrap();
    thread.join().unwrap().unwrap();
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_draining_worker_says_so_on_the_scoreboard() {
    let mut worker = Worker::start(|_| {});
    let mut held = worker.connect();
    held.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    read(&mut held, false);
    worker.drain();
    let begun = Instant::now();
    while worker.board.status(0).unwrap().state != Some(SlotState::Draining) {
        assert!(begun.elapsed() < PATIENCE, "{:?}", worker.board.status(0));
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_without_a_master_ends_at_once() {
    let mut worker = Worker::start(|_| {});
    let mut held = worker.connect();
    held.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    read(&mut held, false);
    worker.master.shutdown(std::net::Shutdown::Both).unwrap();
    worker.thread.take().unwrap().join().unwrap().unwrap();
    assert_eq!(held.read(&mut [0]).unwrap(), 0);
}
