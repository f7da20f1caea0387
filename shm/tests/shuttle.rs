//! Interleavings tried one by one: a model checker (shuttle) stands behind every atomic operation and decides
//! who goes next, at random and by PCT (Burckhardt et al., ASPLOS 2010), thousands of times. It knows sequential
//! consistency only; what weaker memory may do is argued where the orderings are chosen.
//!
//! `cargo test -p veritable-shm --features shuttle --test shuttle`. Owners stand for processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use shuttle::thread;
use veritable_shm::{
    Cache, Flight, Geometry, Inserted, Leases, Lifetime, Limits, Lookup, NewEntry, NewSession, Owner, Rate,
    Scoreboard, Segment, Sessions, TagRef, Tags, Verdict,
};

const LONG: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };
/// The smallest there is: its atomics are made anew for every schedule.
const SMALLEST: Geometry = Geometry {
    cache_bytes: 256 << 10,
    cache_entries: 16,
    tag_slots: 64,
    lease_slots: 16,
    worker_slots: 4,
    session_slots: 4,
    limit_slots: 4,
    value_share: 4,
};

/// Runs `scene` under many schedules.
fn under_many_schedules(scene: fn()) {
    let schedules = if std::env::var_os("VERITABLE_FULL").is_some() { 20_000 } else { 300 };
    shuttle::check_random(scene, schedules);
    shuttle::check_pct(scene, schedules, 3);
}

struct Stage {
    segment: Segment,
    board: Scoreboard,
}

fn stage() -> Stage {
    let (_fd, segment) = Segment::create(&SMALLEST).expect("segment");
    Stage { board: Scoreboard::of(&segment), segment }
}

impl Stage {
    fn owner(&self, slot: u16) -> Owner {
        self.board.enlist(slot, 1, 0).expect("slot")
    }

    fn cache(&self, slot: u16) -> Cache {
        Cache::of(&self.segment, self.owner(slot)).expect("cache")
    }
}

fn put(cache: &Cache, key: &[u8], value: &[u8]) -> Inserted {
    let entry = NewEntry { value, tags: &[], snapshot: cache.snapshot(), lifetime: LONG };
    cache.insert(key, &entry, 0)
}

fn get(cache: &Cache, key: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    match cache.get(key, 0, &mut out) {
        Lookup::Hit(_) | Lookup::Expired(_) => Some(out),
        Lookup::Miss(_) => None,
    }
}

#[test]
fn a_reader_sees_one_value_whole_or_none() {
    under_many_schedules(|| {
        let stage = stage();
        let (writer, reader) = (stage.cache(0), stage.cache(1));
        put(&writer, b"k", &[1; 600]);
        let writing = thread::spawn(move || {
            // Another length, so that blocks change hands; then another key takes them.
            put(&writer, b"k", &[2; 300]);
            writer.remove(b"k");
            put(&writer, b"l", &[3; 600]);
        });
        for _ in 0..2 {
            if let Some(value) = get(&reader, b"k") {
                assert!(value == [1; 600] || value == [2; 300], "torn: {} bytes", value.len());
            }
        }
        writing.join().expect("the writer");
        assert_eq!(get(&reader, b"l").as_deref(), Some(&[3; 600][..]));
        assert_eq!(get(&reader, b"k"), None);
    });
}

#[test]
fn writers_who_meet_leave_the_books_right() {
    under_many_schedules(|| {
        let stage = stage();
        let watcher = stage.cache(2);
        let threads = [0_u8, 1].map(|number| {
            let cache = stage.cache(number.into());
            thread::spawn(move || {
                for key in [b"a", b"b"] {
                    put(&cache, key, &[number; 400]);
                }
                cache.remove(b"a");
            })
        });
        for thread in threads {
            thread.join().expect("a writer");
        }
        let (stats, audit) = (watcher.stats(), watcher.audit());
        assert_eq!((audit.wrong_shards, audit.skipped_shards, stats.damages), (0, 0, 0));
        assert_eq!((audit.entries, audit.used_blocks * 256), (stats.entries, stats.used_bytes));
    });
}

#[test]
fn what_was_read_before_a_change_is_never_shown_to_who_knows_of_it() {
    under_many_schedules(|| {
        let stage = stage();
        let (cache, knows) = (stage.cache(0), stage.cache(1));
        let tags = Tags::of(&stage.segment);
        let tag = [TagRef::new(b"topic:1")];
        let database = Arc::new(AtomicU64::new(1));
        let source = database.clone();
        let computing = thread::spawn(move || {
            let snapshot = cache.snapshot();
            let value = source.load(Ordering::SeqCst);
            thread::yield_now();
            let entry = NewEntry { value: &value.to_le_bytes(), tags: &tag, snapshot, lifetime: LONG };
            cache.insert(b"k", &entry, 0);
        });
        // The writer: commit, invalidate, acknowledge.
        database.store(2, Ordering::SeqCst);
        tags.invalidate(&tag);
        for _ in 0..3 {
            if let Some(value) = get(&knows, b"k") {
                assert_eq!(value, 2_u64.to_le_bytes(), "the old one");
            }
        }
        computing.join().expect("the reader");
        if let Some(value) = get(&knows, b"k") {
            assert_eq!(value, 2_u64.to_le_bytes(), "the old one");
        }
    });
}

#[test]
fn one_leads_at_a_time() {
    under_many_schedules(|| {
        let stage = stage();
        let leading = Arc::new(AtomicU64::new(0));
        let threads = [0, 1].map(|slot| {
            let leases = Leases::of(&stage.segment, stage.owner(slot)).expect("leases");
            let leading = leading.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    if let Flight::Lead(guard) = leases.lease(b"k", 1_000, 5_000) {
                        assert!(guard.is_exclusive());
                        assert_eq!(leading.fetch_add(1, Ordering::SeqCst), 0, "two lead");
                        thread::yield_now();
                        leading.fetch_sub(1, Ordering::SeqCst);
                        drop(guard);
                    }
                }
            })
        });
        for thread in threads {
            thread.join().expect("a worker");
        }
    });
}

#[test]
fn a_session_is_whole_or_not_there_and_ends_for_all() {
    under_many_schedules(|| {
        let stage = stage();
        let sessions = [0, 1].map(|slot| Sessions::of(&stage.segment, stage.owner(slot)).expect("sessions"));
        let snapshot = Tags::of(&stage.segment).snapshot();
        let session =
            move |value| NewSession { value, tag: TagRef::new(b"user:1"), snapshot, expires_ms: 99 };
        let [writes, reads] = sessions;
        let writing = thread::spawn(move || {
            writes.put(&[7; 32], &session(&[1; 40]), 0);
            writes.put(&[7; 32], &session(&[2; 20]), 0);
            assert!(writes.remove(&[7; 32]), "nobody else writes");
        });
        for _ in 0..2 {
            if let Some(value) = reads.get(&[7; 32], 0) {
                assert!(value == [1; 40] || value == [2; 20], "torn");
            }
        }
        writing.join().expect("the writer");
        assert_eq!(reads.get(&[7; 32], 0), None);
    });
}

#[test]
fn no_more_than_the_burst_is_allowed() {
    under_many_schedules(|| {
        let stage = stage();
        let rate = Rate { burst: 2, interval_ms: 1_000 };
        let threads = [0, 1].map(|_| {
            let limits = Limits::of(&stage.segment);
            thread::spawn(move || {
                (0..2).filter(|_| limits.check(b"k", rate, 9_000) == Verdict::Allowed).count()
            })
        });
        let allowed: usize = threads.into_iter().map(|thread| thread.join().expect("a thread")).sum();
        assert_eq!(allowed, 2);
    });
}
