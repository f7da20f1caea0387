//! A hit, a miss and an insert of 1 KB: the shared cache, which copies and verifies, beside moka and quick_cache,
//! which live in one process and hand out references, and memcached and Redis over Unix sockets where they are
//! installed. Keys by Zipf's law among 100,000. `shm/examples/hit_cost.rs` has the same over two processes.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up is to stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use divan::Bencher;
use veritable_micro::{draws, segment};
use veritable_shm::{Cache, Geometry, Lifetime, Lookup, NewEntry, TagRef, now_ms};

const KEYS: usize = 100_000;
const VALUE: [u8; 1024] = [7; 1024];
/// Operations of a sample: one alone is shorter than reading the clock.
const BATCH: usize = 1_000;
const THREADS: [usize; 2] = [1, 2];
const LIFETIME: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };

fn main() {
    divan::main();
}

fn key(at: usize) -> Vec<u8> {
    format!("/forum/topic/{at}?page=1#html+br").into_bytes()
}

fn keys() -> &'static [Vec<u8>] {
    static KEPT: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    // Twice as many: the second half is in no cache.
    KEPT.get_or_init(|| (0..2 * KEYS).map(key).collect())
}

/// Which keys one sample asks for: each another part of a long draw.
fn sample() -> &'static [usize] {
    static DRAWN: OnceLock<Vec<usize>> = OnceLock::new();
    static NEXT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let drawn = DRAWN.get_or_init(|| draws(1, KEYS, 200 * BATCH).unwrap());
    let at = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 200;
    &drawn[at * BATCH..][..BATCH]
}

/// Benches one kind of operation on the drawn keys.
fn each(bencher: Bencher<'_, '_>, operation: impl Fn(usize) + Sync) {
    bencher
        .counter(divan::counter::ItemsCount::new(BATCH))
        .with_inputs(sample)
        .bench_values(|sample| sample.iter().for_each(|at| operation(*at)));
}

fn shared() -> &'static Cache {
    static FILLED: OnceLock<Cache> = OnceLock::new();
    FILLED.get_or_init(|| {
        let geometry =
            Geometry { cache_bytes: 256 << 20, cache_entries: 2 * KEYS as u32, ..Geometry::default() };
        let (segment, owner) = segment(&geometry).unwrap();
        let cache = Cache::of(&segment, owner).unwrap();
        keys()[..KEYS].iter().for_each(|key| insert(&cache, key));
        cache
    })
}

fn insert(cache: &Cache, key: &[u8]) {
    let tags = [TagRef::new(b"site"), TagRef::new(key), TagRef::new(b"latest")];
    let entry = NewEntry { value: &VALUE, tags: &tags, snapshot: cache.snapshot(), lifetime: LIFETIME };
    divan::black_box(cache.insert(key, &entry, now_ms()));
}

#[divan::bench(threads = THREADS)]
fn hit_shared(bencher: Bencher<'_, '_>) {
    let (cache, now) = (shared(), now_ms());
    each(bencher, |at| {
        let mut out = Vec::with_capacity(VALUE.len());
        assert!(matches!(cache.get(&keys()[at], now, &mut out), Lookup::Hit(_)));
        divan::black_box(out);
    });
}

#[divan::bench(threads = THREADS)]
fn miss_shared(bencher: Bencher<'_, '_>) {
    let (cache, now) = (shared(), now_ms());
    each(bencher, |at| {
        let mut out = Vec::new();
        assert!(matches!(cache.get(&keys()[KEYS + at], now, &mut out), Lookup::Miss(_)));
    });
}

#[divan::bench(threads = THREADS)]
fn insert_shared(bencher: Bencher<'_, '_>) {
    let cache = shared();
    each(bencher, |at| insert(cache, &keys()[at]));
}

type Bytes = Arc<[u8]>;

fn moka() -> &'static moka::sync::Cache<Vec<u8>, Bytes> {
    static FILLED: OnceLock<moka::sync::Cache<Vec<u8>, Bytes>> = OnceLock::new();
    FILLED.get_or_init(|| {
        let cache = moka::sync::Cache::new(2 * KEYS as u64);
        keys()[..KEYS].iter().for_each(|key| cache.insert(key.clone(), Arc::from(&VALUE[..])));
        cache.run_pending_tasks();
        cache
    })
}

#[divan::bench(threads = THREADS)]
fn hit_moka(bencher: Bencher<'_, '_>) {
    let cache = moka();
    each(bencher, |at| assert!(divan::black_box(cache.get(&keys()[at])).is_some()));
}

