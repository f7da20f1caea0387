//! Topics, replies, edits: what they store, who may, and what is refused.

use veritable_domain::account::Scopes;
use veritable_domain::ids::{CategoryId, PostId, TopicId};
use veritable_domain::permission::{Denial, Role};
use veritable_domain::text::UserName;
use veritable_domain::thread::MAX_DEPTH;
use veritable_writer_api::message::{Accounts, By, Command, Outcome, Refusal};

use super::harness::{
    Community, NOBODY, Writer, column, create_topic, edit_post, number, refusal, reply, reply_to, topic,
};

#[test]
fn a_topic_has_its_first_post_its_slug_and_its_counts() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let made = client.call(create_topic(here.member, here.category, "Hello, World!", "words")).unwrap();
    let Outcome::TopicCreated { topic, slug, post } = made else { panic!("{made:?}") };
    assert_eq!(slug, "hello-world");
    let db = writer.forums();
    let row: (String, i64, i64, i64, i64) = db
        .query_row(
            "SELECT slug, post_count, last_number, author_id, last_author_id FROM topics WHERE id = ?1",
            [topic.0],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
        )
        .unwrap();
    let author = here.member.0;
    assert_eq!(row, ("hello-world".into(), 1, 1, author, author));
    assert_eq!(column::<String>(&db, "SELECT html FROM posts"), ["<p>words</p>"]);
    assert_eq!(column::<String>(&db, "SELECT source FROM post_revisions"), ["words"]);
    assert_eq!(column::<i64>(&db, "SELECT id FROM posts"), [post.0]);
    assert_eq!(column::<i64>(&db, "SELECT topic_count * 10 + post_count FROM categories"), [11]);
}

#[test]
fn replies_read_as_a_tree_and_the_deepest_become_siblings() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Tree");
    let (second, _) = reply(client, here.other, in_topic, None);
    let (below_first, _) = reply(client, here.other, in_topic, Some(first));
    let (below_that, _) = reply(client, here.other, in_topic, Some(below_first));
    let (third, number_of_third) = reply(client, here.member, in_topic, None);
    assert_eq!(number_of_third, 5);
    let db = writer.forums();
    let order = column::<i64>(&db, "SELECT id FROM posts ORDER BY topic_id, path");
    assert_eq!(order, [first, below_first, below_that, second, third].map(|id| id.0));
    assert_eq!(column::<i64>(&db, "SELECT depth FROM posts ORDER BY topic_id, path"), [0, 1, 2, 0, 0]);
    assert_eq!(column::<i64>(&db, "SELECT reply_count FROM posts ORDER BY topic_id, path"), [1, 1, 0, 0, 0]);

    let mut last = third;
    for _ in 0..MAX_DEPTH + 3 {
        last = reply(client, here.other, in_topic, Some(last)).0;
    }
    assert_eq!(number(&db, "SELECT max(depth) FROM posts"), MAX_DEPTH.into());
    assert_eq!(number(&db, &format!("SELECT count(*) FROM posts WHERE depth = {MAX_DEPTH}")), 4);
    let newest = number(&db, "SELECT id FROM posts ORDER BY topic_id DESC, path DESC LIMIT 1");
    assert_eq!(newest, last.0, "siblings of the deepest come in the order written");
}

#[test]
fn an_edit_keeps_the_old_version_and_refuses_a_stale_base() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (_, post) = topic(client, here.member, here.category, "Edited");
    let edited = client.call(edit_post(here.member, post, 1, "better words")).unwrap();
    assert_eq!(edited, Outcome::PostEdited { version: 2 });
    let stale = refusal(client, edit_post(here.moderator, post, 1, "mine"));
    assert_eq!(stale, Refusal::Conflict { current: 2 });
    client.call(edit_post(here.moderator, post, 2, "kept in order")).unwrap();
    let db = writer.forums();
    let versions = column::<String>(&db, "SELECT source FROM post_revisions ORDER BY version");
    assert_eq!(versions, ["the first words", "better words", "kept in order"]);
    assert_eq!(column::<String>(&db, "SELECT html FROM posts"), ["<p>kept in order</p>"]);
    assert_eq!(number(&db, "SELECT edited_at IS NOT NULL FROM posts"), 1);
    assert_eq!(number(&db, "SELECT author_id FROM posts"), here.member.0);
}

