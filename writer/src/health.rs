//! Whether a database can be written, as everybody is to know it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};
use veritable_sql::Trouble;

use crate::beside;

/// A database's health, kept by the thread that writes it.
#[derive(Debug)]
pub(crate) struct Health {
    path: PathBuf,
    log: PathBuf,
    store: Option<Store>,
    /// The files that were opened.
    opened: Files,
    trouble: Option<Trouble>,
}

/// Device and number of a file that is there.
type Identity = Option<(u64, u64)>;

/// What the database is in: its file, and its log, without which the last commits are not in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Files {
    database: Identity,
    log: Identity,
}

impl Health {
    /// Of the database that was just opened at `path`.
    pub(crate) fn of(path: &Path, store: Option<Store>) -> Health {
        let log = beside(path, "-wal");
        let opened = Files { database: identity(path), log: identity(&log) };
        let health = Health { path: path.to_owned(), log, store, opened, trouble: None };
        health.publish();
        health
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Whether the files are still where they were: what is written into one that was deleted ends with the process.
    pub(crate) fn is_in_place(&mut self) -> bool {
        if self.opened.log.is_none() {
            self.opened.log = identity(&self.log);
        }
        let found = Files { database: identity(&self.path), log: identity(&self.log) };
        let trouble = match found.database {
            _ if found == self.opened => return true,
            database if database == self.opened.database => Trouble::LogGone,
            None => Trouble::Missing,
            Some(_) => Trouble::Replaced,
        };
        self.suffer(trouble, "it is not where it was opened");
        false
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
        if self.trouble != Some(Trouble::Damaged) {
            self.recover();
        }
    }

    /// Nothing is wrong with it (any more).
    pub(crate) fn recover(&mut self) {
        if let Some(trouble) = self.trouble.take() {
            tracing::info!(path = %self.path.display(), was = %trouble, "the database can be written again");
            self.publish();
        }
    }

    fn suffer(&mut self, trouble: Trouble, error: &str) {
        // Damage is the worst that can be said.
        if self.trouble == Some(trouble) || self.trouble == Some(Trouble::Damaged) {
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

fn identity(path: &Path) -> Identity {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
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
        health.recover();
        health.damaged("planted");
        health.works();
        assert_eq!(health.trouble(), Some(Trouble::Damaged), "until a check finds none");
    }
}
