//! Forum content of another system.

use rusqlite::params;
use veritable_domain::ids::{CategoryId, PostId, TopicId, UserId};
use veritable_domain::slug::slug;
use veritable_domain::thread::ThreadPath;
use veritable_writer_api::message::{ImportCategory, ImportPost, ImportTally, ImportTopic};

use super::accounts::imported_user;
use super::forum::{self, NewPost};
use super::search::Text;
use super::{Failure, Transaction, digest, known, malformed, remember};

pub(super) fn categories(
    tx: &mut Transaction<'_>,
    source: &str,
    categories: &[ImportCategory],
) -> Result<ImportTally, Failure> {
    let mut tally = ImportTally::default();
    for category in categories {
        let digest = digest(category)?;
        let ImportCategory { foreign_id, name, description, position } = category;
        match known(tx, source, "category", foreign_id)? {
            Some(known) if known.is(&digest) => tally.unchanged += 1,
            Some(known) => {
                tx.run(
                    "UPDATE categories SET name = ?2, slug = ?3, description = ?4, position = ?5 WHERE id = ?1",
                    params![known.local_id, name, slug(name), description, position],
                )?;
                remember(tx, (source, "category", foreign_id), known.local_id, Some(digest))?;
                tally.changed += 1;
            }
            None => {
                let id = forum::insert_category(tx, name, description, *position)?;
                remember(tx, (source, "category", foreign_id), id.0, Some(digest))?;
                tally.added += 1;
            }
        }
    }
    Ok(tally)
}

pub(super) fn topic(
    tx: &mut Transaction<'_>,
    source: &str,
    new: &ImportTopic,
) -> Result<ImportTally, Failure> {
    let mut tally = ImportTally::default();
    let category = known(tx, source, "category", &new.category)?
        .map(|known| CategoryId(known.local_id))
        .ok_or_else(|| malformed(format!("category {} of {source} was not imported before", new.category)))?;
    let Some((topic, category)) = head(tx, source, new, category, &mut tally)? else {
        // What was deleted here stays so, and nothing is added to it.
        tally.unchanged += 1 + new.posts.len() as u64;
        return Ok(tally);
    };
    let retitled = tally.changed > 0;
    for post in &new.posts {
        let place = place_post(tx, source, new, post, (topic, category), &mut tally)?;
        if let Placed::AsItWas(id) = place
            && retitled
            && post.number == 1
            && !is_deleted(tx, id)?
        {
            // The topic's title is searched with its first post.
            tx.texts.push(Text::post(id.0, Some(new.title.as_str()), &post.content.rendered.text));
        }
    }
    Ok(tally)
}

/// Makes or updates the topic itself; yields it with the category it is in here; `None`: it was deleted here.
fn head(
    tx: &Transaction<'_>,
    source: &str,
    new: &ImportTopic,
    category: CategoryId,
    tally: &mut ImportTally,
) -> Result<Option<(TopicId, CategoryId)>, Failure> {
    // Not its posts, which are compared one by one, nor its view count, which changes with every look.
    let digest = digest(&(new.title.clone(), new.category.clone(), new.pinned, new.locked))?;
    let title = new.title.as_str();
    if let Some(known) = known(tx, source, "topic", &new.foreign_id)? {
        let sql = "SELECT category_id, deleted_at IS NOT NULL FROM topics WHERE id = ?1";
        let here = tx.row(sql, [known.local_id], |row| Ok((row.get(0).map(CategoryId)?, row.get(1)?)))?;
        // It may have been moved here since: its posts follow it.
        let here = match here {
            Some((_, true)) => return Ok(None),
            Some((here, false)) => here,
            None => category,
        };
        if known.is(&digest) {
            tally.unchanged += 1;
        } else {
            tx.run(
                "UPDATE topics SET title = ?2, slug = ?3, pinned = ?4, locked = ?5 WHERE id = ?1",
                params![known.local_id, title, slug(title), new.pinned, new.locked],
            )?;
            remember(tx, (source, "topic", &new.foreign_id), known.local_id, Some(digest))?;
            tally.changed += 1;
        }
        return Ok(Some((TopicId(known.local_id), here)));
    }
    let author = imported_user(tx, source, &new.author)?;
    tx.run(
        "INSERT INTO topics (category_id, title, slug, author_id, created_at, last_post_at, last_author_id,
                             view_count, pinned, locked)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?4, ?6, ?7, ?8)",
        params![
            category.0,
            title,
            slug(title),
            author.0,
            new.created_at.0,
            new.view_count,
            new.pinned,
            new.locked
        ],
    )?;
    let topic = TopicId(tx.db.last_insert_rowid());
    tx.run("UPDATE categories SET topic_count = topic_count + 1 WHERE id = ?1", [category.0])?;
    remember(tx, (source, "topic", &new.foreign_id), topic.0, Some(digest))?;
    tally.added += 1;
    Ok(Some((topic, category)))
}

