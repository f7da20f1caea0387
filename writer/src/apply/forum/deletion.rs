//! Posts and topics taken out of sight and brought back. Nothing is lost: a row that is deleted keeps its place, and
//! every count is as if it were not there.

use std::collections::BTreeMap;

use rusqlite::params;
use veritable_domain::ids::{CategoryId, PostId, TopicId, UserId};
use veritable_domain::markup::plain_text;
use veritable_domain::permission::{Access, Actor, Deed, Denial};
use veritable_domain::report::Verdict;
use veritable_domain::tag::Tag;
use veritable_writer_api::message::{By, Outcome};

use super::super::search::Text;
use super::super::{Failure, Transaction, access, allowed, no_such};
use super::{FoundPost, changed_by_post, post_found, reports};

/// Authors of a topic up to whom each one's pages are named stale; beyond, the whole site is.
const MAX_AUTHORS: usize = 200;

pub(super) fn delete_post(tx: &mut Transaction<'_>, by: &By, post: PostId) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = post_found(tx, post)?.ok_or_else(|| no_such("post"))?;
    let FoundPost { author, access, topic_locked, .. } = found;
    allowed(actor, Deed::EditPost { access, author: Some(author), topic_locked }, "post")?;
    keep_away(tx, by, actor, post, &found)?;
    Ok(Outcome::Done)
}

/// Sees to it that a post is out of sight because `by` wants it so. One that its author deleted becomes the keeper's:
/// its author does not bring back what somebody who keeps order has judged.
pub(super) fn keep_away(
    tx: &mut Transaction<'_>,
    by: &By,
    actor: Actor,
    post: PostId,
    found: &FoundPost,
) -> Result<(), Failure> {
    if !found.deleted {
        return take_post(tx, by, actor, post, found);
    }
    let user = actor.user.ok_or(Denial::LoginRequired)?;
    if user == found.author || found.deleted_by != Some(found.author) {
        return Ok(());
    }
    tx.run(
        "UPDATE posts SET deleted_by = ?3 WHERE topic_id = ?1 AND path = ?2",
        params![found.topic.0, found.path, user.0],
    )?;
    tx.audit(by, "post.delete", &format!("post:{post}"), &found.title)?;
    reports::close(tx, user, post, Verdict::Deleted)?;
    tx.touch(changed_by_post(found.topic, found.category, found.author));
    Ok(())
}

/// Takes a post out of sight for one who may.
fn take_post(
    tx: &mut Transaction<'_>,
    by: &By,
    actor: Actor,
    post: PostId,
    found: &FoundPost,
) -> Result<(), Failure> {
    let FoundPost { topic, category, author, .. } = *found;
    let user = actor.user.ok_or(Denial::LoginRequired)?;
    tx.run(
        "UPDATE posts SET deleted_at = ?3, deleted_by = ?4 WHERE topic_id = ?1 AND path = ?2",
        params![topic.0, found.path, tx.now.0, user.0],
    )?;
    count_post(tx, found, -1)?;
    tx.texts.push(Text::no_post(post.0));
    if user != author {
        tx.audit(by, "post.delete", &format!("post:{post}"), &found.title)?;
        reports::close(tx, user, post, Verdict::Deleted)?;
    }
    tx.touch(changed_by_post(topic, category, author));
    tx.touch([Tag::Search]);
    Ok(())
}

pub(super) fn restore_post(tx: &mut Transaction<'_>, by: &By, post: PostId) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = post_found(tx, post)?.ok_or_else(|| no_such("post"))?;
    let FoundPost { topic, category, author, access, topic_locked, deleted_by, .. } = found;
    allowed(actor, Deed::RestorePost { access, deleted_by, topic_locked }, "post")?;
    if !found.deleted {
        return Ok(Outcome::Done);
    }
    tx.run(
        "UPDATE posts SET deleted_at = NULL, deleted_by = NULL WHERE topic_id = ?1 AND path = ?2",
        params![topic.0, found.path],
    )?;
    count_post(tx, &found, 1)?;
    let html: String = tx
        .row(
            "SELECT html FROM posts WHERE topic_id = ?1 AND path = ?2",
            params![topic.0, found.path],
            |row| row.get(0),
        )?
        .ok_or_else(|| no_such("post"))?;
    let title = (found.number == 1).then_some(found.title.as_str());
    tx.texts.push(Text::post(post.0, title, &plain_text(&html)));
    if actor.user != Some(author) {
        tx.audit(by, "post.restore", &format!("post:{post}"), &found.title)?;
    }
    tx.touch(changed_by_post(topic, category, author));
    tx.touch([Tag::Search]);
    Ok(Outcome::Done)
}

/// Keeps every count of a post that is `one` more or less.
fn count_post(tx: &Transaction<'_>, found: &FoundPost, one: i64) -> rusqlite::Result<()> {
    tx.run(
        "UPDATE topics SET post_count = post_count + ?2, like_count = like_count + ?3 WHERE id = ?1",
        params![found.topic.0, one, one * found.like_count],
    )?;
    tx.run("UPDATE categories SET post_count = post_count + ?2 WHERE id = ?1", [found.category.0, one])?;
    tx.run("UPDATE users SET post_count = post_count + ?2 WHERE id = ?1", [found.author.0, one])?;
    if let Some(parent) = found.parent {
        tx.run("UPDATE posts SET reply_count = reply_count + ?2 WHERE id = ?1", [parent.0, one])?;
    }
    if found.created_at >= found.topic_last_at { date_topic(tx, found.topic) } else { Ok(()) }
}

