//! Imports of accounts and forum content: repeatable, and honest about what they could not keep.

use veritable_domain::ids::{PostId, TopicId};
use veritable_domain::permission::Role;
use veritable_domain::text::{TopicTitle, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{
    By, Command, Forum, Import, ImportCategory, ImportPost, ImportTally, ImportTopic, ImportUser, Refusal,
};

use super::counters::assert_counts;
use super::harness::{Community, Writer, column, content, import, number, refusal};
use super::search::{assert_in_step, posts_with};

pub(crate) const SOURCE: &str = "discourse:old.example";

pub(crate) fn import_user(id: &str, name: &str) -> ImportUser {
    ImportUser {
        foreign_id: id.into(),
        name: UserName::new(name).unwrap(),
        display_name: format!("{name} of old"),
        role: Role::Member,
        created_at: UnixMillis(1_000),
    }
}

pub(crate) fn users(users: Vec<ImportUser>) -> Import {
    Import::Users { source: SOURCE.into(), users }
}

fn categories(name: &str) -> Import {
    let category =
        ImportCategory { foreign_id: "c1".into(), name: name.into(), description: "d".into(), position: 3 };
    Import::Categories { source: SOURCE.into(), categories: vec![category] }
}

fn post(number: u32, reply_to: Option<u32>, text: &str) -> ImportPost {
    ImportPost {
        foreign_id: format!("p{number}"),
        number,
        reply_to,
        author: if number.is_multiple_of(2) { "u2".into() } else { "u1".into() },
        created_at: UnixMillis(10_000 + i64::from(number)),
        edited_at: None,
        like_count: i64::from(number),
        content: content(text),
    }
}

fn topic(title: &str, posts: Vec<ImportPost>) -> ImportTopic {
    ImportTopic {
        foreign_id: "t1".into(),
        category: "c1".into(),
        title: TopicTitle::new(title).unwrap(),
        author: "u1".into(),
        created_at: UnixMillis(10_000),
        view_count: 42,
        pinned: false,
        locked: false,
        posts,
    }
}

fn send(client: &mut Client, topic: &ImportTopic) -> ImportTally {
    import(client, Import::Topic { source: SOURCE.into(), topic: topic.clone() })
}

fn prepare(client: &mut Client) {
    import(client, users(vec![import_user("u1", "Uma"), import_user("u2", "Ugo")]));
    import(client, categories("Old things"));
}

#[test]
fn a_topic_arrives_as_it_was() {
    let writer = Writer::start();
    let client = &mut writer.client();
    prepare(client);
    let posts = vec![post(1, None, "opening"), post(2, Some(1), "below"), post(4, None, "last")];
    let tally = send(client, &topic("Imported marmot", posts));
    assert_eq!((tally.added, tally.changed, tally.unchanged), (4, 0, 0));
    assert_eq!(tally.notes, Vec::<String>::new());
    let db = writer.forums();
    assert_eq!(column::<i64>(&db, "SELECT number FROM posts ORDER BY path"), [1, 2, 4]);
    assert_eq!(column::<i64>(&db, "SELECT depth FROM posts ORDER BY path"), [0, 1, 0]);
    let counts =
        "SELECT post_count || ' ' || last_number || ' ' || last_post_at || ' ' || like_count || ' ' ||
                  view_count FROM topics";
    assert_eq!(column::<String>(&db, counts), ["3 4 10004 7 42"]);
    assert_eq!(
        column::<String>(&db, "SELECT display_name FROM users ORDER BY id"),
        ["Uma of old", "Ugo of old"]
    );
    assert_eq!(number(&db, "SELECT count(*) FROM users WHERE password_hash IS NOT NULL"), 0);
    assert_eq!(posts_with(&db, "marmot"), [1]);
    assert_counts(&db);
    assert_in_step(&db);
}

#[test]
fn a_second_run_changes_nothing_at_all() {
    let mut writer = Writer::start();
    let client = &mut writer.client();
    let run = |client: &mut Client| {
        prepare(client);
        let first = send(client, &topic("Twice", vec![post(1, None, "opening"), post(2, Some(9), "odd")]));
        let finish = Import::Finish { source: SOURCE.into(), summary: "two posts".into() };
        import(client, finish);
        first
    };
    run(client);
    writer.drain();
    let before = std::fs::read(writer.config.forums_db()).unwrap();
    writer.boot().unwrap();
    let tally = run(&mut writer.client());
    assert_eq!((tally.added, tally.changed, tally.unchanged), (0, 0, 3));
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT count(*) FROM done_commands"), 0, "imports need no stored answers");
    drop(db);
    writer.drain();
    let after = std::fs::read(writer.config.forums_db()).unwrap();
    // SQLite counts openings that may write in two fields of the first page; all else is content.
    let is_counter = |at: usize| (24..28).contains(&at) || (92..96).contains(&at);
    assert_eq!(before.len(), after.len());
    let differing: Vec<usize> =
        (0..before.len()).filter(|&at| before[at] != after[at] && !is_counter(at)).collect();
    assert_eq!(differing, Vec::<usize>::new(), "bytes of the file that a second run changed");
}

#[test]
fn what_changed_there_changes_here_and_the_rest_stays() {
    let writer = Writer::start();
    let client = &mut writer.client();
    prepare(client);
    let mut imported = topic("Old capybara", vec![post(1, None, "opening"), post(2, Some(1), "below")]);
    send(client, &imported);
    imported.posts[1].content = content("changed");
    imported.posts[1].like_count = 50;
    imported.posts.push(post(3, Some(2), "new"));
    imported.title = TopicTitle::new("New wombat").unwrap();
    let tally = send(client, &imported);
    assert_eq!((tally.added, tally.changed, tally.unchanged), (1, 2, 1));
    let db = writer.forums();
    let html = column::<String>(&db, "SELECT html FROM posts ORDER BY path");
    assert_eq!(html, ["<p>opening</p>", "<p>changed</p>", "<p>new</p>"]);
    assert_eq!(
        column::<i64>(&db, "SELECT version FROM post_revisions ORDER BY post_id, version"),
        [1, 1, 2, 1]
    );
    assert_eq!(column::<i64>(&db, "SELECT like_count FROM topics"), [1 + 50 + 3]);
    assert_eq!(posts_with(&db, "wombat"), [1], "a topic is found by its new title");
    assert_eq!(posts_with(&db, "capybara"), Vec::<i64>::new());
    assert_eq!(posts_with(&db, "below"), Vec::<i64>::new());
    assert_eq!(import(client, categories("Renamed")).changed, 1);
    assert_eq!(column::<String>(&db, "SELECT slug FROM categories"), ["renamed"]);
    assert_counts(&db);
    assert_in_step(&db);
}

#[test]
fn replies_to_missing_or_later_posts_are_first_level_and_noted() {
    let writer = Writer::start();
    let client = &mut writer.client();
    prepare(client);
    let posts = vec![post(1, None, "a"), post(2, Some(3), "to a later"), post(3, Some(77), "to a missing")];
    let tally = send(client, &topic("Broken tree", posts));
    assert_eq!(tally.added, 4);
    assert_eq!(tally.notes.len(), 2, "{:?}", tally.notes);
    assert!(tally.notes[0].contains("answers post 3") && tally.notes[1].contains("answers post 77"));
    assert_eq!(column::<i64>(&writer.forums(), "SELECT depth FROM posts ORDER BY path"), [0, 0, 0]);
}

#[test]
fn a_taken_name_gets_a_number_and_a_note() {
    let writer = Writer::start();
    let client = &mut writer.client();
    Community::found(client);
    let tally = import(client, users(vec![import_user("u1", "MIA"), import_user("u2", "Mia")]));
    assert_eq!((tally.added, tally.notes.len()), (2, 2));
    let names =
        column::<String>(&writer.forums(), "SELECT name FROM users WHERE created_at = 1000 ORDER BY id");
    assert_eq!(names, ["MIA-2", "Mia-3"]);
    let again = import(client, users(vec![import_user("u1", "MIA"), import_user("u2", "Mia")]));
    assert_eq!((again.unchanged, again.notes.len()), (2, 0));
}

#[test]
fn content_before_its_author_or_category_is_malformed_and_leaves_nothing() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let early = Import::Topic { source: SOURCE.into(), topic: topic("Early", vec![post(1, None, "a")]) };
    let command = Command::Import(Box::new(early));
    assert!(matches!(refusal(client, command.clone()), Refusal::Malformed { .. }));
    import(client, categories("Old things"));
    assert!(matches!(refusal(client, command), Refusal::Malformed { .. }));
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT count(*) FROM topics"), 0);
    assert_counts(&db);
}

