//! Databases in trouble: what cannot be written is refused at once and by name, what can be read is served, `status`
//! and `/readyz` say what is wrong, and when it is over nobody has to start anything anew.

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::harness::browser::form_in;
use super::harness::damage::damage;
use super::harness::disk::{Disk, Fault};
use super::harness::http::Reply;
use super::harness::server::{Server, is_running, kill, run, try_change, veritable};
use super::harness::wait_for;

/// A server on a disk of its own, somebody who writes, and where.
struct Site {
    server: Server,
    token: String,
    topic: i64,
}

impl Site {
    fn start(server: Server) -> Site {
        let token = server.token();
        let topics = server.get("/api/forums/topics").json();
        Site { topic: topics["topics"][0]["id"].as_i64().unwrap(), server, token }
    }

    fn try_post(&self, key: Option<&str>, text: &str) -> Reply {
        let path = format!("/api/topics/{}/posts", self.topic);
        let body = json!({ "body": text });
        try_change(&mut self.server.connect(), &self.token, key, "POST", &path, &body).expect("an answer")
    }

    fn post(&self, text: &str) -> (u16, String, Option<String>) {
        let reply = self.try_post(None, text);
        (reply.status, reply.text().to_owned(), reply.header("retry-after").map(str::to_owned))
    }

    /// Ends everything at once, as a crash does.
    fn crash(&mut self) {
        let all = [self.server.pids("worker"), self.server.pids("writer")].concat();
        self.server.signal(Signal::SIGKILL);
        for pid in all {
            // They follow their master by themselves, and some were faster.
            let _gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL);
        }
        self.server.wait_killed();
    }

    fn forums(&self) -> Value {
        self.server.status()["databases"]["forums"].clone()
    }

    /// While the database cannot be written for `reason`: changes are refused, reads go on, everybody is told.
    fn is_degraded(&self, reason: &str) {
        let (status, said, retry) = self.post("refused");
        assert_eq!((status, retry.as_deref()), (503, Some("1")), "{said}");
        wait_for("the state", || (self.forums()["writes"] == reason).then_some(()));
        assert!(said.contains(reason) || said.contains("too busy"), "{said}");
        assert!(self.forums()["advice"].is_string());
        for path in ["/", "/latest", &format!("/api/topics/{}/posts", self.topic)] {
            assert_eq!(self.server.get(path).status, 200, "{path}");
        }
        let ready = self.server.get("/readyz");
        assert_eq!((ready.status, ready.json()["status"].as_str()), (200, Some("degraded")));
        assert_eq!(ready.json()["writes"], reason);
        let table = self.server.command("status", &[]);
        let table = String::from_utf8_lossy(&table.stdout).into_owned();
        assert!(table.contains(&format!("forums: writes fail, {reason}")), "{table}");
    }

    /// The trouble is over by itself, and so says everybody.
    fn recovers(&self) {
        wait_for("the end of the trouble", || (self.forums()["writes"] == "ok").then_some(()));
        // What a worker knows of the writer may be a moment old.
        wait_for("readiness", || {
            (self.server.get("/readyz").json() == json!({"status": "ready"})).then_some(())
        });
        let (status, said, _) = self.post("accepted again");
        assert_eq!(status, 201, "{said}");
        let posts = self.server.get(&format!("/api/topics/{}/posts?limit=100", self.topic));
        assert!(posts.text().contains("accepted again") && !posts.text().contains("refused"));
    }
}

#[test]
fn a_disk_that_fails_is_named_and_writing_goes_on_when_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) =
        Disk::new("storage::a_disk_that_fails_is_named_and_writing_goes_on_when_it_is_mended", dir.path())
    else {
        return;
    };
    let data = dir.path().join("data");
    let site = Site::start(Server::start(disk.program(), "demo", &data, &[]));
    let workers = site.server.pids("worker");
    let writer = site.server.pids("writer");
    for (fault, reason) in [
        (Fault::Full, "the disk is full"),
        (Fault::ReadOnly, "the file system or the file is read-only"),
        (Fault::Write, "the disk fails"),
        (Fault::Sync, "the disk fails"),
    ] {
        disk.fail(fault);
        site.is_degraded(reason);
        disk.fail(Fault::None);
        site.recovers();
    }
    assert_eq!(
        (site.server.pids("worker"), site.server.pids("writer")),
        (workers, writer),
        "nobody was restarted"
    );
}

