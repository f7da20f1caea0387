//! Rules that would else recur in review.

use std::path::{Path, PathBuf};

/// What statements begin with.
const VERBS: [&str; 12] = [
    "SELECT ", "INSERT ", "UPDATE ", "DELETE ", "CREATE ", "DROP ", "ALTER ", "PRAGMA ", "WITH ", "REPLACE ",
    "ATTACH ", "VACUUM",
];
/// Statements that cannot take what changes in them as a parameter, with what that is.
const BUILT: [(&str, &str); 5] = [
    ("sql/src/advice.rs", "CREATE INDEX"), // text for people, never run
    ("writer/src/check.rs", "PRAGMA quick_check("), // a table's name out of the schema, quoted
    ("writer/src/house.rs", "INSERT INTO {index} ({index}, rank)"), // a name out of a list here
    ("writer/src/house.rs", "PRAGMA incremental_vacuum("), // a constant
    ("writer/src/house.rs", "PRAGMA wal_checkpoint("), // a constant
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Statements are constants, and what changes in them is a parameter: no text that somebody sent becomes SQL.
#[test]
fn no_statement_is_built() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for part in ["config", "domain", "import", "master", "shm", "sql", "worker", "writer"] {
        sources(&root.join(part).join("src"), &mut files);
    }
    assert!(files.len() > 100);
    let (mut built, mut used) = (Vec::new(), [false; BUILT.len()]);
    for path in files {
        let name = path.strip_prefix(&root).unwrap().display().to_string();
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.split("\nmod tests {").next().unwrap();
        for call in ["format!(", "write!(", "writeln!(", "push_str(", "format_args!(", "+ \"", "concat(&"] {
            for (at, _) in text.match_indices(call) {
                // The first literal after it, on this line or the next.
                let rest: String = text[at + call.trim_end_matches('"').len()..].chars().take(160).collect();
                let Some((before, literal)) = rest.split_once('"') else { continue };
                let statement = literal.trim_start_matches(['\\', '\n', ' ']);
                if before.contains(';') || !VERBS.iter().any(|verb| statement.starts_with(verb)) {
                    continue;
                }
                let allowed =
                    BUILT.iter().position(|(file, text)| name == *file && statement.starts_with(text));
                match allowed {
                    Some(which) => used[which] = true,
                    None => built
                        .push(format!("{name}: {call}\"{}", statement.lines().next().unwrap_or_default())),
                }
            }
        }
    }
    assert!(
        built.is_empty(),
        "statements that are built: take a constant and parameters\n{}",
        built.join("\n")
    );
    let unused: Vec<_> = BUILT.iter().zip(used).filter(|(_, used)| !used).collect();
    assert!(unused.is_empty(), "no longer needed: {unused:?}");
}
