//! The life of the processes: what a client sees while they are killed, replaced and stopped.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::sys::signal::Signal;
use serde_json::json;

use super::harness::http::Connection;
use super::harness::server::{Server, is_running, kill, try_change};
use super::harness::wait_for;
use super::reloads::Askers;

/// Clients that post without pause until told to stop.
struct Posters {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<Mutex<Vec<(i64, String)>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Posters {
    /// Each client posts numbered texts to `topic`, each under a key of its own, and sends one again under the
    /// same key until it is acknowledged: what a careful client does when a connection breaks.
    fn start(server: &Server, token: &str, topic: i64, clients: usize) -> Posters {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let threads = (0..clients)
            .map(|client| {
                let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
                let (address, token) = (server.address.clone(), token.to_owned());
                std::thread::spawn(move || {
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let text = format!("client {client} text {number} end");
                        let id = post_until_acknowledged(&address, &token, topic, &text);
                        acknowledged.lock().unwrap().push((id, text));
                    }
                })
            })
            .collect();
        Posters { stop, acknowledged, threads }
    }

    fn count(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Waits until `more` further posts were acknowledged.
    fn wait_for_more(&self, more: usize) {
        let target = self.count() + more;
        wait_for("more acknowledged posts", || (self.count() >= target).then_some(()));
    }

    /// Stops the clients and yields what was acknowledged: ids and texts.
    fn finish(self) -> Vec<(i64, String)> {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().for_each(|thread| thread.join().unwrap());
        std::mem::take(&mut *self.acknowledged.lock().unwrap())
    }
}

fn post_until_acknowledged(address: &str, token: &str, topic: i64, text: &str) -> i64 {
    let key = format!("\"{text}\"");
    wait_for("an acknowledgement", || {
        let mut connection = Connection::open(address).ok()?;
        let path = format!("/api/topics/{topic}/posts");
        let reply =
            try_change(&mut connection, token, Some(&key), "POST", &path, &json!({"body": text})).ok()?;
        assert!([201, 503].contains(&reply.status), "{}: {}", reply.status, reply.text());
        (reply.status == 201).then(|| {
            let answer = reply.json();
            answer["post"]["id"].as_i64().or(answer["post"].as_i64()).or(answer["id"].as_i64()).unwrap()
        })
    })
}

/// Ids and texts of all posts of a topic, in steps as a reader would fetch them.
fn all_posts(server: &Server, topic: i64) -> Vec<(i64, String)> {
    let mut posts = Vec::new();
    let mut after = String::new();
    loop {
        let page = server.get(&format!("/api/topics/{topic}/posts?limit=100{after}")).json();
        for post in page["posts"].as_array().unwrap() {
            posts.push((post["id"].as_i64().unwrap(), post["html"].as_str().unwrap().to_owned()));
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return posts,
        }
    }
}

fn check_nothing_lost_or_doubled(server: &Server, topic: i64, acknowledged: &[(i64, String)]) {
    let posts = all_posts(server, topic);
    for (id, text) in acknowledged {
        let found = posts.iter().filter(|(_, html)| html.contains(text.as_str())).collect::<Vec<_>>();
        assert_eq!(found.len(), 1, "{text:?} acknowledged as {id}");
        assert_eq!(found[0].0, *id, "{text:?}");
    }
    assert_eq!(acknowledged.iter().map(|(id, _)| id).collect::<HashSet<_>>().len(), acknowledged.len());
}

fn prepared() -> (tempfile::TempDir, Server, String, i64) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    (dir, server, token, topic)
}

#[test]
fn killing_writer_and_workers_under_load_loses_nothing_acknowledged() {
    let (_dir, server, token, topic) = prepared();
    let posters = Posters::start(&server, &token, topic, 4);
    for round in 0..6 {
        posters.wait_for_more(20);
        let role = if round % 2 == 0 { "writer" } else { "worker" };
        let victim = wait_for("a process to kill", || server.pids(role).first().copied());
        kill(victim, Signal::SIGKILL);
        wait_for("its replacement", || {
            let pids = server.pids(role);
            (!pids.contains(&victim) && pids.len() == if role == "writer" { 1 } else { 2 }).then_some(())
        });
    }
    posters.wait_for_more(20);
    let acknowledged = posters.finish();
    check_nothing_lost_or_doubled(&server, topic, &acknowledged);
}

#[test]
fn killing_the_whole_tree_loses_nothing_acknowledged() {
    let (dir, server, token, topic) = prepared();
    let posters = Posters::start(&server, &token, topic, 4);
    posters.wait_for_more(50);
    // Taken before the kill: everything here was acknowledged while the tree lived.
    let acknowledged = posters.acknowledged.lock().unwrap().clone();
    let all: Vec<i32> = [server.pids("worker"), server.pids("writer"), vec![server.pid()]].concat();
    all.iter().rev().for_each(|&pid| kill(pid, Signal::SIGKILL));
    wait_for("the end of all", || all.iter().all(|&pid| !is_running(pid)).then_some(()));
    posters.stop.store(true, Ordering::Relaxed);
    let again = Server::serve(dir.path(), &[]);
    check_nothing_lost_or_doubled(&again, topic, &acknowledged);
    // The posters still wait for the old address, which is gone: nobody joins them.
}

