//! One server per data directory: a lock on a file in it. The writer inherits the lock, so that it is held as
//! long as anybody may still write, even when the master was killed.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::sys::signal::kill;
use nix::unistd::Pid;

/// The file that is there while what is in the directory is neither the old nor the new.
pub(crate) const RESTORING: &str = "restoring.json";
/// How long the children of a master that is gone may take to notice it.
const ORPHANS_END: Duration = Duration::from_secs(5);
/// How often the lock is tried meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// The file whose lock it is.
fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("veritable.lock")
}

fn open(data_dir: &Path) -> io::Result<File> {
    fs::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path(data_dir))
}

/// Takes the data directory, which is made if it is not there.
///
/// # Errors
/// Another process has it; the error names its pid. Or a restore was broken off.
pub(crate) fn take(data_dir: &Path) -> anyhow::Result<File> {
    let held = take_to_restore(data_dir)?;
    if data_dir.join(RESTORING).exists() {
        bail!("a restore of {} was broken off: run `veritable restore` again", data_dir.display());
    }
    Ok(held)
}

/// Takes it even when what is in it is only half restored.
///
/// # Errors
/// Another process has it; the error names its pid.
pub(crate) fn take_to_restore(data_dir: &Path) -> anyhow::Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("making the data directory {}", data_dir.display()))?;
    let what = || format!("locking {}", path(data_dir).display());
    let mut file = open(data_dir).with_context(what)?;
    let deadline = Instant::now() + ORPHANS_END;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(error).with_context(what),
            Err(TryLockError::WouldBlock) => {
                let holder = read_pid(&mut file);
                let is_alive = holder.is_none_or(|pid| kill(Pid::from_raw(pid), None).is_ok());
                if is_alive || Instant::now() >= deadline {
                    let holder = holder.map_or("another process".into(), |pid| format!("process {pid}"));
                    bail!("the data directory {} is in use by {holder}", data_dir.display());
                }
                std::thread::sleep(LOOK);
            }
        }
    }
    let pid = std::process::id().to_string();
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(pid.as_bytes()))
        .with_context(what)?;
    Ok(file)
}

/// Waits until `pid` no longer has the data directory, nor any child of it.
///
/// # Errors
/// The lock's file cannot be used.
pub(crate) fn wait_for_end(data_dir: &Path, pid: i32) -> io::Result<()> {
    let mut file = open(data_dir)?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            // A successor may have it already.
            Err(TryLockError::WouldBlock) if read_pid(&mut file).is_some_and(|holder| holder != pid) => {
                return Ok(());
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK),
        }
    }
}

fn read_pid(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.read_to_string(&mut text)).ok()?;
    text.trim().parse().ok().filter(|&pid| pid > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_taken_once_and_the_holder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("new");
        let held = take(&data_dir).unwrap();
        let said = take(&data_dir).unwrap_err().to_string();
        assert!(said.contains(&std::process::id().to_string()), "{said}");
        drop(held);
        take(&data_dir).unwrap();
        wait_for_end(&data_dir, 1).unwrap();
    }
}
