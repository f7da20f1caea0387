//! The answer to `/metrics`: OpenMetrics 1.0 for those who ask for it, else the text format of Prometheus 0.0.4.

use std::fmt::{self, Write};

use http::HeaderValue;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use veritable_config::Config;
use veritable_shm::Segment;

use super::families::Source;
use super::{Family, Kind, Sample, Value};
use crate::app::{App, READ_TROUBLE_MS};

/// What Prometheus asks for by that name (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The page, and what it is.
pub(crate) async fn page(app: &App, accept: Option<&HeaderValue>) -> (&'static str, String) {
    let writer_answers = app.writer_answers().await;
    let source = Source {
        segment: &app.segment,
        config: &app.config,
        read_trouble_ms: READ_TROUBLE_MS,
        writer_answers,
    };
    let accept = accept.and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    encode(source.families(), accept.contains("application/openmetrics-text"))
}

fn encode(families: Vec<Family>, openmetrics: bool) -> (&'static str, String) {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(families)));
    let mut page = String::new();
    let (content_type, encoded) = if openmetrics {
        (OPENMETRICS, text::encode(&mut page, &registry))
    } else {
        (prometheus_text::CONTENT_TYPE, prometheus_text::encode(&mut page, &registry))
    };
    if let Err(error) = encoded {
        // Writing to a string does not fail, and the names and labels are ours.
        tracing::error!(%error, "the figures cannot be written");
    }
    (content_type, page)
}

#[derive(Debug)]
struct Families(Vec<Family>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in self.0.iter().filter(|family| !family.samples.is_empty()) {
            let kind = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram => MetricType::Histogram,
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for sample in &family.samples {
                if sample.labels.is_empty() {
                    write_value(&mut metric, family.kind, sample)?;
                } else {
                    write_value(&mut metric.encode_family(&sample.labels)?, family.kind, sample)?;
                }
            }
        }
        Ok(())
    }
}

fn write_value(metric: &mut MetricEncoder<'_>, kind: Kind, sample: &Sample) -> fmt::Result {
    match (kind, &sample.value) {
        (Kind::Counter, Value::Whole(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (Kind::Counter, Value::Real(value)) => metric.encode_counter::<NoLabelSet, _, u64>(value, None),
        (_, Value::Whole(value)) => metric.encode_gauge(value),
        (_, Value::Real(value)) => metric.encode_gauge(value),
        (_, Value::Buckets { sum, buckets }) => {
            let count = buckets.iter().map(|(_, count)| count).sum();
            metric.encode_histogram::<NoLabelSet>(*sum, count, buckets, None)
        }
    }
}

/// The table of all figures in docs/metrics.md.
#[must_use]
pub fn reference(segment: &Segment) -> String {
    let config = Config::default();
    let source = Source { segment, config: &config, read_trouble_ms: READ_TROUBLE_MS, writer_answers: true };
    let mut table = String::from("| name | kind | meaning |\n|---|---|---|\n");
    for family in source.families() {
        let (kind, suffix) = match family.kind {
            Kind::Counter => ("counter", "_total"),
            Kind::Gauge => ("gauge", ""),
            Kind::Histogram => ("histogram", ""),
        };
        // Writing to a string does not fail.
        let _ = writeln!(table, "| `{}{suffix}` | {kind} | {} |", family.name, family.help);
    }
    table
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use veritable_shm::{Counter, Geometry, Routes, Scoreboard};

    use super::*;

    fn segment() -> Segment {
        Segment::create(&Geometry::default()).unwrap().1
    }

    #[test]
    fn the_table_of_the_page_about_metrics_is_the_one_printed() {
        const BEGIN: &str =
            "<!-- The table is written by UPDATE=1 cargo test -p veritable-worker metrics. -->\n";
        const END: &str = "<!-- The end of the table. -->\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
        let page = std::fs::read_to_string(path).unwrap();
        let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
        let (table, after) = rest.split_once(END).expect("where it ends");
        let reference = reference(&segment());
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, [before, BEGIN, &reference, END, after].concat()).unwrap();
            return;
        }
        assert_eq!(table, reference, "run this test with UPDATE=1 to write the table of {path} anew");
    }

    #[test]
    fn names_keep_to_the_conventions() {
        let segment = segment();
        let config = Config::default();
        let source = Source { segment: &segment, config: &config, read_trouble_ms: 1, writer_answers: false };
        let mut seen = std::collections::HashSet::new();
        for family in source.families() {
            let name = family.name;
            assert!(seen.insert(name), "{name} is there twice");
            assert!(name.starts_with("veritable_") && !name.ends_with("_total"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
            assert!(!family.help.is_empty() && !family.help.contains(['\\', '\n', '|']), "{name}");
            // The base units of https://prometheus.io/docs/practices/naming/.
            for other in ["_ms", "_milliseconds", "_kb", "_percent"] {
                assert!(!name.ends_with(other), "{name}");
            }
        }
    }

    #[test]
    fn what_was_counted_is_on_the_page_in_both_forms() {
        let segment = segment();
        let routes = Routes::of(&segment, 0);
        let route = routes.find("/t/{slug}/{id}");
        routes.record(route, 200, Duration::from_millis(127));
        routes.record(route, 503, Duration::from_millis(128));
        Scoreboard::of(&segment).add(0, Counter::CacheHit, 7);
        let config = Config::default();
        let source = Source { segment: &segment, config: &config, read_trouble_ms: 1, writer_answers: false };
        let (_, old) = encode(source.families(), false);
        for line in [
            "# TYPE veritable_http_requests_total counter",
            "veritable_http_requests_total{route=\"/t/{slug}/{id}\",status=\"503\"} 1",
            "veritable_http_request_duration_seconds_bucket{route=\"/t/{slug}/{id}\",le=\"0.1\"} 0",
            "veritable_http_request_duration_seconds_bucket{route=\"/t/{slug}/{id}\",le=\"0.127\"} 1",
            "veritable_http_request_duration_seconds_bucket{route=\"/t/{slug}/{id}\",le=\"+Inf\"} 2",
            "veritable_http_request_duration_seconds_sum{route=\"/t/{slug}/{id}\"} 0.255",
            "veritable_http_slo_violations_total{route=\"/t/{slug}/{id}\"} 1",
            "veritable_cache_lookups_total{result=\"hit\"} 7",
            "veritable_writer_reachable 0",
        ] {
            assert!(old.lines().any(|found| found == line), "{line:?} in {old}");
        }
        let (content_type, new) = encode(source.families(), true);
        assert!(content_type.starts_with("application/openmetrics-text"));
        assert!(
            new.contains("# TYPE veritable_http_requests counter\n") && new.ends_with("# EOF\n"),
            "{new}"
        );
    }
}
