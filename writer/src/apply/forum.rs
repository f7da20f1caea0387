//! Topics, posts, categories.

mod deletion;
mod reports;
mod topics;

use rusqlite::params;
use veritable_domain::content::Content;
use veritable_domain::draft::Place;
use veritable_domain::ids::{CategoryId, PostId, TopicId, UserId};
use veritable_domain::permission::{Access, Deed, Denial, may};
use veritable_domain::slug::slug;
use veritable_domain::tag::Tag;
use veritable_domain::text::{Comment, TopicTitle};
use veritable_domain::thread::{MAX_DEPTH, ThreadPath};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Forum, Outcome, Refusal};

use super::accounts::drafts;
use super::search::Text;
use super::{Failure, Transaction, access, allowed, malformed, no_such};

/// A post about to be stored.
pub(super) struct NewPost<'a> {
    pub(super) topic: TopicId,
    pub(super) category: CategoryId,
    /// The post answered and where it stands.
    pub(super) parent: Option<(PostId, ThreadPath)>,
    pub(super) number: u32,
    pub(super) author: UserId,
    pub(super) created_at: UnixMillis,
    pub(super) edited_at: Option<UnixMillis>,
    pub(super) like_count: i64,
    pub(super) content: &'a Content,
    /// The topic's title, for its first post: search finds the topic by it.
    pub(super) title: Option<&'a str>,
}

/// Carries out a change of the forum.
pub(super) fn apply(tx: &mut Transaction<'_>, by: &By, change: &Forum) -> Result<Outcome, Failure> {
    match change {
        Forum::CreateTopic { category, title, content } => create_topic(tx, by, *category, title, content),
        Forum::Reply { topic, parent, content } => reply(tx, by, *topic, *parent, content),
        Forum::EditPost { post, base_version, content, comment } => {
            edit_post(tx, by, *post, *base_version, content, comment)
        }
        Forum::CreateCategory { name, description, position } => {
            create_category(tx, by, name, description, *position)
        }
        Forum::ChangeTopic { topic, title, locked, pinned, category, base } => {
            let changes = topics::Changes {
                title: title.as_ref(),
                locked: *locked,
                pinned: *pinned,
                category: *category,
                base: base.as_deref(),
            };
            topics::change(tx, by, *topic, &changes)
        }
        Forum::DeleteTopic { topic } => deletion::delete_topic(tx, by, *topic),
        Forum::RestoreTopic { topic } => deletion::restore_topic(tx, by, *topic),
        Forum::DeletePost { post } => deletion::delete_post(tx, by, *post),
        Forum::RestorePost { post } => deletion::restore_post(tx, by, *post),
        Forum::ReportPost { post, reason, note } => reports::report(tx, by, *post, *reason, note),
        Forum::HandleReports { post, verdict } => reports::handle(tx, by, *post, *verdict),
    }
}

fn create_category(
    tx: &mut Transaction<'_>,
    by: &By,
    name: &str,
    description: &str,
    position: i64,
) -> Result<Outcome, Failure> {
    may(tx.actor(by)?, Deed::Administer)?;
    let id = insert_category(tx, name, description, position)?;
    tx.audit(by, "category.create", &format!("category:{id}"), name)?;
    tx.touch([Tag::Categories]);
    Ok(Outcome::CategoryCreated { category: id })
}

pub(super) fn insert_category(
    tx: &Transaction<'_>,
    name: &str,
    description: &str,
    position: i64,
) -> rusqlite::Result<CategoryId> {
    tx.run(
        "INSERT INTO categories (name, slug, description, position, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![name, slug(name), description, position, tx.now.0],
    )?;
    Ok(CategoryId(tx.db.last_insert_rowid()))
}

fn create_topic(
    tx: &mut Transaction<'_>,
    by: &By,
    category: CategoryId,
    title: &TopicTitle,
    content: &Content,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let sql = "SELECT locked, read_groups, post_groups, moderate_groups FROM categories WHERE id = ?1";
    let (category_locked, access) = tx
        .row(sql, [category.0], |row| Ok((row.get(0)?, access(row, 1)?)))?
        .ok_or_else(|| no_such("category"))?;
    allowed(actor, Deed::CreateTopic { access, category_locked }, "category")?;
    let author = actor.user.ok_or(Denial::LoginRequired)?;
    let slug = slug(title.as_str());
    tx.run(
        "INSERT INTO topics (category_id, title, slug, author_id, created_at, last_post_at, last_author_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?4)",
        params![category.0, title.as_str(), slug, author.0, tx.now.0],
    )?;
    let topic = TopicId(tx.db.last_insert_rowid());
    tx.run("UPDATE categories SET topic_count = topic_count + 1 WHERE id = ?1", [category.0])?;
    let post = insert_post(
        tx,
        &NewPost {
            topic,
            category,
            parent: None,
            number: 1,
            author,
            created_at: tx.now,
            edited_at: None,
            like_count: 0,
            content,
            title: Some(title.as_str()),
        },
    )?;
    drafts::forget(tx, author, &Place::Topic(category))?;
    tx.touch(changed_by_post(topic, category, author));
    Ok(Outcome::TopicCreated { topic, slug, post })
}

