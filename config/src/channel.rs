//! The channel between the master and one child: a Unix stream pair. The child writes [`READY`] once, or
//! [`FAILED`] or [`FAILED_FOR_NOW`] and why; the master writes [`SHED`] when the child is to give memory back, and [`DRAIN`] or
//! [`HAND_OVER`] when it is to finish what it has and exit. End of file tells either side that the other is gone: a child whose
//! master died exits at once.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Child to master: initialised, about to serve.
pub const READY: u8 = b'R';
/// Child to master: it cannot serve; the reason follows, up to the end of the stream.
pub const FAILED: u8 = b'F';
/// The same, for a reason that may pass by itself.
pub const FAILED_FOR_NOW: u8 = b'N';
/// Most bytes of a reason.
pub const REASON_BYTES: usize = 1_024;
/// Master to child: give back what memory can be spared.
pub const SHED: u8 = b'S';
/// Master to worker: say on `/readyz` that the server is about to end.
pub const LEAVE: u8 = b'L';
/// Master to worker: stop accepting, hand open connections to the others, finish, exit.
pub const HAND_OVER: u8 = b'H';
/// Master to child: stop accepting, finish, exit.
pub const DRAIN: u8 = b'D';

/// The child's end.
#[derive(Debug)]
pub struct Channel(UnixStream);

/// What the master wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Give memory back.
    Shed,
    /// Say that the server is about to end.
    Leave,
    /// Finish and exit; others take the open connections.
    HandOver,
    /// Finish and exit.
    Drain,
    /// The master is gone; exit at once.
    MasterGone,
}

impl Channel {
    /// Wraps the child's end of the pair.
    pub fn new(stream: UnixStream) -> Self {
        Channel(stream)
    }

    /// Tells the master that this child serves.
    ///
    /// # Errors
    /// The master is gone.
    pub fn ready(&mut self) -> io::Result<()> {
        self.0.write_all(&[READY])
    }

    /// Tells the master why this child cannot serve, and whether that may pass by itself.
    ///
    /// # Errors
    /// The master is gone.
    pub fn failed(&mut self, reason: &str, may_pass: bool) -> io::Result<()> {
        let mut said = vec![if may_pass { FAILED_FOR_NOW } else { FAILED }];
        said.extend(reason.bytes().take(REASON_BYTES));
        self.0.write_all(&said)
    }

    /// Another handle of the same end, for a thread that waits.
    ///
    /// # Errors
    /// No descriptor is free.
    pub fn try_clone(&self) -> io::Result<Channel> {
        self.0.try_clone().map(Channel)
    }

    /// Blocks until the master says something or is gone.
    pub fn wait(&mut self) -> Order {
        let mut byte = [0u8; 1];
        loop {
            match self.0.read(&mut byte) {
                Ok(1) if byte[0] == LEAVE => return Order::Leave,
                Ok(1) if byte[0] == HAND_OVER => return Order::HandOver,
                Ok(1) if byte[0] == DRAIN => return Order::Drain,
                Ok(1) if byte[0] == SHED => return Order::Shed,
                Ok(0) => return Order::MasterGone,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Order::MasterGone,
                Ok(_) | Err(_) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_goes_up_orders_come_down_and_a_dead_master_is_noticed() {
        let (mut master, child) = UnixStream::pair().unwrap();
        let mut channel = Channel::new(child);
        channel.ready().unwrap();
        let mut byte = [0];
        master.read_exact(&mut byte).unwrap();
        assert_eq!(byte[0], READY);
        master.write_all(b"?").unwrap();
        master.write_all(&[DRAIN]).unwrap();
        assert_eq!(channel.wait(), Order::Drain);
        master.write_all(&[SHED]).unwrap();
        assert_eq!(channel.wait(), Order::Shed);
        channel.failed("no disk", false).unwrap();
        channel.failed("no disk", true).unwrap();
        let mut said = [0; 16];
        master.read_exact(&mut said).unwrap();
        assert_eq!(said, *b"Fno diskNno disk");
        drop(master);
        assert_eq!(channel.wait(), Order::MasterGone);
    }
}
