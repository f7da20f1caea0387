//! What a hit, a miss and an insert cost: zipf 0.99 over 100,000 keys, values of 1 KB, one process and two; and a
//! hit of moka's, which hands out a reference, on the same keys with as many threads.
//!
//! `cargo run --release -p veritable-shm --example hit_cost`. Figures are nanoseconds of wall time an
//! operation in each process, the median, the best and the worst of some rounds.
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::time::Instant;

use veritable_shm::{
    Cache, Geometry, Lifetime, Lookup, NewEntry, Owner, Pages, Scoreboard, Segment, SlotState, TagRef, now_ms,
};

const ROLE: &str = "VERITABLE_HIT_COST_ROLE";
const KEYS: usize = 100_000;
const OPERATIONS: usize = 200_000;
const ROUNDS: usize = 5;
const VALUE_BYTES: usize = 1024;
const ZIPF: f64 = 0.99;
const KINDS: [&str; 6] =
    ["hit 1 KB", "hit 16 KB", "miss", "insert 1 KB", "hit 1 KB of 1,000 keys", "insert 1 KB, evicting"];
/// Keys beside those that fit: each insert of one of them pushes another out.
const STRANGERS: usize = 2 * KEYS;
/// As many keys as the default cache has entries: their values stay in the CPU's caches.
const HOT_KEYS: usize = 1000;
/// Keys of the larger values: apart from the others, few enough to fit beside them.
const LARGE_KEYS: usize = 2000;
const LIFETIME: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };

fn main() {
    if let Ok(role) = std::env::var(ROLE) {
        let part: Vec<u64> = role.split(' ').map(|p| p.parse().expect("number")).collect();
        let path = format!("/proc/{}/fd/{}", part[0], part[1]);
        let file = File::options().read(true).write(true).open(path).expect("memfd");
        let segment = Segment::attach(&file).expect("attach");
        let owner = Owner { slot: part[2] as u16, epoch: part[3] as u32 };
        measure(&segment, owner, part[4] as usize, part[5] as u16);
        return;
    }
    let geometry = Geometry { cache_bytes: 256 << 20, cache_entries: 2 * KEYS as u32, ..Geometry::default() };
    let start = Instant::now();
    let (fd, segment) = Segment::create(&Geometry::default()).expect("segment");
    println!("create default segment ({} MB): {} us", segment.bytes() >> 20, start.elapsed().as_micros());
    drop((fd, segment));
    // `-- huge`: in huge pages, where the kernel allows them.
    let huge = std::env::args().any(|arg| arg == "huge");
    let pages = if huge { Pages::Huge } else { Pages::Usual };
    let (fd, segment) = Segment::create_in(&geometry, pages).expect("segment");
    let board = Scoreboard::of(&segment);
    fill(&segment, board.enlist(0, 1, 0).expect("slot"));
    for (kind, name) in KINDS.iter().enumerate() {
        for processes in [1, 2] {
            let figures = run(&board, fd.as_raw_fd(), kind, processes);
            println!("{name:22} {processes} process(es): {figures}");
        }
    }
    for threads in [1, 2] {
        println!("moka, hit 1 KB         {threads} thread(s):    {}", moka(threads));
    }
    let stats = Cache::of(&segment, Owner { slot: 0, epoch: 1 }).expect("cache").stats();
    println!("skips {} evictions {} damages {}", stats.skips, stats.evictions, stats.damages);
}

fn run(board: &Scoreboard, fd: i32, kind: usize, processes: u16) -> String {
    let children: Vec<_> = (1..=processes)
        .map(|slot| {
            let owner = board.enlist(slot, 1, 0).expect("slot");
            let me = std::process::id();
            Command::new(std::env::current_exe().expect("own path"))
                .env(ROLE, format!("{me} {fd} {slot} {} {kind} {processes}", owner.epoch))
                .stdout(Stdio::piped())
                .spawn()
                .expect("child")
        })
        .collect();
    let mut figures = Vec::new();
    for mut child in children {
        let mut text = String::new();
        child.stdout.take().expect("pipe").read_to_string(&mut text).expect("read");
        assert!(child.wait().expect("wait").success());
        figures.push(text.trim().to_owned());
    }
    figures.join(" | ")
}

