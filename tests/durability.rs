//! Processes are killed under a load of writes: what was acknowledged is there, once, and in order. The full form
//! (`VERITABLE_FULL=1`) kills the writer 1,000 times and the whole tree 100 times.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use nix::sys::signal::Signal;
use rusqlite::Connection as Database;
use serde_json::json;

use super::harness::http::{Connection, Reply};
use super::harness::server::{Server, kill, try_change, veritable};
use super::harness::{rounds, wait_for};

/// Clients that write at once.
const CLIENTS: usize = 8;
/// Topics they write to.
const TOPICS: usize = 3;

/// What one client knows of what it sent.
#[derive(Debug)]
struct Sent {
    text: String,
    topic: i64,
    /// Sent again under one key until it was acknowledged; else once.
    keyed: bool,
    outcome: Outcome,
}

/// What the server said of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It is stored; the post's id.
    Acknowledged(i64),
    /// It is certain that it is not.
    Refused,
    /// Nothing, or that it does not know.
    Unknown,
}

/// Where the server is, what there is to write to, and everything that was sent.
struct Load {
    address: Mutex<String>,
    token: String,
    topics: Vec<i64>,
    stop: AtomicBool,
    sent: Vec<Mutex<Vec<Sent>>>,
    /// The version of the one page all of them edit: as acknowledged, each once.
    page_saves: Mutex<Vec<String>>,
}

impl Load {
    fn of(server: &Server) -> Load {
        let topics = server.get("/api/forums/topics").json();
        let ids = topics["topics"].as_array().unwrap().iter().map(|topic| topic["id"].as_i64().unwrap());
        Load {
            address: Mutex::new(server.address.clone()),
            token: server.token(),
            topics: ids.take(TOPICS).collect(),
            stop: AtomicBool::new(false),
            sent: (0..CLIENTS).map(|_| Mutex::default()).collect(),
            page_saves: Mutex::default(),
        }
    }

    fn try_send(
        &self,
        key: Option<&str>,
        method: &str,
        path: &str,
        body: &serde_json::Value,
    ) -> Option<Reply> {
        let address = self.address.lock().unwrap().clone();
        try_change(&mut Connection::open(&address).ok()?, &self.token, key, method, path, body).ok()
    }

    fn acknowledged(&self) -> usize {
        let count = |sent: &Mutex<Vec<Sent>>| {
            sent.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .filter(|sent| matches!(sent.outcome, Outcome::Acknowledged(_)))
                .count()
        };
        self.sent.iter().map(count).sum()
    }

    fn wait_for_more(&self, more: usize) {
        let target = self.acknowledged() + more;
        wait_for("more acknowledged posts", || (self.acknowledged() >= target).then_some(()));
    }

