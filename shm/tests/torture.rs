//! Torture: processes share one segment and die some hundred times: every other one is killed at a random
//! instant, the others die by themselves at one of the named points inside the critical sections.
//!
//! The test starts itself again with [`ROLE`] set: each child maps the segment, runs random operations and
//! checks every value it is given. The parent kills one child after the other, declares its slot dead,
//! starts a successor and goes on. Nothing may ever be wrong, nobody may hang, and in the end the whole
//! capacity must be usable.
//!
//! VERITABLE_TORTURE_KILLS sets the number of deaths; VERITABLE_FULL=1 means 10,000.

mod common;

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio, exit};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use common::{Bench, LONG, Noise, SMALL, bench, describes, put, self_describing};
use veritable_shm::fail::{Point, die_at};
use veritable_shm::{
    Cache, Counter, Flight, Leases, Limits, Lookup, NewEntry, NewSession, Owner, Rate, Scoreboard, Segment,
    Sessions, TagRef, Tags, Verdict, now_ms,
};

/// Set for a child: parent's pid, descriptor, slot, epoch, and the point and time of its death or zeros.
const ROLE: &str = "VERITABLE_TORTURE_ROLE";
/// Kills in the ordinary run: some seconds' worth.
const KILLS: u64 = 300;
const KILLS_FULL: u64 = 10_000;
/// A child that is to die at a point dies when it comes there for one of so many times.
const TIMES: u64 = 20;
/// Children alive at a time; slot 0 is the parent's.
const CHILDREN: u16 = 4;
/// Keys they fight over: more than fit.
const KEYS: u64 = 300;
/// The most processor time of an operation: nothing sleeps in here, so this is what a hang would look like.
const SLOWEST: Duration = Duration::from_millis(100);
/// No child may stand still for so long, however busy the machine is.
const HANG: Duration = Duration::from_secs(10);
/// Exit codes of a child that saw something wrong.
const WRONG_VALUE: i32 = 3;
const SLOW: i32 = 4;

fn main() {
    match std::env::var(ROLE) {
        Ok(role) => child(&role),
        Err(_) => parent(),
    }
}

fn child(role: &str) {
    let part: Vec<u64> = role.split(' ').map(|p| p.parse().expect("a number")).collect();
    let path = format!("/proc/{}/fd/{}", part[0], part[1]);
    let file = File::options().read(true).write(true).open(path).expect("the parent's memfd");
    let segment = Segment::attach(&file).expect("attach");
    let owner = Owner { slot: part[2] as u16, epoch: part[3] as u32 };
    let mut life = Life {
        cache: Cache::of(&segment, owner).expect("cache"),
        leases: Leases::of(&segment, owner).expect("leases"),
        tags: Tags::of(&segment),
        sessions: Sessions::of(&segment, owner).expect("sessions"),
        limits: Limits::of(&segment),
        noise: Noise(part[3] << 16 | part[2] << 1 | 1),
        out: Vec::new(),
    };
    let board = Scoreboard::of(&segment);
    if let Some(point) = part[4].checked_sub(1).and_then(|index| Point::ALL.get(index as usize)) {
        die_at(*point, part[5] as u32);
    }
    loop {
        let start = processor_time();
        life.step();
        if processor_time() - start > SLOWEST {
            exit(SLOW);
        }
        board.add(owner.slot, Counter::Requests, 1);
    }
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("a clock").into()
}

/// What a child does until it is killed.
struct Life {
    cache: Cache,
    leases: Leases,
    tags: Tags,
    sessions: Sessions,
    limits: Limits,
    noise: Noise,
    out: Vec<u8>,
}