#[test]
fn a_disk_that_stays_full_does_not_fill_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new("storage::a_disk_that_stays_full_does_not_fill_the_log", dir.path()) else {
        return;
    };
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let server = Server::start_logging(disk.program(), "demo", &dir.path().join("data"), &[], file.into());
    let site = Site::start(server);
    disk.fail(Fault::Full);
    site.is_degraded("the disk is full");
    let lines = || {
        let log = std::fs::read_to_string(&log).unwrap();
        log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).count()
    };
    let before = lines();
    assert!(before > 0, "it is said");
    for _ in 0..50 {
        assert_eq!(site.post("refused").0, 503);
    }
    assert_eq!(lines(), before, "and not again");
    disk.fail(Fault::None);
    site.recovers();
}

#[test]
fn a_change_that_fails_on_its_way_to_the_disk_is_not_called_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) =
        Disk::new("storage::a_change_that_fails_on_its_way_to_the_disk_is_not_called_refused", dir.path())
    else {
        return;
    };
    let data = dir.path().join("data");
    let mut site = Site::start(Server::start(disk.program(), "demo", &data, &[]));
    disk.fail(Fault::Sync);
    let doubtful = site.try_post(None, "doubtful");
    assert_eq!(
        (doubtful.status, &doubtful.json()["outcome"]),
        (503, &json!("unknown")),
        "{}",
        doubtful.text()
    );
    assert!(doubtful.text().contains("the disk fails"), "{}", doubtful.text());
    let key = doubtful.header("idempotency-key").expect("the key to ask again under").to_owned();
    // It is written though not synced: whoever opens the database next may find it committed.
    site.crash();
    disk.fail(Fault::None);
    site.server = Server::start(disk.program(), "serve", &data, &[]);
    let again = site.try_post(Some(&key), "doubtful");
    assert_eq!(again.status, 201, "{}", again.text());
    let posts = site.server.get(&format!("/api/topics/{}/posts?limit=100", site.topic));
    assert_eq!(posts.text().matches("doubtful").count(), 1, "{}", posts.text());
}

#[test]
fn a_refusal_is_certain_and_carries_the_key() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new("storage::a_refusal_is_certain_and_carries_the_key", dir.path()) else {
        return;
    };
    let data = dir.path().join("data");
    let mut site = Site::start(Server::start(disk.program(), "demo", &data, &[]));
    let stored = site.try_post(Some("\"one\""), "stored");
    assert_eq!(stored.status, 201);
    disk.fail(Fault::Full);
    let refused = site.try_post(None, "refused");
    assert_eq!((refused.status, &refused.json()["outcome"]), (503, &json!("refused")), "{}", refused.text());
    assert!(refused.header("idempotency-key").is_some());
    let repeated = site.try_post(Some("\"one\""), "stored");
    assert_eq!((repeated.status, repeated.json()), (201, stored.json()), "what was stored is not refused");
    site.crash();
    disk.fail(Fault::None);
    site.server = Server::start(disk.program(), "serve", &data, &[]);
    let posts = site.server.get(&format!("/api/topics/{}/posts?limit=100", site.topic));
    assert!(posts.text().contains("stored") && !posts.text().contains("refused"));
}

#[test]
fn a_log_that_is_removed_takes_nothing_acknowledged_with_it() {
    a_log_is_removed(&["-wal"], false);
}

#[test]
fn a_log_that_is_removed_with_its_index_is_missed_as_well() {
    a_log_is_removed(&["-wal", "-shm"], false);
}

#[test]
fn a_log_that_another_program_has_made_anew_is_not_written() {
    a_log_is_removed(&["-wal"], true);
}

