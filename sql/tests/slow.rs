//! A slow statement, planted: what is said of it, and how often.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, params};
use tracing_subscriber::fmt::MakeWriter;
use veritable_shm::{Geometry, Scoreboard, Segment, Statements};

/// Where the log goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Log;

    fn make_writer(&'a self) -> Log {
        self.clone()
    }
}

impl Log {
    fn lines(&self) -> Vec<serde_json::Value> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// How long it takes is up to `?2`: as many bytes are written out for each row that is read.
const PLANTED: &str = "SELECT body FROM posts WHERE author = ?1 AND length(hex(zeroblob(?2 + id % 2))) > 0 ORDER BY at DESC LIMIT 10";
const QUICK: &str = "SELECT body FROM posts WHERE id = ?1";

#[test]
fn a_slow_statement_is_explained_once_and_counted_each_time() {
    let log = Log::default();
    tracing_subscriber::fmt().json().with_writer(log.clone()).init();
    let (_fd, segment) = Segment::create(&Geometry { cache_bytes: 8 << 20, ..Geometry::default() }).unwrap();
    let owner = Scoreboard::of(&segment).enlist(0, 1, veritable_shm::now_ms()).unwrap();
    veritable_sql::watch(&segment, owner);
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, author, at, body);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
         INSERT INTO posts SELECT i, 1, i, 'body ' || i FROM n",
    )
    .unwrap();
    let figures = |text: &str| {
        Statements::of(&segment).all().into_iter().find(|statement| statement.text == text).unwrap()
    };
    let body = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let mut work = 1_000;
    let mut runs = 0;
    // However fast the machine: more and more work, until it has been slow twice.
    while runs == 0 || figures(PLANTED).slow < 2 {
        assert_eq!(veritable_sql::rows(&db, PLANTED, params![1, work], body).unwrap().len(), 10);
        work = (work * 2).min(100_000_000);
        runs += 1;
    }
    for id in 1..=50 {
        assert_eq!(
            veritable_sql::first(&db, QUICK, [id], body).unwrap().as_deref(),
            Some(&*format!("body {id}"))
        );
    }

    let lines = log.lines();
    let [line] = &lines[..] else { panic!("{} lines: {lines:?}", lines.len()) };
    let said = |field: &str| line["fields"][field].as_str().unwrap_or_default().to_owned();
    assert_eq!(line["level"], "WARN");
    assert_eq!(said("sql"), PLANTED);
    assert!(line["fields"]["took_ms"].as_u64().unwrap() >= 100, "{line}");
    assert_eq!(said("plan"), "SCAN posts; USE TEMP B-TREE FOR ORDER BY");
    let expected = "it reads all of posts; an index would spare it: \
                    CREATE INDEX posts_by_author_at ON posts (author, at); \
                    it collects all rows and sorts them for ORDER BY (a temporary B-tree)";
    assert_eq!(said("findings"), expected);

    let planted = figures(PLANTED);
    assert_eq!((planted.times.count(), planted.rows), (runs, runs * 10));
    assert_eq!((planted.sorted, planted.scanned), (runs, runs * 99));
    assert!(planted.longest >= veritable_sql::SLOW);
    let quick = figures(QUICK);
    assert_eq!((quick.times.count(), quick.rows, quick.scanned, quick.slow), (50, 50, 0, 0));
}