/// A hit of moka's, by threads of this process.
fn moka(threads: u64) -> String {
    let cache: moka::sync::Cache<Vec<u8>, std::sync::Arc<[u8]>> = moka::sync::Cache::new(2 * KEYS as u64);
    for i in 0..KEYS {
        cache.insert(key(i), vec![i as u8; VALUE_BYTES].into());
    }
    cache.run_pending_tasks();
    let barrier = std::sync::Barrier::new(usize::try_from(threads).expect("few"));
    std::thread::scope(|scope| {
        let runs: Vec<_> = (1..=threads)
            .map(|seed| {
                let (cache, barrier) = (&cache, &barrier);
                scope.spawn(move || {
                    let keys: Vec<Vec<u8>> = (0..KEYS).map(key).collect();
                    let draws = draws(seed, KEYS);
                    barrier.wait();
                    rounds(|| {
                        let hit = |i: &&u32| cache.get(black_box(&keys[**i as usize])).is_some();
                        draws.iter().filter(hit).count() as u64
                    })
                })
            })
            .collect();
        let figures: Vec<String> = runs.into_iter().map(|run| run.join().expect("a thread")).collect();
        figures.join(" | ")
    })
}

/// Runs `round` some times and tells nanoseconds an operation; the first round only warms up.
fn rounds(mut round: impl FnMut() -> u64) -> String {
    let mut figures: Vec<f64> = Vec::new();
    let mut hits = round();
    for _ in 0..ROUNDS {
        let start = Instant::now();
        hits += round();
        figures.push(start.elapsed().as_nanos() as f64 / OPERATIONS as f64);
    }
    figures.sort_by(f64::total_cmp);
    let rate = hits as f64 / ((ROUNDS + 1) * OPERATIONS) as f64;
    format!(
        "{:.0} median [{:.0} - {:.0}] ns, hit rate {rate:.3}",
        figures[ROUNDS / 2],
        figures[0],
        figures[ROUNDS - 1]
    )
}

fn key(i: usize) -> Vec<u8> {
    format!("/forum/topic/{i}?page=1#html+br").into_bytes()
}

fn large_key(i: usize) -> Vec<u8> {
    format!("/wiki/Page_{i}#html+br").into_bytes()
}

fn insert(cache: &Cache, key: &[u8], value: &[u8], now: u64) {
    let tags = [TagRef::new(b"site"), TagRef::new(&key[..14]), TagRef::new(b"latest")];
    let entry = NewEntry { value, tags: &tags, snapshot: cache.snapshot(), lifetime: LIFETIME };
    black_box(cache.insert(key, &entry, now));
}

fn fill(segment: &Segment, owner: Owner) {
    let cache = Cache::of(segment, owner).expect("cache");
    for i in 0..KEYS {
        insert(&cache, &key(i), &[i as u8; VALUE_BYTES], now_ms());
    }
    for i in 0..LARGE_KEYS {
        insert(&cache, &large_key(i), &[i as u8; 16 * VALUE_BYTES], now_ms());
    }
}

/// Key indexes drawn by zipf, so that drawing costs nothing while measuring.
fn draws(seed: u64, keys: usize) -> Vec<u32> {
    let mut sums: Vec<f64> = (1..=keys).map(|rank| (rank as f64).powf(-ZIPF)).collect();
    let mut sum = 0.0;
    for s in &mut sums {
        sum += *s;
        *s = sum;
    }
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    (0..OPERATIONS)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            sums.partition_point(|s| *s < at).min(keys - 1) as u32
        })
        .collect()
}

/// Waits until all processes of the run are ready, so that they really run side by side.
fn meet(segment: &Segment, owner: Owner, processes: u16) {
    let board = Scoreboard::of(segment);
    board.set_state(owner, SlotState::Ready);
    while (1..=processes).any(|s| board.status(s).expect("slot").state != Some(SlotState::Ready)) {
        std::thread::yield_now();
    }
}

fn measure(segment: &Segment, owner: Owner, kind: usize, processes: u16) {
    let cache = Cache::of(segment, owner).expect("cache");
    let (count, name): (usize, fn(usize) -> Vec<u8>) = match kind {
        1 => (LARGE_KEYS, large_key),
        4 => (HOT_KEYS, key),
        _ => (KEYS, key),
    };
    let offset = match kind {
        2 => 10 * KEYS,
        5 => 20 * KEYS + usize::from(owner.slot) * STRANGERS,
        _ => 0,
    };
    let count = if kind == 5 { STRANGERS } else { count };
    let keys: Vec<Vec<u8>> = (0..count).map(|i| name(i + offset)).collect();
    let draws =
        if kind == 5 { (0..OPERATIONS as u32).collect() } else { draws(u64::from(owner.slot), count) };
    let value = [7; VALUE_BYTES];
    let mut out = Vec::with_capacity(17 * VALUE_BYTES);
    let now = now_ms();
    meet(segment, owner, processes);
    let figures = rounds(|| {
        let mut hits = 0;
        for i in &draws {
            let key = &keys[*i as usize];
            if matches!(kind, 3 | 5) {
                insert(&cache, key, &value, now);
            } else {
                out.clear();
                hits += u64::from(matches!(cache.get(key, now, &mut out), Lookup::Hit(_)));
                black_box(&out);
            }
        }
        hits
    });
    println!("{figures}");
}
