//! What an entry's blocks hold, in order: checksum, snapshot and times, tags, key, value. Fixed fields and
//! tags always fit into the first block, so that one bounded read decides about validity.

use crate::sync::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::layout::{BLOCK_BYTES, BLOCK_WORDS};
use crate::raw::WORD;
use crate::tags::{ENTRY_TAGS_MAX, Snapshot, Table, TagRef};

/// The longest key, bytes: a path with its query and the representation's name, with room to spare.
pub const KEY_BYTES_MAX: usize = 1024;

/// Words before the tags.
const CHECKSUM: usize = 0;
/// Snapshot in the low [`POINT_BITS`], TTL above.
const SNAPSHOT: usize = 1;
/// When it was stored in the low [`POINT_BITS`], stale window above.
const STORED: usize = 2;
const TAGS: usize = 3;
/// Bits of a snapshot and of a time: a trillion commits, 34 years of milliseconds.
const POINT_BITS: u32 = 40;
/// Bits of a duration's exponent and of its mantissa, in what a point leaves of a word.
const EXPONENT_BITS: u32 = 5;
const MANTISSA_BITS: u32 = 64 - POINT_BITS - EXPONENT_BITS;
/// Words of the fixed fields and as many tags as an entry may have.
pub(crate) const HEAD_WORDS_MAX: usize = TAGS + ENTRY_TAGS_MAX / 2;
const _: () = assert!(HEAD_WORDS_MAX <= BLOCK_WORDS);
/// Words that the checksum covers before those of the head: key hash, sizes, the value's own hash.
const SEAL_EXTRA: usize = 3;
/// Stands for the number of tags of an entry that depends on every invalidation.
const EVERY_TAG: u8 = u8::MAX;

#[inline]
fn point(word: u64) -> u64 {
    word & ((1 << POINT_BITS) - 1)
}

/// Milliseconds as a mantissa and an exponent of two, rounded down: exact below eight minutes, then to one
/// part in 260,000.
fn pack(ms: u32) -> u64 {
    let exponent = (u32::BITS - ms.leading_zeros()).saturating_sub(MANTISSA_BITS);
    u64::from(ms >> exponent) << EXPONENT_BITS | u64::from(exponent)
}

/// Takes back [`pack`]; of noise it makes some duration.
#[inline]
fn unpack(packed: u64) -> u32 {
    let mantissa = packed >> EXPONENT_BITS;
    u32::try_from(mantissa << (packed & ((1 << EXPONENT_BITS) - 1))).unwrap_or(u32::MAX)
}

/// How long an entry may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Milliseconds for which it is fresh. Both are kept to one part in 260,000, rounded down.
    pub ttl_ms: u32,
    /// Milliseconds after that for which it may still be shown while somebody makes a new one.
    pub stale_ms: u32,
}

/// How large the parts of a record are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) key: usize,
    pub(crate) value: usize,
    tags: u8,
}

impl Sizes {
    pub(crate) fn new(key: &[u8], value: &[u8], tags: &[TagRef]) -> Option<Self> {
        u32::try_from(value.len()).ok()?;
        let tags = if tags.len() > ENTRY_TAGS_MAX { EVERY_TAG } else { u8::try_from(tags.len()).ok()? };
        (key.len() <= KEY_BYTES_MAX).then_some(Self { key: key.len(), value: value.len(), tags })
    }

    /// From a descriptor's word, if it makes sense.
    #[inline]
    pub(crate) fn unpack(word: u64) -> Option<Self> {
        let sizes = Self {
            value: (word & u64::from(u32::MAX)) as usize,
            key: (word >> 32 & 0xFFFF) as usize,
            tags: (word >> 48 & 0xFF) as u8,
        };
        let tags_fit = usize::from(sizes.tags) <= ENTRY_TAGS_MAX || sizes.tags == EVERY_TAG;
        (tags_fit && sizes.key <= KEY_BYTES_MAX && word >> 56 == 0).then_some(sizes)
    }

    #[inline]
    pub(crate) fn pack(self) -> u64 {
        self.value as u64 | (self.key as u64) << 32 | u64::from(self.tags) << 48
    }

    #[inline]
    fn named_tags(self) -> usize {
        if self.tags == EVERY_TAG { 0 } else { usize::from(self.tags) }
    }

    #[inline]
    pub(crate) fn head_words(self) -> usize {
        TAGS + self.named_tags().div_ceil(2)
    }

    /// Blocks of the whole record, at least one.
    #[inline]
    pub(crate) fn blocks(self) -> usize {
        let head = self.head_words() * WORD;
        let key = self.key.next_multiple_of(WORD);
        let value = self.value.next_multiple_of(WORD);
        (head + key + value).div_ceil(BLOCK_BYTES)
    }
}

/// The fixed fields and tags of a record, copied out of the segment or about to go into it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    words: [u64; HEAD_WORDS_MAX],
    sizes: Sizes,
}