/// What became of a post.
enum Placed {
    /// It was there, unchanged.
    AsItWas(PostId),
    /// It was stored.
    Stored,
}

fn place_post(
    tx: &mut Transaction<'_>,
    source: &str,
    of: &ImportTopic,
    post: &ImportPost,
    (topic, category): (TopicId, CategoryId),
    tally: &mut ImportTally,
) -> Result<Placed, Failure> {
    let digest = digest(post)?;
    let author = imported_user(tx, source, &post.author)?;
    let first = of.posts.first().is_some_and(|first| first.number == post.number) && post.number == 1;
    let title = first.then(|| of.title.as_str());
    if let Some(known) = known(tx, source, "post", &post.foreign_id)? {
        if known.is(&digest) {
            tally.unchanged += 1;
            return Ok(Placed::AsItWas(PostId(known.local_id)));
        }
        replace_post(tx, topic, PostId(known.local_id), author, post, title)?;
        remember(tx, (source, "post", &post.foreign_id), known.local_id, Some(digest))?;
        tally.changed += 1;
        return Ok(Placed::Stored);
    }
    let mut number = post.number;
    if at_number(tx, topic, number)?.is_some() {
        let last: u32 = tx
            .row("SELECT last_number FROM topics WHERE id = ?1", [topic.0], |row| row.get(0))?
            .unwrap_or(number);
        tally.notes.push(format!(
            "post {number} of topic {} became {}: the number was taken",
            of.foreign_id,
            last + 1
        ));
        number = last + 1;
    }
    let parent = match post.reply_to {
        Some(answered) if answered < post.number => at_number(tx, topic, answered)?,
        _ => None,
    };
    if let (Some(answered), None) = (post.reply_to, &parent) {
        tally.notes.push(format!(
            "post {} of topic {} answers post {answered}, which is missing or later: shown on the first level",
            post.number, of.foreign_id
        ));
    }
    let id = forum::insert_post(
        tx,
        &NewPost {
            topic,
            category,
            parent,
            number,
            author,
            created_at: post.created_at,
            edited_at: post.edited_at,
            like_count: post.like_count,
            content: &post.content,
            title,
        },
    )?;
    remember(tx, (source, "post", &post.foreign_id), id.0, Some(digest))?;
    tally.added += 1;
    Ok(Placed::Stored)
}

fn at_number(
    tx: &Transaction<'_>,
    topic: TopicId,
    number: u32,
) -> Result<Option<(PostId, ThreadPath)>, Failure> {
    let found: Option<(i64, Vec<u8>)> = tx.row(
        "SELECT id, path FROM posts WHERE topic_id = ?1 AND number = ?2",
        params![topic.0, number],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    found.map(|(id, path)| Ok((PostId(id), forum::stored_path(&path)?))).transpose()
}

/// A post that changed there since the last import: a new version here.
fn replace_post(
    tx: &mut Transaction<'_>,
    topic: TopicId,
    id: PostId,
    author: UserId,
    post: &ImportPost,
    title: Option<&str>,
) -> Result<(), Failure> {
    let version: u32 = tx
        .row("SELECT coalesce(max(version), 0) + 1 FROM post_revisions WHERE post_id = ?1", [id.0], |row| {
            row.get(0)
        })?
        .unwrap_or(1);
    let edited_at = post.edited_at.unwrap_or(tx.now);
    forum::insert_version(tx, id, version, author, edited_at, "changed at its source", &post.content)?;
    let is_deleted = is_deleted(tx, id)?;
    if !is_deleted {
        tx.run(
            "UPDATE topics SET like_count = like_count + ?2 - (SELECT like_count FROM posts WHERE id = ?3) WHERE id = ?1",
            params![topic.0, post.like_count, id.0],
        )?;
        tx.texts.push(Text::post(id.0, title, &post.content.rendered.text));
    }
    tx.run(
        "UPDATE posts SET html = ?2, edited_at = ?3, like_count = ?4 WHERE id = ?1",
        params![id.0, post.content.rendered.html, edited_at.0, post.like_count],
    )?;
    Ok(())
}

/// Whether a post was deleted here: it is not counted and not found.
fn is_deleted(tx: &Transaction<'_>, post: PostId) -> rusqlite::Result<bool> {
    let sql = "SELECT deleted_at IS NOT NULL FROM posts WHERE id = ?1";
    Ok(tx.row(sql, [post.0], |row| row.get(0))?.unwrap_or(false))
}
