//! Who writes in the forum: topics, replies, edits, drafts.

use serde_json::json;

use super::table::{
    API_MEMBERS_MAKE, AUTHORS, AUTHORS_ON, HIDDEN_ON, HIDDEN_PAGE, KEEPERS, KEEPERS_ON, MEMBERS, MEMBERS_ON,
    MODERATE, WRITE, form, json, own, own_at, with_scope,
};
use super::{Filled, Row, Who, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = topics();
    rows.extend(replies());
    rows.extend(edits());
    rows.extend(drafts());
    rows
}

/// A new category like the open one, but for what a statement changes of it.
fn category(world: &mut World, change: &str) -> i64 {
    let name = format!("Category {}", world.fresh());
    let db = world.community.database();
    let sql = "INSERT INTO categories (name, slug, position, created_at) VALUES (?1, 'fresh', 50, 1)";
    db.execute(sql, [&name]).unwrap();
    let category = db.last_insert_rowid();
    assert_eq!(db.execute(change, [category]).unwrap(), 1);
    category
}

const LOCKED: &str = "UPDATE categories SET locked = 1 WHERE id = ?1";
/// Everybody reads, moderators write.
const ANNOUNCED: &str = "UPDATE categories SET post_groups = 12 WHERE id = ?1";

fn topic_in(category: i64) -> Filled {
    (format!("/new-topic/{category}"), vec![("title", "A new one".into()), ("body", "words".into())])
}

fn topics() -> Vec<Row> {
    let hidden = "in a hidden category";
    vec![
        own("/new-topic", MEMBERS),
        own("/new-topic/{category}", MEMBERS),
        own_at("/new-topic/{category}", hidden, HIDDEN_PAGE, |world, _| {
            format!("/new-topic/{}", world.hidden.category)
        }),
        own_at("/new-topic/{category}", "in a locked one", KEEPERS, |world, _| {
            format!("/new-topic/{}", category(world, LOCKED))
        }),
        own_at("/new-topic/{category}", "where others write", KEEPERS, |world, _| {
            format!("/new-topic/{}", category(world, ANNOUNCED))
        }),
        form("/new-topic/{category}", "", MEMBERS_ON, |world, _| topic_in(world.objects.category)),
        form("/new-topic/{category}", "as a draft", MEMBERS_ON, |world, _| {
            let (path, mut fields) = topic_in(world.objects.category);
            fields.push(("draft", "1".into()));
            (path, fields)
        }),
        form("/new-topic/{category}", hidden, HIDDEN_ON, |world, _| topic_in(world.hidden.category)),
        form("/new-topic/{category}", "a draft in a hidden category", HIDDEN_ON, |world, _| {
            let (path, mut fields) = topic_in(world.hidden.category);
            fields.push(("draft", "1".into()));
            (path, fields)
        }),
        form("/new-topic/{category}", "in a locked one", KEEPERS_ON, |world, _| {
            topic_in(category(world, LOCKED))
        }),
        form("/new-topic/{category}", "where others write", KEEPERS_ON, |world, _| {
            topic_in(category(world, ANNOUNCED))
        }),
        json("POST", "/api/forums/{id}/topics", "", API_MEMBERS_MAKE, |world, _| {
            let path = format!("/api/forums/{}/topics", world.objects.category);
            (path, json!({"title": format!("Topic {}", world.fresh()), "body": "words"}))
        }),
        json("POST", "/api/forums/{id}/topics", hidden, [401, 404, 404, 404, 201], |world, _| {
            let path = format!("/api/forums/{}/topics", world.hidden.category);
            (path, json!({"title": format!("Topic {}", world.fresh()), "body": "words"}))
        }),
        json("POST", "/api/forums/{id}/topics", "in a locked one", [401, 403, 403, 201, 201], |world, _| {
            let path = format!("/api/forums/{}/topics", category(world, LOCKED));
            (path, json!({"title": "Topic", "body": "words"}))
        }),
        json(
            "POST",
            "/api/forums/{id}/topics",
            "where others write",
            [401, 403, 403, 201, 201],
            |world, _| {
                let path = format!("/api/forums/{}/topics", category(world, ANNOUNCED));
                (path, json!({"title": "Topic", "body": "words"}))
            },
        ),
    ]
}

fn reply_in(topic: i64) -> Filled {
    (format!("/reply/{topic}"), vec![("body", "words".into())])
}

