//! Starting a child: the binary on disk, run anew, with its descriptors at fixed numbers; and the child's way
//! of taking them. The one place of this crate with `unsafe`.
#![allow(unsafe_code, reason = "a descriptor inherited by number has no owner yet")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use veritable_config::ALLOCATOR;

use crate::binary::Binary;
use crate::boot::{self, Boot};
use crate::process::Process;

/// What systemd tells the master and nobody else.
const OF_SYSTEMD: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
];

/// A command of a binary that leaves systemd's variables and the terminal's signals to the master.
pub(crate) fn command(binary: &Binary) -> Command {
    let mut command = Command::new(binary.path());
    // Of a group of its own: Ctrl-C is the master's to act on.
    command.stdin(Stdio::null()).process_group(0);
    // The operator's own word counts.
    if std::env::var_os(ALLOCATOR.0).is_none() {
        command.env(ALLOCATOR.0, ALLOCATOR.1);
    }
    for name in OF_SYSTEMD {
        command.env_remove(name);
    }
    command
}

/// A child and the master's end of its channel.
pub(crate) struct Spawned {
    pub(crate) process: Process,
    pub(crate) channel: UnixStream,
}

/// Starts a child in `role`, a hidden command, with descriptors at the numbers it expects them at.
///
/// # Errors
/// The binary cannot be run, or there are no descriptors left.
pub(crate) fn spawn(
    binary: &Binary,
    role: &str,
    boot: &Boot,
    handed: Vec<(OwnedFd, RawFd)>,
) -> anyhow::Result<Spawned> {
    let (channel, theirs) = UnixStream::pair().context("making a channel")?;
    channel.set_nonblocking(true).context("making a channel")?;
    let own = [(boot.seal()?, boot::RECORD), (theirs.into(), boot::CHANNEL)];
    let mappings = own
        .into_iter()
        .chain(handed)
        .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
        .collect();
    let process = command(binary)
        .arg0(format!("veritable: {}", boot.title))
        .arg(role)
        .fd_mappings(mappings)
        .context("handing descriptors over")?
        .spawn()
        .with_context(|| format!("running {}", binary.name().display()))?;
    Ok(Spawned { process: Process::new(process.id()), channel })
}

/// Takes a descriptor that the master handed over. It is not handed on.
///
/// # Errors
/// There is none at that number.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: called once per number, at a child's start; nothing in this process has opened a descriptor
    // that high, so whatever is there was inherited, and this is its only owner. A number without a
    // descriptor is given back below without being closed.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    match fcntl(&fd, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)) {
        Ok(_) => Ok(fd),
        Err(errno) => {
            let _nothing_to_close = std::os::fd::IntoRawFd::into_raw_fd(fd);
            Err(errno.into())
        }
    }
}
