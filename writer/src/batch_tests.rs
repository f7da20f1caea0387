//! Transactions that can only be tested from within: trouble that is made on the writer's own connection.

use std::os::unix::net::UnixStream;

use crossbeam::channel::bounded;
use veritable_domain::content::{Content, Format, Rendered};
use veritable_domain::ids::{CategoryId, UserId};
use veritable_domain::text::{Source, TopicTitle, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Accounts, By, Command, Forum, IdempotencyKey, Outcome, Request};

use super::*;
use crate::server::{Peer, Room};

pub(super) fn batcher(config: &Config, shared: Option<Shared>) -> Batcher {
    let db = database::open(config, Database::Forums).unwrap();
    Batcher::new(db, Database::Forums, config, shared, (Arc::default(), Files::of(config)))
}

pub(super) fn job(request: Request, peer: &Peer) -> Job {
    let request = Box::new(request);
    Job { request, peer: peer.clone(), arrived: Instant::now(), _held: None, _room: Room::default() }
}

/// Carries jobs out and yields their answers.
pub(super) fn carry_out(batcher: &mut Batcher, requests: Vec<Request>) -> Vec<Result<Outcome, Refusal>> {
    let (outbox, answers) = bounded(64);
    let (_theirs, ours) = UnixStream::pair().unwrap();
    let peer = Peer::new(outbox, Arc::new(ours));
    batcher.commit(requests.into_iter().map(|request| job(request, &peer)).collect());
    answers
        .try_iter()
        .filter_map(|message| match message {
            FromWriter::Reply(reply) => Some(reply.result),
            FromWriter::Event(_) => None,
        })
        .collect()
}

pub(super) fn create_user(id: u64, name: &str) -> Request {
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
    let limit = |batcher: &Batcher, pages: i64| {
        batcher.db.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    };
    let ping = Request { command: Command::Ping, ..create_user(9, "nobody") };

    let pages: i64 = batcher.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    limit(&batcher, pages + 1);
    let refused = carry_out(&mut batcher, vec![ping, create_user(1, "Ada"), create_user(2, "Bob")]);
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
    let done = carry_out(&mut batcher, vec![create_user(1, "Ada"), create_user(2, "Bob")]);
    assert!(done.iter().all(Result::is_ok), "{done:?}");
    assert_eq!(count(&batcher, "users"), 2);
}

fn here() -> (tempfile::TempDir, Config) {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    (dir, config)
}

