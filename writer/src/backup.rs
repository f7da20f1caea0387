//! Copies of the databases while they are written: both of the same moment, page by page, at a bounded rate.
//!
//! The moment is fixed by holding the write locks of both databases together just long enough to begin a reading
//! transaction on each; the pages are then copied from these transactions by SQLite's backup interface
//! (<https://www.sqlite.org/backup.html>), which sees one snapshot however long it takes.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use veritable_config::Config;
use veritable_domain::upload::{Media, UploadHash};
use xxhash_rust::xxh3::Xxh3;

use crate::database::{self, Database};
use crate::{WriterError, migrate};

/// Pages of one step: half a megabyte.
const STEP_PAGES: u32 = 64;
/// Bytes read at a time.
const CHUNK: usize = 1 << 20;

/// One database as it was at a moment.
#[derive(Debug)]
pub struct Snapshot {
    database: Database,
    db: Connection,
}

/// What a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its schema's version.
    pub schema: i32,
    /// Its size.
    pub bytes: u64,
    /// XXH3-128 of its bytes.
    pub hash: u128,
}

/// All databases as they are at this moment, one and the same for all. Writing is held up for milliseconds.
///
/// # Errors
/// One is not there, cannot be opened, or is locked by another program for longer than five seconds.
pub fn snapshots(config: &Config) -> Result<Vec<Snapshot>, WriterError> {
    let locks = Database::ALL
        .into_iter()
        .map(|database| lock(config, database).map_err(|error| at(&database.path(config), error)))
        .collect::<Result<Vec<_>, WriterError>>()?;
    let snapshots = Database::ALL
        .into_iter()
        .map(|database| {
            let path = database.path(config);
            let db = begin(config, database).map_err(|error| at(&path, error))?;
            migrate::check_identity(&db, database).map_err(|error| error.at(&path))?;
            Ok(Snapshot { database, db })
        })
        .collect::<Result<Vec<_>, WriterError>>()?;
    for db in locks {
        db.execute_batch("ROLLBACK").map_err(|error| at(&config.data_dir, error))?;
    }
    Ok(snapshots)
}

fn lock(config: &Config, database: Database) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(database.path(config), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    db.busy_timeout(database::BUSY)?;
    database::keep_log(&db, config)?;
    db.execute_batch("BEGIN IMMEDIATE")?;
    Ok(db)
}

fn begin(config: &Config, database: Database) -> rusqlite::Result<Connection> {
    let db = database::open_to_read(config, database)?;
    db.execute_batch("BEGIN")?;
    // The transaction begins with the first page read.
    db.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(db)
}

impl Snapshot {
    /// Which database it is of.
    pub fn database(&self) -> Database {
        self.database
    }

    /// Bytes of all its pages.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn bytes(&self) -> Result<u64, WriterError> {
        let pages: u32 = self
            .db
            .pragma_query_value(None, "page_count", |row| row.get(0))
            .map_err(|error| self.at(error))?;
        Ok(u64::from(pages) * u64::from(database::PAGE_BYTES))
    }

    /// Copies it to `path`, which must not exist, at `rate` bytes a second at most, and puts it on the disk.
    /// `done` is told the bytes copied so far.
    ///
    /// # Errors
    /// It cannot be read, or the copy not be written.
    pub fn copy(&self, path: &Path, rate: u64, mut done: impl FnMut(u64)) -> Result<(), WriterError> {
        let begun = Instant::now();
        let mut copy = Connection::open(path).map_err(|error| at(path, error))?;
        // It is put on the disk when it is whole.
        copy.execute_batch("PRAGMA synchronous = off; PRAGMA journal_mode = off")
            .map_err(|error| at(path, error))?;
        {
            let backup = Backup::new(&self.db, &mut copy).map_err(|error| self.at(error))?;
            loop {
                let step = backup.step(STEP_PAGES.cast_signed()).map_err(|error| at(path, error))?;
                let progress = backup.progress();
                let pages = u64::try_from(progress.pagecount - progress.remaining).unwrap_or_default();
                let bytes = pages * u64::from(database::PAGE_BYTES);
                done(bytes);
                if matches!(step, StepResult::Done) {
                    break;
                }
                let due = Duration::from_secs_f64(bytes as f64 / rate.max(1) as f64);
                std::thread::sleep(due.saturating_sub(begun.elapsed()));
            }
        }
        copy.close().map_err(|(_, error)| at(path, error))?;
        let what = || format!("writing {}", path.display());
        File::open(path)
            .and_then(|file| file.sync_all())
            .map_err(|error| WriterError::Io { what: what(), error })
    }

    fn at(&self, error: rusqlite::Error) -> WriterError {
        at(Path::new(self.db.path().unwrap_or_default()), error)
    }
}

/// Reads a copy from one end to the other: its identity, every page, every reference, and what it is.
///
/// # Errors
/// It cannot be read, is damaged, or of another program or a newer Veritable.
pub fn verify(path: &Path, database: Database) -> Result<Copied, WriterError> {
    let db = open_copy(path).map_err(|error| at(path, error))?;
    let copied = identify(&db, path, database)?;
    let refused = |reason: String| WriterError::Schema { path: path.display().to_string(), reason };
    let said: String =
        db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0)).map_err(|error| at(path, error))?;
    if said != "ok" {
        return Err(refused(format!("it is damaged: {said}")));
    }
    let dangling: i64 = db
        .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))
        .map_err(|error| at(path, error))?;
    if dangling != 0 {
        return Err(refused(format!("it is damaged: {dangling} rows refer to rows that are not there")));
    }
    Ok(copied)
}

