//! The worker's client against a writer that breaks off, is silent, or is not there. The writer here is the
//! test itself, one connection at a time, so that each failure happens exactly where it is wanted.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::CallError;
use veritable_writer_api::client::Client;
use veritable_writer_api::frame::{self, Hello};
use veritable_writer_api::message::{
    Command, Event, FromWriter, IdempotencyKey, Import, Outcome, Refusal, Reply, Request, ToWriter,
};

/// No test comes near it: it only ends one that hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what is meant to run out.
const SHORT: Duration = Duration::from_millis(50);

/// A socket's address of this process's own, removed at the end.
struct Address(PathBuf);

impl Address {
    fn new() -> Address {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("veritable-{}-{}.sock", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Address(std::env::temp_dir().join(name))
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        // It is not there when the test never listened.
        let _absent = std::fs::remove_file(&self.0);
    }
}

/// A writer's socket, on which nobody was taken yet.
fn listening() -> (Address, UnixListener) {
    let address = Address::new();
    let listener = UnixListener::bind(&address.0).unwrap();
    (address, listener)
}

struct Peer(UnixStream);

impl Peer {
    /// Takes a connection up to its subscription.
    fn accept(listener: &UnixListener) -> Peer {
        let (mut stream, _) = listener.accept().unwrap();
        Hello::exchange(&mut stream).unwrap();
        let mut peer = Peer(stream);
        assert!(matches!(peer.receive(), ToWriter::Subscribe));
        peer
    }

    /// One that takes a request and dies before it says what came of it.
    fn die_with(listener: &UnixListener) -> Request {
        Peer::accept(listener).request()
    }

    fn receive(&mut self) -> ToWriter {
        frame::read_message(&mut self.0).unwrap().expect("the client goes on")
    }

    fn request(&mut self) -> Request {
        match self.receive() {
            ToWriter::Request(request) => *request,
            ToWriter::Subscribe => panic!("subscribed twice"),
        }
    }

    fn send(&mut self, message: &FromWriter) {
        self.0.write_all(&frame::to_frame(message).unwrap()).unwrap();
    }

    fn answer(&mut self, id: u64, result: Result<Outcome, Refusal>) {
        self.send(&FromWriter::Reply(Reply { id, result }));
    }
}

/// Runs `client` on a runtime of one thread, beside `writer` on a thread of its own.
fn beside<T: Send + 'static>(
    writer: impl FnOnce() -> T + Send + 'static,
    client: impl Future<Output = ()>,
) -> T {
    let writer = std::thread::spawn(writer);
    runtime().block_on(client);
    writer.join().unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn what_was_unanswered_is_sent_again_in_order_under_the_same_keys() {
    let (address, listener) = listening();
    let path = address.0.clone();
    let keys = [IdempotencyKey::of([1; 16]), IdempotencyKey::of([2; 16])];
    let (first, second) = beside(
        move || {
            let mut peer = Peer::accept(&listener);
            let first = [peer.request(), peer.request()];
            drop(peer);
            let mut peer = Peer::accept(&listener);
            let second = [peer.request(), peer.request()];
            // The other way round: answers find their callers by id.
            peer.answer(second[1].id, Err(Refusal::NameTaken));
            peer.answer(second[0].id, Ok(Outcome::Done));
            (first, second)
        },
        async move {
            let client = Client::start(&path);
            let calls = keys.map(|key| client.send(Command::Ping, key, PATIENCE, SHORT));
            let [one, two] = calls;
            let (one, two) = tokio::join!(one, two);
            assert_eq!(one.unwrap(), Outcome::Done);
            assert!(matches!(two, Err(CallError::Refused(Refusal::NameTaken))));
        },
    );
    assert_eq!(first, second);
    assert_eq!(first.map(|request| request.key), keys);
}

#[test]
fn a_call_that_was_sent_and_not_answered_has_an_unknown_outcome() {
    let (address, listener) = listening();
    let path = address.0.clone();
    let (done, wait) = std::sync::mpsc::channel::<()>();
    beside(
        move || {
            let mut peer = Peer::accept(&listener);
            peer.request();
            wait.recv().unwrap();
        },
        async move {
            let client = Client::start(&path);
            // Long enough to be sent even on a busy machine, and then silence.
            let result =
                client.send(Command::Ping, IdempotencyKey::fresh(), Duration::from_secs(2), SHORT).await;
            assert!(matches!(result, Err(CallError::OutcomeUnknown { .. })), "{result:?}");
            done.send(()).unwrap();
        },
    );
}

#[test]
fn a_call_that_never_left_has_expired_and_is_not_sent_later() {
    let address = Address::new();
    let path = address.0.clone();
    runtime().block_on(async {
        let client = Client::start(&path);
        let result = client.send(Command::Ping, IdempotencyKey::of([1; 16]), SHORT, SHORT).await;
        assert!(matches!(result, Err(CallError::Refused(Refusal::Expired))), "{result:?}");
        let listener = UnixListener::bind(&path).unwrap();
        let writer = std::thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            let request = peer.request();
            peer.answer(request.id, Ok(Outcome::Done));
            request.key
        });
        client.send(Command::Ping, IdempotencyKey::of([2; 16]), PATIENCE, SHORT).await.unwrap();
        assert_eq!(writer.join().unwrap(), IdempotencyKey::of([2; 16]), "the expired one is not sent");
    });
}

