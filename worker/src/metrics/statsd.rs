//! Figures sent over UDP to a receiver that speaks StatsD. Whichever worker first notices that it is time sends what
//! all processes have counted since the last time ([`Pushed`]); so no figure is sent twice, and none is lost with a
//! worker.
//!
//! Times were counted in buckets: each bucket is sent as one value, with a sample rate that says for how many it
//! stands (`7.5|ms|@0.01` is a hundred).

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use cadence::ext::MetricValue;
use cadence::{BufferedUdpMetricSink, Counted, Gauged, MetricBuilder, MetricResult, StatsdClient, Timed};
use cadence::{Metric, ext::ToTimerValue};
use veritable_config::settings::Switch;
use veritable_shm::{LATENCY_BOUNDS, Latency, Pushed, RouteStats};

use super::counters::COUNTERS;
use super::families::{Source, status_name};
use super::{Kind, Value};
use crate::app::{App, READ_TROUBLE_MS};

/// What every name begins with, and what is taken off those that Prometheus knows.
const PREFIX: &str = "veritable";
/// Most bytes of a datagram: what passes any Ethernet in one piece.
const DATAGRAM_BYTES: usize = 1_432;

/// Milliseconds, parts of them too.
struct Millis(f64);

impl ToTimerValue for Millis {
    fn try_to_value(self) -> MetricResult<MetricValue> {
        Ok(MetricValue::Float(self.0))
    }
}

/// A worker's way to send.
pub(crate) struct Sender {
    client: StatsdClient,
    tags: bool,
    every_ms: u64,
}

impl Sender {
    /// The way that the settings name; `None` when there is none, or none can be had, which is logged.
    pub(crate) fn open(app: &App) -> Option<Sender> {
        let settings = &app.config.metrics;
        // The settings were checked: what does not parse is not there.
        let to: SocketAddr = settings.statsd.parse().ok()?;
        let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let sink = UdpSocket::bind(any).map_err(Into::into).and_then(|socket: UdpSocket| {
            socket.set_nonblocking(true)?;
            BufferedUdpMetricSink::with_capacity(to, socket, DATAGRAM_BYTES)
        });
        match sink {
            Ok(sink) => Some(Sender {
                client: StatsdClient::builder(PREFIX, sink)
                    .with_error_handler(|error| tracing::debug!(%error, "figures were not sent"))
                    .build(),
                tags: settings.statsd_tags == Switch::On,
                every_ms: u64::from(settings.interval_seconds) * 1_000,
            }),
            Err(error) => {
                tracing::error!(%error, %to, "figures cannot be sent");
                None
            }
        }
    }

    /// Sends, if it is time and nobody else does.
    pub(crate) async fn look(&self, app: &Arc<App>) {
        let pushed = Pushed::of(&app.segment);
        if pushed.turn(self.every_ms, veritable_shm::now_ms()) {
            let writer_answers = app.writer_answers().await;
            self.requests(&pushed.routes());
            self.counters(&pushed);
            self.gauges(&Source {
                segment: &app.segment,
                config: &app.config,
                read_trouble_ms: READ_TROUBLE_MS,
                writer_answers,
            });
            if let Err(error) = self.client.flush() {
                tracing::debug!(%error, "figures were not sent");
            }
        }
    }

    /// What was answered: by route with tags, else all together.
    fn requests(&self, routes: &[RouteStats]) {
        if self.tags {
            routes.iter().for_each(|route| self.answers(&[("route", &route.name)], route));
            return;
        }
        let mut all = RouteStats::default();
        for route in routes {
            all.latency.add(&route.latency);
            for &(status, count) in &route.statuses {
                match all.statuses.iter_mut().find(|(known, _)| *known == status) {
                    Some((_, sum)) => *sum += count,
                    None => all.statuses.push((status, count)),
                }
            }
        }
        self.answers(&[], &all);
    }

    fn answers(&self, tags: &[(&str, &str)], stats: &RouteStats) {
        for &(status, count) in &stats.statuses {
            let name = format!("request.status.{}", status_name(status));
            tagged(self.client.count_with_tags(&name, count), tags);
        }
        let slow = stats.latency.violations();
        if slow > 0 {
            tagged(self.client.count_with_tags("slo.violation.p95", slow), tags);
        }
        for (millis, count) in values(&stats.latency) {
            let timer = self.client.time_with_tags("request.duration", Millis(millis));
            tagged(if count > 1 { timer.with_sampling_rate(1.0 / count as f64) } else { timer }, tags);
        }
    }

    fn counters(&self, pushed: &Pushed) {
        for (counter, rise) in pushed.counters() {
            let Some(named) = COUNTERS.iter().find(|named| named.counter == counter && rise > 0) else {
                continue;
            };
            let labels: Vec<(&str, &str)> = named.label.into_iter().collect();
            let (name, tags) = self.named(named.name, &labels);
            tagged(self.client.count_with_tags(&name, rise), tags);
        }
    }

    fn gauges(&self, source: &Source<'_>) {
        for family in source.gauges().iter().filter(|family| family.kind == Kind::Gauge) {
            for sample in &family.samples {
                let labels: Vec<(&str, &str)> =
                    sample.labels.iter().map(|(name, value)| (*name, value.as_ref())).collect();
                let (name, tags) = self.named(family.name, &labels);
                match sample.value {
                    Value::Whole(value) => tagged(self.client.gauge_with_tags(&name, value), tags),
                    Value::Real(value) => tagged(self.client.gauge_with_tags(&name, value), tags),
                    Value::Buckets { .. } => {}
                }
            }
        }
    }

    /// A figure's name among StatsD's, and its tags; without tags, what they would say is part of the name.
    fn named<'t>(&self, name: &str, labels: &'t [(&'t str, &'t str)]) -> (String, &'t [(&'t str, &'t str)]) {
        let mut name = name.trim_start_matches("veritable_").to_owned();
        if self.tags {
            return (name, labels);
        }
        for (_, value) in labels {
            name.push('.');
            name.push_str(&value.replace(['.', ':', '|', '@', '#'], "_"));
        }
        (name, &[])
    }
}

fn tagged<'m, T: Metric + From<String>>(
    mut metric: MetricBuilder<'m, '_, T>,
    tags: &'m [(&'m str, &'m str)],
) {
    for (key, value) in tags {
        metric = metric.with_tag(key, value);
    }
    metric.send();
}

/// The middle of each bucket, milliseconds, with how many fell into it; of what is above all, the last bound.
fn values(latency: &Latency) -> impl Iterator<Item = (f64, u64)> {
    let bounds = LATENCY_BOUNDS.map(|micros| f64::from(micros) / 1e3);
    let middle = move |index: usize| match (index, bounds.get(index)) {
        (0, Some(to)) => to / 2.0,
        (_, Some(to)) => f64::midpoint(bounds[index - 1], *to),
        (_, None) => bounds[bounds.len() - 1],
    };
    let counts = latency.counts;
    (0..counts.len()).map(move |index| (middle(index), counts[index])).filter(|(_, count)| *count > 0)
}
