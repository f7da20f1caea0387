//! The power fails at any moment: of what was written to the databases' files and not yet synced, any part may be
//! missing. Rebuilt from what was left, a database is sound and has every post that was acknowledged, once. The full
//! form (`VERITABLE_FULL=1`) fails 2,000 times.
//!
//! A disk promises that what was synced stays, and of the rest that a sector is either old or new
//! (<https://www.sqlite.org/atomiccommit.html#_hardware_assumptions>).

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use fastrand::Rng;
use rusqlite::Connection as Database;
use serde_json::json;

use super::harness::disk::Disk;
use super::harness::server::{Server, veritable};
use super::harness::{rounds, wait_for};

/// What a disk writes wholly or not at all, in bytes.
const SECTOR: usize = 512;
const CLIENTS: usize = 4;
/// Posts of one client between two checkpoints.
const POSTS: usize = 12;
const CHECKPOINTS: usize = 4;

/// A change of a file, as harness/disk.c records it.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Truncate { length: usize },
}

/// One record of the disk.
#[derive(Debug)]
enum Step {
    Change(Change),
    Sync,
    Unlink,
}

/// Where a record ends in the recording, which file it is of, what was done.
type Record = (usize, u32, Step);

const FORUMS: u32 = 1;
const NAMES: [(u32, &str); 4] =
    [(FORUMS, "forums.db"), (2, "forums.db-wal"), (3, "notebooks.db"), (4, "notebooks.db-wal")];

/// The whole records of a recording; it may end amidst one.
fn records(log: &[u8]) -> Vec<Record> {
    let mut records = Vec::new();
    let mut at = 0;
    while let Some(head) = log.get(at..at + 24) {
        let word = |from: usize| u32::from_ne_bytes(head[from..from + 4].try_into().unwrap());
        let long =
            |from| usize::try_from(u64::from_ne_bytes(head[from..from + 8].try_into().unwrap())).unwrap();
        let (kind, file, offset, length) = (word(0), word(4), long(8), long(16));
        at += 24;
        let step = match kind {
            1 => {
                let Some(data) = log.get(at..at + length) else { break };
                at += length;
                Step::Change(Change::Write { at: offset, data: data.to_vec() })
            }
            2 => Step::Change(Change::Truncate { length }),
            3 => Step::Sync,
            4 => Step::Unlink,
            other => panic!("a record of kind {other} at {at}"),
        };
        records.push((at, file, step));
    }
    records
}

/// A file on a disk: what is safe, and what was written since.
#[derive(Clone, Debug, Default)]
struct File {
    safe: Vec<u8>,
    unsynced: Vec<Change>,
}

impl File {
    fn sync(&mut self) {
        for change in std::mem::take(&mut self.unsynced) {
            apply(&mut self.safe, &change);
        }
    }

    /// What is left of it after the power failed.
    fn left(&self, how: Loss, random: &mut Rng) -> Vec<u8> {
        let mut image = self.safe.clone();
        let survivors = match how {
            Loss::Everything => 0,
            Loss::Nothing | Loss::Sectors => self.unsynced.len(),
            Loss::Tail => random.usize(0..=self.unsynced.len()),
        };
        for change in &self.unsynced[..survivors] {
            match change {
                Change::Write { at, data } if how == Loss::Sectors => {
                    // Sectors are the disk's, not the write's.
                    let mut done = 0;
                    while done < data.len() {
                        let end = data.len().min(done + SECTOR - (at + done) % SECTOR);
                        if random.bool() {
                            let data = data[done..end].to_vec();
                            apply(&mut image, &Change::Write { at: at + done, data });
                        }
                        done = end;
                    }
                }
                Change::Truncate { .. } if how == Loss::Sectors && random.bool() => {}
                change => apply(&mut image, change),
            }
        }
        if let (Loss::Tail, Some(Change::Write { at, data })) = (how, self.unsynced.get(survivors)) {
            let whole = random.usize(0..=data.len() / SECTOR) * SECTOR;
            apply(&mut image, &Change::Write { at: *at, data: data[..whole].to_vec() });
        }
        image
    }
}

fn apply(image: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Write { at, data } => {
            image.resize(image.len().max(at + data.len()), 0);
            image[*at..at + data.len()].copy_from_slice(data);
        }
        Change::Truncate { length } => image.resize(*length, 0),
    }
}

/// Which unsynced changes a failure takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// All of them.
    Everything,
    /// None: the disk was faster than its promise.
    Nothing,
    /// All from some moment on.
    Tail,
    /// Any sectors: a disk writes in the order it likes.
    Sectors,
}

/// A post, and how long the recording was when its acknowledgement had come.
type Acknowledged = (String, usize);

/// What the disk of a server saw while people wrote, with pauses in which its log was copied.
struct Recording {
    records: Vec<Record>,
    acknowledged: Vec<Acknowledged>,
    /// Length when the server was up.
    from: usize,
}

fn record(test: &str, setting: &str) -> Option<Recording> {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new(test, dir.path())?;
    let mut program = disk.recorded();
    program.env("VERITABLE_WRITER_SYNCHRONOUS", setting);
    let mut server = Server::start(program, "demo", &dir.path().join("data"), &[]);
    let token = server.token();
    let length = || usize::try_from(fs::metadata(&disk.log).unwrap().len()).unwrap();
    let from = length();
    let topics = server.get("/api/forums/topics").json();
    let path = format!("/api/topics/{}/posts", topics["topics"][0]["id"]);
    let acknowledged = Mutex::new(Vec::new());
    for round in 0..CHECKPOINTS {
        let before = length();
        std::thread::scope(|scope| {
            for client in 0..CLIENTS {
                let (server, token, path, acknowledged, length) =
                    (&server, &token, &path, &acknowledged, &length);
                scope.spawn(move || {
                    for number in 0..POSTS {
                        let text = format!("client {client} round {round} post {number} end");
                        let reply = server.change(token, "POST", path, &json!({ "body": text }));
                        assert_eq!(reply.status, 201, "{}", reply.text());
                        acknowledged.lock().unwrap().push((text, length()));
                    }
                });
            }
        });
        wait_for("the log to be copied into the database", || {
            let log = fs::read(&disk.log).unwrap();
            let copied = records(&log[before..])
                .into_iter()
                .any(|(_, file, step)| file == FORUMS && matches!(step, Step::Change(Change::Write { .. })));
            copied.then_some(())
        });
    }
    let log = fs::read(&disk.log).unwrap();
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    Some(Recording { records: records(&log), acknowledged: acknowledged.into_inner().unwrap(), from })
}