/// Dates a topic by its newest post that is there, by its opening when none is. Reads all its posts: the newest need not
/// have the highest number in a topic that was imported.
fn date_topic(tx: &Transaction<'_>, topic: TopicId) -> rusqlite::Result<()> {
    let sql = "SELECT max(created_at), author_id FROM posts WHERE topic_id = ?1 AND deleted_at IS NULL";
    // Without a row to look at, the maximum of none is NULL.
    let newest = tx.row(sql, [topic.0], |row| {
        let at: Option<i64> = row.get(0)?;
        at.map(|at| Ok((at, row.get::<_, i64>(1)?))).transpose()
    })?;
    match newest.flatten() {
        Some((at, author)) => tx.run(
            "UPDATE topics SET last_post_at = ?2, last_author_id = ?3 WHERE id = ?1",
            [topic.0, at, author],
        )?,
        None => tx.run(
            "UPDATE topics SET last_post_at = created_at, last_author_id = author_id WHERE id = ?1",
            [topic.0],
        )?,
    };
    Ok(())
}

/// A topic that is there, or deleted.
struct FoundTopic {
    category: CategoryId,
    title: String,
    deleted: bool,
    access: Access,
}

fn topic_found(tx: &Transaction<'_>, topic: TopicId) -> Result<FoundTopic, Failure> {
    let found = tx.row(
        "SELECT t.category_id, t.title, t.deleted_at IS NOT NULL, c.read_groups, c.post_groups, c.moderate_groups
         FROM topics t CROSS JOIN categories c ON c.id = t.category_id WHERE t.id = ?1",
        [topic.0],
        |row| {
            Ok(FoundTopic {
                category: CategoryId(row.get(0)?),
                title: row.get(1)?,
                deleted: row.get(2)?,
                access: access(row, 3)?,
            })
        },
    )?;
    found.ok_or_else(|| no_such("topic"))
}

/// A topic is taken out of sight by its own row alone: what is read by way of a post or of search asks whether its topic
/// is there.
pub(super) fn delete_topic(tx: &mut Transaction<'_>, by: &By, topic: TopicId) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = topic_found(tx, topic)?;
    allowed(actor, Deed::Moderate { access: found.access }, "topic")?;
    if found.deleted {
        return Ok(Outcome::Done);
    }
    let user = actor.user.ok_or(Denial::LoginRequired)?;
    tx.run("UPDATE topics SET deleted_at = ?2, deleted_by = ?3 WHERE id = ?1", [topic.0, tx.now.0, user.0])?;
    count_topic(tx, topic, &found, -1)?;
    tx.audit(by, "topic.delete", &format!("topic:{topic}"), &found.title)?;
    reports::close_topic(tx, user, topic)?;
    Ok(Outcome::Done)
}

pub(super) fn restore_topic(tx: &mut Transaction<'_>, by: &By, topic: TopicId) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = topic_found(tx, topic)?;
    allowed(actor, Deed::Moderate { access: found.access }, "topic")?;
    if !found.deleted {
        return Ok(Outcome::Done);
    }
    tx.run("UPDATE topics SET deleted_at = NULL, deleted_by = NULL WHERE id = ?1", [topic.0])?;
    count_topic(tx, topic, &found, 1)?;
    tx.audit(by, "topic.restore", &format!("topic:{topic}"), &found.title)?;
    Ok(Outcome::Done)
}

/// Keeps every count of a topic that is `one` more or less, and names what shows them.
fn count_topic(
    tx: &mut Transaction<'_>,
    topic: TopicId,
    found: &FoundTopic,
    one: i64,
) -> Result<(), Failure> {
    let authors = authors(tx, topic)?;
    let posts: i64 = authors.values().sum();
    tx.run(
        "UPDATE categories SET topic_count = topic_count + ?2, post_count = post_count + ?3 WHERE id = ?1",
        [found.category.0, one, one * posts],
    )?;
    for (author, posts) in &authors {
        tx.run("UPDATE users SET post_count = post_count + ?2 WHERE id = ?1", [author.0, one * posts])?;
    }
    touch_topic(tx, topic, authors.into_keys());
    tx.touch([Tag::Category(found.category)]);
    Ok(())
}

/// How many posts of a topic are there by whom.
pub(super) fn authors(tx: &Transaction<'_>, topic: TopicId) -> rusqlite::Result<BTreeMap<UserId, i64>> {
    let sql = "SELECT author_id FROM posts WHERE topic_id = ?1 AND deleted_at IS NULL";
    let mut authors = BTreeMap::new();
    for author in veritable_sql::rows(tx.db, sql, [topic.0], |row| row.get(0).map(UserId))? {
        *authors.entry(author).or_default() += 1;
    }
    Ok(authors)
}

/// Names what shows a topic's title, and its posts out of their place.
pub(super) fn touch_topic(
    tx: &mut Transaction<'_>,
    topic: TopicId,
    authors: impl ExactSizeIterator<Item = UserId>,
) {
    tx.touch([Tag::Topic(topic), Tag::Latest, Tag::Search, Tag::Reports]);
    if authors.len() > MAX_AUTHORS {
        tx.touch([Tag::Site]);
    } else {
        tx.touch(authors.map(Tag::User));
    }
}
