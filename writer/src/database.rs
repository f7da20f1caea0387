//! Opening a database for writing: its settings, its identity, its migrations.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use veritable_config::Config;
use veritable_config::settings::{Checkpoints, Synchronous};
use veritable_sql::Trouble;

use crate::{WriterError, beside, facts, mark, migrate};

/// Bytes of a page. A post of up to 2,030 bytes then stays whole beside its neighbours
/// (docs/decisions/0006-threads.md). Fixed when a database is made.
pub const PAGE_BYTES: u32 = 8_192;
/// Longest wait for another process's lock, such as a backup tool's.
pub(crate) const BUSY: Duration = Duration::from_millis(5_000);
/// Pages of the log past which a commit copies them into the database: a backstop, it is copied when idle.
/// A page that many commits change is copied once; the log stays below some 32 MB unless somebody reads for long.
const AUTOCHECKPOINT: u32 = 4_000;
/// Bytes to which the log's file is cut when it is begun anew, after somebody's long reading had let it grow.
pub(crate) const LOG_BYTES: u32 = 64 << 20;
/// Rows of an index that are looked at for its statistics: some milliseconds a table, however large.
const ANALYSIS_LIMIT: u32 = 1_000;
/// KiB of page cache: what most writes touch, such as the tops of indexes.
const CACHE_KIB: i64 = 2_048;
/// Pages up to which it may grow while they are changed and not committed, as many as a full batch changes: with less they
/// are written to the log twice.
const CHANGED_PAGES: u32 = (16 << 20) / PAGE_BYTES;
/// Statements kept prepared: more than the writer has.
const STATEMENTS: usize = 128;

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// Forum, wiki, accounts, sessions.
    Forums,
    /// Notebooks.
    Notebooks,
}

impl Database {
    /// Every one, in the order of migration.
    pub const ALL: [Database; 2] = [Database::Forums, Database::Notebooks];

    /// Its file.
    pub fn path(self, config: &Config) -> PathBuf {
        match self {
            Database::Forums => config.forums_db(),
            Database::Notebooks => config.notebooks_db(),
        }
    }

    /// Its place among all.
    pub fn index(self) -> usize {
        self as usize
    }

    /// Whether workers have it open.
    pub(crate) fn is_read_by_workers(self) -> bool {
        self == Database::Forums
    }

    /// Its FTS5 tables.
    pub(crate) fn search_indexes(self) -> &'static [&'static str] {
        match self {
            Database::Forums => &["posts_fts", "pages_fts"],
            Database::Notebooks => &[],
        }
    }

    /// SQLite's `application_id`: `VerF` and `VerN` in ASCII.
    pub fn application_id(self) -> i32 {
        match self {
            Database::Forums => 0x5665_7246,
            Database::Notebooks => 0x5665_724E,
        }
    }
}

impl FromStr for Database {
    type Err = String;

    fn from_str(name: &str) -> Result<Database, String> {
        match name {
            "forums" => Ok(Database::Forums),
            "notebooks" => Ok(Database::Notebooks),
            _ => Err("forums or notebooks is expected".into()),
        }
    }
}

/// The version of a database's schema, `None` when there is no such file. Changes nothing.
///
/// # Errors
/// The file is no database, or is another program's or a newer Veritable's.
pub fn version(config: &Config, database: Database) -> Result<Option<i32>, WriterError> {
    let path = database.path(config);
    if !path.exists() {
        return Ok(None);
    }
    let sqlite = |error| WriterError::Sqlite { path: path.display().to_string(), error };
    let db = open_to_read(config, database).map_err(sqlite)?;
    migrate::check_identity(&db, database).map_err(|error| error.at(&path))?;
    migrate::version(&db).map(Some).map_err(sqlite)
}

/// Opens a database that is there for reading only.
///
/// # Errors
/// It cannot be opened.
pub fn open_to_read(config: &Config, database: Database) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(database.path(config), OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    db.busy_timeout(BUSY)?;
    Ok(db)
}

/// Whether a database that is not there can be made without covering what is left of a community.
///
/// # Errors
/// Something of one is there: the error names it.
pub fn is_free(config: &Config, database: Database) -> Result<(), WriterError> {
    let path = database.path(config);
    if path.exists() {
        return Ok(());
    }
    // SQLite makes the database before its log, and pictures are of accounts.
    let logs = ["-wal", "-journal"].map(|suffix| beside(&path, suffix));
    let others = Database::ALL.into_iter().filter(|other| *other != database);
    let others = others.filter(|other| match other {
        // A first start may have ended between the two.
        Database::Forums => was_written(config),
        Database::Notebooks => true,
    });
    let others = others.map(|other| other.path(config));
    let left = logs.into_iter().chain(others).find(|file| file.exists()).or_else(|| {
        let has_any = fs::read_dir(config.uploads_dir()).is_ok_and(|mut folder| folder.next().is_some());
        (database == Database::Forums && has_any).then(|| config.uploads_dir())
    });
    let Some(left) = left else { return Ok(()) };
    let reason = format!(
        "it is not there, but {} is: put it back or restore a backup (`veritable restore`); to begin anew, move away \
         what is left in {}",
        left.display(),
        config.data_dir.display()
    );
    Err(WriterError::Trouble { path: path.display().to_string(), trouble: Trouble::Missing, reason })
}