impl Head {
    /// Loads the head from the first words of a chain.
    #[inline]
    pub(crate) fn load(run: &[AtomicU64], sizes: Sizes) -> Self {
        let mut words = [0; HEAD_WORDS_MAX];
        for (word, cell) in words.iter_mut().zip(run) {
            *word = cell.load(Ordering::Relaxed);
        }
        Self { words, sizes }
    }

    /// Stores the head to the first words of a chain.
    pub(crate) fn store(&self, run: &[AtomicU64]) {
        for (word, cell) in self.words.iter().zip(run) {
            cell.store(*word, Ordering::Relaxed);
        }
    }

    /// The head of a new record, sealed over `value`.
    pub(crate) fn new(
        sizes: Sizes,
        hash: u64,
        entry: &super::NewEntry<'_>,
        tag_slots: u32,
        now_ms: u64,
    ) -> Self {
        let mut words = [0; HEAD_WORDS_MAX];
        words[SNAPSHOT] = point(entry.snapshot.0) | pack(entry.lifetime.ttl_ms) << POINT_BITS;
        words[STORED] = point(now_ms) | pack(entry.lifetime.stale_ms) << POINT_BITS;
        for (i, tag) in entry.tags.iter().take(sizes.named_tags()).enumerate() {
            words[TAGS + i / 2] |= u64::from(tag.slot(tag_slots)) << (32 * (i % 2));
        }
        let mut head = Self { words, sizes };
        head.words[CHECKSUM] = head.seal(hash, xxh3_64(entry.value));
        head
    }

    /// Whether key hash, sizes, fields, tags and value (by its digest) are those the checksum was made over.
    /// The key itself is compared byte by byte.
    #[inline]
    pub(crate) fn is_sealed(&self, hash: u64, digest: u64) -> bool {
        self.words[CHECKSUM] == self.seal(hash, digest)
    }

    #[inline]
    fn seal(&self, hash: u64, digest: u64) -> u64 {
        let mut bytes = [0; (HEAD_WORDS_MAX + SEAL_EXTRA) * WORD];
        let head = &self.words[CHECKSUM + 1..self.sizes.head_words()];
        let (cells, _) = bytes.as_chunks_mut::<WORD>();
        // Plain loops: iterator chains were not inlined here and cost more than the hash.
        for (cell, word) in cells.iter_mut().zip([hash, self.sizes.pack(), digest]) {
            *cell = word.to_le_bytes();
        }
        for (cell, word) in cells[SEAL_EXTRA..].iter_mut().zip(head) {
            *cell = word.to_le_bytes();
        }
        let len = (SEAL_EXTRA + head.len()) * WORD;
        xxh3_64(&bytes[..len])
    }

    #[inline]
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot(point(self.words[SNAPSHOT]))
    }

    #[inline]
    pub(crate) fn lifetime(&self) -> Lifetime {
        let duration = |word: u64| unpack(word >> POINT_BITS);
        Lifetime { ttl_ms: duration(self.words[SNAPSHOT]), stale_ms: duration(self.words[STORED]) }
    }

    /// Milliseconds since it was stored.
    #[inline]
    pub(crate) fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(point(self.words[STORED]))
    }

    /// Whether its TTL is not over.
    #[inline]
    pub(crate) fn is_fresh(&self, now_ms: u64) -> bool {
        self.age_ms(now_ms) < u64::from(self.lifetime().ttl_ms)
    }

    /// Whether even its stale window is over.
    #[inline]
    pub(crate) fn is_over(&self, now_ms: u64) -> bool {
        let life = self.lifetime();
        self.age_ms(now_ms) >= u64::from(life.ttl_ms) + u64::from(life.stale_ms)
    }

    /// Whether an invalidation of the tag with this slot would end it.
    pub(crate) fn depends_on(&self, slot: u32) -> bool {
        let named = |i: usize| (self.words[TAGS + i / 2] >> (32 * (i % 2))) as u32;
        self.sizes.tags == EVERY_TAG || (0..self.sizes.named_tags()).any(|i| named(i) == slot)
    }

    /// Whether nothing it depends on was invalidated since its snapshot.
    #[inline]
    pub(crate) fn is_valid(&self, table: Table<'_>) -> bool {
        let snapshot = self.snapshot();
        if !table.above_floor(snapshot) {
            return false;
        }
        if self.sizes.tags == EVERY_TAG {
            return table.unchanged(snapshot);
        }
        (0..self.sizes.named_tags()).all(|i| {
            let slot = (self.words[TAGS + i / 2] >> (32 * (i % 2))) as u32;
            table.slot_unchanged(slot, snapshot)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_kept_to_a_small_part() {
        for ms in [0, 1, 499_999, (1 << 19) - 1] {
            assert_eq!(unpack(pack(ms)), ms, "exact");
        }
        for ms in [1 << 19, 3_600_000, 31_536_000, 2_592_000_123, u32::MAX] {
            let kept = unpack(pack(ms));
            assert!(kept <= ms && u64::from(ms - kept) << 18 <= u64::from(ms), "{ms}: {kept}");
        }
        assert!(pack(u32::MAX) < 1 << (64 - POINT_BITS));
    }
}
