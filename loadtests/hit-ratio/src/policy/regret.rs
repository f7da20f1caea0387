//! Two experts, and weights that learn from regret (LeCaR, Vietri et al., HotStorage 2018; CACHEUS, FAST 2021):
//! one evicts who was not used for the longest (LRU), the other the oldest newcomer nobody has asked for again,
//! as S3-FIFO's small queue does. Who comes back soon after he was evicted makes his evictor's weight fall.
//!
//! Time is counted in misses, so that a hit costs a store at most once between two misses.

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::{Policy, hash};

/// How much one regret counts.
const LEARN: f64 = 0.4;
/// No expert is ever silent, or he could not be regretted.
const LEAST: f64 = 0.01;

#[derive(Clone, Copy, PartialEq)]
enum Expert {
    Oldest,
    Newcomer,
}

struct Entry {
    used: u64,
    inserted: u64,
    newcomer: bool,
}

pub(crate) struct Regret {
    known: HashMap<u64, Entry>,
    by_use: BTreeSet<(u64, u64)>,
    newcomers: BTreeSet<(u64, u64)>,
    ghosts: VecDeque<(u64, u64)>,
    ghost: HashMap<u64, (u64, Option<Expert>)>,
    entries: usize,
    now: u64,
    /// Of the expert for newcomers; the other has the rest.
    weight: f64,
}

impl Regret {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            known: HashMap::new(),
            by_use: BTreeSet::new(),
            newcomers: BTreeSet::new(),
            ghosts: VecDeque::new(),
            ghost: HashMap::new(),
            entries,
            now: 0,
            weight: 0.5,
        }
    }

    fn learn(&mut self, key: u64) {
        let Some((evicted, expert)) = self.ghost.remove(&key) else { return };
        // The longer ago, the smaller the regret.
        let regret = 0.005_f64.powf((self.now - evicted) as f64 / self.entries as f64);
        let (mut newcomer, mut oldest) = (self.weight, 1.0 - self.weight);
        match expert {
            Some(Expert::Newcomer) => newcomer *= (-LEARN * regret).exp(),
            Some(Expert::Oldest) => oldest *= (-LEARN * regret).exp(),
            // Both would have: there is nothing to learn about them.
            None => {}
        }
        self.weight = (newcomer / (newcomer + oldest)).clamp(LEAST, 1.0 - LEAST);
    }

    fn evict(&mut self) {
        let draw = (hash(self.now) >> 11) as f64 / (1_u64 << 53) as f64;
        let newcomer = if draw < self.weight { self.newcomers.first().copied() } else { None };
        let oldest = self.by_use.first().copied();
        let (expert, key) = match (newcomer, oldest) {
            (Some((_, key)), Some((_, other))) => {
                (if key == other { None } else { Some(Expert::Newcomer) }, key)
            }
            (None, Some((_, key))) => (
                if self.newcomers.first().is_some_and(|first| first.1 == key) {
                    None
                } else {
                    Some(Expert::Oldest)
                },
                key,
            ),
            _ => return,
        };
        if let Some(entry) = self.known.remove(&key) {
            self.by_use.remove(&(entry.used, key));
            self.newcomers.remove(&(entry.inserted, key));
        }
        self.ghosts.push_back((key, self.now));
        self.ghost.insert(key, (self.now, expert));
        while self.ghosts.len() > self.entries
            && let Some((oldest, at)) = self.ghosts.pop_front()
        {
            if self.ghost.get(&oldest).is_some_and(|(evicted, _)| *evicted == at) {
                self.ghost.remove(&oldest);
            }
        }
    }
}

impl Policy for Regret {
    fn access(&mut self, key: u64) -> bool {
        if let Some(entry) = self.known.get_mut(&key) {
            if entry.newcomer {
                entry.newcomer = false;
                self.newcomers.remove(&(entry.inserted, key));
            }
            if entry.used != self.now {
                self.by_use.remove(&(entry.used, key));
                entry.used = self.now;
                self.by_use.insert((entry.used, key));
            }
            return true;
        }
        self.now += 1;
        let came_back = self.ghost.contains_key(&key);
        self.learn(key);
        if self.known.len() >= self.entries {
            self.evict();
        }
        self.known.insert(key, Entry { used: self.now, inserted: self.now, newcomer: !came_back });
        self.by_use.insert((self.now, key));
        if !came_back {
            self.newcomers.insert((self.now, key));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_that_newcomers_should_go_first() {
        let mut cache = Regret::new(64);
        let mut hits = 0;
        for round in 0..400_u64 {
            for popular in 0..40 {
                hits += u32::from(cache.access(popular));
            }
            for crawled in 0..40 {
                cache.access(1_000 + round * 40 + crawled);
            }
        }
        assert!(hits > 400 * 40 / 2, "{hits}: LRU has hardly any");
    }
}