/// What a copy is, read without looking at every page: enough where its hash is known.
///
/// # Errors
/// It cannot be read, or is of another program or a newer Veritable.
pub fn describe(path: &Path, database: Database) -> Result<Copied, WriterError> {
    let db = open_copy(path).map_err(|error| at(path, error))?;
    identify(&db, path, database)
}

fn identify(db: &Connection, path: &Path, database: Database) -> Result<Copied, WriterError> {
    migrate::check_identity(db, database).map_err(|error| error.at(path))?;
    let schema = migrate::version(db).map_err(|error| at(path, error))?;
    if schema == 0 {
        let reason = "there is nothing in it".to_owned();
        return Err(WriterError::Schema { path: path.display().to_string(), reason });
    }
    let (bytes, hash) =
        hash(path).map_err(|error| WriterError::Io { what: format!("reading {}", path.display()), error })?;
    Ok(Copied { schema, bytes, hash })
}

/// The pictures that the rows of a copy of the forums name.
///
/// # Errors
/// It cannot be read.
pub fn pictures(copy: &Path) -> Result<Vec<(UploadHash, Media)>, WriterError> {
    let read = || {
        let db = open_copy(copy)?;
        let there = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'uploads'";
        if db.query_row(there, [], |row| row.get::<_, i64>(0))? == 0 {
            // Of before there were any.
            return Ok(Vec::new());
        }
        veritable_sql::rows(&db, "SELECT DISTINCT hash, media FROM uploads", [], |row| {
            Ok((UploadHash(row.get(0)?), row.get::<_, String>(1)?))
        })
    };
    let rows: Vec<(UploadHash, String)> = read().map_err(|error| at(copy, error))?;
    Ok(rows.into_iter().filter_map(|(hash, media)| Some((hash, Media::from_name(&media)?))).collect())
}

/// Whether anybody has this picture now.
///
/// # Errors
/// The forums cannot be read.
pub fn has_picture(config: &Config, hash: UploadHash) -> Result<bool, WriterError> {
    let sql = "SELECT 1 FROM uploads WHERE hash = ?1 LIMIT 1";
    let found = database::open_to_read(config, Database::Forums)
        .and_then(|db| veritable_sql::first(&db, sql, [&hash.0[..]], |_| Ok(())));
    found.map(|row| row.is_some()).map_err(|error| at(&Database::Forums.path(config), error))
}

/// Nobody writes it: no lock, and no log beside it.
fn open_copy(path: &Path) -> rusqlite::Result<Connection> {
    // A path in a URI: https://www.sqlite.org/uri.html
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)
}

fn hash(path: &Path) -> std::io::Result<(u64, u128)> {
    let (mut file, mut hasher, mut bytes) = (File::open(path)?, Xxh3::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok((bytes, hasher.digest128())),
            read => {
                hasher.update(&chunk[..read]);
                bytes += read as u64;
            }
        }
    }
}

fn at(path: &Path, error: rusqlite::Error) -> WriterError {
    WriterError::Sqlite { path: path.display().to_string(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_of_the_moment_it_was_begun_whatever_is_written_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        let open = |database| database::open(&config, database).unwrap();
        let (forums, notebooks) = (open(Database::Forums), open(Database::Notebooks));
        let note = |db: &Connection, name: &str| {
            let sql = "INSERT INTO facts (name, value) VALUES (?1, hex(randomblob(200000)))";
            db.execute(sql, [name]).unwrap();
        };
        note(&forums, "before");
        let snapshots = snapshots(&config).unwrap();
        for db in [&forums, &notebooks] {
            db.busy_timeout(Duration::ZERO).unwrap();
        }
        for snapshot in &snapshots {
            let path = dir.path().join(format!("copy {}#%.db", snapshot.database().index()));
            let mut told = 0;
            snapshot
                .copy(&path, u64::MAX, |bytes| {
                    told = bytes;
                    // At each step, and at once: nothing is locked.
                    note(&forums, &format!("meanwhile {bytes} {}", snapshot.database().index()));
                })
                .unwrap();
            assert_eq!(told, snapshot.bytes().unwrap());
            let copied = verify(&path, snapshot.database()).unwrap();
            assert_eq!((copied.bytes, copied), (told, describe(&path, snapshot.database()).unwrap()));
        }
        let copy = open_copy(&dir.path().join("copy 0#%.db")).unwrap();
        let facts = |sql: &str| -> i64 { copy.query_row(sql, [], |row| row.get(0)).unwrap() };
        assert_eq!(facts("SELECT count(*) FROM facts WHERE name = 'before'"), 1);
        assert_eq!(facts("SELECT count(*) FROM facts WHERE name LIKE 'meanwhile%'"), 0);
        let refused = verify(&dir.path().join("copy 1#%.db"), Database::Forums).unwrap_err().to_string();
        assert!(refused.contains("copy 1#%.db"), "{refused}");
    }
}
