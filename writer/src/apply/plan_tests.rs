//! No statement of the writer walks a table: a lookup that is cheap in a test and slow in a year of posts
//! is found here. The statements are taken from the sources themselves, so that a new one cannot be left out.

use std::path::Path;

use rusqlite::Connection;

use crate::database::Database;
use crate::{migrate, people};

/// At least this many are found, or the search for them no longer works.
const STATEMENTS_AT_LEAST: usize = 200;

/// What may be walked through, by what stands in the statement, and why.
const WALKS: &[(&str, &str)] = &[
    ("FROM sqlite_schema", "the schema has some dozens of rows"),
    ("FROM groups", "a site has 59 at most"),
    ("UPDATE categories SET read_groups", "categories are few, and groups are deleted rarely"),
    ("LIMIT ?1)", "messages that wait are counted up to so many"),
    ("role >= ?1 ORDER BY id", "the command line lists all accounts"),
    ("SELECT id, name FROM users", "a migration fills a column in"),
    ("SELECT DISTINCT hash, media FROM uploads", "a backup copies all pictures"),
];

/// Every source that runs statements, without its tests.
fn sources() -> Vec<(String, String)> {
    let mut dirs = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.retain(|file| !file.to_string_lossy().ends_with("_tests.rs"));
    let read = |file: &Path| {
        let source = std::fs::read_to_string(file).unwrap();
        source.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned()
    };
    files.into_iter().map(|file| (file.display().to_string(), read(&file))).collect()
}

/// The string literals of a source that are statements, with the lines' continuation undone.
fn statements(source: &str) -> Vec<String> {
    const VERBS: [&str; 5] = ["SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH "];
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("'\"'", "").replace("\\\"", "").replace("\\\n", "");
    let literals = code.split('"').skip(1).step_by(2);
    // Put together of parts: the whole is asked about below.
    let whole = literals.filter(|literal| !literal.ends_with(", "));
    whole.filter(|literal| VERBS.iter().any(|verb| literal.starts_with(verb))).map(str::to_owned).collect()
}

#[test]
fn no_statement_walks_a_table() {
    let mut db = Connection::open_in_memory().unwrap();
    migrate::up(&mut db, Database::Forums).unwrap();
    let mut all: Vec<_> = people::ALL.map(|sql| ("people.rs".to_owned(), sql.to_owned())).into();
    for (file, source) in sources() {
        all.extend(statements(&source).into_iter().map(|sql| (file.clone(), sql)));
    }
    assert!(all.len() >= STATEMENTS_AT_LEAST, "only {} statements found", all.len());
    let mut walked = vec![false; WALKS.len()];
    let mut wrong = Vec::new();
    for (file, sql) in &all {
        // The names of search indexes are filled in.
        let explain = format!("EXPLAIN QUERY PLAN {}", sql.replace("{index}", "posts_fts"));
        let mut explain = db.prepare(&explain).unwrap_or_else(|error| panic!("{file}: {error}\n{sql}"));
        let allowed = WALKS.iter().position(|(walk, _)| sql.contains(walk));
        // Parameters stay NULL: the plan does not depend on them.
        let mut rows = explain.raw_query();
        let mut plan = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            plan.push(row.get::<_, String>(3).unwrap());
        }
        // FTS5 is asked by rowid; SQLite calls each use of a virtual table a scan.
        let is_walk = |step: &String| {
            let is_scan = step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW";
            is_scan && !step.contains("VIRTUAL TABLE") || step.contains("TEMP B-TREE")
        };
        // A bound that every row keeps makes a walk look like a search.
        let is_disguised = sql.contains("_at > 0") || sql.contains(" id > 0");
        match allowed {
            Some(number) => walked[number] = true,
            None if is_disguised || plan.iter().any(is_walk) => {
                wrong.push(format!("{file}: {plan:?}\n{sql}"));
            }
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    let unused: Vec<_> = WALKS.iter().zip(walked).filter(|(_, walked)| !walked).collect();
    assert!(unused.is_empty(), "no longer there: {unused:?}");
}
