//! Connections on the event loop, from the first to the last: serve, then drain in good order.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;
use veritable_config::channel::{Channel, Order};

use super::accept::{Accepted, Accepting};
use super::connection::Server;
use crate::app::App;

/// How long connections that are idle when the drain begins are still served, so that a request already on
/// its way is answered (with `Connection: close`) and not reset.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// How often the drain looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// Rhythm of the heartbeat.
const BEAT: Duration = Duration::from_millis(500);

/// Serves until the master says drain, then drains; returns at once when the master is gone, since nobody
/// is left to report to and a successor may be starting.
pub(crate) async fn until_told(app: Arc<App>, mut accepting: Accepting, mut orders: Channel) {
    let (tell, mut told) = oneshot::channel();
    let waiting = std::thread::Builder::new().name("orders".into()).spawn(move || {
        // The other end is gone only when the worker is ending anyway.
        let _ending = tell.send(orders.wait());
    });
    if let Err(error) = waiting {
        tracing::error!(%error, "cannot wait for orders");
        return;
    }
    let (close, closing) = watch::channel(false);
    let server = Arc::new(Server::new(app.clone(), closing));
    let mut beat = tokio::time::interval(BEAT);
    loop {
        tokio::select! {
            order = &mut told => match order {
                Ok(Order::Drain) => break,
                Ok(Order::MasterGone) | Err(_) => {
                    tracing::info!("the master is gone");
                    return;
                }
            },
            _ = beat.tick() => app.beat(),
            accepted = accepting.connections.recv() => match accepted {
                Some(accepted) => connect(&server, accepted),
                None => break,
            },
        }
    }
    drain(&app, accepting, &server, &close, &mut beat).await;
}

/// Gives a connection its task.
fn connect(server: &Arc<Server>, Accepted { stream, open }: Accepted) {
    let server = server.clone();
    tokio::spawn(async move { server.serve(stream, open).await });
}

/// Stops accepting, answers with `Connection: close`, lets idle connections be for a moment, then closes
/// them, and waits for requests in flight until the deadline.
async fn drain(
    app: &App,
    mut accepting: Accepting,
    server: &Arc<Server>,
    close: &watch::Sender<bool>,
    beat: &mut tokio::time::Interval,
) {
    app.drain();
    accepting.stop();
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs(app.config.process.drain_seconds.into());
    let grace = deadline.min(begun + IDLE_GRACE);
    let mut taking = true;
    while taking || accepting.open.load(Ordering::Relaxed) > 0 {
        let now = Instant::now();
        if now >= grace && !taking {
            close.send_replace(true);
        }
        if now >= deadline {
            let left = accepting.open.load(Ordering::Relaxed);
            tracing::warn!(left, "connections still open at the drain's deadline are closed");
            return;
        }
        tokio::select! {
            accepted = accepting.connections.recv(), if taking => match accepted {
                Some(accepted) => connect(server, accepted),
                None => taking = false,
            },
            _ = beat.tick() => app.beat(),
            () = tokio::time::sleep(DRAIN_LOOK) => {}
        }
    }
}
