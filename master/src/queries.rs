//! `veritable queries`: what each statement costs, over all processes of the running server, and what is wrong with
//! those that were slow.

use std::cmp::Reverse;
use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use veritable_config::Config;
use veritable_shm::{StatementStats, Statements};
use veritable_writer::database::{self, Database};

use crate::cli::{Queries, Sort};
use crate::client::Lent;
use crate::out;

/// Characters of a statement in the table.
const SHOWN_CHARS: usize = 100;

/// Prints them.
///
/// # Errors
/// No server runs, or it does not lend its segment.
pub(crate) fn run(config: &Config, asked: &Queries) -> anyhow::Result<()> {
    let lent = Lent::borrow(config, false)?;
    let mut all = Statements::of(&lent.segment).all();
    all.retain(|statement| !asked.slow || statement.slow > 0);
    all.sort_by_key(|statement| {
        Reverse(match asked.sort {
            Sort::Total => statement.times.total_time().as_nanos(),
            Sort::Count => statement.times.count().into(),
            Sort::P99 => statement.times.time(0.99).as_nanos(),
            Sort::Longest => statement.longest.as_nanos(),
            Sort::Rows => statement.rows.into(),
        })
    });
    all.truncate(asked.limit);
    let shown: Vec<Value> = all.iter().map(|statement| one(config, statement)).collect();
    out::line(&if asked.json { json!({ "statements": shown }).to_string() } else { table(&shown) });
    Ok(())
}

fn one(config: &Config, statement: &StatementStats) -> Value {
    let StatementStats { text, rows, scanned, sorted, longest, errors, slow, times } = statement;
    let ms = |time: Duration| (time.as_secs_f64() * 1e6).round() / 1e3;
    let sql = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let explained = if *slow > 0 { explain(config, text) } else { None };
    let (plan, findings) = explained.unzip();
    json!({
        "sql": sql,
        "count": times.count(),
        "total_ms": ms(times.total_time()),
        "p50_ms": ms(times.time(0.5)),
        "p95_ms": ms(times.time(0.95)),
        "p99_ms": ms(times.time(0.99)),
        "longest_ms": ms(*longest),
        "rows": rows,
        "scanned": scanned,
        "sorted": sorted,
        "errors": errors,
        "slow": slow,
        "plan": plan,
        "findings": findings,
    })
}

/// How the database that has its tables means to run a statement, and what is wrong with that. `None` for one that was
/// cut, or is of neither.
fn explain(config: &Config, text: &str) -> Option<(Vec<String>, Vec<String>)> {
    Database::ALL.into_iter().find_map(|database| {
        let db = database::open_to_read(config, database).ok()?;
        let plan = veritable_sql::plan(&db, text).ok()?;
        let findings = veritable_sql::findings(text, &plan).iter().map(ToString::to_string).collect();
        Some((plan, findings))
    })
}

fn table(statements: &[Value]) -> String {
    if statements.is_empty() {
        return "No such statement has run yet.".into();
    }
    let mut page = format!(
        "{:>9} {:>10} {:>9} {:>9} {:>9} {:>10} {:>10}  STATEMENT\n",
        "COUNT", "TOTAL MS", "P50 MS", "P95 MS", "P99 MS", "LONGEST MS", "ROWS"
    );
    for statement in statements {
        let number = |name: &str| statement[name].as_f64().unwrap_or_default();
        // A JSON value prints itself without regard to a width.
        let whole = |name: &str| statement[name].as_u64().unwrap_or_default();
        let sql = statement["sql"].as_str().unwrap_or_default();
        let mut shown: String = sql.chars().take(SHOWN_CHARS).collect();
        if shown.len() < sql.len() {
            shown.push('…');
        }
        // Writing to a string does not fail.
        let _ = writeln!(
            page,
            "{:>9} {:>10.1} {:>9.3} {:>9.3} {:>9.3} {:>10.3} {:>10}  {shown}",
            whole("count"),
            number("total_ms"),
            number("p50_ms"),
            number("p95_ms"),
            number("p99_ms"),
            number("longest_ms"),
            whole("rows"),
        );
        for (name, sign) in [("plan", "plan"), ("findings", "slow")] {
            for line in statement[name].as_array().into_iter().flatten() {
                let _ = writeln!(page, "{:>10}{sign}: {}", "", line.as_str().unwrap_or_default());
            }
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_figures_and_what_is_wrong() {
        let statement = json!({
            "sql": format!("SELECT {}", "x, ".repeat(100)), "count": 3, "total_ms": 412.5, "p50_ms": 1.0, "p95_ms": 2.0,
            "p99_ms": 3.0, "longest_ms": 400.0, "rows": 7, "plan": ["SCAN t"], "findings": ["it reads all of t"],
        });
        let table = table(&[statement]);
        for part in ["412.5", "400.000", "x, …", "plan: SCAN t", "slow: it reads all of t"] {
            assert!(table.contains(part), "{part:?} in {table}");
        }
        assert!(table.lines().all(|line| line.chars().count() < 180), "{table}");
        // Each column ends where its heading does.
        let ends = |line: &str, word: &str| line.find(word).map(|at| at + word.len());
        let lines: Vec<&str> = table.lines().collect();
        for (heading, figure) in [("COUNT", " 3 "), ("TOTAL MS", "412.5"), ("ROWS", " 7 ")] {
            let figure = ends(lines[1], figure.trim_end()).unwrap();
            assert_eq!(ends(lines[0], heading), Some(figure), "{heading} in {table}");
        }
        assert_eq!(super::table(&[]), "No such statement has run yet.");
    }
}
