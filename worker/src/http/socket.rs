//! A connection's socket with its patience: how long a client may be idle, take over a request's head, or
//! leave an answer unread. hyper knows only the second of these, and would apply it to the first as well.
//! It also knows whether everything was answered and sent, which is when the connection can change hands.

use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::content::SealedBody;
use super::stream::{AsTcp, poll_send_file};

/// How long a client may take for what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// Between two requests until the connection may rest (see [`Requests::may_rest`]); a part of `idle`.
    pub(crate) rest: Duration,
    /// Between two requests.
    pub(crate) idle: Duration,
    /// From a request's first byte to the end of its head.
    pub(crate) head: Duration,
    /// Without reading any byte of an answer.
    pub(crate) write: Duration,
}

/// The requests of one connection, as its service counts them and its socket sees them.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    begun: AtomicU64,
    done: AtomicU64,
    /// Bytes were written that were not flushed since.
    unsent: AtomicBool,
    /// The last request was answered before all of its body was read: what comes next is not a head.
    unread: AtomicBool,
    /// The next request has not come for a while.
    quiet: AtomicBool,
    /// The last answer's body, if it lies in a file. Kept until the next, so that its bytes are nobody else's meanwhile.
    sealed: Mutex<Option<Arc<SealedBody>>>,
}

impl Requests {
    /// Counts a request in; it counts itself out when it is dropped.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Whether whatever comes next on this connection begins a request, or goes on with a head.
    pub(crate) fn is_between(&self) -> bool {
        let flags = self.unsent.load(Ordering::Relaxed) || self.unread.load(Ordering::Relaxed);
        !flags && self.begun.load(Ordering::Relaxed) == self.done.load(Ordering::Relaxed)
    }

    /// Whether nothing is going on, and has not for a while: what serves the connection can be put away until something
    /// comes.
    pub(crate) fn may_rest(&self) -> bool {
        self.quiet.load(Ordering::Relaxed) && self.is_between()
    }

    /// Notes whether the next answer's body lies in a file.
    pub(crate) fn send_from(&self, sealed: Option<Arc<SealedBody>>) {
        *self.sealed() = sealed;
    }

    fn sealed(&self) -> MutexGuard<'_, Option<Arc<SealedBody>>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes whether the last request's body was left unread.
    pub(crate) fn leave_unread(&self, unread: bool) {
        self.unread.store(unread, Ordering::Relaxed);
    }
}

/// A request that is being answered.
pub(crate) struct InFlight(Arc<Requests>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// What the connection waits for while no request is being answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// The next request.
    Next,
    /// The rest of a head.
    Head,
}

/// A stream that ends with [`io::ErrorKind::TimedOut`] when its client tries its patience.
pub(crate) struct Socket<S> {
    stream: S,
    /// Bytes that were read from the stream before it came here.
    before: Bytes,
    patience: Patience,
    requests: Arc<Requests>,
    /// Requests begun when `waiting` was last decided.
    seen: u64,
    waiting: Waiting,
    /// HTTP/2 sends frames that are no requests: only idleness is timed there.
    times_heads: bool,
    /// Whether the deadline is that of the rest: the client has more time than that.
    rests: bool,
    reading: Timer,
    writing: Timer,
    /// Whether the last write had to wait.
    stalled: bool,
}

impl<S> Socket<S> {
    /// Wraps the stream of a connection: its next head is waited for, of which `before` was read already.
    pub(crate) fn new(
        stream: S,
        before: Bytes,
        patience: Patience,
        requests: Arc<Requests>,
        times_heads: bool,
    ) -> Self {
        let now = Instant::now();
        Socket {
            stream,
            before,
            patience,
            requests,
            seen: 0,
            waiting: if times_heads { Waiting::Head } else { Waiting::Next },
            times_heads,
            rests: false,
            reading: Timer::new(now + patience.head),
            writing: Timer::new(now + patience.write),
            stalled: false,
        }
    }

