//! Reloads: good ones that no connection notices, bad ones that change nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;

use super::harness::http::Connection;
use super::harness::server::{Server, is_running, kill, veritable};
use super::harness::{PATIENCE, rounds, wait_for};

/// Clients that ask without pause; none may be refused.
pub(crate) struct Askers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    answered: Arc<AtomicUsize>,
}

impl Askers {
    /// Clients that ask over a new connection each time.
    pub(crate) fn start(address: &str, clients: usize) -> Askers {
        Askers::new(address, clients, false)
    }

    /// Clients that keep their connection as long as the server lets them.
    pub(crate) fn start_keeping(address: &str, clients: usize) -> Askers {
        Askers::new(address, clients, true)
    }

    fn new(address: &str, clients: usize, keep: bool) -> Askers {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let threads = (0..clients)
            .map(|_| {
                let (stop, answered, address) = (stop.clone(), answered.clone(), address.to_owned());
                std::thread::spawn(move || {
                    let mut kept: Option<Connection> = None;
                    while !stop.load(Ordering::Relaxed) {
                        let mut connection =
                            kept.take().unwrap_or_else(|| Connection::open(&address).expect("a connection"));
                        let reply = connection.send("GET", "/latest", &[], b"").expect("an answer");
                        assert_eq!(reply.status, 200);
                        answered.fetch_add(1, Ordering::Relaxed);
                        let closing =
                            reply.header("connection").is_some_and(|v| v.eq_ignore_ascii_case("close"));
                        kept = (keep && !closing).then_some(connection);
                    }
                })
            })
            .collect();
        Askers { stop, threads, answered }
    }

    pub(crate) fn finish(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().expect("every request answered"));
        self.answered.load(Ordering::Relaxed)
    }
}

/// Waits until the processes of before have ended.
fn wait_for_the_end_of(pids: &[i32]) {
    wait_for("the old workers' end", || pids.iter().all(|&pid| !is_running(pid)).then_some(()));
}

#[test]
fn open_connections_change_hands_and_none_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut pooled: Vec<Connection> = (0..40).map(|_| server.connect()).collect();
    let mut silent = server.connect();
    for connection in &mut pooled {
        assert_eq!(connection.send("GET", "/latest", &[], b"").unwrap().status, 200);
    }
    for round in 0..3 {
        let mut halfway = TcpStream::connect(&server.address).unwrap();
        halfway.set_read_timeout(Some(PATIENCE)).unwrap();
        // A whole request, so that the connection is a served one, then the beginning of the next.
        halfway.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\nGET /latest HT").unwrap();
        let mut first = [0; 12];
        halfway.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 200");

        let before = server.pids("worker");
        let out = server.command("reload", &[]);
        assert!(out.status.success(), "{out:?}");
        wait_for_the_end_of(&before);

        for (number, connection) in pooled.iter_mut().enumerate() {
            let reply = connection.send("GET", "/latest", &[], b"");
            let reply = reply.unwrap_or_else(|error| panic!("round {round}, connection {number}: {error}"));
            assert_eq!((reply.status, reply.header("connection")), (200, None));
        }
        halfway.write_all(b"TP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
        let mut rest = String::new();
        halfway.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("HTTP/1.1 200") && rest.ends_with("</html>"), "{}", rest.len());
    }
    assert_eq!(silent.send("GET", "/livez", &[], b"").unwrap().status, 200, "it had said nothing so far");
}

#[test]
fn a_body_that_comes_slowly_outlives_a_reload() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let body = format!("{{\"body\": \"{}\"}}", "slow ".repeat(2_000));
    let (first, rest) = body.split_at(100);
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "POST /api/topics/{topic}/posts HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let before = server.pids("worker");
    assert!(server.command("reload", &[]).status.success());
    wait_for("new workers", || server.pids("worker").iter().all(|pid| !before.contains(pid)).then_some(()));
    stream.write_all(rest.as_bytes()).unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 201");
    wait_for_the_end_of(&before);
}

