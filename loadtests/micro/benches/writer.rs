//! A round trip to the writer over its socket: a ping, and a post that is on the disk when the answer comes.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up is to stop")]

use divan::Bencher;
use veritable_domain::content::{Content, Format};
use veritable_domain::ids::{CategoryId, TopicId, UserId};
use veritable_domain::markup::{Namespaces, RenderContext, render};
use veritable_domain::permission::{Actor, Role};
use veritable_domain::text::{Source, TopicTitle, UserName};
use veritable_micro::Writer;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{Command, IdempotencyKey, Outcome};

/// Posts on their way at once in the last benchmark.
const TOGETHER: usize = 64;

fn main() {
    divan::main();
}

fn content() -> Content {
    let text =
        "The quick brown fox jumps over the lazy dog and some more words follow to make a usual post of it.";
    let namespaces = Namespaces::default();
    let rendered = render(Format::Markdown, text, &RenderContext::post(&namespaces));
    Content { format: Format::Markdown, source: Source::new(text).unwrap(), rendered }
}

fn client(writer: &Writer) -> Client {
    Client::connect(&writer.config.writer_socket()).unwrap()
}

/// A topic, and the command that replies to it.
fn reply(client: &mut Client) -> Command {
    let name = UserName::new("ann").unwrap();
    let user = Command::CreateUser { name, role: Role::Administrator, password_hash: None };
    let Outcome::UserCreated { user: UserId(user) } = client.call(user).unwrap() else {
        panic!("no account")
    };
    let category =
        Command::CreateCategory { name: "General".into(), description: String::new(), position: 0 };
    let Outcome::CategoryCreated { category: CategoryId(category), .. } = client.call(category).unwrap()
    else {
        panic!("no category")
    };
    let actor = Actor { user: Some(UserId(user)), role: Role::Administrator };
    let title = TopicTitle::new("A topic").unwrap();
    let category = CategoryId(category);
    let topic = client.call(Command::CreateTopic { actor, category, title, content: content() }).unwrap();
    let Outcome::TopicCreated { topic: TopicId(topic), .. } = topic else { panic!("no topic") };
    Command::Reply { actor, topic: TopicId(topic), parent: None, content: content() }
}

#[divan::bench]
fn ping(bencher: Bencher<'_, '_>) {
    let writer = Writer::start().unwrap();
    let mut client = client(&writer);
    bencher.bench_local(|| client.call(Command::Ping).unwrap());
}

#[divan::bench(max_time = 3)]
fn durable_post(bencher: Bencher<'_, '_>) {
    let writer = Writer::start().unwrap();
    let mut client = client(&writer);
    let reply = reply(&mut client);
    bencher.bench_local(|| client.call(reply.clone()).unwrap());
}

#[divan::bench(max_time = 3)]
fn durable_posts_64_together(bencher: Bencher<'_, '_>) {
    let writer = Writer::start().unwrap();
    let mut client = client(&writer);
    let reply = reply(&mut client);
    bencher.counter(divan::counter::ItemsCount::new(TOGETHER)).bench_local(|| {
        for _ in 0..TOGETHER {
            client.submit(IdempotencyKey::fresh(), reply.clone()).unwrap();
        }
        for _ in 0..TOGETHER {
            client.receive().unwrap();
        }
    });
}
