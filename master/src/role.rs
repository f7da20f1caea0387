//! What a child does before it is a worker or the writer, the same for both: take what it was handed, follow
//! the master in its end, take its title.

use std::ffi::CString;
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use veritable_config::Config;
use veritable_config::channel::Channel;
use veritable_config::settings::Switch;
use veritable_shm::{Owner, Scoreboard, Segment};

use crate::boot::{self, Boot};
use crate::confine::{self, Child};
use crate::figures::Figures;
use crate::handoff::Handoff;
use crate::{logging, spawn};

/// Bytes of a process's short name, as the kernel keeps it.
const NAME_BYTES: usize = 15;

fn enter() -> anyhow::Result<(Boot, Channel, Segment)> {
    let record = spawn::inherited(boot::RECORD).context("this command is for the master only")?;
    let boot = Boot::open(record)?;
    prctl::set_pdeathsig(Signal::SIGKILL).context("asking to follow the master")?;
    // It may have died before the line above.
    if getppid().as_raw() != boot.master {
        bail!("the master is gone");
    }
    logging::init(&boot.config.log, &boot.title)?;
    let mut name = format!("vt-{}", boot.title.replace(' ', "-"));
    name.truncate(NAME_BYTES);
    prctl::set_name(&CString::new(name)?).context("taking a name")?;
    let channel = Channel::new(UnixStream::from(spawn::inherited(boot::CHANNEL).context("the channel")?));
    let segment = Segment::attach(spawn::inherited(boot::SEGMENT).context("the segment")?)?;
    if boot.config.cache.prefault == Switch::On
        && let Err(error) = segment.prefault()
    {
        tracing::warn!(%error, "the shared memory is mapped page by page, as it is used");
    }
    Ok((boot, channel, segment))
}

/// Runs a worker.
///
/// # Errors
/// It cannot start.
pub(crate) fn worker() -> anyhow::Result<()> {
    let (boot, channel, segment) = enter()?;
    let Some((slot, epoch)) = boot.owner else { bail!("a worker without a slot") };
    let listeners = boot
        .listeners
        .iter()
        .zip(boot::LISTENERS..)
        .map(|(&entry, number)| veritable_worker::Listener::new(entry, spawn::inherited(number)?))
        .collect::<Result<Vec<_>, _>>()
        .context("the listeners")?;
    let end = |number| spawn::inherited(number).context("the handover's sockets");
    let handover = veritable_worker::Handover::new(end(boot::GIVE)?, end(boot::TAKE)?);
    let owner = Owner { slot, epoch };
    let mut to_master = channel.try_clone().context("the channel")?;
    sandboxed(&mut to_master, Child::Worker, &boot.config)?;
    look_at_itself(&segment, owner)?;
    let context =
        veritable_worker::Context { config: boot.config, listeners, handover, segment, owner, channel };
    said(&mut to_master, veritable_worker::run(context), veritable_worker::WorkerError::may_pass)
}

/// Says whether this program could go on from a master's record.
///
/// # Errors
/// It could not.
pub(crate) fn check_handoff() -> anyhow::Result<()> {
    let record = spawn::inherited(boot::RECORD).context("this command is for the master only")?;
    Handoff::read(&record.into()).map(drop)
}

/// Has this process say how it is. From a thread that is confined as all others are.
fn look_at_itself(segment: &Segment, owner: Owner) -> anyhow::Result<()> {
    Figures::of(Scoreboard::of(segment), owner).start().context("the thread that looks at this process")
}

/// Confines this process, unless the settings say otherwise.
fn sandboxed(to_master: &mut Channel, child: Child, config: &Config) -> anyhow::Result<()> {
    if config.process.sandbox == Switch::Off {
        return Ok(());
    }
    said(to_master, confine::confine(child, config).map_err(Said), Said::may_pass)
}

/// An error with all its causes in one line.
#[derive(Debug, thiserror::Error)]
#[error("{0:#}")]
struct Said(anyhow::Error);

impl Said {
    /// Whether a path was away, or its disk: either may come back.
    fn may_pass(&self) -> bool {
        let causes = self.0.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
        causes.filter_map(io::Error::raw_os_error).any(|number| {
            let number = Errno::from_raw(number);
            [Errno::ENOENT, Errno::ENOTDIR, Errno::EIO, Errno::ESTALE, Errno::ENOTCONN].contains(&number)
        })
    }
}

/// Lets the master know why, so that it can say more than that a process has ended, and whether that may pass.
fn said<E: std::error::Error + Send + Sync + 'static>(
    to_master: &mut Channel,
    ended: Result<(), E>,
    may_pass: impl Fn(&E) -> bool,
) -> anyhow::Result<()> {
    if let Err(reason) = &ended
        && let Err(error) = to_master.failed(&reason.to_string(), may_pass(reason))
    {
        tracing::debug!(%error, "the master is gone");
    }
    Ok(ended?)
}

/// Runs the writer.
///
/// # Errors
/// It cannot start.
pub(crate) fn writer() -> anyhow::Result<()> {
    let (boot, channel, segment) = enter()?;
    let listener = UnixListener::from(spawn::inherited(boot::LISTENERS).context("the listener")?);
    // Held to the end of this process: nobody else may write meanwhile.
    let _lock = spawn::inherited(boot::LISTENERS + 1).context("the lock")?;
    let mut to_master = channel.try_clone().context("the channel")?;
    // What the rules name has to be there.
    veritable_writer::database::make_directory(&boot.config)?;
    sandboxed(&mut to_master, Child::Writer, &boot.config)?;
    let owner = boot.owner.map(|(slot, epoch)| Owner { slot, epoch });
    owner.map(|owner| look_at_itself(&segment, owner)).transpose()?;
    let context =
        veritable_writer::Context { config: boot.config, listener, segment: Some(segment), owner, channel };
    // What the writer lacks may always come back: it is never given up.
    said(&mut to_master, veritable_writer::run(context), |_| true)
}
