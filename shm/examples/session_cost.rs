//! What a session costs: bytes of its record, and nanoseconds of a look-up, on one thread and on two, of sessions that
//! fit into the CPU's caches and of as many as the default segment has.
//!
//! `cargo run --release -p veritable-shm --example session_cost`
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

use std::hint::black_box;
use std::time::Instant;

use veritable_shm::{
    Geometry, NewSession, Scoreboard, Segment, SessionDigest, Sessions, TagRef, Tags, now_ms,
};

/// Bytes that a worker keeps of one.
const VALUE_BYTES: usize = 52;
const LOOK_UPS: usize = 2_000_000;
const ROUNDS: usize = 5;

fn digest(number: usize) -> SessionDigest {
    std::array::from_fn(|at| (number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (at % 8 * 8)) as u8 ^ at as u8)
}

fn main() {
    let geometry = Geometry::default();
    let (_fd, segment) = Segment::create(&geometry).expect("a segment");
    let owner = Scoreboard::of(&segment).enlist(0, 1, 0).expect("a slot");
    let sessions = Sessions::of(&segment, owner).expect("sessions");
    let snapshot = Tags::of(&segment).snapshot();
    let now = now_ms();
    // Sets are of four: with half of the places filled few push others out.
    let many = geometry.session_slots as usize / 2;
    for number in 0..many {
        let tag = TagRef::new(format!("account:{}", number % 5_000).as_bytes());
        let session = NewSession { value: &[7; VALUE_BYTES], tag, snapshot, expires_ms: now + 3_600_000 };
        sessions.put(&digest(number), &session, now);
    }
    let there = (0..many).filter(|number| sessions.get(&digest(*number), now).is_some()).count();
    println!("{VALUE_BYTES} bytes a session, {} places, {there} of {many} found", geometry.session_slots);
    for (what, among) in [("of 1,000", 1_000.min(many)), ("of all", many)] {
        for threads in [1, 2] {
            let mut figures: Vec<f64> = (0..ROUNDS).map(|_| run(&sessions, among, threads)).collect();
            figures.sort_by(f64::total_cmp);
            let (least, middle, most) = (figures[0], figures[ROUNDS / 2], figures[ROUNDS - 1]);
            println!("look-up {what}, {threads} thread(s): {middle:.0} ns [{least:.0} - {most:.0}]");
        }
    }
}

/// Nanoseconds of a look-up on each thread.
fn run(sessions: &Sessions, among: usize, threads: usize) -> f64 {
    let digests: Vec<SessionDigest> = (0..among).map(digest).collect();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let digests = &digests;
            scope.spawn(move || {
                let now = now_ms();
                let mut at = thread * 7_919;
                for _ in 0..LOOK_UPS {
                    at = (at + 7_919) % digests.len();
                    black_box(sessions.get(&digests[at], now));
                }
            });
        }
    });
    begun.elapsed().as_nanos() as f64 / LOOK_UPS as f64
}
