//! One connection: which protocol it speaks, then its requests, until the client, its patience or the drain
//! ends it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::accept::Accepted;
use super::handover::Handover;
use super::request;
use super::socket::{InFlight, Patience, Requests, Socket};
use crate::app::App;

/// Most bytes of a request's head. Browsers send less than 4 KiB; proxies add some.
const HEAD_BYTES: usize = 32 * 1024;
/// Most header lines.
const HEAD_LINES: usize = 100;
/// Streams of one HTTP/2 connection at a time.
const H2_STREAMS: u32 = 128;
/// How often an HTTP/2 client that is silent is asked whether it lives, and how long it may take to say so.
const H2_PING: Duration = Duration::from_secs(30);
const H2_PONG: Duration = Duration::from_secs(20);
/// What an HTTP/2 client sends first (RFC 9113, 3.4). Without TLS there is no other sign.
const H2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Pause before another look at a preface that arrives in pieces, which no real client sends, and before
/// another try to hand a connection over.
const PIECES: Duration = Duration::from_millis(5);

/// What a connection is to do, as the worker's own life goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Serve.
    Serve,
    /// Go to another worker as soon as everything is answered.
    HandOver,
    /// End as soon as everything is answered.
    Close,
}

/// How this worker serves connections.
pub(crate) struct Server {
    app: Arc<App>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    patience: Patience,
    stage: watch::Receiver<Stage>,
    handover: Handover,
}

impl Server {
    /// `stage` tells connections what to do.
    pub(crate) fn new(app: Arc<App>, stage: watch::Receiver<Stage>, handover: Handover) -> Server {
        let seconds = |seconds: u32| Duration::from_secs(seconds.into());
        let limits = &app.config.http;
        let patience = Patience {
            idle: seconds(limits.idle_seconds),
            head: seconds(limits.header_seconds),
            write: seconds(limits.request_seconds),
        };
        let mut http1 = http1::Builder::new();
        // The socket times heads.
        http1.header_read_timeout(None).max_buf_size(HEAD_BYTES).max_headers(HEAD_LINES);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(H2_STREAMS)
            .max_header_list_size(HEAD_BYTES as u32)
            .keep_alive_interval(H2_PING)
            .keep_alive_timeout(H2_PONG);
        Server { app, http1, http2, patience, stage, handover }
    }

    /// Serves one connection to its end here.
    pub(crate) async fn serve(&self, accepted: Accepted) {
        let Accepted { stream, before, open } = accepted;
        if let Err(error) = self.converse(stream, before).await {
            // A client that leaves, or that speaks nonsense and was told so: daily life.
            tracing::debug!(%error, "a connection ended early");
        }
        drop(open);
    }

    async fn converse(&self, stream: std::net::TcpStream, before: Bytes) -> Result<(), Ended> {
        let mut stream = TcpStream::from_std(stream)?;
        let mut stage = self.stage.clone();
        // One that has changed hands goes on with HTTP/1.1, as only those do, unless nothing was read yet.
        if before.is_empty() {
            let spoken = tokio::select! {
                spoken = tokio::time::timeout(self.patience.head, speaks_http2(&stream)) => {
                    Some(spoken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
                }
                _ = stage.wait_for(|stage| *stage != Stage::Serve) => None,
            };
            match spoken {
                Some(true) => return self.http2(stream).await,
                Some(false) => {}
                None => match self.hand_over(stream, &before) {
                    None => return Ok(()),
                    Some(kept) => stream = kept,
                },
            }
        }
        self.http1(stream, before).await
    }

    async fn http2(&self, stream: TcpStream) -> Result<(), Ended> {
        let mut stage = self.stage.clone();
        let requests = Arc::new(Requests::default());
        let socket = Socket::new(stream, Bytes::new(), self.patience, requests.clone(), false);
        let service = service_fn(|request| answer(self.app.clone(), requests.clone(), request));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(socket), service));
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            // The protocol has a way of its own to send clients elsewhere without losing a request.
            _ = stage.wait_for(|stage| *stage != Stage::Serve) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn http1(&self, mut stream: TcpStream, mut before: Bytes) -> Result<(), Ended> {
        loop {
            let requests = Arc::new(Requests::default());
            let socket = Socket::new(stream, before, self.patience, requests.clone(), true);
            let service = service_fn(|request| answer(self.app.clone(), requests.clone(), request));
            let mut connection = self.http1.serve_connection(TokioIo::new(socket), service);
            if !self.serve_until_between(&mut connection, &requests).await? {
                return Ok(());
            }
            let parts = connection.into_parts();
            let (socket, unread) = parts.io.into_inner().into_parts();
            let unused =
                if unread.is_empty() { parts.read_buf } else { [parts.read_buf, unread].concat().into() };
            match self.hand_over(socket, &unused) {
                None => return Ok(()),
                // Too many are on their way: serve on for a moment, then try again.
                Some(kept) => (stream, before) = (kept, unused),
            }
            tokio::time::sleep(PIECES).await;
        }
    }

