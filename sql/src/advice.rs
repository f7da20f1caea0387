//! Why a statement is slow, in plain words, from how SQLite means to answer it: whole tables read, sorting, and an
//! index that would spare it. SQLite's own words are those of <https://www.sqlite.org/eqp.html>.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::ControlFlow;

use rusqlite::Connection;
use sqlparser::ast::{
    BinaryOperator, Expr, OrderByKind, Query, SetExpr, Statement, TableFactor, Visit, Visitor,
};
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;

/// Most columns of a suggested index: more of them rarely narrow anything down.
const COLUMNS_MAX: usize = 3;

/// What is wrong with a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All rows of a table are read.
    FullScan {
        /// Of which, as the statement calls it.
        table: String,
        /// An index that would spare it, if one is to be seen.
        index: Option<String>,
    },
    /// Rows are sorted before any is yielded.
    Sort {
        /// By or for what, in SQLite's words: `ORDER BY`, `GROUP BY`, `DISTINCT`.
        what: String,
    },
    /// SQLite makes an index for this one run.
    MadeIndex {
        /// On which table, as the statement calls it.
        table: String,
    },
    /// A full-text index is asked.
    FullText {
        /// Which, as the statement calls it.
        table: String,
    },
    /// It ends a transaction.
    Commit,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Finding::FullScan { table, index: None } => write!(f, "it reads all of {table}"),
            Finding::FullScan { table, index: Some(index) } => {
                write!(f, "it reads all of {table}; an index would spare it: {index}")
            }
            Finding::Sort { what } => {
                write!(f, "it collects all rows and sorts them for {what} (a temporary B-tree)")
            }
            Finding::MadeIndex { table } => {
                write!(f, "an index on {table} is missing: SQLite makes one each time it runs")
            }
            Finding::FullText { table } => {
                write!(f, "it asks the full-text index {table}, the longer the more texts its words are in")
            }
            Finding::Commit => f.write_str("it waits until the disk has what was written"),
        }
    }
}

/// How SQLite means to run a statement, a line a step.
///
/// # Errors
/// SQLite's.
pub fn plan(db: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut explained = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let mut steps = explained.raw_query();
    let mut lines = Vec::new();
    while let Some(step) = steps.next()? {
        lines.push(step.get("detail")?);
    }
    Ok(lines)
}

/// What a plan says about its statement.
#[must_use]
pub fn findings(sql: &str, plan: &[String]) -> Vec<Finding> {
    if sql.trim().eq_ignore_ascii_case("COMMIT") {
        return vec![Finding::Commit];
    }
    plan.iter()
        .filter_map(|line| {
            if let Some(rest) = line.strip_prefix("SCAN ") {
                let table = rest.split_whitespace().next()?.to_owned();
                if rest.contains("VIRTUAL TABLE") {
                    return Some(Finding::FullText { table });
                }
                // With an index it reads that instead, and of one row there is nothing to spare.
                let is_cheap = [" USING ", "CONSTANT ROW"].iter().any(|part| rest.contains(part));
                (!is_cheap).then(|| Finding::FullScan { index: index_for(sql, &table), table })
            } else if let Some(what) = line.strip_prefix("USE TEMP B-TREE FOR ") {
                Some(Finding::Sort { what: what.to_owned() })
            } else if line.contains("AUTOMATIC") && line.contains("INDEX") {
                let table = line.split_whitespace().nth(1)?.to_owned();
                Some(Finding::MadeIndex { table })
            } else {
                None
            }
        })
        .collect()
}

/// What a statement asks of its tables' columns, by the name it calls the table.
#[derive(Default)]
struct Asked {
    /// Alias to table.
    tables: BTreeMap<String, String>,
    equal: Vec<(Option<String>, String)>,
    ordered: Vec<(Option<String>, String)>,
}

