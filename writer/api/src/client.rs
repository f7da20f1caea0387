//! A worker's client: one connection, many commands in flight. When the writer is replaced the client
//! reconnects and sends what is unanswered again under the same keys, so that to its callers a restart of the
//! writer looks like a pause.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tokio::time::Instant;
use veritable_domain::time::UnixMillis;

use crate::CallError;
use crate::frame::{self, FrameError};
use crate::message::{Command, Event, FromWriter, IdempotencyKey, Outcome, Refusal, Request, ToWriter};

/// Commands a worker may have waiting; one more is refused at once. A worker that has this many behind a
/// writer of 10,000 a second already makes people wait a tenth of a second.
const MAX_PENDING: usize = 1_024;
/// Bytes of all of them together: two of the longest a command can be, or a full number of posts of 32 KB.
const MAX_PENDING_BYTES: usize = 2 * frame::MAX_FRAME_BYTES;
const _: () = assert!(
    MAX_PENDING_BYTES >= frame::MAX_FRAME_BYTES + frame::HEAD_BYTES && MAX_PENDING_BYTES <= u32::MAX as usize,
    "the longest command has room where none waits"
);
/// Answers that wait to be taken in.
const ANSWERS: usize = 1_024;
/// Events a slow subscriber may lag behind before it loses some.
const EVENT_BACKLOG: usize = 1_024;
/// Bytes of commands written, and of answers read, at a time.
const GATHER_BYTES: usize = 64 * 1024;
/// First and longest pause before connecting again.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// How often what nobody waits for any more is forgotten.
const FORGET: Duration = Duration::from_secs(1);
/// Pause before a command is sent once more whose fate the writer had no room to look up.
const ASK_AGAIN: Duration = Duration::from_millis(50);

/// A handle; clones share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Unbounded, as [`Room`] bounds what is in it.
    calls: mpsc::UnboundedSender<Call>,
    events: broadcast::Sender<Event>,
    room: Room,
    next_id: Arc<AtomicU64>,
}

/// How much may wait, from here to the writer's answer.
#[derive(Clone, Debug)]
struct Room {
    calls: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Room {
    fn new() -> Room {
        Room {
            calls: Arc::new(Semaphore::new(MAX_PENDING)),
            bytes: Arc::new(Semaphore::new(MAX_PENDING_BYTES)),
        }
    }

    fn call(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        self.calls.clone().try_acquire_owned().map_err(|_| Refusal::Busy)
    }

    fn bytes(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        self.bytes.clone().try_acquire_many_owned(bytes as u32).map_err(|_| Refusal::Busy)
    }
}

/// A command on its way to the writer, until its answer is there.
#[derive(Debug)]
struct Call {
    id: u64,
    frame: Vec<u8>,
    answer: oneshot::Sender<Result<Outcome, Refusal>>,
    stage: Arc<AtomicU8>,
    /// It was sent before, to a writer that is gone and may have carried it out.
    resent: bool,
    /// It is to be sent once more over the connection there is.
    again: bool,
    /// Its room among those that wait; a ping takes none.
    _room: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

/// Not sent yet; either side may take it from here, and only one can.
const WAITING: u8 = 0;
/// The link has it: it may reach the writer.
const SENT: u8 = 1;
/// The caller gave it up: it never reaches the writer.
const GIVEN_UP: u8 = 2;

/// The stage it had before, when that was another.
fn take(stage: &AtomicU8, into: u8) -> Result<(), u8> {
    stage.compare_exchange(WAITING, into, Ordering::AcqRel, Ordering::Acquire).map(drop)
}

impl Call {
    /// Takes it to be sent, for the first time or once more; not when nobody waits for it.
    fn claim(&mut self) -> bool {
        self.resent = match take(&self.stage, SENT) {
            Ok(()) => false,
            Err(SENT) => true,
            Err(_) => return false,
        };
        !self.answer.is_closed()
    }
}

impl Client {
    /// Starts the connection's task on the current tokio runtime. Connecting goes on in the background, for
    /// ever: calls wait for it until their deadlines.
    pub fn start(socket: &Path) -> Client {
        let (calls, inbox) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let link = Link {
            socket: socket.to_owned(),
            inbox,
            calls: BTreeMap::new(),
            ask_again: None,
            events: events.clone(),
        };
        tokio::spawn(link.run());
        Client { calls, events, room: Room::new(), next_id: Arc::new(AtomicU64::new(1)) }
    }

