//! The only unsafe code of the crate: a mapping seen as slices of atomics, and bytes copied out of it.
//!
//! Other processes write the mapping at any time, so no plain reference into it may exist: atomics are
//! the only type whose shared reference allows that. Everything above works on these slices with ordinary
//! bounds checks.
#![allow(unsafe_code)]

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bytes of one word.
pub(crate) const WORD: usize = 8;

#[cfg(not(feature = "shuttle"))]
pub(crate) use mapped::Mapping;
#[cfg(feature = "shuttle")]
pub(crate) use model::Mapping;

#[cfg(not(feature = "shuttle"))]
mod mapped {
    use std::os::fd::{AsRawFd, BorrowedFd};
    use std::slice;

    use memmap2::{Advice, MmapOptions, MmapRaw};

    use crate::sync::{AtomicU32, AtomicU64};

    /// A shared, writable mapping of a fixed length.
    pub(crate) struct Mapping {
        map: MmapRaw,
    }

    impl Mapping {
        /// Maps the first `len` bytes of `fd`. The caller has checked that the file is at least that long and
        /// sealed against shrinking, so that no access can fault.
        pub(crate) fn new(fd: BorrowedFd<'_>, len: usize) -> std::io::Result<Self> {
            let map = MmapOptions::new().len(len).map_raw(fd.as_raw_fd())?;
            Ok(Self { map })
        }

        /// Asks for huge pages where nothing is mapped yet (`MADV_HUGEPAGE`, madvise(2)).
        pub(crate) fn want_huge_pages(&self) -> std::io::Result<()> {
            self.map.advise(Advice::HugePage)
        }

        /// Maps every page for writing now, making those that are not there (`MADV_POPULATE_WRITE`, Linux 5.14).
        pub(crate) fn populate(&self) -> std::io::Result<()> {
            self.map.advise(Advice::PopulateWrite)
        }

        /// `count` items of `T` at byte `offset`, or none of them when they are not all inside the mapping.
        #[inline]
        fn items<T>(&self, offset: usize, count: usize) -> &[T] {
            let fits = count
                .checked_mul(size_of::<T>())
                .and_then(|bytes| offset.checked_add(bytes))
                .is_some_and(|end| end <= self.map.len());
            if !fits || !offset.is_multiple_of(align_of::<T>()) {
                return &[];
            }
            // SAFETY: the range lies inside the mapping (checked above), which lives as long as `self` and is
            // never unmapped or shrunk before; its base is page aligned and `offset` a multiple of T's
            // alignment. `items` is private and only called with atomic integers: every bit pattern is valid
            // for them, and they may change behind a shared reference, whoever writes.
            unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast::<T>(), count) }
        }

        /// `count` words at byte `offset`; empty when out of bounds.
        #[inline]
        pub(crate) fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
            self.items(offset, count)
        }

        /// `count` half words at byte `offset`; empty when out of bounds.
        #[inline]
        pub(crate) fn halves(&self, offset: usize, count: usize) -> &[AtomicU32] {
            self.items(offset, count)
        }
    }
}

#[cfg(feature = "shuttle")]
mod model {
    use std::os::fd::BorrowedFd;

    use crate::sync::{AtomicU32, AtomicU64};

    /// Memory of one process that stands for a mapping: a model checker's atomics are no plain numbers, so
    /// nothing can be laid over them. No place of the segment is used at two widths.
    pub(crate) struct Mapping {
        words: Vec<AtomicU64>,
        halves: Vec<AtomicU32>,
    }

    impl Mapping {
        pub(crate) fn new(_fd: BorrowedFd<'_>, len: usize) -> std::io::Result<Self> {
            let words = std::iter::repeat_with(|| AtomicU64::new(0)).take(len / size_of::<u64>());
            let halves = std::iter::repeat_with(|| AtomicU32::new(0)).take(len / size_of::<u32>());
            Ok(Self { words: words.collect(), halves: halves.collect() })
        }

        pub(crate) fn want_huge_pages(&self) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn populate(&self) -> std::io::Result<()> {
            Ok(())
        }

        pub(crate) fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
            let start = offset / size_of::<u64>();
            self.words.get(start..start + count).unwrap_or(&[])
        }

        pub(crate) fn halves(&self, offset: usize, count: usize) -> &[AtomicU32] {
            let start = offset / size_of::<u32>();
            self.halves.get(start..start + count).unwrap_or(&[])
        }
    }
}

/// Appends the first `len` bytes of `words` to `out`, word by word with relaxed loads: a plain memcpy
/// that races another process's stores would be undefined behaviour. Copies what there is when `words`
/// holds less than `len`.
#[inline]
pub(crate) fn append(out: &mut Vec<u8>, words: &[AtomicU64], len: usize) {
    let len = len.min(words.len() * WORD);
    let words = &words[..len.div_ceil(WORD)];
    // Room for the last word in full, so that the copy needs no byte loop; its excess stays unclaimed.
    out.reserve(words.len() * WORD);
    let old = out.len();
    // SAFETY: the reserve made room for all words after the `old` bytes in use, so each store lies inside
    // the vector's allocation; the loop initializes at least the `len` bytes that `set_len` claims. The
    // words are read through atomics, the target is this process's own memory.
    unsafe {
        let mut to = out.as_mut_ptr().add(old).cast::<u64>();
        for word in words {
            to.write_unaligned(word.load(Ordering::Relaxed).to_le());
            to = to.add(1);
        }
        out.set_len(old + len);
    }
}

/// Has the CPU fetch the line of `words[index]`, if there is such a word.
#[inline]
pub(crate) fn prefetch(words: &[AtomicU64], index: usize) {
    if let Some(word) = words.get(index) {
        prefetch_line(word);
    }
}

/// [`prefetch`] for half words.
#[inline]
pub(crate) fn prefetch_half(halves: &[AtomicU32], index: usize) {
    if let Some(half) = halves.get(index) {
        prefetch_line(half);
    }
}

#[inline]
fn prefetch_line<T>(at: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch is a hint and accesses nothing; the address is that of a reference all the same.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _no_hint_here = at;
}
