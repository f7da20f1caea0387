//! The policy of the shared cache as it is built (shm/src/cache/evict.rs): `regret` by arrays instead of sorted
//! sets. The oldest of a stretch of slots stands for the oldest of all, and ghosts are kept in a table that
//! forgets whom another one's hash meets.

use std::collections::HashMap;

use super::{Policy, hash};

/// Slots of which one goes.
const STRETCH: usize = 64;
const LEARN: f64 = 0.4;
const LEAST: f64 = 0.01;

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    used: u32,
    newcomer: bool,
}

#[derive(Clone, Copy)]
struct Ghost {
    mark: u16,
    evicted: u32,
    /// Who chose it; nobody where both would have.
    by: Option<Expert>,
}

#[derive(Clone, Copy, PartialEq)]
enum Expert {
    Oldest,
    Newcomer,
}

pub(crate) struct Built {
    places: HashMap<u64, usize>,
    slots: Vec<Slot>,
    ghosts: Vec<Option<Ghost>>,
    entries: usize,
    stretch: usize,
    hand: usize,
    now: u32,
    weight: f64,
}

impl Built {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            places: HashMap::new(),
            slots: Vec::new(),
            ghosts: vec![None; (entries / 2).next_power_of_two()],
            entries,
            stretch: STRETCH.min(entries),
            hand: 0,
            now: 0,
            weight: 0.5,
        }
    }

    fn ghost(&self, key: u64) -> (usize, u16) {
        let hash = hash(key);
        (hash as usize & (self.ghosts.len() - 1), (hash >> 48) as u16)
    }

    /// Whether the key was evicted not long ago.
    fn learn(&mut self, key: u64) -> bool {
        let (place, mark) = self.ghost(key);
        let Some(ghost) = self.ghosts[place].filter(|ghost| ghost.mark == mark) else { return false };
        self.ghosts[place] = None;
        let age = f64::from(self.now - ghost.evicted) / self.entries as f64;
        if age > 1.0 {
            return false;
        }
        let (mut newcomer, mut oldest) = (self.weight, 1.0 - self.weight);
        let factor = (-LEARN * 0.005_f64.powf(age)).exp();
        match ghost.by {
            Some(Expert::Newcomer) => newcomer *= factor,
            Some(Expert::Oldest) => oldest *= factor,
            None => {}
        }
        self.weight = (newcomer / (newcomer + oldest)).clamp(LEAST, 1.0 - LEAST);
        true
    }

    fn victim(&mut self) -> usize {
        let (now, slots) = (self.now, &self.slots);
        let stretch = || (self.hand..self.hand + self.stretch).map(|place| place % slots.len());
        let age = |place: &usize| now - slots[*place].used;
        let oldest = stretch().max_by_key(age).unwrap_or(0);
        let newcomer = stretch().filter(|&place| slots[place].newcomer).max_by_key(age).unwrap_or(oldest);
        self.hand = (self.hand + self.stretch) % slots.len();
        let draw = (hash(u64::from(now)) >> 11) as f64 / (1_u64 << 53) as f64;
        let by_newcomer = draw < self.weight;
        let chosen = if by_newcomer { newcomer } else { oldest };
        let by = match (newcomer == oldest, by_newcomer) {
            (true, _) => None,
            (false, true) => Some(Expert::Newcomer),
            (false, false) => Some(Expert::Oldest),
        };
        let (place, mark) = self.ghost(self.slots[chosen].key);
        self.ghosts[place] = Some(Ghost { mark, evicted: now, by });
        chosen
    }
}

impl Policy for Built {
    fn access(&mut self, key: u64) -> bool {
        if let Some(&place) = self.places.get(&key) {
            self.slots[place].used = self.now;
            self.slots[place].newcomer = false;
            return true;
        }
        self.now += 1;
        let newcomer = !self.learn(key);
        let slot = Slot { key, used: self.now, newcomer };
        if self.slots.len() < self.entries {
            self.places.insert(key, self.slots.len());
            self.slots.push(slot);
            return false;
        }
        let victim = self.victim();
        self.places.remove(&self.slots[victim].key);
        self.places.insert(key, victim);
        self.slots[victim] = slot;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crawler_does_not_push_out_what_people_ask_for() {
        let mut cache = Built::new(64);
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