fn reply(
    tx: &mut Transaction<'_>,
    by: &By,
    topic: TopicId,
    parent: Option<PostId>,
    content: &Content,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let (category, topic_locked, last, access): (i64, bool, u32, _) = tx
        .row(
            "SELECT t.category_id, t.locked, t.last_number, c.read_groups, c.post_groups, c.moderate_groups
             FROM topics t CROSS JOIN categories c ON c.id = t.category_id
             WHERE t.id = ?1 AND t.deleted_at IS NULL",
            [topic.0],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, access(row, 3)?)),
        )?
        .ok_or_else(|| no_such("topic"))?;
    allowed(actor, Deed::Reply { access, topic_locked }, "topic")?;
    let author = actor.user.ok_or(Denial::LoginRequired)?;
    let parent = match parent {
        None => None,
        Some(id) => {
            let path: Vec<u8> = tx
                .row(
                    "SELECT path FROM posts WHERE id = ?1 AND topic_id = ?2 AND deleted_at IS NULL",
                    [id.0, topic.0],
                    |row| row.get(0),
                )?
                .ok_or_else(|| no_such("post in this topic"))?;
            Some((id, stored_path(&path)?))
        }
    };
    let category = CategoryId(category);
    let number = last + 1;
    let new = NewPost {
        topic,
        category,
        parent,
        number,
        author,
        created_at: tx.now,
        edited_at: None,
        like_count: 0,
        content,
        title: None,
    };
    let post = insert_post(tx, &new)?;
    drafts::forget(tx, author, &Place::Reply(topic))?;
    tx.touch(changed_by_post(topic, category, author));
    Ok(Outcome::PostCreated { post, topic, number })
}

fn edit_post(
    tx: &mut Transaction<'_>,
    by: &By,
    post: PostId,
    base_version: u32,
    content: &Content,
    comment: &Comment,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = post_found(tx, post)?.filter(|found| !found.deleted).ok_or_else(|| no_such("post"))?;
    let FoundPost { topic, path, author, category, number, topic_locked, title, access, .. } = found;
    allowed(actor, Deed::EditPost { access, author: Some(author), topic_locked }, "post")?;
    let editor = actor.user.ok_or(Denial::LoginRequired)?;
    let current: u32 = tx
        .row("SELECT max(version) FROM post_revisions WHERE post_id = ?1", [post.0], |row| {
            row.get::<_, Option<u32>>(0)
        })?
        .flatten()
        .unwrap_or(0);
    if current != base_version {
        return Err(Refusal::Conflict { current: current.into() }.into());
    }
    let same = tx.row(
        "SELECT 1 FROM post_revisions WHERE post_id = ?1 AND version = ?2 AND format = ?3 AND source = ?4",
        params![post.0, current, content.format.name(), content.source.as_str()],
        |_| Ok(()),
    )?;
    if same.is_some() {
        drafts::forget(tx, editor, &Place::Post(post))?;
        return Ok(Outcome::PostEdited { version: current });
    }
    let version = current + 1;
    insert_version(tx, post, version, editor, tx.now, comment.as_str(), content)?;
    tx.run(
        "UPDATE posts SET html = ?3, edited_at = ?4 WHERE topic_id = ?1 AND path = ?2",
        params![topic.0, path, content.rendered.html, tx.now.0],
    )?;
    let title = (number == 1).then_some(title.as_str());
    tx.texts.push(Text::post(post.0, title, &content.rendered.text));
    if editor != author {
        tx.audit(by, "post.edit", &format!("post:{post}"), comment.as_str())?;
    }
    drafts::forget(tx, editor, &Place::Post(post))?;
    tx.touch([Tag::Topic(topic), Tag::User(author), Tag::Category(category)]);
    Ok(Outcome::PostEdited { version })
}

/// A post that is there, deleted or not, in a topic that is not.
pub(super) struct FoundPost {
    pub(super) topic: TopicId,
    pub(super) path: Vec<u8>,
    pub(super) author: UserId,
    pub(super) category: CategoryId,
    pub(super) number: u32,
    /// The post answered.
    pub(super) parent: Option<PostId>,
    pub(super) created_at: UnixMillis,
    pub(super) like_count: i64,
    pub(super) deleted: bool,
    pub(super) deleted_by: Option<UserId>,
    /// The topic's title.
    pub(super) title: String,
    pub(super) topic_locked: bool,
    /// When the newest post of the topic was written.
    pub(super) topic_last_at: UnixMillis,
    pub(super) access: Access,
}

