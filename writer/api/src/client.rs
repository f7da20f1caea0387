//! A worker's client: one connection, many commands in flight. When the writer is replaced the client
//! reconnects and sends what is unanswered again under the same keys, so that to its callers a restart of the
//! writer looks like a pause.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::time::Instant;
use veritable_domain::time::UnixMillis;

use crate::CallError;
use crate::frame::{self, FrameError};
use crate::message::{Command, Event, FromWriter, IdempotencyKey, Outcome, Refusal, Request, ToWriter};

/// Commands a worker may have waiting; one more is refused at once. A worker that has this many behind a
/// writer of 10,000 a second already makes people wait a tenth of a second.
const MAX_PENDING: usize = 1_024;
/// Events a slow subscriber may lag behind before it loses some.
const EVENT_BACKLOG: usize = 1_024;
/// Bytes of commands written, and of answers read, at a time.
const GATHER_BYTES: usize = 64 * 1024;
/// First and longest pause before connecting again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));

/// A handle; clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    events: broadcast::Sender<Event>,
}

#[derive(Debug)]
struct Call {
    key: IdempotencyKey,
    command: Command,
    deadline: UnixMillis,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
    stage: Arc<AtomicU8>,
}

/// Not sent yet; either side may take it from here, and only one can.
const WAITING: u8 = 0;
/// The link has it: it may reach the writer.
const SENT: u8 = 1;
/// The caller gave it up: it never reaches the writer.
const GIVEN_UP: u8 = 2;

fn take(stage: &AtomicU8, into: u8) -> bool {
    stage.compare_exchange(WAITING, into, Ordering::AcqRel, Ordering::Acquire).is_ok()
}

/// A call that was sent, or waits to be sent again.
struct Pending {
    frame: Vec<u8>,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
}

impl Client {
    /// Starts the connection's task on the current tokio runtime. Connecting goes on in the background, for
    /// ever: calls wait for it until their deadlines.
    pub fn start(socket: &Path) -> Client {
        let (calls, inbox) = mpsc::channel(MAX_PENDING);
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let link = Link {
            socket: socket.to_owned(),
            inbox,
            pending: BTreeMap::new(),
            next_id: 1,
            events: events.clone(),
        };
        tokio::spawn(link.run());
        Client { calls, events }
    }

    /// Sends a command that is to begin `within` this time, and waits for its answer. One that was sent is waited for
    /// `longer`: it does not begin after its deadline, so that then even a writer that had to be started again can
    /// tell what became of it.
    ///
    /// # Errors
    /// The writer refused ([`Refusal::Busy`] at once when too many wait here); no answer came in time:
    /// [`Refusal::Expired`] when it was never sent, else [`CallError::OutcomeUnknown`].
    pub async fn send(
        &self,
        command: Command,
        key: IdempotencyKey,
        within: Duration,
        longer: Duration,
    ) -> Result<Outcome, CallError> {
        let until = Instant::now() + within;
        let millis = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let deadline = UnixMillis(UnixMillis::now().0.saturating_add(millis));
        let (answer, answered) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(WAITING));
        let call = Call { key, command, deadline, answer, stage: stage.clone() };
        self.calls.try_send(call).map_err(|_| Refusal::Busy)?;
        let mut answered = answered;
        match tokio::time::timeout_at(until, &mut answered).await {
            Ok(Ok(result)) => return Ok(result?),
            Ok(Err(_)) | Err(_) if take(&stage, GIVEN_UP) => return Err(Refusal::Expired.into()),
            Ok(Err(_)) | Err(_) => {}
        }
        match tokio::time::timeout_at(until + longer, answered).await {
            Ok(Ok(result)) => Ok(result?),
            // The link's task ends with the runtime only: whatever it held may have been carried out.
            Ok(Err(_)) | Err(_) => Err(CallError::OutcomeUnknown),
        }
    }

    /// News of commits from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }
}

/// The task that owns the connection.
struct Link {
    socket: PathBuf,
    inbox: mpsc::Receiver<Call>,
    /// By id, so that resending keeps the order.
    pending: BTreeMap<u64, Pending>,
    next_id: u64,
    events: broadcast::Sender<Event>,
}

