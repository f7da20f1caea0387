//! Deleting and restoring, locking, pinning, moving, renaming, reporting: who may, what it leaves, and the audit log.

use rusqlite::Connection;
use veritable_domain::draft::Place;
use veritable_domain::ids::{PostId, TopicId, UserId};
use veritable_domain::permission::{Denial, Groups};
use veritable_domain::report::{Reason, Verdict};
use veritable_domain::tag::Tag;
use veritable_domain::thread::topic_state;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{
    Accounts, By, Command, Forum, IdempotencyKey, Outcome, Refusal, ToWriter,
};

use super::batching::{LATE, Wire};
use super::counters::assert_counts;
use super::harness::{
    Community, Writer, category, column, comment, create_topic, edit_post, number, refusal, reply, reply_to,
    title, topic,
};

fn by(user: UserId, change: Forum) -> Command {
    Command::forum(By { user: Some(user), address: "192.0.2.7".into() }, change)
}

fn lock(topic: TopicId, wanted: bool) -> Forum {
    Forum::ChangeTopic { topic, title: None, locked: Some(wanted), pinned: None, category: None, base: None }
}

fn rename(topic: TopicId, name: &str) -> Forum {
    Forum::ChangeTopic {
        topic,
        title: Some(title(name)),
        locked: None,
        pinned: None,
        category: None,
        base: None,
    }
}

fn report(post: PostId) -> Forum {
    Forum::ReportPost { post, reason: Reason::Abuse, note: comment("see the second line") }
}

/// What the audit log has, in its order.
fn audit(db: &Connection) -> Vec<String> {
    column(db, "SELECT deed || ' ' || object || ' ' || detail || ' ' || address FROM audit ORDER BY id")
        .into_iter()
        .filter(|line: &String| !line.starts_with("user.") && !line.starts_with("category."))
        .collect()
}

#[test]
fn a_deleted_post_keeps_its_place_and_comes_back() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    let (second, _) = reply(client, here.other, in_topic, Some(first));
    let (below, _) = reply(client, here.member, in_topic, Some(second));
    let denied = refusal(client, by(here.member, Forum::DeletePost { post: second }));
    assert_eq!(denied, Refusal::Denied(Denial::NotYours));
    client.call(by(here.other, Forum::DeletePost { post: second })).unwrap();
    let db = writer.forums();
    assert_eq!(column::<i64>(&db, "SELECT id FROM posts ORDER BY path"), [first.0, second.0, below.0]);
    assert_eq!(number(&db, "SELECT post_count FROM topics"), 2);
    assert_counts(&db);
    assert_eq!(audit(&db), Vec::<String>::new(), "it was one's own");
    // Nobody answers or edits what is not there.
    let missing = Refusal::NotFound { what: "post in this topic".into() };
    assert_eq!(refusal(client, reply_to(here.other, in_topic, Some(second), "x")), missing);
    let missing = Refusal::NotFound { what: "post".into() };
    assert_eq!(refusal(client, edit_post(here.other, second, 1, "x")), missing);
    assert_eq!(refusal(client, by(here.member, report(second))), missing);
    // One's own deletion is taken back; another's is not.
    client.call(by(here.other, Forum::RestorePost { post: second })).unwrap();
    client.call(by(here.moderator, Forum::DeletePost { post: second })).unwrap();
    client.call(by(here.moderator, Forum::DeletePost { post: second })).unwrap();
    let denied = refusal(client, by(here.other, Forum::RestorePost { post: second }));
    assert_eq!(denied, Refusal::Denied(Denial::NotYours));
    client.call(by(here.moderator, Forum::RestorePost { post: second })).unwrap();
    assert_counts(&db);
    assert_eq!(number(&db, "SELECT count(*) FROM posts WHERE deleted_by IS NOT NULL"), 0);
    let expected = ["post.delete", "post.restore"].map(|deed| format!("{deed} post:{second} Mine 192.0.2.7"));
    assert_eq!(audit(&db), expected);
}