fn users(db: &Connection) -> Vec<String> {
    let mut names = db.prepare("SELECT name FROM users ORDER BY id").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_command_whose_time_is_over_when_the_lock_is_there_is_not_carried_out() {
    let (_dir, config) = here();
    let mut batcher = batcher(&config, None);
    let other = Connection::open(config.forums_db()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let soon = UnixMillis(UnixMillis::now().0 + 50);
    let holder = std::thread::spawn(move || {
        while UnixMillis::now().0 <= soon.0 + 50 {
            std::thread::sleep(Duration::from_millis(5));
        }
        other.execute_batch("ROLLBACK").unwrap();
    });
    let late = Request { deadline: soon, ..create_user(1, "Late") };
    let answers = carry_out(&mut batcher, vec![late, create_user(2, "Patient")]);
    holder.join().unwrap();
    assert_eq!(answers[0], Err(Refusal::Expired));
    assert!(answers[1].is_ok(), "{answers:?}");
    assert_eq!(users(&batcher.db), ["Patient"]);
}

#[test]
fn a_text_that_search_cannot_take_costs_only_its_own_command() {
    let (_dir, config) = here();
    let mut batcher = batcher(&config, None);
    let db = &batcher.db;
    db.execute_batch("DROP TABLE posts_fts").unwrap();
    db.execute_batch("INSERT INTO categories (id, name, slug, created_at) VALUES (1, 'c', 'c', 0)").unwrap();
    assert!(carry_out(&mut batcher, vec![create_user(1, "Ada")])[0].is_ok());
    let source = Source::new("text").unwrap();
    let topic = Command::forum(
        By::user(UserId(1)),
        Forum::CreateTopic {
            category: CategoryId(1),
            title: TopicTitle::new("title").unwrap(),
            content: Content { format: Format::Markdown, source, rendered: Rendered::default() },
        },
    );
    let topic = Request { command: topic, ..create_user(3, "nobody") };
    let batch = vec![create_user(2, "Bob"), topic, create_user(4, "Eve")];
    let answers = carry_out(&mut batcher, batch);
    assert!(answers[0].is_ok() && answers[2].is_ok(), "{answers:?}");
    assert!(matches!(answers[1], Err(Refusal::Storage { .. })), "{answers:?}");
    assert_eq!(users(&batcher.db), ["Ada", "Bob", "Eve"]);
}

#[test]
fn what_was_lost_is_not_counted_as_committed_whatever_the_error() {
    let (_dir, config) = here();
    let mut batcher = batcher(&config, None);
    let counts = |done: Committed| (done.commits, done.lost);
    let (outbox, _answers) = bounded(64);
    let (_theirs, ours) = UnixStream::pair().unwrap();
    let peer = Peer::new(outbox, Arc::new(ours));
    let jobs = |requests: Vec<Request>| -> Vec<Job> {
        requests.into_iter().map(|request| job(request, &peer)).collect()
    };
    assert_eq!(counts(batcher.transact(&jobs(vec![create_user(1, "Ada"), create_user(2, "Bob")]))), (1, 0));
    // No trouble of the database as a whole: nobody names it.
    let db = Connection::open(config.forums_db()).unwrap();
    db.execute_batch(
        "CREATE TRIGGER no_eve BEFORE INSERT ON done_commands WHEN (SELECT max(id) FROM users) > 2
         BEGIN SELECT RAISE(ABORT, 'planted'); END",
    )
    .unwrap();
    assert_eq!(counts(batcher.transact(&jobs(vec![create_user(3, "Eve")]))), (0, 1));
    assert_eq!(batcher.health.trouble(), None);
    let ping = Request { command: Command::Ping, ..create_user(9, "nobody") };
    assert_eq!(counts(batcher.transact(&jobs(vec![ping, create_user(4, "Eve")]))), (1, 1));
    assert_eq!(users(&batcher.db), ["Ada", "Bob"]);
}

#[test]
fn what_was_carried_out_before_is_answered_even_when_nothing_can_be_written() {
    let (dir, config) = here();
    let mut batcher = batcher(&config, None);
    let before = carry_out(&mut batcher, vec![create_user(1, "Ada")]);
    assert!(before[0].is_ok());
    std::fs::rename(config.forums_db(), dir.path().join("aside")).unwrap();
    let answers = carry_out(&mut batcher, vec![create_user(1, "Ada"), create_user(2, "Bob")]);
    assert_eq!(answers[0], before[0]);
    assert!(matches!(answers[1], Err(Refusal::Storage { .. })), "{answers:?}");
}

#[test]
fn a_log_that_is_gone_is_copied_and_written_to_no_more() {
    let (dir, config) = here();
    let mut batcher = batcher(&config, None);
    assert!(carry_out(&mut batcher, vec![create_user(1, "Ada")])[0].is_ok());
    let log = dir.path().join("forums.db-wal");
    std::fs::remove_file(&log).unwrap();
    let answers = carry_out(&mut batcher, vec![create_user(2, "Bob")]);
    assert_eq!(answers, [Err(Refusal::Storage { reason: Trouble::LogGone.to_string() })]);
    // As after a crash: the file is all there is.
    let copy = dir.path().join("copy.db");
    std::fs::copy(config.forums_db(), &copy).unwrap();
    assert_eq!(users(&Connection::open(&copy).unwrap()), ["Ada"]);
    std::fs::write(&log, "").unwrap();
    let answers = carry_out(&mut batcher, vec![create_user(2, "Bob")]);
    assert!(matches!(answers[0], Err(Refusal::Storage { .. })), "another file is not the log: {answers:?}");
}
