//! What is done for a database when nobody waits, or although somebody does.

use std::sync::Mutex;

use crossbeam::channel::bounded;
use veritable_domain::time::UnixMillis;
use veritable_shm::Geometry;
use veritable_writer_api::message::Outcome;

use super::tests::{batcher, create_user, job};
use super::*;
use crate::commit::{done_before, remember};
use crate::house::KEEP_DONE_MS;
use crate::server::Peer;

/// Does one thing that is due.
fn keep_house(batcher: &mut Batcher) {
    let (_jobs, queue) = bounded(1);
    batcher.use_the_quiet(&queue);
}

/// Does all that is due.
fn tidy_up(batcher: &mut Batcher) {
    for _ in 0..1_000 {
        keep_house(batcher);
        if batcher.house.is_tidy() {
            return;
        }
    }
    panic!("housekeeping comes to no end");
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
    tidy_up(&mut batcher);
    let done = |id| done_before(&batcher.db, &create_user(id, "nobody")).unwrap();
    assert_eq!(done(1), None);
    assert_eq!(done(2), Some(Ok(Outcome::Done)));
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
    tidy_up(&mut batcher);
    assert!(segments(&batcher) < 4, "{} segments", segments(&batcher));
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
    let mut before = pages;
    for _ in 0..10 {
        keep_house(&mut batcher);
        let after = size(&batcher, "page_count");
        assert!(before - after <= 64, "a little at a time: {before} to {after}");
        before = after;
    }
    assert!(before < pages, "it was begun");
    tidy_up(&mut batcher);
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
    tidy_up(&mut batcher);
    assert!(log() > 4 << 20, "not while the next commit may need it");
    batcher.house.pretend_quiet();
    let statistics = |batcher: &Batcher| -> bool {
        let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
        batcher.db.query_row(made, [], |row| row.get(0)).unwrap()
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    // While the check for damage reads, the log cannot be made short: how often it is tried is not the question. The
    // renewal of the statistics may write to it afterwards.
    while !statistics(&batcher) || log() >= 1 << 20 {
        assert!(Instant::now() < deadline, "{} {}", statistics(&batcher), log());
        keep_house(&mut batcher);
    }
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
    tidy_up(&mut batcher);
    assert!(log() >= before);
    let copied: i64 = std::fs::metadata(dir.path().join("forums.db")).unwrap().len().try_into().unwrap();
    assert!(copied < 4 << 20, "nothing was copied into the database: {copied}");
    batcher.close(Order::Drain);
    assert!(log() >= before, "nor at the end");
}

#[test]
fn steady_writing_is_no_reason_to_let_the_log_grow() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
    let batcher = batcher(&config, Some(Shared::of(&segment, None, Database::Forums)));
    let store = Store::of(&segment, 0).unwrap();
    let (jobs, queue) = bounded(16);
    let (stop, stopped) = bounded(1);
    let beat = crate::pulse::Pulse::new(1, None).beat(0);
    let writing = std::thread::spawn(move || batcher.run(&queue, &stopped, &beat));
    let (outbox, answers) = bounded(16);
    let (_theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
    let peer = Peer::new(outbox, Arc::new(ours));
    let deadline = Instant::now() + Duration::from_secs(60);
    // Never quiet for as long as it takes to be idle.
    for id in 0.. {
        jobs.send(job(create_user(id, &format!("user {id}")), &peer)).unwrap();
        while let FromWriter::Event(_) = answers.recv().unwrap() {}
        if store.get(Fact::CheckpointAt) > 0 && store.get(Fact::Bytes) > 0 {
            break;
        }
        assert!(Instant::now() < deadline, "the log was not copied");
        std::thread::sleep(Duration::from_millis(20));
    }
    stop.send(Order::Drain).unwrap();
    writing.join().unwrap();
}

#[test]
fn upkeep_that_is_long_overdue_is_done_although_commands_wait() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
    let mut batcher = batcher(&config, Some(Shared::of(&segment, None, Database::Forums)));
    let store = Store::of(&segment, 0).unwrap();
    assert!(!batcher.house.is_due(true) && !batcher.house.is_due(false), "it was just looked after");
    batcher.house.pretend_neglect(false);
    assert!(batcher.house.is_due(true), "when nobody waits");
    assert!(!batcher.house.is_due(false), "not yet when somebody does");
    assert_eq!(store.get(Fact::UpkeepOverdue), 0);
    batcher.house.pretend_neglect(true);
    assert!(batcher.house.is_due(false), "now it is");
    assert_eq!(store.get(Fact::UpkeepOverdue), 1, "and counted");
    keep_house(&mut batcher);
    assert!(!batcher.house.is_due(true) && store.get(Fact::UpkeepAt) > 0);
}

