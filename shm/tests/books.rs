//! The books are right: after any number of random operations, counters, bytes and entries are what a full walk
//! finds. `VERITABLE_FULL=1` does ten million operations.

mod common;

use common::{Noise, bench, self_describing};
use veritable_shm::{Geometry, Inserted, Lifetime, Lookup, NewEntry, Removed, TagRef, Tags};

const OPERATIONS: u64 = 200_000;
const OPERATIONS_FULL: u64 = 10_000_000;
/// More than fit, by entries and by bytes.
const KEYS: u64 = 2_000;
const GEOMETRY: Geometry = Geometry {
    cache_bytes: 4 << 20,
    cache_entries: 500,
    tag_slots: 256,
    lease_slots: 64,
    worker_slots: 4,
    session_slots: 64,
    limit_slots: 64,
    value_share: 4,
};

/// What was done, counted by whoever did it.
#[derive(Debug, Default, PartialEq)]
struct Done {
    hits: u64,
    stale: u64,
    misses: u64,
    stored: u64,
    refused: u64,
    outdated: u64,
    removed: u64,
}

#[test]
fn counters_bytes_and_entries_agree_with_a_full_walk() {
    let operations = if std::env::var_os("VERITABLE_FULL").is_some() { OPERATIONS_FULL } else { OPERATIONS };
    let b = bench(GEOMETRY);
    let tags = Tags::of(&b.segment);
    let mut noise = Noise(7);
    let mut done = Done::default();
    let mut out = Vec::new();
    for operation in 0..operations {
        let key = noise.below(KEYS) * noise.below(KEYS) / KEYS;
        let name = key.to_le_bytes();
        let tag = TagRef::new(&(key % 64).to_le_bytes());
        let now_ms = operation / 100;
        match noise.below(1_000) {
            0..600 => {
                out.clear();
                match b.cache.get(&name, now_ms, &mut out) {
                    Lookup::Hit(_) => done.hits += 1,
                    Lookup::Expired(_) => done.stale += 1,
                    Lookup::Miss(_) => done.misses += 1,
                }
            }
            600..970 => {
                // Mostly pages, sometimes one that is too large for its shard.
                let most = if noise.below(500) == 0 { 1 << 20 } else { 1 << (4 + noise.below(13)) };
                let value = self_describing(key, operation, noise.below(most) as usize);
                let lifetime =
                    Lifetime { ttl_ms: 1 + noise.below(2_000) as u32, stale_ms: noise.below(500) as u32 };
                let snapshot = b.cache.snapshot();
                if noise.below(50) == 0 {
                    tags.invalidate(&[tag]);
                }
                let entry = NewEntry { value: &value, tags: &[tag], snapshot, lifetime };
                match b.cache.insert(&name, &entry, now_ms) {
                    Inserted::Stored => done.stored += 1,
                    Inserted::TooLarge => done.refused += 1,
                    Inserted::Stale => done.outdated += 1,
                    Inserted::Contended => panic!("nobody else is there"),
                }
            }
            970..999 => done.removed += u64::from(b.cache.remove(&name) == Removed::Removed),
            _ => {
                tags.invalidate(&[tag]);
            }
        }
        if operation % (operations / 50) == 0 {
            check(&b, &done);
        }
    }
    check(&b, &done);
    let stats = b.cache.stats();
    assert!(
        done.refused > 0 && done.outdated > 0 && done.stale > 0 && stats.evictions > 0,
        "{done:?} {stats:?}"
    );
    assert_eq!(b.cache.clear(), 0);
    let (stats, audit) = (b.cache.stats(), b.cache.audit());
    assert_eq!((stats.entries, stats.used_bytes, audit.entries, audit.used_blocks), (0, 0, 0, 0));
}

fn check(b: &common::Bench, done: &Done) {
    let (stats, audit) = (b.cache.stats(), b.cache.audit());
    assert_eq!((audit.wrong_shards, audit.skipped_shards), (0, 0));
    assert_eq!(stats.entries, audit.entries);
    assert_eq!(stats.used_bytes, audit.used_blocks * 256);
    assert_eq!(stats.block_bytes, (audit.used_blocks + audit.free_blocks) * 256);
    assert!(
        stats.entries <= stats.capacity_entries
            && stats.used_bytes + stats.metadata_bytes <= stats.capacity_bytes
    );
    assert_eq!(
        (stats.hits, stats.stale_hits, stats.misses, stats.inserts, stats.refusals, stats.outdated),
        (done.hits, done.stale, done.misses, done.stored, done.refused, done.outdated)
    );
    assert_eq!((stats.skips, stats.takeovers, stats.damages), (0, 0, 0));
    // What came and neither went nor was replaced is there.
    assert!(stats.entries + stats.evictions + done.removed <= done.stored);
}
