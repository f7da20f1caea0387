//! Whether a database can be written, as everybody is to know it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};
use veritable_sql::Trouble;

/// A database's health, kept by the thread that writes it.
#[derive(Debug)]
pub(crate) struct Health {
    path: PathBuf,
    store: Option<Store>,
    /// Device and number of the file that was opened.
    file: Option<(u64, u64)>,
    trouble: Option<Trouble>,
}

impl Health {
    /// Of the database that was just opened at `path`.
    pub(crate) fn of(path: &Path, store: Option<Store>) -> Health {
        let health = Health { path: path.to_owned(), store, file: identity(path), trouble: None };
        health.publish();
        health
    }

    pub(crate) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Whether the file is still where it was: what is written into one that was deleted ends with the process.
    pub(crate) fn is_in_place(&mut self) -> bool {
        let trouble = match identity(&self.path) {
            found if found == self.file => return true,
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
        let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
        store.set(Fact::WriteTroubleSince, if self.trouble.is_some() { now } else { 0 });
        store.set(Fact::WriteTrouble, self.trouble.map_or(0, |trouble| trouble as u64));
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
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
        health.damaged("planted");
        health.works();
        assert_eq!(health.trouble(), Some(Trouble::Damaged), "until a check finds none");
    }
}
