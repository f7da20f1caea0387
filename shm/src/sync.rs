//! The atomics of the segment: the processor's, or those of a model checker that tries interleavings
//! (`--features shuttle`, tests/shuttle.rs).

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{
    hint,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{
    hint,
    sync::atomic::{AtomicU32, AtomicU64, Ordering, fence},
};
