//! What the tests share: small segments, values that describe themselves, a plain random generator.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::os::fd::OwnedFd;

use veritable_shm::{Cache, Geometry, Inserted, Lifetime, NewEntry, Owner, Scoreboard, Segment, TagRef};

/// An hour: longer than any test's clock runs unless it wants to.
pub const LONG: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };

/// Two shards of 2 MB, 128 entries.
pub const SMALL: Geometry = Geometry {
    cache_bytes: 4 << 20,
    cache_entries: 128,
    tag_slots: 1024,
    lease_slots: 64,
    worker_slots: 8,
    session_slots: 64,
    limit_slots: 64,
    value_share: 4,
};

/// A segment with its first owner enlisted.
pub struct Bench {
    pub fd: OwnedFd,
    pub segment: Segment,
    pub board: Scoreboard,
    pub owner: Owner,
    pub cache: Cache,
}

pub fn bench(geometry: Geometry) -> Bench {
    let (fd, segment) = Segment::create(&geometry).expect("segment");
    let board = Scoreboard::of(&segment);
    let owner = board.enlist(0, 1, 0).expect("slot 0");
    let cache = Cache::of(&segment, owner).expect("cache");
    Bench { fd, segment, board, owner, cache }
}

/// Inserts with the current snapshot and a long life.
pub fn put(cache: &Cache, key: &[u8], value: &[u8], tags: &[TagRef]) -> Inserted {
    let entry = NewEntry { value, tags, snapshot: cache.snapshot(), lifetime: LONG };
    cache.insert(key, &entry, 0)
}

/// xorshift64*: enough randomness for a test, the same on every run.
pub struct Noise(pub u64);

impl Noise {
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// Below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        (self.draw() >> 11) % n
    }
}

/// A value of `len` bytes from which key and length can be read back, filled by `nonce`.
pub fn self_describing(key: u64, nonce: u64, len: usize) -> Vec<u8> {
    let mut value = Vec::with_capacity(24 + len);
    for word in [key, nonce, len as u64] {
        value.extend_from_slice(&word.to_le_bytes());
    }
    let mut fill = Noise(nonce | 1);
    while value.len() < 24 + len {
        value.extend_from_slice(&fill.draw().to_le_bytes());
    }
    value.truncate(24 + len);
    value
}

/// Whether `value` is what [`self_describing`] makes for this key and some nonce.
pub fn describes(value: &[u8], key: u64) -> bool {
    let word =
        |i: usize| value.get(i * 8..i * 8 + 8).map(|b| u64::from_le_bytes(b.try_into().expect("8 bytes")));
    let (Some(k), Some(nonce), Some(len)) = (word(0), word(1), word(2)) else { return false };
    k == key && len == value.len() as u64 - 24 && self_describing(key, nonce, value.len() - 24) == value
}
