//! Taking connections: a thread per listener blocks in `accept` on a socket that all workers share. The
//! kernel then deals connections out to who has waited longest, none waits behind a dead worker, and a full or draining
//! worker just stops asking. Of a burst, though, whoever is awake would take the most: a worker that is ahead lets the
//! others take theirs.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::sync::mpsc;
use veritable_config::settings::Entry;
use veritable_shm::Counter;

use super::handover::Handover;
use super::open::{Connections, Open};
use super::stream::Origin;
use crate::app::App;

/// How often a blocked `accept` looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(250);
/// Pause after an error such as "too many open files", which a next try at once would only repeat.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// How long a worker that is ahead of another leaves the next connection to that one; then it takes it after all.
const GIVE_WAY: Duration = Duration::from_micros(500);
/// Connections between the accepting threads and the event loop.
const BACKLOG: usize = 256;

/// A connection on its way to the event loop.
pub(crate) struct Accepted {
    pub(crate) stream: OwnedFd,
    pub(crate) origin: Origin,
    /// What another worker had read from it.
    pub(crate) before: Bytes,
    pub(crate) open: Open,
}

/// The accepting threads' other end.
pub(crate) struct Accepting {
    pub(crate) connections: mpsc::Receiver<Accepted>,
    /// Those that are open, those still on their way here included.
    pub(crate) open: Arc<Connections>,
    stop: Arc<AtomicBool>,
    stop_adopting: Arc<AtomicBool>,
}

impl Accepting {
    /// Takes no more new connections from now on. Those the threads take before they notice still arrive in
    /// `connections`, which ends when the last thread has.
    pub(crate) fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Takes no more connections of other workers either.
    pub(crate) fn stop_adopting(&self) {
        self.stop_adopting.store(true, Ordering::Release);
    }
}

/// A listening socket and what it is for.
#[derive(Debug)]
pub struct Listener {
    entry: Entry,
    socket: Socket,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Wraps a listening TCP or Unix socket, which all workers share.
    ///
    /// # Errors
    /// It is neither, or cannot be set up.
    pub fn new(entry: Entry, fd: OwnedFd) -> io::Result<Listener> {
        // All workers share the description, so all set the same.
        let wait = TimeVal::milliseconds(LOOK.as_millis() as i64);
        setsockopt(&fd, sockopt::ReceiveTimeout, &wait)?;
        let family = rustix::net::getsockname(&fd)?.address_family();
        let socket = if family == rustix::net::AddressFamily::UNIX {
            let listener = UnixListener::from(fd);
            listener.set_nonblocking(false)?;
            Socket::Unix(listener)
        } else {
            let listener = TcpListener::from(fd);
            listener.set_nonblocking(false)?;
            Socket::Tcp(listener)
        };
        Ok(Listener { entry, socket })
    }

    fn accept(&self) -> io::Result<(OwnedFd, Origin)> {
        let (stream, peer) = match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "a connection was gone before its first byte");
                }
                (stream.into(), Some(peer))
            }
            Socket::Unix(listener) => (listener.accept()?.0.into(), None),
        };
        let unix = peer.is_none();
        Ok((stream, Origin { entry: self.entry, unix, peer, proxied: false, begun: false }))
    }
}

/// Starts a thread for each listener, and one for connections of other workers.
///
/// # Errors
/// No thread can be had.
pub(crate) fn start(listeners: Vec<Listener>, handover: Handover, app: &Arc<App>) -> io::Result<Accepting> {
    let (sender, connections) = mpsc::channel(BACKLOG);
    let stop = Arc::new(AtomicBool::new(false));
    let open = Arc::new(Connections::none(app.clone()));
    for listener in listeners {
        let most = match listener.entry {
            // A full worker still says how it is.
            Entry::Health => usize::MAX,
            Entry::Public | Entry::Proxy => app.config.http.max_connections as usize,
        };
        let (sender, stop, open, app) = (sender.clone(), stop.clone(), open.clone(), app.clone());
        std::thread::Builder::new().name("accept".into()).spawn(move || {
            while !stop.load(Ordering::Acquire) {
                if open.count() >= most {
                    std::thread::sleep(ERROR_PAUSE);
                    continue;
                }
                // Whoever asks how a worker is wants to know it of any.
                if listener.entry != Entry::Health && open.are_ahead() {
                    std::thread::sleep(GIVE_WAY);
                }
                match listener.accept() {
                    Ok((stream, origin)) => {
                        let open = open.opened();
                        app.count(Counter::Connections);
                        let accepted = Accepted { stream, origin, before: Bytes::new(), open };
                        if sender.blocking_send(accepted).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        std::thread::sleep(ERROR_PAUSE);
                    }
                }
            }
        })?;
    }
    let stop_adopting = Arc::new(AtomicBool::new(false));
    let (seen, counted) = (stop_adopting.clone(), open.clone());
    std::thread::Builder::new().name("adopt".into()).spawn(move || {
        // The bound on connections does not hold here: these are open, and nobody else would serve them.
        while !seen.load(Ordering::Acquire) {
            match handover.take(LOOK) {
                Ok((stream, origin, before)) => {
                    let open = counted.opened();
                    if sender.blocking_send(Accepted { stream, origin, before, open }).is_err() {
                        return;
                    }
                }
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot take a connection over");
                    std::thread::sleep(ERROR_PAUSE);
                }
            }
        }
    })?;
    Ok(Accepting { connections, open, stop, stop_adopting })
}
