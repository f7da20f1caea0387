//! The control socket's server side: one JSON object a line from a client of the same user, one line back.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};

use nix::sys::socket::{getsockopt, sockopt};
use nix::unistd::geteuid;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Longest request; the known ones have some 20 bytes.
const REQUEST_BYTES_MAX: usize = 4_096;
/// Clients at a time; they are people and scripts of the host.
const CLIENTS_MAX: usize = 16;

/// What a client asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    /// How everything is; answered at once.
    Status,
    /// New configuration and binary; answered when they have taken over or were refused.
    Reload,
    /// Another image of the master; answered only when it was refused, else the connection ends.
    Upgrade,
    /// End; the connection is closed by the end itself.
    Stop,
    /// The segment's descriptor comes with the answer. With `locks` also the right to take locks there, for as
    /// long as the client stays connected.
    Lend { locks: bool },
}

/// One connection, by a number of its own.
pub(crate) type ClientId = u64;

struct Client {
    stream: UnixStream,
    input: Vec<u8>,
    /// Only its own end matters any more: it is neither heard, answered nor forgotten before.
    kept: bool,
}

/// All connections.
pub(crate) struct Control {
    listener: UnixListener,
    clients: BTreeMap<ClientId, Client>,
    next: ClientId,
}

impl Control {
    /// # Errors
    /// The listener cannot be set up.
    pub(crate) fn new(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Control { listener, clients: BTreeMap::new(), next: 0 })
    }

    /// The listening socket.
    pub(crate) fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    pub(crate) fn clients(&self) -> impl Iterator<Item = (ClientId, BorrowedFd<'_>)> {
        self.clients.iter().map(|(&id, client)| (id, client.stream.as_fd()))
    }

    /// Takes the connections that wait.
    pub(crate) fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => match admit(&stream) {
                    Ok(()) if self.clients.len() < CLIENTS_MAX => {
                        self.clients.insert(self.next, Client { stream, input: Vec::new(), kept: false });
                        self.next += 1;
                    }
                    Ok(()) => {
                        tracing::warn!(clients = CLIENTS_MAX, "a control client too many was sent away")
                    }
                    Err(error) => tracing::warn!(%error, "a control client was refused"),
                },
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a control client");
                    return;
                }
            }
        }
    }

    /// Reads what a client has sent; yields its request once it is whole. A client that is gone or talks
    /// nonsense is forgotten.
    pub(crate) fn read(&mut self, id: ClientId) -> Option<Request> {
        let client = self.clients.get_mut(&id)?;
        let mut bytes = [0; REQUEST_BYTES_MAX];
        match client.stream.read(&mut bytes) {
            Ok(0) => {
                self.clients.remove(&id);
                return None;
            }
            Ok(_) if client.kept => return None,
            Ok(count) => client.input.extend_from_slice(&bytes[..count]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return None;
            }
            Err(_) => {
                self.clients.remove(&id);
                return None;
            }
        }
        let end = client.input.iter().position(|&byte| byte == b'\n');
        match end.map(|end| serde_json::from_slice(&client.input[..end])) {
            Some(Ok(request)) => {
                client.input.clear();
                Some(request)
            }
            Some(Err(error)) => {
                self.answer(id, &serde_json::json!({ "error": format!("not understood: {error}") }));
                None
            }
            None if client.input.len() >= REQUEST_BYTES_MAX => {
                self.clients.remove(&id);
                None
            }
            None => None,
        }
    }

    /// Answers a client and lets it go.
    pub(crate) fn answer(&mut self, id: ClientId, answer: &Value) {
        let Some(mut client) = self.clients.remove(&id) else { return };
        if client.kept {
            self.clients.insert(id, client);
            return;
        }
        // The socket's buffer holds any answer; a client that does not read must not hold the master up.
        if let Err(error) = client.stream.write_all(format!("{answer}\n").as_bytes()) {
            tracing::debug!(%error, "a control client left before its answer");
        }
    }

    /// Answers a client that stays connected, to notice this process's end.
    pub(crate) fn say(&mut self, id: ClientId, answer: &Value) {
        if let Some(client) = self.clients.get_mut(&id).filter(|client| !client.kept)
            && let Err(error) = client.stream.write_all(format!("{answer}\n").as_bytes())
        {
            tracing::debug!(%error, "a control client left before its answer");
            self.clients.remove(&id);
        }
    }

    /// Answers a client with a descriptor; it is let go unless it is kept.
    ///
    /// # Errors
    /// It is gone or does not read; then it is forgotten.
    pub(crate) fn hand(&mut self, id: ClientId, answer: &Value, fd: &impl AsFd) -> Result<(), String> {
        let client = self.clients.get(&id).ok_or("the client is gone")?;
        let fds = [fd.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let line = format!("{answer}\n");
        let sent =
            sendmsg(&client.stream, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::NOSIGNAL);
        if sent.is_err() || !client.kept {
            self.clients.remove(&id);
        }
        // Nothing was sent to it before: a buffer without room for a line is no client's.
        match sent {
            Ok(count) if count == line.len() => Ok(()),
            Ok(_) => Err("the client does not read".into()),
            Err(error) => Err(format!("the client cannot be answered: {error}")),
        }
    }

    /// Keeps a client until it ends its connection by itself.
    pub(crate) fn keep(&mut self, id: ClientId) {
        if let Some(client) = self.clients.get_mut(&id) {
            client.kept = true;
        }
    }

    pub(crate) fn is_connected(&self, id: ClientId) -> bool {
        self.clients.contains_key(&id)
    }

    /// The pid of a client, to tell people; 0 when the kernel does not say.
    pub(crate) fn pid(&self, id: ClientId) -> i32 {
        let peer = self
            .clients
            .get(&id)
            .and_then(|client| getsockopt(&client.stream, sockopt::PeerCredentials).ok());
        peer.map_or(0, |peer| peer.pid())
    }
}

