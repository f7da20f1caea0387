//! How processes serve: the cache, connections, reading and writing, stopping and replacing.

use serde::{Deserialize, Serialize};

use super::Switch;

/// The shared cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Bytes of the cache, metadata included.
    pub bytes: u64,
    /// Most entries.
    pub entries: u32,
    /// Seconds after which an answer is made anew even if nothing changed.
    pub ttl_seconds: u32,
    /// Seconds after that for which it is still shown while one worker makes it anew.
    pub stale_seconds: u32,
    /// Seconds for which it is remembered that something does not exist.
    pub negative_seconds: u32,
    /// The part of a shard that one answer may take at most, as a divisor.
    pub value_share: u16,
    /// Bytes of copies that each worker keeps in its own memory.
    pub worker_bytes: u64,
    /// Whether the segment is asked for in huge pages.
    pub huge_pages: Switch,
    /// Whether each process maps all of the segment when it starts.
    pub prefault: Switch,
}

impl Default for Cache {
    fn default() -> Self {
        Cache {
            bytes: 50 * 1024 * 1024,
            entries: 10_000,
            ttl_seconds: 3_600,
            stale_seconds: 60,
            negative_seconds: 10,
            value_share: 4,
            worker_bytes: 2 * 1024 * 1024,
            huge_pages: Switch::Off,
            prefault: Switch::Off,
        }
    }
}

/// Bounds of HTTP connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Open connections per worker; at the bound a worker stops accepting.
    pub max_connections: u32,
    /// Seconds a connection is kept between two requests.
    pub idle_seconds: u32,
    /// Seconds a client may take to send a request's head.
    pub header_seconds: u32,
    /// Seconds a request may take altogether, and an answer may wait for its client to read on.
    pub request_seconds: u32,
    /// Most bytes of a request's body.
    pub body_bytes: u64,
    /// Networks whose word on where a request came from is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            max_connections: 10_000,
            // Longer than the 60 seconds for which common load balancers keep theirs.
            idle_seconds: 75,
            header_seconds: 10,
            request_seconds: 30,
            body_bytes: 8 * 1024 * 1024,
            trusted_proxies: vec!["127.0.0.0/8".into(), "::1/128".into()],
        }
    }
}

/// Reading from the databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reads {
    /// Reading connections a worker keeps at least.
    pub min_connections: u16,
    /// Reading connections a worker opens at most.
    pub max_connections: u16,
    /// Milliseconds after which a query is interrupted.
    pub deadline_ms: u32,
    /// Bytes of a database mapped into memory.
    pub mmap_bytes: u64,
}

impl Default for Reads {
    fn default() -> Self {
        Reads { min_connections: 2, max_connections: 5, deadline_ms: 5_000, mmap_bytes: 0 }
    }
}

/// The writer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Writer {
    /// Commands that may wait; one more is refused at once.
    pub queue: u32,
    /// Most commands in one transaction.
    pub batch: u32,
    /// Milliseconds a command may wait before it is refused.
    pub deadline_ms: u32,
    /// SQLite's `synchronous`: `full` or `normal`.
    pub synchronous: Synchronous,
    /// Who copies the log into the database.
    pub checkpoints: Checkpoints,
    /// Hours between two checks of the databases for damage; 0: never.
    pub check_hours: u32,
}

impl Default for Writer {
    fn default() -> Self {
        Writer {
            queue: 4_096,
            batch: 512,
            deadline_ms: 5_000,
            synchronous: Synchronous::Full,
            checkpoints: Checkpoints::Own,
            check_hours: 24,
        }
    }
}

/// Who copies a database's log into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpoints {
    /// The writer.
    Own,
    /// Another program that ships the log away, such as Litestream.
    External,
}

/// SQLite's `synchronous` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// A commit is on disk before it is acknowledged.
    Full,
    /// A power failure may lose the last commits; the database stays sound.
    Normal,
}

/// Stopping and replacing processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Seconds a process may take to finish its work when it stops.
    pub drain_seconds: u32,
    /// Seconds for which a stop is announced on `/readyz` while everything is still served.
    pub leave_seconds: u32,
    /// Seconds a process may take to become ready.
    pub boot_seconds: u32,
    /// Seconds for which the first worker of a reload serves beside the old ones before they go.
    pub probation_seconds: u32,
    /// Seconds of silence after which a process counts as hung and is killed.
    pub hang_seconds: u32,
    /// Bytes of heap past which a worker is replaced.
    pub heap_bytes: u64,
    /// Requests after which a worker is replaced; 0: never.
    pub max_requests: u64,
    /// Seconds after which a worker is replaced; 0: never.
    pub max_age_seconds: u32,
    /// Whether children give up what they do not need.
    pub sandbox: Switch,
}

impl Default for Process {
    fn default() -> Self {
        Process {
            drain_seconds: 30,
            leave_seconds: 0,
            boot_seconds: 30,
            probation_seconds: 2,
            hang_seconds: 10,
            heap_bytes: 400 * 1024 * 1024,
            max_requests: 0,
            max_age_seconds: 0,
            sandbox: Switch::On,
        }
    }
}
