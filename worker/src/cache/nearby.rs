//! Copies of the most asked answers in this worker's own memory, so that a hit copies and verifies nothing: a
//! fifth of a hit's work on a page of 39 KB (docs/benchmarks.md). A copy that is used gets a file, if it is large, so that
//! the socket need not copy it either. The shared cache remains the only judge: a copy
//! is used only after it has said that the entry is still there.

use std::sync::{Mutex, PoisonError};

use quick_cache::Weighter;
use quick_cache::unsync::Cache;
use veritable_shm::Place;

use super::kept::Stored;

/// Bytes of an entry besides key and value: its place and its headers above all.
const ENTRY_BYTES: u64 = 2_048;
/// What an answer takes on average, for sizing tables.
const USUAL_BYTES: u64 = 8 * 1024;
/// An answer takes at most this part of all that is kept here with its file: an eighth.
const SEALED_PART: u64 = 16;

struct Bytes;

impl Weighter<Vec<u8>, (Place, Stored)> for Bytes {
    fn weight(&self, key: &Vec<u8>, (_, stored): &(Place, Stored)) -> u64 {
        ENTRY_BYTES + (key.len() + stored.bytes()) as u64
    }
}

type Copies = Cache<Vec<u8>, (Place, Stored), Bytes>;

/// Bounded in bytes; nothing at all for 0.
pub(crate) struct Nearby {
    copies: Mutex<Copies>,
    bytes: u64,
}

impl Nearby {
    pub(crate) fn new(bytes: u64) -> Self {
        Nearby { copies: Mutex::new(empty(bytes)), bytes }
    }

    /// The copy of `key` if `is_there` says so of its place; one that is not there any more is dropped.
    pub(crate) fn get(&self, key: &[u8], is_there: impl FnOnce(&Place) -> bool) -> Option<Stored> {
        if !self.is_on() {
            return None;
        }
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        let (place, stored) = copies.get(key)?;
        if !is_there(place) {
            copies.remove(key);
            return None;
        }
        let (place, mut stored) = (*place, stored.clone());
        // It is asked for again: worth the making of a file.
        if stored.seal(self.bytes / SEALED_PART) {
            copies.insert(key.to_owned(), (place, stored.clone()));
        }
        Some(stored)
    }

    /// Whether anything is kept here at all.
    pub(crate) fn is_on(&self) -> bool {
        self.bytes > 0
    }

    pub(crate) fn put(&self, key: &[u8], place: Place, stored: Stored) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.insert(key.to_owned(), (place, stored));
    }

    /// Gives its memory back.
    pub(crate) fn clear(&self) {
        *self.copies.lock().unwrap_or_else(PoisonError::into_inner) = empty(self.bytes);
    }
}

fn empty(bytes: u64) -> Copies {
    let usual = usize::try_from(bytes / USUAL_BYTES).unwrap_or(usize::MAX);
    Cache::with_weighter(usual, bytes, Bytes)
}