#[test]
fn statistics_that_are_late_are_renewed_without_quiet_a_table_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    batcher.house.pretend_late_statistics();
    let analysed = |batcher: &Batcher| -> i64 {
        let made = "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_stat1'";
        batcher.db.query_row(made, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(analysed(&batcher), 0);
    // Somebody writes all the time.
    for _ in 0..100 {
        batcher.house.soil();
        keep_house(&mut batcher);
    }
    assert_eq!(analysed(&batcher), 1);
}

#[test]
fn what_fails_again_and_again_is_said_once() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut batcher = batcher(&config, None);
    tidy_up(&mut batcher);
    batcher.db.execute_batch("DROP TABLE posts_fts").unwrap();
    let log = dir.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(Mutex::new(file)).finish();
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..20 {
            batcher.house.soil();
            batcher.house.pretend_failed_long_ago();
            keep_house(&mut batcher);
        }
    });
    let said = std::fs::read_to_string(log).unwrap();
    assert_eq!(said.matches("housekeeping fails").count(), 1, "{said}");
    assert!(said.contains("posts_fts"), "{said}");
}

/// Overwrites the root page of an index; yields its place and what was there.
fn damage(config: &Config, index: &str) -> (u64, Vec<u8>) {
    use std::os::unix::fs::FileExt;
    let path = config.forums_db();
    let db = Connection::open(&path).unwrap();
    let root: u32 = db
        .query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [index], |row| row.get(0))
        .unwrap();
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(db);
    let mut sound = vec![0; database::PAGE_BYTES as usize];
    let at = u64::from(root - 1) * u64::from(database::PAGE_BYTES);
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    file.read_exact_at(&mut sound, at).unwrap();
    file.write_all_at(&vec![0xa5; sound.len()], at).unwrap();
    (at, sound)
}

/// Keeps house until the state of the database is `trouble`.
fn wait_for(batcher: &mut Batcher, trouble: Option<Trouble>) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while batcher.health.trouble() != trouble {
        assert!(Instant::now() < deadline, "{:?} instead of {trouble:?}", batcher.health.trouble());
        keep_house(batcher);
    }
}

#[test]
fn damage_is_remembered_until_a_check_finds_none() {
    use std::os::unix::fs::FileExt;
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    drop(database::open(&config, Database::Forums).unwrap());
    let (at, sound) = damage(&config, "posts_by_author");
    let mut first = batcher(&config, None);
    wait_for(&mut first, Some(Trouble::Damaged));
    first.close(Order::Drain);
    // However seldom it is to be checked.
    config.writer.check_hours = 0;
    let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
    let second = batcher(&config, Some(Shared::of(&segment, None, Database::Forums)));
    assert_eq!(second.health.trouble(), Some(Trouble::Damaged), "another process knows it at once");
    assert_eq!(Store::of(&segment, 0).unwrap().get(Fact::CheckFound), 1);
    second.close(Order::Drain);
    std::fs::File::options().write(true).open(config.forums_db()).unwrap().write_all_at(&sound, at).unwrap();
    let mut third = batcher(&config, None);
    wait_for(&mut third, None);
    third.close(Order::Drain);
    assert_eq!(batcher(&config, None).health.trouble(), None);
}
