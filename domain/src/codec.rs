//! The one home of the compact binary format: bincode's (fixed-width little-endian integers, `u32`
//! enum tags, `u64` lengths).
//!
//! Everything that crosses a process boundary or is stored in binary goes through [`encode`] and
//! [`decode`]. The crate behind them is `wincode`, which writes bincode's bytes and is maintained
//! (docs/decisions/0002-bincode.md). Types derive [`SchemaWrite`] and [`SchemaRead`].

pub use wincode::{SchemaRead, SchemaWrite};

use wincode::config::Configuration;

/// The longest sequence, in bytes, that [`encode`] writes and [`decode`] allocates for. It equals the
/// largest frame of the writer protocol: nothing longer can arrive, so a longer length is a lie.
pub const MAX_SEQUENCE_BYTES: usize = 16 * 1024 * 1024;

/// bincode's default layout with the bound above.
pub type Layout = Configuration<true, MAX_SEQUENCE_BYTES>;

const LAYOUT: Layout = Configuration::default().with_preallocation_size_limit::<MAX_SEQUENCE_BYTES>();

/// A value could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// A sequence is longer than [`MAX_SEQUENCE_BYTES`].
    #[error("cannot encode: {0}")]
    Encode(String),
    /// The bytes are truncated, have some left over, or are not of this type.
    #[error("cannot decode: {0}")]
    Decode(String),
}

/// The bytes of `value`.
///
/// # Errors
/// [`CodecError::Encode`] when a sequence is too long.
pub fn encode<T>(value: &T) -> Result<Vec<u8>, CodecError>
where
    T: SchemaWrite<Layout, Src = T>,
{
    wincode::config::serialize(value, LAYOUT).map_err(|error| CodecError::Encode(error.to_string()))
}

/// The value that `bytes`, all of them, encode.
///
/// # Errors
/// [`CodecError::Decode`] when they do not.
pub fn decode<'de, T>(bytes: &'de [u8]) -> Result<T, CodecError>
where
    T: SchemaRead<'de, Layout, Dst = T>,
{
    wincode::config::deserialize_exact(bytes, LAYOUT).map_err(|error| CodecError::Decode(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, SchemaWrite, SchemaRead)]
    enum Shape {
        Unit,
        Fields { id: u64, name: String, parent: Option<u32>, flags: Vec<bool> },
    }

    /// The bytes bincode 1.3.3 wrote for the same shape (taken from its documented layout): changing
    /// the crate behind this module must not change one of them.
    #[test]
    fn golden_bytes_are_bincodes() {
        let value = Shape::Fields { id: 7, name: "né".into(), parent: Some(3), flags: vec![true, false] };
        let golden = [
            &1u32.to_le_bytes()[..],
            &7u64.to_le_bytes(),
            &3u64.to_le_bytes(),
            "né".as_bytes(),
            &[1],
            &3u32.to_le_bytes(),
            &2u64.to_le_bytes(),
            &[1, 0],
        ]
        .concat();
        assert_eq!(encode(&value).unwrap(), golden);
        assert_eq!(decode::<Shape>(&golden).unwrap(), value);
        assert_eq!(encode(&Shape::Unit).unwrap(), [0, 0, 0, 0]);
    }

    #[test]
    fn truncated_long_and_foreign_bytes_are_refused() {
        let good = encode(&"hello".to_string()).unwrap();
        assert!(decode::<String>(&good[..good.len() - 1]).is_err());
        assert!(decode::<String>(&[&good[..], &[0]].concat()).is_err());
        assert!(decode::<Shape>(&9u32.to_le_bytes()).is_err());
        assert!(decode::<String>(&u64::MAX.to_le_bytes()).is_err());
    }
}
