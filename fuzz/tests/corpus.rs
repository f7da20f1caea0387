//! Every target on its committed corpus and on mutations of it, for seconds: always the same ones, so that a failure is
//! had again. `VERITABLE_FULL=1` goes on a hundred times as long.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use veritable_fuzz::{TARGETS, Target};

/// For all mutations of a target; those that were not reached are the next longer run's.
const TIME: Duration = Duration::from_secs(2);
/// Longest mutation: what costs is the parser, and short inputs reach as much of it.
const MOST_BYTES: usize = 16 * 1024;

fn folder(target: Target) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name)
}

fn corpus(target: Target) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder(target)).unwrap_or_else(|e| panic!("{}: {e}", target.name));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Runs the target; what fails is left where libFuzzer can be given it.
fn check(target: Target, data: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.check)(data))) {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fails-{}", target.name));
        std::fs::write(&path, data).unwrap();
        eprintln!("{} fails on {}", target.name, path.display());
        resume_unwind(panic);
    }
}

/// One change of the kinds that get far into parsers.
fn mutate(random: &mut fastrand::Rng, data: &mut Vec<u8>, corpus: &[(PathBuf, Vec<u8>)]) {
    let at = random.usize(..=data.len());
    let end = (at + random.usize(..=16)).min(data.len());
    match random.u8(..8) {
        0 if at < data.len() => data[at] ^= 1 << random.u8(..8),
        1 => data.insert(at, random.u8(..)),
        2 => drop(data.drain(at..end)),
        3 => {
            let part = data[at..end].repeat(random.usize(1..=64));
            data.splice(at..at, part);
        }
        4 => data.truncate(at),
        5 => {
            let interesting: [&[u8]; 10] =
                [b"\0", b"\xff", b"\n", b"\"", b"<", b"[[", b"\x7f\xff\xff\xff", b"\xe2\x80\xae", b"&", b"="];
            data.splice(at..at, interesting[random.usize(..interesting.len())].iter().copied());
        }
        6 if end > at + 3 => {
            let number = [0_u32, 1, u32::MAX, 1 << 24, 0x8000_0000][random.usize(..5)];
            data.splice(at..at + 4, number.to_le_bytes());
        }
        _ => {
            let other = &corpus[random.usize(..corpus.len())].1;
            let from = random.usize(..=other.len());
            let until = (from + random.usize(..=256)).min(other.len());
            data.splice(at..end, other[from..until].iter().copied());
        }
    }
    data.truncate(MOST_BYTES);
}

#[test]
fn everything_holds_for_the_corpus_and_what_is_near_it() {
    let times = if std::env::var_os("VERITABLE_FULL").is_some() { 100 } else { 1 };
    for target in TARGETS {
        let corpus = corpus(*target);
        assert!(!corpus.is_empty(), "{} has no corpus", target.name);
        for (path, data) in &corpus {
            eprintln!("{}", path.display());
            check(*target, data);
        }
        let (mut random, started, mut runs) = (fastrand::Rng::with_seed(6), Instant::now(), 0);
        while started.elapsed() < TIME * times {
            let mut data = corpus[random.usize(..corpus.len())].1.clone();
            for _ in 0..random.usize(1..=8) {
                mutate(&mut random, &mut data, &corpus);
            }
            check(*target, &data);
            runs += 1;
        }
        eprintln!("{}: {} of the corpus, {runs} mutations", target.name, corpus.len());
    }
}

#[test]
fn every_corpus_has_a_target_and_every_target_a_binary() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
    for entry in std::fs::read_dir(here.join("corpus")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name.as_str()), "no target is called {name}");
    }
    let manifest = std::fs::read_to_string(here.join("libfuzzer/Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("name = \"{name}\"\n")), "libfuzzer/Cargo.toml lacks {name}");
    }
}
