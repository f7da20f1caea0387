//! Tags: what an entry depends on, and the one sequence that says whether it still may be shown.
//!
//! A global sequence counts invalidations. Each tag slot holds the sequence at which it was last bumped.
//! A reader takes a [`Snapshot`] of the sequence *before* it reads its source; an entry stores that
//! snapshot and the slots of its tags, and is valid while no slot was bumped after it. So tags may be
//! found out while reading, and an answer computed from before a commit is stale the moment it is stored.
//!
//! Why that is sound (docs/decisions/0003-tags-by-sequence.md has the long form): the writer commits, then
//! adds to the sequence, then bumps the slots, then acknowledges. A reader that captured `S` by an acquire
//! load synchronizes with every addition up to `S`, so a read transaction begun afterwards sees their
//! commits: an entry may outlive bumps up to `S`. A commit after that has a sequence above `S`, and its
//! bump, which precedes its acknowledgement, ends the entry.

use crate::sync::{AtomicU64, Ordering};

use xxhash_rust::xxh3::xxh3_64;

use crate::fail::{Point, point};
use crate::layout::{Area, TAG_HEAD_WORDS};
use crate::segment::Segment;

/// Tags that an entry can name one by one: they fit into its first block beside the fixed fields. An
/// entry with more depends on *every* invalidation instead (any bump of any tag ends it).
pub const ENTRY_TAGS_MAX: usize = 32;

/// More tags than an entry can name: whatever has these depends on every invalidation, as an answer does of
/// which nobody can say what would change it.
pub const EVERY_TAG: &[TagRef] = &[TagRef(0); ENTRY_TAGS_MAX + 1];

/// Words of the tag area's head.
const SEQUENCE: usize = 0;
const FLOOR: usize = 1;
const MARK: usize = 2;

/// A tag, as the hash of its name. Names that share a slot are invalidated together, never less.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TagRef(u64);

impl TagRef {
    /// The tag of this name (`topic:42`).
    #[must_use]
    pub fn new(name: &[u8]) -> Self {
        Self(xxh3_64(name))
    }

    /// Its slot in a table of `slots`, a power of two.
    pub(crate) fn slot(self, slots: u32) -> u32 {
        (self.0 & u64::from(slots - 1)) as u32
    }
}

/// A point in the order of all invalidations.
///
/// Take it before the read transaction begins. An answer put together from several sources has the
/// oldest of their snapshots: `a.min(b)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Snapshot(pub(crate) u64);

/// The tag table of a segment.
#[derive(Clone, Debug)]
pub struct Tags {
    segment: Segment,
}

impl Tags {
    /// The tags of `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// Now, in the order of invalidations. Everything committed before the invalidations it counts is
    /// seen by a read transaction begun after this call.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Table::of(&self.segment).snapshot()
    }

    /// Ends every entry that depends on one of `tags`, in all processes, before it returns: call it after
    /// the commit and before the acknowledgement. An empty list ends nothing but entries with more than
    /// [`ENTRY_TAGS_MAX`] tags. Returns the point from which on new reads are fresh.
    pub fn invalidate(&self, tags: &[TagRef]) -> Snapshot {
        let table = Table::of(&self.segment);
        let sequence = table.advance();
        point(Point::TagsAdvanced);
        for tag in tags {
            table.bump(*tag, sequence);
            point(Point::TagsHalf);
        }
        Snapshot(sequence)
    }

    /// Ends every entry whatever its tags. Space is given back as entries are met.
    pub fn invalidate_all(&self) -> Snapshot {
        let table = Table::of(&self.segment);
        let sequence = table.advance();
        table.floor().fetch_max(sequence, Ordering::Release);
        Snapshot(sequence)
    }

    /// Whether what was read after `snapshot` and depends on `tags` is still what would be read now.
    #[must_use]
    pub fn unchanged_since(&self, tags: &[TagRef], snapshot: Snapshot) -> bool {
        let table = Table::of(&self.segment);
        let slots = self.segment.geometry().tag_slots;
        if tags.len() > ENTRY_TAGS_MAX {
            return table.unchanged(snapshot);
        }
        table.above_floor(snapshot) && tags.iter().all(|tag| table.slot_unchanged(tag.slot(slots), snapshot))
    }

    /// The mark of the last commit whose tags were all bumped; 0 when there was none.
    #[must_use]
    pub fn mark(&self) -> u64 {
        Table::of(&self.segment).mark().load(Ordering::Acquire)
    }

    /// Says that the tags of the commit with this mark, and of all before it, are bumped: call it after
    /// [`Tags::invalidate`]. A writer that finds another mark in its database knows that a commit was not
    /// followed by its bumps. Only the writer calls it.
    pub fn set_mark(&self, mark: u64) {
        // Release: whoever sees the mark sees the bumps before it.
        Table::of(&self.segment).mark().store(mark, Ordering::Release);
    }
}

/// A view of the tag area for the length of one operation.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    head: &'a [AtomicU64],
    slots: &'a [AtomicU64],
}

impl<'a> Table<'a> {
    #[inline]
    pub(crate) fn of(segment: &'a Segment) -> Self {
        let (head, slots) = segment.area(Area::Tags).split_at(TAG_HEAD_WORDS);
        Self { head, slots }
    }

    /// Acquire: pairs with the release addition in [`Table::advance`]; all additions up to the value read
    /// are read-modify-writes of one release sequence, so it synchronizes with each of them.
    #[inline]
    pub(crate) fn snapshot(self) -> Snapshot {
        Snapshot(self.head[SEQUENCE].load(Ordering::Acquire))
    }

    fn advance(self) -> u64 {
        self.head[SEQUENCE].fetch_add(1, Ordering::AcqRel).wrapping_add(1)
    }

    fn floor(self) -> &'a AtomicU64 {
        &self.head[FLOOR]
    }

    fn mark(self) -> &'a AtomicU64 {
        &self.head[MARK]
    }

    fn bump(self, tag: TagRef, sequence: u64) {
        let slots = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        if let Some(slot) = self.slots.get(tag.slot(slots) as usize) {
            // Maximum: two writers may bump one slot in the other order than they drew their numbers.
            slot.fetch_max(sequence, Ordering::Release);
        }
    }

    /// Whether an entry of this snapshot is not cut off by [`Tags::invalidate_all`].
    #[inline]
    pub(crate) fn above_floor(self, snapshot: Snapshot) -> bool {
        self.head[FLOOR].load(Ordering::Acquire) <= snapshot.0
    }

    /// Whether nothing at all was invalidated since.
    #[inline]
    pub(crate) fn unchanged(self, snapshot: Snapshot) -> bool {
        self.head[SEQUENCE].load(Ordering::Acquire) <= snapshot.0
    }

    /// Whether this slot was not bumped since. A slot that does not exist is no reason to trust an entry.
    #[inline]
    pub(crate) fn slot_unchanged(self, slot: u32, snapshot: Snapshot) -> bool {
        self.slots.get(slot as usize).is_some_and(|w| w.load(Ordering::Acquire) <= snapshot.0)
    }
}
