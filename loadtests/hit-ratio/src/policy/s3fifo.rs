//! S3-FIFO (Yang et al., SOSP 2023): a small queue of a tenth for newcomers, a main queue for those asked for
//! again, and a queue of ghosts that lets who comes back go straight to the main one.

use std::collections::{HashMap, VecDeque};

use super::Policy;

pub(crate) struct S3Fifo {
    /// Uses, up to 3.
    known: HashMap<u64, u8>,
    small: VecDeque<u64>,
    main: VecDeque<u64>,
    /// In order of eviction, with that order's number; those that came back stay until it is their turn.
    ghosts: VecDeque<(u64, u64)>,
    ghost: HashMap<u64, u64>,
    evicted: u64,
    small_entries: usize,
    entries: usize,
}

impl S3Fifo {
    pub(crate) fn new(entries: usize) -> Self {
        Self {
            known: HashMap::new(),
            small: VecDeque::new(),
            main: VecDeque::new(),
            ghosts: VecDeque::new(),
            ghost: HashMap::new(),
            evicted: 0,
            small_entries: (entries / 10).max(1),
            entries,
        }
    }

    fn evict(&mut self) {
        if self.small.len() >= self.small_entries
            && let Some(key) = self.small.pop_front()
        {
            if self.known.get(&key).is_some_and(|uses| *uses > 1) {
                self.known.insert(key, 0);
                self.main.push_back(key);
                if self.main.len() > self.entries - self.small_entries {
                    self.evict_main();
                }
                return;
            }
            self.known.remove(&key);
            self.evicted += 1;
            self.ghosts.push_back((key, self.evicted));
            self.ghost.insert(key, self.evicted);
            while self.ghost.len() > self.entries - self.small_entries
                && let Some((oldest, number)) = self.ghosts.pop_front()
            {
                if self.ghost.get(&oldest) == Some(&number) {
                    self.ghost.remove(&oldest);
                }
            }
            return;
        }
        self.evict_main();
    }

    fn evict_main(&mut self) {
        while let Some(key) = self.main.pop_front() {
            match self.known.get_mut(&key) {
                Some(uses) if *uses > 0 => {
                    *uses -= 1;
                    self.main.push_back(key);
                }
                _ => {
                    self.known.remove(&key);
                    return;
                }
            }
        }
    }
}

impl Policy for S3Fifo {
    fn access(&mut self, key: u64) -> bool {
        if let Some(uses) = self.known.get_mut(&key) {
            *uses = (*uses + 1).min(3);
            return true;
        }
        while self.known.len() >= self.entries {
            self.evict();
        }
        if self.ghost.remove(&key).is_some() {
            self.main.push_back(key);
        } else {
            self.small.push_back(key);
        }
        self.known.insert(key, 0);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scan_passes_through_the_small_queue() {
        let mut cache = S3Fifo::new(20);
        for key in 0..10 {
            for _ in 0..3 {
                cache.access(key);
            }
        }
        for key in 100..200 {
            cache.access(key);
        }
        assert!((0..10).all(|key| cache.access(key)), "asked for again and again: still there");
        assert!(!cache.access(100));
    }
}
