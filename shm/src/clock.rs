//! The one clock of the segment: milliseconds that mean the same in every process of the machine.

use nix::time::{ClockId, clock_gettime};

/// Milliseconds of the coarse monotonic clock (4 ms steps at worst, read without a system call).
///
/// It counts from boot for every process alike, so a time stored by one can be compared by another. Calls
/// of this crate take it as an argument: a loop reads it once for everything it does in one turn.
#[must_use]
pub fn now_ms() -> u64 {
    // CLOCK_MONOTONIC_COARSE exists on every kernel that has memfd; if it ever failed, 0 makes entries
    // look fresh for their TTL, never wrong.
    clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map_or(0, |t| {
        let seconds = u64::try_from(t.tv_sec()).unwrap_or(0);
        let nanos = u64::try_from(t.tv_nsec()).unwrap_or(0);
        seconds * 1000 + nanos / 1_000_000
    })
}
