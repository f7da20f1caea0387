//! What a child is started with: a record in a sealed memfd at a fixed descriptor, which names the others.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{OwnedFd, RawFd};

use anyhow::{Context, bail, ensure};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};
use veritable_config::Config;

/// The descriptor of the record. Far above what the master has open, so that moving descriptors there never
/// runs over one that the spawn itself needs.
pub(crate) const RECORD: RawFd = 400;
/// The channel to the master.
pub(crate) const CHANNEL: RawFd = 401;
/// The shared segment.
pub(crate) const SEGMENT: RawFd = 402;
/// The ends of the handover of connections; workers only.
pub(crate) const GIVE: RawFd = 403;
/// See [`GIVE`].
pub(crate) const TAKE: RawFd = 404;
/// The first listener; the others follow.
pub(crate) const LISTENERS: RawFd = 405;
/// Raised whenever the record or the descriptors change their meaning: a binary replaced on disk may be of
/// another version than the master.
const VERSION: u32 = 2;
/// Largest record read: many times what one with all settings takes.
const BYTES_MAX: u64 = 1024 * 1024;

/// What a child is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Boot {
    version: u32,
    /// What it is, for its title and log.
    pub(crate) title: String,
    /// The master's pid.
    pub(crate) master: i32,
    /// Slot and epoch in the scoreboard; the writer has none.
    pub(crate) owner: Option<(u16, u32)>,
    /// Listeners handed over.
    pub(crate) listeners: u16,
    /// The settings.
    pub(crate) config: Config,
}

impl Boot {
    pub(crate) fn new(title: String, owner: Option<(u16, u32)>, listeners: u16, config: Config) -> Self {
        let master = std::process::id().cast_signed();
        Boot { version: VERSION, title, master, owner, listeners, config }
    }

    /// The record as a file that nobody can change.
    ///
    /// # Errors
    /// The kernel has no memory or descriptor left.
    pub(crate) fn seal(&self) -> anyhow::Result<OwnedFd> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let mut file = File::from(memfd_create("veritable-boot", flags).context("memfd_create")?);
        file.write_all(&serde_json::to_vec(self)?)?;
        let seals =
            SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).context("sealing the boot record")?;
        Ok(file.into())
    }

    /// Reads the record that a master made.
    ///
    /// # Errors
    /// It is of another version, or no record.
    pub(crate) fn open(record: OwnedFd) -> anyhow::Result<Boot> {
        use std::io::Seek;
        let mut file = File::from(record);
        file.rewind().context("this command is for the master only")?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).context("reading the boot record")?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).context("reading the boot record")?;
        if value["version"] != VERSION {
            bail!("the running master is of another version; restart it instead of reloading");
        }
        let boot: Boot = serde_json::from_value(value).context("reading the boot record")?;
        ensure!(!boot.title.contains('\0'), "the boot record's title holds a zero");
        Ok(boot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_whole_and_cannot_be_changed() {
        let boot = Boot::new("worker 3".into(), Some((3, 9)), 2, Config::default());
        let sealed = boot.seal().unwrap();
        let mut copy = File::from(sealed.try_clone().unwrap());
        assert!(copy.write_all(b"x").is_err());
        assert_eq!(Boot::open(sealed).unwrap(), boot);
    }

    #[test]
    fn another_version_is_refused() {
        let boot = Boot { version: VERSION + 1, ..Boot::new("writer".into(), None, 1, Config::default()) };
        assert!(Boot::open(boot.seal().unwrap()).unwrap_err().to_string().contains("version"));
    }
}
