//! Handing open connections to whichever worker goes on serving, so that a reload or a recycling closes none.
//!
//! All workers share one pair of sockets, made by the master: what a draining worker sends into one end, a
//! serving one takes from the other, the kernel dealing them out as `accept` does. A message is the
//! connection's descriptor (`SCM_RIGHTS`, unix(7)) and the bytes that were read from it and not yet used. The
//! master holds both ends, so nothing is lost with a worker that dies.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bytes::Bytes;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Most bytes that travel with a connection. More than a head may have, so it only ends requests that would
/// be refused anyway.
pub(crate) const BYTES_MAX: usize = 64 * 1024;
/// What stands before them, so that no message is empty: an empty one would look like the end.
const MARK: u8 = b'H';

/// The worker's handle on both ends.
#[derive(Debug)]
pub struct Handover {
    give: OwnedFd,
    take: OwnedFd,
}

impl Handover {
    /// Wraps the two ends of a `SOCK_SEQPACKET` pair.
    pub fn new(give: OwnedFd, take: OwnedFd) -> Handover {
        Handover { give, take }
    }

    /// Both ends again, for a thread.
    pub(crate) fn try_clone(&self) -> io::Result<Handover> {
        Ok(Handover { give: self.give.try_clone()?, take: self.take.try_clone()? })
    }

    /// Gives a connection away.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when too many are on their way already; the connection is untouched.
    pub(crate) fn give(&self, stream: &TcpStream, unused: &[u8]) -> io::Result<()> {
        if unused.len() > BYTES_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let fds = [stream.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let parts = [IoSlice::new(&[MARK]), IoSlice::new(unused)];
        sendmsg(&self.give, &parts, &mut control, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?;
        Ok(())
    }

    /// Waits at most `within` for a connection.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none came.
    pub(crate) fn take(&self, within: Duration) -> io::Result<(TcpStream, Bytes)> {
        set_socket_timeout(&self.take, Timeout::Recv, Some(within))?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut bytes = vec![0; 1 + BYTES_MAX];
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let message = recvmsg(&self.take, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let fd = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
            _ => None,
        });
        let whole = message.bytes > 0 && !message.flags.contains(ReturnFlags::TRUNC) && bytes[0] == MARK;
        let fd = fd.filter(|_| whole).ok_or(io::ErrorKind::InvalidData)?;
        bytes.truncate(message.bytes);
        Ok((fd.into(), Bytes::from(bytes).slice(1..)))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    #[test]
    fn a_connection_arrives_alive_with_its_unused_bytes() {
        let pair =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let handover = Handover::new(pair.0, pair.1);
        let nothing = handover.take(Duration::from_millis(1)).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        for unused in [&b""[..], b"GET / HT", &[7; BYTES_MAX]] {
            handover.give(&server, unused).unwrap();
            let (mut taken, bytes) = handover.take(Duration::from_secs(5)).unwrap();
            assert_eq!(bytes, unused);
            taken.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
        }
        assert!(handover.give(&server, &[0; BYTES_MAX + 1]).is_err());
    }
}