fn replies() -> Vec<Row> {
    vec![
        own("/reply/{topic}", MEMBERS),
        own_at("/reply/{topic}", "in a hidden topic", HIDDEN_PAGE, |world, _| {
            format!("/reply/{}", world.hidden.topic)
        }),
        own_at("/reply/{topic}", "in a locked topic", KEEPERS, |world, _| {
            format!("/reply/{}", world.locked_topic().topic)
        }),
        own_at("/reply/{topic}", "in a deleted topic", [303, 404, 404, 404, 404], |world, _| {
            format!("/reply/{}", world.deleted_topic().topic)
        }),
        form("/reply/{topic}", "", MEMBERS_ON, |world, _| reply_in(world.objects.topic)),
        form("/reply/{topic}", "in a hidden topic", HIDDEN_ON, |world, _| reply_in(world.hidden.topic)),
        form("/reply/{topic}", "in a locked topic", KEEPERS_ON, |world, _| {
            reply_in(world.locked_topic().topic)
        }),
        form("/reply/{topic}", "in a deleted topic", [401, 404, 404, 404, 404], |world, _| {
            reply_in(world.deleted_topic().topic)
        }),
        form("/reply/{topic}", "to a deleted post", [401, 404, 404, 404, 404], |world, _| {
            let sql = "SELECT topic_id FROM posts WHERE id = ?1";
            let topic = world.number(sql, world.objects.deleted_post);
            let sql = "SELECT number FROM posts WHERE id = ?1";
            let number = world.number(sql, world.objects.deleted_post);
            (format!("/reply/{topic}"), vec![("body", "words".into()), ("to", number.to_string())])
        }),
        json("POST", "/api/topics/{id}/posts", "", API_MEMBERS_MAKE, |world, _| {
            let number = world.fresh();
            (format!("/api/topics/{}/posts", world.objects.topic), json!({"body": format!("words {number}")}))
        }),
        json("POST", "/api/topics/{id}/posts", "in a hidden topic", [401, 404, 404, 404, 201], |world, _| {
            let number = world.fresh();
            (format!("/api/topics/{}/posts", world.hidden.topic), json!({"body": format!("words {number}")}))
        }),
        json("POST", "/api/topics/{id}/posts", "in a locked topic", [401, 403, 403, 201, 201], |world, _| {
            (format!("/api/topics/{}/posts", world.locked_topic().topic), json!({"body": "words"}))
        }),
        json(
            "POST",
            "/api/topics/{id}/posts",
            "in a deleted topic",
            [401, 404, 404, 404, 404],
            |world, _| {
                (format!("/api/topics/{}/posts", world.deleted_topic().topic), json!({"body": "words"}))
            },
        ),
        json(
            "POST",
            "/api/topics/{id}/posts",
            "to a post of a hidden topic",
            [401, 404, 404, 404, 404],
            |world, _| {
                let path = format!("/api/topics/{}/posts", world.objects.topic);
                (path, json!({"body": "words", "parent": world.hidden.post}))
            },
        ),
    ]
}

fn edit_of(world: &mut World, post: i64) -> Filled {
    let (base, body) = (version(world, post), format!("words {}", world.fresh()));
    (format!("/posts/{post}/edit"), vec![("body", body), ("base", base.to_string())])
}

fn edits() -> Vec<Row> {
    let hidden = "the owner's, hidden";
    vec![
        own("/posts/{id}/edit", AUTHORS),
        own_at("/posts/{id}/edit", hidden, HIDDEN_PAGE, |world, _| {
            format!("/posts/{}/edit", world.hidden.post)
        }),
        own_at("/posts/{id}/edit", "in a locked topic", KEEPERS, |world, _| {
            format!("/posts/{}/edit", world.locked_topic().post)
        }),
        own_at("/posts/{id}/edit", "a deleted one", [303, 404, 404, 404, 404], |world, _| {
            format!("/posts/{}/edit", world.objects.deleted_post)
        }),
        form("/posts/{id}/edit", "the owner's", AUTHORS_ON, |world, _| {
            let post = world.topic().post;
            edit_of(world, post)
        }),
        form("/posts/{id}/edit", "the owner's, as a draft", AUTHORS_ON, |world, _| {
            let (path, mut fields) = edit_of(world, world.objects.post);
            fields.push(("draft", "1".into()));
            (path, fields)
        }),
        form("/posts/{id}/edit", hidden, HIDDEN_ON, |world, _| edit_of(world, world.hidden.post)),
        form("/posts/{id}/edit", "in a locked topic", KEEPERS_ON, |world, _| {
            let post = world.locked_topic().post;
            edit_of(world, post)
        }),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/posts/{id}",
            "the owner's",
            [401, 200, 403, 200, 200],
            |world, _| {
                let post = world.topic().post;
                (format!("/api/posts/{post}"), json!({"body": "other words", "base_version": 1}))
            },
        ),
        json("PATCH", "/api/posts/{id}", "one's own", [401, 200, 200, 200, 200], |world, who| {
            let who = if who == Who::Guest { Who::Owner } else { who };
            let path = format!("/api/topics/{}/posts", world.objects.topic);
            let post = world.does(who, "POST", &path, &json!({"body": "words of one's own"}));
            (format!("/api/posts/{}", post["post"]["id"]), json!({"body": "other words", "base_version": 1}))
        }),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/posts/{id}",
            hidden,
            [401, 404, 404, 404, 200],
            |world, _| {
                let post = world.hidden.post;
                let (base, number) = (version(world, post), world.fresh());
                (
                    format!("/api/posts/{post}"),
                    json!({"body": format!("words {number}"), "base_version": base}),
                )
            },
        ),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/posts/{id}",
            "in a locked topic",
            [401, 403, 403, 200, 200],
            |world, _| {
                let post = world.locked_topic().post;
                (format!("/api/posts/{post}"), json!({"body": "other words", "base_version": 1}))
            },
        ),
    ]
}

fn drafts() -> Vec<Row> {
    vec![
        own("/drafts", MEMBERS),
        form("/drafts/forget", "", MEMBERS_ON, |world, _| {
            ("/drafts/forget".into(), vec![("place", format!("topic:{}", world.objects.category))])
        }),
    ]
}

fn version(world: &World, post: i64) -> i64 {
    world.number("SELECT coalesce(max(version), 1) FROM post_revisions WHERE post_id = ?1", post)
}
