//! One connection: which protocol it speaks, then its requests, until the client, its patience or the drain
//! ends it.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::AsyncReadExt;
use tokio::sync::watch;
use veritable_config::settings::Entry;

use super::accept::Accepted;
use super::content;
use super::handover::Handover;
use super::peer::{ProxyHeader, proxy_header};
use super::received::Received;
use super::request;
use super::socket::{InFlight, Patience, Requests, Socket};
use super::stream::{Origin, Stream};
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
/// Bytes read at once before the protocol is known.
const BEGINNING_BYTES: usize = 1_024;
/// Pause between two requests after which a connection rests: what is needed to serve one, two buffers of 8 KiB above all,
/// is put away until the next one comes. To have it again takes some microseconds.
const REST: Duration = Duration::from_millis(20);
/// Pause before another try to hand a connection over.
const AGAIN: Duration = Duration::from_millis(5);

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
            rest: REST,
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
        let Accepted { stream, origin, before, open } = accepted;
        if let Err(error) = self.converse(stream, origin, before).await {
            // A client that leaves, or that speaks nonsense and was told so: daily life.
            tracing::debug!(%error, "a connection ended early");
        }
        drop(open);
    }

    async fn converse(&self, stream: OwnedFd, mut origin: Origin, before: Bytes) -> Result<(), Ended> {
        let mut stream = Stream::new(stream, origin.unix)?;
        if origin.begun {
            return self.http1(stream, origin, before).await;
        }
        let mut stage = self.stage.clone();
        let mut read = BytesMut::from(before);
        let begun = tokio::select! {
            begun = tokio::time::timeout(self.patience.head, begin(&mut stream, &mut origin, &mut read)) => {
                Some(begun.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??)
            }
            _ = stage.wait_for(|stage| *stage != Stage::Serve) => None,
        };
        match begun {
            Some(Protocol::Http1) => {
                origin.begun = true;
                self.http1(stream, origin, read.freeze()).await
            }
            Some(Protocol::Http2) => self.http2(stream, origin, read.freeze()).await,
            // Too many are on their way already, or all end: it has had nothing yet that could be lost.
            None => self.hand_over(stream, &origin, &read).map_or(Ok(()), |_closed| Ok(())),
        }
    }

    async fn http2(&self, stream: Stream, origin: Origin, before: Bytes) -> Result<(), Ended> {
        let mut stage = self.stage.clone();
        let requests = Arc::new(Requests::default());
        let socket = Socket::new(stream, before, self.patience, requests.clone(), false);
        let service = service_fn(|request| answer(self.app.clone(), origin, requests.clone(), request));
        let mut connection = pin!(self.http2.serve_connection(TokioIo::new(socket), service));
        tokio::select! {
            ended = connection.as_mut() => return Ok(ended?),
            // The protocol has a way of its own to send clients elsewhere without losing a request.
            _ = stage.wait_for(|stage| *stage != Stage::Serve) => connection.as_mut().graceful_shutdown(),
        }
        Ok(connection.await?)
    }

    async fn http1(&self, mut stream: Stream, origin: Origin, mut before: Bytes) -> Result<(), Ended> {
        loop {
            if before.is_empty() {
                // The room for a head may still be in it.
                before = Bytes::new();
                self.rest(&stream).await?;
            }
            match self.hand_over(stream, &origin, &before) {
                None => return Ok(()),
                Some(kept) => stream = kept,
            }
            if *self.stage.borrow() == Stage::HandOver {
                // Too many are on their way: serve on for a moment, then try again.
                tokio::time::sleep(AGAIN).await;
            }
            // On the heap, so that a connection that rests is small.
            let Some(left) = Box::pin(self.requests(stream, origin, before)).await? else { return Ok(()) };
            (stream, before) = left;
        }
    }

    /// Waits between two requests, for the next one's first byte or for another stage.
    async fn rest(&self, stream: &Stream) -> io::Result<()> {
        let mut stage = self.stage.clone();
        tokio::select! {
            readable = tokio::time::timeout(self.patience.idle, stream.readable()) => {
                readable.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            }
            _ = stage.wait_for(|stage| *stage != Stage::Serve) => Ok(()),
        }
    }

    /// Answers requests until the connection ends (`None`), or between two of them can rest or go elsewhere: then with the
    /// bytes that were read and not used.
    async fn requests(
        &self,
        stream: Stream,
        origin: Origin,
        before: Bytes,
    ) -> Result<Option<(Stream, Bytes)>, Ended> {
        let requests = Arc::new(Requests::default());
        let socket = Socket::new(stream, before, self.patience, requests.clone(), true);
        let service = service_fn(|request| answer(self.app.clone(), origin, requests.clone(), request));
        let mut connection = self.http1.serve_connection(TokioIo::new(socket), service);
        if !self.serve_until_between(&mut connection, &requests).await? {
            return Ok(None);
        }
        let parts = connection.into_parts();
        let (stream, unread) = parts.io.into_inner().into_parts();
        let unused =
            if unread.is_empty() { parts.read_buf } else { [parts.read_buf, unread].concat().into() };
        Ok(Some((stream, unused)))
    }

    /// Serves until the connection ends, or until it can be left: then it is not to be polled again.
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
            let can_be_left = || match now {
                Stage::Serve => requests.may_rest(),
                Stage::HandOver => requests.is_between(),
                Stage::Close => false,
            };
            let ended = poll_fn(|cx| match Pin::new(&mut *connection).poll(cx) {
                Poll::Ready(ended) => Poll::Ready(Some(ended)),
                Poll::Pending if can_be_left() => Poll::Ready(None),
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
    fn hand_over(&self, stream: Stream, origin: &Origin, unused: &[u8]) -> Option<Stream> {
        if *self.stage.borrow() != Stage::HandOver {
            return Some(stream);
        }
        let given = stream.into_fd().and_then(|fd| match self.handover.give(&fd, origin, unused) {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Stream::new(fd, origin.unix).map(Some),
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
    origin: Origin,
    requests: Arc<Requests>,
    request: Request<Incoming>,
) -> Result<Response<Counted>, Infallible> {
    let in_flight = requests.begin();
    let request = request.map(|body| Received::new(body, requests.clone()));
    let reply = request::answer(app, &origin, request).await;
    requests.send_from(match reply.body() {
        content::Body::Sealed(_, sealed) => Some(sealed.clone()),
        _ => None,
    });
    Ok(reply.map(|body| Counted { body, _in_flight: in_flight }))
}

/// An answer's body; its request is in flight until hyper has taken the last of it.
struct Counted {
    body: content::Body,
    _in_flight: InFlight,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
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

/// What a connection speaks.
enum Protocol {
    Http1,
    Http2,
}

/// Reads a connection's beginning: the PROXY header where one is due, then enough to tell the protocols apart.
/// What was read and not used stays in `read`.
async fn begin(stream: &mut Stream, origin: &mut Origin, read: &mut BytesMut) -> io::Result<Protocol> {
    if origin.entry == Entry::Proxy && !origin.proxied {
        loop {
            match proxy_header(read) {
                ProxyHeader::Whole { bytes, source } => {
                    read.advance(bytes);
                    origin.proxied = true;
                    origin.peer = source.or(origin.peer);
                    break;
                }
                ProxyHeader::Part => more(stream, read).await?,
                ProxyHeader::Absent => return Err(io::Error::other("no PROXY header where one is due")),
            }
        }
    }
    loop {
        let length = read.len().min(H2_PREFACE.len());
        if length > 0 && read[..length] != H2_PREFACE[..length] {
            return Ok(Protocol::Http1);
        }
        if length == H2_PREFACE.len() {
            return Ok(Protocol::Http2);
        }
        more(stream, read).await?;
    }
}

async fn more(stream: &mut Stream, read: &mut BytesMut) -> io::Result<()> {
    // A typical head, so that it is all there is to read.
    read.reserve(BEGINNING_BYTES);
    match stream.read_buf(read).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}
