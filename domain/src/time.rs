//! Points in time as the databases and messages carry them.

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use serde::{Deserialize, Serialize};
use wincode::{SchemaRead, SchemaWrite};

/// Milliseconds since 1970-01-01T00:00:00Z (POSIX time, no leap seconds). Shown as RFC 3339 in UTC.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, SchemaWrite, SchemaRead,
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The clock now. Called once per transaction or request and handed down.
    pub fn now() -> Self {
        UnixMillis(Timestamp::now().as_millisecond())
    }

    /// Reads an RFC 3339 time such as `2016-11-13T05:22:31.000Z`; `None` when it is not one.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<Timestamp>().ok().map(|time| UnixMillis(time.as_millisecond()))
    }

    /// The time as `jiff` has it; values outside its range become the epoch.
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// RFC 3339 in UTC, whole seconds: `2016-11-13T05:22:31Z`.
    pub fn rfc3339(self) -> String {
        // Lists hold two a line; a format string would be read anew for each.
        const SECONDS: DateTimePrinter = DateTimePrinter::new().precision(Some(0));
        SECONDS.timestamp_to_string(&self.timestamp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_is_read_and_written() {
        let time = UnixMillis::parse("2016-11-13T05:22:31.250Z").unwrap();
        assert_eq!(time.0, 1_479_014_551_250);
        assert_eq!(time.rfc3339(), "2016-11-13T05:22:31Z");
        assert_eq!(UnixMillis::parse("yesterday"), None);
        assert_eq!(UnixMillis(i64::MAX).rfc3339(), "1970-01-01T00:00:00Z");
    }
}