#[test]
fn more_than_may_wait_are_refused_at_once() {
    let address = Address::new();
    let path = address.0.clone();
    runtime().block_on(async {
        let client = Client::start(&path);
        let waiting: Vec<_> = (0..2_000)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    client.send(Command::Ping, IdempotencyKey::fresh(), Duration::from_secs(3), SHORT).await
                })
            })
            .collect();
        let (mut busy, mut expired) = (0, 0);
        for call in waiting {
            match call.await.unwrap() {
                Err(CallError::Refused(Refusal::Busy)) => busy += 1,
                Err(CallError::Refused(Refusal::Expired)) => expired += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((busy, expired), (976, 1_024));
        // Nobody was ever there to take them: those that were given up no longer fill the room.
        let deadline = Instant::now() + PATIENCE;
        while let Err(CallError::Refused(Refusal::Busy)) =
            client.send(Command::Ping, IdempotencyKey::fresh(), SHORT, SHORT).await
        {
            assert!(Instant::now() < deadline, "given-up calls keep their room");
            // A refusal waits for nothing, and those who make room are to have their turn.
            tokio::task::yield_now().await;
        }
    });
}

/// A command of a little more than this many bytes.
fn long(bytes: usize) -> Command {
    Command::Import(Box::new(Import::Finish { source: String::new(), summary: "x".repeat(bytes) }))
}

#[test]
fn more_bytes_than_may_wait_are_refused_at_once() {
    let address = Address::new();
    let path = address.0.clone();
    runtime().block_on(async {
        let client = Client::start(&path);
        let waiting: Vec<_> = (0..100)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    client.send(long(1 << 20), IdempotencyKey::fresh(), Duration::from_secs(3), SHORT).await
                })
            })
            .collect();
        let mut busy = 0;
        for call in waiting {
            match call.await.unwrap() {
                Err(CallError::Refused(Refusal::Busy)) => busy += 1,
                Err(CallError::Refused(Refusal::Expired)) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(100 - busy, 31, "of a mebibyte and some in 32");
    });
}

#[test]
fn only_what_the_writer_says_shows_that_it_is_there() {
    let address = Address::new();
    let path = address.0.clone();
    runtime().block_on(async {
        let client = Client::start(&path);
        let waiting: Vec<_> = (0..1_100)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    client.send(Command::Ping, IdempotencyKey::fresh(), PATIENCE, SHORT).await
                })
            })
            .collect();
        assert!(!client.ping(SHORT).await, "nobody is there, although calls are refused at once");
        let listener = UnixListener::bind(&path).unwrap();
        let writer = std::thread::spawn(move || {
            let mut peer = Peer::accept(&listener);
            loop {
                let request = peer.request();
                // The 1,024 that wait have keys of their own, and get no answer.
                if request.key == IdempotencyKey::of([0; 16]) {
                    return peer.answer(request.id, Ok(Outcome::Done));
                }
            }
        });
        assert!(client.ping(PATIENCE).await, "however many wait for their answers");
        writer.join().unwrap();
        for call in &waiting {
            call.abort();
        }
    });
}

