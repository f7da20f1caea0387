//! The worker's client against a writer that breaks off, is silent, or is not there. The writer here is the
//! test itself, one connection at a time, so that each failure happens exactly where it is wanted.

use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::CallError;
use veritable_writer_api::client::Client;
use veritable_writer_api::frame::{self, Hello};
use veritable_writer_api::message::{
    Command, Event, FromWriter, IdempotencyKey, Outcome, Refusal, Reply, Request, ToWriter,
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
    let address = Address::new();
    let listener = UnixListener::bind(&address.0).unwrap();
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
    let address = Address::new();
    let listener = UnixListener::bind(&address.0).unwrap();
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
            assert!(matches!(result, Err(CallError::OutcomeUnknown)), "{result:?}");
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
                    client.send(Command::Ping, IdempotencyKey::fresh(), Duration::from_secs(1), SHORT).await
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
    });
}

#[test]
fn what_became_of_a_command_is_learnt_after_its_deadline_too() {
    let address = Address::new();
    let listener = UnixListener::bind(&address.0).unwrap();
    let path = address.0.clone();
    beside(
        move || {
            let mut died = Peer::accept(&listener);
            let request = died.request();
            drop(died);
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
    let address = Address::new();
    let listener = UnixListener::bind(&address.0).unwrap();
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
