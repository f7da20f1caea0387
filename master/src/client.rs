//! The commands that talk to a running server over its control socket.

use std::io::{self, BufRead, BufReader, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use serde_json::Value;
use veritable_config::Config;
use veritable_shm::{Cache, Owner, Segment};

use crate::control::Request;
use crate::{lock, out, status};

/// Read at once of an answer with a descriptor, which has some 30.
const ANSWER_BEGIN_BYTES: usize = 1_024;

/// The connection ended instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the server ended before it answered")]
struct Ended;

/// A connection to the server of a data directory.
struct Client {
    stream: BufReader<UnixStream>,
}

/// Whether a server runs on the data directory of `config`.
pub(crate) fn is_running(config: &Config) -> bool {
    UnixStream::connect(config.control_socket()).is_ok()
}

impl Client {
    fn connect(config: &Config) -> anyhow::Result<Client> {
        match UnixStream::connect(config.control_socket()) {
            Ok(stream) => Ok(Client { stream: BufReader::new(stream) }),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                bail!("no server runs on {} (is --data-dir right?)", config.data_dir.display())
            }
            Err(error) => Err(error).with_context(|| format!("asking {}", config.control_socket().display())),
        }
    }

    fn ask(&mut self, request: Request) -> anyhow::Result<Value> {
        self.send(request)?;
        understood(&mut self.stream)
    }

    fn send(&mut self, request: Request) -> anyhow::Result<()> {
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).context("asking the server")
    }
}

/// The next answer.
fn understood(mut stream: impl BufRead) -> anyhow::Result<Value> {
    let mut answer = String::new();
    match stream.read_line(&mut answer) {
        Ok(0) => return Err(Ended.into()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Ended.into()),
        Err(error) => return Err(error).context("asking the server"),
    }
    let answer: Value = serde_json::from_str(&answer).context("the server's answer")?;
    match answer["error"].as_str() {
        Some(reason) => bail!("{reason}"),
        None => Ok(answer),
    }
}

/// The server's segment, lent to this process.
pub(crate) struct Lent {
    /// The mapping, shared with all processes of the server.
    pub(crate) segment: Segment,
    /// With whose locks; nobody's unless they were asked for.
    owner: Owner,
    /// The server takes its slot back when this ends, which may not be before the last change is made.
    _lender: Client,
}

impl Lent {
    /// Borrows the segment of the running server; `locks` says whether to take any there.
    ///
    /// # Errors
    /// No server runs, it does not lend, or this program and that one are of different versions.
    pub(crate) fn borrow(config: &Config, locks: bool) -> anyhow::Result<Lent> {
        let mut lender = Client::connect(config)?;
        lender.send(Request::Lend { locks })?;
        let (begin, fd) = receive(lender.stream.get_ref()).context("asking the server")?;
        let answer = understood(begin.as_slice().chain(&mut lender.stream))?;
        let fd = fd.context("the server's answer has no descriptor")?;
        let segment =
            Segment::attach(fd).context("the running server's cache (`veritable upgrade` updates it)")?;
        let number = |name: &str| answer[name].as_u64().unwrap_or_default();
        // Epoch 0 is nobody's.
        let owner = Owner { slot: u16::try_from(number("slot"))?, epoch: u32::try_from(number("epoch"))? };
        Ok(Lent { segment, owner, _lender: lender })
    }

    /// The cache in it.
    ///
    /// # Errors
    /// The server named a slot that is not there.
    pub(crate) fn cache(&self) -> anyhow::Result<Cache> {
        Ok(Cache::of(&self.segment, self.owner)?)
    }
}

/// The beginning of an answer, and the descriptor that comes with its first byte.
fn receive(stream: &UnixStream) -> io::Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut bytes = vec![0; ANSWER_BEGIN_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        recvmsg(stream, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fd = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    bytes.truncate(received.bytes);
    Ok((bytes, fd))
}

/// Prints how the server is.
///
/// # Errors
/// No server runs, or it does not answer.
pub(crate) fn status(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let answer = Client::connect(config)?.ask(Request::Status)?;
    out::line(&if as_json { answer.to_string() } else { status::table(&answer) });
    Ok(())
}

/// What `status` says of a running server.
///
/// # Errors
/// It does not answer.
pub(crate) fn status_of(config: &Config) -> anyhow::Result<Value> {
    Client::connect(config)?.ask(Request::Status)
}

/// Reloads and waits for the outcome.
///
/// # Errors
/// Why the old processes go on serving.
pub(crate) fn reload(config: &Config) -> anyhow::Result<()> {
    let answer = Client::connect(config)?.ask(Request::Reload)?;
    out::line(&format!("Reloaded; this is generation {}.", answer["generation"]));
    Ok(())
}

/// Has the master replaced by the binary on disk, then everything else.
///
/// # Errors
/// Why the old master, or the old processes, go on.
pub(crate) fn upgrade(config: &Config) -> anyhow::Result<()> {
    let upgrades = |status: &Value| status["upgrades"].as_u64().unwrap_or_default();
    let before = upgrades(&Client::connect(config)?.ask(Request::Status)?);
    match Client::connect(config)?.ask(Request::Upgrade) {
        Ok(_) => bail!("the master answered where it should have ended the connection"),
        Err(error) if error.is::<Ended>() => {}
        Err(error) => return Err(error),
    }
    // The next image answers on the same socket.
    let status = Client::connect(config)?.ask(Request::Status)?;
    if upgrades(&status) == before {
        let why = status["last_upgrade_error"].as_str().unwrap_or("it does not say why");
        bail!("the new master gave up and the old one goes on: {why}");
    }
    reload(config)
}

/// Stops the server and waits until it is gone.
///
/// # Errors
/// No server runs.
pub(crate) fn stop(config: &Config) -> anyhow::Result<()> {
    let mut client = Client::connect(config)?;
    let answer = client.ask(Request::Stop)?;
    // The connection ends with the server, however it ends.
    match client.stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("waiting for the server's end"),
    }
    let pid = answer["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    lock::wait_for_end(&config.data_dir, pid).context("waiting for the server's end")?;
    out::line("Stopped.");
    Ok(())
}
