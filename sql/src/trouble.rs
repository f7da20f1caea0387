//! What SQLite's errors say about the database as a whole, in words for the person who has to mend it.

use std::fmt;
use std::path::Path;

use nix::sys::statvfs::{FsFlags, statvfs};
use rusqlite::ErrorCode;

/// Why a database cannot be written or read. The numbers are what the shared segment holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Trouble {
    /// No space left.
    DiskFull = 1,
    /// The file system or the file may not be written.
    ReadOnly = 2,
    /// Reading or writing failed.
    Io = 3,
    /// What is in the file is no database, or contradicts itself.
    Damaged = 4,
    /// Another program holds it.
    Locked = 5,
    /// The file is gone.
    Missing = 6,
    /// Another file is in its place.
    Replaced = 7,
    /// No memory left.
    Memory = 8,
    /// Its schema is of a newer program.
    Newer = 9,
    /// The file of its log is gone, or another is in its place.
    LogGone = 10,
}

impl Trouble {
    /// Every kind.
    pub const ALL: [Trouble; 10] = [
        Trouble::DiskFull,
        Trouble::ReadOnly,
        Trouble::Io,
        Trouble::Damaged,
        Trouble::Locked,
        Trouble::Missing,
        Trouble::Replaced,
        Trouble::Memory,
        Trouble::Newer,
        Trouble::LogGone,
    ];

    /// The kind with this number, as the segment has it; `None` for 0 and for what it should not hold.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Trouble> {
        Trouble::ALL.into_iter().find(|trouble| *trouble as u64 == number)
    }

    /// What an error says about the database at `path`; `None` when it says nothing, such as a violated
    /// constraint or an interrupted query.
    #[must_use]
    pub fn of(error: &rusqlite::Error, path: &Path) -> Option<Trouble> {
        let trouble = match error.sqlite_error_code()? {
            ErrorCode::DiskFull => Trouble::DiskFull,
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => Trouble::ReadOnly,
            ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed => Trouble::Io,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Trouble::Damaged,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Locked,
            ErrorCode::CannotOpen if !path.exists() => Trouble::Missing,
            ErrorCode::CannotOpen => Trouble::Io,
            ErrorCode::OutOfMemory => Trouble::Memory,
            _ => return None,
        };
        // SQLite does not say that a write failed because nothing may be written there.
        let may_be_read_only = matches!(trouble, Trouble::Io | Trouble::ReadOnly);
        Some(if may_be_read_only && is_read_only(path) { Trouble::ReadOnly } else { trouble })
    }

    /// Whether it says that the files are not those that were opened. What is written then ends with the process, and what
    /// is opened now is something else.
    #[must_use]
    pub fn is_of_files(self) -> bool {
        matches!(self, Trouble::Missing | Trouble::Replaced | Trouble::LogGone)
    }

    /// What to do about it, for whoever runs the server.
    #[must_use]
    pub fn advice(self) -> &'static str {
        match self {
            Trouble::DiskFull => "free some space; writing goes on by itself",
            Trouble::ReadOnly => {
                "make the data directory writable for the server (look for a file system that was remounted \
                 read-only); writing goes on by itself"
            }
            Trouble::Io => "look at the disk and the kernel's log; writing is tried again by itself",
            Trouble::Damaged => {
                "look at the kernel's log first, as a disk that cannot be read looks like this as well; then stop the \
                 server and restore a backup (`veritable restore`); what is not damaged is still served"
            }
            Trouble::Locked => "end the program that holds it; writing goes on by itself",
            Trouble::Missing => {
                "put the file back; until the server ends it is still to be had from /proc/PID/fd of any process of it \
                 that has it open (a worker, if the writer has ended)"
            }
            Trouble::Replaced => "restart the server to use the file that is there now",
            Trouble::Memory => "give the server more memory; writing is tried again by itself",
            Trouble::LogGone => {
                "restart the server; what was stored until then has been copied into the database where that was \
                 possible"
            }
            Trouble::Newer => "run the newer program again, or restore a backup made before it ran",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Trouble::DiskFull => "the disk is full",
            Trouble::ReadOnly => "the file system or the file is read-only",
            Trouble::Io => "the disk fails",
            Trouble::Damaged => "the database is damaged",
            Trouble::Locked => "another program has locked the database",
            Trouble::Missing => "the database's file is gone",
            Trouble::Replaced => "another file is in the place of the database's",
            Trouble::Memory => "there is no memory left",
            Trouble::Newer => "the database is of a newer program",
            Trouble::LogGone => "the database's log is gone",
        })
    }
}

/// Whether the file system of `path` is mounted so.
fn is_read_only(path: &Path) -> bool {
    let directory = path.parent().unwrap_or(path);
    statvfs(directory).is_ok_and(|fs| fs.flags().contains(FsFlags::ST_RDONLY))
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags, ffi};

    use super::*;

    #[test]
    fn numbers_come_back_and_every_kind_is_told_apart() {
        for trouble in Trouble::ALL {
            assert_eq!(Trouble::from_number(trouble as u64), Some(trouble));
            assert_eq!(Trouble::ALL.iter().filter(|t| t.to_string() == trouble.to_string()).count(), 1);
        }
        assert_eq!((Trouble::from_number(0), Trouble::from_number(99)), (None, None));
    }

    #[test]
    fn errors_of_a_database_are_trouble_and_those_of_a_statement_are_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let of = |code| {
            let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
            Trouble::of(&error, &path)
        };
        assert_eq!(of(ffi::SQLITE_FULL), Some(Trouble::DiskFull));
        assert_eq!(of(ffi::SQLITE_IOERR_FSYNC), Some(Trouble::Io));
        assert_eq!(of(ffi::SQLITE_CORRUPT), Some(Trouble::Damaged));
        assert_eq!(of(ffi::SQLITE_CANTOPEN), Some(Trouble::Missing));
        assert_eq!(of(ffi::SQLITE_CONSTRAINT_UNIQUE), None);
        assert_eq!(of(ffi::SQLITE_INTERRUPT), None);
        let db = Connection::open_with_flags(&path, OpenFlags::default()).unwrap();
        let error = db.execute("INSERT INTO nowhere VALUES (1)", []).unwrap_err();
        assert_eq!(Trouble::of(&error, &path), None);
    }
}
