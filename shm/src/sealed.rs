//! Bytes in a file of their own in memory, for who can send a file and does not want to copy it.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};

use crate::error::ShmError;
use crate::segment::memfd;

/// A memfd that holds some bytes and never changes (`F_ADD_SEALS`, fcntl(2)). What sends it may refer to its pages for as
/// long as it likes, even when nobody else does any more.
#[derive(Debug)]
pub struct Sealed(File);

impl Sealed {
    /// A file of these bytes, close-on-exec: it takes them in whole pages.
    ///
    /// # Errors
    /// [`ShmError::Descriptor`] when there are no descriptors left or no memory.
    pub fn of(bytes: &[u8]) -> Result<Sealed, ShmError> {
        let mut file = File::from(memfd()?);
        file.write_all(bytes).map_err(|error| ShmError::Descriptor {
            step: "write",
            source: nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or_default()),
        })?;
        let seals =
            SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))
            .map_err(|source| ShmError::Descriptor { step: "F_ADD_SEALS", source })?;
        Ok(Sealed(file))
    }
}

impl AsFd for Sealed {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::*;

    #[test]
    fn what_is_sealed_can_be_read_and_never_changes() {
        let sealed = Sealed::of(b"as it is").unwrap();
        let file = File::from(sealed.as_fd().try_clone_to_owned().unwrap());
        let mut read = [0; 8];
        file.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, b"as it is");
        assert!(file.write_at(b"x", 0).is_err());
        assert!(file.set_len(0).is_err());
        assert!(file.set_len(100).is_err());
    }
}