#[test]
fn what_was_deleted_here_stays_so_whatever_a_later_import_brings() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let keeper = Community::found(client).moderator;
    prepare(client);
    let mut imported = topic("Old capybara", vec![post(1, None, "opening"), post(2, None, "spam")]);
    send(client, &imported);
    let db = writer.forums();
    let by = |change| Command::forum(By::user(keeper), change);
    let of_number =
        |wanted: u32| PostId(number(&db, &format!("SELECT id FROM posts WHERE number = {wanted}")));
    client.call(by(Forum::DeletePost { post: of_number(2) })).unwrap();
    imported.posts[1].content = content("more spam");
    imported.posts[1].like_count = 50;
    imported.title = TopicTitle::new("New wombat").unwrap();
    send(client, &imported);
    assert_eq!(posts_with(&db, "spam"), Vec::<i64>::new());
    assert_counts(&db);
    assert_in_step(&db);
    let topic = TopicId(number(&db, "SELECT id FROM topics"));
    client.call(by(Forum::DeleteTopic { topic })).unwrap();
    imported.posts.push(post(3, None, "new"));
    let tally = send(client, &imported);
    assert_eq!((tally.added, tally.changed, tally.unchanged), (0, 0, 4));
    client.call(by(Forum::RestoreTopic { topic })).unwrap();
    assert_eq!(send(client, &imported).added, 1, "back again, it takes what is new");
    assert_counts(&db);
    assert_in_step(&db);
}