fn a_log_is_removed(suffixes: &[&str], is_made_anew: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut site = Site::start(Server::demo(&dir.path().join("data")));
    let posts = |site: &Site| {
        let posts = site.server.get(&format!("/api/topics/{}/posts?limit=100", site.topic));
        posts.text().matches("acknowledged").count()
    };
    for number in 0..5 {
        assert_eq!(site.post(&format!("acknowledged {number}")).0, 201);
    }
    let before = posts(&site);
    let file = |suffix: &str| dir.path().join(format!("data/forums.db{suffix}"));
    for suffix in suffixes {
        std::fs::remove_file(file(suffix)).unwrap();
    }
    site.is_degraded("the database's log is gone");
    for (command, more) in [("backup", &[file("-backup").to_str().unwrap()][..]), ("reload", &[])] {
        let out = site.server.command(command, more);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(1) && said.contains("log is gone: restart the server"), "{said}");
    }
    if is_made_anew {
        // Whatever it reads there.
        let other = Connection::open(file("")).unwrap();
        let _read = other.execute_batch("BEGIN IMMEDIATE; ROLLBACK");
        assert!(file("-wal").exists());
    }
    // A writer that is started anew while workers read the old log would write into another one.
    kill(site.server.pids("writer")[0], Signal::SIGKILL);
    wait_for("a writer that says why it cannot start", || {
        let status = site.server.status();
        status["failures"]["writer"].as_str().filter(|how| how.contains("log is gone")).map(str::to_owned)
    });
    site.is_degraded("the database's log is gone");
    site.crash();
    site.server = Server::serve(&dir.path().join("data"), &[]);
    assert_eq!(posts(&site), before);
    assert_eq!(site.post("acknowledged again").0, 201);
    assert_eq!(posts(&site), before + 1);
}

#[test]
fn no_community_is_begun_over_what_is_left_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let mut site = Site::start(Server::demo(&data));
    assert_eq!(site.post("kept").0, 201);
    site.crash();
    let (there, aside) = (data.join("forums.db"), dir.path().join("aside"));
    let log = std::fs::metadata(data.join("forums.db-wal")).unwrap().len();
    std::fs::rename(&there, &aside).unwrap();
    for command in ["serve", "demo"] {
        let out = run(&[command, "--listen", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!(out.status.code(), Some(1), "{said}");
        let last = said.lines().last().unwrap();
        for part in ["forums.db: it is not there", "forums.db-wal is", "veritable restore"] {
            assert!(last.contains(part), "{part:?} is not in {last}");
        }
        assert!(!there.exists());
    }
    assert_eq!(std::fs::metadata(data.join("forums.db-wal")).unwrap().len(), log);
    std::fs::rename(&aside, &there).unwrap();
    site.server = Server::serve(&data, &[]);
    let posts = site.server.get(&format!("/api/topics/{}/posts?limit=100", site.topic));
    assert!(posts.text().contains("kept"));
}

#[test]
fn workers_come_back_when_the_data_directory_was_away() {
    let dir = tempfile::tempdir().unwrap();
    let (data, aside, log) = (dir.path().join("data"), dir.path().join("aside"), dir.path().join("log"));
    let file = std::fs::File::create(&log).unwrap();
    let server = Server::start_logging(veritable(), "demo", &data, &[], file.into());
    let victim = server.pids("worker")[0];
    std::fs::rename(&data, &aside).unwrap();
    kill(victim, Signal::SIGKILL);
    // More often than any that is given up.
    let failures = || std::fs::read_to_string(&log).unwrap().matches("confining this process").count();
    wait_for("a worker that cannot start", || (failures() > 2 * 6).then_some(()));
    std::fs::rename(&aside, &data).unwrap();
    wait_for("a successor", || {
        let workers = server.pids("worker");
        (workers.len() == 2 && !workers.contains(&victim)).then_some(())
    });
}

#[test]
fn a_form_of_which_nobody_knows_whether_it_was_stored_says_so_and_is_stored_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(
        "storage::a_form_of_which_nobody_knows_whether_it_was_stored_says_so_and_is_stored_once",
        dir.path(),
    ) else {
        return;
    };
    let site = Site::start(Server::start(disk.program(), "demo", &dir.path().join("data"), &[]));
    let mut admin = site.server.administrator();
    let reply = format!("/reply/{}", site.topic);
    let form = admin.form(&reply, &reply).set("body", "Heard of it twice");
    disk.fail(Fault::Sync);
    let doubtful = admin.submit(&form);
    assert_eq!(doubtful.status, 503, "{}", doubtful.text());
    assert!(doubtful.text().contains("It may have been sent"), "{}", doubtful.text());
    let again = form_in(doubtful.text(), &reply).expect("the form comes back");
    assert_eq!((again.get("body"), again.get("key")), (Some("Heard of it twice"), form.get("key")));
    disk.fail(Fault::None);
    wait_for("the form to be taken", || (admin.submit(&again).status == 303).then_some(()));
    assert_eq!(admin.submit(&again).status, 303);
    let posts = site.server.get(&format!("/api/topics/{}/posts?limit=100", site.topic));
    assert_eq!(posts.text().matches("Heard of it twice").count(), 1, "{}", posts.text());
}

