//! The cache seen by tools: totals, keys, and a full count that proves the books are right.

use crate::sync::Ordering;

use super::Cache;
use super::lock::Held;
use super::read::Reading;
use super::record::{Lifetime, Sizes};
use super::shard::{ENTRIES, FREE_BLOCK, FREE_BLOCKS, NIL, Shard};
use crate::layout::{Area, BLOCK_BYTES};
use crate::scoreboard::{Counter, Scoreboard};
use crate::tags::{Table, TagRef};

/// Totals over all shards and all processes since the segment was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheStats {
    /// Bytes the cache may take, metadata included.
    pub capacity_bytes: u64,
    /// Bytes of that taken by metadata: headers, index, descriptors, links, alignment.
    pub metadata_bytes: u64,
    /// Bytes of blocks in use (whole blocks, so what is wasted in the last one counts as used).
    pub used_bytes: u64,
    /// Bytes of all blocks: `used_bytes` cannot pass it.
    pub block_bytes: u64,
    /// Entries present, those not yet noticed to be stale included.
    pub entries: u64,
    /// Entries that may be present.
    pub capacity_entries: u64,
    /// Shards.
    pub shards: u64,
    /// The largest record (key and value, tags and fixed fields aside), bytes.
    pub value_bytes_max: u64,
    /// Fresh hits.
    pub hits: u64,
    /// Hits in the stale window.
    pub stale_hits: u64,
    /// Misses of any reason.
    pub misses: u64,
    /// Values stored.
    pub inserts: u64,
    /// Entries evicted to make room.
    pub evictions: u64,
    /// Inserts left out because a lock was busy.
    pub skips: u64,
    /// Inserts refused for their size.
    pub refusals: u64,
    /// Inserts refused because what they were computed from had changed.
    pub outdated: u64,
    /// Shards reset after their lock's owner died.
    pub takeovers: u64,
    /// Shards reset because their structure contradicted itself.
    pub damages: u64,
}

/// How full one shard is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardStats {
    /// Entries present, those not yet noticed to be stale included.
    pub entries: u64,
    /// Entries that may be present.
    pub capacity_entries: u64,
    /// Bytes of blocks in use.
    pub used_bytes: u64,
    /// Bytes of all blocks.
    pub block_bytes: u64,
}

/// One entry, as tools list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyInfo {
    /// The key.
    pub key: Vec<u8>,
    /// Bytes of its value.
    pub len: usize,
    /// Milliseconds since it was stored.
    pub age_ms: u64,
    /// How long it may be shown.
    pub lifetime: Lifetime,
    /// Whether it would be a hit now.
    pub fresh: bool,
}

/// What a walk over everything counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Entries found in buckets.
    pub entries: u64,
    /// Blocks of those entries.
    pub used_blocks: u64,
    /// Blocks on free lists.
    pub free_blocks: u64,
    /// Shards whose lock could not be had; they are not counted above.
    pub skipped_shards: u64,
    /// Shards whose counts disagree with the walk, or whose walk did not end where it should.
    pub wrong_shards: u64,
}