#[test]
fn a_command_whose_fate_a_full_writer_did_not_look_up_is_asked_about_again() {
    let (address, listener) = listening();
    let path = address.0.clone();
    beside(
        move || {
            // It carried the command out, and died before it could say so.
            let first = Peer::die_with(&listener);
            let mut peer = Peer::accept(&listener);
            for _ in 0..3 {
                assert_eq!(peer.request(), first);
                peer.answer(first.id, Err(Refusal::Busy));
            }
            assert_eq!(peer.request(), first);
            peer.answer(first.id, Ok(Outcome::Done));
            // One that no writer can have carried out is refused as ever.
            let second = peer.request();
            peer.answer(second.id, Err(Refusal::Busy));
            // And one whose fate cannot be learnt within its time is not called refused.
            let third = peer.request();
            drop(peer);
            let mut peer = Peer::accept(&listener);
            while let Ok(Some(ToWriter::Request(request))) = frame::read_message(&mut peer.0) {
                assert_eq!(request.key, third.key);
                peer.answer(request.id, Err(Refusal::Busy));
            }
        },
        async move {
            let client = Client::start(&path);
            let outcome = client.send(Command::Ping, IdempotencyKey::fresh(), PATIENCE, SHORT).await;
            assert_eq!(outcome.unwrap(), Outcome::Done);
            let refused = client.send(Command::Ping, IdempotencyKey::fresh(), PATIENCE, SHORT).await;
            assert!(matches!(refused, Err(CallError::Refused(Refusal::Busy))), "{refused:?}");
            let half = Duration::from_millis(500);
            let unknown = client.send(Command::Ping, IdempotencyKey::fresh(), half, half).await;
            assert!(matches!(unknown, Err(CallError::OutcomeUnknown { .. })), "{unknown:?}");
            // The link ends with its last handle, and with the link the writer's loop.
            drop(client);
            tokio::task::yield_now().await;
        },
    );
}

#[test]
fn a_writer_that_does_not_know_says_so() {
    let (address, listener) = listening();
    let path = address.0.clone();
    beside(
        move || {
            let mut peer = Peer::accept(&listener);
            let request = peer.request();
            peer.answer(request.id, Err(Refusal::Unknown { reason: "the disk fails".into() }));
        },
        async move {
            let client = Client::start(&path);
            let result = client.send(Command::Ping, IdempotencyKey::fresh(), PATIENCE, SHORT).await;
            assert!(
                matches!(&result, Err(CallError::OutcomeUnknown { why }) if why == "the disk fails"),
                "{result:?}"
            );
        },
    );
}

#[test]
fn what_became_of_a_command_is_learnt_after_its_deadline_too() {
    let (address, listener) = listening();
    let path = address.0.clone();
    beside(
        move || {
            let request = Peer::die_with(&listener);
            // Another writer, after the deadline: it has carried nothing out.
            while UnixMillis::now() <= request.deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            let mut peer = Peer::accept(&listener);
            let again = peer.request();
            assert_eq!(again.key, request.key);
            peer.answer(again.id, Err(Refusal::Expired));
        },
        async move {
            let client = Client::start(&path);
            let within = Duration::from_millis(500);
            let result = client.send(Command::Ping, IdempotencyKey::fresh(), within, PATIENCE).await;
            assert!(matches!(result, Err(CallError::Refused(Refusal::Expired))), "{result:?}");
        },
    );
}

#[test]
fn events_reach_every_subscriber() {
    let (address, listener) = listening();
    let path = address.0.clone();
    let event = Event { commit: 7, tags: vec![Tag::Latest] };
    let sent = event.clone();
    beside(
        move || {
            let mut peer = Peer::accept(&listener);
            let request = peer.request();
            peer.send(&FromWriter::Event(sent));
            peer.answer(request.id, Ok(Outcome::Done));
        },
        async move {
            let client = Client::start(&path);
            let mut subscribers = [client.subscribe(), client.clone().subscribe()];
            client.send(Command::Ping, IdempotencyKey::fresh(), PATIENCE, SHORT).await.unwrap();
            for subscriber in &mut subscribers {
                assert_eq!(subscriber.recv().await.unwrap(), event);
            }
        },
    );
}