impl Visitor for Asked {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, alias, .. } = factor {
            let table = name.to_string();
            let called = alias.as_ref().map_or_else(|| table.clone(), |alias| alias.name.value.clone());
            self.tables.insert(called, table);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::BinaryOp { left, op: BinaryOperator::Eq, right } => {
                self.equal.extend([left, right].into_iter().filter_map(|side| column(side)));
            }
            Expr::BinaryOp {
                left,
                op: BinaryOperator::Lt | BinaryOperator::LtEq | BinaryOperator::Gt | BinaryOperator::GtEq,
                right,
            } => self.ordered.extend([left, right].into_iter().filter_map(|side| column(side))),
            Expr::Between { expr, .. } => self.ordered.extend(column(expr)),
            Expr::InList { expr, .. } | Expr::InSubquery { expr, .. } => self.equal.extend(column(expr)),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        if let Some(order) = &query.order_by
            && let OrderByKind::Expressions(by) = &order.kind
            && matches!(*query.body, SetExpr::Select(_))
        {
            self.ordered.extend(by.iter().filter_map(|by| column(&by.expr)));
        }
        ControlFlow::Continue(())
    }
}

fn column(expr: &Expr) -> Option<(Option<String>, String)> {
    match expr {
        Expr::Identifier(name) => Some((None, name.value.clone())),
        Expr::CompoundIdentifier(parts) => match parts.as_slice() {
            [table, name] => Some((Some(table.value.clone()), name.value.clone())),
            _ => None,
        },
        _ => None,
    }
}

/// The index that would let `called` be searched: columns compared for equality first, then one by which it is
/// ordered or bounded. A guess from the text alone.
fn index_for(sql: &str, called: &str) -> Option<String> {
    // The parser knows no condition on a cross join, which SQLite takes as an order to keep.
    let sql = sql.replace("CROSS JOIN", "JOIN");
    let statements = Parser::parse_sql(&SQLiteDialect {}, &sql).ok()?;
    let [statement] = <[Statement; 1]>::try_from(statements).ok()?;
    let mut asked = Asked::default();
    let _whole = statement.visit(&mut asked);
    let table = asked.tables.get(called).cloned().unwrap_or_else(|| called.to_owned());
    let alone = asked.tables.len() <= 1;
    let mut columns: Vec<&str> = Vec::new();
    let own = |(of, _): &&(Option<String>, String)| match of {
        Some(of) => of == called || *of == table,
        None => alone,
    };
    let bounds = asked.ordered.iter().filter(own).take(1);
    for (_, name) in asked.equal.iter().filter(own).chain(bounds) {
        if !columns.contains(&name.as_str()) && columns.len() < COLUMNS_MAX {
            columns.push(name);
        }
    }
    (!columns.is_empty())
        .then(|| format!("CREATE INDEX {table}_by_{} ON {table} ({})", columns.join("_"), columns.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(sql: &str) -> Vec<String> {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, author, at, body); CREATE TABLE users (id, name);
             CREATE VIRTUAL TABLE words USING fts5 (body)",
        )
        .unwrap();
        let plan = plan(&db, sql).unwrap();
        findings(sql, &plan).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn findings_name_the_scan_the_sort_and_the_index() {
        assert_eq!(
            found("SELECT body FROM posts WHERE author = ?1 ORDER BY at DESC LIMIT 10"),
            [
                "it reads all of posts; an index would spare it: CREATE INDEX posts_by_author_at ON posts (author, at)",
                "it collects all rows and sorts them for ORDER BY (a temporary B-tree)"
            ]
        );
        let joined =
            found("SELECT u.name FROM posts p CROSS JOIN users u ON u.id = p.author WHERE p.id = ?1");
        let made = "an index on u is missing: SQLite makes one each time it runs";
        let scan = "it reads all of u; an index would spare it: CREATE INDEX users_by_id ON users (id)";
        assert!(joined == [made] || joined == [scan], "{joined:?}");
        assert_eq!(found("SELECT body FROM posts WHERE id = ?1"), [""; 0]);
        assert_eq!(found("SELECT count(*) FROM posts"), ["it reads all of posts"]);
        assert_eq!(found("COMMIT"), ["it waits until the disk has what was written"]);
        assert_eq!(
            found("SELECT rowid FROM words WHERE words MATCH ?1 ORDER BY rank LIMIT 20"),
            ["it asks the full-text index words, the longer the more texts its words are in"]
        );
    }
}