    /// Posts without pause, one after the other, until told to stop. Each other client is careful and sends again
    /// under the same key what was not acknowledged; the others send each text once, come what may.
    fn post(&self, client: usize) {
        let keyed = client.is_multiple_of(2);
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let topic = self.topics[number % self.topics.len()];
            let text = format!("client {client} text {number} end");
            let (key, path) = (format!("\"{text}\""), format!("/api/topics/{topic}/posts"));
            let body = json!({ "body": text });
            let attempt = || {
                let reply = self.try_send(keyed.then_some(&key), "POST", &path, &body)?;
                match reply.status {
                    201 => Some(Outcome::Acknowledged(reply.json()["post"]["id"].as_i64().unwrap())),
                    503 => {
                        assert!(reply.header("idempotency-key").is_some(), "{}", reply.text());
                        match reply.json()["outcome"].as_str() {
                            Some("refused") => Some(Outcome::Refused),
                            Some("unknown") => Some(Outcome::Unknown),
                            _ => panic!("{}", reply.text()),
                        }
                    }
                    status => panic!("{status}: {}", reply.text()),
                }
            };
            let acknowledged = || attempt().filter(|outcome| matches!(outcome, Outcome::Acknowledged(_)));
            let outcome = if keyed {
                wait_for("an acknowledgement", acknowledged)
            } else {
                attempt().unwrap_or(Outcome::Unknown)
            };
            self.sent[client].lock().unwrap().push(Sent { text, topic, keyed, outcome });
        }
    }

    /// Saves one page again and again, each save under a key of its own until it is acknowledged.
    fn save(&self) {
        let mut version = None;
        for number in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let text = format!("save {number} end");
            let mut body = json!({"title": "Durable", "body": text, "comment": "again"});
            if let Some(version) = &version {
                body["base_revision"] = json!(version);
            }
            let key = format!("\"{text}\"");
            let reply = wait_for("a saved page", || {
                let reply = self.try_send(Some(&key), "PUT", "/api/wiki/pages", &body)?;
                assert!([200, 201, 503].contains(&reply.status), "{}: {}", reply.status, reply.text());
                (reply.status != 503).then(|| reply.json())
            });
            version = reply["revision"]["id"].as_i64();
            assert!(version.is_some(), "{reply}");
            self.page_saves.lock().unwrap().push(text);
        }
    }

    /// Nothing that was sent so far was refused or left without a certain answer.
    fn nobody_failed(&self) {
        for sent in &self.sent {
            for Sent { text, outcome, .. } in sent.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                assert!(matches!(outcome, Outcome::Acknowledged(_)), "{text:?}: {outcome:?}");
            }
        }
    }

    /// Writes with all clients while `disturb` goes on.
    fn during(&self, disturb: impl FnOnce()) {
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                scope.spawn(move || self.post(client));
            }
            scope.spawn(|| self.save());
            let stop = StopAtEnd(&self.stop);
            disturb();
            drop(stop);
        });
    }

    /// Compares what was acknowledged with what is in the database of a server that has ended.
    fn check(&self, data_dir: &Path) {
        let db = Database::open(data_dir.join("forums.db")).unwrap();
        let mut query = db
            .prepare(
                "SELECT r.source, p.id, p.topic_id, p.number FROM posts p JOIN post_revisions r ON r.post_id = p.id
                 WHERE r.source LIKE 'client % text %'",
            )
            .unwrap();
        let mut found: HashMap<String, Vec<(i64, i64, i64)>> = HashMap::new();
        let rows = query
            .query_map([], |row| Ok((row.get::<_, String>(0)?, (row.get(1)?, row.get(2)?, row.get(3)?))))
            .unwrap();
        for row in rows {
            let (text, post) = row.unwrap();
            found.entry(text).or_default().push(post);
        }
        let (mut keyed, mut refused, mut unknown) = (0, 0, 0);
        for sent in &self.sent {
            // Within a topic one client's posts stand in the order it sent them.
            let mut last: HashMap<i64, i64> = HashMap::new();
            for Sent { text, topic, keyed: is_keyed, outcome } in sent.lock().unwrap().iter() {
                let posts = found.remove(text).unwrap_or_default();
                assert!(posts.len() <= 1, "{text:?} is there {} times", posts.len());
                match outcome {
                    Outcome::Acknowledged(id) => {
                        assert_eq!(
                            posts.first().map(|p| p.0),
                            Some(*id),
                            "{text:?} was acknowledged as {id}"
                        );
                    }
                    Outcome::Refused => {
                        assert!(posts.is_empty(), "{text:?} was refused and is there");
                        refused += 1;
                    }
                    Outcome::Unknown => unknown += 1,
                }
                keyed += usize::from(*is_keyed);
                for (_, at, number) in posts {
                    assert_eq!(at, *topic, "{text:?}");
                    let before = last.insert(*topic, number);
                    assert!(
                        before.is_none_or(|before| before < number),
                        "{text:?} is {number}, after {before:?}"
                    );
                }
            }
        }
        assert!(found.is_empty(), "nobody sent {found:?}");
        let one = |sql: &str| -> i64 { db.query_row(sql, [], |row| row.get(0)).unwrap() };
        for (table, id) in [("topics", "topic_id"), ("users", "author_id"), ("categories", "category_id")] {
            let sql = format!(
                "SELECT count(*) FROM {table} t WHERE t.post_count <>
                     (SELECT count(*) FROM posts p WHERE p.{id} = t.id AND p.deleted_at IS NULL)"
            );
            assert_eq!(one(&sql), 0, "{table} that miscount their posts");
        }
        assert_eq!(
            one(
                "SELECT count(*) FROM topics t WHERE t.last_number <> (SELECT max(number) FROM posts p WHERE p.topic_id = t.id)"
            ),
            0
        );
        let saves = self.page_saves.lock().unwrap();
        for text in saves.iter() {
            let kept: i64 = db
                .query_row("SELECT count(*) FROM revisions WHERE source = ?1", [text], |row| row.get(0))
                .unwrap();
            assert_eq!(kept, 1, "{text:?}");
        }
        assert_eq!(one("SELECT count(*) FROM pragma_foreign_key_check"), 0);
        let intact: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(intact, "ok");
        eprintln!(
            "{} posts acknowledged ({keyed} sent under keys), {refused} refused, {unknown} without a certain answer, {} \
             saves of a page",
            self.acknowledged(),
            saves.len()
        );
    }
}