#[test]
fn connections_queued_while_nobody_accepts_are_answered_after_a_reload() {
    const QUEUED: usize = 400;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let before = server.pids("worker");
    before.iter().for_each(|&pid| kill(pid, Signal::SIGSTOP));
    let mut queued: Vec<TcpStream> = (0..QUEUED)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
            stream
        })
        .collect();
    let reload = std::thread::scope(|scope| {
        let reload = scope.spawn(|| server.command("reload", &[]));
        wait_for("a new worker", || {
            server.pids("worker").iter().any(|pid| !before.contains(pid)).then_some(())
        });
        before.iter().for_each(|&pid| kill(pid, Signal::SIGCONT));
        reload.join().unwrap()
    });
    assert!(reload.status.success(), "{reload:?}");
    for stream in &mut queued {
        let mut status = [0; 12];
        stream.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 200");
    }
}

/// A server run from a program of its own on disk, so that it can be replaced there.
struct Replaceable {
    program: PathBuf,
    config: PathBuf,
    dir: tempfile::TempDir,
    server: Server,
}

impl Replaceable {
    fn start() -> Replaceable {
        let dir = tempfile::tempdir().unwrap();
        let (program, config) = (dir.path().join("veritable"), dir.path().join("veritable.toml"));
        std::fs::copy(real(), &program).unwrap();
        std::fs::write(&config, CONFIG).unwrap();
        let data_dir = dir.path().join("data");
        drop(Server::demo(&data_dir));
        let more = ["--config", config.to_str().unwrap()];
        let server = Server::start(Command::new(&program), "serve", &data_dir, &more);
        Replaceable { program, config, dir, server }
    }

    /// Puts another program in the server's place, as a package manager does.
    fn put(&self, from: &Path) {
        let beside = self.dir.path().join("new");
        std::fs::copy(from, &beside).unwrap();
        std::fs::rename(&beside, &self.program).unwrap();
    }

    /// A program that fails in its own way when it is to be a worker.
    fn faulty(&self, mode: &str) -> PathBuf {
        let program = self.dir.path().join(format!("faulty-{mode}"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/harness/faulty.c");
        let real = format!("-DREAL=\"{}\"", real().display());
        let built = Command::new("cc")
            .args([&format!("-DMODE={mode}"), &real, "-o"])
            .arg(&program)
            .arg(source)
            .output()
            .expect("a C compiler");
        assert!(built.status.success(), "{built:?}");
        program
    }
}

/// Quick to give up on what does not come up.
const CONFIG: &str = "workers = 2\n[process]\nboot_seconds = 3\nprobation_seconds = 1\n";

fn real() -> PathBuf {
    veritable().get_program().into()
}

/// Descriptors and kilobytes of memory of its own that a process has.
fn holdings(pid: i32) -> (usize, u64) {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let anon = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let kilobytes = anon.trim().trim_end_matches(" kB").parse().unwrap();
    (std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count(), kilobytes)
}

#[test]
fn bad_reloads_are_refused_with_the_truth_and_good_ones_follow() {
    let at = Replaceable::start();
    let server = &at.server;
    let (panic, hang, crash) = (at.faulty("PANIC"), at.faulty("HANG"), at.faulty("CRASH"));
    let reload = |expected: Option<&str>| {
        let out = server.command("reload", &[]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(i32::from(expected.is_some())), "{expected:?}: {said}");
        assert!(said.contains(expected.unwrap_or_default()), "expected {expected:?}: {said}");
    };
    reload(None);
    let mut first = None;
    for _ in 0..rounds(2, 100) {
        let askers = Askers::start(&server.address, 2);
        let workers = server.pids("worker");
        std::fs::write(&at.config, "[process]\nboot_second = 3\n").unwrap();
        reload(Some("boot_second"));
        std::fs::write(&at.config, CONFIG).unwrap();

        std::fs::remove_file(&at.program).unwrap();
        reload(Some("No such file"));
        at.put(&panic);
        reload(Some("exited with code 101"));
        at.put(&hang);
        reload(Some("not ready in time"));
        at.put(&crash);
        reload(Some("soon after it was ready"));
        assert_eq!(server.pids("worker"), workers, "the old ones serve on");

        assert!(askers.finish() > 0);

        // What was good before the failures comes back after a crash, whatever is on disk.
        kill(workers[0], Signal::SIGKILL);
        wait_for("a worker of the old program", || {
            let pids = server.pids("worker");
            (pids.len() == 2 && !pids.contains(&workers[0])).then_some(())
        });

        at.put(&real());
        reload(None);
        let now = server.pids("worker");
        assert!(now.len() == 2 && now.iter().all(|pid| !workers.contains(pid)), "{workers:?} {now:?}");
        let (descriptors, kilobytes) = wait_for("the old generation's end", || {
            let all = server.status()["processes"].as_array().unwrap().len();
            (all == 3).then(|| holdings(server.pid()))
        });
        let (first_descriptors, first_kilobytes) = *first.get_or_insert((descriptors, kilobytes));
        // One more or less: the connection of this very test's status.
        assert!(descriptors <= first_descriptors + 1, "{first_descriptors} descriptors became {descriptors}");
        assert!(kilobytes < first_kilobytes + 2_048, "{first_kilobytes} kB became {kilobytes}");
    }
}

#[test]
fn reloads_asked_for_during_one_are_done_in_one_go() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let outs: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| server.command("reload", &[]))).collect();
        asked.into_iter().map(|reload| reload.join().unwrap()).collect()
    });
    assert!(outs.iter().all(|out| out.status.success()), "{outs:?}");
    let generation = server.status()["generation"].as_u64().unwrap();
    assert!((2..=4).contains(&generation), "eight reloads made {generation} generations");
}

