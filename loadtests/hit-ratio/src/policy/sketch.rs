//! LRU whose victim may stay: a newcomer is let in only if it was asked for at least as often, by a sketch of
//! four-bit counters that ages (TinyLFU, Einziger et al., ACM ToS 2017). What is not let in goes at once.

use lru::LruCache;

use super::{Policy, hash};

pub(crate) struct Guarded {
    cache: LruCache<u64, ()>,
    sketch: Sketch,
    entries: usize,
}

/// Count-min with four rows; after ten requests an entry all counts are halved.
pub(crate) struct Sketch {
    counts: Vec<u8>,
    seen: usize,
    halve_at: usize,
}

impl Sketch {
    pub(crate) fn new(entries: usize) -> Self {
        let width = (entries * 4).next_power_of_two();
        Self { counts: vec![0; width * 4], seen: 0, halve_at: entries * 10 }
    }

    fn places(&self, key: u64) -> [usize; 4] {
        let width = self.counts.len() / 4;
        std::array::from_fn(|row| row * width + (hash(key ^ (row as u64) << 60) as usize & (width - 1)))
    }

    pub(crate) fn add(&mut self, key: u64) {
        for place in self.places(key) {
            self.counts[place] = (self.counts[place] + 1).min(15);
        }
        self.seen += 1;
        if self.seen >= self.halve_at {
            self.seen = 0;
            self.counts.iter_mut().for_each(|count| *count /= 2);
        }
    }

    pub(crate) fn of(&self, key: u64) -> u8 {
        self.places(key).into_iter().map(|place| self.counts[place]).min().unwrap_or(0)
    }
}

impl Guarded {
    pub(crate) fn new(entries: usize) -> Self {
        let cache = LruCache::new(entries.try_into().unwrap_or(std::num::NonZeroUsize::MIN));
        Self { cache, sketch: Sketch::new(entries), entries }
    }
}

impl Policy for Guarded {
    fn access(&mut self, key: u64) -> bool {
        self.sketch.add(key);
        if self.cache.get(&key).is_some() {
            return true;
        }
        if self.cache.len() >= self.entries {
            let weaker = self
                .cache
                .peek_lru()
                .is_some_and(|(victim, ())| self.sketch.of(key) < self.sketch.of(*victim));
            if weaker {
                return false;
            }
        }
        self.cache.put(key, ());
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_asked_for_more_often_is_not_pushed_out() {
        let mut cache = Guarded::new(2);
        for key in [1, 1, 1, 2, 2, 2] {
            cache.access(key);
        }
        assert!(!cache.access(3) && !cache.access(4));
        assert!(cache.access(1) && cache.access(2));
    }
}