    /// Sends a command that is to begin `within` this time, and waits for its answer. One that was sent is waited for
    /// `longer`: it does not begin after its deadline, so that then even a writer that had to be started again can
    /// tell what became of it.
    ///
    /// # Errors
    /// The writer refused ([`Refusal::Busy`] at once when too many or too much wait here); no answer came in time:
    /// [`Refusal::Expired`] when it was never sent, else [`CallError::OutcomeUnknown`].
    pub async fn send(
        &self,
        command: Command,
        key: IdempotencyKey,
        within: Duration,
        longer: Duration,
    ) -> Result<Outcome, CallError> {
        let call = self.room.call()?;
        let (id, frame) = self.frame(command, key, within)?;
        let room = Some((call, self.room.bytes(frame.len())?));
        self.call(id, frame, room, within, longer).await
    }

    /// Whether the writer answers `within` this time. However many commands wait, this does not wait behind them
    /// to be sent, nor does the writer ask its databases.
    pub async fn ping(&self, within: Duration) -> bool {
        let Ok((id, frame)) = self.frame(Command::Ping, IdempotencyKey::of([0; 16]), within) else {
            return false;
        };
        // Only what comes from the writer counts.
        self.call(id, frame, None, within, Duration::ZERO).await.is_ok()
    }

    /// News of commits from now on.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    fn frame(
        &self,
        command: Command,
        key: IdempotencyKey,
        within: Duration,
    ) -> Result<(u64, Vec<u8>), Refusal> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let millis = i64::try_from(within.as_millis()).unwrap_or(i64::MAX);
        let deadline = UnixMillis(UnixMillis::now().0.saturating_add(millis));
        match frame::to_frame(&ToWriter::Request(Box::new(Request { id, key, deadline, command }))) {
            Ok(frame) => Ok((id, frame)),
            Err(error) => Err(Refusal::Malformed { reason: error.to_string() }),
        }
    }

    async fn call(
        &self,
        id: u64,
        frame: Vec<u8>,
        room: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
        within: Duration,
        longer: Duration,
    ) -> Result<Outcome, CallError> {
        let until = Instant::now() + within;
        let (answer, mut answered) = oneshot::channel();
        let stage = Arc::new(AtomicU8::new(WAITING));
        let call = Call { id, frame, answer, stage: stage.clone(), resent: false, again: false, _room: room };
        // The link's task ends with the runtime only; what it no longer takes was never sent.
        self.calls.send(call).map_err(|_| Refusal::Expired)?;
        match tokio::time::timeout_at(until, &mut answered).await {
            Ok(Ok(result)) => return Ok(result?),
            Ok(Err(_)) | Err(_) if take(&stage, GIVEN_UP).is_ok() => return Err(Refusal::Expired.into()),
            Ok(Err(_)) | Err(_) => {}
        }
        match tokio::time::timeout_at(until + longer, answered).await {
            Ok(Ok(result)) => Ok(result?),
            // Whatever the link held may have been carried out.
            Ok(Err(_)) | Err(_) => Err(CallError::unanswered()),
        }
    }
}

/// The task that owns the connection.
struct Link {
    socket: PathBuf,
    inbox: mpsc::UnboundedReceiver<Call>,
    /// What waits to be sent or answered, by id, so that sending again keeps the order.
    calls: BTreeMap<u64, Call>,
    /// When those that are to be sent once more are.
    ask_again: Option<Instant>,
    events: broadcast::Sender<Event>,
}

