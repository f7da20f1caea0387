//! What attach refuses, and what the scoreboard keeps.

mod common;

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use common::{SMALL, bench};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use veritable_shm::{Cache, Counter, Geometry, Owner, Segment, ShmError, SlotState, now_ms};

/// A memfd with these bytes, sealed or not.
fn memfd(bytes: &[u8], sealed: bool) -> OwnedFd {
    let fd = memfd_create("test", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).expect("memfd");
    let file = File::from(fd);
    file.write_all_at(bytes, 0).expect("write");
    if sealed {
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(file.as_fd(), FcntlArg::F_ADD_SEALS(seals)).expect("seal");
    }
    file.into()
}

/// All bytes of a fresh segment.
fn image() -> Vec<u8> {
    let b = bench(SMALL);
    let mut bytes = vec![0; usize::try_from(b.segment.bytes()).expect("size")];
    File::from(b.fd).read_exact_at(&mut bytes, 0).expect("read");
    bytes
}

#[test]
fn a_created_segment_is_sealed_and_attaches() {
    let b = bench(SMALL);
    let other = Segment::attach(&b.fd).expect("attach");
    assert_eq!(other.geometry(), SMALL);
    let file = File::from(b.fd);
    assert!(file.set_len(0).is_err(), "sealed against shrinking");
    assert!(file.set_len(1 << 30).is_err(), "sealed against growing");
}

#[test]
fn a_faithful_copy_attaches_so_the_refusals_below_mean_something() {
    assert!(Segment::attach(memfd(&image(), true)).is_ok());
}

#[test]
fn unsealed_short_long_and_foreign_descriptors_are_refused() {
    let good = image();
    assert!(matches!(Segment::attach(memfd(&good, false)), Err(ShmError::NotSealed)));
    let refused = |bytes: &[u8]| matches!(Segment::attach(memfd(bytes, true)), Err(ShmError::Foreign(_)));
    assert!(refused(&[]));
    assert!(refused(&good[..4095]));
    assert!(refused(&good[..good.len() - 4096]));
    assert!(refused(&[&good[..], &[0; 4096]].concat()));
    assert!(refused(&vec![0xA5; good.len()]));
    let directory = File::open("/").expect("open /");
    assert!(matches!(Segment::attach(&directory), Err(ShmError::NotSealed)));
}

#[test]
fn any_wrong_word_of_the_header_is_refused() {
    const HEADER_WORDS: usize = 26;
    let good = image();
    for word in 0..HEADER_WORDS {
        for flip in [0x01, 0x80] {
            let mut bad = good.clone();
            bad[word * 8] ^= flip;
            assert!(matches!(Segment::attach(memfd(&bad, true)), Err(ShmError::Foreign(_))), "word {word}");
        }
    }
}

#[test]
fn more_memory_than_there_is_gives_a_clear_error() {
    let meminfo = std::fs::read_to_string("/proc/meminfo").expect("meminfo");
    let total: u64 = meminfo.split_whitespace().nth(1).and_then(|kb| kb.parse().ok()).expect("MemTotal");
    let huge = Geometry { cache_bytes: 1 << 40, ..SMALL };
    if total * 1024 > huge.cache_bytes {
        eprintln!("SKIPPED more_memory_than_there_is_gives_a_clear_error: the machine has a terabyte");
        return;
    }
    let refused = Segment::create(&huge).expect_err("a terabyte");
    assert!(matches!(refused, ShmError::Memory { .. }), "{refused}");
    assert!(refused.to_string().contains("bytes of shared memory"));
}

#[test]
fn epochs_decide_who_is_alive() {
    let b = bench(SMALL);
    assert!(b.board.is_alive(b.owner));
    b.board.retire(0).expect("slot");
    assert!(!b.board.is_alive(b.owner));
    let next = b.board.enlist(0, 2, 0).expect("slot");
    assert!(b.board.is_alive(next) && !b.board.is_alive(b.owner));
    assert!(!b.board.is_alive(Owner { slot: 0, epoch: 0 }));
    assert!(!b.board.is_alive(Owner { slot: 999, epoch: 1 }));
    assert!(matches!(b.board.enlist(8, 1, 0), Err(ShmError::NoSuchSlot { slot: 8, slots: 8 })));
    assert!(Cache::of(&b.segment, Owner { slot: 8, epoch: 1 }).is_err());
}

#[test]
fn a_slot_tells_its_story_and_counters_outlive_the_process() {
    let b = bench(SMALL);
    b.board.set_pid(0, 4711).expect("slot");
    b.board.set_state(b.owner, SlotState::Ready);
    b.board.beat(b.owner, 123);
    b.board.add(0, Counter::Requests, 5);
    let status = b.board.status(0).expect("slot");
    assert_eq!((status.pid, status.state, status.heartbeat_ms), (4711, Some(SlotState::Ready), 123));
    b.board.retire(0).expect("slot");
    b.board.beat(b.owner, 456);
    let status = b.board.status(0).expect("slot");
    assert_eq!((status.pid, status.state, status.heartbeat_ms), (0, Some(SlotState::Empty), 123));
    b.board.enlist(0, 2, 9).expect("slot");
    b.board.add(0, Counter::Requests, 2);
    b.board.add(3, Counter::Requests, 10);
    b.board.add(99, Counter::Requests, 1);
    assert_eq!((b.board.count(0, Counter::Requests), b.board.total(Counter::Requests)), (7, 17));
    assert_eq!(
        Counter::ALL.iter().map(|c| *c as usize).collect::<Vec<_>>(),
        (0..Counter::ALL.len()).collect::<Vec<_>>()
    );
}

#[test]
fn the_clock_runs_and_agrees_with_itself() {
    let (first, second) = (now_ms(), now_ms());
    assert!(first > 0 && second >= first && second - first < 60_000);
}
