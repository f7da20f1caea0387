//! Where everything lies in the segment, computed from the geometry alone.
//!
//! Each process computes the layout for itself and compares the header with it; no offset is ever taken
//! from the segment. The header lists the areas all the same, for tools and for people with a hex dump.
//!
//! To add an area: a variant of [`Area`], its length in [`Layout::new`], done. The
//! layout hash changes with it, so older processes refuse the segment instead of misreading it.

use xxhash_rust::xxh3::xxh3_64;

use crate::geometry::Geometry;
use crate::raw::WORD;

/// First word of a segment: "VTBLSHM" and a format number, as little-endian text.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"VTBLSHM1");
/// Bytes of the header: one page, so that areas start page aligned.
pub(crate) const HEADER_BYTES: usize = 4096;
/// Bytes of a payload block. docs/decisions/0004-cache-space.md weighs the size.
pub(crate) const BLOCK_BYTES: usize = 256;
/// Words of a payload block.
pub(crate) const BLOCK_WORDS: usize = BLOCK_BYTES / WORD;
/// Words of an entry's descriptor: half a cache line, so that none lies across two.
pub(crate) const DESC_WORDS: usize = 4;
/// Words of a shard's header: the lock has a cache line of its own, the holder's fields the next one.
pub(crate) const SHARD_WORDS: usize = 16;
/// Counters of a slot: more than there are, so that one more is no other layout.
pub(crate) const COUNTERS_MAX: usize = 64;
/// Gauges of a slot, alike.
pub(crate) const GAUGES_MAX: usize = 24;
/// Words of a scoreboard slot, a multiple of a cache line: life, counters, gauges.
pub(crate) const SLOT_WORDS: usize = 8 + COUNTERS_MAX + GAUGES_MAX;
/// Words of one histogram: its sum, then its buckets.
pub(crate) const HISTOGRAM_WORDS: usize = 1 + crate::histogram::BUCKETS;
/// Histograms of a slot: more than there are series, so that one more is no other layout.
pub(crate) const SLOT_SERIES: usize = 8;
/// Words of what is known of one database: four cache lines.
pub(crate) const STORE_WORDS: usize = 32;
/// Databases there may be.
pub(crate) const STORES: usize = 2;
/// Bytes kept of a statement's text: more than the longest has (a test of the worker's asks), so that it can be explained.
pub const STATEMENT_TEXT_BYTES: usize = 1_536;
/// Words of a statement: hash, length, figures, text, histogram; a multiple of a cache line.
pub(crate) const STATEMENT_WORDS: usize =
    (16 + STATEMENT_TEXT_BYTES / WORD + HISTOGRAM_WORDS).next_multiple_of(LINE / WORD);
/// Statements there may be: several times as many as there are, as each text that ever ran has a place.
pub(crate) const STATEMENTS: usize = unless_checked(512);
/// Routes that are told apart: several times as many as there are, as each name that any program had has a place.
pub(crate) const ROUTES: usize = unless_checked(512);
/// Bytes of a route's name.
pub(crate) const ROUTE_NAME_BYTES: usize = 64;
/// Words of a name: hash, length, text; a multiple of a cache line.
pub(crate) const ROUTE_NAME_WORDS: usize = (2 + ROUTE_NAME_BYTES / WORD).next_multiple_of(LINE / WORD);
/// Words of a route's figures: a sum, buckets, statuses; a multiple of a cache line.
pub(crate) const ROUTE_WORDS: usize =
    (1 + crate::routes::LATENCY_BUCKETS + crate::routes::STATUS_WORDS).next_multiple_of(LINE / WORD);
/// Places where processes count: as many processes never write to one line. With more of them some do, which costs
/// these some nanoseconds.
pub(crate) const ROUTE_STRIPES: usize = unless_checked(16);
/// Words of one such place.
pub(crate) const STRIPE_WORDS: usize = ROUTES * ROUTE_WORDS;
/// Words of what was passed on, beside the routes' stripe of it: a time and the counters.
const PUSHED_WORDS: usize = 8 + COUNTERS_MAX;
/// Words of a session's record: two cache lines.
pub(crate) const SESSION_WORDS: usize = 16;
/// Words before the tag slots: sequence, floor and mark on a cache line of their own.
pub(crate) const TAG_HEAD_WORDS: usize = 8;
/// Cache line, the unit of alignment of everything that is written by several processes.
const LINE: usize = 64;

