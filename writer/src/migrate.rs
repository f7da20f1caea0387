//! Bringing a schema up to date, and back. Migrations are plain numbered SQL, each run in a transaction and
//! recorded with its checksum, so that one changed after the fact is noticed.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};
use veritable_domain::time::UnixMillis;
use veritable_sql::Trouble;
use xxhash_rust::xxh3::xxh3_64;

use crate::WriterError;
use crate::database::Database;

/// One step.
struct Migration {
    version: i32,
    name: &'static str,
    up: &'static str,
    down: &'static str,
    /// What SQL alone cannot fill in, in the same transaction.
    fill: Option<fn(&Connection) -> rusqlite::Result<()>>,
}

const FORUMS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        up: include_str!("../../migrations/forums/0001_initial.up.sql"),
        down: include_str!("../../migrations/forums/0001_initial.down.sql"),
        fill: None,
    },
    Migration {
        version: 2,
        name: "search_merges",
        up: include_str!("../../migrations/forums/0002_search_merges.up.sql"),
        down: include_str!("../../migrations/forums/0002_search_merges.down.sql"),
        fill: None,
    },
    Migration {
        version: 3,
        name: "command_digests",
        up: include_str!("../../migrations/forums/0003_command_digests.up.sql"),
        down: include_str!("../../migrations/forums/0003_command_digests.down.sql"),
        fill: None,
    },
    Migration {
        version: 4,
        name: "accounts",
        up: include_str!("../../migrations/forums/0004_accounts.up.sql"),
        down: include_str!("../../migrations/forums/0004_accounts.down.sql"),
        fill: Some(fill_likeness),
    },
    Migration {
        version: 5,
        name: "lookups",
        up: include_str!("../../migrations/forums/0005_lookups.up.sql"),
        down: include_str!("../../migrations/forums/0005_lookups.down.sql"),
        fill: None,
    },
];

const NOTEBOOKS: &[Migration] = &[
    Migration {
        version: 1,
        name: "initial",
        up: include_str!("../../migrations/notebooks/0001_initial.up.sql"),
        down: include_str!("../../migrations/notebooks/0001_initial.down.sql"),
        fill: None,
    },
    Migration {
        version: 2,
        name: "command_digests",
        up: include_str!("../../migrations/notebooks/0002_command_digests.up.sql"),
        down: include_str!("../../migrations/notebooks/0002_command_digests.down.sql"),
        fill: None,
    },
];

fn steps(database: Database) -> &'static [Migration] {
    match database {
        Database::Forums => FORUMS,
        Database::Notebooks => NOTEBOOKS,
    }
}

/// Why a schema cannot be brought where it should be.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// SQLite failed; the step was rolled back.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The file has tables and another program's mark, or none.
    #[error(
        "this is a database of another program (application_id {found:#x}); move it away or import from it"
    )]
    Foreign {
        /// Its mark.
        found: i32,
    },
    /// A newer Veritable was here.
    #[error(
        "its schema is version {found}, this program knows {known}: run the newer program, or restore a backup"
    )]
    Newer {
        /// The database's.
        found: i32,
        /// The newest known here.
        known: i32,
    },
    /// A step that was run is not the one of this program.
    #[error("migration {version} was changed after it was run here")]
    Changed {
        /// Which.
        version: i32,
    },
}

impl MigrateError {
    /// The error with the file it concerns.
    pub fn at(self, path: &Path) -> WriterError {
        let path = path.display().to_string();
        match self {
            MigrateError::Sqlite(error) => WriterError::Sqlite { path, error },
            newer @ MigrateError::Newer { .. } => {
                WriterError::Trouble { path, trouble: Trouble::Newer, reason: newer.to_string() }
            }
            other => WriterError::Schema { path, reason: other.to_string() },
        }
    }
}

/// The newest version of a schema that this program knows.
pub fn newest(database: Database) -> i32 {
    steps(database).last().map_or(0, |step| step.version)
}

/// The version of a database's schema; 0 when it has none.
///
/// # Errors
/// SQLite failed.
pub fn version(db: &Connection) -> rusqlite::Result<i32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// What the names of accounts that there are already look like.
fn fill_likeness(db: &Connection) -> rusqlite::Result<()> {
    let mut names = db.prepare("SELECT id, name FROM users")?;
    let mut fill = db.prepare("UPDATE users SET likeness = ?2 WHERE id = ?1")?;
    let mut rows = names.query([])?;
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        fill.execute(params![row.get::<_, i64>(0)?, veritable_domain::looks::likeness(&name)])?;
    }
    Ok(())
}