/// Stops the clients, also when the test fails while they write.
struct StopAtEnd<'a>(&'a AtomicBool);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn killed_writers_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // So little room that commands are refused, also those that are sent again to a writer's successor.
    let mut program = veritable();
    program.env("VERITABLE_WRITER_QUEUE", "2").env("VERITABLE_WRITER_BATCH", "2");
    let mut demo = Server::demo(dir.path());
    let load = Load::of(&demo);
    assert_eq!(demo.command("stop", &[]).status.code(), Some(0));
    demo.wait();
    let mut server = Server::start(program, "serve", dir.path(), &[]);
    server.address.clone_into(&mut load.address.lock().unwrap());
    load.during(|| {
        for _ in 0..rounds(10, 1_000) {
            let victim = wait_for("a writer", || server.pids("writer").first().copied());
            load.wait_for_more(CLIENTS);
            kill(victim, Signal::SIGKILL);
            wait_for("its successor", || {
                server.pids("writer").first().filter(|&&pid| pid != victim).copied()
            });
        }
        load.wait_for_more(CLIENTS);
    });
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    load.check(dir.path());
}

#[test]
fn killed_servers_lose_and_double_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    let load = Load::of(&server);
    load.during(|| {
        for _ in 0..rounds(3, 100) {
            load.wait_for_more(3 * CLIENTS);
            let all = [server.pids("worker"), server.pids("writer")].concat();
            kill(server.pid(), Signal::SIGKILL);
            for pid in all {
                // They follow their master by themselves, and some were faster.
                let _gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
            }
            server.wait_killed();
            server = Server::serve(dir.path(), &[]);
            server.address.clone_into(&mut load.address.lock().unwrap());
        }
        load.wait_for_more(CLIENTS);
    });
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    load.check(dir.path());
}

#[test]
fn a_writer_that_is_replaced_in_a_reload_fails_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut demo = Server::demo(&data);
    let load = Load::of(&demo);
    assert_eq!(demo.command("stop", &[]).status.code(), Some(0));
    demo.wait();
    let file = dir.path().join("veritable.toml");
    let set = |batch: usize| {
        let settings = format!("workers = 2\n[process]\nprobation_seconds = 0\n[writer]\nbatch = {batch}\n");
        std::fs::write(&file, settings).unwrap();
    };
    set(1);
    let mut server = Server::serve(&data, &["--config", file.to_str().unwrap()]);
    server.address.clone_into(&mut load.address.lock().unwrap());
    load.during(|| {
        for round in 0..rounds(3, 100) {
            load.wait_for_more(CLIENTS);
            let before = server.pids("writer");
            set(round + 2);
            let reloaded = server.command("reload", &[]);
            assert!(reloaded.status.success(), "{reloaded:?}");
            let after = wait_for("a writer", || Some(server.pids("writer")).filter(|pids| !pids.is_empty()));
            assert_ne!(after, before, "another writer");
        }
        load.wait_for_more(CLIENTS);
    });
    load.nobody_failed();
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    load.check(&data);
}
