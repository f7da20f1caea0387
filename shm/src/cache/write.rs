//! Changes to a shard, all under its lock. Every index is checked as readers check it, every loop is
//! bounded by the shard's size; what contradicts itself is [`Damaged`] and ends in a reset.

use crate::sync::Ordering;

use super::lock::{Damaged, Held};
use super::read::Reading;
use super::record::{Head, Sizes};
use super::shard::{Desc, ENTRIES, FREE_BLOCK, FREE_BLOCKS, FREE_DESC, NIL};
use crate::fail::{Point, point};
use crate::scoreboard::Counter;
use crate::tags::Table;

/// A record ready to be stored.
pub(crate) struct Record<'a> {
    pub(crate) hash: u64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) sizes: Sizes,
    pub(crate) head: Head,
    /// Whether an older value of the key was there.
    pub(crate) again: bool,
}

impl<'a> Held<'a> {
    fn desc(&self, index: u32) -> Result<Desc<'a>, Damaged> {
        self.shard.desc(index).ok_or(Damaged)
    }

    /// Whether the counts are within their bounds at all.
    pub(crate) fn check(&self) -> Result<(), Damaged> {
        let sane = self.get(FREE_BLOCKS) <= self.shard.block_count() as u64
            && self.get(ENTRIES) <= self.shard.quota as u64;
        sane.then_some(()).ok_or(Damaged)
    }

    /// The entry of this key, if there is one.
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Result<Option<(u32, Head)>, Damaged> {
        let mut index = self.shard.bucket(hash).load(Ordering::Relaxed);
        for _ in 0..=self.shard.desc_count() {
            if index == NIL {
                return Ok(None);
            }
            let desc = self.desc(index)?;
            if desc.stamp().may_be(hash) {
                let mut reading = Reading::begin(&self.shard, desc).ok_or(Damaged)?;
                if reading.key_is(key).ok_or(Damaged)? {
                    return Ok(Some((index, reading.head)));
                }
            }
            index = desc.next();
        }
        Err(Damaged)
    }

    /// Takes an entry out of its bucket and frees its blocks and descriptor.
    pub(crate) fn unlink(&mut self, index: u32) -> Result<(), Damaged> {
        let desc = self.desc(index)?;
        let sizes = Sizes::unpack(desc.sizes()).ok_or(Damaged)?;
        desc.open();
        point(Point::UnlinkOpened);
        self.unchain(index, desc)?;
        point(Point::UnlinkUnchained);
        self.free_blocks(desc.first(), sizes.blocks())?;
        point(Point::UnlinkFreed);
        desc.set_sizes(0);
        desc.set_links(NIL, (self.get(FREE_DESC) & u64::from(NIL)) as u32);
        self.set(FREE_DESC, index.into());
        self.set(ENTRIES, self.get(ENTRIES).checked_sub(1).ok_or(Damaged)?);
        point(Point::UnlinkDone);
        desc.close(0);
        Ok(())
    }

    /// Removes a descriptor from its bucket's chain.
    fn unchain(&self, index: u32, desc: Desc<'_>) -> Result<(), Damaged> {
        let bucket = self.shard.bucket(desc.stamp().hash());
        let mut at = bucket.load(Ordering::Relaxed);
        if at == index {
            bucket.store(desc.next(), Ordering::Release);
            return Ok(());
        }
        for _ in 0..=self.shard.desc_count() {
            let before = self.desc(at)?;
            if before.next() == index {
                before.set_links(before.first(), desc.next());
                return Ok(());
            }
            at = before.next();
        }
        Err(Damaged)
    }

    /// Puts a chain of `count` blocks on the free list.
    fn free_blocks(&self, first: u32, count: usize) -> Result<(), Damaged> {
        let last = self.nth_block(first, count)?;
        let free = self.get(FREE_BLOCKS) + count as u64;
        if free > self.shard.block_count() as u64 {
            return Err(Damaged);
        }
        let link = self.shard.links.get(last as usize).ok_or(Damaged)?;
        link.store((self.get(FREE_BLOCK) & u64::from(NIL)) as u32, Ordering::Relaxed);
        point(Point::FreeLinked);
        self.set(FREE_BLOCK, first.into());
        point(Point::FreeHalf);
        self.set(FREE_BLOCKS, free);
        Ok(())
    }

    /// Takes `count` blocks off the free list as a chain. The caller has made sure there are as many.
    fn take_blocks(&self, count: usize) -> Result<u32, Damaged> {
        let first = u32::try_from(self.get(FREE_BLOCK)).map_err(|_| Damaged)?;
        let last = self.nth_block(first, count)?;
        let left = self.get(FREE_BLOCKS).checked_sub(count as u64).ok_or(Damaged)?;
        let link = self.shard.links.get(last as usize).ok_or(Damaged)?;
        self.set(FREE_BLOCK, link.load(Ordering::Relaxed).into());
        point(Point::TakeHalf);
        self.set(FREE_BLOCKS, left);
        link.store(NIL, Ordering::Relaxed);
        point(Point::TakeDone);
        Ok(first)
    }

    /// The last of `count` blocks from `first` on.
    fn nth_block(&self, first: u32, count: usize) -> Result<u32, Damaged> {
        let mut block = first;
        for _ in 1..count {
            block = self.shard.next_block(block);
        }
        if (block as usize) < self.shard.block_count() { Ok(block) } else { Err(Damaged) }
    }

    /// Makes room and stores a record whose key is not in the shard.
    pub(crate) fn store(
        &mut self,
        record: &Record<'_>,
        table: Table<'_>,
        now_ms: u64,
    ) -> Result<(), Damaged> {
        let blocks = record.sizes.blocks();
        let mut evicted = 0;
        while self.get(FREE_BLOCKS) < blocks as u64 || self.get(ENTRIES) >= self.shard.quota as u64 {
            if self.get(ENTRIES) == 0 {
                return Err(Damaged);
            }
            self.evict(table, now_ms)?;
            evicted += 1;
        }
        let index = u32::try_from(self.get(FREE_DESC)).map_err(|_| Damaged)?;
        let desc = self.desc(index)?;
        if !desc.is_free() {
            return Err(Damaged);
        }
        self.set(FREE_DESC, desc.next().into());
        point(Point::StoreDescTaken);
        let first = self.take_blocks(blocks)?;
        desc.open();
        point(Point::StoreOpened);
        let bucket = self.shard.bucket(record.hash);
        desc.set_sizes(record.sizes.pack());
        desc.set_links(first, bucket.load(Ordering::Relaxed));
        let mut chain = self.shard.chain(first);
        record.head.store(chain.run(record.sizes.head_words()).ok_or(Damaged)?);
        point(Point::StoreHead);
        chain.store(record.key).ok_or(Damaged)?;
        point(Point::StoreKey);
        chain.store(record.value).ok_or(Damaged)?;
        point(Point::StoreValue);
        self.note_arrival(desc, record.hash, record.again);
        desc.close(record.hash);
        point(Point::StoreClosed);
        bucket.store(index, Ordering::Release);
        point(Point::StoreLinked);
        self.set(ENTRIES, self.get(ENTRIES) + 1);
        self.count(Counter::CacheInsert, 1);
        if evicted > 0 {
            self.count(Counter::CacheEvict, evicted);
        }
        Ok(())
    }
}
