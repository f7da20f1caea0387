//! What is changed of a topic as a whole: its title, whether it is locked or pinned, where it is.

use rusqlite::params;
use veritable_domain::ids::{CategoryId, TopicId, UserId};
use veritable_domain::markup::plain_text;
use veritable_domain::permission::{Access, Actor, Deed, Denial};
use veritable_domain::slug::slug;
use veritable_domain::tag::Tag;
use veritable_domain::text::TopicTitle;
use veritable_domain::thread::topic_state;
use veritable_writer_api::message::{By, Outcome, Refusal};

use super::super::search::Text;
use super::super::{Failure, Transaction, access, allowed, no_such};
use super::deletion::{authors, touch_topic};

/// What is to be changed.
pub(super) struct Changes<'a> {
    pub(super) title: Option<&'a TopicTitle>,
    pub(super) locked: Option<bool>,
    pub(super) pinned: Option<bool>,
    pub(super) category: Option<CategoryId>,
    /// What they were made of.
    pub(super) base: Option<&'a str>,
}

/// The topic as it is.
struct Topic {
    id: TopicId,
    title: String,
    slug: String,
    author: UserId,
    category: CategoryId,
    locked: bool,
    pinned: bool,
    post_count: i64,
    access: Access,
}

pub(super) fn change(
    tx: &mut Transaction<'_>,
    by: &By,
    topic: TopicId,
    changes: &Changes<'_>,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let mut topic = found(tx, topic)?;
    allowed(actor, Deed::Read { access: topic.access }, "topic")?;
    actor.user.ok_or(Denial::LoginRequired)?;
    let state = topic_state(&topic.title, topic.category, topic.locked, topic.pinned);
    if changes.base.is_some_and(|base| base != state) {
        return Err(Refusal::Conflict { current: 0 }.into());
    }
    if let Some(title) = changes.title {
        rename(tx, by, actor, &mut topic, title)?;
    }
    if let Some(locked) = changes.locked {
        let deed = if locked { "topic.lock" } else { "topic.unlock" };
        let sql = "UPDATE topics SET locked = ?2 WHERE id = ?1";
        set(tx, by, actor, &topic, (deed, sql), (topic.locked, locked))?;
    }
    if let Some(pinned) = changes.pinned {
        let deed = if pinned { "topic.pin" } else { "topic.unpin" };
        let sql = "UPDATE topics SET pinned = ?2 WHERE id = ?1";
        set(tx, by, actor, &topic, (deed, sql), (topic.pinned, pinned))?;
    }
    if let Some(category) = changes.category {
        move_to(tx, by, actor, &topic, category)?;
    }
    Ok(Outcome::TopicChanged { slug: topic.slug })
}

fn found(tx: &Transaction<'_>, topic: TopicId) -> Result<Topic, Failure> {
    let found = tx.row(
        "SELECT t.title, t.slug, t.author_id, t.category_id, t.locked, t.pinned, t.post_count, c.read_groups,
                c.post_groups, c.moderate_groups
         FROM topics t CROSS JOIN categories c ON c.id = t.category_id WHERE t.id = ?1 AND t.deleted_at IS NULL",
        [topic.0],
        |row| {
            Ok(Topic {
                id: topic,
                title: row.get(0)?,
                slug: row.get(1)?,
                author: UserId(row.get(2)?),
                category: CategoryId(row.get(3)?),
                locked: row.get(4)?,
                pinned: row.get(5)?,
                post_count: row.get(6)?,
                access: access(row, 7)?,
            })
        },
    )?;
    found.ok_or_else(|| no_such("topic"))
}

/// Sets one of a topic's marks, which is a moderator's to set.
fn set(
    tx: &mut Transaction<'_>,
    by: &By,
    actor: Actor,
    topic: &Topic,
    (deed, sql): (&str, &str),
    (is, wanted): (bool, bool),
) -> Result<(), Failure> {
    allowed(actor, Deed::Moderate { access: topic.access }, "topic")?;
    if is != wanted {
        tx.run(sql, params![topic.id.0, wanted])?;
        tx.audit(by, deed, &format!("topic:{}", topic.id), &topic.title)?;
        tx.touch([Tag::Topic(topic.id), Tag::Latest, Tag::Category(topic.category)]);
    }
    Ok(())
}

fn rename(
    tx: &mut Transaction<'_>,
    by: &By,
    actor: Actor,
    topic: &mut Topic,
    title: &TopicTitle,
) -> Result<(), Failure> {
    let author = Some(topic.author);
    let deed = Deed::EditPost { access: topic.access, author, topic_locked: topic.locked };
    allowed(actor, deed, "topic")?;
    if topic.title == title.as_str() {
        return Ok(());
    }
    tx.run(
        "INSERT INTO former_slugs (topic_id, slug) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
        params![topic.id.0, topic.slug],
    )?;
    topic.slug = slug(title.as_str());
    tx.run(
        "UPDATE topics SET title = ?2, slug = ?3 WHERE id = ?1",
        params![topic.id.0, title.as_str(), topic.slug],
    )?;
    // Search finds the topic by its first post.
    let first: Option<(i64, String)> = tx.row(
        "SELECT id, html FROM posts WHERE topic_id = ?1 AND number = 1 AND deleted_at IS NULL",
        [topic.id.0],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    if let Some((post, html)) = first {
        tx.texts.push(Text::post(post, Some(title.as_str()), &plain_text(&html)));
    }
    if actor.user != author {
        let detail = format!("{} -> {}", topic.title, title.as_str());
        tx.audit(by, "topic.rename", &format!("topic:{}", topic.id), &detail)?;
    }
    let authors = authors(tx, topic.id)?;
    touch_topic(tx, topic.id, authors.into_keys());
    tx.touch([Tag::Category(topic.category)]);
    Ok(())
}

fn move_to(
    tx: &mut Transaction<'_>,
    by: &By,
    actor: Actor,
    topic: &Topic,
    category: CategoryId,
) -> Result<(), Failure> {
    allowed(actor, Deed::Moderate { access: topic.access }, "topic")?;
    let sql = "SELECT read_groups, post_groups, moderate_groups FROM categories WHERE id = ?1";
    let to = tx.row(sql, [category.0], |row| access(row, 0))?.ok_or_else(|| no_such("category"))?;
    allowed(actor, Deed::MoveTopic { from: topic.access, to }, "category")?;
    if category == topic.category {
        return Ok(());
    }
    let id = topic.id.0;
    tx.run("UPDATE topics SET category_id = ?2 WHERE id = ?1", [id, category.0])?;
    tx.run("UPDATE posts SET category_id = ?2 WHERE topic_id = ?1", [id, category.0])?;
    tx.run(
        "UPDATE reports SET category_id = ?2 WHERE post_id IN (SELECT id FROM posts WHERE topic_id = ?1)",
        [id, category.0],
    )?;
    for (category, one) in [(topic.category, -1), (category, 1)] {
        tx.run(
            "UPDATE categories SET topic_count = topic_count + ?2, post_count = post_count + ?3 WHERE id = ?1",
            [category.0, one, one * topic.post_count],
        )?;
    }
    let detail = format!("category:{} -> category:{category}", topic.category);
    tx.audit(by, "topic.move", &format!("topic:{}", topic.id), &detail)?;
    // Others may see it now than before, wherever its posts are shown.
    let authors = authors(tx, topic.id)?;
    touch_topic(tx, topic.id, authors.into_keys());
    tx.touch([Tag::Category(topic.category), Tag::Category(category)]);
    Ok(())
}