#[test]
fn a_disk_that_cannot_be_read_is_named_and_read_again_when_it_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(
        "storage::a_disk_that_cannot_be_read_is_named_and_read_again_when_it_is_mended",
        dir.path(),
    ) else {
        return;
    };
    let data = dir.path().join("data");
    drop(Site::start(Server::demo(&data)));
    let mut program = disk.program();
    // What is kept is not read again.
    program.env("VERITABLE_CACHE_WORKER_BYTES", "0");
    let server = Server::start(program, "serve", &data, &[]);
    let workers = server.pids("worker");
    disk.fail(Fault::Read);
    // SQLite takes a page that the disk does not give (EIO) for a damaged one (SQLITE_IOERR_CORRUPTFS).
    let failed = wait_for("an answer that has to be read", || {
        ["/api/wiki/changes", "/api/forums", "/recent", "/wiki", "/api/wiki/pages"]
            .into_iter()
            .map(|path| server.get(path))
            .find(|reply| reply.status == 500)
    });
    assert!(failed.text().contains("the log knows more"), "{}", failed.text());
    let status = server.status();
    assert_eq!(status["databases"]["forums"]["reads"], "the database is damaged", "{status}");
    assert_eq!(server.get("/readyz").json()["reads"], "the database is damaged");
    disk.fail(Fault::None);
    for path in ["/api/wiki/changes", "/api/forums", "/recent", "/wiki"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    assert_eq!(server.pids("worker"), workers, "nobody died of it");
}

#[test]
fn a_database_that_was_cut_short_ends_no_worker() {
    let dir = tempfile::tempdir().unwrap();
    let mut demo = Server::demo(dir.path());
    assert_eq!(demo.command("stop", &[]).status.code(), Some(0));
    demo.wait();
    let server = Server::serve(dir.path(), &[]);
    let workers = server.pids("worker");
    let file = std::fs::File::options().write(true).open(dir.path().join("forums.db")).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.set_len(bytes / 4).unwrap();
    // Whatever it can still read is served, and for the rest there is an answer.
    let mut failed = 0;
    for path in
        ["/recent", "/api/wiki/changes", "/api/wiki/pages", "/api/forums", "/wiki", "/api/search?q=the"]
    {
        let status = server.get(path).status;
        assert!([200, 500].contains(&status), "{path}: {status}");
        failed += usize::from(status == 500);
    }
    assert!(failed > 0, "nothing was cut off that is read");
    assert_eq!(server.pids("worker"), workers);
    assert_eq!(server.status()["databases"]["forums"]["reads"], "the database is damaged");
}

