//! Figures for whoever watches: read from the shared segment, where every process counts, by whichever worker is
//! asked (`page`) or has the turn to send them (`statsd`). docs/metrics.md lists them all.

mod counters;
mod families;
mod page;
mod statsd;

pub(crate) use page::page;
pub use page::reference;
pub(crate) use statsd::Sender;

use std::borrow::Cow;

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It only rises; differences count.
    Counter,
    /// What there is now.
    Gauge,
    /// How many values lay below each of some bounds.
    Histogram,
}

/// Figures of one name.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    /// As Prometheus has it, but for a counter's `_total`.
    pub(crate) name: &'static str,
    /// What it means, with its unit.
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    pub(crate) samples: Vec<Sample>,
}

/// What a sample is of.
pub(crate) type Labels = Vec<(&'static str, Cow<'static, str>)>;

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) labels: Labels,
    pub(crate) value: Value,
}

/// Its value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Whole(u64),
    Real(f64),
    Buckets {
        sum: f64,
        /// Upper bounds, the last of them infinite, and how many values lay in each bucket alone.
        buckets: Vec<(f64, u64)>,
    },
}

impl Family {
    fn new(kind: Kind, name: &'static str, help: &'static str) -> Family {
        Family { name, help, kind, samples: Vec::new() }
    }

    /// With one sample, of nothing in particular.
    fn of(self, value: Value) -> Family {
        self.with(Vec::new(), value)
    }

    fn with(mut self, labels: Labels, value: Value) -> Family {
        self.samples.push(Sample { labels, value });
        self
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Value::Whole(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Value::Real(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Whole(value.into())
    }
}
