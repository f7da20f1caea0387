//! Who is there: one slot a process, with its epoch, its heartbeat and its counters.
//!
//! The epoch decides about life and death. The master [`Scoreboard::enlist`]s a process before it spawns
//! it and [`Scoreboard::retire`]s the slot once it has *reaped* the process; both raise the epoch. Locks
//! and leases name slot and epoch, so everything a dead process held is void from that store on.

use crate::sync::{AtomicU64, Ordering};

use crate::error::ShmError;
use crate::layout::{Area, COUNTERS_MAX, GAUGES_MAX, SLOT_WORDS};
use crate::segment::Segment;

/// Words of a slot. Life and heartbeat share a cache line; counters start on the next one.
const EPOCH: usize = 0;
const PID: usize = 1;
const STATE: usize = 2;
const HEARTBEAT: usize = 3;
const GENERATION: usize = 4;
const HEAP: usize = 5;
const ANON: usize = 6;
const COUNTERS: usize = 8;
const GAUGES: usize = COUNTERS + COUNTERS_MAX;

/// Who acts on the segment: a slot of the scoreboard and the epoch under which it was given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// The slot's index.
    pub slot: u16,
    /// The slot's epoch at [`Scoreboard::enlist`]; never 0.
    pub epoch: u32,
}

/// What the process in a slot is doing. The master and the process itself set it; people read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum SlotState {
    /// Nobody.
    Empty = 0,
    /// Spawned, not ready yet.
    Starting = 1,
    /// Serving.
    Ready = 2,
    /// Finishing what it has, taking nothing new.
    Draining = 3,
}

/// What is counted for each slot. Counters only rise and survive the process: whoever reads them (a
/// metrics endpoint) can take differences over any time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[expect(missing_docs, reason = "each name says what it counts; the groups are explained")]
pub enum Counter {
    // Requests answered; which and how is with the routes.
    Requests = 0,
    // Connections accepted.
    Connections,
    // Lookups: fresh, stale but usable, neither.
    CacheHit,
    CacheStale,
    CacheMiss,
    // Values stored; entries evicted to make room.
    CacheInsert,
    CacheEvict,
    // Inserts left out because the lock was busy; refused for size; refused as outdated.
    CacheSkip,
    CacheRefuse,
    CacheOutdated,
    // Shards reset: after a dead owner; after damage was noticed.
    CacheTakeover,
    CacheDamage,
    // Single flight.
    LeaseLead,
    LeaseFollow,
    // Commands sent to the writer; bytes of bodies sent.
    Writes,
    BytesOut,
    // Requests answered 429; handlers that panicked.
    RateLimited,
    Panics,
    // Reads refused because too many waited; interrupted at their deadline.
    ReadsRefused,
    ReadsInterrupted,
    // Statements that took longer than a tenth of a second.
    SlowStatements,
    // Transactions committed; commands in them; batches that failed.
    Commits,
    Commands,
    CommitsFailed,
    // Commands refused because their deadline had passed, or because the queue was full.
    CommandsExpired,
    CommandsRefused,
    // Commands that were answered again instead of being done again.
    CommandsRepeated,
    // The master's: reloads that took over or failed; workers replaced for their wear; processes that ended by
    // themselves; images of the master that took over.
    Reloads,
    ReloadsFailed,
    Recycles,
    Crashes,
    Upgrades,
}

impl Counter {
    /// All counters, in their order.
    pub const ALL: [Counter; 32] = [
        Counter::Requests,
        Counter::Connections,
        Counter::CacheHit,
        Counter::CacheStale,
        Counter::CacheMiss,
        Counter::CacheInsert,
        Counter::CacheEvict,
        Counter::CacheSkip,
        Counter::CacheRefuse,
        Counter::CacheOutdated,
        Counter::CacheTakeover,
        Counter::CacheDamage,
        Counter::LeaseLead,
        Counter::LeaseFollow,
        Counter::Writes,
        Counter::BytesOut,
        Counter::RateLimited,
        Counter::Panics,
        Counter::ReadsRefused,
        Counter::ReadsInterrupted,
        Counter::SlowStatements,
        Counter::Commits,
        Counter::Commands,
        Counter::CommitsFailed,
        Counter::CommandsExpired,
        Counter::CommandsRefused,
        Counter::CommandsRepeated,
        Counter::Reloads,
        Counter::ReloadsFailed,
        Counter::Recycles,
        Counter::Crashes,
        Counter::Upgrades,
    ];
}

const _: () = assert!(Counter::ALL.len() <= COUNTERS_MAX, "counters outgrow their part");