impl Cache {
    /// Totals. Shards are read one after the other without their locks: exact when nobody writes.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let layout = self.segment.layout();
        let board = Scoreboard::of(&self.segment);
        let shards = self.shard_stats();
        let sum = |part: fn(&ShardStats) -> u64| shards.iter().map(part).sum::<u64>();
        let block_bytes = sum(|shard| shard.block_bytes);
        CacheStats {
            capacity_bytes: layout.geometry.cache_bytes,
            metadata_bytes: layout.area(Area::Cache).len as u64 - block_bytes,
            used_bytes: sum(|shard| shard.used_bytes),
            block_bytes,
            entries: sum(|shard| shard.entries),
            capacity_entries: layout.geometry.cache_entries.into(),
            shards: layout.shards as u64,
            value_bytes_max: (self.record_blocks_max() * BLOCK_BYTES) as u64,
            hits: board.total(Counter::CacheHit),
            stale_hits: board.total(Counter::CacheStale),
            misses: board.total(Counter::CacheMiss),
            inserts: board.total(Counter::CacheInsert),
            evictions: board.total(Counter::CacheEvict),
            skips: board.total(Counter::CacheSkip),
            refusals: board.total(Counter::CacheRefuse),
            outdated: board.total(Counter::CacheOutdated),
            takeovers: board.total(Counter::CacheTakeover),
            damages: board.total(Counter::CacheDamage),
        }
    }

    /// How full each shard is, read as for [`Cache::stats`].
    #[must_use]
    pub fn shard_stats(&self) -> Vec<ShardStats> {
        let shards = (0..self.segment.layout().shards).map(|index| Shard::of(&self.segment, index));
        shards
            .map(|shard| {
                let at = |field: usize| shard.head[field].load(Ordering::Relaxed);
                let blocks = shard.block_count() as u64;
                ShardStats {
                    entries: at(ENTRIES).min(shard.quota as u64),
                    capacity_entries: shard.quota as u64,
                    used_bytes: (blocks - at(FREE_BLOCKS).min(blocks)) * BLOCK_BYTES as u64,
                    block_bytes: blocks * BLOCK_BYTES as u64,
                }
            })
            .collect()
    }

    /// Entries that would be hits now and that an invalidation of `tags` would end. For tools: it looks at
    /// every entry.
    #[must_use]
    pub fn depending(&self, tags: &[TagRef], now_ms: u64) -> u64 {
        let table = Table::of(&self.segment);
        let slots: Vec<u32> = tags.iter().map(|tag| tag.slot(self.segment.geometry().tag_slots)).collect();
        let ends = |shard: &Shard<'_>, index: u32| {
            let desc = shard.desc(index).filter(|desc| !desc.is_free())?;
            let reading = Reading::begin(shard, desc)?;
            let head = reading.head;
            let fresh = head.is_valid(table) && head.age_ms(now_ms) < u64::from(head.lifetime().ttl_ms);
            let ends = fresh && slots.iter().any(|&slot| head.depends_on(slot));
            (ends && reading.is_settled()).then_some(())
        };
        let shards = (0..self.segment.layout().shards).map(|index| Shard::of(&self.segment, index));
        shards
            .map(|shard| {
                (0..shard.desc_count()).filter(|&index| ends(&shard, index).is_some()).count() as u64
            })
            .sum()
    }

    /// Up to `limit` entries whose key starts with `prefix`, in no order. For tools: it reads every entry
    /// in full, since only a verified entry's key means anything.
    #[must_use]
    pub fn keys(&self, prefix: &[u8], limit: usize, now_ms: u64) -> Vec<KeyInfo> {
        let table = Table::of(&self.segment);
        let mut found = Vec::new();
        let mut value = Vec::new();
        for index in 0..self.segment.layout().shards {
            let shard = Shard::of(&self.segment, index);
            for i in 0..shard.desc_count() {
                if found.len() >= limit {
                    return found;
                }
                value.clear();
                found.extend(
                    self.key_info(&shard, i, table, now_ms, &mut value).filter(|k| k.key.starts_with(prefix)),
                );
            }
        }
        found
    }

    fn key_info(
        &self,
        shard: &Shard<'_>,
        index: u32,
        table: Table<'_>,
        now_ms: u64,
        value: &mut Vec<u8>,
    ) -> Option<KeyInfo> {
        let desc = shard.desc(index).filter(|d| !d.is_free())?;
        let mut reading = Reading::begin(shard, desc)?;
        let key = reading.key()?;
        let head = reading.head;
        let len = reading.sizes.value;
        reading.value(self.hash(&key), value)?;
        let (age_ms, lifetime) = (head.age_ms(now_ms), head.lifetime());
        let fresh = head.is_valid(table) && age_ms < u64::from(lifetime.ttl_ms);
        Some(KeyInfo { key, len, age_ms, lifetime, fresh })
    }

    /// Walks every bucket and free list under the shards' locks and compares with the counts kept. For
    /// tests and for a person who doubts.
    #[must_use]
    pub fn audit(&self) -> Audit {
        let mut sum = Audit::default();
        for index in 0..self.segment.layout().shards {
            let shard = Shard::of(&self.segment, index);
            let Some(held) = Held::take(&self.segment, shard, self.owner) else {
                sum.skipped_shards += 1;
                continue;
            };
            let (entries, used) = walk_buckets(&shard);
            let free = walk_free(&shard, held.get(FREE_BLOCK));
            let right = entries == held.get(ENTRIES)
                && entries <= shard.quota as u64
                && free == held.get(FREE_BLOCKS)
                && used + free == shard.block_count() as u64;
            sum.wrong_shards += u64::from(!right);
            sum.entries += entries;
            sum.used_blocks += used;
            sum.free_blocks += free;
            held.settle();
        }
        sum
    }
}

/// Entries reachable from buckets and the blocks their chains really have, each walk bounded.
fn walk_buckets(shard: &Shard<'_>) -> (u64, u64) {
    let (mut entries, mut blocks) = (0, 0);
    for bucket in shard.buckets {
        let mut index = bucket.load(Ordering::Relaxed);
        while let Some(desc) = shard.desc(index).filter(|_| entries <= u64::from(shard.desc_count())) {
            entries += 1;
            let expected = Sizes::unpack(desc.sizes()).map_or(0, Sizes::blocks);
            blocks += walk_chain(shard, desc.first(), expected as u64 + 1);
            index = desc.next();
        }
    }
    (entries, blocks)
}

fn walk_free(shard: &Shard<'_>, first: u64) -> u64 {
    u32::try_from(first).map_or(0, |first| walk_chain(shard, first, shard.block_count() as u64 + 1))
}

/// Blocks of a chain, counted up to `bound`.
fn walk_chain(shard: &Shard<'_>, first: u32, bound: u64) -> u64 {
    let mut block = first;
    let mut count = 0;
    while block != NIL && (block as usize) < shard.block_count() && count < bound {
        count += 1;
        block = shard.next_block(block);
    }
    count
}
