//! Connections on the event loop, from the first to the last: serve, then drain in good order.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use veritable_config::channel::{Channel, Order};
use veritable_shm::Series;

use super::accept::{Accepted, Accepting};
use super::connection::{Server, Stage};
use super::handover::Handover;
use crate::app::App;
use crate::metrics::Sender;

/// How long connections that are idle when the drain begins are still served, so that a request already on
/// its way is answered (with `Connection: close`) and not reset.
const IDLE_GRACE: Duration = Duration::from_secs(1);
/// How often the drain looks whether all connections are gone.
const DRAIN_LOOK: Duration = Duration::from_millis(10);
/// Rhythm of the heartbeat.
const BEAT: Duration = Duration::from_millis(500);
/// How often a worker looks whether it has the turn to send figures.
const PUSH_LOOK: Duration = Duration::from_millis(250);
/// How often the event loop's lag is taken.
const LAG: Duration = Duration::from_millis(20);

/// Serves until the master says drain, then drains; returns at once when the master is gone, since nobody
/// is left to report to and a successor may be starting.
pub(crate) async fn until_told(
    app: Arc<App>,
    mut accepting: Accepting,
    handover: Handover,
    mut orders: Channel,
) {
    let (tell, mut told) = mpsc::unbounded_channel();
    let waiting = std::thread::Builder::new().name("orders".into()).spawn(move || {
        // The other end is gone only when the worker is ending anyway.
        while tell.send(orders.wait()).is_ok() {}
    });
    if let Err(error) = waiting {
        tracing::error!(%error, "cannot wait for orders");
        return;
    }
    let (stage, stages) = watch::channel(Stage::Serve);
    let server = Arc::new(Server::new(app.clone(), stages, handover));
    let lagging = app.clone();
    tokio::spawn(async move {
        loop {
            let due = Instant::now() + LAG;
            tokio::time::sleep_until(due).await;
            lagging.meter.time(Series::LoopLag, due.elapsed());
        }
    });
    if let Some(sender) = Sender::open(&app) {
        let app = app.clone();
        tokio::spawn(async move {
            let mut look = tokio::time::interval(PUSH_LOOK);
            loop {
                look.tick().await;
                sender.look(&app).await;
            }
        });
    }
    let mut beat = tokio::time::interval(BEAT);
    let first = loop {
        tokio::select! {
            order = told.recv() => match order {
                Some(Order::Shed) => app.shed(),
                Some(Order::Leave) => app.leave(),
                Some(Order::HandOver) => break Stage::HandOver,
                Some(Order::Drain) => break Stage::Close,
                Some(Order::MasterGone) | None => {
                    tracing::info!("the master is gone");
                    return;
                }
            },
            _ = beat.tick() => app.beat(accepting.open.count()),
            accepted = accepting.connections.recv() => match accepted {
                Some(accepted) => connect(&server, accepted),
                None => break Stage::Close,
            },
        }
    };
    Drain { app: &app, accepting, server: &server, stage: &stage, orders: told }.run(first, &mut beat).await;
}

/// Gives a connection its task.
fn connect(server: &Arc<Server>, accepted: Accepted) {
    let server = server.clone();
    tokio::spawn(async move { server.serve(accepted).await });
}

/// The end of a worker in good order.
struct Drain<'a> {
    app: &'a App,
    accepting: Accepting,
    server: &'a Arc<Server>,
    stage: &'a watch::Sender<Stage>,
    orders: mpsc::UnboundedReceiver<Order>,
}

impl Drain<'_> {
    /// Stops accepting; then hands connections over as they have answered, or answers with
    /// `Connection: close`, lets idle ones be for a moment, and closes them. Waits for requests in flight
    /// until the deadline.
    async fn run(mut self, mut wanted: Stage, beat: &mut tokio::time::Interval) {
        let begun = Instant::now();
        let deadline = begun + Duration::from_secs(self.app.config.process.drain_seconds.into());
        let mut close_at = deadline.min(begun + IDLE_GRACE);
        self.begin(wanted);
        let mut taking = true;
        while taking || self.accepting.open.count() > 0 {
            let now = Instant::now();
            if now >= close_at && wanted == Stage::Close {
                self.accepting.stop_adopting();
                self.stage.send_replace(Stage::Close);
            }
            if now >= deadline {
                let left = self.accepting.open.count();
                tracing::warn!(left, "connections still open at the drain's deadline are closed");
                return;
            }
            tokio::select! {
                accepted = self.accepting.connections.recv(), if taking => match accepted {
                    Some(accepted) => connect(self.server, accepted),
                    None => taking = false,
                },
                order = self.orders.recv() => match order {
                    // Now everybody ends: there is nobody to hand anything to.
                    Some(Order::Drain) if wanted == Stage::HandOver => {
                        wanted = Stage::Close;
                        close_at = deadline.min(now + IDLE_GRACE);
                        self.begin(wanted);
                    }
                    Some(Order::MasterGone) | None => return,
                    Some(_) => {}
                },
                _ = beat.tick() => self.app.beat(self.accepting.open.count()),
                () = tokio::time::sleep(DRAIN_LOOK) => {}
            }
        }
    }

    fn begin(&self, wanted: Stage) {
        self.accepting.stop();
        self.app.drain(wanted == Stage::Close);
        if wanted == Stage::HandOver {
            self.accepting.stop_adopting();
            self.stage.send_replace(Stage::HandOver);
        } else {
            self.stage.send_replace(Stage::Serve);
        }
    }
}
