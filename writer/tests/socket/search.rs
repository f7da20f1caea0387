//! The search index is in step with the text after every kind of write.

use rusqlite::Connection;
use veritable_writer_api::message::{By, Command, Forum};

use super::harness::{
    Community, Writer, column, content, create_topic, edit_post, number, reply_to, title, topic,
};
use super::wiki::{edit, save};

pub(crate) fn posts_with(db: &Connection, expression: &str) -> Vec<i64> {
    column(db, &format!("SELECT rowid FROM posts_fts WHERE posts_fts MATCH '{expression}' ORDER BY rowid"))
}

pub(crate) fn pages_with(db: &Connection, expression: &str) -> Vec<i64> {
    column(db, &format!("SELECT rowid FROM pages_fts WHERE pages_fts MATCH '{expression}' ORDER BY rowid"))
}

/// As many entries as things to find, and the index sound by SQLite's own check.
pub(crate) fn assert_in_step(db: &Connection) {
    let there = number(db, "SELECT count(*) FROM posts WHERE deleted_at IS NULL");
    assert_eq!(number(db, "SELECT count(*) FROM posts_fts"), there);
    let shown = number(db, "SELECT count(*) FROM pages");
    assert_eq!(number(db, "SELECT count(*) FROM pages_fts"), shown);
    assert_eq!(column::<String>(db, "PRAGMA integrity_check"), ["ok"]);
}

#[test]
fn posts_are_found_by_their_current_words_and_topics_by_their_title() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Zebra crossing");
    client.call(reply_to(here.other, in_topic, None, "a giraffe appeared")).unwrap();
    let db = writer.forums();
    assert_eq!(posts_with(&db, "zebra"), [first.0], "only the first post carries the title");
    assert_eq!(posts_with(&db, "giraffe"), [first.0 + 1]);
    client.call(edit_post(here.member, first, 1, "an okapi instead")).unwrap();
    assert_eq!(posts_with(&db, "okapi"), [first.0]);
    assert_eq!(posts_with(&db, "words"), Vec::<i64>::new(), "the old words are gone");
    assert_eq!(posts_with(&db, "title : zebra"), [first.0], "an edit keeps the title");
    client.call(edit_post(here.moderator, veritable_domain::ids::PostId(first.0 + 1), 1, "a gnu")).unwrap();
    assert_eq!(posts_with(&db, "giraffe"), Vec::<i64>::new());
    assert_eq!(posts_with(&db, "gnu"), [first.0 + 1]);
    assert_in_step(&db);
}

#[test]
fn scripts_without_spaces_are_found_by_a_part() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    client.call(create_topic(here.member, here.category, "日本語の話", "東京都に住む")).unwrap();
    let db = writer.forums();
    assert_eq!(posts_with(&db, "京都"), [1]);
    assert_eq!(posts_with(&db, "本語"), [1]);
}

#[test]
fn pages_are_found_by_title_and_current_text() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let me = Community::found(client).member;
    let (page, first, _) = save(client, edit(me, "Quokka", None, content("a small marsupial")));
    let db = writer.forums();
    assert_eq!(pages_with(&db, "marsupial"), [page.0]);
    assert_eq!(pages_with(&db, "title : quokka"), [page.0]);
    save(client, edit(me, "Quokka", Some(first), content("it smiles")));
    assert_eq!(pages_with(&db, "marsupial"), Vec::<i64>::new());
    assert_eq!(pages_with(&db, "smiles quokka"), [page.0]);
    assert_in_step(&db);
}

#[test]
fn a_refused_command_leaves_nothing_to_find() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (_, first) = topic(client, here.member, here.category, "Kept");
    assert!(client.call(edit_post(here.other, first, 1, "vandalism")).is_err());
    let db = writer.forums();
    assert_eq!(posts_with(&db, "vandalism"), Vec::<i64>::new());
    assert_eq!(posts_with(&db, "words"), [first.0]);
    assert_in_step(&db);
}

#[test]
fn what_is_deleted_is_not_found_and_what_comes_back_is() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Zebra crossing");
    let by = |user, change| Command::forum(By::user(user), change);
    client.call(by(here.member, Forum::DeletePost { post: first })).unwrap();
    let db = writer.forums();
    assert_eq!(posts_with(&db, "zebra OR words"), Vec::<i64>::new());
    let rename = |name: &str| {
        let title = Some(title(name));
        by(
            here.moderator,
            Forum::ChangeTopic {
                topic: in_topic,
                title,
                locked: None,
                pinned: None,
                category: None,
                base: None,
            },
        )
    };
    client.call(rename("Okapi crossing")).unwrap();
    assert_eq!(posts_with(&db, "okapi"), Vec::<i64>::new(), "its first post is not there");
    client.call(by(here.member, Forum::RestorePost { post: first })).unwrap();
    assert_eq!(posts_with(&db, "okapi words"), [first.0], "with the title that the topic has now");
    client.call(rename("Quokka crossing")).unwrap();
    assert_eq!(posts_with(&db, "okapi"), Vec::<i64>::new());
    assert_eq!(posts_with(&db, "quokka words"), [first.0]);
    assert_in_step(&db);
}