    /// The stream, and those of the bytes before it that were not read.
    pub(crate) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.before)
    }

    /// Whether the client let its time pass.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let begun = self.requests.begun.load(Ordering::Relaxed);
        if begun != self.requests.done.load(Ordering::Relaxed) {
            // While a request is answered, its own deadline counts. The timer runs all the same: hyper may not
            // ask to read again between this request's end and the next one's first byte.
            self.wait_for(Waiting::Next);
        } else if begun != self.seen {
            self.seen = begun;
            self.wait_for(Waiting::Next);
        }
        if self.rests && self.reading.is_over(cx) {
            // The task looks whether it may rest when it is polled, which it is now.
            self.rests = false;
            self.requests.quiet.store(true, Ordering::Relaxed);
            self.reading.deadline += self.patience.idle - self.patience.rest;
        }
        self.reading.is_over(cx)
    }

    fn wait_for(&mut self, what: Waiting) {
        self.waiting = what;
        self.rests = self.times_heads && what == Waiting::Next;
        let within = match what {
            Waiting::Head => self.patience.head,
            Waiting::Next if self.rests => self.patience.rest,
            Waiting::Next => self.patience.idle,
        };
        self.requests.quiet.store(false, Ordering::Relaxed);
        self.reading.deadline = Instant::now() + within;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Socket<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let length = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(length));
            return Poll::Ready(Ok(()));
        }
        match Pin::new(&mut self.stream).poll_read(cx, buf) {
            Poll::Pending if self.is_late(cx) => {
                Poll::Ready(Err(late("the client sent nothing for too long")))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                let idle =
                    self.waiting == Waiting::Next || self.seen != self.requests.begun.load(Ordering::Relaxed);
                if self.times_heads && idle && !buf.filled().is_empty() {
                    self.seen = self.requests.begun.load(Ordering::Relaxed);
                    self.wait_for(Waiting::Head);
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Socket<S> {
    /// Turns a write that waits for the client into an error when it waits for too long.
    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        self.requests.unsent.store(true, Ordering::Relaxed);
        if written.is_ready() {
            self.stalled = false;
            // A new request's end is seen when its answer is flushed, or must wait: to look at the clock once is enough.
            if self.waiting == Waiting::Next && self.seen == self.requests.begun.load(Ordering::Relaxed) {
                self.wait_for(Waiting::Next);
            }
            return written;
        }
        if !self.stalled {
            self.stalled = true;
            self.writing.deadline = Instant::now() + self.patience.write;
        }
        if self.writing.is_over(cx) {
            return Poll::Ready(Err(late("the client read nothing for too long")));
        }
        Poll::Pending
    }
}

impl<S: AsyncWrite + AsTcp + Unpin> AsyncWrite for Socket<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let sealed = this.requests.sealed();
        let sent = sealed.as_ref().and_then(|sealed| {
            let (head, range) = in_file(sealed, bytes)?;
            Some(poll_send_file(this.stream.as_tcp()?, cx, head, sealed.as_fd(), &range))
        });
        drop(sealed);
        let written = sent.unwrap_or_else(|| Pin::new(&mut self.stream).poll_write_vectored(cx, bytes));
        self.written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            // hyper flushes its socket when its own buffer is empty, and not before.
            self.requests.unsent.store(false, Ordering::Relaxed);
            // It may not ask to read again, if it has before the answer was there: this is the time to set the timer.
            let begun = self.requests.begun.load(Ordering::Relaxed);
            if begun != self.seen && begun == self.requests.done.load(Ordering::Relaxed) {
                let _just_set = self.is_late(cx);
            }
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What of these bytes lies in the file, if that is where they begin, or go on after one part that is a head.
fn in_file<'a>(sealed: &SealedBody, parts: &'a [io::IoSlice<'_>]) -> Option<(&'a [u8], Range<usize>)> {
    let (head, body): (&[u8], &[u8]) = match parts {
        [head, body, ..] if sealed.range_of(head).is_none() => (head, body),
        [body, ..] => (&[], body),
        [] => return None,
    };
    Some((head, sealed.range_of(body)?))
}

fn late(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, why)
}

/// A deadline that moves with every request. The timer itself moves only when it fires too early or would
/// fire too late, so that a busy connection does not pay for it.
struct Timer {
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    fn new(deadline: Instant) -> Timer {
        Timer { deadline, sleep: None }
    }

    /// Whether the deadline has passed; else the task is woken when it may have.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.deadline;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return true;
            }
            sleep.as_mut().reset(deadline);
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const PATIENCE: Patience = Patience {
        rest: Duration::from_secs(1),
        idle: Duration::from_secs(75),
        head: Duration::from_secs(10),
        write: Duration::from_secs(30),
    };

    impl AsTcp for DuplexStream {}

    fn pair(times_heads: bool) -> (Socket<DuplexStream>, DuplexStream, Arc<Requests>) {
        let (ours, theirs) = duplex(64);
        let requests = Arc::new(Requests::default());
        (Socket::new(ours, Bytes::new(), PATIENCE, requests.clone(), times_heads), theirs, requests)
    }

    /// Seconds until reading gives up, on tokio's paused clock.
    async fn gives_up_after(socket: &mut Socket<DuplexStream>) -> u64 {
        let begun = Instant::now();
        let error = socket.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        begun.elapsed().as_secs()
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first_and_only_a_flushed_answer_lets_it_go() {
        let (ours, mut client) = duplex(64);
        let requests = Arc::new(Requests::default());
        let mut socket = Socket::new(ours, Bytes::from_static(b"GET "), PATIENCE, requests.clone(), true);
        client.write_all(b"/").await.unwrap();
        let mut read = [0; 5];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"GET /");
        assert!(requests.is_between());
        let request = requests.begin();
        assert!(!requests.is_between());
        socket.write_all(b"200").await.unwrap();
        drop(request);
        assert!(!requests.is_between(), "not flushed");
        socket.flush().await.unwrap();
        assert!(requests.is_between());
        requests.leave_unread(true);
        assert!(!requests.is_between());
    }

    #[tokio::test(start_paused = true)]
    async fn a_first_head_has_the_heads_time_and_more_bytes_do_not_extend_it() {
        let (mut socket, mut client, _requests) = pair(true);
        client.write_all(b"GE").await.unwrap();
        socket.read_u8().await.unwrap();
        tokio::time::advance(Duration::from_secs(6)).await;
        socket.read_u8().await.unwrap();
        assert_eq!(gives_up_after(&mut socket).await, 4);
    }

    #[tokio::test(start_paused = true)]
    async fn between_requests_the_idle_time_counts_and_during_one_none() {
        let (mut socket, mut client, requests) = pair(true);
        client.write_all(b"G").await.unwrap();
        socket.read_u8().await.unwrap();
        let request = requests.begin();
        let waited = tokio::time::timeout(Duration::from_secs(500), socket.read_u8()).await;
        assert!(waited.is_err(), "a request in flight has its own deadline");
        drop(request);
        assert_eq!(gives_up_after(&mut socket).await, 75);
        client.write_all(b"G").await.unwrap();
        socket.read_u8().await.unwrap();
        assert_eq!(gives_up_after(&mut socket).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_may_rest_between_requests_until_something_comes() {
        let (mut socket, mut client, requests) = pair(true);
        client.write_all(b"G").await.unwrap();
        socket.read_u8().await.unwrap();
        let waits = async |socket: &mut Socket<DuplexStream>| {
            let waited = tokio::time::timeout(Duration::from_millis(1_500), socket.read_u8()).await;
            assert!(waited.is_err());
        };
        waits(&mut socket).await;
        assert!(!requests.may_rest(), "within a head");
        let request = requests.begin();
        waits(&mut socket).await;
        assert!(!requests.may_rest(), "within a request");
        drop(request);
        waits(&mut socket).await;
        assert!(requests.may_rest());
        client.write_all(b"G").await.unwrap();
        socket.read_u8().await.unwrap();
        assert!(!requests.may_rest());
    }

    #[tokio::test(start_paused = true)]
    async fn frames_that_are_no_requests_neither_shorten_nor_extend_idleness() {
        let (mut socket, mut client, requests) = pair(false);
        drop(requests.begin());
        client.write_all(b"F").await.unwrap();
        socket.read_u8().await.unwrap();
        assert!(tokio::time::timeout(Duration::from_secs(50), socket.read_u8()).await.is_err());
        client.write_all(b"F").await.unwrap();
        socket.read_u8().await.unwrap();
        assert_eq!(gives_up_after(&mut socket).await, 25);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_nobody_reads_is_given_up_and_a_slow_reader_is_not() {
        let (mut socket, mut client, _requests) = pair(true);
        let reading = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(20)).await;
                client.read_exact(&mut [0; 32]).await.unwrap();
            }
        };
        let (_, written) = tokio::join!(reading, socket.write_all(&[0; 320]));
        written.unwrap();
        let begun = Instant::now();
        let error = socket.write_all(&[0; 320]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed().as_secs(), 30);
        drop(client);
    }
}
