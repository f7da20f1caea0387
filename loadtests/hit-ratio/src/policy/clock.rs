//! CLOCK with a counter of uses: the hand spares who was used, once for each use up to a bound.

use std::collections::HashMap;

use super::Policy;

pub(crate) struct Clock {
    places: HashMap<u64, usize>,
    slots: Vec<(u64, u8)>,
    entries: usize,
    most: u8,
    hand: usize,
}

impl Clock {
    pub(crate) fn new(entries: usize, most: u8) -> Self {
        Self { places: HashMap::new(), slots: Vec::new(), entries, most, hand: 0 }
    }
}

impl Policy for Clock {
    fn access(&mut self, key: u64) -> bool {
        if let Some(&place) = self.places.get(&key) {
            let uses = &mut self.slots[place].1;
            *uses = (*uses + 1).min(self.most);
            return true;
        }
        if self.slots.len() < self.entries {
            self.places.insert(key, self.slots.len());
            self.slots.push((key, 0));
            return false;
        }
        while self.slots[self.hand].1 > 0 {
            self.slots[self.hand].1 -= 1;
            self.hand = (self.hand + 1) % self.entries;
        }
        self.places.remove(&self.slots[self.hand].0);
        self.places.insert(key, self.hand);
        self.slots[self.hand] = (key, 0);
        self.hand = (self.hand + 1) % self.entries;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_used_is_spared_once_for_each_use() {
        let mut clock = Clock::new(2, 1);
        let hits = [1, 2, 1, 3, 1, 4, 3].map(|key| clock.access(key));
        // 3 takes the place of 2, as 1 was used; 4 then that of 3, as 1 was used again.
        assert_eq!(hits, [false, false, true, false, true, false, false]);
    }
}