/// What a failure did to a database.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Kept,
    Lost(String),
    Broken(String),
}

/// Opens what is left in `dir` and looks for what was acknowledged.
fn look(dir: &Path, promised: &[&str]) -> Outcome {
    let counted = || -> rusqlite::Result<(String, HashMap<String, usize>)> {
        let db = Database::open(dir.join("forums.db"))?;
        let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        let mut query = db.prepare("SELECT source FROM post_revisions WHERE source LIKE 'client % end'")?;
        let mut counts = HashMap::new();
        for text in query.query_map([], |row| row.get::<_, String>(0))? {
            *counts.entry(text?).or_default() += 1;
        }
        Ok((sound, counts))
    };
    match counted() {
        Err(error) => Outcome::Broken(error.to_string()),
        Ok((sound, _)) if sound != "ok" => Outcome::Broken(sound),
        Ok((_, counts)) => {
            if let Some((text, count)) = counts.iter().find(|(_, count)| **count > 1) {
                return Outcome::Broken(format!("{text:?} is there {count} times"));
            }
            match promised.iter().find(|text| !counts.contains_key(**text)) {
                Some(text) => Outcome::Lost((*text).to_owned()),
                None => Outcome::Kept,
            }
        }
    }
}

/// Lets the power fail `times` times during a recording: what came of it, and of which failure.
fn fail(recording: &Recording, times: usize, seed: u64) -> Vec<(Outcome, Loss, usize)> {
    let mut random = Rng::with_seed(seed);
    let end = recording.records.last().unwrap().0;
    let mut moments: Vec<usize> = (0..times)
        .map(|n| match n % 2 {
            // Just acknowledged: when most would be lost.
            0 => recording.acknowledged[random.usize(0..recording.acknowledged.len())].1,
            _ => random.usize(recording.from..=end),
        })
        .collect();
    moments.sort_unstable();
    let mut files: HashMap<u32, File> = HashMap::new();
    let mut records = recording.records.iter().peekable();
    let mut outcomes = Vec::new();
    for (n, moment) in moments.into_iter().enumerate() {
        while let Some((_, file, step)) = records.next_if(|(until, ..)| *until <= moment) {
            match step {
                Step::Change(change) => files.entry(*file).or_default().unsynced.push(change.clone()),
                Step::Sync => files.entry(*file).or_default().sync(),
                Step::Unlink => drop(files.remove(file)),
            }
        }
        let how = [Loss::Everything, Loss::Sectors, Loss::Tail, Loss::Sectors, Loss::Nothing][n % 5];
        let dir = tempfile::tempdir().unwrap();
        for (file, name) in NAMES {
            if let Some(file) = files.get(&file) {
                fs::write(dir.path().join(name), file.left(how, &mut random)).unwrap();
            }
        }
        let promised = recording.acknowledged.iter().filter(|(_, at)| *at <= moment);
        let promised: Vec<&str> = promised.map(|(text, _)| text.as_str()).collect();
        let outcome = look(dir.path(), &promised);
        if n == 0 && outcome == Outcome::Kept {
            serves_again(dir.path());
        }
        outcomes.push((outcome, how, moment));
    }
    outcomes
}

/// The server starts on what is left.
fn serves_again(dir: &Path) {
    let mut server = Server::start(veritable(), "serve", dir, &[]);
    assert_eq!(server.get("/latest").status, 200);
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
}

#[test]
fn what_was_acknowledged_survives_a_power_failure() {
    let Some(recording) = record("power_loss::what_was_acknowledged_survives_a_power_failure", "full") else {
        return;
    };
    let times = rounds(60, 2_000);
    let seed = fastrand::u64(..);
    let outcomes = fail(&recording, times, seed);
    for (outcome, how, moment) in &outcomes {
        assert_eq!(*outcome, Outcome::Kept, "seed {seed}: {how:?} at {moment}");
    }
    eprintln!(
        "{} posts acknowledged, {} changes recorded, {times} failures: nothing lost",
        recording.acknowledged.len(),
        recording.records.len()
    );
}

/// The same failures find what a looser setting loses, and so would find it here.
#[test]
fn without_a_sync_at_each_commit_the_same_failures_lose_posts_and_nothing_else() {
    let test = "power_loss::without_a_sync_at_each_commit_the_same_failures_lose_posts_and_nothing_else";
    let Some(recording) = record(test, "normal") else { return };
    let seed = fastrand::u64(..);
    let outcomes = fail(&recording, rounds(60, 2_000), seed);
    let lost = outcomes.iter().filter(|(outcome, ..)| matches!(outcome, Outcome::Lost(_))).count();
    assert!(lost > 0, "seed {seed}: nothing lost in {} failures", outcomes.len());
    for (outcome, how, moment) in &outcomes {
        assert!(!matches!(outcome, Outcome::Broken(_)), "seed {seed}: {how:?} at {moment}: {outcome:?}");
    }
    eprintln!("{lost} of {} failures lost posts", outcomes.len());
}
