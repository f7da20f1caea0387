//! A round trip to the writer over its socket: a ping, and a post that is on the disk when the answer comes.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up is to stop")]

use divan::Bencher;
use veritable_domain::content::{Content, Format};
use veritable_domain::markup::{Namespaces, RenderContext, render};
use veritable_domain::permission::Role;
use veritable_domain::text::{Source, TopicTitle, UserName};
use veritable_micro::Writer;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{Accounts, By, Command, Forum, IdempotencyKey, Outcome};

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
    let role = Role::Administrator;
    let account = Accounts::CreateUser { name, role, address: None, password_hash: None };
    let Outcome::UserCreated { user } = client.call(Command::accounts(By::OPERATOR, account)).unwrap() else {
        panic!("no account")
    };
    let by = || By::user(user);
    let category = Forum::CreateCategory { name: "General".into(), description: String::new(), position: 0 };
    let Outcome::CategoryCreated { category, .. } = client.call(Command::forum(by(), category)).unwrap()
    else {
        panic!("no category")
    };
    let title = TopicTitle::new("A topic").unwrap();
    let topic = Forum::CreateTopic { category, title, content: content() };
    let Outcome::TopicCreated { topic, .. } = client.call(Command::forum(by(), topic)).unwrap() else {
        panic!("no topic")
    };
    Command::forum(by(), Forum::Reply { topic, parent: None, content: content() })
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
