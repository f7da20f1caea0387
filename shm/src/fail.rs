//! Named places inside every critical section at which a test may have a process die, as if it had been killed
//! there. In a release build there is nothing of them.

use std::sync::atomic::{AtomicU32, Ordering};

/// Where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "each name says what has just been done")]
pub enum Point {
    LockTaken = 1,
    ResetOpened,
    ResetHalf,
    ResetLinked,
    UnlinkOpened,
    UnlinkUnchained,
    UnlinkFreed,
    UnlinkDone,
    FreeLinked,
    FreeHalf,
    TakeHalf,
    TakeDone,
    StoreDescTaken,
    StoreOpened,
    StoreHead,
    StoreKey,
    StoreValue,
    StoreClosed,
    StoreLinked,
    EvictChosen,
    TagsAdvanced,
    TagsHalf,
    LeaseTaken,
    SessionHeld,
    SessionHalf,
    LimitMoved,
}

impl Point {
    /// All of them.
    pub const ALL: [Point; 26] = [
        Point::LockTaken,
        Point::ResetOpened,
        Point::ResetHalf,
        Point::ResetLinked,
        Point::UnlinkOpened,
        Point::UnlinkUnchained,
        Point::UnlinkFreed,
        Point::UnlinkDone,
        Point::FreeLinked,
        Point::FreeHalf,
        Point::TakeHalf,
        Point::TakeDone,
        Point::StoreDescTaken,
        Point::StoreOpened,
        Point::StoreHead,
        Point::StoreKey,
        Point::StoreValue,
        Point::StoreClosed,
        Point::StoreLinked,
        Point::EvictChosen,
        Point::TagsAdvanced,
        Point::TagsHalf,
        Point::LeaseTaken,
        Point::SessionHeld,
        Point::SessionHalf,
        Point::LimitMoved,
    ];
}

static ARMED: AtomicU32 = AtomicU32::new(0);
static LEFT: AtomicU32 = AtomicU32::new(0);

/// Has this process die when it comes to `point` for the `time`th time. Does nothing in a release build.
pub fn die_at(point: Point, time: u32) {
    LEFT.store(time, Ordering::Relaxed);
    ARMED.store(point as u32, Ordering::Relaxed);
}

/// Dies if that is wanted here.
#[inline]
pub(crate) fn point(point: Point) {
    if cfg!(debug_assertions)
        && ARMED.load(Ordering::Relaxed) == point as u32
        && LEFT.fetch_sub(1, Ordering::Relaxed) == 1
    {
        // The kernel ends it before the call returns: nothing is unwound, no guard runs.
        let _never_returns =
            nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL);
    }
}
