//! One shard as both sides see it: slices of atomics, and indexes that are checked at each step.
//!
//! A shard is a hash table (buckets of chained descriptors) over fixed blocks in chains. Only the holder
//! of its lock changes it; readers walk it at any time and verify afterwards.

use crate::sync::{AtomicU32, AtomicU64, Ordering, fence};

use crate::layout::{Area, BLOCK_WORDS, DESC_WORDS, SHARD_WORDS};
use crate::raw::WORD;
use crate::segment::Segment;

/// No block, no descriptor.
pub(crate) const NIL: u32 = u32::MAX;

/// Words of a shard's header.
pub(crate) const LOCK: usize = 0;
pub(crate) const FREE_BLOCK: usize = 8;
pub(crate) const FREE_BLOCKS: usize = 9;
pub(crate) const FREE_DESC: usize = 10;
pub(crate) const ENTRIES: usize = 11;
pub(crate) const HAND: usize = 12;
/// Stores so far: the shard's clock.
pub(crate) const TICK: usize = 13;
/// Who is believed about evictions.
pub(crate) const WEIGHT: usize = 14;

/// Words of a cache line.
const LINE_WORDS: usize = 8;
/// Lines fetched ahead: a small answer whole. With more at once the CPU would have to wait for room.
const PREFETCH_LINES: usize = 20;

/// Words of a descriptor. First: the low half of the key's hash in the high half, the version in the low one.
const VERSION: usize = 0;
/// First block in the high half, next descriptor of the bucket (or of the free list) in the low half.
const LINKS: usize = 1;
const SIZES: usize = 2;
/// When it was used last, as `evict` counts time.
const USED: usize = 3;

/// A view of one shard.
#[derive(Clone, Copy)]
pub(crate) struct Shard<'a> {
    /// Which one.
    pub(crate) index: usize,
    pub(crate) head: &'a [AtomicU64],
    pub(crate) buckets: &'a [AtomicU32],
    pub(crate) descs: &'a [AtomicU64],
    /// Who was evicted not long ago.
    pub(crate) ghosts: &'a [AtomicU32],
    pub(crate) links: &'a [AtomicU32],
    blocks: &'a [AtomicU64],
    /// Entries it may hold.
    pub(crate) quota: usize,
}

impl<'a> Shard<'a> {
    /// Shard `index`, which is below the layout's number of shards.
    #[inline]
    pub(crate) fn of(segment: &'a Segment, index: usize) -> Self {
        let layout = segment.layout();
        let s = &layout.shard;
        let base = layout.area(Area::Cache).offset + index * s.stride;
        Self {
            index,
            head: segment.words(base, SHARD_WORDS),
            buckets: segment.halves(base + s.buckets_at, s.buckets),
            descs: segment.words(base + s.descs_at, s.descs * DESC_WORDS),
            ghosts: segment.halves(base + s.ghosts_at, s.ghosts),
            links: segment.halves(base + s.links_at, s.blocks),
            blocks: segment.words(base + s.blocks_at, s.blocks * BLOCK_WORDS),
            quota: layout.quota(index),
        }
    }

    /// The shard a hash belongs to: by its high bits, as buckets use the low ones.
    #[inline]
    pub(crate) fn of_hash(segment: &'a Segment, hash: u64) -> Self {
        let shards = segment.layout().shards;
        Self::of(segment, (hash >> 48) as usize & (shards - 1))
    }

    #[inline]
    pub(crate) fn bucket(&self, hash: u64) -> &'a AtomicU32 {
        // The number of buckets is a power of two.
        &self.buckets[hash as usize & (self.buckets.len() - 1)]
    }

    #[inline]
    pub(crate) fn desc(&self, index: u32) -> Option<Desc<'a>> {
        let start = (index as usize).checked_mul(DESC_WORDS)?;
        self.descs.get(start..start + DESC_WORDS).map(|words| Desc { words })
    }

    /// How many descriptors there are.
    pub(crate) fn desc_count(&self) -> u32 {
        u32::try_from(self.descs.len() / DESC_WORDS).unwrap_or(NIL)
    }

    /// How many blocks there are.
    #[inline]
    pub(crate) fn block_count(&self) -> usize {
        self.links.len()
    }

    /// The block after `block`, or [`NIL`] for none and for indexes that do not exist.
    #[inline]
    pub(crate) fn next_block(&self, block: u32) -> u32 {
        self.links.get(block as usize).map_or(NIL, |l| l.load(Ordering::Relaxed))
    }

    /// Has the CPU fetch the first blocks of a chain, as if they lay side by side: mostly they do.
    #[inline]
    pub(crate) fn prefetch(&self, first: u32, count: usize) {
        crate::raw::prefetch_half(self.links, first as usize);
        let start = first as usize * BLOCK_WORDS;
        for line in 0..(count * BLOCK_WORDS / LINE_WORDS).min(PREFETCH_LINES) {
            crate::raw::prefetch(self.blocks, start + line * LINE_WORDS);
        }
    }

    /// The words of the chain that starts at `first`.
    #[inline]
    pub(crate) fn chain(&self, first: u32) -> Chain<'a> {
        Chain { shard: *self, block: first, at: 0 }
    }
}

/// One entry's descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Desc<'a> {
    words: &'a [AtomicU64],
}

/// A descriptor's first word as it was at one time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

impl Stamp {
    /// Whether it is the entry of a key with this hash, as far as the descriptor knows: it keeps half of it.
    #[inline]
    pub(crate) fn may_be(self, hash: u64) -> bool {
        self.0 >> 32 == hash & u64::from(u32::MAX)
    }

    /// As much of the hash as is kept: what its bucket is chosen by.
    pub(crate) fn hash(self) -> u64 {
        self.0 >> 32
    }

