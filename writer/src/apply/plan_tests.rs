//! No statement of the writer walks a table: a lookup that is cheap in a test and slow in a year of posts
//! is found here. The statements are taken from the sources themselves, so that a new one cannot be left out.

use std::path::Path;

use rusqlite::Connection;

use crate::database::Database;
use crate::migrate;

/// At least this many are found, or the search for them no longer works.
const STATEMENTS_AT_LEAST: usize = 50;

/// Every source that runs statements.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs = vec![src.join("apply")];
    let mut files = vec![src.join("batch.rs"), src.join("commit.rs")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.retain(|file| !file.ends_with("plan_tests.rs"));
    files
        .into_iter()
        .map(|file| (file.display().to_string(), std::fs::read_to_string(&file).unwrap()))
        .collect()
}

/// The string literals of a source that are statements, with the lines' continuation undone.
fn statements(source: &str) -> Vec<&str> {
    const VERBS: [&str; 4] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE "];
    let literals = source.split('"').skip(1).step_by(2);
    literals.filter(|literal| VERBS.iter().any(|verb| literal.starts_with(verb))).collect()
}

#[test]
fn no_statement_walks_a_table() {
    let mut db = Connection::open_in_memory().unwrap();
    migrate::up(&mut db, Database::Forums).unwrap();
    let mut seen = 0;
    for (file, source) in sources() {
        for sql in statements(&source) {
            seen += 1;
            let mut explain = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap_or_else(|error| {
                panic!("{file}: {error}\n{sql}");
            });
            // Parameters stay NULL: the plan does not depend on them.
            let mut rows = explain.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                // FTS5 is asked by rowid; SQLite calls each use of a virtual table a scan.
                let walks = step.starts_with("SCAN ") && !step.contains("VIRTUAL TABLE");
                assert!(!walks && !step.contains("TEMP B-TREE"), "{file}: {step}\n{sql}");
            }
        }
    }
    assert!(seen >= STATEMENTS_AT_LEAST, "only {seen} statements found");
}