#[test]
fn a_database_that_another_program_holds_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(Server::demo(dir.path()));
    let other = Connection::open(dir.path().join("forums.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    site.is_degraded("another program has locked the database");
    other.execute_batch("ROLLBACK").unwrap();
    site.recovers();
}

#[test]
fn nothing_is_written_into_a_file_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(Server::demo(dir.path()));
    let (there, aside) = (dir.path().join("forums.db"), dir.path().join("aside.db"));
    std::fs::rename(&there, &aside).unwrap();
    site.is_degraded("the database's file is gone");
    std::fs::copy(&aside, &there).unwrap();
    wait_for("the other file", || {
        (site.forums()["writes"] == "another file is in the place of the database's").then_some(())
    });
    assert_eq!(site.post("refused").0, 503);
    // A writer that is started anew does not make a new community in its place either.
    std::fs::remove_file(&there).unwrap();
    let writer = site.server.pids("writer")[0];
    kill(writer, Signal::SIGKILL);
    let failure = wait_for("a writer that says why it cannot start", || {
        let status = site.server.status();
        status["failures"]["writer"].as_str().filter(|how| how.contains("gone")).map(str::to_owned)
    });
    assert!(failure.contains("forums.db"), "{failure}");
    assert!(!there.exists() && !is_running(writer));
    assert_eq!(site.server.get("/latest").status, 200);
    std::fs::rename(&aside, &there).unwrap();
    wait_for("the next start", || site.server.pids("writer").first().copied());
    site.recovers();
}

#[test]
fn a_damaged_page_is_found_by_the_check_and_the_rest_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    let token = server.token();
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let path = dir.path().join("forums.db");
    let _damaged = damage(&path, "posts_by_author");
    // Not long ago checked, says the database: once more all the same.
    Connection::open(&path).unwrap().execute("DELETE FROM facts WHERE name = 'checked_at'", []).unwrap();
    let server = Server::serve(dir.path(), &[]);
    let damaged = "the database is damaged";
    wait_for("the check", || (server.status()["databases"]["forums"]["writes"] == damaged).then_some(()));
    assert_eq!(server.status()["databases"]["forums"]["check_found_damage"], true);
    let category = server.get("/api/forums").json()["categories"][0]["id"].as_i64().unwrap();
    for path in ["/", "/latest", &format!("/api/forums/{category}/topics"), "/wiki"] {
        assert_eq!(server.get(path).status, 200, "{path}");
    }
    let name =
        server.get("/api/forums/topics").json()["topics"][0]["author"]["name"].as_str().unwrap().to_owned();
    assert_eq!(server.get(&format!("/api/users/{name}/posts")).status, 500);
    assert_eq!(server.status()["databases"]["forums"]["reads"], damaged);
    assert_eq!(server.get("/readyz").json()["writes"], damaged);
    // What needs the damaged page is refused, what does not is stored.
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let post = server.change(&token, "POST", &format!("/api/topics/{topic}/posts"), &json!({"body": "x"}));
    assert_eq!(post.status, 503, "{}", post.text());
    let page = json!({"title": "Sound", "body": "It can be saved."});
    let saved = server.change(&token, "PUT", "/api/wiki/pages", &page);
    assert!([200, 201].contains(&saved.status), "{}", saved.text());
}

#[test]
fn a_newer_schema_is_refused_at_the_start_and_while_serving() {
    let dir = tempfile::tempdir().unwrap();
    let site = Site::start(Server::demo(dir.path()));
    let set = |version: i64| {
        let db = Connection::open(dir.path().join("forums.db")).unwrap();
        let before: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", version).unwrap();
        before
    };
    let known = set(9_999);
    kill(site.server.pids("writer")[0], Signal::SIGKILL);
    let failure = wait_for("a writer that says why it cannot start", || {
        let status = site.server.status();
        status["failures"]["writer"].as_str().filter(|how| how.contains("9999")).map(str::to_owned)
    });
    assert!(failure.contains("run the newer program, or restore a backup"), "{failure}");
    assert_eq!(site.server.get("/latest").status, 200, "reads go on");
    wait_for("readiness for reads", || {
        let ready = site.server.get("/readyz");
        let said = json!({"status": "degraded", "writes": "the database is of a newer program"});
        (ready.status == 200 && ready.json() == said).then_some(())
    });
    assert_eq!(site.forums()["writes"], "the database is of a newer program");
    set(known);
    wait_for("the next start", || site.server.pids("writer").first().copied());
    site.recovers();
    drop(site);
    set(9_999);
    let out = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", dir.path().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(1), "{said}");
    assert!(said.lines().last().unwrap().contains("its schema is version 9999"), "{said}");
}