/// Whether anything was ever committed to the forums. What cannot be read is taken for something.
fn was_written(config: &Config) -> bool {
    let read = || {
        let db = open_to_read(config, Database::Forums)?;
        if migrate::version(&db)? == 0 {
            return Ok(false);
        }
        Ok(facts::get(&db, mark::MARK)?.is_some())
    };
    let read: rusqlite::Result<bool> = read();
    Database::Forums.path(config).exists() && read.unwrap_or(true)
}

/// Opens a database for writing, makes it if it is not there, and brings its schema up to date.
///
/// # Errors
/// The file cannot be made, is damaged, belongs to another program or to a newer Veritable; or something of a community
/// is there that has lost it.
pub fn open(config: &Config, database: Database) -> Result<Connection, WriterError> {
    let path = database.path(config);
    make_directory(config)?;
    is_free(config, database)?;
    let sqlite = |error| WriterError::Sqlite { path: path.display().to_string(), error };
    let mut db = Connection::open(&path).map_err(sqlite)?;
    // Before anything is set: another program's file stays as it is, to the byte.
    migrate::check_identity(&db, database).map_err(|error| error.at(&path))?;
    configure(&db, config).map_err(sqlite)?;
    migrate::up(&mut db, database).map_err(|error| error.at(&path))?;
    Ok(db)
}

/// Makes the data directory, for this user only, if it is not there.
///
/// # Errors
/// It cannot be made.
pub fn make_directory(config: &Config) -> Result<(), WriterError> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir).map_err(|error| {
        WriterError::Io { what: format!("making the data directory {}", config.data_dir.display()), error }
    })
}

/// Leaves the log as it is when the database is closed, if copying it is another program's business: SQLite would
/// copy and remove it (<https://www.sqlite.org/c3ref/c_dbconfig_defensive.html#sqlitedbconfignockptonclose>).
pub(crate) fn keep_log(db: &Connection, config: &Config) -> rusqlite::Result<()> {
    let external = config.writer.checkpoints == Checkpoints::External;
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, external).map(drop)
}

fn configure(db: &Connection, config: &Config) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY)?;
    // These two only take effect on a database without tables, and before WAL.
    db.pragma_update(None, "page_size", PAGE_BYTES)?;
    db.pragma_update(None, "auto_vacuum", "incremental")?;
    db.pragma_update(None, "journal_mode", "wal")?;
    let own = config.writer.checkpoints == Checkpoints::Own;
    db.pragma_update(None, "wal_autocheckpoint", if own { AUTOCHECKPOINT } else { 0 })?;
    if own {
        db.pragma_update(None, "journal_size_limit", LOG_BYTES)?;
    }
    keep_log(db, config)?;
    db.pragma_update(None, "foreign_keys", true)?;
    // Nothing outside its directory is within the writer's reach.
    db.pragma_update(None, "temp_store", "memory")?;
    let level = match config.writer.synchronous {
        Synchronous::Full => "full",
        Synchronous::Normal => "normal",
    };
    db.pragma_update(None, "synchronous", level)?;
    db.pragma_update(None, "cache_size", -CACHE_KIB)?;
    db.pragma_update(None, "cache_spill", CHANGED_PAGES)?;
    db.pragma_update(None, "analysis_limit", ANALYSIS_LIMIT)?;
    veritable_sql::keep_prepared(db, STATEMENTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_made_where_there_is_none_and_nothing_is_left_of_one() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        let is_free = || Database::ALL.map(|database| is_free(&config, database).is_ok());
        assert_eq!(is_free(), [true, true]);
        fs::create_dir(config.uploads_dir()).unwrap();
        assert_eq!(is_free(), [true, true]);
        for (file, free) in [
            ("forums.db-wal", [false, true]),
            ("notebooks.db-journal", [true, false]),
            ("notebooks.db", [false, true]),
            ("uploads/aa", [false, true]),
        ] {
            fs::write(dir.path().join(file), "x").unwrap();
            assert_eq!(is_free(), free, "{file}");
            fs::remove_file(dir.path().join(file)).unwrap();
        }
        // A first start that ended between the two is gone on with; a database that was written is missed.
        let forums = open(&config, Database::Forums).unwrap();
        assert_eq!(is_free(), [true, true]);
        forums.execute("INSERT INTO facts (name, value) VALUES ('mark', '1')", []).unwrap();
        assert_eq!(is_free(), [true, false]);
    }
}