#[test]
fn the_number_of_workers_follows_the_configuration() {
    let at = Replaceable::start();
    let askers = Askers::start(&at.server.address, 2);
    for workers in [4, 1, 3] {
        let before = at.server.pids("worker");
        std::fs::write(&at.config, CONFIG.replace("workers = 2", &format!("workers = {workers}"))).unwrap();
        let out = at.server.command("reload", &[]);
        assert!(out.status.success(), "{out:?}");
        wait_for_the_end_of(&before);
        assert_eq!(at.server.pids("worker").len(), workers);
    }
    assert!(askers.finish() > 0);
}

#[test]
fn the_master_is_replaced_in_place_and_a_bad_one_is_not() {
    let at = Replaceable::start();
    let server = &at.server;
    let (pid, before) = (server.pid(), server.pids("worker"));
    let mut kept = server.connect();
    assert_eq!(kept.send("GET", "/latest", &[], b"").unwrap().status, 200);
    let askers = Askers::start(&server.address, 2);

    // A program that is none, one that does not know the record, one that is not there.
    at.put(Path::new("/bin/false"));
    let out = server.command("upgrade", &[]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    std::fs::remove_file(&at.program).unwrap();
    let out = server.command("upgrade", &[]);
    assert!(String::from_utf8_lossy(&out.stderr).contains("No such file"), "{out:?}");
    assert_eq!((server.status()["upgrades"].as_u64(), server.pids("worker")), (Some(0), before.clone()));

    for upgrades in 1..=3 {
        at.put(&real());
        let workers = server.pids("worker");
        let out = server.command("upgrade", &[]);
        assert!(out.status.success(), "{out:?}");
        let status = server.status();
        assert_eq!((status["upgrades"].as_u64(), status["pid"].as_i64()), (Some(upgrades), Some(pid.into())));
        let now = server.pids("worker");
        assert!(now.len() == 2 && now.iter().all(|pid| !workers.contains(pid)), "{workers:?} {now:?}");
        wait_for_the_end_of(&workers);
        assert_eq!(kept.send("GET", "/latest", &[], b"").unwrap().status, 200);
    }
    assert!(askers.finish() > 0);
    // The new image supervises its inherited children like its own.
    kill(server.pids("worker")[0], Signal::SIGKILL);
    wait_for("a replacement", || (server.pids("worker").len() == 2).then_some(()));
    assert!(is_running(pid));
    assert!(server.command("stop", &[]).status.success());
}

#[test]
fn a_new_master_that_cannot_go_on_becomes_the_old_one_again() {
    let at = Replaceable::start();
    let server = &at.server;
    let before = server.pids("worker");
    at.put(&at.faulty("MASTER"));
    let out = server.command("upgrade", &[]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("old one goes on") && said.contains("planted"), "{said}");
    assert_eq!((server.status()["upgrades"].as_u64(), server.pids("worker")), (Some(0), before));
    assert_eq!(server.get("/latest").status, 200);
    at.put(&real());
    assert!(server.command("upgrade", &[]).status.success());
}
