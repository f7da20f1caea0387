//! An answer's body as it is sent: whole, from a file in memory, or part by part as it is made.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Frame, SizeHint};
use nix::sys::utsname::uname;
use tokio::sync::mpsc::Receiver;
use veritable_shm::Sealed;

/// Bodies shorter than this are copied into the socket: a second call costs as much.
const WORTH_BYTES: usize = 8 * 1024;
/// Most files of a worker at a time: descriptors are for connections.
const FILES: usize = 512;

static OPEN_FILES: AtomicUsize = AtomicUsize::new(0);

/// Whether the kernel's `sendfile` returns when a socket that is not to block is full. From 6.5 until 6.7 and 6.6.5 it waited
/// for the client ("splice, net: Fix splice_to_socket() for O_NONBLOCK socket"), and all others with it.
static IS_SAFE: LazyLock<bool> = LazyLock::new(|| {
    uname().is_ok_and(|kernel| kernel.release().to_str().is_some_and(|release| !is_affected(release)))
});

fn is_affected(release: &str) -> bool {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse::<u32>().ok());
    match [numbers.next(), numbers.next(), numbers.next()].map(Option::flatten) {
        [Some(6), Some(5), _] => true,
        [Some(6), Some(6), patch] => patch.is_none_or(|patch| patch < 5),
        [Some(_), Some(_), _] => false,
        // Whatever that is.
        _ => true,
    }
}

/// A body that is sent again and again, and lies in a file in memory for that: the socket takes its pages (sendfile(2)),
/// and nobody copies them.
#[derive(Debug)]
pub(crate) struct SealedBody {
    bytes: Bytes,
    file: Sealed,
    /// `None` in tests only.
    _one: Option<OneOf>,
}

/// One of a bounded number of things; it counts itself out when it is dropped.
#[derive(Debug)]
struct OneOf(&'static AtomicUsize);

impl OneOf {
    /// `None` when there are `most` already.
    fn count_in(open: &'static AtomicUsize, most: usize) -> Option<OneOf> {
        let one = OneOf(open);
        (open.fetch_add(1, Ordering::Relaxed) < most).then_some(one)
    }
}

impl Drop for OneOf {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl SealedBody {
    /// A body whose file holds other bytes, so that a test can tell where they came from.
    #[cfg(test)]
    pub(crate) fn with_file(bytes: Bytes, file: &[u8]) -> Arc<SealedBody> {
        Arc::new(SealedBody { bytes, file: Sealed::of(file).unwrap(), _one: None })
    }

    /// Whether a body gains by it.
    pub(crate) fn is_worth(bytes: &Bytes) -> bool {
        bytes.len() >= WORTH_BYTES && *IS_SAFE
    }

    /// `None` where there is no room for another file: the body can be sent all the same.
    pub(crate) fn of(bytes: &Bytes) -> Option<Arc<SealedBody>> {
        let one = OneOf::count_in(&OPEN_FILES, FILES)?;
        match Sealed::of(bytes) {
            Ok(file) => Some(Arc::new(SealedBody { bytes: bytes.clone(), file, _one: Some(one) })),
            Err(error) => {
                tracing::debug!(%error, "an answer stays in the heap alone");
                None
            }
        }
    }

    /// Bytes of the file.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Where in the file some bytes are that are about to be sent; `None` if they are others, or too few.
    pub(crate) fn range_of(&self, sent: &[u8]) -> Option<Range<usize>> {
        let offset = sent.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        let end = offset.checked_add(sent.len())?;
        (end <= self.bytes.len() && sent.len() >= WORTH_BYTES).then_some(offset..end)
    }
}

impl AsFd for SealedBody {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl PartialEq for SealedBody {
    fn eq(&self, other: &SealedBody) -> bool {
        self.bytes == other.bytes
    }
}

/// An answer's body.
pub(crate) enum Body {
    /// All of it.
    Whole(Full<Bytes>),
    /// All of it, which lies in a file as well.
    Sealed(Full<Bytes>, Arc<SealedBody>),
    /// What comes.
    Parts(Receiver<io::Result<Bytes>>),
}

impl Body {
    /// A kept answer's body.
    pub(crate) fn of(bytes: &Bytes, sealed: Option<&Arc<SealedBody>>) -> Body {
        let whole = Full::new(bytes.clone());
        match sealed {
            Some(sealed) => Body::Sealed(whole, sealed.clone()),
            None => Body::Whole(whole),
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut *self {
            Body::Whole(body) | Body::Sealed(body, _) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Body::Parts(parts) => parts.poll_recv(cx).map(|part| part.map(|part| part.map(Frame::data))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Body::Whole(body) | Body::Sealed(body, _) => body.is_end_stream(),
            Body::Parts(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Body::Whole(body) | Body::Sealed(body, _) => body.size_hint(),
            Body::Parts(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_that_would_wait_for_a_client_are_known() {
        for (release, affected) in [
            ("6.1.0-28-amd64", false),
            ("6.4.16", false),
            ("6.5.0-44-generic", true),
            ("6.6", true),
            ("6.6.4", true),
            ("6.6.5", false),
            ("6.6.63-1-lts", false),
            ("6.7-rc1", false),
            ("6.18.44", false),
            ("5.15.0", false),
            ("10.6.5", false),
            ("nonsense", true),
        ] {
            assert_eq!(is_affected(release), affected, "{release}");
        }
    }

    #[test]
    fn no_more_are_open_than_may_be() {
        static OPEN: AtomicUsize = AtomicUsize::new(0);
        let two = [OneOf::count_in(&OPEN, 2), OneOf::count_in(&OPEN, 2)];
        assert!(two.iter().all(Option::is_some));
        assert!(OneOf::count_in(&OPEN, 2).is_none());
        drop(two);
        assert!(OneOf::count_in(&OPEN, 2).is_some());
    }

    #[test]
    fn bytes_are_found_in_the_file_only_if_they_are_those() {
        let bytes = Bytes::from(vec![7; 3 * WORTH_BYTES]);
        let sealed = SealedBody::of(&bytes).unwrap();
        let part = WORTH_BYTES + 1;
        assert_eq!(sealed.range_of(&bytes), Some(0..bytes.len()));
        assert_eq!(sealed.range_of(&bytes[part..]), Some(part..bytes.len()));
        assert_eq!(sealed.range_of(&bytes[..part]), Some(0..part));
        assert_eq!(sealed.range_of(&bytes[..WORTH_BYTES - 1]), None, "too few");
        let equal = bytes.to_vec();
        assert_eq!(sealed.range_of(&equal), None, "equal, but elsewhere");
        assert_eq!(sealed.range_of(&[]), None);
    }
}