    #[inline]
    pub(crate) fn is_open(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Desc<'_> {
    /// Version and hash at one time. Acquire: what was stored before the version it shows is seen.
    #[inline]
    pub(crate) fn stamp(&self) -> Stamp {
        Stamp(self.words[VERSION].load(Ordering::Acquire))
    }

    /// Whether nothing was changed since `stamp`: what was copied in between belongs together. The fence
    /// keeps the copying before the second look.
    #[inline]
    pub(crate) fn is_still(&self, stamp: Stamp) -> bool {
        fence(Ordering::Acquire);
        self.words[VERSION].load(Ordering::Relaxed) == stamp.0
    }

    /// Opens it for change: readers see an odd version from here on. The fence keeps the stores that
    /// follow behind it, also those to blocks that will be another entry's.
    pub(crate) fn open(&self) {
        self.words[VERSION].store(self.words[VERSION].load(Ordering::Relaxed) | 1, Ordering::Relaxed);
        fence(Ordering::Release);
    }

    /// Closes it again as the entry of `hash`, under a version that was not used for four billion changes.
    pub(crate) fn close(&self, hash: u64) {
        let odd = self.words[VERSION].load(Ordering::Relaxed) as u32 | 1;
        let word = hash << 32 | u64::from(odd.wrapping_add(1));
        self.words[VERSION].store(word, Ordering::Release);
    }

    /// First block of its chain; [`NIL`] for a free descriptor.
    #[inline]
    pub(crate) fn first(&self) -> u32 {
        (self.words[LINKS].load(Ordering::Relaxed) >> 32) as u32
    }

    /// Next descriptor of its bucket, or of the free list.
    #[inline]
    pub(crate) fn next(&self) -> u32 {
        (self.words[LINKS].load(Ordering::Relaxed) & u64::from(NIL)) as u32
    }

    pub(crate) fn set_links(&self, first: u32, next: u32) {
        self.words[LINKS].store(u64::from(first) << 32 | u64::from(next), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn sizes(&self) -> u64 {
        self.words[SIZES].load(Ordering::Relaxed)
    }

    pub(crate) fn set_sizes(&self, sizes: u64) {
        self.words[SIZES].store(sizes, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn used(&self) -> &AtomicU64 {
        &self.words[USED]
    }

    pub(crate) fn is_free(&self) -> bool {
        self.first() == NIL
    }
}

/// A place in a chain of blocks. Every step hands out at least one word, so whoever wants a bounded
/// number of words makes a bounded number of steps, however the links run.
#[derive(Clone, Copy)]
pub(crate) struct Chain<'a> {
    shard: Shard<'a>,
    block: u32,
    /// Words of the block already handed out.
    at: usize,
}

impl<'a> Chain<'a> {
    /// Up to `max` words, as many as lie side by side; `None` when the chain ends or leaves the shard.
    #[inline]
    pub(crate) fn run(&mut self, max: usize) -> Option<&'a [AtomicU64]> {
        if self.at == BLOCK_WORDS {
            self.block = self.shard.next_block(self.block);
            self.at = 0;
        }
        let base = (self.block as usize).checked_mul(BLOCK_WORDS)?;
        let len = max.min(BLOCK_WORDS - self.at);
        let run = self.shard.blocks.get(base + self.at..base + self.at + len)?;
        self.at += len;
        Some(run)
    }

    /// Stores `bytes` from here on, the last word filled up with zeros. `None` when the chain ends early.
    pub(crate) fn store(&mut self, bytes: &[u8]) -> Option<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let run = self.run(rest.len().div_ceil(WORD))?;
            let (now, later) = rest.split_at(rest.len().min(run.len() * WORD));
            let (whole, tail) = now.as_chunks::<WORD>();
            for (word, bytes) in run.iter().zip(whole) {
                word.store(u64::from_le_bytes(*bytes), Ordering::Relaxed);
            }
            if let Some(word) = run.get(whole.len()) {
                word.store(last_word(tail), Ordering::Relaxed);
            }
            rest = later;
        }
        Some(())
    }

    /// Whether the next bytes are exactly these, padding included. `None` when the chain ends early.
    #[inline]
    pub(crate) fn equals(&mut self, bytes: &[u8]) -> Option<bool> {
        let mut rest = bytes;
        let mut same = true;
        while !rest.is_empty() {
            let run = self.run(rest.len().div_ceil(WORD))?;
            let (now, later) = rest.split_at(rest.len().min(run.len() * WORD));
            let (whole, tail) = now.as_chunks::<WORD>();
            for (word, bytes) in run.iter().zip(whole) {
                same &= word.load(Ordering::Relaxed) == u64::from_le_bytes(*bytes);
            }
            if let Some(word) = run.get(whole.len()) {
                same &= word.load(Ordering::Relaxed) == last_word(tail);
            }
            rest = later;
        }
        Some(same)
    }

    /// Appends the next `len` bytes to `out`. `None` when the chain ends early; `out` may have grown.
    #[inline]
    pub(crate) fn copy(&mut self, len: usize, out: &mut Vec<u8>) -> Option<()> {
        out.reserve(len.next_multiple_of(WORD));
        let mut left = len;
        while left > 0 {
            let run = self.run(left.div_ceil(WORD))?;
            let now = left.min(run.len() * WORD);
            crate::raw::append(out, run, now);
            left -= now;
        }
        Some(())
    }
}

/// Up to eight bytes as a word, the rest zeros.
#[inline]
fn last_word(tail: &[u8]) -> u64 {
    let mut bytes = [0; WORD];
    bytes[..tail.len()].copy_from_slice(tail);
    u64::from_le_bytes(bytes)
}
