//! What becomes of the cache's bytes: metadata for each entry, and what rounding to blocks wastes after a long
//! time of mixed sizes.
//!
//! `cargo run --release -p veritable-shm --example space`. Sizes are those of a community's answers: two thirds
//! JSON of 0.3 to 16 KB, a third pages of 4 to 60 KB, each evenly spread over its logarithm.
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use veritable_shm::{Cache, Geometry, Lifetime, NewEntry, Scoreboard, Segment, TagRef, now_ms};

const LIFETIME: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };
const OPERATIONS: u64 = 1_000_000;
/// Bytes of fixed fields before an entry's tags, and of a tag.
const FIXED_BYTES: u64 = 24;
const TAG_BYTES: u64 = 4;
const TAGS: u64 = 2;

fn main() {
    for (bytes, entries) in [(50 << 20, 1_000_u32), (256 << 20, 100_000), (1 << 30, 1_000_000)] {
        let geometry = Geometry { cache_bytes: bytes, cache_entries: entries, ..Geometry::default() };
        let (_fd, segment) = Segment::create(&geometry).expect("memory");
        let owner = Scoreboard::of(&segment).enlist(0, 1, 0).expect("slot");
        let cache = Cache::of(&segment, owner).expect("cache");
        let blocks = cache.stats().block_bytes / 256;
        // Links belong to blocks: they are counted with what blocks waste.
        let entry = (cache.stats().metadata_bytes - blocks * 4) as f64 / f64::from(entries);
        let mut state = 1_u64;
        let mut share = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / (1_u64 << 31) as f64
        };
        let value = vec![7; 64 << 10];
        for _ in 0..OPERATIONS {
            let key = (share() * share() * 4.0 * f64::from(entries)) as u64;
            let (least, most) = if share() < 0.67 { (300.0_f64, 16_384.0_f64) } else { (4_096.0, 61_440.0) };
            let len = (least * (most / least).powf(share())) as usize;
            let tags = [TagRef::new(b"site"), TagRef::new(&key.to_le_bytes())];
            let entry = NewEntry {
                value: &value[..len],
                tags: &tags,
                snapshot: cache.snapshot(),
                lifetime: LIFETIME,
            };
            cache.insert(format!("/t/some-topic/{key}").as_bytes(), &entry, now_ms());
        }
        let held = cache.keys(&[], usize::MAX, now_ms());
        let useful: u64 = held.iter().map(|info| (info.key.len() + info.len) as u64).sum();
        let stats = cache.stats();
        let fixed = stats.entries * (FIXED_BYTES + TAGS * TAG_BYTES);
        let in_use = stats.used_bytes + stats.used_bytes / 256 * 4;
        println!(
            "{} MB, {entries} entries at most: {} entries of {} bytes on average; {:.1} bytes of metadata an entry \
             outside its blocks, {} inside with {TAGS} tags; {:.1} % of used bytes lost to rounding and links, {:.1} % of \
             all bytes hold keys and values",
            bytes >> 20,
            stats.entries,
            useful / stats.entries.max(1),
            entry,
            FIXED_BYTES + TAGS * TAG_BYTES,
            100.0 * (in_use - useful - fixed) as f64 / in_use as f64,
            100.0 * useful as f64 / bytes as f64,
        );
    }
}
