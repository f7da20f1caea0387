//! A file as a stream of text, whatever it is compressed with, and how much of it was read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ImportError;

/// Read from the disk, and from the decompressor, at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes of a file read so far, of how many.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    read: Arc<AtomicU64>,
    pub(crate) total: u64,
}

impl Meter {
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

struct Metered {
    file: File,
    read: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Decompressed text.
pub(crate) type Text = Box<dyn BufRead + Send>;

/// Opens a plain, gzip or bzip2 file; its first bytes say which.
pub(crate) fn open(path: &Path) -> Result<(Text, Meter), ImportError> {
    let failed = |source| ImportError::file(path, source);
    let file = File::open(path).map_err(failed)?;
    let total = file.metadata().map_err(failed)?.len();
    let meter = Meter { read: Arc::default(), total };
    let metered = Metered { file, read: meter.read.clone() };
    let mut raw = BufReader::with_capacity(BUFFER_BYTES, metered);
    let head = raw.fill_buf().map_err(failed)?;
    let text: Text = if head.starts_with(&[0x1f, 0x8b]) {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, flate2::bufread::MultiGzDecoder::new(raw)))
    } else if head.starts_with(b"BZh") {
        Box::new(BufReader::with_capacity(BUFFER_BYTES, bzip2::bufread::MultiBzDecoder::new(raw)))
    } else {
        Box::new(raw)
    };
    Ok((text, meter))
}

/// A reader that fails after `left` bytes, so that nothing read into memory can grow without bound. Who
/// reads sets `left` anew for each item.
pub(crate) struct Budget<R> {
    inner: R,
    pub(crate) left: usize,
}

impl<R: BufRead> Budget<R> {
    pub(crate) fn new(inner: R, left: usize) -> Self {
        Budget { inner, left }
    }
}

impl<R: BufRead> Read for Budget<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let count = available.len().min(buffer.len());
        buffer[..count].copy_from_slice(&available[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Budget<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let available = self.inner.fill_buf()?;
        if self.left == 0 && !available.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "one item is longer than allowed"));
        }
        Ok(&available[..available.len().min(self.left)])
    }

    fn consume(&mut self, count: usize) {
        self.left -= count.min(self.left);
        self.inner.consume(count);
    }
}