/// So many; but one under the model checker, whose atomics take a hundred bytes each and are made anew for every schedule:
/// nothing that it tries is in these areas.
const fn unless_checked(count: usize) -> usize {
    if cfg!(feature = "shuttle") { 1 } else { count }
}

/// Words of the header.
pub(crate) mod header {
    /// [`super::MAGIC`], written last.
    pub(crate) const MAGIC: usize = 0;
    /// [`super::Layout::hash`].
    pub(crate) const LAYOUT_HASH: usize = 1;
    /// Bytes of the whole segment.
    pub(crate) const TOTAL: usize = 2;
    /// The geometry's fields, in their order.
    pub(crate) const GEOMETRY: usize = 3;
    /// Random seed of the key hash.
    pub(crate) const SEED: usize = 11;
    /// Number of areas, then offset and length in bytes of each, then a checksum.
    pub(crate) const AREAS: usize = 12;
}

/// The areas of a segment, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Area {
    Scoreboard,
    Tags,
    Leases,
    Sessions,
    Limits,
    Histograms,
    Stores,
    Statements,
    RouteNames,
    Routes,
    Pushed,
    Cache,
}

/// How many areas there are.
pub(crate) const AREA_COUNT: usize = 12;

/// A range of bytes in the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) offset: usize,
    pub(crate) len: usize,
}

/// Offsets, in bytes from the shard's start, and counts of one shard's parts. All shards are alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ShardLayout {
    pub(crate) stride: usize,
    pub(crate) buckets_at: usize,
    /// A power of two.
    pub(crate) buckets: usize,
    pub(crate) descs_at: usize,
    /// Descriptors; the quota of a given shard may be one less.
    pub(crate) descs: usize,
    pub(crate) ghosts_at: usize,
    /// A power of two.
    pub(crate) ghosts: usize,
    pub(crate) links_at: usize,
    pub(crate) blocks_at: usize,
    pub(crate) blocks: usize,
}

/// The whole layout.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    pub(crate) geometry: Geometry,
    pub(crate) total: usize,
    pub(crate) areas: [Range; AREA_COUNT],
    pub(crate) shards: usize,
    pub(crate) shard: ShardLayout,
}

impl Layout {
    /// The layout of a geometry that has passed [`Geometry::check`].
    pub(crate) fn new(geometry: Geometry) -> Self {
        let shards = to_usize(geometry.shards());
        let shard = ShardLayout::new(&geometry, shards);
        let lengths = [
            usize::from(geometry.worker_slots) * SLOT_WORDS * WORD,
            (TAG_HEAD_WORDS + to_usize(geometry.tag_slots.into())) * WORD,
            to_usize(geometry.lease_slots.into()) * WORD,
            to_usize(geometry.session_slots.into()) * SESSION_WORDS * WORD,
            to_usize(geometry.limit_slots.into()) * WORD,
            usize::from(geometry.worker_slots) * SLOT_SERIES * HISTOGRAM_WORDS * WORD,
            STORES * STORE_WORDS * WORD,
            STATEMENTS * STATEMENT_WORDS * WORD,
            ROUTES * ROUTE_NAME_WORDS * WORD,
            // The last stripe is what was passed on.
            (ROUTE_STRIPES + 1) * STRIPE_WORDS * WORD,
            PUSHED_WORDS * WORD,
            shard.stride * shards,
        ];
        let mut offset = HEADER_BYTES;
        let areas = lengths.map(|len| {
            let range = Range { offset, len };
            offset = (offset + len).next_multiple_of(HEADER_BYTES);
            range
        });
        Self { geometry, total: offset, areas, shards, shard }
    }

    /// The range of one area.
    #[inline]
    pub(crate) fn area(&self, area: Area) -> Range {
        self.areas[area as usize]
    }

    /// Entries that shard `index` may hold; over all shards they sum up to the geometry's exactly.
    #[inline]
    pub(crate) fn quota(&self, index: usize) -> usize {
        let entries = to_usize(self.geometry.cache_entries.into());
        entries / self.shards + usize::from(index < entries % self.shards)
    }

