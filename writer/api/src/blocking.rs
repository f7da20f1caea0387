//! A client for tools that send many commands in order: it keeps a window of them in flight, so that the
//! writer commits them in groups.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::Path;

use veritable_domain::time::UnixMillis;

use crate::CallError;
use crate::frame::{self, FrameError, Hello};
use crate::message::{Command, FromWriter, IdempotencyKey, Outcome, Refusal, Reply, Request, ToWriter};

/// A tool waits this long for its turn, in milliseconds: an import may queue behind its own commits.
const PATIENCE_MS: i64 = 10 * 60 * 1000;

/// One connection.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    next_id: u64,
    in_flight: usize,
    /// Answers read while waiting for another.
    early: HashMap<u64, Result<Outcome, Refusal>>,
}

impl Client {
    /// Connects to the writer's socket.
    ///
    /// # Errors
    /// Nobody listens there, or the peer is another.
    pub fn connect(socket: &Path) -> Result<Client, FrameError> {
        let mut stream = UnixStream::connect(socket)?;
        Hello::exchange(&mut stream)?;
        Ok(Client { stream, next_id: 1, in_flight: 0, early: HashMap::new() })
    }

    /// Sends a command without waiting; yields the id its answer will carry. The caller bounds how many are
    /// in flight by receiving.
    ///
    /// # Errors
    /// The stream broke.
    pub fn submit(&mut self, key: IdempotencyKey, command: Command) -> Result<u64, FrameError> {
        let id = self.next_id;
        self.next_id += 1;
        let deadline = UnixMillis(UnixMillis::now().0 + PATIENCE_MS);
        let request = ToWriter::Request(Box::new(Request { id, key, deadline, command }));
        std::io::Write::write_all(&mut self.stream, &frame::to_frame(&request)?)?;
        self.in_flight += 1;
        Ok(id)
    }

    /// Commands sent and not yet answered.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Waits for the next answer, whichever it is.
    ///
    /// # Errors
    /// The stream broke.
    pub fn receive(&mut self) -> Result<Reply, FrameError> {
        if let Some(id) = self.early.keys().next().copied()
            && let Some(result) = self.early.remove(&id)
        {
            return Ok(Reply { id, result });
        }
        self.read()
    }

    fn read(&mut self) -> Result<Reply, FrameError> {
        loop {
            match frame::read_message(&mut self.stream)? {
                Some(FromWriter::Reply(reply)) => {
                    self.in_flight = self.in_flight.saturating_sub(1);
                    return Ok(reply);
                }
                Some(FromWriter::Event(_)) => {}
                None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
            }
        }
    }

    /// Sends a command under a fresh key and waits for its answer.
    ///
    /// # Errors
    /// The writer refused, or the stream broke.
    pub fn call(&mut self, command: Command) -> Result<Outcome, CallError> {
        self.call_with(IdempotencyKey::fresh(), command)
    }

    /// Sends a command under `key` and waits for its answer.
    ///
    /// # Errors
    /// The writer refused, or the stream broke.
    pub fn call_with(&mut self, key: IdempotencyKey, command: Command) -> Result<Outcome, CallError> {
        let id = self.submit(key, command)?;
        loop {
            let reply = self.read()?;
            if reply.id == id {
                return Ok(reply.result?);
            }
            self.early.insert(reply.id, reply.result);
        }
    }
}
