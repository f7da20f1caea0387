//! The shared cache itself, shards and all, with values of a few bytes.

use veritable_shm::{
    CACHE_BYTES_MIN, Cache, Geometry, Lifetime, Lookup, NewEntry, Owner, Scoreboard, Segment, SlotState,
};

use super::Policy;

/// Bytes a small entry needs at the most, its block and metadata.
const ENTRY_BYTES: u64 = 1024;
const LIFETIME: Lifetime = Lifetime { ttl_ms: u32::MAX, stale_ms: 0 };

pub(crate) struct Shared {
    cache: Cache,
    value: Vec<u8>,
}

impl Shared {
    pub(crate) fn new(entries: usize) -> Self {
        let geometry = Geometry {
            cache_bytes: (entries as u64 * ENTRY_BYTES).max(CACHE_BYTES_MIN),
            cache_entries: u32::try_from(entries).unwrap_or(u32::MAX),
            ..Geometry::default()
        };
        let (_fd, segment) = Segment::create(&geometry).expect("memory for the cache");
        let board = Scoreboard::of(&segment);
        let owner: Owner = board.enlist(0, 1, 0).expect("a slot");
        board.set_state(owner, SlotState::Ready);
        Self { cache: Cache::of(&segment, owner).expect("the slot"), value: Vec::new() }
    }
}

impl Policy for Shared {
    fn access(&mut self, key: u64) -> bool {
        self.value.clear();
        let key = key.to_le_bytes();
        if !matches!(self.cache.get(&key, 0, &mut self.value), Lookup::Miss(_)) {
            return true;
        }
        let entry = NewEntry { value: &key, tags: &[], snapshot: self.cache.snapshot(), lifetime: LIFETIME };
        self.cache.insert(&key, &entry, 0);
        false
    }
}