#[test]
fn a_topic_is_dated_by_what_is_left_of_it() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    // The next post is of another moment.
    let opened = number(&writer.forums(), "SELECT created_at FROM topics");
    while UnixMillis::now().0 <= opened {
        std::thread::yield_now();
    }
    let (last, _) = reply(client, here.other, in_topic, None);
    let db = writer.forums();
    let dated = "SELECT (last_post_at = created_at) * 1000 + last_author_id FROM topics";
    assert_eq!(number(&db, dated), here.other.0);
    client.call(by(here.other, Forum::DeletePost { post: last })).unwrap();
    assert_eq!(number(&db, dated), 1_000 + here.member.0);
    client.call(by(here.other, Forum::RestorePost { post: last })).unwrap();
    assert_eq!(number(&db, dated), here.other.0);
    for (user, post) in [(here.other, last), (here.member, first)] {
        client.call(by(user, Forum::DeletePost { post })).unwrap();
    }
    assert_eq!(number(&db, dated), 1_000 + here.member.0, "of none: by its opening");
    assert_counts(&db);
}

#[test]
fn a_deleted_topic_is_gone_with_its_posts_and_comes_back_as_it_was() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    let (gone, _) = reply(client, here.other, in_topic, Some(first));
    client.call(by(here.other, Forum::DeletePost { post: gone })).unwrap();
    client.call(by(here.other, report(first))).unwrap();
    let denied = refusal(client, by(here.member, Forum::DeleteTopic { topic: in_topic }));
    assert_eq!(denied, Refusal::Denied(Denial::Role), "its author does not decide over others' posts");
    client.call(by(here.moderator, Forum::DeleteTopic { topic: in_topic })).unwrap();
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT topic_count * 10 + post_count FROM categories"), 0);
    assert_eq!(column::<String>(&db, "SELECT verdict FROM reports"), ["deleted"]);
    assert_counts(&db);
    for command in [
        reply_to(here.moderator, in_topic, None, "x"),
        edit_post(here.moderator, first, 1, "x"),
        by(here.moderator, Forum::DeletePost { post: first }),
        by(here.moderator, Forum::RestorePost { post: gone }),
        by(here.moderator, lock(in_topic, true)),
        by(here.other, report(first)),
    ] {
        assert!(matches!(refusal(client, command), Refusal::NotFound { .. }));
    }
    client.call(by(here.moderator, Forum::RestoreTopic { topic: in_topic })).unwrap();
    assert_eq!(number(&db, "SELECT topic_count * 10 + post_count FROM categories"), 11);
    assert_counts(&db);
    let expected = ["topic.delete", "topic.restore"].map(|deed| format!("{deed} topic:1 Mine 192.0.2.7"));
    assert_eq!(audit(&db), expected);
}

#[test]
fn a_locked_topic_is_its_moderators_alone() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    let (gone, _) = reply(client, here.other, in_topic, None);
    client.call(by(here.other, Forum::DeletePost { post: gone })).unwrap();
    let denied = refusal(client, by(here.member, lock(in_topic, true)));
    assert_eq!(denied, Refusal::Denied(Denial::Role));
    client.call(by(here.moderator, lock(in_topic, true))).unwrap();
    client.call(by(here.moderator, lock(in_topic, true))).unwrap();
    for command in [
        reply_to(here.member, in_topic, None, "x"),
        edit_post(here.member, first, 1, "x"),
        by(here.member, Forum::DeletePost { post: first }),
        by(here.other, Forum::RestorePost { post: gone }),
        by(here.member, rename(in_topic, "Other")),
    ] {
        assert_eq!(refusal(client, command), Refusal::Denied(Denial::Locked));
    }
    client.call(reply_to(here.moderator, in_topic, None, "closing words")).unwrap();
    client.call(by(here.moderator, lock(in_topic, false))).unwrap();
    client.call(reply_to(here.member, in_topic, None, "x")).unwrap();
    let expected = ["topic.lock", "topic.unlock"].map(|deed| format!("{deed} topic:1 Mine 192.0.2.7"));
    assert_eq!(audit(&writer.forums()), expected, "what changes nothing is not written down");
}

#[test]
fn a_topic_is_renamed_by_its_author_and_by_moderators() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, _) = topic(client, here.member, here.category, "Mine");
    let denied = refusal(client, by(here.other, rename(in_topic, "Theirs")));
    assert_eq!(denied, Refusal::Denied(Denial::NotYours));
    let renamed = client.call(by(here.member, rename(in_topic, "Mine again"))).unwrap();
    assert_eq!(renamed, Outcome::TopicChanged { slug: "mine-again".into() });
    client.call(by(here.moderator, rename(in_topic, "Ours"))).unwrap();
    let db = writer.forums();
    assert_eq!(column::<String>(&db, "SELECT title || slug FROM topics"), ["Oursours"]);
    assert_eq!(audit(&db), ["topic.rename topic:1 Mine again -> Ours 192.0.2.7"]);
    // All of it or nothing.
    let both = Forum::ChangeTopic {
        topic: in_topic,
        title: Some(title("Mine")),
        locked: None,
        pinned: Some(true),
        category: None,
        base: None,
    };
    assert_eq!(refusal(client, by(here.member, both)), Refusal::Denied(Denial::Role));
    assert_eq!(column::<String>(&db, "SELECT title FROM topics"), ["Ours"]);
}

