//! How large everything is: chosen once when a segment is created, then part of its header.

use crate::error::ShmError;

/// The smallest cache: below it a shard could not hold one page of ordinary size.
pub const CACHE_BYTES_MIN: u64 = 256 * 1024;
/// The largest cache: a shard's blocks must be countable in 32 bits with room to spare (256 shards of
/// 4 GB at most).
pub const CACHE_BYTES_MAX: u64 = 1 << 40;
/// The fewest entries that make a cache worth its segment.
pub const CACHE_ENTRIES_MIN: u32 = 16;
/// The most entries: their indexes share words with other fields.
pub const CACHE_ENTRIES_MAX: u32 = 1 << 28;
/// The most worker slots: a lease names its owner's slot in ten bits, 0 meaning nobody.
pub const WORKER_SLOTS_MAX: u16 = 1000;

/// Few tag slots make every write invalidate half the cache.
const TAG_SLOTS_MIN: u32 = 64;
/// Eight bytes each: 128 MB of tags is a misprint, not a wish.
const TAG_SLOTS_MAX: u32 = 1 << 24;
/// Fewer leases collide all the time.
const LEASE_SLOTS_MIN: u32 = 16;
/// The same bound on misprints as for tags.
const LEASE_SLOTS_MAX: u32 = 1 << 20;
/// A session is in one of four places, a limit in one of four words.
const SET_SLOTS_MIN: u32 = 4;
/// 128 bytes each: two gigabytes of sessions, an eighth of that of limits.
const SET_SLOTS_MAX: u32 = 1 << 24;
/// Beyond it nothing but the smallest answers would be kept in a cache of the default size.
const VALUE_SHARE_MAX: u16 = 1024;
/// Entries a shard should hold at least, so that its own clock hand has something to choose from.
const SHARD_ENTRIES: u64 = 64;
/// Bytes a shard should hold at least, so that a large page is still a small part of it.
const SHARD_BYTES: u64 = 2 * 1024 * 1024;
/// More shards than this spread locks no further on any machine this is meant for.
const SHARDS_MAX: u64 = 256;

/// The sizes of a segment's areas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Bytes of the cache, all of its metadata included.
    pub cache_bytes: u64,
    /// Entries the cache holds at most.
    pub cache_entries: u32,
    /// Slots of the tag table, a power of two. Two tags that share one are invalidated together.
    pub tag_slots: u32,
    /// Slots of the lease table, a power of two.
    pub lease_slots: u32,
    /// Slots of the scoreboard: processes that may be known at once, two generations and the writer
    /// included.
    pub worker_slots: u16,
    /// Records of the session table, a power of two, 128 bytes each.
    pub session_slots: u32,
    /// Words of the rate limits, a power of two.
    pub limit_slots: u32,
    /// The part of a shard one entry may take at most, as a divisor: a single large value must not empty the
    /// shard it falls into.
    pub value_share: u16,
}

impl Default for Geometry {
    /// 50 MB, 10,000 entries, 65,536 tag slots, 1,024 leases, 64 worker slots, 16,384 sessions, 65,536 limits, values up to a quarter of a shard.
    fn default() -> Self {
        Self {
            cache_bytes: 50 * 1024 * 1024,
            cache_entries: 10_000,
            tag_slots: 65_536,
            lease_slots: 1024,
            worker_slots: 64,
            session_slots: 16_384,
            limit_slots: 65_536,
            value_share: 4,
        }
    }
}

impl Geometry {
    /// Whether a segment can be made of it.
    ///
    /// # Errors
    /// [`ShmError::Geometry`] names the first field out of its bounds.
    pub fn check(&self) -> Result<(), ShmError> {
        let fail = |field, value, wanted| Err(ShmError::Geometry { field, value, wanted });
        if !(CACHE_BYTES_MIN..=CACHE_BYTES_MAX).contains(&self.cache_bytes) {
            return fail("cache_bytes", self.cache_bytes, "256 KB to 1 TB");
        }
        if !(CACHE_ENTRIES_MIN..=CACHE_ENTRIES_MAX).contains(&self.cache_entries) {
            return fail("cache_entries", self.cache_entries.into(), "16 to 268,435,456");
        }
        // An entry costs its metadata and one block; more entries than that could never exist.
        if u64::from(self.cache_entries) > self.cache_bytes / ENTRY_COST_MIN {
            return fail("cache_entries", self.cache_entries.into(), "at most one per 512 bytes of cache");
        }
        if !self.tag_slots.is_power_of_two() || !(TAG_SLOTS_MIN..=TAG_SLOTS_MAX).contains(&self.tag_slots) {
            return fail("tag_slots", self.tag_slots.into(), "a power of two from 64 to 16,777,216");
        }
        if !self.lease_slots.is_power_of_two()
            || !(LEASE_SLOTS_MIN..=LEASE_SLOTS_MAX).contains(&self.lease_slots)
        {
            return fail("lease_slots", self.lease_slots.into(), "a power of two from 16 to 1,048,576");
        }
        for (field, slots) in [("session_slots", self.session_slots), ("limit_slots", self.limit_slots)] {
            if !slots.is_power_of_two() || !(SET_SLOTS_MIN..=SET_SLOTS_MAX).contains(&slots) {
                return fail(field, slots.into(), "a power of two from 4 to 16,777,216");
            }
        }
        if !(1..=VALUE_SHARE_MAX).contains(&self.value_share) {
            return fail("value_share", self.value_share.into(), "1 to 1,024");
        }
        if !(1..=WORKER_SLOTS_MAX).contains(&self.worker_slots) {
            return fail("worker_slots", self.worker_slots.into(), "1 to 1,000");
        }
        Ok(())
    }

    /// Shards of the cache: a power of two, as many as leave each one worth having.
    pub(crate) fn shards(&self) -> u64 {
        let wanted = (self.cache_bytes / SHARD_BYTES).min(u64::from(self.cache_entries) / SHARD_ENTRIES);
        let wanted = wanted.clamp(1, SHARDS_MAX);
        1 << wanted.ilog2()
    }
}

/// Bytes of cache that an entry needs at the very least: one block and its metadata, rounded up.
const ENTRY_COST_MIN: u64 = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound() {
        assert!(Geometry::default().check().is_ok());
        assert_eq!(Geometry::default().shards(), 16);
    }

    #[test]
    fn each_field_is_bounded() {
        let base = Geometry::default();
        for bad in [
            Geometry { cache_bytes: CACHE_BYTES_MIN - 1, ..base },
            Geometry { cache_bytes: CACHE_BYTES_MAX + 1, ..base },
            Geometry { cache_entries: 15, ..base },
            Geometry { cache_entries: 200_000, ..base },
            Geometry { tag_slots: 1000, ..base },
            Geometry { lease_slots: 0, ..base },
            Geometry { worker_slots: 0, ..base },
            Geometry { worker_slots: 1001, ..base },
            Geometry { value_share: 0, ..base },
            Geometry { session_slots: 2, ..base },
            Geometry { limit_slots: 100, ..base },
        ] {
            assert!(matches!(bad.check(), Err(ShmError::Geometry { .. })), "{bad:?}");
        }
    }
}
