//! Who may do what at the forum's addresses.

use serde_json::json;

use super::table::{ALL, MEMBERS, MEMBERS_ON, MOVED, form, json, own, read};
use super::{Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        read("/", ALL),
        read("/latest", ALL),
        read("/c/{slug}/{id}", ALL),
        read("/t/{slug}/{id}", ALL),
        read("/t/{slug}/{id}/{number}", ALL),
        own("/drafts", MEMBERS),
        form("/drafts/forget", "", MEMBERS_ON, |world, _| {
            ("/drafts/forget".into(), vec![("place", format!("topic:{}", world.objects.category))])
        }),
        read("/t/{id}", MOVED),
        read("/c/{parent}/{slug}/{id}", MOVED),
        read("/p/{id}", MOVED),
        read("/api/forums", ALL),
        read("/api/forums/topics", ALL),
        read("/api/forums/{id}/topics", ALL),
        json("POST", "/api/forums/{id}/topics", "", [401, 201, 201, 201, 201], |world, _| {
            let path = format!("/api/forums/{}/topics", world.objects.category);
            (path, json!({"title": format!("Topic {}", world.fresh()), "body": "words"}))
        }),
        json(
            "POST",
            "/api/forums/{id}/topics",
            "in a hidden category",
            [401, 404, 404, 404, 201],
            |world, _| {
                let path = format!("/api/forums/{}/topics", world.hidden.category);
                (path, json!({"title": format!("Topic {}", world.fresh()), "body": "words"}))
            },
        ),
        read("/api/forums/{id}/posts", ALL),
        read("/api/topics/{id}", ALL),
        read("/api/topics/{id}/posts", ALL),
        json("POST", "/api/topics/{id}/posts", "", [401, 201, 201, 201, 201], |world, _| {
            let number = world.fresh();
            (format!("/api/topics/{}/posts", world.objects.topic), json!({"body": format!("words {number}")}))
        }),
        json("POST", "/api/topics/{id}/posts", "in a hidden topic", [401, 404, 404, 404, 201], |world, _| {
            let number = world.fresh();
            (format!("/api/topics/{}/posts", world.hidden.topic), json!({"body": format!("words {number}")}))
        }),
        json("POST", "/api/topics/{id}/posts", "in a locked topic", [401, 403, 403, 201, 201], |world, _| {
            let topic = world.topic().topic;
            world.execute("UPDATE topics SET locked = 1 WHERE id = ?1", topic);
            (format!("/api/topics/{topic}/posts"), json!({"body": "words"}))
        }),
        read("/api/posts/{id}", ALL),
        json("PATCH", "/api/posts/{id}", "the owner's", [401, 200, 403, 200, 200], |world, _| {
            let post = world.topic().post;
            (format!("/api/posts/{post}"), json!({"body": "other words", "base_version": 1}))
        }),
        json("PATCH", "/api/posts/{id}", "the owner's, hidden", [401, 404, 404, 404, 200], |world, _| {
            let post = world.hidden.post;
            let version = version(world, post);
            let number = world.fresh();
            (
                format!("/api/posts/{post}"),
                json!({"body": format!("words {number}"), "base_version": version}),
            )
        }),
    ]
}

fn version(world: &World, post: i64) -> i64 {
    let sql = "SELECT coalesce(max(version), 1) FROM post_revisions WHERE post_id = ?1";
    world.community.database().query_row(sql, [post], |row| row.get(0)).unwrap()
}
