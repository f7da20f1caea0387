//! A connection's stream, whatever it came over, and what is known of its other end.

use std::io;
use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use nix::sys::sendfile::sendfile64;
use nix::sys::socket::{MsgFlags, send};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use veritable_config::settings::Entry;

/// Where a connection came from. It changes hands with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// What the address it came in at is for.
    pub(crate) entry: Entry,
    /// Whether it came over a Unix socket.
    pub(crate) unix: bool,
    /// The other end, or who the PROXY header says is behind it; none of a Unix socket.
    pub(crate) peer: Option<SocketAddr>,
    /// Its PROXY header was read.
    pub(crate) proxied: bool,
    /// It has had a request.
    pub(crate) begun: bool,
}

/// TCP or a Unix socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// # Errors
    /// The event loop cannot watch it.
    pub(crate) fn new(fd: OwnedFd, unix: bool) -> io::Result<Stream> {
        Ok(if unix {
            let stream = std::os::unix::net::UnixStream::from(fd);
            stream.set_nonblocking(true)?;
            Stream::Unix(UnixStream::from_std(stream)?)
        } else {
            let stream = std::net::TcpStream::from(fd);
            stream.set_nonblocking(true)?;
            Stream::Tcp(TcpStream::from_std(stream)?)
        })
    }

    /// Waits for something to read, or for the end.
    ///
    /// # Errors
    /// The event loop is ending.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.readable().await,
            Stream::Unix(stream) => stream.readable().await,
        }
    }

    /// Takes it from the event loop.
    ///
    /// # Errors
    /// The event loop does not let go of it.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        Ok(match self {
            Stream::Tcp(stream) => stream.into_std()?.into(),
            Stream::Unix(stream) => stream.into_std()?.into(),
        })
    }
}

/// A stream that may be one of TCP, over which files can be sent.
pub(crate) trait AsTcp {
    fn as_tcp(&self) -> Option<&TcpStream> {
        None
    }
}

impl AsTcp for Stream {
    fn as_tcp(&self) -> Option<&TcpStream> {
        match self {
            Stream::Tcp(stream) => Some(stream),
            Stream::Unix(_) => None,
        }
    }
}

/// Sends `head` and then a range of a file, and says how many bytes of both were taken, as
/// [`AsyncWrite::poll_write_vectored`] does.
pub(crate) fn poll_send_file(
    stream: &TcpStream,
    cx: &mut Context<'_>,
    head: &[u8],
    file: BorrowedFd<'_>,
    range: &Range<usize>,
) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_write_ready(cx))?;
        match stream.try_io(Interest::WRITABLE, || send_file(stream, head, file, range)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sent => return Poll::Ready(sent),
        }
    }
}

/// What nix has no name for (send(2)): more follows at once, so that the head waits for it.
const MSG_MORE: MsgFlags = MsgFlags::from_bits_retain(nix::libc::MSG_MORE);

fn send_file(
    stream: &TcpStream,
    head: &[u8],
    file: BorrowedFd<'_>,
    range: &Range<usize>,
) -> io::Result<usize> {
    let mut sent = 0;
    if !head.is_empty() {
        sent = send(stream.as_raw_fd(), head, MSG_MORE | MsgFlags::MSG_NOSIGNAL)?;
        if sent < head.len() {
            return Ok(sent);
        }
    }
    let mut offset = i64::try_from(range.start).map_err(io::Error::other)?;
    match sendfile64(stream, file, Some(&mut offset), range.len()) {
        Ok(more) => Ok(sent + more),
        // The head is on its way all the same; what is wrong, the next call says.
        Err(_) if sent > 0 => Ok(sent),
        Err(errno) => Err(errno.into()),
    }
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
            Stream::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Stream::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;
    use std::sync::Arc;
    use std::time::Duration;

    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::super::content::SealedBody;
    use super::super::socket::{Patience, Requests, Socket};
    use super::*;

    const LENGTH: usize = 5_000_000;

    /// What a client gets that reads only once nothing more can be sent, if the file holds other bytes than the heap.
    async fn sent(head: &'static [u8], body: &[u8], file: &[u8]) -> Vec<u8> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        let ours = Stream::new(ours.into_std().unwrap().into(), false).unwrap();
        let requests = Arc::new(Requests::default());
        let hour = Duration::from_secs(3_600);
        let patience = Patience { rest: hour, idle: hour, head: hour, write: hour };
        let mut socket = Socket::new(ours, Bytes::new(), patience, requests.clone(), true);
        let bytes = Bytes::copy_from_slice(body);
        requests.send_from(Some(SealedBody::with_file(bytes.clone(), file)));
        let (stalled, stall) = tokio::sync::oneshot::channel();
        let writing = async move {
            let (mut head, mut body) = (head, &bytes[..]);
            let mut stalled = Some(stalled);
            while !body.is_empty() {
                let parts = [IoSlice::new(head), IoSlice::new(body)];
                let parts = if head.is_empty() { &parts[1..] } else { &parts[..] };
                let mut write = std::pin::pin!(socket.write_vectored(parts));
                let written = std::future::poll_fn(|cx| {
                    let written = write.as_mut().poll(cx);
                    if written.is_pending()
                        && let Some(stalled) = stalled.take()
                    {
                        let _read = stalled.send(());
                    }
                    written
                });
                let written = written.await.unwrap();
                let of_head = written.min(head.len());
                head = &head[of_head..];
                body = &body[written - of_head..];
            }
        };
        let reading = async move {
            // Or all of it was taken at once.
            let _stalled = stall.await;
            let mut read = Vec::new();
            client.read_to_end(&mut read).await.unwrap();
            read
        };
        tokio::join!(writing, reading).1
    }

    #[tokio::test]
    async fn a_body_that_lies_in_a_file_is_sent_from_there_and_arrives_whole() {
        let file: Vec<u8> = (0..LENGTH as u32).map(|n| (n % 251) as u8).collect();
        for head in [&b"HTTP/1.1 200 OK\r\n\r\n"[..], b""] {
            let read = sent(head, &vec![0; LENGTH], &file).await;
            assert!(read.starts_with(head));
            let (read, file) = (&read[head.len()..], &file[..]);
            assert_eq!(read.len(), file.len());
            let copied = read.iter().zip(file).filter(|(read, file)| read != file).count();
            // The last few bytes may be too few to be worth it.
            assert!(copied < 8 * 1024, "{copied} bytes were not from the file");
        }
    }
}