/// What a process says of itself at this moment; unlike a counter it ends with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Gauge {
    /// Threads that read, each with a connection.
    ReadThreads = 0,
    /// Those of them that are reading.
    ReadBusy,
    /// Questions that wait for one.
    ReadQueue,
    /// Connections that are open.
    Connections,
    /// Bytes resident, what it shares included (RSS).
    ResidentBytes,
    /// The same, of shared memory only its part (PSS).
    ProportionalBytes,
    /// Descriptors that are open.
    Descriptors,
    /// Threads.
    Threads,
    /// Milliseconds of processor time used.
    CpuMs,
    /// When it was started, milliseconds since 1970.
    StartedAt,
}

impl Gauge {
    /// All gauges, in their order.
    pub const ALL: [Gauge; 10] = [
        Gauge::ReadThreads,
        Gauge::ReadBusy,
        Gauge::ReadQueue,
        Gauge::Connections,
        Gauge::ResidentBytes,
        Gauge::ProportionalBytes,
        Gauge::Descriptors,
        Gauge::Threads,
        Gauge::CpuMs,
        Gauge::StartedAt,
    ];
}

const _: () = assert!(Gauge::ALL.len() <= GAUGES_MAX, "gauges outgrow their part");

/// One slot, read at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotStatus {
    /// Current epoch; 0 for a slot that was never used.
    pub epoch: u32,
    /// Process id as the process or the master set it; 0 when empty.
    pub pid: u32,
    /// What it is doing; `None` when the segment holds no known state.
    pub state: Option<SlotState>,
    /// When it last said it was alive, milliseconds of [`crate::now_ms`]; 0 for never.
    pub heartbeat_ms: u64,
    /// The configuration generation it runs.
    pub generation: u64,
    /// Bytes its allocator has given out, as it last said.
    pub heap_bytes: u64,
    /// Bytes of memory of its own (RssAnon), as it last said.
    pub anon_bytes: u64,
}

/// The scoreboard of a segment.
#[derive(Clone, Debug)]
pub struct Scoreboard {
    segment: Segment,
}

impl Scoreboard {
    /// The scoreboard of `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> u16 {
        self.segment.geometry().worker_slots
    }

    /// Gives a slot to a process about to be spawned: raises its epoch, which voids whatever an earlier
    /// owner left, and marks it starting. Only the master calls it, for a slot whose process is reaped.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn enlist(&self, slot: u16, generation: u64, now_ms: u64) -> Result<Owner, ShmError> {
        let words = self.slot(slot)?;
        words[PID].store(0, Ordering::Relaxed);
        words[HEARTBEAT].store(now_ms, Ordering::Relaxed);
        words[GENERATION].store(generation, Ordering::Relaxed);
        words[HEAP].store(0, Ordering::Relaxed);
        words[ANON].store(0, Ordering::Relaxed);
        for gauge in &words[GAUGES..] {
            gauge.store(0, Ordering::Relaxed);
        }
        words[STATE].store(SlotState::Starting as u64, Ordering::Relaxed);
        let epoch = raise(&words[EPOCH]);
        Ok(Owner { slot, epoch })
    }

    /// Declares the process of a slot dead. Call it only after the process was reaped: a live process
    /// that loses its epoch could change a shard together with whoever takes it over.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn retire(&self, slot: u16) -> Result<(), ShmError> {
        let words = self.slot(slot)?;
        raise(&words[EPOCH]);
        words[PID].store(0, Ordering::Relaxed);
        for gauge in &words[GAUGES..] {
            gauge.store(0, Ordering::Relaxed);
        }
        words[STATE].store(SlotState::Empty as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Declares the processes of all slots dead: for a segment that outlived its server, before anybody is
    /// enlisted. Locks and leases they held are void from now on; counters stay.
    ///
    /// # Errors
    /// None that a segment of this process could give; see [`Scoreboard::retire`].
    pub fn retire_all(&self) -> Result<(), ShmError> {
        (0..self.slots()).try_for_each(|slot| self.retire(slot))
    }

    /// Whether `owner`'s epoch is still the current one of its slot.
    #[inline]
    #[must_use]
    pub fn is_alive(&self, owner: Owner) -> bool {
        is_alive(&self.segment, owner)
    }

    /// Sets the process id, which the master knows only after the spawn.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn set_pid(&self, slot: u16, pid: u32) -> Result<(), ShmError> {
        self.slot(slot)?[PID].store(pid.into(), Ordering::Relaxed);
        Ok(())
    }

    /// Sets what the process is doing; ignored for an owner that is no longer current.
    pub fn set_state(&self, owner: Owner, state: SlotState) {
        if let Some(words) = self.current(owner) {
            words[STATE].store(state as u64, Ordering::Release);
        }
    }

    /// Says "alive at `now_ms`"; ignored for an owner that is no longer current.
    pub fn beat(&self, owner: Owner, now_ms: u64) {
        if let Some(words) = self.current(owner) {
            words[HEARTBEAT].store(now_ms, Ordering::Relaxed);
        }
    }

    /// Says how much memory the process has: bytes its allocator has given out, and bytes resident that
    /// are its own. Ignored for an owner that is no longer current.
    pub fn set_memory(&self, owner: Owner, heap_bytes: u64, anon_bytes: u64) {
        if let Some(words) = self.current(owner) {
            words[HEAP].store(heap_bytes, Ordering::Relaxed);
            words[ANON].store(anon_bytes, Ordering::Relaxed);
        }
    }

    /// Reads one slot.
    ///
    /// # Errors
    /// [`ShmError::NoSuchSlot`].
    pub fn status(&self, slot: u16) -> Result<SlotStatus, ShmError> {
        let words = self.slot(slot)?;
        let at = |i: usize| words[i].load(Ordering::Acquire);
        let state = match at(STATE) {
            0 => Some(SlotState::Empty),
            1 => Some(SlotState::Starting),
            2 => Some(SlotState::Ready),
            3 => Some(SlotState::Draining),
            _ => None,
        };
        Ok(SlotStatus {
            epoch: low(at(EPOCH)),
            pid: low(at(PID)),
            state,
            heartbeat_ms: at(HEARTBEAT),
            generation: at(GENERATION),
            heap_bytes: at(HEAP),
            anon_bytes: at(ANON),
        })
    }

    /// Adds to a counter of a slot; nothing happens for a slot that does not exist.
    #[inline]
    pub fn add(&self, slot: u16, counter: Counter, n: u64) {
        add(&self.segment, slot, counter, n);
    }

    /// A counter of one slot; 0 for a slot that does not exist.
    #[must_use]
    pub fn count(&self, slot: u16, counter: Counter) -> u64 {
        self.slot(slot).map_or(0, |words| words[COUNTERS + counter as usize].load(Ordering::Relaxed))
    }

    /// A counter summed over all slots.
    #[must_use]
    pub fn total(&self, counter: Counter) -> u64 {
        (0..self.slots()).fold(0, |sum: u64, slot| sum.wrapping_add(self.count(slot, counter)))
    }

    /// Says what a gauge shows now; ignored for an owner that is no longer current.
    pub fn set_gauge(&self, owner: Owner, gauge: Gauge, value: u64) {
        if let Some(words) = self.current(owner) {
            words[GAUGES + gauge as usize].store(value, Ordering::Relaxed);
        }
    }

    /// What a gauge of a slot shows; 0 for a slot that does not exist or has nobody.
    #[must_use]
    pub fn gauge(&self, slot: u16, gauge: Gauge) -> u64 {
        self.slot(slot).map_or(0, |words| words[GAUGES + gauge as usize].load(Ordering::Relaxed))
    }

    fn slot(&self, slot: u16) -> Result<&[AtomicU64], ShmError> {
        slot_words(&self.segment, slot).ok_or(ShmError::NoSuchSlot { slot, slots: self.slots() })
    }

    fn current(&self, owner: Owner) -> Option<&[AtomicU64]> {
        if !self.is_alive(owner) {
            return None;
        }
        slot_words(&self.segment, owner.slot)
    }
}

