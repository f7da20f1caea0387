//! The writer's socket: takes connections, reads their commands into the queue, sends answers and events.

use std::io::{self, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use veritable_domain::codec;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Counter, Owner, Scoreboard};
use veritable_writer_api::frame::{self, FrameError, Hello};
use veritable_writer_api::message::{Command, Event, FromWriter, Outcome, Refusal, Reply, Request, ToWriter};

use crate::apply;
use crate::database::Database;
use crate::files::{Files, Held};

/// Answers that may wait for one slow peer; one more and its connection is closed. A worker has at most this
/// many commands in flight, so only a peer that does not read gets there.
const OUTBOX: usize = 8_192;
/// Bytes one write to a peer gathers.
const GATHER_BYTES: usize = 64 * 1024;

/// Longest wait for a peer to read what is written to it; then its connection is closed. It also bounds how
/// long the writer's end waits for its last answers to be read.
const SEND_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of commands that may wait for one database, those that are being carried out included: four of the longest,
/// or a full queue of posts of 16 KB.
pub(crate) const QUEUE_BYTES: usize = 4 * frame::MAX_FRAME_BYTES;
const _: () =
    assert!(QUEUE_BYTES >= frame::MAX_FRAME_BYTES, "the longest command has room in an empty queue");

/// A command and where its answer goes.
pub(crate) struct Job {
    pub(crate) request: Box<Request>,
    pub(crate) peer: Peer,
    pub(crate) arrived: Instant,
    /// The file of the picture it brings.
    pub(crate) _held: Option<Held>,
    /// Its room in the queue, until it is answered.
    pub(crate) _room: Room,
}

/// Some bytes of a queue, given back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Room {
    taken: Arc<AtomicUsize>,
    bytes: usize,
}

impl Room {
    fn take(taken: &Arc<AtomicUsize>, bytes: usize) -> Option<Room> {
        let before = taken.fetch_add(bytes, Ordering::Relaxed);
        let room = Room { taken: taken.clone(), bytes };
        (before + bytes <= QUEUE_BYTES).then_some(room)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Where the commands of one database go: as many as the channel takes, and as many bytes as there is room for.
#[derive(Clone)]
pub(crate) struct Queue {
    jobs: Sender<Job>,
    taken: Arc<AtomicUsize>,
}

impl Queue {
    pub(crate) fn new(jobs: Sender<Job>) -> Queue {
        Queue { jobs, taken: Arc::default() }
    }

    /// Room for a command that came in a frame of `bytes`. Its place among the commands may be taken until it is pushed.
    fn room(&self, bytes: usize) -> Result<Room, NotQueued> {
        if self.jobs.is_full() {
            return Err(NotQueued::Full);
        }
        Room::take(&self.taken, bytes).ok_or(NotQueued::Full)
    }

    /// Queues a command that has room; one of the writer's own, of which one waits at a time, needs none.
    pub(crate) fn push(
        &self,
        request: Box<Request>,
        held: Option<Held>,
        room: Room,
        peer: &Peer,
    ) -> Result<(), NotQueued> {
        let job = Job { request, peer: peer.clone(), arrived: Instant::now(), _held: held, _room: room };
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => NotQueued::Full,
            TrySendError::Disconnected(_) => NotQueued::Ending,
        })
    }
}

/// A queue for each database, in the order of [`Database::ALL`].
#[derive(Clone)]
pub(crate) struct Queues {
    pub(crate) queues: Vec<Queue>,
    /// Where refusals for want of room are counted.
    pub(crate) refused: Option<(Scoreboard, Owner)>,
    /// Where pictures go before their commands.
    pub(crate) files: Files,
}

/// Why a command was not queued.
pub(crate) enum NotQueued {
    Full,
    /// The picture it brings cannot be kept.
    Refused(Refusal),
    /// The writer is ending.
    Ending,
}

