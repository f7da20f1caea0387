//! When a new writer lets the cache live: only if its tags know of every commit.

use veritable_shm::{Geometry, Segment, Snapshot, Tags};

use super::harness::{Writer, category};

struct Bench {
    writer: Writer,
    tags: Tags,
}

impl Bench {
    /// A writer that has made a change and was stopped.
    fn new() -> Bench {
        let small = Geometry { cache_bytes: 8 << 20, ..Geometry::default() };
        let (_fd, segment) = Segment::create(&small).unwrap();
        let tags = Tags::of(&segment);
        let mut writer = Writer::start_with(Some(segment), |_| {});
        category(&mut writer.client(), "General");
        writer.drain();
        Bench { writer, tags }
    }

    /// Starts the next writer; whether what was cached until now still holds.
    fn outlives_a_start(&mut self) -> bool {
        let before: Snapshot = self.tags.snapshot();
        self.writer.boot().unwrap();
        let kept = self.tags.snapshot() == before;
        self.writer.drain();
        kept
    }
}

#[test]
fn the_cache_outlives_a_writer_that_told_everything() {
    let mut bench = Bench::new();
    assert!(bench.outlives_a_start());
    bench.writer.boot().unwrap();
    category(&mut bench.writer.client(), "Another");
    // As after the master's death: nothing is tidied up.
    bench.writer.orphan();
    assert!(bench.outlives_a_start());
}

#[test]
fn a_change_that_the_segment_has_not_heard_of_ends_what_is_cached() {
    let mut bench = Bench::new();
    let segment = bench.writer.segment.take();
    bench.writer.boot().unwrap();
    category(&mut bench.writer.client(), "Unheard of");
    bench.writer.drain();
    bench.writer.segment = segment;
    assert!(!bench.outlives_a_start());
    assert!(bench.outlives_a_start(), "once is enough");
}

#[test]
fn a_writer_that_died_before_its_last_bump_ends_what_is_cached() {
    let mut bench = Bench::new();
    let earlier = bench.tags.mark();
    bench.writer.boot().unwrap();
    category(&mut bench.writer.client(), "Committed");
    bench.writer.drain();
    assert_ne!(bench.tags.mark(), earlier);
    // What a death between the commit and the bumps leaves.
    bench.tags.set_mark(earlier);
    assert!(!bench.outlives_a_start());
}

#[test]
fn a_database_of_before_marks_ends_what_is_cached() {
    let mut bench = Bench::new();
    let forums = rusqlite::Connection::open(bench.writer.config.forums_db()).unwrap();
    forums.execute("DELETE FROM facts WHERE name = 'mark'", []).unwrap();
    drop(forums);
    assert!(!bench.outlives_a_start());
}