impl Life {
    fn step(&mut self) {
        let key = self.noise.below(KEYS);
        let tag = TagRef::new(&(key % 16).to_le_bytes());
        match self.noise.below(220) {
            0..90 => {
                self.out.clear();
                let found = self.cache.get(&key.to_le_bytes(), now_ms(), &mut self.out);
                if !matches!(found, Lookup::Miss(_)) && !describes(&self.out, key) {
                    exit(WRONG_VALUE);
                }
            }
            90..185 => {
                let len = self.noise.below(if key.is_multiple_of(8) { 60_000 } else { 4000 });
                let value = self_describing(key, self.noise.draw(), len as usize);
                let snapshot = self.cache.snapshot();
                let entry = NewEntry { value: &value, tags: &[tag], snapshot, lifetime: LONG };
                self.cache.insert(&key.to_le_bytes(), &entry, now_ms());
            }
            185..190 => drop(self.cache.remove(&key.to_le_bytes())),
            190..194 => drop(self.tags.invalidate(&[tag])),
            194..198 => {
                if let Flight::Lead(guard) = self.leases.lease(&key.to_le_bytes(), 1000, now_ms()) {
                    drop(guard);
                }
            }
            198 => drop(self.cache.keys(&[], 10, now_ms())),
            200..210 => {
                let (value, digest) = (self_describing(key, self.noise.draw(), 8), digest(key));
                let session =
                    NewSession { value: &value, tag, snapshot: self.tags.snapshot(), expires_ms: u64::MAX };
                self.sessions.put(&digest, &session, now_ms());
                if self.sessions.get(&digest, now_ms()).is_some_and(|value| !describes(&value, key)) {
                    exit(WRONG_VALUE);
                }
            }
            210..220 => {
                let rate = Rate { burst: 10, interval_ms: 10 };
                if let Verdict::RetryAfter { ms } = self.limits.check(&key.to_le_bytes(), rate, now_ms())
                    && ms > 100
                {
                    exit(WRONG_VALUE);
                }
            }
            _ => drop(self.cache.clear()),
        }
    }
}

/// What stands for the digest of a token.
fn digest(key: u64) -> [u8; 32] {
    let mut digest = [0; 32];
    digest[..8].copy_from_slice(&key.to_le_bytes());
    digest
}

/// A child and its place.
struct Running {
    process: Child,
    owner: Owner,
    /// Operations of its slot before it came.
    before: u64,
    /// The point it dies at, and at which time.
    death: Option<(usize, u64)>,
}

/// Starts a child that dies at one of the points by itself, or is to be killed.
fn start(b: &Bench, slot: u16, death: Option<(usize, u64)>) -> Running {
    let owner = b.board.enlist(slot, 1, now_ms()).expect("slot");
    let (point, time) = death.map_or((0, 0), |(index, time)| (index + 1, time));
    let Owner { slot, epoch } = owner;
    let role = format!("{} {} {slot} {epoch} {point} {time}", std::process::id(), b.fd.as_raw_fd());
    let before = b.board.count(slot, Counter::Requests);
    let process = Command::new(std::env::current_exe().expect("own path"))
        .env(ROLE, role)
        .stdin(Stdio::null())
        .spawn()
        .expect("a child");
    Running { process, owner, before, death }
}

/// Waits until a child has done something: killing it earlier would test the loader.
fn await_progress(b: &Bench, child: &mut Running) {
    let start = Instant::now();
    while b.board.count(child.owner.slot, Counter::Requests) == child.before {
        if let Some(status) = child.process.try_wait().expect("wait") {
            panic!("a child ended by itself: {status} ({WRONG_VALUE} wrong value, {SLOW} hang)");
        }
        assert!(start.elapsed() < HANG, "a child stands still");
        std::thread::yield_now();
    }
}

/// Kills a child at some instant.
fn kill_at_some_instant(b: &Bench, mut child: Running, noise: &mut Noise) {
    await_progress(b, &mut child);
    // The instant of the kill, not a wait for anything.
    let instant = Instant::now() + Duration::from_micros(noise.below(3000));
    while Instant::now() < instant {
        std::hint::spin_loop();
    }
    kill(b, child);
}

/// The one that died at its point meanwhile, if any. A dead one is to be noticed soon, as the master would:
/// what it held is nobody else's until then.
fn dead_by_itself(children: &mut [Running]) -> Option<usize> {
    children
        .iter_mut()
        .position(|child| child.death.is_some() && child.process.try_wait().expect("wait").is_some())
}