impl Link {
    async fn run(mut self) {
        let mut pause = RECONNECT.0;
        loop {
            match connect(&self.socket).await {
                Ok((read, write)) => {
                    pause = RECONNECT.0;
                    match self.serve(read, write).await {
                        Ok(()) => return,
                        Err(error) => {
                            tracing::info!(%error, waiting = self.pending.len(), "writer gone, reconnecting")
                        }
                    }
                }
                Err(error @ (FrameError::Foreign | FrameError::Version { .. })) => {
                    tracing::error!(%error, "cannot talk to the writer");
                    tokio::time::sleep(RECONNECT.1).await;
                }
                Err(error) => {
                    tracing::debug!(%error, "writer not there yet");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RECONNECT.1);
                }
            }
        }
    }

    /// Serves one connection; `Ok` when every handle was dropped.
    async fn serve(&mut self, read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<(), FrameError> {
        let (replies, mut incoming) = mpsc::channel(MAX_PENDING);
        let reader = tokio::spawn(read_all(read, replies));
        let _stops_with_this_connection = AbortOnDrop(reader);
        write.write_all(&frame::to_frame(&ToWriter::Subscribe)?).await?;
        // Nobody waits for what was given up meanwhile.
        self.pending.retain(|_, pending| !pending.answer.is_closed());
        for pending in self.pending.values() {
            write.write_all(&pending.frame).await?;
        }
        loop {
            tokio::select! {
                message = incoming.recv() => match message {
                    Some(message) => self.receive(message?),
                    None => return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into()),
                },
                call = self.inbox.recv() => match call {
                    Some(call) => {
                        let frames = self.gather(call);
                        write.write_all(&frames).await?;
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    /// The frames of a call and of those that wait behind it: one write for all, as the writer makes one transaction
    /// of them.
    fn gather(&mut self, call: Call) -> Vec<u8> {
        let (mut frames, mut next) = (Vec::new(), Some(call));
        while let Some(call) = next {
            if let Some(pending) = self.admit(call).and_then(|id| self.pending.get(&id)) {
                frames.extend_from_slice(&pending.frame);
            }
            next = if frames.len() < GATHER_BYTES { self.inbox.try_recv().ok() } else { None };
        }
        frames
    }

    fn receive(&mut self, message: FromWriter) {
        match message {
            FromWriter::Reply(reply) => {
                if let Some(pending) = self.pending.remove(&reply.id) {
                    // A caller that gave up at its deadline no longer listens.
                    let _given_up = pending.answer.send(reply.result);
                }
            }
            FromWriter::Event(event) => {
                // Without subscribers there is nobody to tell.
                let _nobody = self.events.send(event);
            }
        }
    }

    /// Takes a call into the pending ones; `None` when it was refused at once.
    fn admit(&mut self, call: Call) -> Option<u64> {
        if self.pending.len() >= MAX_PENDING {
            self.pending.retain(|_, pending| !pending.answer.is_closed());
        }
        let id = self.next_id;
        let Call { key, command, deadline, answer, stage } = call;
        if !take(&stage, SENT) {
            return None;
        }
        let refusal = if self.pending.len() >= MAX_PENDING {
            Refusal::Busy
        } else {
            match frame::to_frame(&ToWriter::Request(Box::new(Request { id, key, deadline, command }))) {
                Ok(frame) => {
                    self.next_id += 1;
                    self.pending.insert(id, Pending { frame, answer });
                    return Some(id);
                }
                Err(error) => Refusal::Malformed { reason: error.to_string() },
            }
        };
        let _given_up = answer.send(Err(refusal));
        None
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn connect(socket: &Path) -> Result<(OwnedReadHalf, OwnedWriteHalf), FrameError> {
    let mut stream = UnixStream::connect(socket).await?;
    frame::exchange_async(&mut stream).await?;
    Ok(stream.into_split())
}

/// Reading has a task of its own, because a frame half read cannot be given up and taken up again.
async fn read_all(read: OwnedReadHalf, replies: mpsc::Sender<Result<FromWriter, FrameError>>) {
    let mut read = BufReader::with_capacity(GATHER_BYTES, read);
    loop {
        let message = frame::read_message_async(&mut read).await;
        let last = message.is_err();
        if replies.send(message).await.is_err() || last {
            return;
        }
    }
}