#[test]
fn what_is_not_there_is_refused_by_name() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "One");
    let (elsewhere, _) = topic(client, here.member, here.category, "Two");
    let missing = |refusal| match refusal {
        Refusal::NotFound { what } => what,
        other => panic!("{other:?}"),
    };
    let command = create_topic(here.member, CategoryId(99), "Lost", "words");
    assert_eq!(missing(refusal(client, command)), "category");
    assert_eq!(missing(refusal(client, reply_to(here.member, TopicId(99), None, "x"))), "topic");
    let unknown = reply_to(here.member, in_topic, Some(PostId(99)), "x");
    assert_eq!(missing(refusal(client, unknown)), "post in this topic");
    let foreign = reply_to(here.member, elsewhere, Some(first), "x");
    assert_eq!(missing(refusal(client, foreign)), "post in this topic");
    assert_eq!(missing(refusal(client, edit_post(here.member, PostId(99), 1, "x"))), "post");
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM posts"), 2, "nothing was left behind");
}

#[test]
fn permissions_are_asked_inside_the_transaction() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, post) = topic(client, here.member, here.category, "Mine");
    let denied = |refusal| match refusal {
        Refusal::Denied(denial) => denial,
        other => panic!("{other:?}"),
    };
    let guest = NOBODY;
    let by_guest = create_topic(guest, here.category, "Guest", "x");
    assert_eq!(denied(refusal(client, by_guest)), Denial::LoginRequired);
    assert_eq!(denied(refusal(client, reply_to(guest, in_topic, None, "x"))), Denial::LoginRequired);
    assert_eq!(denied(refusal(client, edit_post(guest, post, 1, "x"))), Denial::LoginRequired);
    assert_eq!(denied(refusal(client, edit_post(here.other, post, 1, "x"))), Denial::NotYours);

    // Locking is a command of a later version; here the row is changed while no writer runs.
    let mut writer = writer;
    writer.drain();
    let direct = rusqlite::Connection::open(writer.config.forums_db()).unwrap();
    direct.execute_batch("UPDATE topics SET locked = 1; UPDATE categories SET locked = 1").unwrap();
    drop(direct);
    writer.boot().unwrap();
    let client = &mut writer.client();
    assert_eq!(denied(refusal(client, reply_to(here.member, in_topic, None, "x"))), Denial::Locked);
    assert_eq!(denied(refusal(client, edit_post(here.member, post, 1, "x"))), Denial::Locked);
    let in_locked = create_topic(here.member, here.category, "Locked", "x");
    assert_eq!(denied(refusal(client, in_locked)), Denial::Locked);
    client.call(reply_to(here.moderator, in_topic, None, "closing words")).unwrap();
    client.call(create_topic(here.administrator, here.category, "Rules", "x")).unwrap();
}

#[test]
fn names_are_taken_once_whatever_their_case() {
    let writer = Writer::start();
    let client = &mut writer.client();
    Community::found(client);
    let again = |name: &str| {
        let create = Accounts::CreateUser {
            name: UserName::new(name).unwrap(),
            role: Role::Member,
            address: None,
            password_hash: Some("$scrypt$".into()),
        };
        Command::accounts(By::OPERATOR, create)
    };
    assert_eq!(refusal(client, again("MIA")), Refusal::NameTaken);
    client.call(again("Mia Two")).unwrap();
    assert_eq!(refusal(client, again("mia_two")), Refusal::NameTaken);
    let db = writer.forums();
    assert_eq!(column::<String>(&db, "SELECT password_hash FROM users WHERE name = 'Mia Two'"), ["$scrypt$"]);
}

#[test]
fn a_token_belongs_to_an_account_that_exists() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let user = here.member;
    let token = |user| {
        let (name, scopes) = ("script".into(), Scopes::ALL);
        let create =
            Accounts::CreateApiToken { user, name, hash: [7; 32], scopes, expires_at: None, notice: None };
        Command::accounts(By::OPERATOR, create)
    };
    let nobody = veritable_domain::ids::UserId(99);
    assert_eq!(refusal(client, token(nobody)), Refusal::NotFound { what: "user".into() });
    assert!(matches!(client.call(token(user)).unwrap(), Outcome::TokenCreated { .. }));
    let stored = column::<Vec<u8>>(&writer.forums(), "SELECT token_hash FROM api_tokens");
    assert_eq!(stored, [vec![7; 32]]);
}