pub(super) fn post_found(tx: &Transaction<'_>, post: PostId) -> rusqlite::Result<Option<FoundPost>> {
    tx.row(
        "SELECT p.topic_id, p.path, p.author_id, p.category_id, p.number, p.deleted_at IS NOT NULL,
                t.title, t.locked, c.read_groups, c.post_groups, c.moderate_groups, p.parent_id, p.created_at,
                p.like_count, p.deleted_by, t.last_post_at
         FROM posts p CROSS JOIN topics t ON t.id = p.topic_id CROSS JOIN categories c ON c.id = p.category_id
         WHERE p.id = ?1 AND t.deleted_at IS NULL",
        [post.0],
        |row| {
            Ok(FoundPost {
                topic: TopicId(row.get(0)?),
                path: row.get(1)?,
                author: UserId(row.get(2)?),
                category: CategoryId(row.get(3)?),
                number: row.get(4)?,
                deleted: row.get(5)?,
                title: row.get(6)?,
                topic_locked: row.get(7)?,
                access: access(row, 8)?,
                parent: row.get::<_, Option<i64>>(11)?.map(PostId),
                created_at: UnixMillis(row.get(12)?),
                like_count: row.get(13)?,
                deleted_by: row.get::<_, Option<i64>>(14)?.map(UserId),
                topic_last_at: UnixMillis(row.get(15)?),
            })
        },
    )
}

/// Stores a post, its first version and its search text, and keeps every count.
pub(super) fn insert_post(tx: &mut Transaction<'_>, new: &NewPost<'_>) -> Result<PostId, Failure> {
    let path = match &new.parent {
        None => ThreadPath::root(new.number),
        Some((_, path)) if path.depth() < MAX_DEPTH => path.child(new.number),
        Some((_, path)) => sibling(path, new.number),
    };
    let id: i64 = tx.row("SELECT coalesce(max(id), 0) + 1 FROM posts", [], |row| row.get(0))?.unwrap_or(1);
    let id = PostId(id);
    tx.run(
        "INSERT INTO posts (topic_id, path, id, number, parent_id, depth, author_id, category_id, created_at,
                            edited_at, like_count, html)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            new.topic.0,
            path.as_bytes(),
            id.0,
            new.number,
            new.parent.as_ref().map(|(id, _)| id.0),
            path.depth(),
            new.author.0,
            new.category.0,
            new.created_at.0,
            new.edited_at.map(|time| time.0),
            new.like_count,
            new.content.rendered.html,
        ],
    )?;
    insert_version(tx, id, 1, new.author, new.created_at, "", new.content)?;
    tx.texts.push(Text::new_post(id.0, new.title, &new.content.rendered.text));
    if let Some((parent, _)) = &new.parent {
        tx.run("UPDATE posts SET reply_count = reply_count + 1 WHERE id = ?1", [parent.0])?;
    }
    tx.run(
        "UPDATE topics SET post_count = post_count + 1, last_number = max(last_number, ?2),
                last_author_id = CASE WHEN ?3 >= last_post_at THEN ?4 ELSE last_author_id END,
                last_post_at = max(last_post_at, ?3), like_count = like_count + ?5
         WHERE id = ?1",
        params![new.topic.0, new.number, new.created_at.0, new.author.0, new.like_count],
    )?;
    tx.run("UPDATE categories SET post_count = post_count + 1 WHERE id = ?1", [new.category.0])?;
    tx.run("UPDATE users SET post_count = post_count + 1 WHERE id = ?1", [new.author.0])?;
    Ok(id)
}

/// The place beside `path`, below the same parent.
fn sibling(path: &ThreadPath, number: u32) -> ThreadPath {
    path.parent().map_or_else(|| ThreadPath::root(number), |parent| parent.child(number))
}

pub(super) fn insert_version(
    tx: &Transaction<'_>,
    post: PostId,
    version: u32,
    editor: UserId,
    at: UnixMillis,
    comment: &str,
    content: &Content,
) -> rusqlite::Result<()> {
    tx.run(
        "INSERT INTO post_revisions (post_id, version, editor_id, created_at, comment, format, source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![post.0, version, editor.0, at.0, comment, content.format.name(), content.source.as_str()],
    )?;
    Ok(())
}

pub(super) fn stored_path(bytes: &[u8]) -> Result<ThreadPath, Failure> {
    ThreadPath::from_bytes(bytes).ok_or_else(|| malformed("a stored thread path is damaged"))
}

/// What another post, or one less, is to be seen in. What is only new need not be found at once: see
/// [`Tag::Search`].
fn changed_by_post(topic: TopicId, category: CategoryId, author: UserId) -> [Tag; 4] {
    [Tag::Topic(topic), Tag::Latest, Tag::Category(category), Tag::User(author)]
}
