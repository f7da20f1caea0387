//! Workers that grow, hang or cannot start: what the master does about them, and that nobody notices.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::Signal;

use super::harness::damage::damage;
use super::harness::http::Connection;
use super::harness::server::{Server, kill, run};
use super::harness::{PATIENCE, wait_for};

/// A demonstration community served with these settings.
fn with(settings: &str) -> (tempfile::TempDir, Server, String, i64) {
    let dir = tempfile::tempdir().unwrap();
    let demo = Server::demo(&dir.path().join("data"));
    let token = demo.token();
    let topic = demo.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    drop(demo);
    let file = dir.path().join("veritable.toml");
    std::fs::write(&file, settings).unwrap();
    let server = Server::serve(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
    (dir, server, token, topic)
}

/// Sends the head and most of the body of a post, which the worker has to hold until the rest comes.
fn begin_upload(server: &Server, token: &str, topic: i64, bytes: usize) -> TcpStream {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /api/topics/{topic}/posts HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        bytes + 2
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(&vec![b' '; bytes]).unwrap();
    stream
}

/// Says stop when dropped.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn workers_over_the_heap_limit_are_replaced_one_at_a_time_and_fail_no_request() {
    // As many as one worker takes at once (`Room` in worker/src/http/body.rs), should all come to one.
    const UPLOADS: usize = 10;
    const BYTES: usize = 6 << 20;
    let (_dir, server, token, topic) = with("workers = 2\n[process]\nheap_bytes = 20971520\n");
    let before = server.pids("worker");
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also when an assertion below fails: the scope waits for its threads.
        let stopped = Stop(&stop);
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut connection = server.connect();
                    while !stop.load(Ordering::Relaxed) {
                        let reply = connection.send("GET", "/latest", &[], b"").expect("an answer");
                        assert_eq!(reply.status, 200);
                    }
                })
            })
            .collect();
        // More than the limit in one worker at least, however the connections fall.
        let mut uploads: Vec<TcpStream> =
            (0..UPLOADS).map(|_| begin_upload(&server, &token, topic, BYTES)).collect();
        let mut replaced = false;
        wait_for("two new workers", || {
            let status = server.status();
            let workers = status["processes"].as_array().unwrap().iter().filter(|p| p["role"] == "worker");
            let states: Vec<&str> = workers.map(|worker| worker["state"].as_str().unwrap()).collect();
            let serving = states.iter().filter(|state| **state == "ready").count();
            assert!(serving >= 2, "{states:?}: a replacement is ready before anyone drains");
            replaced |= states.len() > 2;
            // What was held is let go, so that the first one can end and the second one's turn comes.
            if states.contains(&"draining") {
                for mut upload in uploads.drain(..) {
                    upload.write_all(b"{}").unwrap();
                    let mut status = [0; 12];
                    upload.read_exact(&mut status).unwrap();
                    assert_eq!(&status, b"HTTP/1.1 400", "answered, though refused for its content");
                }
            }
            let now = server.pids("worker");
            (now.len() == 2 && before.iter().any(|pid| !now.contains(pid))).then_some(())
        });
        assert!(replaced);
        drop(stopped);
        readers.into_iter().for_each(|reader| reader.join().expect("no request failed"));
    });
}

#[test]
fn a_worker_that_hangs_is_killed_and_replaced() {
    let (_dir, server, _token, _topic) = with("workers = 2\n[process]\nhang_seconds = 2\n");
    let hung = server.pids("worker")[0];
    kill(hung, Signal::SIGSTOP);
    wait_for("its replacement", || {
        let pids = server.pids("worker");
        (pids.len() == 2 && !pids.contains(&hung)).then_some(())
    });
    assert_eq!(server.get("/latest").status, 200);
}

