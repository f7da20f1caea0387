//! What can only be tested from within: trouble that is made on the writer's own connection, and what is done when
//! nobody waits.

use std::os::unix::net::UnixStream;

use crossbeam::channel::bounded;
use veritable_domain::text::UserName;
use veritable_shm::Geometry;
use veritable_writer_api::message::{Accounts, By, Command, IdempotencyKey, Outcome, Request};

use super::*;
use crate::commit::{done_before, remember};
use crate::house::KEEP_DONE_MS;
use crate::server::Peer;

fn batcher(config: &Config, shared: Option<Shared>) -> Batcher {
    let db = database::open(config, Database::Forums).unwrap();
    Batcher::new(db, Database::Forums, config, shared, Arc::default())
}

/// Does all that is due now.
fn keep_house(batcher: &mut Batcher) {
    let (_jobs, queue) = bounded(1);
    batcher.use_the_quiet(&queue);
}

fn create_user(id: u64, name: &str) -> Request {
    Request {
        id,
        key: IdempotencyKey::of([id as u8; 16]),
        deadline: UnixMillis(i64::MAX),
        command: Command::accounts(
            By::OPERATOR,
            Accounts::CreateUser {
                name: UserName::new(name).unwrap(),
                role: veritable_domain::permission::Role::Member,
                address: None,
                // Some pages of it, so that the limit is met.
                password_hash: Some("x".repeat(100_000)),
            },
        ),
    }
}

#[test]
fn a_full_disk_refuses_the_batch_and_the_next_one_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    let (outbox, answers) = bounded(16);
    let (_theirs, ours) = UnixStream::pair().unwrap();
    let peer = Peer::new(outbox, Arc::new(ours));
    let commit = |batcher: &mut Batcher, requests: Vec<Request>| -> Vec<Result<Outcome, Refusal>> {
        let jobs: Vec<Job> = requests
            .into_iter()
            .map(|request| Job { request: Box::new(request), peer: peer.clone(), arrived: Instant::now() })
            .collect();
        batcher.commit(jobs);
        answers
            .try_iter()
            .map(|message| match message {
                FromWriter::Reply(reply) => reply.result,
                FromWriter::Event(event) => panic!("{event:?}"),
            })
            .collect()
    };
    let limit = |batcher: &Batcher, pages: i64| {
        batcher.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    let ping = Request { command: Command::Ping, ..create_user(9, "nobody") };

    let pages: i64 = batcher.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    limit(&batcher, pages + 1);
    let refused = commit(&mut batcher, vec![ping, create_user(1, "Ada"), create_user(2, "Bob")]);
    assert_eq!(refused.len(), 3, "each is answered");
    for result in &refused[1..] {
        assert!(matches!(result, Err(Refusal::Storage { .. })), "{result:?}");
    }
    assert!(batcher.db.is_autocommit(), "no transaction is left open");
    let count = |batcher: &Batcher, table: &str| -> i64 {
        batcher.db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(&batcher, "users"), 0);
    assert_eq!(count(&batcher, "done_commands"), 0, "a refused command is not remembered as done");

    limit(&batcher, 1 << 30);
    let done = commit(&mut batcher, vec![create_user(1, "Ada"), create_user(2, "Bob")]);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(count(&batcher, "users"), 2);
}

#[test]
fn answers_are_forgotten_after_a_day() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    let now = UnixMillis::now();
    let old = UnixMillis(now.0 - KEEP_DONE_MS - 1_000);
    for (id, at) in [(1, old), (2, now)] {
        remember(&batcher.db, &create_user(id, "nobody"), &Outcome::Done, at).unwrap();
    }
    keep_house(&mut batcher);
    let done = |id| done_before(&batcher.db, &create_user(id, "nobody")).unwrap();
    assert_eq!(done(1), None);
    assert_eq!(done(2), Some(Ok(Outcome::Done)));
    assert!(batcher.house.is_tidy(), "nothing is left to do");
}

