//! Starting a child: the binary on disk, run anew, with its descriptors at fixed numbers; and the child's way
//! of taking them. The one place of this crate with `unsafe`.
#![allow(unsafe_code, reason = "a descriptor inherited by number has no owner yet")]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use command_fds::{CommandFdExt, FdMapping};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use crate::boot::{self, Boot};

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

/// A command of the binary on disk that leaves systemd's variables and the terminal's signals to the master.
pub(crate) fn command(exe: &Path) -> Command {
    let mut command = Command::new(exe);
    // Of a group of its own: Ctrl-C is the master's to act on.
    command.stdin(Stdio::null()).process_group(0);
    for name in OF_SYSTEMD {
        command.env_remove(name);
    }
    command
}

/// A child and the master's end of its channel.
pub(crate) struct Spawned {
    pub(crate) process: Child,
    pub(crate) channel: UnixStream,
}

/// Starts a child in `role`, a hidden command.
///
/// # Errors
/// The binary cannot be run, or there are no descriptors left.
pub(crate) fn spawn(
    exe: &Path,
    role: &str,
    boot: &Boot,
    segment: OwnedFd,
    listeners: Vec<OwnedFd>,
    kept: Option<OwnedFd>,
) -> anyhow::Result<Spawned> {
    let (channel, theirs) = UnixStream::pair().context("making a channel")?;
    channel.set_nonblocking(true).context("making a channel")?;
    let fixed = [(boot.seal()?, boot::RECORD), (theirs.into(), boot::CHANNEL), (segment, boot::SEGMENT)];
    let following = listeners.into_iter().chain(kept).zip(boot::LISTENERS..);
    let mappings = fixed
        .into_iter()
        .chain(following)
        .map(|(parent_fd, child_fd)| FdMapping { parent_fd, child_fd })
        .collect();
    let process = command(exe)
        .arg0(format!("veritable: {}", boot.title))
        .arg(role)
        .fd_mappings(mappings)
        .context("handing descriptors over")?
        .spawn()
        .with_context(|| format!("running {}", exe.display()))?;
    Ok(Spawned { process, channel })
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