    /// Names this layout: any change of a constant or of the meaning of a word changes it (the latter by
    /// hand, through the text).
    pub(crate) fn hash() -> u64 {
        let (bounds, statuses) = (crate::routes::LATENCY_BOUNDS, crate::routes::STATUS_WORDS);
        let text = format!(
            "v10 header {HEADER_BYTES} areas {AREA_COUNT} slot {SLOT_WORDS} life,{COUNTERS_MAX} counters,{GAUGES_MAX} gauges series {SLOT_SERIES} \
             histogram {HISTOGRAM_WORDS} sum,buckets stores {STORES} {STORE_WORDS} statements {STATEMENTS} \
             {STATEMENT_WORDS} hash,length,figures,text,histogram routes {ROUTES} {ROUTE_NAME_WORDS} hash,length,text \
             {ROUTE_STRIPES} {ROUTE_WORDS} sum,buckets {bounds:?},statuses {statuses} pushed {PUSHED_WORDS} at,counters tags {TAG_HEAD_WORDS} sequence,floor,mark \
             session {SESSION_WORDS} state,used,checksum,digest,expires,snapshot,tag+len limit fingerprint+time \
             shard {SHARD_WORDS} desc {DESC_WORDS} block {BLOCK_BYTES} \
             ghosts,tick,weight desc version+hash,first+next,sizes,used record checksum,snapshot+ttl,stored+stale,tags,key,value"
        );
        xxh3_64(text.as_bytes())
    }
}

impl ShardLayout {
    fn new(geometry: &Geometry, shards: usize) -> Self {
        let entries = to_usize(geometry.cache_entries.into());
        let stride = to_usize(geometry.cache_bytes) / shards / LINE * LINE;
        let descs = entries.div_ceil(shards);
        // One to two entries a bucket: a step more now and then, and half the memory.
        let buckets = (descs / 2).next_power_of_two();
        // Who was evicted longer ago than half a round of the cache is mostly forgotten anyway.
        let ghosts = (descs / 2).next_power_of_two();
        let buckets_at = SHARD_WORDS * WORD;
        let descs_at = (buckets_at + buckets * 4).next_multiple_of(LINE);
        let ghosts_at = descs_at + descs * DESC_WORDS * WORD;
        let links_at = (ghosts_at + ghosts * 4).next_multiple_of(LINE);
        // What is left is shared out between blocks and their links, after one line of alignment.
        let left = stride.saturating_sub(links_at + LINE);
        let blocks = left / (BLOCK_BYTES + 4);
        let blocks_at = (links_at + blocks * 4).next_multiple_of(LINE);
        Self { stride, buckets_at, buckets, descs_at, descs, ghosts_at, ghosts, links_at, blocks_at, blocks }
    }
}

/// Widens or keeps: this crate is for 64-bit machines, where nothing is lost.
pub(crate) const fn to_usize(n: u64) -> usize {
    const { assert!(usize::BITS == 64, "the segment is laid out for 64-bit processes") };
    n as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn geometries() -> Vec<Geometry> {
        let base = Geometry::default();
        vec![
            base,
            Geometry { cache_bytes: 256 * 1024, cache_entries: 16, ..base },
            Geometry { cache_bytes: 256 * 1024, cache_entries: 512, ..base },
            Geometry { cache_bytes: 1 << 34, cache_entries: 1_000_003, ..base },
        ]
    }

    #[test]
    fn parts_lie_side_by_side_inside_their_shard() {
        for geometry in geometries() {
            geometry.check().expect("sound");
            let layout = Layout::new(geometry);
            let s = layout.shard;
            assert!(s.buckets_at + s.buckets * 4 <= s.descs_at);
            assert!(s.descs_at + s.descs * DESC_WORDS * WORD <= s.ghosts_at);
            assert!(s.ghosts_at + s.ghosts * 4 <= s.links_at);
            assert!(s.links_at + s.blocks * 4 <= s.blocks_at);
            assert!(s.blocks_at + s.blocks * BLOCK_BYTES <= s.stride);
            assert!(s.blocks >= 64, "{geometry:?} leaves {} blocks", s.blocks);
            assert!(layout.area(Area::Cache).len as u64 <= geometry.cache_bytes);
        }
    }

    #[test]
    fn quotas_sum_up_to_the_bound() {
        for geometry in geometries() {
            let layout = Layout::new(geometry);
            let sum: usize = (0..layout.shards).map(|i| layout.quota(i)).sum();
            assert_eq!(sum as u64, u64::from(geometry.cache_entries));
            assert!((0..layout.shards).all(|i| layout.quota(i) <= layout.shard.descs));
        }
    }
}