fn kill(b: &Bench, mut child: Running) {
    child.process.kill().expect("kill");
    let status = child.process.wait().expect("wait");
    assert_eq!(status.signal(), Some(9), "ended by itself: {status} ({WRONG_VALUE} wrong, {SLOW} hang)");
    b.board.retire(child.owner.slot).expect("slot");
}

/// The parent's own look at everything: each value must be right, whatever was killed.
fn verify(b: &Bench) -> u64 {
    let mut out = Vec::new();
    let mut hits = 0;
    for key in 0..KEYS {
        out.clear();
        if let Lookup::Hit(info) = b.cache.get(&key.to_le_bytes(), now_ms(), &mut out) {
            assert!(describes(&out, key) && info.len == out.len(), "wrong value for {key}");
            hits += 1;
        }
    }
    hits
}

fn parent() {
    let usual = if std::env::var_os("VERITABLE_FULL").is_some() { KILLS_FULL } else { KILLS };
    let kills = std::env::var("VERITABLE_TORTURE_KILLS").map_or(usual, |k| k.parse().expect("a number"));
    let b = bench(SMALL);
    let mut noise = Noise(0xBAD_5EED);
    let mut children: Vec<Running> = (1..=CHILDREN).map(|slot| start(&b, slot, None)).collect();
    let mut hits = 0;
    let mut by_point = [0_u32; Point::ALL.len()];
    let mut next_point = 0;
    for _ in 0..kills {
        let index = dead_by_itself(&mut children);
        let index = index.unwrap_or_else(|| noise.below(children.len() as u64) as usize);
        let dead = children.swap_remove(index);
        let (slot, death) = (dead.owner.slot, dead.death);
        if dead.death.is_some() {
            kill(&b, dead);
        } else {
            kill_at_some_instant(&b, dead, &mut noise);
        }
        if let Some((point, _)) = death {
            by_point[point] += 1;
        }
        // Each point has its turn, at one half of the places.
        let death = slot.is_multiple_of(2).then(|| {
            next_point += 1;
            (next_point % Point::ALL.len(), 1 + noise.below(TIMES))
        });
        children.push(start(&b, slot, death));
        hits += verify(&b);
        let stats = b.cache.stats();
        assert!(
            stats.entries <= stats.capacity_entries && stats.used_bytes <= stats.block_bytes,
            "{stats:?}"
        );
    }
    for child in children {
        kill(&b, child);
    }
    the_whole_capacity_is_usable(&b);
    let stats = b.cache.stats();
    assert!(hits > 0, "the storm never left anything to read: nothing was tested");
    assert!(stats.takeovers > 0, "no kill hit a lock: nothing was tested");
    assert_eq!(stats.damages, 0, "a shard contradicted itself though only deaths happened");
    let operations = b.board.total(Counter::Requests);
    eprintln!("deaths by point: {by_point:?}");
    eprintln!("{kills} kills, {operations} operations, {hits} values verified by the parent, {stats:?}");
}

fn the_whole_capacity_is_usable(b: &Bench) {
    verify(b);
    // The audit takes each lock, so it also takes over what the last ones killed left.
    let audit = b.cache.audit();
    assert_eq!((audit.wrong_shards, audit.skipped_shards), (0, 0), "{audit:?}");
    let stats = b.cache.stats();
    let blocks = stats.block_bytes / 256;
    assert_eq!(audit.used_blocks + audit.free_blocks, blocks, "no block is lost");
    for key in 0..10 * stats.capacity_entries {
        put(&b.cache, &key.to_le_bytes(), b"small", &[]);
    }
    assert_eq!(b.cache.stats().entries, stats.capacity_entries, "every entry is usable");
    let large = stats.value_bytes_max as usize / 2;
    for key in 0..stats.capacity_entries {
        put(&b.cache, &key.to_le_bytes(), &vec![1; large], &[]);
    }
    let used = b.cache.stats().used_bytes;
    assert!(used > stats.block_bytes * 3 / 4, "{used} of {} bytes usable", stats.block_bytes);
    assert_eq!(b.cache.audit().wrong_shards, 0);
}