#[divan::bench(threads = THREADS)]
fn miss_moka(bencher: Bencher<'_, '_>) {
    let cache = moka();
    each(bencher, |at| assert!(cache.get(&keys()[KEYS + at]).is_none()));
}

#[divan::bench(threads = THREADS)]
fn insert_moka(bencher: Bencher<'_, '_>) {
    let cache = moka();
    each(bencher, |at| cache.insert(keys()[at].clone(), Arc::from(&VALUE[..])));
}

fn quick() -> &'static quick_cache::sync::Cache<Vec<u8>, Bytes> {
    static FILLED: OnceLock<quick_cache::sync::Cache<Vec<u8>, Bytes>> = OnceLock::new();
    FILLED.get_or_init(|| {
        let cache = quick_cache::sync::Cache::new(2 * KEYS);
        keys()[..KEYS].iter().for_each(|key| cache.insert(key.clone(), Arc::from(&VALUE[..])));
        cache
    })
}

#[divan::bench(threads = THREADS)]
fn hit_quick_cache(bencher: Bencher<'_, '_>) {
    let cache = quick();
    each(bencher, |at| assert!(divan::black_box(cache.get(&keys()[at])).is_some()));
}

#[divan::bench(threads = THREADS)]
fn miss_quick_cache(bencher: Bencher<'_, '_>) {
    let cache = quick();
    each(bencher, |at| assert!(cache.get(&keys()[KEYS + at]).is_none()));
}

#[divan::bench(threads = THREADS)]
fn insert_quick_cache(bencher: Bencher<'_, '_>) {
    let cache = quick();
    each(bencher, |at| cache.insert(keys()[at].clone(), Arc::from(&VALUE[..])));
}

/// A server of its own on a Unix socket; killed at the end.
struct Daemon {
    child: Child,
    socket: std::path::PathBuf,
    _dir: tempfile::TempDir,
}

impl Daemon {
    /// `None`, and a line that says so, where it is not installed.
    fn start(program: &str, arguments: impl Fn(&str) -> Vec<String>) -> Option<Daemon> {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("socket");
        let arguments = arguments(socket.to_str().unwrap());
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("SKIPPED: {program} is not installed (apt install {program})");
            return None;
        };
        let daemon = Daemon { child, socket, _dir: dir };
        let deadline = Instant::now() + Duration::from_secs(10);
        while UnixStream::connect(&daemon.socket).is_err() {
            assert!(Instant::now() < deadline, "{program} does not listen");
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(daemon)
    }

    /// One key of 1 KB set, then got again and again. A round trip is far more than anything that a client does, so
    /// this one writes the few bytes of the protocol by itself.
    fn bench(&self, bencher: Bencher<'_, '_>, set: &[u8], get: &[u8], head: &str, tail: usize) {
        let mut stream = BufReader::new(UnixStream::connect(&self.socket).unwrap());
        stream.get_mut().write_all(&[set, &VALUE, b"\r\n"].concat()).unwrap();
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        let mut value = vec![0; VALUE.len() + tail];
        bencher.counter(divan::counter::ItemsCount::new(BATCH)).bench_local(|| {
            for _ in 0..BATCH {
                stream.get_mut().write_all(get).unwrap();
                line.clear();
                stream.read_line(&mut line).unwrap();
                assert!(line.starts_with(head), "{line}");
                stream.read_exact(&mut value).unwrap();
            }
        });
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[divan::bench(max_time = 2)]
fn hit_memcached(bencher: Bencher<'_, '_>) {
    let arguments = |socket: &str| ["-s", socket, "-u", "root", "-t", "1"].map(str::to_owned).to_vec();
    if let Some(daemon) = Daemon::start("memcached", arguments) {
        daemon.bench(bencher, b"set k 0 0 1024\r\n", b"get k\r\n", "VALUE", "\r\nEND\r\n".len());
    }
}

#[divan::bench(max_time = 2)]
fn hit_redis(bencher: Bencher<'_, '_>) {
    let arguments =
        |socket: &str| ["--port", "0", "--save", "", "--unixsocket", socket].map(str::to_owned).to_vec();
    if let Some(daemon) = Daemon::start("redis-server", arguments) {
        let set = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1024\r\n";
        daemon.bench(bencher, set, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", "$1024", "\r\n".len());
    }
}