/// See [`Scoreboard::is_alive`].
///
/// Acquire: what a process wrote before it died is visible to whoever sees the epoch the master raised
/// after reaping it.
#[inline]
pub(crate) fn is_alive(segment: &Segment, owner: Owner) -> bool {
    owner.epoch != 0 && epoch(segment, owner.slot) == Some(owner.epoch)
}

/// The current epoch of a slot, if there is such a slot.
#[inline]
pub(crate) fn epoch(segment: &Segment, slot: u16) -> Option<u32> {
    slot_words(segment, slot).map(|w| low(w[EPOCH].load(Ordering::Acquire)))
}

/// Refuses an owner whose slot does not exist.
pub(crate) fn check_slot(segment: &Segment, owner: Owner) -> Result<(), ShmError> {
    let slots = segment.geometry().worker_slots;
    if owner.slot < slots { Ok(()) } else { Err(ShmError::NoSuchSlot { slot: owner.slot, slots }) }
}

/// See [`Scoreboard::add`].
#[inline]
pub(crate) fn add(segment: &Segment, slot: u16, counter: Counter, n: u64) {
    if let Some(words) = slot_words(segment, slot) {
        words[COUNTERS + counter as usize].fetch_add(n, Ordering::Relaxed);
    }
}

#[inline]
fn slot_words(segment: &Segment, slot: u16) -> Option<&[AtomicU64]> {
    let start = usize::from(slot) * SLOT_WORDS;
    segment.area(Area::Scoreboard).get(start..start + SLOT_WORDS)
}

/// Raises an epoch, passing over 0, which no owner has.
fn raise(epoch: &AtomicU64) -> u32 {
    // Only the master raises epochs, and it is one thread: load and store need not be one step.
    let next = low(epoch.load(Ordering::Relaxed)).wrapping_add(1).max(1);
    epoch.store(next.into(), Ordering::Release);
    next
}

/// The low half of a word; the rest is noise if it is not zero.
fn low(word: u64) -> u32 {
    (word & u64::from(u32::MAX)) as u32
}
