//! Eviction policies, each as simple as it can be written: what counts is who is evicted.

mod built;
mod clock;
mod regret;
mod s3fifo;
mod sampled;
mod shared;
mod sieve;
mod sketch;

/// A cache of keys.
pub(crate) trait Policy {
    /// Asks for a key and puts it there if it is not; whether it was there.
    fn access(&mut self, key: u64) -> bool;
}

type Make = fn(usize) -> Box<dyn Policy>;

/// All of them; the first is what the others are compared with.
pub(crate) const POLICIES: &[(&str, Make)] = &[
    ("LRU", |entries| Box::new(Lru::new(entries))),
    ("LRU × 8", |entries| Box::new(Sharded::new(8, entries, |entries| Box::new(Lru::new(entries))))),
    ("CLOCK 1", |entries| Box::new(clock::Clock::new(entries, 1))),
    ("CLOCK 3", |entries| Box::new(clock::Clock::new(entries, 3))),
    ("SIEVE", |entries| Box::new(sieve::Sieve::new(entries))),
    ("S3-FIFO", |entries| Box::new(s3fifo::S3Fifo::new(entries))),
    ("sampled LRU 64", |entries| Box::new(sampled::Sampled::new(entries, 64))),
    ("LRU + regret", |entries| Box::new(regret::Regret::new(entries))),
    ("as built", |entries| Box::new(built::Built::new(entries))),
    ("the cache", |entries| Box::new(shared::Shared::new(entries))),
    ("LRU + sketch", |entries| Box::new(sketch::Guarded::new(entries))),
    ("TinyLFU (moka)", |entries| Box::new(Moka::new(entries))),
];

/// Exact LRU.
struct Lru(lru::LruCache<u64, ()>);

impl Lru {
    fn new(entries: usize) -> Self {
        Self(lru::LruCache::new(entries.try_into().unwrap_or(std::num::NonZeroUsize::MIN)))
    }
}

impl Policy for Lru {
    fn access(&mut self, key: u64) -> bool {
        self.0.put(key, ()).is_some()
    }
}

/// Window TinyLFU as moka has it; what it puts off is done after every request.
struct Moka(moka::sync::Cache<u64, ()>);

impl Moka {
    fn new(entries: usize) -> Self {
        Self(moka::sync::Cache::new(entries as u64))
    }
}

impl Policy for Moka {
    fn access(&mut self, key: u64) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        self.0.run_pending_tasks();
        hit
    }
}

/// A policy in shards by the key's hash, as the shared cache is.
struct Sharded(Vec<Box<dyn Policy>>);

impl Sharded {
    fn new(shards: usize, entries: usize, make: Make) -> Self {
        Self(
            (0..shards).map(|index| make(entries / shards + usize::from(index < entries % shards))).collect(),
        )
    }
}

impl Policy for Sharded {
    fn access(&mut self, key: u64) -> bool {
        let shard = (hash(key) >> 48) as usize % self.0.len();
        self.0[shard].access(key)
    }
}

/// splitmix64's mixing.
fn hash(key: u64) -> u64 {
    let mut z = key.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