/// Lets in this user and root.
fn admit(stream: &UnixStream) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let uid = getsockopt(stream, sockopt::PeerCredentials)?.uid();
    if uid != 0 && uid != geteuid().as_raw() {
        return Err(io::Error::other(format!("user {uid} is not the server's")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    #[test]
    fn requests_come_whole_and_nonsense_is_answered_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut control = Control::new(UnixListener::bind(&path).unwrap()).unwrap();
        let mut client = UnixStream::connect(&path).unwrap();
        control.accept();
        client.write_all(b"{\"command\":\"sta").unwrap();
        assert_eq!(control.read(0), None);
        client.write_all(b"tus\"}\n").unwrap();
        assert_eq!(control.read(0), Some(Request::Status));
        control.answer(0, &serde_json::json!({"a": 1}));
        let mut line = String::new();
        BufReader::new(client).read_line(&mut line).unwrap();
        assert_eq!(line, "{\"a\":1}\n");

        let mut client = UnixStream::connect(&path).unwrap();
        control.accept();
        client.write_all(b"please\n").unwrap();
        assert_eq!(control.read(1), None);
        line.clear();
        BufReader::new(client).read_line(&mut line).unwrap();
        assert!(line.contains("error"), "{line}");
        assert_eq!(control.clients().count(), 0);
    }

    #[test]
    fn clients_are_bounded_in_number_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let mut control = Control::new(UnixListener::bind(&path).unwrap()).unwrap();
        let mut clients: Vec<_> = (0..=CLIENTS_MAX).map(|_| UnixStream::connect(&path).unwrap()).collect();
        control.accept();
        assert_eq!(control.clients().count(), CLIENTS_MAX);
        clients[0].write_all(&[b'x'; REQUEST_BYTES_MAX]).unwrap();
        control.read(0);
        assert_eq!(control.clients().count(), CLIENTS_MAX - 1);
    }
}
