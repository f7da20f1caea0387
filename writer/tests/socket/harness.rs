//! A writer on a thread, with the test as its master, and the values that commands are made of.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use veritable_config::Config;
use veritable_config::channel::{Channel, DRAIN, READY};
use veritable_domain::content::{Content, Format, Rendered};
use veritable_domain::ids::{CategoryId, PostId, TopicId, UserId};
use veritable_domain::permission::Role;
use veritable_domain::text::{Comment, Source, TopicTitle, UserName};
use veritable_shm::Segment;
use veritable_writer::{Context, WriterError};
use veritable_writer_api::CallError;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{Accounts, By, Command, Forum, Import, ImportTally, Outcome, Refusal};

/// A running writer. Its listener stays with the test, as it stays with the master.
pub(crate) struct Writer {
    pub(crate) config: Config,
    listener: UnixListener,
    master: Option<UnixStream>,
    thread: Option<JoinHandle<Result<(), WriterError>>>,
    pub(crate) segment: Option<Segment>,
    _dir: TempDir,
}

impl Writer {
    pub(crate) fn start() -> Writer {
        Writer::start_with(None, |_| {})
    }

    pub(crate) fn start_with(segment: Option<Segment>, set: impl FnOnce(&mut Config)) -> Writer {
        let mut writer = Writer::prepare(segment, set);
        writer.boot().unwrap();
        writer
    }

    /// Everything but the writer itself: a directory and a socket.
    pub(crate) fn prepare(segment: Option<Segment>, set: impl FnOnce(&mut Config)) -> Writer {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: dir.path().join("data"), ..Config::default() };
        config.runtime_dir = dir.path().to_owned();
        set(&mut config);
        let listener = UnixListener::bind(config.writer_socket()).unwrap();
        Writer { config, listener, master: None, thread: None, segment, _dir: dir }
    }

    /// Starts the writer's thread and waits until it reports ready.
    pub(crate) fn boot(&mut self) -> Result<(), WriterError> {
        let (mut master, child) = UnixStream::pair().unwrap();
        let context = Context {
            config: self.config.clone(),
            listener: self.listener.try_clone().unwrap(),
            segment: self.segment.clone(),
            owner: None,
            channel: Channel::new(child),
        };
        let thread = std::thread::spawn(move || veritable_writer::run(context));
        let mut byte = [0];
        if master.read_exact(&mut byte).is_err() {
            return thread.join().unwrap();
        }
        assert_eq!(byte[0], READY);
        self.master = Some(master);
        self.thread = Some(thread);
        Ok(())
    }

    /// Tells it to finish, and waits until it has.
    pub(crate) fn drain(&mut self) {
        let mut master = self.master.take().unwrap();
        master.write_all(&[DRAIN]).unwrap();
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    /// Leaves it without a master, and waits until it has noticed.
    pub(crate) fn orphan(&mut self) {
        drop(self.master.take());
        self.thread.take().unwrap().join().unwrap().unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client::connect(&self.config.writer_socket()).unwrap()
    }

    /// The forums as others see them.
    pub(crate) fn forums(&self) -> Connection {
        read_only(&self.config.forums_db())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.thread.is_some() && !std::thread::panicking() {
            self.drain();
        }
    }
}

pub(crate) fn read_only(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The only value of the only row.
pub(crate) fn number(db: &Connection, sql: &str) -> i64 {
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// The first column of all rows.
pub(crate) fn column<T: rusqlite::types::FromSql>(db: &Connection, sql: &str) -> Vec<T> {
    let mut statement = db.prepare(sql).unwrap();
    statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

/// An account that there is not.
pub(crate) const NOBODY: UserId = UserId(999);

/// A community to write in: an administrator, a moderator, two members, a category.
pub(crate) struct Community {
    pub(crate) administrator: UserId,
    pub(crate) moderator: UserId,
    pub(crate) member: UserId,
    pub(crate) other: UserId,
    pub(crate) category: CategoryId,
}

impl Community {
    pub(crate) fn found(client: &mut Client) -> Community {
        let mut actor = |name: &str, role| user(client, name, role);
        let administrator = actor("Ada", Role::Administrator);
        let moderator = actor("Mo", Role::Moderator);
        let member = actor("Mia", Role::Member);
        let other = actor("Otto", Role::Member);
        Community { administrator, moderator, member, other, category: category(client, "General") }
    }
}

pub(crate) fn user(client: &mut Client, name: &str, role: Role) -> UserId {
    let name = UserName::new(name).unwrap();
    let create = Accounts::CreateUser { name, role, address: None, password_hash: None };
    match client.call(Command::accounts(By::OPERATOR, create)).unwrap() {
        Outcome::UserCreated { user } => user,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn category(client: &mut Client, name: &str) -> CategoryId {
    let create = Forum::CreateCategory { name: name.into(), description: String::new(), position: 0 };
    match client.call(Command::forum(By::OPERATOR, create)).unwrap() {
        Outcome::CategoryCreated { category } => category,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn create_topic(by: UserId, category: CategoryId, title: &str, text: &str) -> Command {
    let title = TopicTitle::new(title).unwrap();
    Command::forum(By::user(by), Forum::CreateTopic { category, title, content: content(text) })
}

pub(crate) fn topic(client: &mut Client, by: UserId, category: CategoryId, title: &str) -> (TopicId, PostId) {
    match client.call(create_topic(by, category, title, "the first words")).unwrap() {
        Outcome::TopicCreated { topic, post, .. } => (topic, post),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn reply_to(by: UserId, topic: TopicId, parent: Option<PostId>, text: &str) -> Command {
    Command::forum(By::user(by), Forum::Reply { topic, parent, content: content(text) })
}

pub(crate) fn reply(
    client: &mut Client,
    by: UserId,
    topic: TopicId,
    parent: Option<PostId>,
) -> (PostId, u32) {
    match client.call(reply_to(by, topic, parent, "an answer")).unwrap() {
        Outcome::PostCreated { post, number, .. } => (post, number),
        other => panic!("{other:?}"),
    }
}

pub(crate) fn edit_post(by: UserId, post: PostId, base_version: u32, text: &str) -> Command {
    let edit = Forum::EditPost { post, base_version, content: content(text), comment: comment("clearer") };
    Command::forum(By::user(by), edit)
}

pub(crate) fn import(client: &mut Client, import: Import) -> ImportTally {
    match client.call(Command::Import(Box::new(import))).unwrap() {
        Outcome::Imported(tally) => tally,
        other => panic!("{other:?}"),
    }
}

/// What the writer said no with.
pub(crate) fn refusal(client: &mut Client, command: Command) -> Refusal {
    match client.call(command) {
        Err(CallError::Refused(refusal)) => refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) fn comment(text: &str) -> Comment {
    Comment::new(text).unwrap()
}

pub(crate) fn title(text: &str) -> TopicTitle {
    TopicTitle::new(text).unwrap()
}

/// Words that are their own source, HTML and search text.
pub(crate) fn content(text: &str) -> Content {
    let rendered = rendered(text);
    Content { format: Format::Markdown, source: Source::allowing_blank(text).unwrap(), rendered }
}

pub(crate) fn rendered(text: &str) -> Rendered {
    Rendered { html: format!("<p>{text}</p>"), text: text.into(), ..Rendered::default() }
}
