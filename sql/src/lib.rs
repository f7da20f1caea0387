//! What whoever uses SQLite here has in common: running statements so that each is measured, finding out why one
//! is slow, and saying what its errors mean for the database as a whole.

mod advice;
mod trouble;
mod watch;

pub use advice::{Finding, findings, plan};
pub use trouble::Trouble;
pub use watch::{SLOW, watch};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, Params, Row};

use crate::watch::Running;

/// Has `db` keep `statements` prepared, each as it was prepared first. SQLite plans a statement anew whenever a
/// parameter it looked at is bound to another value (a LIMIT, or a comparison where there are statistics), which
/// costs a list of topics a fifth of its time; our statements name the order of their tables, and a test asks for
/// their plans. See SQLITE_DBCONFIG_ENABLE_QPSG in <https://www.sqlite.org/c3ref/c_dbconfig_defensive.html>.
///
/// # Errors
/// SQLite's.
pub fn keep_prepared(db: &Connection, statements: usize) -> rusqlite::Result<()> {
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(statements);
    Ok(())
}

/// All rows of a query.
///
/// # Errors
/// SQLite's, or those of `read`.
pub fn rows<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    mut read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let running = Running::begin(sql);
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query(params).and_then(|mut found| {
        let mut all = Vec::new();
        while let Some(row) = found.next()? {
            all.push(read(row)?);
        }
        Ok(all)
    });
    running.end(db, &statement, found.as_ref().map(Vec::len));
    found
}

/// The first row of a query, if it has one.
///
/// # Errors
/// SQLite's, or those of `read`.
pub fn first<T>(
    db: &Connection,
    sql: &str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Option<T>> {
    let running = Running::begin(sql);
    let mut statement = db.prepare_cached(sql)?;
    let found = statement.query(params).and_then(|mut found| found.next()?.map(read).transpose());
    running.end(db, &statement, found.as_ref().map(|row| usize::from(row.is_some())));
    found
}

/// Runs a statement that yields no rows; how many it changed.
///
/// # Errors
/// SQLite's.
pub fn run(db: &Connection, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
    let running = Running::begin(sql);
    let mut statement = db.prepare_cached(sql)?;
    let changed = statement.execute(params);
    running.end(db, &statement, changed.as_ref().copied());
    changed
}
