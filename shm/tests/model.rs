//! The cache against a plain map: whatever the order of operations, a value shown is the last one stored,
//! of the right age, and not invalidated. A cache may forget; it may only forget when it had to make room.

mod common;

use std::collections::HashMap;

use common::{Bench, bench};
use proptest::prelude::*;
use veritable_shm::{Geometry, Inserted, Lifetime, Lookup, Miss, NewEntry, Removed, Snapshot, TagRef, Tags};

#[derive(Clone, Debug)]
enum Op {
    Insert { key: u8, len: u16, tags: Vec<u8>, ttl: u8, stale: u8, late: bool },
    Get { key: u8 },
    Remove { key: u8 },
    Invalidate { tags: Vec<u8> },
    TakeSnapshot,
    Pass { ms: u8 },
    InvalidateAll,
    Clear,
}

fn ops(keys: u8) -> impl Strategy<Value = Vec<Op>> {
    let tags = || proptest::collection::vec(0..6_u8, 0..4);
    let op = prop_oneof![
        8 => (0..keys, 0..6000_u16, tags(), 1..100_u8, 0..50_u8, any::<bool>())
            .prop_map(|(key, len, tags, ttl, stale, late)| Op::Insert { key, len, tags, ttl, stale, late }),
        10 => (0..keys).prop_map(|key| Op::Get { key }),
        2 => (0..keys).prop_map(|key| Op::Remove { key }),
        2 => tags().prop_map(|tags| Op::Invalidate { tags }),
        2 => Just(Op::TakeSnapshot),
        2 => (0..40_u8).prop_map(|ms| Op::Pass { ms }),
        1 => Just(Op::InvalidateAll),
        1 => Just(Op::Clear),
    ];
    proptest::collection::vec(op, 1..400)
}

/// An entry as the reference remembers it.
struct Known {
    value: Vec<u8>,
    snapshot: Snapshot,
    stored: u64,
    lifetime: Lifetime,
    tags: Vec<u8>,
    valid: bool,
}

struct Model {
    b: Bench,
    known: HashMap<u8, Known>,
    now: u64,
    nonce: u8,
    kept: Snapshot,
    /// Tags bumped since `kept` was taken.
    bumped: Vec<u8>,
    all_bumped: bool,
}

impl Model {
    fn new(geometry: Geometry) -> Self {
        let b = bench(geometry);
        let kept = b.cache.snapshot();
        Self { b, known: HashMap::new(), now: 1000, nonce: 0, kept, bumped: Vec::new(), all_bumped: false }
    }

    fn run(&mut self, op: &Op) -> Result<(), TestCaseError> {
        match op {
            Op::Insert { key, len, tags, ttl, stale, late } => {
                let lifetime = Lifetime { ttl_ms: u32::from(*ttl), stale_ms: u32::from(*stale) };
                self.insert(*key, usize::from(*len), tags, lifetime, *late)?;
            }
            Op::Get { key } => self.get(*key)?,
            Op::Remove { key } => {
                let known = self.known.remove(key).is_some();
                let removed = self.b.cache.remove(&[*key]);
                prop_assert!(removed != Removed::Contended);
                prop_assert!(known || removed == Removed::Absent);
            }
            Op::Invalidate { tags } => {
                let refs: Vec<TagRef> = tags.iter().map(|t| TagRef::new(&[*t])).collect();
                Tags::of(&self.b.segment).invalidate(&refs);
                self.bumped.extend(tags);
                for entry in self.known.values_mut().filter(|e| e.tags.iter().any(|t| tags.contains(t))) {
                    entry.valid = false;
                }
            }
            Op::TakeSnapshot => {
                self.kept = self.b.cache.snapshot();
                self.bumped.clear();
                self.all_bumped = false;
            }
            Op::Pass { ms } => self.now += u64::from(*ms),
            Op::InvalidateAll => {
                Tags::of(&self.b.segment).invalidate_all();
                self.all_bumped = true;
                self.known.values_mut().for_each(|e| e.valid = false);
            }
            Op::Clear => {
                prop_assert_eq!(self.b.cache.clear(), 0);
                self.all_bumped = true;
                self.known.clear();
            }
        }
        Ok(())
    }