#[test]
fn a_topic_moves_with_its_posts_reports_and_counts_but_not_out_of_sight() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (second, hidden) = (category(client, "Second"), category(client, "Hidden"));
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    reply(client, here.other, in_topic, None);
    client.call(by(here.other, report(first))).unwrap();
    let to = |category| Forum::ChangeTopic {
        topic: in_topic,
        title: None,
        locked: None,
        pinned: None,
        category: Some(category),
        base: None,
    };
    assert_eq!(refusal(client, by(here.member, to(second))), Refusal::Denied(Denial::Role));
    client.call(by(here.moderator, to(second))).unwrap();
    let db = writer.forums();
    let there = "SELECT count(*) FROM posts WHERE category_id = 2";
    assert_eq!((number(&db, there), number(&db, "SELECT category_id FROM reports")), (2, second.0));
    assert_counts(&db);
    assert_eq!(audit(&db), ["topic.move topic:1 category:1 -> category:2 192.0.2.7"]);

    let mut writer = writer;
    writer.drain();
    let direct = Connection::open(writer.config.forums_db()).unwrap();
    let staff = Groups::one(4).and(Groups::ADMINISTRATORS).bits();
    direct.execute("UPDATE categories SET read_groups = ?1 WHERE id = ?2", [staff, hidden.0]).unwrap();
    drop(direct);
    writer.boot().unwrap();
    let client = &mut writer.client();
    let missing = |what: &str| Refusal::NotFound { what: what.into() };
    assert_eq!(refusal(client, by(here.moderator, to(hidden))), missing("category"));
    let (secret, secret_post) = topic(client, here.administrator, hidden, "Secret");
    // Of what is hidden from them, people hear what they hear of what is not there.
    for (command, what) in [
        (reply_to(here.moderator, secret, None, "x"), "topic"),
        (reply_to(here.moderator, TopicId(999), None, "x"), "topic"),
        (edit_post(here.moderator, secret_post, 1, "x"), "post"),
        (edit_post(here.moderator, PostId(999), 1, "x"), "post"),
        (by(here.moderator, lock(secret, true)), "topic"),
        (by(here.moderator, rename(secret, "x")), "topic"),
        (by(here.moderator, Forum::DeleteTopic { topic: secret }), "topic"),
        (by(here.moderator, Forum::RestoreTopic { topic: secret }), "topic"),
        (by(here.moderator, Forum::DeletePost { post: secret_post }), "post"),
        (by(here.moderator, Forum::RestorePost { post: secret_post }), "post"),
        (by(here.moderator, report(secret_post)), "post"),
        (by(here.moderator, Forum::HandleReports { post: secret_post, verdict: Verdict::Deleted }), "post"),
        (create_topic(here.moderator, hidden, "x", "x"), "category"),
    ] {
        assert_eq!(refusal(client, command), missing(what));
    }
}

