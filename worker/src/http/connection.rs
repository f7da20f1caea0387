//! One connection: which protocol it speaks, then its requests, until the client, its patience or the drain
//! ends it.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::request;
use super::socket::{Patience, Requests, Socket};
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
/// Pause before another look at a preface that arrives in pieces, which no real client sends.
const PIECES: Duration = Duration::from_millis(5);

/// How this worker serves connections.
pub(crate) struct Server {
    app: Arc<App>,
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
    patience: Patience,
    closing: watch::Receiver<bool>,
}

impl Server {
    /// `closing` becomes true when connections are to end as soon as they have answered.
    pub(crate) fn new(app: Arc<App>, closing: watch::Receiver<bool>) -> Server {
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
        Server { app, http1, http2, patience, closing }
    }

    /// Serves one connection to its end, which `open` counts.
    pub(crate) async fn serve(&self, stream: std::net::TcpStream, open: Open) {
        if let Err(error) = self.converse(stream).await {
            // A client that leaves, or that speaks nonsense and was told so: daily life.
            tracing::debug!(%error, "a connection ended early");
        }
        drop(open);
    }

    async fn converse(&self, stream: std::net::TcpStream) -> Result<(), Ended> {
        let stream = TcpStream::from_std(stream)?;
        let mut closing = self.closing.clone();
        let http2 = tokio::select! {
            spoken = tokio::time::timeout(self.patience.head, speaks_http2(&stream)) => {
                spoken.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??
            }
            _ = closing.wait_for(|closing| *closing) => return Ok(()),
        };
        let requests = Arc::new(Requests::default());
        let socket = TokioIo::new(Socket::new(stream, self.patience, requests.clone(), !http2));
        let service = service_fn(|incoming| {
            let (app, in_flight) = (self.app.clone(), requests.begin());
            async move {
                let reply = request::answer(app, incoming).await;
                drop(in_flight);
                Ok::<_, Infallible>(reply)
            }
        });
        // Both protocols have the same two steps, in types of their own.
        if http2 {
            let mut connection = pin!(self.http2.serve_connection(socket, service));
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                _ = closing.wait_for(|closing| *closing) => connection.as_mut().graceful_shutdown(),
            }
            Ok(connection.await?)
        } else {
            let mut connection = pin!(self.http1.serve_connection(socket, service));
            tokio::select! {
                ended = connection.as_mut() => return Ok(ended?),
                _ = closing.wait_for(|closing| *closing) => connection.as_mut().graceful_shutdown(),
            }
            Ok(connection.await?)
        }
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