#[test]
fn a_reload_under_load_fails_no_request() {
    let (_dir, server, _token, _topic) = prepared();
    let before: HashSet<i32> = server.pids("worker").into_iter().collect();
    let (coming, keeping) = (Askers::start(&server.address, 2), Askers::start_keeping(&server.address, 2));
    for _ in 0..3 {
        let out = server.command("reload", &[]);
        assert!(out.status.success(), "{out:?}");
    }
    assert!(coming.finish() > 0 && keeping.finish() > 0);
    let after: HashSet<i32> = wait_for("two new workers", || {
        let pids = server.pids("worker");
        (pids.len() == 2).then(|| pids.into_iter().collect())
    });
    assert!(before.is_disjoint(&after), "{before:?} {after:?}");
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_workers_stay() {
    let dir = tempfile::tempdir().unwrap();
    drop(Server::demo(dir.path()));
    let file = dir.path().join("veritable.toml");
    std::fs::write(&file, "[site]\nname = \"Before\"\n").unwrap();
    let server = Server::serve(dir.path(), &["--config", file.to_str().unwrap()]);
    let before = server.pids("worker");
    assert!(server.get("/").text().contains("Before"));

    std::fs::write(&file, "[site]\nnam = \"After\"\n").unwrap();
    let out = server.command("reload", &[]);
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("nam"), "{out:?}");
    assert_eq!(server.pids("worker"), before);
    assert!(server.get("/").text().contains("Before"));

    std::fs::write(&file, "[site]\nname = \"After\"\n").unwrap();
    let out = server.command("reload", &[]);
    assert!(out.status.success(), "{out:?}");
    wait_for("the new name", || server.get("/").text().contains("After").then_some(()));
}

#[test]
fn sighup_reloads_and_sigterm_stops_with_code_0() {
    let (_dir, mut server, _token, _topic) = prepared();
    let before = server.pids("worker");
    server.signal(Signal::SIGHUP);
    wait_for("new workers", || {
        let now = server.pids("worker");
        (now.len() == 2 && now.iter().all(|pid| !before.contains(pid))).then_some(())
    });
    let children = [server.pids("worker"), server.pids("writer")].concat();
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    assert!(children.iter().all(|&pid| !is_running(pid)));
}

#[test]
fn stop_waits_for_the_end_and_a_second_server_cannot_share_the_data() {
    let (dir, mut server, _token, _topic) = prepared();
    let second = server.command("serve", &["--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(String::from_utf8_lossy(&second.stderr).contains(&server.pid().to_string()), "{second:?}");
    let out = server.command("stop", &[]);
    assert!(out.status.success(), "{out:?}");
    assert_eq!(server.wait(), Some(0));
    drop(Server::serve(dir.path(), &[]));
}

#[test]
fn children_follow_a_killed_master() {
    let (_dir, server, _token, _topic) = prepared();
    let children = [server.pids("worker"), server.pids("writer")].concat();
    assert_eq!(children.len(), 3);
    server.signal(Signal::SIGKILL);
    wait_for("the children's end", || children.iter().all(|&pid| !is_running(pid)).then_some(()));
}

#[test]
fn process_titles_name_the_roles() {
    let (_dir, server, _token, _topic) = prepared();
    for (role, pids) in [("worker", server.pids("worker")), ("writer", server.pids("writer"))] {
        for pid in pids {
            let title = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
            assert!(title.contains(role), "{title:?}");
        }
    }
}

/// What balancers do: a pool of connections that is opened at once and kept.
#[test]
fn a_burst_of_connections_is_shared_out_among_the_workers() {
    const BURST: usize = 32;
    let dir = tempfile::tempdir().unwrap();
    let server = Server::serve(dir.path(), &["--workers", "2"]);
    let mut lopsided = Vec::new();
    for _ in 0..8 {
        let mut connections: Vec<_> = (0..BURST).map(|_| server.connect()).collect();
        for connection in &mut connections {
            assert_eq!(connection.send("GET", "/livez", &[], b"").unwrap().status, 200);
        }
        let shares = server.shares(&connections);
        assert_eq!(shares.iter().sum::<usize>(), BURST, "{shares:?}");
        if shares.iter().any(|&share| share < BURST / 4) {
            lopsided.push(shares);
        }
    }
    // One of two cores may be somebody else's for a moment.
    assert!(lopsided.len() <= 2, "{lopsided:?}");
}
