//! Whether a database can be written, as everybody is to know it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};
use veritable_sql::Trouble;
use xxhash_rust::xxh3::xxh3_64;

use crate::beside;

/// A database's health, kept by the thread that writes it.
#[derive(Debug)]
pub(crate) struct Health {
    path: PathBuf,
    store: Option<Store>,
    /// The files that were opened.
    opened: Files,
    trouble: Option<Trouble>,
    /// Damage was found, and no check has found it gone since. It is the trouble whenever there is no worse.
    is_damaged: bool,
}

/// A number of a file that is there, made of device and inode.
type Identity = Option<u64>;

/// What the database is in: its file; its log, without which the last commits are not in it; and the log's index, by
/// which all who have it open agree on what is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    database: Identity,
    log: Identity,
    index: Identity,
}

impl Files {
    /// Those that are there for the database at `path`.
    pub(crate) fn found(path: &Path) -> Files {
        let identity = |path: &Path| {
            let file = std::fs::metadata(path).ok()?;
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&file.dev().to_le_bytes());
            bytes[8..].copy_from_slice(&file.ino().to_le_bytes());
            // 0 is for what is not known.
            Some(xxh3_64(&bytes).max(1))
        };
        Files {
            database: identity(path),
            log: identity(&beside(path, "-wal")),
            index: identity(&beside(path, "-shm")),
        }
    }

    /// Those that were opened last, by this writer or one before it.
    pub(crate) fn recorded(store: &Store) -> Files {
        let of = |fact| Some(store.get(fact)).filter(|number| *number != 0);
        Files { database: of(Fact::DatabaseFile), log: of(Fact::LogFile), index: of(Fact::IndexFile) }
    }

    /// Remembers them beyond this process, for as long as anybody may have them open.
    pub(crate) fn record(self, store: &Store) {
        store.set(Fact::DatabaseFile, self.database.unwrap_or_default());
        store.set(Fact::LogFile, self.log.unwrap_or_default());
        store.set(Fact::IndexFile, self.index.unwrap_or_default());
    }

    /// What it means when these were opened and others are there now. What was not known when they were opened is not
    /// missed.
    pub(crate) fn against(self, found: Files) -> Option<Trouble> {
        let differs = |opened: Identity, found: Identity| opened.is_some() && opened != found;
        if differs(self.database, found.database) {
            Some(if found.database.is_none() { Trouble::Missing } else { Trouble::Replaced })
        } else {
            let is_gone = differs(self.log, found.log) || differs(self.index, found.index);
            is_gone.then_some(Trouble::LogGone)
        }
    }
}

impl Health {
    /// Of the database that was just opened at `path`.
    pub(crate) fn of(path: &Path, store: Option<Store>) -> Health {
        let opened = Files::found(path);
        if let Some(store) = &store {
            opened.record(store);
        }
        let health = Health { path: path.to_owned(), store, opened, trouble: None, is_damaged: false };
        health.publish();
        health
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.is_damaged
    }

    /// Whether the files are still where they were: what is written into one that was deleted ends with the process.
    pub(crate) fn is_in_place(&mut self) -> bool {
        let found = Files::found(&self.path);
        if let Some(trouble) = self.opened.against(found) {
            self.suffer(trouble, "it is not where it was opened");
            return false;
        }
        // The log and its index are made at the first write, if not before.
        if found != self.opened {
            self.opened = found;
            if let Some(store) = &self.store {
                found.record(store);
            }
        }
        true
    }

    /// After it was closed: where nobody else had it open, SQLite has removed the log, and nobody is to miss it.
    pub(crate) fn closed(&self) {
        if let Some(store) = &self.store
            && !self.trouble.is_some_and(Trouble::is_of_files)
        {
            Files::found(&self.path).record(store);
        }
    }

    /// Notes an error; what it says about the database, if anything.
    pub(crate) fn failed(&mut self, error: &rusqlite::Error) -> Option<Trouble> {
        let trouble = Trouble::of(error, &self.path)?;
        self.suffer(trouble, &error.to_string());
        Some(trouble)
    }

    /// Damage was found, without an error.
    pub(crate) fn damaged(&mut self, how: &str) {
        self.suffer(Trouble::Damaged, how);
    }

    /// A transaction was committed. Damage stays what it is: only a check that finds none ends it.
    pub(crate) fn works(&mut self) {
        self.settle(if self.is_damaged { Some(Trouble::Damaged) } else { None });
    }

