//! The segment itself: made once by the master, attached by everyone else, trusted by nobody.

use crate::sync::{AtomicU32, AtomicU64, Ordering};
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, FcntlArg, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::ShmError;
use crate::geometry::Geometry;
use crate::layout::{AREA_COUNT, Area, HEADER_BYTES, Layout, MAGIC, Range, header, to_usize};
use crate::raw::{Mapping, WORD};

/// Shown in /proc/PID/maps.
const NAME: &str = "veritable";
/// `MFD_NOEXEC_SEAL` of Linux 6.3: the file can never be made executable. Not in nix yet.
const MFD_NOEXEC_SEAL: u32 = 0x8;

/// A mapped segment. Clones share one mapping.
#[derive(Clone)]
pub struct Segment {
    inner: Arc<Inner>,
}

struct Inner {
    mapping: Mapping,
    layout: Layout,
    seed: u64,
}

/// What a segment is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// The machine's usual pages.
    Usual,
    /// Transparent huge pages where the kernel allows them (`shmem_enabled` of `advise` or more): fewer misses
    /// of the address cache in segments of gigabytes.
    Huge,
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment").field("geometry", &self.inner.layout.geometry).finish_non_exhaustive()
    }
}

impl Segment {
    /// Makes a sealed memfd of this geometry with all of its memory reserved, so that a machine without
    /// room says so here and not by killing a worker later. The descriptor is close-on-exec: whoever
    /// spawns a worker hands it on deliberately.
    ///
    /// # Errors
    /// [`ShmError::Geometry`] for a geometry out of bounds, [`ShmError::Memory`] when the kernel has not
    /// got the memory, [`ShmError::Descriptor`] or [`ShmError::Map`] when another call fails.
    pub fn create(geometry: &Geometry) -> Result<(OwnedFd, Segment), ShmError> {
        Self::create_in(geometry, Pages::Usual)
    }

    /// [`Segment::create`] in pages of a kind.
    ///
    /// # Errors
    /// As there; a kernel that knows no huge pages is [`ShmError::Memory`] too.
    pub fn create_in(geometry: &Geometry, pages: Pages) -> Result<(OwnedFd, Segment), ShmError> {
        geometry.check()?;
        let layout = Layout::new(*geometry);
        let bytes = layout.total as u64;
        let memory = |step| move |source| ShmError::Memory { bytes, step, source };
        // The kernel would reserve page by page and kill somebody at the last one.
        if available_bytes().is_some_and(|available| bytes > available) {
            return Err(memory("available memory")(Errno::ENOMEM));
        }
        let fd = memfd()?;
        let len = i64::try_from(layout.total).map_err(|_| memory("ftruncate")(Errno::EFBIG))?;
        ftruncate(&fd, len).map_err(memory("ftruncate"))?;
        if pages == Pages::Usual {
            fallocate(&fd, FallocateFlags::empty(), 0, len).map_err(memory("fallocate"))?;
        }
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))
            .map_err(|source| ShmError::Descriptor { step: "F_ADD_SEALS", source })?;
        let mapping = map(fd.as_fd(), layout.total)?;
        if pages == Pages::Huge {
            // Huge pages come through the mapping only, and only where no small one is yet.
            let reserved = mapping.want_huge_pages().and_then(|()| mapping.populate());
            let errno =
                |error: std::io::Error| Errno::from_raw(error.raw_os_error().unwrap_or(Errno::ENOMEM as i32));
            reserved.map_err(|error| memory("huge pages")(errno(error)))?;
        }
        let seed = RandomState::new().build_hasher().finish();
        let segment = Segment { inner: Arc::new(Inner { mapping, layout, seed }) };
        crate::cache::format(&segment);
        segment.write_header();
        Ok((fd, segment))
    }

    /// Maps a segment that another process made. Seals, size, magic, layout hash, geometry and areas are
    /// compared with what this process would have made; anything off is an error. The caller then makes a
    /// fresh segment. The descriptor is only borrowed: the mapping does not need it.
    ///
    /// # Errors
    /// [`ShmError::NotSealed`] and [`ShmError::Foreign`] for what must not be used,
    /// [`ShmError::Descriptor`] and [`ShmError::Map`] when a call fails.
    pub fn attach(fd: impl AsFd) -> Result<Segment, ShmError> {
        let fd = fd.as_fd();
        let call = |step| move |source| ShmError::Descriptor { step, source };
        let seals = fcntl(fd, FcntlArg::F_GET_SEALS).map_err(|_| ShmError::NotSealed)?;
        let seals = SealFlag::from_bits_truncate(seals);
        if !seals.contains(SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW) {
            return Err(ShmError::NotSealed);
        }
        let size = fstat(fd).map_err(call("fstat"))?.st_size;
        let size = usize::try_from(size).map_err(|_| ShmError::Foreign("negative size"))?;
        if size < HEADER_BYTES {
            return Err(ShmError::Foreign("shorter than a header"));
        }
        // The header decides about the geometry, the geometry about the length that is worth mapping.
        let head = map(fd, HEADER_BYTES)?;
        let layout = read_header(head.words(0, HEADER_BYTES / WORD), size)?;
        let seed = head.words(header::SEED * WORD, 1).first().map_or(0, |w| w.load(Ordering::Relaxed));
        let mapping = map(fd, layout.total)?;
        Ok(Segment { inner: Arc::new(Inner { mapping, layout, seed }) })
    }

    /// Maps all of it now, so that no later access waits for the kernel to do so page by page.
    ///
    /// # Errors
    /// The kernel is older than Linux 5.14, or has not got the memory for the page tables.
    pub fn prefault(&self) -> std::io::Result<()> {
        self.inner.mapping.populate()
    }

    /// The geometry it was made with.
    #[must_use]
    #[inline]
    pub fn geometry(&self) -> Geometry {
        self.inner.layout.geometry
    }

    /// Bytes of the whole segment, which is what it adds to the machine's memory.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.inner.layout.total as u64
    }

    #[inline]
    pub(crate) fn layout(&self) -> &Layout {
        &self.inner.layout
    }

    /// Seed of key hashes: drawn at creation, so that nobody outside can choose keys that collide.
    pub(crate) fn seed(&self) -> u64 {
        self.inner.seed
    }

    /// All words of an area.
    #[inline]
    pub(crate) fn area(&self, area: Area) -> &[AtomicU64] {
        let Range { offset, len } = self.inner.layout.area(area);
        self.inner.mapping.words(offset, len / WORD)
    }

    #[inline]
    pub(crate) fn words(&self, offset: usize, count: usize) -> &[AtomicU64] {
        self.inner.mapping.words(offset, count)
    }

    #[inline]
    pub(crate) fn halves(&self, offset: usize, count: usize) -> &[AtomicU32] {
        self.inner.mapping.halves(offset, count)
    }

    fn write_header(&self) {
        let words = self.words(0, HEADER_BYTES / WORD);
        for (word, value) in words.iter().zip(header_words(self.layout(), self.seed())).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        // Last, so that a segment whose maker died half-way is never taken for a finished one.
        words[header::MAGIC].store(MAGIC, Ordering::Release);
    }
}