    fn insert(
        &mut self,
        key: u8,
        len: usize,
        tags: &[u8],
        lifetime: Lifetime,
        late: bool,
    ) -> Result<(), TestCaseError> {
        self.nonce = self.nonce.wrapping_add(1);
        let value: Vec<u8> = (0..len).map(|i| (i as u8) ^ self.nonce).collect();
        let refs: Vec<TagRef> = tags.iter().map(|t| TagRef::new(&[*t])).collect();
        let snapshot = if late { self.kept } else { self.b.cache.snapshot() };
        let entry = NewEntry { value: &value, tags: &refs, snapshot, lifetime };
        let outcome = self.b.cache.insert(&[key], &entry, self.now);
        if late && (self.all_bumped || tags.iter().any(|t| self.bumped.contains(t))) {
            prop_assert_eq!(outcome, Inserted::Stale);
            return Ok(());
        }
        let superseded = self.known.get(&key).is_some_and(|e| {
            let over = self.now - e.stored >= u64::from(e.lifetime.ttl_ms + e.lifetime.stale_ms);
            e.valid && !over && e.snapshot > snapshot
        });
        if outcome == Inserted::Stale {
            prop_assert!(superseded);
            return Ok(());
        }
        prop_assert_eq!(outcome, Inserted::Stored);
        let known = Known { value, snapshot, stored: self.now, lifetime, tags: tags.to_vec(), valid: true };
        self.known.insert(key, known);
        Ok(())
    }

    fn get(&mut self, key: u8) -> Result<(), TestCaseError> {
        let mut out = Vec::new();
        let found = self.b.cache.get(&[key], self.now, &mut out);
        let Some(entry) = self.known.get(&key) else {
            prop_assert_eq!(found, Lookup::Miss(Miss::Absent));
            return Ok(());
        };
        let age = self.now - entry.stored;
        let fresh = age < u64::from(entry.lifetime.ttl_ms);
        let over = age >= u64::from(entry.lifetime.ttl_ms + entry.lifetime.stale_ms);
        match found {
            Lookup::Hit(info) | Lookup::Expired(info) => {
                prop_assert!(entry.valid && !over);
                prop_assert_eq!(matches!(found, Lookup::Hit(_)), fresh);
                prop_assert_eq!(&out, &entry.value);
                prop_assert_eq!(info.age_ms, age);
                prop_assert_eq!(info.snapshot, entry.snapshot);
            }
            Lookup::Miss(Miss::Invalidated) => prop_assert!(!entry.valid),
            Lookup::Miss(Miss::Expired) => prop_assert!(over),
            Lookup::Miss(Miss::Absent) => {
                prop_assert!(self.b.cache.stats().evictions > 0, "forgotten without need");
                self.known.remove(&key);
            }
            Lookup::Miss(Miss::Torn) => prop_assert!(false, "nobody else writes"),
        }
        Ok(())
    }

    fn close(&self) -> Result<(), TestCaseError> {
        let (stats, audit) = (self.b.cache.stats(), self.b.cache.audit());
        prop_assert_eq!(audit.wrong_shards, 0);
        prop_assert_eq!(audit.entries, stats.entries);
        prop_assert!(stats.entries <= stats.capacity_entries);
        prop_assert!(stats.used_bytes <= stats.block_bytes);
        prop_assert_eq!((stats.skips, stats.damages, stats.takeovers), (0, 0, 0));
        Ok(())
    }
}

fn play(geometry: Geometry, ops: &[Op]) -> Result<u64, TestCaseError> {
    let mut model = Model::new(geometry);
    for op in ops {
        model.run(op)?;
    }
    model.close()?;
    Ok(model.b.cache.stats().evictions)
}

const TIGHT: Geometry = Geometry {
    cache_bytes: 256 << 10,
    cache_entries: 16,
    tag_slots: 64,
    lease_slots: 16,
    worker_slots: 2,
    session_slots: 64,
    limit_slots: 64,
    value_share: 4,
};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn with_room_for_all_nothing_is_forgotten(ops in ops(16)) {
        prop_assert_eq!(play(Geometry { cache_bytes: 1 << 20, ..TIGHT }, &ops)?, 0);
    }

    #[test]
    fn with_little_room_what_is_shown_is_still_right(ops in ops(60)) {
        play(TIGHT, &ops)?;
    }
}
