//! Group commit, resending, deadlines, bounds, events, and how it all ends.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::net::UnixStream;

use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Geometry, Segment, Tags};
use veritable_writer_api::frame::{self, FrameError, HELLO_BYTES, Hello};
use veritable_writer_api::message::{
    Command, Event, FromWriter, IdempotencyKey, Outcome, Refusal, Reply, Request, ToWriter,
};

use super::counters::assert_counts;
use super::harness::{Community, Writer, create_topic, number, reply, reply_to, topic};

/// A connection by hand.
pub(crate) struct Wire(UnixStream);

impl Wire {
    pub(crate) fn connect(writer: &Writer) -> Wire {
        let mut stream = UnixStream::connect(writer.config.writer_socket()).unwrap();
        Hello::exchange(&mut stream).unwrap();
        Wire(stream)
    }

    pub(crate) fn send(&mut self, message: &ToWriter) {
        self.0.write_all(&frame::to_frame(message).unwrap()).unwrap();
    }

    pub(crate) fn request(&mut self, id: u64, key: IdempotencyKey, deadline: UnixMillis, command: Command) {
        self.send(&ToWriter::Request(Box::new(Request { id, key, deadline, command })));
    }

    fn receive(&mut self) -> Option<FromWriter> {
        frame::read_message(&mut self.0).unwrap()
    }