    /// A check has found no damage (any more).
    pub(crate) fn sound(&mut self) {
        self.is_damaged = false;
        if self.trouble == Some(Trouble::Damaged) {
            self.settle(None);
        }
    }

    fn settle(&mut self, trouble: Option<Trouble>) {
        if self.trouble == trouble {
            return;
        }
        if let Some(was) = self.trouble {
            match trouble {
                None => {
                    tracing::info!(path = %self.path.display(), %was, "the database can be written again")
                }
                Some(still) => tracing::warn!(path = %self.path.display(), %was, "{still} still"),
            }
        }
        self.trouble = trouble;
        self.publish();
    }

    fn suffer(&mut self, trouble: Trouble, error: &str) {
        self.is_damaged |= trouble == Trouble::Damaged;
        // What is known is not made less by what is found besides; only that the files are gone is worse than damage.
        let is_known = self.trouble == Some(trouble)
            || self.trouble.is_some_and(Trouble::is_of_files) && !trouble.is_of_files()
            || self.trouble == Some(Trouble::Damaged) && !trouble.is_of_files();
        if is_known {
            return;
        }
        tracing::error!(path = %self.path.display(), error, "{trouble}: {}", trouble.advice());
        self.trouble = Some(trouble);
        self.publish();
    }

    fn publish(&self) {
        let Some(store) = &self.store else { return };
        publish(store, self.trouble);
    }
}

/// Lets everybody know why a database cannot be written, or that it can.
pub(crate) fn publish(store: &Store, trouble: Option<Trouble>) {
    let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
    store.set(Fact::WriteTroubleSince, if trouble.is_some() { now } else { 0 });
    store.set(Fact::WriteTrouble, trouble.map_or(0, |trouble| trouble as u64));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_moved_away_or_replaced_is_noticed_and_one_put_back_too() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("a.db"), dir.path().join("aside"));
        std::fs::write(&path, "x").unwrap();
        std::fs::write(dir.path().join("a.db-wal"), "x").unwrap();
        let mut health = Health::of(&path, None);
        assert!(health.is_in_place());
        std::fs::rename(&path, &aside).unwrap();
        assert!(!health.is_in_place());
        assert_eq!(health.trouble(), Some(Trouble::Missing));
        std::fs::write(&path, "x").unwrap();
        assert!(!health.is_in_place());
        assert_eq!(health.trouble(), Some(Trouble::Replaced));
        std::fs::rename(&aside, &path).unwrap();
        assert!(health.is_in_place());
        health.works();
        assert_eq!(health.trouble(), None);
        std::fs::remove_file(dir.path().join("a.db-wal")).unwrap();
        assert!(!health.is_in_place());
        assert_eq!(health.trouble(), Some(Trouble::LogGone));
        health.damaged("planted");
        assert_eq!(health.trouble(), Some(Trouble::LogGone), "the worse of the two");
        health.works();
        assert_eq!(health.trouble(), Some(Trouble::Damaged), "until a check finds none");
        assert!(!health.is_in_place());
        assert_eq!(health.trouble(), Some(Trouble::LogGone), "damage does not hide it");
        health.works();
        health.sound();
        assert_eq!(health.trouble(), None);
    }

    #[test]
    fn what_was_opened_is_known_to_the_next_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let (_fd, segment) = veritable_shm::Segment::create(&veritable_shm::Geometry::default()).unwrap();
        let store = Store::of(&segment, 0).unwrap();
        assert_eq!(Files::recorded(&store).against(Files::found(&path)), None, "nothing is known yet");
        for file in [path.clone(), beside(&path, "-wal"), beside(&path, "-shm")] {
            std::fs::write(file, "x").unwrap();
        }
        let health = Health::of(&path, Some(store.clone()));
        assert_eq!(Files::recorded(&store).against(Files::found(&path)), None);
        for (suffix, trouble) in
            [("-wal", Trouble::LogGone), ("-shm", Trouble::LogGone), ("", Trouble::Replaced)]
        {
            // Held, so that its number is not given to the next one.
            let file = beside(&path, suffix);
            let aside = dir.path().join("aside");
            std::fs::rename(&file, &aside).unwrap();
            std::fs::write(&file, "x").unwrap();
            assert_eq!(Files::recorded(&store).against(Files::found(&path)), Some(trouble), "{suffix}");
            std::fs::rename(&aside, &file).unwrap();
        }
        std::fs::remove_file(beside(&path, "-wal")).unwrap();
        health.closed();
        assert_eq!(Files::recorded(&store).against(Files::found(&path)), None, "removed when it was closed");
    }
}
