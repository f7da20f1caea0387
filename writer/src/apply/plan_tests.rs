//! No statement of the writer walks a table: a lookup that is cheap in a test and slow in a year of posts
//! is found here. The statements are taken from the sources themselves, so that a new one cannot be left out.

use rusqlite::Connection;

use crate::database::Database;
use crate::migrate;

const SOURCES: &[(&str, &str)] = &[
    ("accounts.rs", include_str!("accounts.rs")),
    ("forum.rs", include_str!("forum.rs")),
    ("import_forum.rs", include_str!("import_forum.rs")),
    ("import_wiki.rs", include_str!("import_wiki.rs")),
    ("mod.rs", include_str!("mod.rs")),
    ("search.rs", include_str!("search.rs")),
    ("wiki.rs", include_str!("wiki.rs")),
    ("batch.rs", include_str!("../batch.rs")),
    ("commit.rs", include_str!("../commit.rs")),
];

/// At least this many are found, or the search for them no longer works.
const STATEMENTS_AT_LEAST: usize = 50;

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
    for (file, source) in SOURCES {
        for sql in statements(source) {
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
