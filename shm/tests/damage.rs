//! Arbitrary bytes in the segment: nobody crashes, hangs, or is shown a value that was not stored.

mod common;

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::mpsc;
use std::time::Duration;

use common::{LONG, Noise, bench, self_describing};
use veritable_shm::{
    Cache, Flight, Geometry, LEASE_MS_MAX, Leases, Lookup, NewEntry, Owner, Segment, TagRef, Tags,
};

/// Rounds of damage followed by use.
const ROUNDS: u64 = 4000;
/// The whole test takes some seconds; this long means that something runs in circles.
const HANG: Duration = Duration::from_secs(300);
const KEYS: u64 = 40;
const SMALLEST: Geometry = Geometry {
    cache_bytes: 256 << 10,
    cache_entries: 32,
    tag_slots: 64,
    lease_slots: 16,
    worker_slots: 4,
    session_slots: 64,
    limit_slots: 64,
    value_share: 4,
};

/// One round's damage: words of one kind of noise at a random place, mostly in the structures.
fn damage(file: &File, noise: &mut Noise, bytes: u64) {
    // Metadata lies at the front of each area; most of the bytes are payload and tell less.
    let reach = if noise.below(4) == 0 { bytes } else { bytes / 16 + 8192 };
    let start = noise.below(reach.min(bytes) / 4 - 1) * 4;
    let kind = noise.below(5);
    let most = if noise.below(8) == 0 { 512 } else { 8 };
    let count = 1 + noise.below(most);
    for i in 0..count {
        let word = match kind {
            0 => 0,
            1 => u64::MAX,
            2 => noise.draw(),
            3 => noise.below(64) << 32 | noise.below(64),
            // Flip one bit of what is there.
            _ => {
                let mut old = [0; 8];
                let at = (start + i * 8).min(bytes - 8);
                file.read_exact_at(&mut old, at).expect("read");
                u64::from_le_bytes(old) ^ 1 << noise.below(64)
            }
        };
        let at = (start + i * 8).min(bytes - 8);
        file.write_all_at(&word.to_le_bytes(), at).expect("write");
    }
}

/// Everything a worker does, on a segment that may hold anything.
struct Worker {
    cache: Cache,
    leases: Leases,
    tags: Tags,
    stored: HashSet<(u64, Vec<u8>)>,
    hits: u64,
}

impl Worker {
    fn of(segment: &Segment, owner: Owner) -> Self {
        Self {
            cache: Cache::of(segment, owner).expect("cache"),
            leases: Leases::of(segment, owner).expect("leases"),
            tags: Tags::of(segment),
            stored: HashSet::new(),
            hits: 0,
        }
    }

    fn get(&mut self, key: u64) {
        let mut out = b"before".to_vec();
        match self.cache.get(&key.to_le_bytes(), 0, &mut out) {
            Lookup::Miss(_) => assert_eq!(out, b"before"),
            Lookup::Hit(info) | Lookup::Expired(info) => {
                assert_eq!(info.len, out.len() - 6);
                assert!(self.stored.contains(&(key, out[6..].to_vec())), "{key}: never stored");
                self.hits += 1;
            }
        }
    }

    fn put(&mut self, key: u64, nonce: u64, len: usize) {
        let value = self_describing(key, nonce, len);
        let tags = [TagRef::new(&key.to_le_bytes())];
        let entry = NewEntry { value: &value, tags: &tags, snapshot: self.cache.snapshot(), lifetime: LONG };
        self.stored.insert((key, value.clone()));
        self.cache.insert(&key.to_le_bytes(), &entry, 0);
    }

    fn round(&mut self, noise: &mut Noise) {
        for _ in 0..6 {
            let key = noise.below(KEYS);
            match noise.below(8) {
                0..3 => self.put(key, noise.draw(), noise.below(3000) as usize),
                3 => drop(self.cache.remove(&key.to_le_bytes())),
                _ => self.get(key),
            }
        }
        if noise.below(16) == 0 {
            let stats = self.cache.stats();
            assert!(stats.entries <= stats.capacity_entries && stats.used_bytes <= stats.block_bytes);
            assert!(self.cache.keys(&[], 1000, 0).len() as u64 <= stats.capacity_entries);
            assert!(self.cache.audit().entries <= stats.capacity_entries + 1);
            self.tags.invalidate(&[TagRef::new(&noise.below(KEYS).to_le_bytes())]);
            if let Flight::Follow { expires_in_ms } = self.leases.lease(b"k", 1000, noise.below(1 << 40)) {
                assert!(expires_in_ms <= LEASE_MS_MAX + 32);
            }
        }
    }
}

fn storm(seed: u64, whole_segment: bool) -> u64 {
    let b = bench(SMALLEST);
    let file = File::from(b.fd.try_clone().expect("descriptor"));
    let cache_area = b.segment.bytes() - SMALLEST.cache_bytes;
    let mut worker = Worker::of(&b.segment, b.owner);
    let mut noise = Noise(seed);
    for key in 0..KEYS {
        worker.put(key, key, 500);
    }
    for _ in 0..ROUNDS {
        damage(&file, &mut noise, b.segment.bytes());
        worker.round(&mut noise);
        if whole_segment {
            // Attaching to it now is refused or works; either way it returns.
            if let Ok(other) = Segment::attach(&b.fd) {
                let mut theirs = Worker::of(&other, b.owner);
                theirs.stored.clone_from(&worker.stored);
                theirs.round(&mut noise);
                worker.stored = theirs.stored;
            }
        } else {
            // Only the cache is damaged: owner and tags are put back, so that work goes on.
            let good = bench(SMALLEST);
            let mut head = vec![0; usize::try_from(cache_area).expect("size")];
            File::from(good.fd).read_exact_at(&mut head, 0).expect("read");
            file.write_all_at(&head, 0).expect("write");
        }
    }
    worker.hits
}

/// Runs `test` with a watch: a loop without end must fail, not stay.
fn watched(test: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let runner = std::thread::spawn(move || {
        test();
        done.send(()).expect("the watch");
    });
    if wait.recv_timeout(HANG) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("hangs on a damaged segment");
    }
    if let Err(cause) = runner.join() {
        std::panic::resume_unwind(cause);
    }
}

#[test]
fn a_damaged_cache_is_never_believed() {
    watched(|| {
        let hits: u64 = (1..=3).map(|seed| storm(seed, false)).sum();
        assert!(hits > 1000, "only {hits} hits: the damage left nothing to test");
    });
}

#[test]
fn a_segment_damaged_anywhere_is_survived() {
    watched(|| {
        for seed in 11..=13 {
            storm(seed, true);
        }
    });
}

#[test]
fn a_segment_of_pure_noise_is_survived() {
    watched(|| {
        let b = bench(SMALLEST);
        let file = File::from(b.fd.try_clone().expect("descriptor"));
        let mut noise = Noise(99);
        let mut worker = Worker::of(&b.segment, b.owner);
        for _ in 0..200 {
            let bytes: Vec<u8> =
                (0..b.segment.bytes() / 8).flat_map(|_| noise.draw().to_le_bytes()).collect();
            file.write_all_at(&bytes, 0).expect("write");
            worker.round(&mut noise);
            assert!(Segment::attach(&b.fd).is_err());
        }
    });
}