impl Queues {
    /// Queues a command that came in a frame of `bytes`, and keeps the picture that it brings once it has room.
    fn push(&self, mut request: Box<Request>, bytes: usize, peer: &Peer) -> Result<(), NotQueued> {
        let database: Database = apply::database(&request.command);
        let queue = self.queues.get(database.index()).ok_or(NotQueued::Ending)?;
        let pushed = queue.room(bytes).and_then(|room| {
            // What is too late may have been carried out before, which is looked up; it is not carried out any more, nor
            // could it be with its picture still in it.
            let is_late = request.deadline < UnixMillis::now();
            let held =
                if is_late { None } else { self.files.keep(&mut request).map_err(NotQueued::Refused)? };
            queue.push(request, held, room, peer)
        });
        if let (Err(NotQueued::Full), Some((board, owner))) = (&pushed, &self.refused) {
            board.add(owner.slot, Counter::CommandsRefused, 1);
        }
        pushed
    }
}

/// One connection's way back.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    outbox: Sender<FromWriter>,
    stream: Arc<UnixStream>,
}

impl Peer {
    pub(crate) fn new(outbox: Sender<FromWriter>, stream: Arc<UnixStream>) -> Peer {
        Peer { outbox, stream }
    }

    /// Queues a message. One that cannot be queued is for a peer that is gone or does not read: its
    /// connection is closed, so that it connects again and asks again under the same key.
    pub(crate) fn send(&self, message: FromWriter) -> bool {
        match self.outbox.try_send(message) {
            Ok(()) => true,
            Err(_) => {
                if let Err(error) = self.stream.shutdown(std::net::Shutdown::Both) {
                    tracing::debug!(%error, "a connection to the writer was closed already");
                }
                false
            }
        }
    }
}

/// Connections that want events.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(Mutex<Vec<Peer>>);

impl Subscribers {
    fn add(&self, peer: Peer) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
    }

    fn remove(&self, peer: &Peer) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|other| !Arc::ptr_eq(&other.stream, &peer.stream));
    }

    /// Sends an event to all; those that are gone are forgotten.
    pub(crate) fn send(&self, event: &Event) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        peers.retain(|peer| peer.send(FromWriter::Event(event.clone())));
    }
}

/// One connection's threads: reading, which starts and awaits sending.
struct Connection {
    stream: Arc<UnixStream>,
    thread: JoinHandle<()>,
}

/// The accepting thread; it yields the connections that are open at its end.
pub(crate) struct Server {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Connection>>,
}

impl Server {
    /// Ends the accepting thread (a connection to its own socket wakes it), and then every connection, each
    /// after its last answer was written: what was committed is also acknowledged.
    pub(crate) fn stop(self, listener: &UnixListener) {
        self.stop.store(true, Ordering::Release);
        let woken = listener.local_addr().and_then(|address| {
            let path = address.as_pathname().ok_or(io::ErrorKind::AddrNotAvailable)?;
            UnixStream::connect(path)
        });
        match woken {
            Ok(_) => match self.thread.join() {
                Ok(connections) => end_all(connections),
                Err(_) => tracing::error!("the accepting thread panicked"),
            },
            Err(error) => tracing::warn!(%error, "the accepting thread goes on until the process ends"),
        }
    }
}

/// Ends connections by reading no more of them.
fn end_all(connections: Vec<Connection>) {
    for connection in &connections {
        if let Err(error) = connection.stream.shutdown(std::net::Shutdown::Read) {
            tracing::debug!(%error, "a connection to the writer was closed already");
        }
    }
    for connection in connections {
        if connection.thread.join().is_err() {
            tracing::error!("the thread of a connection panicked");
        }
    }
}

