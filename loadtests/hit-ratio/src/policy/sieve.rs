//! SIEVE (Zhang et al., NSDI 2024): a queue in order of insertion; the hand goes from the oldest to the newest,
//! forgives who was visited, evicts the first who was not, and stays there.

use std::collections::{BTreeMap, HashMap};

use super::Policy;

pub(crate) struct Sieve {
    /// Order of insertion, and whether it was visited.
    known: HashMap<u64, (u64, bool)>,
    queue: BTreeMap<u64, u64>,
    entries: usize,
    next: u64,
    hand: u64,
}

impl Sieve {
    pub(crate) fn new(entries: usize) -> Self {
        Self { known: HashMap::new(), queue: BTreeMap::new(), entries, next: 0, hand: 0 }
    }

    fn evict(&mut self) {
        loop {
            let from_hand = self.queue.range(self.hand..).next();
            let Some((&order, &key)) = from_hand.or_else(|| self.queue.iter().next()) else { return };
            self.hand = order + 1;
            if let Some((_, visited @ true)) = self.known.get_mut(&key) {
                *visited = false;
                continue;
            }
            self.queue.remove(&order);
            self.known.remove(&key);
            return;
        }
    }
}

impl Policy for Sieve {
    fn access(&mut self, key: u64) -> bool {
        if let Some((_, visited)) = self.known.get_mut(&key) {
            *visited = true;
            return true;
        }
        if self.known.len() >= self.entries {
            self.evict();
        }
        self.known.insert(key, (self.next, false));
        self.queue.insert(self.next, key);
        self.next += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hand_stays_where_it_evicted() {
        let mut sieve = Sieve::new(3);
        for key in [1, 2, 3] {
            assert!(!sieve.access(key));
        }
        assert!(sieve.access(1));
        // 1 is forgiven, 2 goes; then 3, from where the hand is, not the forgiven 1.
        assert!(!sieve.access(4));
        assert!(!sieve.access(5));
        assert!(sieve.access(1) && sieve.access(4) && sieve.access(5));
        assert!(!sieve.access(3));
    }
}
