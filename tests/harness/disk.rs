//! A disk that fails when told to, and a record of what was written to it: harness/disk.c, loaded into the server.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::server::veritable;
use super::skipped;

/// How calls on the databases fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Fault {
    /// Not at all.
    None = 0,
    /// Writes find no space.
    Full = b'F',
    /// Writes fail.
    Write = b'W',
    /// Syncs fail.
    Sync = b'S',
    /// The file system is read-only.
    ReadOnly = b'R',
    /// Reads fail.
    Read = b'D',
}

/// The faults of one server's disk.
pub(crate) struct Disk {
    library: PathBuf,
    control: PathBuf,
    /// Where changes are recorded.
    pub(crate) log: PathBuf,
}

impl Disk {
    /// Builds it in `dir`; `None`, with a line that names the test, where there is no C compiler.
    pub(crate) fn new(test: &str, dir: &Path) -> Option<Disk> {
        let library = dir.join("disk.so");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/harness/disk.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).output();
        let Ok(built) = built else {
            skipped(test, "there is no C compiler (cc)");
            return None;
        };
        assert!(built.status.success(), "{built:?}");
        let disk = Disk { library, control: dir.join("disk.control"), log: dir.join("disk.log") };
        fs::write(&disk.control, [0]).unwrap();
        Some(disk)
    }

    /// The program with this disk.
    pub(crate) fn program(&self) -> Command {
        let mut program = veritable();
        program.env("LD_PRELOAD", &self.library).env("DISK_CONTROL", &self.control);
        program
    }

    /// The program with this disk, its changes recorded from here on.
    pub(crate) fn recorded(&self) -> Command {
        fs::write(&self.log, []).unwrap();
        let mut program = self.program();
        program.env("DISK_LOG", &self.log);
        program
    }

    /// From now on it fails like this.
    pub(crate) fn fail(&self, fault: Fault) {
        use std::os::unix::fs::FileExt;
        // In place: the server has the file mapped.
        fs::File::options().write(true).open(&self.control).unwrap().write_all_at(&[fault as u8], 0).unwrap();
    }
}