/// Starts accepting.
///
/// # Errors
/// No thread can be made.
pub(crate) fn start(
    listener: UnixListener,
    jobs: Queues,
    subscribers: Arc<Subscribers>,
) -> io::Result<Server> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    let thread = std::thread::Builder::new().name("accept".into()).spawn(move || {
        let mut connections: Vec<Connection> = Vec::new();
        for stream in listener.incoming() {
            if seen.load(Ordering::Acquire) {
                break;
            }
            connections.retain(|connection| !connection.thread.is_finished());
            match stream.and_then(|stream| serve(stream, jobs.clone(), subscribers.clone())) {
                Ok(connection) => connections.push(connection),
                Err(error) => tracing::warn!(%error, "a connection to the writer was lost at once"),
            }
        }
        connections
    })?;
    Ok(Server { stop, thread })
}

/// Gives a connection its two threads.
fn serve(stream: UnixStream, jobs: Queues, subscribers: Arc<Subscribers>) -> io::Result<Connection> {
    stream.set_write_timeout(Some(SEND_PATIENCE))?;
    let (outbox, outgoing) = bounded(OUTBOX);
    let sending = stream.try_clone()?;
    let kept = Arc::new(stream.try_clone()?);
    let peer = Peer::new(outbox, kept.clone());
    let ended = kept.clone();
    let thread = std::thread::Builder::new().name("read".into()).spawn(move || {
        match converse(stream, sending, outgoing, jobs, peer, subscribers) {
            Ok(()) => {}
            Err(FrameError::Io(error)) => tracing::debug!(%error, "a connection to the writer ended"),
            Err(error) => tracing::warn!(%error, "a peer of the writer was refused"),
        }
        // The accepting thread still holds the socket: without this a refused peer would wait for ever.
        if let Err(error) = ended.shutdown(std::net::Shutdown::Both) {
            tracing::debug!(%error, "a connection to the writer was closed already");
        }
    })?;
    Ok(Connection { stream: kept, thread })
}

/// A connection from its hello to its end.
fn converse(
    mut stream: UnixStream,
    sending: UnixStream,
    outgoing: Receiver<FromWriter>,
    jobs: Queues,
    peer: Peer,
    subscribers: Arc<Subscribers>,
) -> Result<(), FrameError> {
    Hello::exchange(&mut stream)?;
    let sender =
        std::thread::Builder::new().name("send".into()).spawn(move || send_all(sending, &outgoing))?;
    let received = receive_all(stream, &jobs, &peer, &subscribers);
    subscribers.remove(&peer);
    // The sender ends when the last of these is gone; answers still to come have a handle of their own.
    drop((peer, subscribers, jobs));
    if sender.join().is_err() {
        tracing::error!("the sending thread of a connection panicked");
    }
    received
}