/// Runs every step that is missing.
///
/// # Errors
/// [`MigrateError`]; steps before the failed one stay.
pub fn up(db: &mut Connection, database: Database) -> Result<(), MigrateError> {
    check_identity(db, database)?;
    let at = version(db)?;
    for step in steps(database).iter().filter(|step| step.version <= at) {
        let sum: Option<i64> = db
            .query_row("SELECT checksum FROM schema_migrations WHERE version = ?1", [step.version], |row| {
                row.get(0)
            })
            .optional()?;
        if sum != Some(checksum(step)) {
            return Err(MigrateError::Changed { version: step.version });
        }
    }
    for step in steps(database).iter().filter(|step| step.version > at) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(
            "CREATE TABLE IF NOT EXISTS schema_migrations (
                version INTEGER PRIMARY KEY, name TEXT NOT NULL, checksum INTEGER NOT NULL, run_at INTEGER NOT NULL
            ) STRICT",
        )?;
        tx.execute_batch(step.up)?;
        if let Some(fill) = step.fill {
            fill(&tx)?;
        }
        tx.execute(
            "INSERT INTO schema_migrations (version, name, checksum, run_at) VALUES (?1, ?2, ?3, ?4)",
            params![step.version, step.name, checksum(step), UnixMillis::now().0],
        )?;
        tx.pragma_update(None, "user_version", step.version)?;
        tx.pragma_update(None, "application_id", database.application_id())?;
        tx.commit()?;
        tracing::info!(?database, version = step.version, name = step.name, "migrated");
    }
    Ok(())
}

/// Takes back every step above `target`.
///
/// # Errors
/// [`MigrateError`]; steps taken back before the failed one stay so.
pub fn down(db: &mut Connection, database: Database, target: i32) -> Result<(), MigrateError> {
    check_identity(db, database)?;
    let at = version(db)?;
    for step in steps(database).iter().rev().filter(|step| step.version > target && step.version <= at) {
        let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step.down)?;
        tx.execute("DELETE FROM schema_migrations WHERE version = ?1", [step.version])?;
        tx.pragma_update(None, "user_version", step.version - 1)?;
        tx.commit()?;
        tracing::info!(?database, version = step.version, name = step.name, "migrated down");
    }
    Ok(())
}

/// Whether this is a database of ours that this program knows, or an empty one. Changes nothing.
///
/// # Errors
/// [`MigrateError::Foreign`], [`MigrateError::Newer`], or SQLite failed.
pub fn check_identity(db: &Connection, database: Database) -> Result<(), MigrateError> {
    let known = newest(database);
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        return Ok(());
    }
    let found: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if found != database.application_id() {
        return Err(MigrateError::Foreign { found });
    }
    match version(db)? {
        found if found > known => Err(MigrateError::Newer { found, known }),
        _ => Ok(()),
    }
}

fn checksum(step: &Migration) -> i64 {
    xxh3_64(step.up.as_bytes()).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(db: &Connection) -> Vec<String> {
        let mut statement =
            db.prepare("SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn up_down_and_up_again_is_the_same_schema() {
        for database in [Database::Forums, Database::Notebooks] {
            let mut db = Connection::open_in_memory().unwrap();
            up(&mut db, database).unwrap();
            let first = schema(&db);
            up(&mut db, database).unwrap();
            assert_eq!(schema(&db), first);
            down(&mut db, database, 0).unwrap();
            assert_eq!(version(&db).unwrap(), 0);
            let left: Vec<_> =
                schema(&db).into_iter().filter(|sql| !sql.contains("sqlite_sequence")).collect();
            assert_eq!(left.len(), 1, "{left:?}");
            up(&mut db, database).unwrap();
            assert_eq!(schema(&db), first);
        }
    }

    #[test]
    fn foreign_newer_and_changed_databases_are_refused() {
        let mut foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
        assert!(matches!(up(&mut foreign, Database::Forums), Err(MigrateError::Foreign { found: 0 })));

        let mut db = Connection::open_in_memory().unwrap();
        up(&mut db, Database::Forums).unwrap();
        assert!(matches!(up(&mut db, Database::Notebooks), Err(MigrateError::Foreign { .. })));
        db.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(up(&mut db, Database::Forums), Err(MigrateError::Newer { found: 99, .. })));
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute("UPDATE schema_migrations SET checksum = 0", []).unwrap();
        assert!(matches!(up(&mut db, Database::Forums), Err(MigrateError::Changed { version: 1 })));
    }
}
