//! What people leave with the server and few look at again is kept small: compressed when it is longer than a kilobyte.

/// Longer values are compressed (the seed's bound for sessions; ours have 52 bytes, drafts have pages of text).
const WORTH_BYTES: usize = 1_024;
/// Longest value that is taken back: what a form may send, several times over.
const MAX_BYTES: usize = 16 * 1024 * 1024;
const LEVEL: i32 = 3;

/// The first byte says how the others are to be read.
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;

/// The bytes to store for `value`.
#[must_use]
pub fn pack(value: &[u8]) -> Vec<u8> {
    if value.len() > WORTH_BYTES
        && let Ok(compressed) = zstd::bulk::compress(value, LEVEL)
        && compressed.len() < value.len()
    {
        return [&[ZSTD][..], &compressed].concat();
    }
    [&[PLAIN][..], value].concat()
}

/// Takes back [`pack`]; `None` for anything else.
#[must_use]
pub fn unpack(stored: &[u8]) -> Option<Vec<u8>> {
    match stored.split_first()? {
        (&PLAIN, value) => Some(value.to_vec()),
        (&ZSTD, compressed) => zstd::bulk::decompress(compressed, MAX_BYTES).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_and_long_ones_are_made_short() {
        let long = "the same words again and again ".repeat(200);
        for value in ["", "short", &long] {
            assert_eq!(unpack(&pack(value.as_bytes())).as_deref(), Some(value.as_bytes()));
        }
        assert!(pack(long.as_bytes()).len() < long.len() / 10);
        assert_eq!(pack(b"short"), b"\0short");
        for noise in [&b""[..], b"\x02x", b"\x01not zstd"] {
            assert_eq!(unpack(noise), None);
        }
    }
}