/// The header of a layout, word by word; the last one is a checksum over the others.
fn header_words(layout: &Layout, seed: u64) -> Vec<u64> {
    let g = &layout.geometry;
    let mut words = vec![
        MAGIC,
        Layout::hash(),
        layout.total as u64,
        g.cache_bytes,
        g.cache_entries.into(),
        g.tag_slots.into(),
        g.lease_slots.into(),
        g.worker_slots.into(),
        g.session_slots.into(),
        g.limit_slots.into(),
        g.value_share.into(),
        seed,
    ];
    debug_assert_eq!(words.len(), header::AREAS);
    words.push(AREA_COUNT as u64);
    words.extend(layout.areas.iter().flat_map(|r| [r.offset as u64, r.len as u64]));
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    words.push(xxh3_64(&bytes));
    words
}

/// The layout a header claims, if it is one that this process would have made.
fn read_header(words: &[AtomicU64], size: usize) -> Result<Layout, ShmError> {
    let at = |i: usize| words.get(i).map_or(0, |w| w.load(Ordering::Acquire));
    if at(header::MAGIC) != MAGIC {
        return Err(ShmError::Foreign("magic"));
    }
    if at(header::LAYOUT_HASH) != Layout::hash() {
        return Err(ShmError::Foreign("layout hash"));
    }
    let narrow =
        |i: usize| u32::try_from(at(header::GEOMETRY + i)).map_err(|_| ShmError::Foreign("geometry"));
    let geometry = Geometry {
        cache_bytes: at(header::GEOMETRY),
        cache_entries: narrow(1)?,
        tag_slots: narrow(2)?,
        lease_slots: narrow(3)?,
        worker_slots: u16::try_from(narrow(4)?).map_err(|_| ShmError::Foreign("geometry"))?,
        session_slots: narrow(5)?,
        limit_slots: narrow(6)?,
        value_share: u16::try_from(narrow(7)?).map_err(|_| ShmError::Foreign("geometry"))?,
    };
    geometry.check().map_err(|_| ShmError::Foreign("geometry"))?;
    let layout = Layout::new(geometry);
    if layout.total != size || to_usize(at(header::TOTAL)) != size {
        return Err(ShmError::Foreign("size"));
    }
    let expected = header_words(&layout, at(header::SEED));
    if expected.iter().enumerate().any(|(i, &word)| at(i) != word) {
        return Err(ShmError::Foreign("areas or checksum"));
    }
    Ok(layout)
}

pub(crate) fn memfd() -> Result<OwnedFd, ShmError> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let hardened = flags | MFdFlags::from_bits_retain(MFD_NOEXEC_SEAL);
    match memfd_create(NAME, hardened) {
        // A kernel older than 6.3 does not know the flag.
        Err(Errno::EINVAL) => memfd_create(NAME, flags),
        made => made,
    }
    .map_err(|source| ShmError::Descriptor { step: "memfd_create", source })
}

/// Bytes the machine could still give, as the kernel estimates; `None` where it does not say (no /proc).
fn available_bytes() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn map(fd: BorrowedFd<'_>, bytes: usize) -> Result<Mapping, ShmError> {
    Mapping::new(fd, bytes).map_err(|source| ShmError::Map { bytes: bytes as u64, source })
}
