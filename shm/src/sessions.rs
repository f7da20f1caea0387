//! Sessions known to all workers: fixed records, found by the digest of their token, so that a request of
//! somebody logged in needs no database. The database has them all; this is the copy that may be missing.
//!
//! A record is changed by one owner at a time, whose name stands in it meanwhile; readers copy and verify as in
//! the cache. A record whose owner died is taken over and written anew as a whole. Tokens never enter the
//! segment, only a part of their digest.

use crate::sync::{AtomicU64, Ordering, fence};

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::error::ShmError;
use crate::fail::{Point, point};
use crate::layout::{Area, SESSION_WORDS};
use crate::raw::WORD;
use crate::scoreboard::{self, Owner};
use crate::segment::Segment;
use crate::tags::{Snapshot, Table, TagRef};

/// Records of a set: a session is in one of so many places.
const WAYS: usize = 4;
/// Words of a record. The first holds the version (odd: being written) and, meanwhile, who writes.
const STATE: usize = 0;
/// When it was last asked for: chooses who has to go. Not part of what is verified.
const USED: usize = 1;
/// Everything from here on is under the checksum, which covers the words after it.
const CHECKSUM: usize = 2;
const DIGEST: usize = 3;
const EXPIRES: usize = 5;
const SNAPSHOT: usize = 6;
/// The tag's slot in the high half, the value's length in the low one.
const TAG_LEN: usize = 7;
const VALUE: usize = 8;

/// The longest value, bytes: a user's number, name, role and what a form must repeat, in bincode's format.
pub const SESSION_BYTES_MAX: usize = (SESSION_WORDS - VALUE) * WORD;

/// The SHA-256 of a session's token. Only its first half is kept: nobody finds a second token for that.
pub type SessionDigest = [u8; 32];

/// A session to be kept.
#[derive(Clone, Copy, Debug)]
pub struct NewSession<'a> {
    /// What is known of it, at most [`SESSION_BYTES_MAX`].
    pub value: &'a [u8],
    /// What ends it early: the user's tag.
    pub tag: TagRef,
    /// Taken before the database was read.
    pub snapshot: Snapshot,
    /// When it ends, milliseconds of [`crate::now_ms`].
    pub expires_ms: u64,
}

/// The sessions of a segment, as one owner uses them.
#[derive(Clone, Debug)]
pub struct Sessions {
    segment: Segment,
    owner: Owner,
}

impl Sessions {
    /// The sessions of `segment` as `owner` uses them.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn of(segment: &Segment, owner: Owner) -> Result<Self, ShmError> {
        scoreboard::check_slot(segment, owner)?;
        Ok(Self { segment: segment.clone(), owner })
    }

    /// What is known of the session of a token with this digest. Takes no lock.
    #[must_use]
    pub fn get(&self, digest: &SessionDigest, now_ms: u64) -> Option<Vec<u8>> {
        let table = Table::of(&self.segment);
        self.set(digest).find_map(|record| {
            let copy = record.copy()?;
            let good = copy.is_of(digest) && copy.is_good(table, now_ms);
            good.then(|| {
                record.words[USED].store(now_ms, Ordering::Relaxed);
                copy.value()
            })
        })
    }

    /// Keeps a session in the place it had, a free one, or that of the one not asked for the longest. `false`
    /// when its value is too long, somebody writes there, or it is outdated already.
    pub fn put(&self, digest: &SessionDigest, session: &NewSession<'_>, now_ms: u64) -> bool {
        let table = Table::of(&self.segment);
        if session.value.len() > SESSION_BYTES_MAX || !scoreboard::is_alive(&self.segment, self.owner) {
            return false;
        }
        let new = Copy::new(digest, session, self.segment.geometry().tag_slots);
        if !new.is_good(table, now_ms) {
            return false;
        }
        let rank = |record: &Record<'_>| match record.copy() {
            Some(old) if old.is_of(digest) => 0,
            Some(old) if old.is_good(table, now_ms) => 2 + record.words[USED].load(Ordering::Relaxed),
            _ => 1,
        };
        // Nobody else's copy of the same session is left behind: it is found first or not at all.
        let Some(record) = self.set(digest).min_by_key(rank) else { return false };
        self.write(&record, |record| {
            record.store(&new);
            record.words[USED].store(now_ms, Ordering::Relaxed);
        })
    }

    /// Forgets a session: whoever logs out is out everywhere at once. Where another owner writes this very
    /// session at this moment, `false`; its tag ends it without fail.
    pub fn remove(&self, digest: &SessionDigest) -> bool {
        // All of its places, whatever becomes of the first: what is being written may be this session or not.
        let places = self.set(digest).filter(|record| record.copy().is_none_or(|copy| copy.is_of(digest)));
        let mut gone = true;
        for record in places {
            gone &= self.write(&record, |record| record.store(&Copy([0; SESSION_WORDS])));
        }
        gone
    }

    fn set_index(&self, digest: &SessionDigest) -> usize {
        let sets = self.segment.area(Area::Sessions).len() / SESSION_WORDS / WAYS;
        // The number of records is a power of two (`Geometry::check`).
        xxh3_64_with_seed(digest, self.segment.seed()) as usize & (sets - 1)
    }

    fn set(&self, digest: &SessionDigest) -> impl Iterator<Item = Record<'_>> {
        let area = self.segment.area(Area::Sessions);
        let start = self.set_index(digest) * WAYS * SESSION_WORDS;
        area[start..start + WAYS * SESSION_WORDS].chunks_exact(SESSION_WORDS).map(|words| Record { words })
    }

    /// Runs one change of a record; `false` when another living owner changes it.
    fn write(&self, record: &Record<'_>, change: impl FnOnce(&Record<'_>)) -> bool {
        let state = &record.words[STATE];
        let seen = state.load(Ordering::Relaxed);
        if seen & 1 == 1 && self.is_held_by_living(seen) {
            return false;
        }
        let version = seen as u32 | 1;
        let held = u64::from(self.owner.slot) << 48 | (u64::from(self.owner.epoch) & 0xFFFF) << 32;
        let held = held | u64::from(version);
        // One who died here may have left the very same version: the word must change all the same.
        let held = if held == seen { held.wrapping_add(2) } else { held };
        if state.compare_exchange(seen, held, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return false;
        }
        fence(Ordering::Release);
        point(Point::SessionHeld);
        change(record);
        // Fails only when this process was declared dead while it lived: then it is another's.
        let free = u64::from((held as u32).wrapping_add(1));
        state.compare_exchange(held, free, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    fn is_held_by_living(&self, state: u64) -> bool {
        let slot = (state >> 48) as u16;
        let epoch = scoreboard::epoch(&self.segment, slot);
        epoch.is_some_and(|epoch| {
            u64::from(epoch) & 0xFFFF == state >> 32 & 0xFFFF
                && scoreboard::is_alive(&self.segment, Owner { slot, epoch })
        })
    }
}

/// One record in the segment.
struct Record<'a> {
    words: &'a [AtomicU64],
}

