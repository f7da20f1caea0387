//! The program of a generation of processes: the file that was on disk when the generation was made, held
//! open. A crashed worker is thus replaced by what it was, and a failed reload goes back to what served
//! before, whatever lies on disk by now.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// An executable file.
#[derive(Debug)]
pub(crate) struct Binary {
    file: File,
    name: PathBuf,
}

impl Binary {
    /// The running program itself.
    ///
    /// # Errors
    /// There is no procfs.
    pub(crate) fn running() -> io::Result<Binary> {
        Binary::open(Path::new("/proc/self/exe"))
    }

    /// The file that is at `path` now.
    ///
    /// # Errors
    /// There is none, or it cannot be read.
    pub(crate) fn open(path: &Path) -> io::Result<Binary> {
        Ok(Binary { file: File::open(path)?, name: path.to_owned() })
    }

    /// One that the image before held.
    pub(crate) fn resumed(fd: OwnedFd, name: PathBuf) -> Binary {
        Binary { file: fd.into(), name }
    }

    /// A path that leads to this very file for as long as this value lives, in a child up to its exec as
    /// well (proc(5)).
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd()))
    }

    /// Where it was found, for messages.
    pub(crate) fn name(&self) -> &Path {
        &self.name
    }

    /// Whether both are the same file with the same content.
    pub(crate) fn is_same(&self, other: &Binary) -> bool {
        let identity = |binary: &Binary| {
            let of = binary.file.metadata().ok()?;
            Some((of.dev(), of.ino(), of.mtime(), of.mtime_nsec()))
        };
        identity(self).is_some_and(|one| identity(other) == Some(one))
    }
}

impl AsFd for Binary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn it_runs_after_it_was_replaced_on_disk() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tool");
        std::fs::copy("/bin/true", &path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        let (old, again) = (Binary::open(&path).unwrap(), Binary::open(&path).unwrap());
        assert!(old.is_same(&again));
        std::fs::remove_file(&path).unwrap();
        assert!(Command::new(old.path()).status().unwrap().success());
        std::fs::copy("/bin/false", &path).unwrap();
        assert!(!old.is_same(&Binary::open(&path).unwrap()));
        assert!(Binary::open(&dir.path().join("none")).is_err());
    }
}
