//! What is told of all this: logs and figures.

use serde::{Deserialize, Serialize};

use super::Switch;

/// Logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or tracing's directives.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
    /// Which requests have a line.
    pub access: Access,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Text, access: Access::Slow }
    }
}

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// None.
    Off,
    /// Those that took longer than is promised.
    Slow,
    /// All.
    On,
}

/// Figures that are sent to a receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// `IP:PORT` of a receiver that speaks StatsD; empty: none.
    pub statsd: String,
    /// Whether it understands tags.
    pub statsd_tags: Switch,
    /// Seconds between two sendings.
    pub interval_seconds: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { statsd: String::new(), statsd_tags: Switch::Off, interval_seconds: 10 }
    }
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
