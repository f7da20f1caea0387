//! Connections on the event loop, from the first to the last: serve, then drain in good order.

use std::convert::Infallible;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use tokio::sync::oneshot;
use veritable_config::channel::{Channel, Order};

use super::accept::Accepting;
use super::request;
use crate::app::App;

/// Most bytes of a request's head. Browsers send less than 4 KiB; proxies add some.
const HEAD_BYTES: usize = 32 * 1024;
/// Most header lines.
const HEAD_LINES: usize = 100;
/// Streams of one HTTP/2 connection at a time.
const H2_STREAMS: u32 = 128;
/// How long connections that are idle when the drain begins are still served, so that a request already on
/// its way is answered (with `Connection: close`) and not reset.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// How often the drain looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// Rhythm of the heartbeat.
const BEAT: Duration = Duration::from_millis(500);

/// Serves until the master says otherwise.
pub(crate) async fn until_told(app: Arc<App>, mut accepting: Accepting, mut orders: Channel) {
    let (tell, mut told) = oneshot::channel();
    let waiting = std::thread::Builder::new().name("orders".into()).spawn(move || {
        let order = orders.wait();
        if order == Order::MasterGone {
            // Nobody is left to report to, and a successor may be starting: do not linger.
            tracing::info!("the master is gone");
            std::process::exit(0);
        }
        // The other end is gone only when the worker is ending anyway.
        let _ending = tell.send(order);
    });
    if let Err(error) = waiting {
        tracing::error!(%error, "cannot wait for orders");
        return;
    }
    let server = server(&app);
    let graceful = GracefulShutdown::new();
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            _ = &mut told => break,
            _ = beat.tick() => app.beat(),
            stream = accepting.streams.recv() => match stream {
                Some(stream) => connect(&app, &server, &graceful, &accepting, stream),
                None => break,
            },
        }
    }
    drain(app, accepting, &server, graceful).await;
}

fn server(app: &App) -> auto::Builder<TokioExecutor> {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(app.config.http.header_seconds.into()))
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(H2_STREAMS)
        .max_header_list_size(HEAD_BYTES as u32)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(20));
    server
}

/// Gives a connection its task.
fn connect(
    app: &Arc<App>,
    server: &auto::Builder<TokioExecutor>,
    graceful: &GracefulShutdown,
    accepting: &Accepting,
    stream: TcpStream,
) {
    let open = Open(accepting.open.clone());
    let stream = match tokio::net::TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!(%error, "a connection cannot be watched");
            return;
        }
    };
    let app = app.clone();
    let service = service_fn(move |incoming| {
        let app = app.clone();
        async move { Ok::<_, Infallible>(request::answer(app, incoming).await) }
    });
    let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
    let watched = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = watched.await {
            // A client that leaves, or that speaks nonsense and was told so: daily life.
            tracing::debug!(%error, "a connection ended early");
        }
        drop(open);
    });
}

/// Counts a connection out when it ends.
struct Open(Arc<std::sync::atomic::AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Stops accepting, answers with `Connection: close`, lets idle connections be for a moment, then closes
/// them, and waits for requests in flight until the deadline.
async fn drain(
    app: Arc<App>,
    mut accepting: Accepting,
    server: &auto::Builder<TokioExecutor>,
    graceful: GracefulShutdown,
) {
    let most = Duration::from_secs(app.config.process.drain_seconds.into());
    let deadline = tokio::time::Instant::now() + most;
    app.draining.store(true, Ordering::Relaxed);
    accepting.stop();
    let grace = tokio::time::Instant::now() + IDLE_GRACE.min(most);
    let mut taking = true;
    while tokio::time::Instant::now() < grace && (taking || accepting.open.load(Ordering::Relaxed) > 0) {
        tokio::select! {
            stream = accepting.streams.recv(), if taking => match stream {
                Some(stream) => connect(&app, server, &graceful, &accepting, stream),
                None => taking = false,
            },
            () = tokio::time::sleep(DRAIN_LOOK) => app.beat(),
        }
    }
    while let Ok(stream) = accepting.streams.try_recv() {
        connect(&app, server, &graceful, &accepting, stream);
    }
    if tokio::time::timeout_at(deadline, graceful.shutdown()).await.is_err() {
        let left = accepting.open.load(Ordering::Relaxed);
        tracing::warn!(left, "connections still open at the drain's deadline are closed");
    }
}
