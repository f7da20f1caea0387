//! The shared memory segment: what all processes of one server know together, and nothing else of ours.
//!
//! One sealed memfd holds the bounded cache ([`Cache`]), the tags that make its entries stale ([`Tags`]),
//! the leases that keep two workers from computing one answer ([`Leases`]), the sessions ([`Sessions`]), the rate
//! limits ([`Limits`]), the scoreboard that says who is alive ([`Scoreboard`]), and what is measured: times
//! ([`Histograms`]), the answers by route ([`Routes`]), the databases ([`Store`]) and their statements
//! ([`Statements`]). Every process maps it; any of them may be killed at any instruction.
//!
//! Three rules hold everywhere:
//! - **Nothing read from the segment is trusted.** Offsets and lengths are checked against a layout that
//!   each process computes for itself, loops are bounded by that layout, values are checksummed.
//! - **Nobody waits for a dead process.** A lock or a lease names its owner; an owner whose epoch the
//!   scoreboard has left behind holds nothing, and what it was changing is reset, not repaired.
//! - **Everything may be missing.** This is a cache: a miss is always a correct answer.
//!
//! All memory is reached as slices of atomics; the only `unsafe` is in `raw`, which makes them.

mod cache;
mod clock;
mod error;
#[doc(hidden)]
pub mod fail;
mod geometry;
mod histogram;
mod layout;
mod lease;
mod limits;
mod pushed;
mod raw;
mod routes;
mod scoreboard;
mod sealed;
mod segment;
mod series;
mod sessions;
mod statements;
mod stores;
mod sync;
mod tags;

pub use cache::{
    Audit, Cache, CacheStats, EntryInfo, Inserted, KEY_BYTES_MAX, KeyInfo, Lifetime, Lookup, Miss, NewEntry,
    Place, Removed, ShardStats,
};
pub use clock::now_ms;
pub use error::ShmError;
pub use geometry::{
    CACHE_BYTES_MAX, CACHE_BYTES_MIN, CACHE_ENTRIES_MAX, CACHE_ENTRIES_MIN, Geometry, WORKER_SLOTS_MAX,
};
pub use histogram::Histogram;
pub use layout::STATEMENT_TEXT_BYTES;
pub use lease::{Flight, LEASE_MS_MAX, LeaseGuard, Leases};
pub use limits::{Limits, Rate, Verdict};
pub use pushed::Pushed;
pub use routes::{LATENCY_BOUNDS, Latency, RouteId, RouteStats, Routes, SLO};
pub use scoreboard::{Counter, Gauge, Owner, Scoreboard, SlotState, SlotStatus};
pub use sealed::Sealed;
pub use segment::{Pages, Segment};
pub use series::{Histograms, Series};
pub use sessions::{NewSession, SESSION_BYTES_MAX, SessionDigest, Sessions};
pub use statements::{Run, StatementId, StatementStats, Statements};
pub use stores::{Fact, Store};
pub use tags::{ENTRY_TAGS_MAX, EVERY_TAG, Snapshot, TagRef, Tags};