#[test]
fn reports_are_made_once_and_handled_together() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    client.call(by(here.other, report(first))).unwrap();
    let again = Forum::ReportPost { post: first, reason: Reason::Other, note: comment("again") };
    client.call(by(here.other, again)).unwrap();
    client.call(by(here.moderator, report(first))).unwrap();
    let db = writer.forums();
    let said = column::<String>(&db, "SELECT reason || ' ' || note FROM reports ORDER BY id");
    assert_eq!(said, ["other again", "abuse see the second line"]);
    let verdict = |verdict| Forum::HandleReports { post: first, verdict };
    let denied = refusal(client, by(here.other, verdict(Verdict::Dismissed)));
    assert_eq!(denied, Refusal::Denied(Denial::Role));
    client.call(by(here.moderator, verdict(Verdict::Dismissed))).unwrap();
    let handled = "SELECT count(*) FROM reports WHERE verdict = 'dismissed' AND handled_by = 2";
    assert_eq!((number(&db, handled), number(&db, "SELECT post_count FROM topics")), (2, 1));
    let none = Refusal::NotFound { what: "open report of this post".into() };
    assert_eq!(refusal(client, by(here.moderator, verdict(Verdict::Deleted))), none);
    // Reported anew, and deleted; and again by way of the post itself.
    client.call(by(here.other, report(first))).unwrap();
    client.call(by(here.moderator, verdict(Verdict::Deleted))).unwrap();
    assert_eq!(number(&db, "SELECT post_count FROM topics"), 0);
    let (second, _) = reply(client, here.member, in_topic, None);
    client.call(by(here.other, report(second))).unwrap();
    client.call(by(here.moderator, Forum::DeletePost { post: second })).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM reports WHERE handled_at IS NULL"), 0);
    // What its author deletes is still to be looked at.
    let (third, _) = reply(client, here.member, in_topic, None);
    client.call(by(here.other, report(third))).unwrap();
    client.call(by(here.member, Forum::DeletePost { post: third })).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM reports WHERE handled_at IS NULL"), 1);
    let third_verdict = Forum::HandleReports { post: third, verdict: Verdict::Deleted };
    client.call(by(here.moderator, third_verdict)).unwrap();
    assert_counts(&db);
    let deeds: Vec<String> =
        audit(&db).iter().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect();
    // The last deletion was its author's, and is the moderator's from then on.
    let taken_over = ["report.delete", "post.delete"];
    let expected =
        ["report.dismiss", "report.delete", "post.delete", "post.delete"].into_iter().chain(taken_over);
    assert_eq!(deeds, expected.collect::<Vec<_>>());
}

#[test]
fn what_is_sent_ends_its_draft() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Mine");
    let draft = |place: Place| {
        let save = Accounts::SaveDraft { place, body: vec![0, b'{', b'}'] };
        Command::accounts(By::user(here.member), save)
    };
    for place in [Place::Topic(here.category), Place::Reply(in_topic), Place::Post(first)] {
        client.call(draft(place)).unwrap();
    }
    let db = writer.forums();
    let left = || column::<String>(&db, "SELECT place FROM drafts ORDER BY place");
    assert_eq!(left(), ["post:1", "reply:1", "topic:1"]);
    reply(client, here.other, in_topic, None);
    assert_eq!(left().len(), 3, "another's reply is no matter");
    reply(client, here.member, in_topic, None);
    assert_eq!(left(), ["post:1", "topic:1"]);
    client.call(edit_post(here.member, first, 1, "x")).unwrap();
    assert_eq!(left(), ["topic:1"]);
    topic(client, here.member, here.category, "Other");
    assert_eq!(left(), Vec::<String>::new());
}

/// What is shown anywhere of a topic is named stale when it is moved.
#[test]
fn everything_that_shows_a_topic_is_stale_when_it_moves() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let second = category(client, "Second");
    let (in_topic, _) = topic(client, here.member, here.category, "Mine");
    reply(client, here.other, in_topic, None);
    let mut watcher = Wire::connect(&writer);
    watcher.send(&ToWriter::Subscribe);
    // Answered in order, so that the subscription holds.
    watcher.request(1, IdempotencyKey::fresh(), LATE, Command::Ping);
    watcher.reply();
    let moved = Forum::ChangeTopic {
        topic: in_topic,
        title: None,
        locked: None,
        pinned: None,
        category: Some(second),
        base: None,
    };
    client.call(by(here.moderator, moved)).unwrap();
    let tags = watcher.event().tags;
    for tag in [
        Tag::Topic(in_topic),
        Tag::Latest,
        Tag::Search,
        Tag::Reports,
        Tag::User(here.member),
        Tag::User(here.other),
        Tag::Category(here.category),
        Tag::Category(second),
    ] {
        assert!(tags.contains(&tag), "{tag} is not among {tags:?}");
    }
}

#[test]
fn a_change_of_a_topic_that_is_another_by_now_is_refused() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (topic, _) = topic(client, here.member, here.category, "First");
    let base = Some(topic_state("First", here.category, false, false));
    let change = |name: &str, base: Option<String>| {
        let title = Some(title(name));
        let change = Forum::ChangeTopic { topic, title, locked: None, pinned: None, category: None, base };
        Command::forum(By::user(here.moderator), change)
    };
    client.call(change("Second", base.clone())).unwrap();
    assert_eq!(refusal(client, change("Third", base)), Refusal::Conflict { current: 0 });
    client.call(change("Third", None)).unwrap();
    client.call(change("Fourth", Some(topic_state("Third", here.category, false, false)))).unwrap();
}