fn receive_all(
    stream: UnixStream,
    jobs: &Queues,
    peer: &Peer,
    subscribers: &Subscribers,
) -> Result<(), FrameError> {
    let mut input = io::BufReader::with_capacity(GATHER_BYTES, stream);
    while let Some(content) = frame::read_frame(&mut input)? {
        match codec::decode(&content)? {
            ToWriter::Subscribe => subscribers.add(peer.clone()),
            // Whether anybody is here is not a question for a database, which may be waiting for its disk.
            ToWriter::Request(request) if matches!(request.command, Command::Ping) => {
                let reply = Reply { id: request.id, result: Ok(Outcome::Done) };
                if !peer.send(FromWriter::Reply(reply)) {
                    return Ok(());
                }
            }
            ToWriter::Request(request) => {
                let id = request.id;
                let refusal = match jobs.push(request, content.len(), peer) {
                    Ok(()) => continue,
                    Err(NotQueued::Full) => Refusal::Busy,
                    Err(NotQueued::Refused(refusal)) => refusal,
                    // The peer sees the end of the stream and asks the next one.
                    Err(NotQueued::Ending) => return Ok(()),
                };
                if !peer.send(FromWriter::Reply(Reply { id, result: Err(refusal) })) {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Sends what is queued, as much at once as there is. Ends when there is no more to come or the peer is gone.
fn send_all(mut stream: UnixStream, outgoing: &Receiver<FromWriter>) {
    let mut bytes = Vec::new();
    while let Ok(message) = outgoing.recv() {
        bytes.clear();
        let mut next = Some(message);
        while let Some(message) = next {
            match frame::to_frame(&message) {
                Ok(frame) => bytes.extend_from_slice(&frame),
                Err(error) => tracing::error!(%error, "an answer could not be encoded"),
            }
            next = if bytes.len() < GATHER_BYTES { outgoing.try_recv().ok() } else { None };
        }
        if let Err(error) = stream.write_all(&bytes) {
            tracing::debug!(%error, "a peer of the writer does not read");
            // Its commands are read no more either: it connects again and asks again under the same keys.
            if let Err(error) = stream.shutdown(std::net::Shutdown::Both) {
                tracing::debug!(%error, "a connection to the writer was closed already");
            }
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use veritable_config::Config;
    use veritable_domain::upload::{Media, Upload, UploadHash, stored_at};
    use veritable_writer_api::message::{By, IdempotencyKey, Uploads};

    use super::*;

    #[test]
    fn a_picture_is_kept_only_for_a_command_that_has_room_and_is_in_time() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        let (outbox, _answers) = bounded(16);
        let (_theirs, ours) = UnixStream::pair().unwrap();
        let peer = Peer::new(outbox, Arc::new(ours));
        let (jobs, queued) = bounded(2);
        let queue = Queue::new(jobs);
        let queues = Queues { queues: vec![queue.clone()], refused: None, files: Files::of(&config) };
        let hash = UploadHash(Sha256::digest(b"a cat").into());
        let push = |bytes: usize, deadline: i64| {
            let upload = Upload { hash, media: Media::Png, width: 1, height: 1 };
            let store = Uploads::StorePicture {
                upload,
                name: "a".into(),
                most: u64::MAX,
                content: b"a cat".to_vec(),
            };
            let command = Command::uploads(By::OPERATOR, store);
            let deadline = UnixMillis(deadline);
            let request = Request { id: 1, key: IdempotencyKey::fresh(), deadline, command };
            queues.push(Box::new(request), bytes, &peer)
        };
        let is_there = || config.uploads_dir().join(stored_at(hash, Media::Png)).exists();
        let most = queue.room(QUEUE_BYTES).ok().unwrap();
        assert!(matches!(push(1, i64::MAX), Err(NotQueued::Full)) && !is_there());
        drop(most);
        assert!(push(1, 0).is_ok() && !is_there(), "too late");
        assert!(push(1, i64::MAX).is_ok() && is_there());
        drop(queued.try_iter().collect::<Vec<_>>());
        assert!(!is_there(), "no row names it");
        assert!(push(1, 0).is_ok() && push(1, 0).is_ok());
        assert!(matches!(push(1, i64::MAX), Err(NotQueued::Full)) && !is_there(), "as many as there may be");
    }

    #[test]
    fn a_queue_takes_so_many_bytes() {
        let (outbox, _answers) = bounded(16);
        let (_theirs, ours) = UnixStream::pair().unwrap();
        let peer = Peer::new(outbox, Arc::new(ours));
        let (jobs, queued) = bounded(100);
        let queue = Queue::new(jobs);
        let push = |bytes: usize| {
            let request = Request {
                id: 1,
                key: IdempotencyKey::fresh(),
                deadline: UnixMillis(0),
                command: Command::Ping,
            };
            queue.room(bytes).and_then(|room| queue.push(Box::new(request), None, room, &peer)).is_ok()
        };
        assert!(!push(QUEUE_BYTES + 1));
        assert!(push(QUEUE_BYTES));
        assert!(!push(1));
        drop(queued.recv().unwrap());
        assert!(push(QUEUE_BYTES / 2) && push(QUEUE_BYTES / 2) && !push(1));
        let carried_out = queued.recv().unwrap();
        assert!(!push(1), "it takes room until it is answered");
        drop(carried_out);
        assert!(push(1) && !push(QUEUE_BYTES / 2));
    }
}
