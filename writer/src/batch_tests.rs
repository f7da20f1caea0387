//! What a full disk does to a batch. A limit on the database's pages stands for the disk: it can only be set
//! on the writer's own connection, so this is tested from within.

use std::os::unix::net::UnixStream;

use crossbeam::channel::bounded;
use veritable_domain::text::UserName;
use veritable_writer_api::message::IdempotencyKey;

use super::*;
use crate::database::{self, Database};
use crate::server::Peer;

fn create_user(id: u64, name: &str) -> Request {
    Request {
        id,
        key: IdempotencyKey([id as u8; 16]),
        deadline: UnixMillis(i64::MAX),
        command: Command::CreateUser {
            name: UserName::new(name).unwrap(),
            role: veritable_domain::permission::Role::Member,
            // Some pages of it, so that the limit is met.
            password_hash: Some("x".repeat(100_000)),
        },
    }
}

#[test]
fn a_full_disk_refuses_the_batch_and_the_next_one_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let db = database::open(&config, Database::Forums).unwrap();
    let mut batcher = Batcher::new(db, &config, None, Arc::default());
    let (outbox, answers) = bounded(16);
    let (_theirs, ours) = UnixStream::pair().unwrap();
    let peer = Peer::new(outbox, Arc::new(ours));
    let commit = |batcher: &mut Batcher, requests: Vec<Request>| -> Vec<Result<Outcome, Refusal>> {
        let jobs: Vec<Job> =
            requests.into_iter().map(|request| Job { request, peer: peer.clone() }).collect();
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
    let db = database::open(&config, Database::Forums).unwrap();
    let mut batcher = Batcher::new(db, &config, None, Arc::default());
    let now = UnixMillis::now();
    let old = UnixMillis(now.0 - KEEP_DONE_MS - 1_000);
    for (id, at) in [(1, old), (2, now)] {
        batcher.remember(&create_user(id, "nobody"), &Outcome::Done, at).unwrap();
    }
    batcher.keep_house();
    assert_eq!(batcher.done_before(&create_user(1, "nobody")).unwrap(), None);
    assert_eq!(batcher.done_before(&create_user(2, "nobody")).unwrap(), Some(Outcome::Done));
    assert!(!batcher.dirty, "nothing is left to do");
}

#[test]
fn the_search_index_is_merged_when_nobody_waits() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let db = database::open(&config, Database::Forums).unwrap();
    // A segment for each of these, as with a post at a time.
    for post in 0..20 {
        db.execute("INSERT INTO posts_fts (rowid, title, body) VALUES (?1, 'a title', 'some words')", [post])
            .unwrap();
    }
    let mut batcher = Batcher::new(db, &config, None, Arc::default());
    let segments = |batcher: &Batcher| -> i64 {
        let count = "SELECT count(DISTINCT segid) FROM posts_fts_idx";
        batcher.db.query_row(count, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(segments(&batcher), 20, "not merged at once while people wait");
    for _ in 0..20 {
        batcher.keep_house();
    }
    assert!(segments(&batcher) < 4, "{} segments", segments(&batcher));
    assert!(!batcher.dirty, "housekeeping comes to an end");
    let found: i64 = batcher
        .db
        .query_row("SELECT count(*) FROM posts_fts WHERE posts_fts MATCH 'words'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(found, 20);
}
