//! What can go wrong when a segment is made or taken over. Past that point nothing fails: a cache
//! operation that cannot be done is a miss or a skip.

use nix::errno::Errno;

/// Why a segment could not be created, attached or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ShmError {
    /// A field of the wanted geometry is out of its bounds.
    #[error("geometry: {field} is {value}, wanted {wanted}")]
    Geometry {
        /// The field's name.
        field: &'static str,
        /// The value it had.
        value: u64,
        /// The bound it breaks, in words.
        wanted: &'static str,
    },
    /// The kernel would not give the memory.
    #[error("cannot have {bytes} bytes of shared memory ({step}): {source}")]
    Memory {
        /// Bytes asked for.
        bytes: u64,
        /// The call that failed.
        step: &'static str,
        /// The kernel's answer.
        source: Errno,
    },
    /// A call on the descriptor failed.
    #[error("{step} on the shared memory descriptor: {source}")]
    Descriptor {
        /// The call that failed.
        step: &'static str,
        /// The kernel's answer.
        source: Errno,
    },
    /// The segment cannot be mapped.
    #[error("cannot map {bytes} bytes of shared memory: {source}")]
    Map {
        /// Bytes to map.
        bytes: u64,
        /// The kernel's answer.
        source: std::io::Error,
    },
    /// The descriptor is not sealed against shrinking and growing: whoever holds it could make every
    /// reader fault.
    #[error("shared memory is not sealed against shrinking and growing")]
    NotSealed,
    /// The descriptor holds something else, another version or a damaged header.
    #[error("not a segment of this version: {0}")]
    Foreign(&'static str),
    /// An owner names a slot that the segment does not have.
    #[error("slot {slot} of {slots}")]
    NoSuchSlot {
        /// The slot named.
        slot: u16,
        /// How many there are.
        slots: u16,
    },
}
