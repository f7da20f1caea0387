//! Taking connections: a thread per listener blocks in `accept` on a socket that all workers share. The
//! kernel then deals connections out fairly, none waits behind a dead worker, and a full or draining worker
//! just stops asking.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use tokio::sync::mpsc;
use veritable_shm::Counter;

use super::connection::Open;
use super::handover::Handover;
use crate::app::App;

/// How often a blocked `accept` looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(250);
/// Pause after an error such as "too many open files", which a next try at once would only repeat.
const ERROR_PAUSE: Duration = Duration::from_millis(50);
/// Connections between the accepting threads and the event loop.
const BACKLOG: usize = 256;

/// A connection on its way to the event loop.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    /// What another worker had read from it.
    pub(crate) before: Bytes,
    pub(crate) open: Open,
}

/// The accepting threads' other end.
pub(crate) struct Accepting {
    pub(crate) connections: mpsc::Receiver<Accepted>,
    /// Connections that are open, those still on their way here included.
    pub(crate) open: Arc<AtomicUsize>,
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

/// Starts a thread for each listener.
///
/// # Errors
/// A listener cannot be set up, or no thread can be had.
pub(crate) fn start(
    listeners: Vec<TcpListener>,
    handover: Handover,
    app: &Arc<App>,
) -> io::Result<Accepting> {
    let (sender, connections) = mpsc::channel(BACKLOG);
    let stop = Arc::new(AtomicBool::new(false));
    let open = Arc::new(AtomicUsize::new(0));
    let most = app.config.http.max_connections as usize;
    for listener in listeners {
        // All workers share the description, so all set the same.
        listener.set_nonblocking(false)?;
        setsockopt(&listener, sockopt::ReceiveTimeout, &TimeVal::milliseconds(LOOK.as_millis() as i64))?;
        let (sender, stop, open, app) = (sender.clone(), stop.clone(), open.clone(), app.clone());
        std::thread::Builder::new().name("accept".into()).spawn(move || {
            while !stop.load(Ordering::Acquire) {
                if open.load(Ordering::Relaxed) >= most {
                    std::thread::sleep(ERROR_PAUSE);
                    continue;
                }
                match listener.accept() {
                    Ok((stream, _)) => {
                        let open = Open::new(open.clone());
                        app.count(Counter::Connections);
                        if let Err(error) =
                            stream.set_nonblocking(true).and_then(|()| stream.set_nodelay(true))
                        {
                            tracing::debug!(%error, "a connection was gone before its first byte");
                        }
                        if sender.blocking_send(Accepted { stream, before: Bytes::new(), open }).is_err() {
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
                Ok((stream, before)) => {
                    let open = Open::new(counted.clone());
                    if sender.blocking_send(Accepted { stream, before, open }).is_err() {
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