#[test]
fn requests_are_counted_out_and_the_counters_go_on() {
    let (_dir, server, _token, _topic) = with("workers = 2\n[process]\nmax_requests = 200\n");
    let before = server.pids("worker");
    let mut asked = 0;
    wait_for("two new workers", || {
        let mut connection = server.connect();
        for _ in 0..50 {
            assert_eq!(connection.send("GET", "/latest", &[], b"").unwrap().status, 200);
            asked += 1;
        }
        let now = server.pids("worker");
        (now.len() == 2 && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    let counted = server.status()["counters"]["requests"].as_u64().unwrap();
    assert!(counted >= asked, "{counted} counted of {asked}: a recycling forgets nothing");
}

#[test]
fn a_worker_that_can_never_start_is_given_up_while_the_others_serve() {
    let (dir, server, _token, _topic) = with("workers = 2\n[process]\nboot_seconds = 5\n");
    let database = dir.path().join("data/forums.db");
    // What the front page is made from: it does not mend itself.
    let damaged = damage(&database, "categories_by_position");
    let cleared = run(&["cache", "clear", "--data-dir", dir.path().join("data").to_str().unwrap()]);
    assert!(cleared.status.success(), "{cleared:?}");
    let mut kept: Connection = server.connect();
    let victim = server.pids("worker")[0];
    kill(victim, Signal::SIGKILL);
    wait_for("the supervisor to give up", || (server.status()["state"] == "degraded").then_some(()));
    assert_eq!(server.get("/latest").status, 200, "the other one serves on");
    let _reset_if_it_was_the_victims = kept.send("GET", "/livez", &[], b"");
    let restarts = |server: &Server| {
        let status = server.status();
        let processes = status["processes"].as_array().unwrap().clone();
        processes.iter().filter_map(|process| process["restarts"].as_u64()).sum::<u64>()
    };
    let given_up_at = restarts(&server);
    assert!(given_up_at <= 10, "{given_up_at}");
    damaged.mend();
    let out = server.command("reload", &[]);
    assert!(out.status.success(), "{out:?}");
    wait_for("both workers", || (server.pids("worker").len() == 2).then_some(()));
    assert_eq!(server.status()["state"], "serving");
}

#[test]
fn workers_come_back_when_the_database_does_however_long_that_takes() {
    let (dir, server, _token, _topic) = with("workers = 1\n[process]\nboot_seconds = 5\n");
    let database = dir.path().join("data/forums.db");
    let aside = dir.path().join("data/aside.db");
    std::fs::rename(&database, &aside).unwrap();
    kill(server.pids("worker")[0], Signal::SIGKILL);
    let restarts = || {
        let status = server.status();
        let processes = status["processes"].as_array().unwrap().clone();
        let workers = processes.iter().filter(|process| process["role"] == "worker");
        workers.filter_map(|process| process["restarts"].as_u64()).sum::<u64>()
    };
    // More than would be tried if it were hopeless; the pauses between them grow.
    for failed in [4, 6, 7] {
        wait_for("many failed starts", || (restarts() >= failed).then_some(()));
    }
    assert!(server.status()["failures"]["worker 0"].as_str().unwrap().contains("forums.db"));
    std::fs::rename(&aside, &database).unwrap();
    wait_for("the worker", || (server.pids("worker").len() == 1).then_some(()));
    assert_eq!(server.get("/latest").status, 200);
    assert_eq!(server.status()["state"], "serving");
}

#[test]
fn what_statements_cost_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    assert_eq!(server.get(&format!("/api/topics/{topic}/posts")).status, 200);
    let out = server.command("queries", &["--json", "--limit", "1000"]);
    assert!(out.status.success(), "{out:?}");
    let found: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    let of = |part: &str| {
        let all = found["statements"].as_array().unwrap();
        all.iter().find(|one| one["sql"].as_str().unwrap().contains(part)).cloned().unwrap()
    };
    let posts = of("FROM posts p CROSS JOIN users");
    assert!(posts["count"].as_u64() > Some(0) && posts["rows"].as_u64() > Some(0), "{posts}");
    // Several read topics; which of them comes first is a matter of what they took.
    let all = found["statements"].as_array().unwrap();
    let reads =
        all.iter().map(|one| one["sql"].as_str().unwrap()).filter(|sql| sql.contains("FROM topics t"));
    assert!(reads.into_iter().any(|sql| sql.contains("LIMIT")), "a long statement is kept to its end");
    let table = server.command("queries", &[]);
    assert!(String::from_utf8_lossy(&table.stdout).contains("STATEMENT"), "{table:?}");
    let other = tempfile::tempdir().unwrap();
    let none = super::harness::server::run(&["queries", "--data-dir", other.path().to_str().unwrap()]);
    assert_ne!(none.status.code(), Some(0), "{none:?}");
}