impl Record<'_> {
    /// What it holds; `None` while it is written and for what does not verify.
    fn copy(&self) -> Option<Copy> {
        let before = self.words[STATE].load(Ordering::Acquire);
        let mut copy = Copy([0; SESSION_WORDS]);
        for (word, cell) in copy.0.iter_mut().zip(self.words) {
            *word = cell.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        let still = self.words[STATE].load(Ordering::Relaxed) == before;
        (before & 1 == 0 && still && copy.0[CHECKSUM] == copy.checksum()).then_some(copy)
    }

    fn store(&self, copy: &Copy) {
        for (cell, word) in self.words.iter().zip(copy.0).skip(CHECKSUM) {
            cell.store(word, Ordering::Relaxed);
            point(Point::SessionHalf);
        }
    }
}

/// A record's words in this process's own memory.
struct Copy([u64; SESSION_WORDS]);

impl Copy {
    fn new(digest: &SessionDigest, session: &NewSession<'_>, tag_slots: u32) -> Self {
        let mut words = [0; SESSION_WORDS];
        words[DIGEST..DIGEST + 2].copy_from_slice(&half(digest));
        words[EXPIRES] = session.expires_ms;
        words[SNAPSHOT] = session.snapshot.0;
        words[TAG_LEN] = u64::from(session.tag.slot(tag_slots)) << 32 | session.value.len() as u64;
        for (word, bytes) in words[VALUE..].iter_mut().zip(session.value.chunks(WORD)) {
            let mut cell = [0; WORD];
            cell[..bytes.len()].copy_from_slice(bytes);
            *word = u64::from_le_bytes(cell);
        }
        let mut copy = Copy(words);
        copy.0[CHECKSUM] = copy.checksum();
        copy
    }

    fn checksum(&self) -> u64 {
        let mut bytes = [0; (SESSION_WORDS - DIGEST) * WORD];
        for (cell, word) in bytes.as_chunks_mut::<WORD>().0.iter_mut().zip(&self.0[DIGEST..]) {
            *cell = word.to_le_bytes();
        }
        xxh3_64(&bytes)
    }

    fn is_of(&self, digest: &SessionDigest) -> bool {
        self.0[DIGEST..DIGEST + 2] == half(digest)
    }

    fn is_good(&self, table: Table<'_>, now_ms: u64) -> bool {
        let (snapshot, slot) = (Snapshot(self.0[SNAPSHOT]), (self.0[TAG_LEN] >> 32) as u32);
        now_ms < self.0[EXPIRES] && table.above_floor(snapshot) && table.slot_unchanged(slot, snapshot)
    }

    fn value(&self) -> Vec<u8> {
        let len = (self.0[TAG_LEN] & u64::from(u32::MAX)) as usize;
        let mut bytes: Vec<u8> = self.0[VALUE..].iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

fn half(digest: &SessionDigest) -> [u64; 2] {
    let (words, _) = digest.as_chunks::<WORD>();
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])]
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