    /// Serves until the connection ends, or until it can be handed over: then it is not to be polled again.
    async fn serve_until_between<C>(&self, connection: &mut C, requests: &Requests) -> Result<bool, Ended>
    where
        C: Http1,
    {
        let mut stage = self.stage.clone();
        let mut closing = false;
        loop {
            let now = *stage.borrow_and_update();
            if now == Stage::Close && !closing {
                closing = true;
                Pin::new(&mut *connection).close();
            }
            let ended = poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if now == Stage::HandOver && requests.is_between() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            tokio::select! {
                biased;
                ended = ended => return ended.map_or(Ok(true), |ended| Ok(ended.map(|()| false)?)),
                changed = stage.changed() => {
                    if changed.is_err() {
                        return Ok(false);
                    }
                }
            }
        }
    }

    /// Gives a connection to another worker; `None` when it is gone from here.
    fn hand_over(&self, stream: TcpStream, unused: &[u8]) -> Option<TcpStream> {
        if *self.stage.borrow() != Stage::HandOver {
            return Some(stream);
        }
        let given = stream.into_std().and_then(|stream| match self.handover.give(&stream, unused) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => TcpStream::from_std(stream).map(Some),
            Err(error) => Err(error),
        });
        given.unwrap_or_else(|error| {
            tracing::warn!(%error, "a connection could not be handed over and is closed");
            None
        })
    }
}

/// hyper's connection type, whose service cannot be named.
trait Http1: Future<Output = hyper::Result<()>> + Unpin {
    /// To end after the request in flight.
    fn close(self: Pin<&mut Self>);
}

impl<I, S, B> Http1 for http1::Connection<I, S>
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
    S: hyper::service::HttpService<Incoming, ResBody = B> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    Self: Unpin,
{
    fn close(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

async fn answer(
    app: Arc<App>,
    requests: Arc<Requests>,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    let in_flight = requests.begin();
    let has_body = !request.body().is_end_stream();
    let reply = request::answer(app, request).await;
    // Only what was accepted was read to its end for certain.
    requests.leave_unread(has_body && !reply.status().is_success());
    Ok(reply.map(|body| Counted { body, _in_flight: in_flight }))
}

/// An answer's body; its request is in flight until hyper has taken the last of it.
struct Counted {
    body: Full<Bytes>,
    _in_flight: InFlight,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why a connection ended before its client said so.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Http(#[from] hyper::Error),
}

/// Looks at the first bytes without taking them.
async fn speaks_http2(stream: &TcpStream) -> io::Result<bool> {
    let mut seen = [0; H2_PREFACE.len()];
    loop {
        let length = stream.peek(&mut seen).await?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if !H2_PREFACE.starts_with(&seen[..length]) {
            return Ok(false);
        }
        if length == H2_PREFACE.len() {
            return Ok(true);
        }
        tokio::time::sleep(PIECES).await;
    }
}

/// Counts a connection while it is open.
pub(crate) struct Open(Arc<AtomicUsize>);

impl Open {
    /// Counts one more.
    pub(crate) fn new(count: Arc<AtomicUsize>) -> Open {
        count.fetch_add(1, Ordering::Relaxed);
        Open(count)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