    pub(crate) fn reply(&mut self) -> Reply {
        match self.receive() {
            Some(FromWriter::Reply(reply)) => reply,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn event(&mut self) -> Event {
        match self.receive() {
            Some(FromWriter::Event(event)) => event,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) const LATE: UnixMillis = UnixMillis(i64::MAX);

#[test]
fn many_clients_share_commits_and_each_gets_its_own_answer() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, _) = topic(client, here.member, here.category, "Busy");
    let mut watcher = Wire::connect(&writer);
    watcher.send(&ToWriter::Subscribe);
    // Answered in order, so that the subscription holds.
    watcher.request(1, IdempotencyKey::fresh(), LATE, Command::Ping);
    watcher.reply();
    let numbers: BTreeSet<u32> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let mut client = writer.client();
                scope.spawn(move || {
                    let mut asked = BTreeSet::new();
                    for _ in 0..25 {
                        let command = reply_to(here.other, in_topic, None, "all at once");
                        asked.insert(client.submit(IdempotencyKey::fresh(), command).unwrap());
                    }
                    let mut numbers = Vec::new();
                    while client.in_flight() > 0 {
                        let Reply { id, result } = client.receive().unwrap();
                        assert!(asked.remove(&id), "an answer to nobody's question");
                        let Ok(Outcome::PostCreated { number, .. }) = result else { panic!("{result:?}") };
                        numbers.push(number);
                    }
                    assert!(numbers.is_sorted(), "one client's commands are carried out in order");
                    numbers
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(numbers, (2..=201).collect(), "each reply has a number of its own, none is missing");
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT count(*) FROM posts"), 201);
    assert_counts(&db);
    // One more, to know where the events end.
    let mut last = writer.client();
    topic(&mut last, here.member, here.category, "The end");
    let mut commits = 0;
    while !watcher.event().tags.contains(&Tag::Topic(veritable_domain::ids::TopicId(in_topic.0 + 1))) {
        commits += 1;
    }
    assert!(commits < 200, "{commits} commits for 200 commands sent together");
}

#[test]
fn a_resent_command_is_answered_again_and_not_done_again() {
    let mut writer = Writer::start();
    let mut client = writer.client();
    let here = Community::found(&mut client);
    let key = IdempotencyKey::fresh();
    let command = create_topic(here.member, here.category, "Once", "words");
    let first = client.call_with(key, command.clone()).unwrap();
    assert_eq!(client.call_with(key, command.clone()).unwrap(), first, "on the same connection");
    drop(client);
    assert_eq!(writer.client().call_with(key, command.clone()).unwrap(), first, "on another");
    writer.drain();
    writer.boot().unwrap();
    assert_eq!(writer.client().call_with(key, command.clone()).unwrap(), first, "by another writer");
    // Late, too: "expired" would say that it was not done.
    let mut wire = Wire::connect(&writer);
    wire.request(9, key, UnixMillis(1), command);
    assert_eq!(wire.reply().result, Ok(first));
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM topics"), 1);
}

#[test]
fn one_command_sent_twice_in_a_batch_is_done_once() {
    let writer = Writer::start();
    let here = Community::found(&mut writer.client());
    let mut wire = Wire::connect(&writer);
    let key = IdempotencyKey::fresh();
    let command = create_topic(here.member, here.category, "Once", "words");
    let twice = [1, 2].map(|id| {
        let request = Request { id, key, deadline: LATE, command: command.clone() };
        frame::to_frame(&ToWriter::Request(Box::new(request))).unwrap()
    });
    wire.0.write_all(&twice.concat()).unwrap();
    assert_eq!(wire.reply().result, wire.reply().result);
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM topics"), 1);
}

#[test]
fn a_refused_command_may_succeed_when_it_is_asked_again() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let key = IdempotencyKey::fresh();
    let (in_topic, _) = topic(client, here.member, here.category, "Still to be answered");
    let parent = veritable_domain::ids::PostId(2);
    let early = reply_to(here.other, in_topic, Some(parent), "to what is not there yet");
    assert!(client.call_with(key, early.clone()).is_err());
    reply(client, here.member, in_topic, None);
    client.call_with(key, early).unwrap();
}

#[test]
fn a_command_past_its_deadline_is_not_started() {
    let writer = Writer::start();
    let here = Community::found(&mut writer.client());
    let mut wire = Wire::connect(&writer);
    let command = create_topic(here.member, here.category, "Too late", "words");
    wire.request(5, IdempotencyKey::fresh(), UnixMillis(UnixMillis::now().0 - 1), command);
    assert_eq!(wire.reply(), Reply { id: 5, result: Err(Refusal::Expired) });
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM topics"), 0);
}

#[test]
fn beyond_its_queue_the_writer_says_busy_and_lives_on() {
    let writer = Writer::start_with(None, |config| {
        config.writer.queue = 1;
        config.writer.batch = 1;
    });
    let here = Community::found(&mut writer.client());
    let mut wire = Wire::connect(&writer);
    // While another program holds the lock one command waits for it and one in the queue.
    let held = rusqlite::Connection::open(writer.config.forums_db()).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let count = 20;
    for id in 0..count {
        let command = create_topic(here.member, here.category, "One of many", "words");
        wire.request(id, IdempotencyKey::fresh(), LATE, command);
    }
    let mut refused = BTreeSet::new();
    while refused.len() < count as usize - 2 {
        let reply = wire.reply();
        assert_eq!(reply.result, Err(Refusal::Busy), "{}", reply.id);
        assert!(refused.insert(reply.id));
    }
    // A peer is told that the writer is there, however long the queue.
    assert_eq!(writer.client().call(Command::Ping).unwrap(), Outcome::Done);
    held.execute_batch("ROLLBACK").unwrap();
    let mut done = 0;
    for _ in 0..2 {
        let reply = wire.reply();
        assert!(!refused.contains(&reply.id));
        match reply.result {
            Ok(Outcome::TopicCreated { .. }) => done += 1,
            // The first may still have been in the queue when the second came.
            Err(Refusal::Busy) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(done > 0);
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM topics"), done);
}

#[test]
fn tags_are_bumped_and_events_sent_before_the_answer() {
    let small = Geometry { cache_bytes: 8 << 20, ..Geometry::default() };
    let (_fd, segment) = Segment::create(&small).unwrap();
    let tags = Tags::of(&segment);
    let untouched = tags.snapshot();
    let writer = Writer::start_with(Some(segment), |_| {});
    assert!(tags.snapshot() > untouched, "a start ends what a dead writer may have left fresh");
    let here = Community::found(&mut writer.client());
    let mut wire = Wire::connect(&writer);
    wire.send(&ToWriter::Subscribe);
    let before = tags.snapshot();
    let command = create_topic(here.member, here.category, "News", "words");
    wire.request(1, IdempotencyKey::fresh(), LATE, command);
    let event = wire.event();
    assert!(tags.snapshot() > before);
    let Ok(Outcome::TopicCreated { topic, .. }) = wire.reply().result else { panic!("no topic") };
    let expected = [Tag::Topic(topic), Tag::Latest, Tag::Category(here.category), Tag::User(here.member)];
    for tag in &expected {
        assert!(event.tags.contains(tag), "{tag} is missing");
    }
    assert_eq!(event.tags.len(), expected.len());
    let quiet = tags.snapshot();
    wire.request(2, IdempotencyKey::fresh(), LATE, Command::Ping);
    wire.reply();
    assert_eq!(tags.snapshot(), quiet, "a command that changes nothing ends nothing");
}

#[test]
fn a_drain_answers_what_is_queued_and_leaves_one_file() {
    let mut writer = Writer::start();
    let mut client = writer.client();
    let here = Community::found(&mut client);
    let (in_topic, _) = topic(&mut client, here.member, here.category, "Closing time");
    for _ in 0..100 {
        client.submit(IdempotencyKey::fresh(), reply_to(here.other, in_topic, None, "one more")).unwrap();
    }
    // Once the first is answered the others are on their way. Those not read by the end see the stream end.
    let mut acknowledged = usize::from(client.receive().unwrap().result.is_ok());
    writer.drain();
    while let Ok(reply) = client.receive() {
        acknowledged += usize::from(reply.result.is_ok());
        if client.in_flight() == 0 {
            break;
        }
    }
    let wal = writer.config.data_dir.join("forums.db-wal");
    assert!(!wal.exists() || wal.metadata().unwrap().len() == 0, "the log was written back");
    let stored = number(&writer.forums(), "SELECT count(*) FROM posts") as usize - 1;
    assert_eq!(stored, acknowledged, "what is committed is acknowledged, and nothing else is");
    assert_counts(&writer.forums());
}

#[test]
fn an_orphaned_writer_ends_and_loses_nothing_it_acknowledged() {
    let mut writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    topic(client, here.member, here.category, "Last words");
    writer.orphan();
    writer.boot().unwrap();
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM topics"), 1);
}

#[test]
fn peers_of_another_kind_are_refused_and_harm_nobody() {
    let writer = Writer::start();
    let mut other_version = Hello::bytes();
    other_version[8] ^= 0xFF;
    for hello in [[b'G'; HELLO_BYTES], other_version] {
        let mut stream = UnixStream::connect(writer.config.writer_socket()).unwrap();
        stream.write_all(&hello).unwrap();
        // The writer's own hello comes, then the end.
        let mut theirs = [0; HELLO_BYTES];
        std::io::Read::read_exact(&mut stream, &mut theirs).unwrap();
        assert_eq!(theirs, Hello::bytes());
        assert!(matches!(frame::read_frame(&mut stream), Ok(None) | Err(FrameError::Io(_))));
    }
    let mut wire = Wire::connect(&writer);
    wire.0.write_all(&u32::MAX.to_le_bytes()).unwrap();
    assert!(matches!(frame::read_frame(&mut wire.0), Ok(None) | Err(FrameError::Io(_))));
    let mut wire = Wire::connect(&writer);
    wire.0.write_all(&[3, 0, 0, 0, 9, 9, 9]).unwrap();
    assert!(matches!(frame::read_frame(&mut wire.0), Ok(None) | Err(FrameError::Io(_))));
    assert_eq!(writer.client().call(Command::Ping).unwrap(), Outcome::Done);
}
