//! What a master tells the image that takes its place (`upgrade`): everything it knows of itself, in a memfd,
//! the descriptors by their numbers. Both images may be of different versions; [`VERSION`] says whether they
//! understand each other.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::execv;
use serde::{Deserialize, Serialize};
use veritable_config::Config;
use veritable_config::settings::Entry;

use crate::binary::Binary;
use crate::spawn;
use crate::supervisor::{self, ChildId, Millis};

/// Raised whenever the record changes its meaning.
pub(crate) const VERSION: u32 = 1;
/// Largest record read: far more than settings and processes take.
const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The whole of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Handoff {
    /// [`VERSION`].
    pub(crate) version: u32,
    /// Milliseconds since the first image's start: the clock of everything below.
    pub(crate) uptime: Millis,
    /// Images so far.
    pub(crate) upgrades: u32,
    pub(crate) exe: PathBuf,
    pub(crate) flags: Vec<OsString>,
    pub(crate) fds: Fds,
    pub(crate) listeners: Vec<ListenerRecord>,
    pub(crate) generations: BTreeMap<u64, GenerationRecord>,
    /// The last number given to a generation.
    pub(crate) last_generation: u64,
    pub(crate) supervisor: supervisor::Snapshot,
    pub(crate) children: Vec<ChildRecord>,
}

/// The descriptors that there is one of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Fds {
    pub(crate) lock: RawFd,
    pub(crate) for_writer: RawFd,
    pub(crate) control: RawFd,
    pub(crate) give: RawFd,
    pub(crate) take: RawFd,
    pub(crate) segment: RawFd,
    /// The program of the image before: what is gone back to if this one does not come up.
    pub(crate) before: RawFd,
}

/// A socket workers accept from.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ListenerRecord {
    pub(crate) entry: Entry,
    pub(crate) address: String,
    pub(crate) fd: RawFd,
    pub(crate) path: Option<PathBuf>,
    pub(crate) of_systemd: bool,
}

/// What a generation is made of.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct GenerationRecord {
    pub(crate) config: Config,
    pub(crate) binary: RawFd,
    pub(crate) name: PathBuf,
    /// By their index among the listeners.
    pub(crate) listeners: Vec<usize>,
}

/// A child's process.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChildRecord {
    pub(crate) id: ChildId,
    pub(crate) pid: u32,
    pub(crate) channel: Option<RawFd>,
    /// Slot and epoch.
    pub(crate) owner: Option<(u16, u32)>,
    pub(crate) requests_before: u64,
}

impl Handoff {
    /// Every descriptor that has to outlive the exec.
    pub(crate) fn numbers(&self) -> Vec<RawFd> {
        let Fds { lock, for_writer, control, give, take, segment, before } = self.fds;
        let mut all = vec![lock, for_writer, control, give, take, segment, before];
        all.extend(self.listeners.iter().map(|listener| listener.fd));
        all.extend(self.generations.values().map(|generation| generation.binary));
        all.extend(self.children.iter().filter_map(|child| child.channel));
        all
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The kernel has no memory or descriptor left.
    pub(crate) fn write(&self) -> anyhow::Result<File> {
        let mut file =
            File::from(memfd_create("veritable-handoff", MFdFlags::MFD_CLOEXEC).context("memfd_create")?);
        file.write_all(&serde_json::to_vec(self)?)?;
        Ok(file)
    }

    /// Reads what another image wrote.
    ///
    /// # Errors
    /// It is of another version, or no record.
    pub(crate) fn read(file: &File) -> anyhow::Result<Handoff> {
        let mut file = file.try_clone()?;
        file.rewind().context("reading the handoff")?;
        let mut bytes = Vec::new();
        file.take(BYTES_MAX).read_to_end(&mut bytes).context("reading the handoff")?;
        let value: serde_json::Value = serde_json::from_slice(&bytes).context("reading the handoff")?;
        if value["version"] != VERSION {
            bail!("the running master is of another version; restart the service instead");
        }
        serde_json::from_value(value).context("reading the handoff")
    }
}

/// Duplicates for the next image. They are closed again when it is not run after all.
#[derive(Default)]
pub(crate) struct Passing(Vec<OwnedFd>);

impl Passing {
    /// Duplicates one; its new number.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(crate) fn add(&mut self, fd: &impl AsFd) -> anyhow::Result<RawFd> {
        let copy = fd.as_fd().try_clone_to_owned().context("a descriptor for the next image")?;
        let number = copy.as_raw_fd();
        self.0.push(copy);
        Ok(number)
    }

    /// Lets them pass through the exec that is next.
    ///
    /// # Errors
    /// None that a sound descriptor yields.
    pub(crate) fn open(&self) -> nix::Result<()> {
        self.0.iter().try_for_each(|fd| fcntl(fd, FcntlArg::F_SETFD(FdFlag::empty())).map(drop))
    }
}

/// What an image was handed: kept as it came until the image has proved that it works, so that it can be handed
/// back.
pub(crate) struct Taken {
    record: Passing,
    fds: BTreeMap<RawFd, usize>,
}

impl Taken {
    /// Takes every descriptor of a record, and the record's own. One that is not there is missed when it is
    /// asked for.
    pub(crate) fn take(handoff: &Handoff, record: OwnedFd) -> Taken {
        let mut taken = Taken { record: Passing(vec![record]), fds: BTreeMap::new() };
        for number in handoff.numbers() {
            match spawn::inherited(number) {
                Ok(fd) => {
                    taken.fds.insert(number, taken.record.0.len());
                    taken.record.0.push(fd);
                }
                Err(error) => tracing::error!(%error, number, "a descriptor of the handoff"),
            }
        }
        taken
    }

    /// A descriptor of one's own.
    ///
    /// # Errors
    /// It was not among the record's, or there are none left.
    pub(crate) fn get(&self, number: RawFd) -> anyhow::Result<OwnedFd> {
        let index =
            self.fds.get(&number).with_context(|| format!("descriptor {number} was not handed over"))?;
        Ok(self.record.0[*index].try_clone()?)
    }

    /// Lets everything pass back.
    ///
    /// # Errors
    /// None that a sound descriptor yields.
    pub(crate) fn give_back(&self) -> nix::Result<()> {
        self.record.open()
    }
}

/// Becomes another image of this program, which goes on from a record at descriptor `record`. Signals wait from
/// here on until the next image takes them. Returns only when it failed.
pub(crate) fn exec(binary: &Binary, record: RawFd, reverted: Option<&str>) -> anyhow::Error {
    let become_it = || -> anyhow::Result<std::convert::Infallible> {
        let record = record.to_string();
        let mut args = vec!["veritable: master", "role-master", "--handoff", &record];
        args.extend(reverted.iter().flat_map(|reason| ["--reverted", reason]));
        let args = args.into_iter().map(CString::new).collect::<Result<Vec<_>, _>>()?;
        let path = CString::new(binary.path().into_os_string().into_vec())?;
        taken_signals().thread_block()?;
        Ok(execv(&path, &args)?)
    };
    let Err(error) = become_it();
    if let Err(error) = taken_signals().thread_unblock() {
        tracing::error!(%error, "signals stay blocked");
    }
    error.context(format!("running {}", binary.name().display()))
}

/// What a master takes.
pub(crate) fn taken_signals() -> SigSet {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD, Signal::SIGUSR2] {
        set.add(signal);
    }
    set
}
