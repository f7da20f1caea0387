//! Instructions of a cached answer, from the parsed request to the finished answer: a gate that noise cannot move.
//!
//! A worker on a thread of this program is asked for a list of 18 KB over a real connection; callgrind counts what
//! `veritable_worker::http::request::answer` and everything below it execute, and nothing else. The committed figure
//! is in `cached-hit.instructions`; 5 % more fail, unless the same commit changes the figure. How it is built is part of what
//! the figure means: `.ci/instructions` says so.
#![expect(missing_docs, reason = "what the macros make has none")]

use gungraun::prelude::*;
use gungraun::{Callgrind, EntryPoint, EventKind};
use veritable_micro::{Failed, Worker, hits};

/// Cached answers of a run: so many that what comes before the first one is no matter.
const HITS: usize = 2_000;
/// Instructions of one.
const COMMITTED: &str = include_str!("../cached-hit.instructions");
/// What it may grow by before the figure has to be changed, in percent.
const GROWTH: u64 = 5;
/// What is counted: the poll of this async function.
const COUNTED: &str = "veritable_worker::http::request::answer::{{closure}}";

#[library_benchmark]
fn cached_answers() -> Result<(), Failed> {
    let worker = Worker::start()?;
    let mut stream = worker.connect()?;
    // Made now.
    if hits(&mut stream, "/latest", 1).is_ok() {
        return Err("the first answer was kept already".into());
    }
    hits(&mut worker.connect()?, "/latest", HITS)
}

library_benchmark_group!(name = cached, benchmarks = cached_answers);

fn limit() -> u64 {
    let committed: u64 = COMMITTED.trim().parse().unwrap_or_default();
    committed * HITS as u64 * (100 + GROWTH) / 100
}

main!(
    config = LibraryBenchmarkConfig::default().tool(
        Callgrind::default()
            .entry_point(EntryPoint::Custom(COUNTED.to_owned()))
            .hard_limits([(EventKind::Ir, limit())])
    ),
    library_benchmark_groups = cached
);