#[test]
fn the_search_index_is_merged_when_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    // A segment for each of these, as with a post at a time.
    for post in 0..20 {
        let db = &batcher.db;
        db.execute("INSERT INTO posts_fts (rowid, title, body) VALUES (?1, 'a title', 'some words')", [post])
            .unwrap();
    }
    let segments = |batcher: &Batcher| -> i64 {
        let count = "SELECT count(DISTINCT segid) FROM posts_fts_idx";
        batcher.db.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(segments(&batcher), 20, "not merged at once while people wait");
    for _ in 0..20 {
        keep_house(&mut batcher);
    }
    assert!(segments(&batcher) < 4, "{} segments", segments(&batcher));
    assert!(batcher.house.is_tidy(), "housekeeping comes to an end");
    let found: i64 = batcher
        .db
        .query_row("SELECT count(*) FROM posts_fts WHERE posts_fts MATCH 'words'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 20);
}

fn size(batcher: &Batcher, pragma: &str) -> i64 {
    batcher.db.pragma_query_value(None, pragma, |row| row.get(0)).unwrap()
}

#[test]
fn free_pages_are_given_back_in_small_steps_when_there_are_many() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
    let mut batcher = batcher(&config, Some(Shared::of(&segment, None, Database::Forums)));
    let fill = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 4000)
                INSERT INTO facts (name, value) SELECT 'filler' || x, hex(randomblob(2000)) FROM n";
    batcher.db.execute_batch(fill).unwrap();
    batcher.db.execute("DELETE FROM facts WHERE name LIKE 'filler%'", []).unwrap();
    let (pages, free) = (size(&batcher, "page_count"), size(&batcher, "freelist_count"));
    assert!(free * 2 > pages, "{free} of {pages} are free");
    keep_house(&mut batcher);
    keep_house(&mut batcher);
    let after = size(&batcher, "page_count");
    assert!(pages - after <= 64 && after < pages, "a little at a time: {pages} to {after}");
    for _ in 0..100 {
        keep_house(&mut batcher);
    }
    let (pages, free) = (size(&batcher, "page_count"), size(&batcher, "freelist_count"));
    assert!(free * 10 <= pages, "{free} of {pages} are left");
    let store = Store::of(&segment, 0).unwrap();
    assert!(store.get(Fact::VacuumAt) > 0 && store.get(Fact::CheckpointAt) > 0);
    assert_eq!(store.get(Fact::Task), 0);
}

#[test]
fn a_long_log_is_made_short_and_statistics_are_renewed_when_it_is_quiet() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    let fill = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 4000)
                INSERT INTO facts (name, value) SELECT 'filler' || x, hex(randomblob(1000)) FROM n";
    batcher.db.execute_batch(fill).unwrap();
    let log = || std::fs::metadata(dir.path().join("forums.db-wal")).unwrap().len();
    assert!(log() > 4 << 20, "{}", log());
    keep_house(&mut batcher);
    keep_house(&mut batcher);
    assert!(log() > 4 << 20, "not while the next commit may need it");
    batcher.house.pretend_quiet();
    let statistics = |batcher: &Batcher| -> bool {
        let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
        batcher.db.query_row(made, [], |row| row.get(0)).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    // While the check for damage reads, the log cannot be made short: how often it is tried is not the question.
    while !statistics(&batcher) {
        assert!(Instant::now() < deadline, "PRAGMA optimize has not run; the log has {} bytes", log());
        keep_house(&mut batcher);
    }
    // What is in it now was written afterwards, by the renewal of the statistics.
    assert!(log() < 1 << 20, "{}", log());
}

#[test]
fn external_checkpoints_are_left_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    config.writer.checkpoints = veritable_config::settings::Checkpoints::External;
    let mut batcher = batcher(&config, None);
    batcher.db.execute("INSERT INTO facts VALUES ('a', hex(randomblob(6000000)))", []).unwrap();
    let log = || std::fs::metadata(dir.path().join("forums.db-wal")).unwrap().len();
    let before = log();
    assert!(before > 4 << 20, "{before}");
    batcher.house.pretend_quiet();
    for _ in 0..4 {
        keep_house(&mut batcher);
    }
    assert!(log() >= before);
    let copied: i64 = std::fs::metadata(dir.path().join("forums.db")).unwrap().len().try_into().unwrap();
    assert!(copied < 4 << 20, "nothing was copied into the database: {copied}");
}
