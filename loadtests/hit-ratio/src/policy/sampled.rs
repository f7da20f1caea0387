//! LRU by a sample (as Redis has it): of some entries chosen at random, the one not used for the longest goes.
//! With the whole cache as the sample it is exact.

use std::collections::HashMap;

use super::{Policy, hash};

pub(crate) struct Sampled {
    places: HashMap<u64, usize>,
    slots: Vec<(u64, u64)>,
    entries: usize,
    sample: usize,
    now: u64,
}

impl Sampled {
    pub(crate) fn new(entries: usize, sample: usize) -> Self {
        Self { places: HashMap::new(), slots: Vec::new(), entries, sample, now: 0 }
    }
}

impl Policy for Sampled {
    fn access(&mut self, key: u64) -> bool {
        self.now += 1;
        if let Some(&place) = self.places.get(&key) {
            self.slots[place].1 = self.now;
            return true;
        }
        if self.slots.len() < self.entries {
            self.places.insert(key, self.slots.len());
            self.slots.push((key, self.now));
            return false;
        }
        // Neighbours from a random place on: which entries lie side by side is as good as random.
        let start = hash(self.now) as usize % self.entries;
        let oldest = (start..start + self.sample)
            .map(|place| place % self.entries)
            .min_by_key(|&place| self.slots[place].1)
            .unwrap_or(0);
        self.places.remove(&self.slots[oldest].0);
        self.places.insert(key, oldest);
        self.slots[oldest] = (key, self.now);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_all_as_the_sample_it_is_lru() {
        let mut cache = Sampled::new(2, 2);
        let hits = [1, 2, 1, 3, 2, 3, 1].map(|key| cache.access(key));
        assert_eq!(hits, [false, false, true, false, false, true, false]);
    }
}