impl Link {
    /// Until every handle was dropped.
    async fn run(mut self) {
        while let Some((read, write)) = self.connected().await {
            match self.serve(read, write).await {
                Ok(()) => return,
                Err(error) => {
                    tracing::info!(%error, waiting = self.calls.len(), "writer gone, reconnecting");
                }
            }
        }
    }

    /// Connects, however long it takes; meanwhile calls are taken in, and those whose callers gave up forgotten. `None`
    /// when every handle was dropped.
    async fn connected(&mut self) -> Option<(OwnedReadHalf, OwnedWriteHalf)> {
        let connecting = connect(self.socket.clone());
        tokio::pin!(connecting);
        let mut forget = tokio::time::interval(FORGET);
        loop {
            tokio::select! {
                connection = &mut connecting => return Some(connection),
                call = self.inbox.recv() => {
                    let call = call?;
                    self.calls.insert(call.id, call);
                }
                _ = forget.tick() => self.forget(),
            }
        }
    }

    /// Serves one connection; `Ok` when every handle was dropped.
    async fn serve(&mut self, read: OwnedReadHalf, mut write: OwnedWriteHalf) -> Result<(), FrameError> {
        let (replies, mut incoming) = mpsc::channel(ANSWERS);
        let reader = tokio::spawn(read_all(read, replies));
        let _stops_with_this_connection = AbortOnDrop(reader);
        write.write_all(&frame::to_frame(&ToWriter::Subscribe)?).await?;
        self.calls.retain(|_, call| call.claim());
        for call in self.calls.values() {
            write.write_all(&call.frame).await?;
        }
        let mut forget = tokio::time::interval(FORGET);
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
                () = at(self.ask_again) => {
                    self.ask_again = None;
                    for call in self.calls.values_mut().filter(|call| call.again) {
                        call.again = false;
                        write.write_all(&call.frame).await?;
                    }
                }
                _ = forget.tick() => self.forget(),
            }
        }
    }

    /// Forgets those that nobody waits for any more.
    fn forget(&mut self) {
        self.calls.retain(|_, call| !call.answer.is_closed());
    }

    /// The frames of a call and of those that wait behind it: one write for all, as the writer makes one transaction
    /// of them.
    fn gather(&mut self, call: Call) -> Vec<u8> {
        let (mut frames, mut next) = (Vec::new(), Some(call));
        while let Some(mut call) = next {
            if call.claim() {
                frames.extend_from_slice(&call.frame);
                self.calls.insert(call.id, call);
            }
            next = if frames.len() < GATHER_BYTES { self.inbox.try_recv().ok() } else { None };
        }
        frames
    }

    fn receive(&mut self, message: FromWriter) {
        match message {
            FromWriter::Reply(reply) => {
                // A writer without room has not looked whether one before it carried the command out.
                if reply.result == Err(Refusal::Busy)
                    && let Some(call) = self.calls.get_mut(&reply.id)
                    && call.resent
                {
                    call.again = true;
                    self.ask_again.get_or_insert_with(|| Instant::now() + ASK_AGAIN);
                } else if let Some(call) = self.calls.remove(&reply.id) {
                    // A caller that gave up at its deadline no longer listens.
                    let _given_up = call.answer.send(reply.result);
                }
            }
            FromWriter::Event(event) => {
                // Without subscribers there is nobody to tell.
                let _nobody = self.events.send(event);
            }
        }
    }
}

/// At this moment; never for `None`.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Connects and exchanges hellos, as often as it takes.
async fn connect(socket: PathBuf) -> (OwnedReadHalf, OwnedWriteHalf) {
    let mut pause = RECONNECT.0;
    loop {
        match try_connect(&socket).await {
            Ok(connection) => return connection,
            Err(error @ (FrameError::Foreign | FrameError::Version { .. })) => {
                tracing::error!(%error, "cannot talk to the writer");
                pause = RECONNECT.1;
            }
            Err(error) => tracing::debug!(%error, "writer not there yet"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(RECONNECT.1);
    }
}

async fn try_connect(socket: &Path) -> Result<(OwnedReadHalf, OwnedWriteHalf), FrameError> {
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
