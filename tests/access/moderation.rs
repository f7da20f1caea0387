//! Who keeps order in the forum: deletes, restores, renames, locks, moves, reports, and handles reports.

use serde_json::{Value, json};

use super::table::{
    API_HIDDEN_DO, API_KEEPERS, API_KEEPERS_DO, AUTHORS, AUTHORS_ON, HIDDEN_ON, HIDDEN_PAGE, KEEPERS,
    KEEPERS_ON, MEMBERS, MODERATE, WRITE, form, json, own, own_at, read, with_scope,
};
use super::{Filled, Objects, Row, Who, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = posts();
    rows.extend(posts_by_programs());
    rows.extend(topics());
    rows.extend(topics_by_programs());
    rows.extend(reports());
    rows
}

fn button(path: String) -> Filled {
    (path, Vec::new())
}

fn posts() -> Vec<Row> {
    vec![
        own("/posts/{id}/delete", AUTHORS),
        own_at("/posts/{id}/delete", "in a locked topic", KEEPERS, |world, _| {
            format!("/posts/{}/delete", world.locked_topic().post)
        }),
        own_at("/posts/{id}/delete", "hidden", HIDDEN_PAGE, |world, _| {
            format!("/posts/{}/delete", world.hidden.post)
        }),
        form("/posts/{id}/delete", "the owner's", AUTHORS_ON, |world, _| {
            button(format!("/posts/{}/delete", world.topic().post))
        }),
        form("/posts/{id}/delete", "in a locked topic", KEEPERS_ON, |world, _| {
            button(format!("/posts/{}/delete", world.locked_topic().post))
        }),
        form("/posts/{id}/delete", "hidden", HIDDEN_ON, |world, _| {
            button(format!("/posts/{}/delete", world.hidden.deleted_post))
        }),
        own("/posts/{id}/restore", AUTHORS),
        own_at("/posts/{id}/restore", "deleted by a moderator", KEEPERS, |world, _| {
            format!("/posts/{}/restore", world.deleted_post(Who::Moderator))
        }),
        own_at("/posts/{id}/restore", "hidden", HIDDEN_PAGE, |world, _| {
            // It may have been restored meanwhile.
            let post = world.hidden.deleted_post;
            world.execute("UPDATE posts SET deleted_at = 1 WHERE id = ?1", post);
            format!("/posts/{post}/restore")
        }),
        form("/posts/{id}/restore", "deleted by its author", AUTHORS_ON, |world, _| {
            button(format!("/posts/{}/restore", world.deleted_post(Who::Owner)))
        }),
        form("/posts/{id}/restore", "deleted by a moderator", KEEPERS_ON, |world, _| {
            button(format!("/posts/{}/restore", world.deleted_post(Who::Moderator)))
        }),
        form("/posts/{id}/restore", "deleted by its author, then judged", KEEPERS_ON, |world, _| {
            let post = reported(world);
            world.does(Who::Owner, "DELETE", &format!("/api/posts/{post}"), &Value::Null);
            let path = format!("/api/moderation/posts/{post}");
            world.does(Who::Moderator, "POST", &path, &json!({"verdict": "deleted"}));
            button(format!("/posts/{post}/restore"))
        }),
        form("/posts/{id}/restore", "hidden", HIDDEN_ON, |world, _| {
            button(format!("/posts/{}/restore", world.hidden.deleted_post))
        }),
        own("/posts/{id}/report", MEMBERS),
        own_at("/posts/{id}/report", "hidden", HIDDEN_PAGE, |world, _| {
            format!("/posts/{}/report", world.hidden.post)
        }),
        own_at("/posts/{id}/report", "a deleted one", [303, 404, 404, 404, 404], |world, _| {
            format!("/posts/{}/report", world.objects.deleted_post)
        }),
        form("/posts/{id}/report", "", [401, 200, 200, 200, 200], |world, _| {
            (format!("/posts/{}/report", world.objects.post), vec![("reason", "spam".into())])
        }),
        form("/posts/{id}/report", "hidden", [401, 404, 404, 404, 200], |world, _| {
            (format!("/posts/{}/report", world.hidden.post), vec![("reason", "spam".into())])
        }),
    ]
}

fn posts_by_programs() -> Vec<Row> {
    const AUTHORS_DO: [u16; 5] = [401, 204, 403, 204, 204];
    vec![
        with_scope(WRITE | MODERATE, "DELETE", "/api/posts/{id}", "the owner's", AUTHORS_DO, |world, _| {
            (format!("/api/posts/{}", world.topic().post), Value::Null)
        }),
        with_scope(
            WRITE | MODERATE,
            "DELETE",
            "/api/posts/{id}",
            "in a locked topic",
            API_KEEPERS_DO,
            |world, _| (format!("/api/posts/{}", world.locked_topic().post), Value::Null),
        ),
        with_scope(WRITE | MODERATE, "DELETE", "/api/posts/{id}", "hidden", API_HIDDEN_DO, |world, _| {
            (format!("/api/posts/{}", world.hidden.deleted_post), Value::Null)
        }),
        with_scope(
            WRITE | MODERATE,
            "POST",
            "/api/posts/{id}/restore",
            "deleted by its author",
            AUTHORS_DO,
            |world, _| (format!("/api/posts/{}/restore", world.deleted_post(Who::Owner)), Value::Null),
        ),
        with_scope(
            WRITE | MODERATE,
            "POST",
            "/api/posts/{id}/restore",
            "deleted by a moderator",
            API_KEEPERS_DO,
            |world, _| (format!("/api/posts/{}/restore", world.deleted_post(Who::Moderator)), Value::Null),
        ),
        with_scope(
            WRITE | MODERATE,
            "POST",
            "/api/posts/{id}/restore",
            "hidden",
            API_HIDDEN_DO,
            |world, _| (format!("/api/posts/{}/restore", world.hidden.deleted_post), Value::Null),
        ),
    ]
}

fn change(topic: i64, field: &'static str, value: &str) -> Filled {
    (format!("/topics/{topic}/edit"), vec![(field, value.into())])
}

/// A new category that everybody reads; who writes and who keeps order in it.
fn category(world: &mut World, [post, moderate]: [i64; 2]) -> i64 {
    let name = format!("Category {}", world.fresh());
    let db = world.community.database();
    let sql = "INSERT INTO categories (name, slug, position, created_at, post_groups, moderate_groups) \
               VALUES (?1, 'another', 50, 1, ?2, ?3)";
    db.execute(sql, rusqlite::params![name, post, moderate]).unwrap();
    db.last_insert_rowid()
}

/// One in which only administrators write and keep order.
fn closed_category(world: &mut World) -> i64 {
    category(world, [8, 8])
}

/// A topic there that the owner opened before.
fn elsewhere(world: &mut World) -> Objects {
    let (topic, category) = (world.topic(), closed_category(world));
    let db = world.community.database();
    for sql in [
        "UPDATE topics SET category_id = ?2 WHERE id = ?1",
        "UPDATE posts SET category_id = ?2 WHERE topic_id = ?1",
    ] {
        db.execute(sql, [topic.topic, category]).unwrap();
    }
    topic
}

fn topics() -> Vec<Row> {
    vec![
        own("/topics/{id}/edit", AUTHORS),
        own_at("/topics/{id}/edit", "a locked one", KEEPERS, |world, _| {
            format!("/topics/{}/edit", world.locked_topic().topic)
        }),
        own_at("/topics/{id}/edit", "hidden", HIDDEN_PAGE, |world, _| {
            format!("/topics/{}/edit", world.hidden.topic)
        }),
        form("/topics/{id}/edit", "its title", AUTHORS_ON, |world, _| {
            change(world.topic().topic, "title", "Another title")
        }),
        form("/topics/{id}/edit", "the title of a locked one", KEEPERS_ON, |world, _| {
            change(world.locked_topic().topic, "title", "Another title")
        }),
        form("/topics/{id}/edit", "hidden", HIDDEN_ON, |world, _| {
            change(world.hidden.topic, "title", "Verborgenheit anew")
        }),
        form("/topics/{id}/edit", "lock it", KEEPERS_ON, |world, _| {
            change(world.topic().topic, "locked", "1")
        }),
        form("/topics/{id}/edit", "unlock it", KEEPERS_ON, |world, _| {
            change(world.locked_topic().topic, "locked", "0")
        }),
        form("/topics/{id}/edit", "pin it", KEEPERS_ON, |world, _| {
            change(world.topic().topic, "pinned", "1")
        }),
        form("/topics/{id}/edit", "pin it where others keep order", [401, 403, 403, 403, 303], |world, _| {
            change(elsewhere(world).topic, "pinned", "1")
        }),
        form("/topics/{id}/edit", "move it", KEEPERS_ON, |world, _| {
            let (topic, to) = (world.topic().topic, category(world, [10, 12]));
            change(topic, "category", &to.to_string())
        }),
        form("/topics/{id}/edit", "move it out of sight", HIDDEN_MOVE, |world, _| {
            change(world.topic().topic, "category", &world.hidden.category.to_string())
        }),
        form("/topics/{id}/edit", "move it where others write", [401, 403, 403, 403, 303], |world, _| {
            let (topic, to) = (world.topic().topic, closed_category(world));
            change(topic, "category", &to.to_string())
        }),
        own("/topics/{id}/delete", KEEPERS),
        own_at("/topics/{id}/delete", "hidden", HIDDEN_PAGE, |world, _| {
            format!("/topics/{}/delete", world.hidden.topic)
        }),
        own_at("/topics/{id}/delete", "where others keep order", [303, 403, 403, 403, 200], |world, _| {
            format!("/topics/{}/delete", elsewhere(world).topic)
        }),
        form("/topics/{id}/delete", "", KEEPERS_ON, |world, _| {
            button(format!("/topics/{}/delete", world.topic().topic))
        }),
        form("/topics/{id}/delete", "where others keep order", [401, 403, 403, 403, 303], |world, _| {
            button(format!("/topics/{}/delete", elsewhere(world).topic))
        }),
        form("/topics/{id}/restore", "", KEEPERS_ON, |world, _| {
            button(format!("/topics/{}/restore", world.deleted_topic().topic))
        }),
        form("/topics/{id}/restore", "hidden", HIDDEN_ON, |world, _| {
            button(format!("/topics/{}/restore", world.hidden.topic))
        }),
    ]
}

/// Those who keep order move a topic to where they may write; a category that they do not see is not there. Others are
/// refused before anything is said of where to.
const HIDDEN_MOVE: [u16; 5] = [401, 403, 403, 404, 303];

fn topics_by_programs() -> Vec<Row> {
    vec![
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/topics/{id}",
            "its title",
            [401, 200, 403, 200, 200],
            |world, _| (format!("/api/topics/{}", world.topic().topic), json!({"title": "Another title"})),
        ),
        json(
            "PATCH",
            "/api/topics/{id}",
            "the title of one's own",
            [401, 200, 200, 200, 200],
            |world, who| {
                let who = if who == Who::Guest { Who::Owner } else { who };
                let path = format!("/api/forums/{}/topics", world.objects.category);
                let made = world.does(who, "POST", &path, &json!({"title": "One's own", "body": "words"}));
                (format!("/api/topics/{}", made["topic"]["id"]), json!({"title": "Another title"}))
            },
        ),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/topics/{id}",
            "lock and pin it",
            API_KEEPERS,
            |world, _| {
                (format!("/api/topics/{}", world.topic().topic), json!({"locked": true, "pinned": true}))
            },
        ),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/topics/{id}",
            "move it out of sight",
            [401, 403, 403, 404, 200],
            |world, _| {
                let body = json!({"category": world.hidden.category});
                (format!("/api/topics/{}", world.topic().topic), body)
            },
        ),
        with_scope(
            WRITE | MODERATE,
            "PATCH",
            "/api/topics/{id}",
            "hidden",
            [401, 404, 404, 404, 200],
            |world, _| (format!("/api/topics/{}", world.hidden.topic), json!({"pinned": true})),
        ),
        with_scope(MODERATE, "DELETE", "/api/topics/{id}", "", API_KEEPERS_DO, |world, _| {
            (format!("/api/topics/{}", world.topic().topic), Value::Null)
        }),
        with_scope(
            MODERATE,
            "DELETE",
            "/api/topics/{id}",
            "where others keep order",
            [401, 403, 403, 403, 204],
            |world, _| (format!("/api/topics/{}", elsewhere(world).topic), Value::Null),
        ),
        with_scope(MODERATE, "POST", "/api/topics/{id}/restore", "", API_KEEPERS_DO, |world, _| {
            (format!("/api/topics/{}/restore", world.deleted_topic().topic), Value::Null)
        }),
        with_scope(MODERATE, "POST", "/api/topics/{id}/restore", "hidden", API_HIDDEN_DO, |world, _| {
            (format!("/api/topics/{}/restore", world.hidden.topic), Value::Null)
        }),
    ]
}

/// A post of the owner's that somebody reported.
fn reported(world: &mut World) -> i64 {
    let post = world.topic().post;
    let report = json!({"reason": "spam", "note": "look at this"});
    world.does(Who::Other, "POST", &format!("/api/posts/{post}/reports"), &report);
    post
}

/// The hidden post, reported by an administrator, as nobody else sees it.
fn reported_hidden(world: &mut World) -> i64 {
    let post = world.hidden.post;
    world.does(
        Who::Administrator,
        "POST",
        &format!("/api/posts/{post}/reports"),
        &json!({"reason": "abuse"}),
    );
    post
}

fn reports() -> Vec<Row> {
    vec![
        own("/moderation", KEEPERS),
        own("/moderation/handled", KEEPERS),
        own("/moderation/deleted", KEEPERS),
        form("/moderation/posts/{id}", "dismiss", KEEPERS_ON, |world, _| {
            (format!("/moderation/posts/{}", reported(world)), vec![("verdict", "dismissed".into())])
        }),
        form("/moderation/posts/{id}", "delete", KEEPERS_ON, |world, _| {
            (format!("/moderation/posts/{}", reported(world)), vec![("verdict", "deleted".into())])
        }),
        form("/moderation/posts/{id}", "hidden", HIDDEN_ON, |world, _| {
            (format!("/moderation/posts/{}", reported_hidden(world)), vec![("verdict", "dismissed".into())])
        }),
        read("/api/moderation/reports", API_KEEPERS),
        with_scope(MODERATE, "POST", "/api/moderation/posts/{id}", "", API_KEEPERS_DO, |world, _| {
            (format!("/api/moderation/posts/{}", reported(world)), json!({"verdict": "deleted"}))
        }),
        with_scope(MODERATE, "POST", "/api/moderation/posts/{id}", "hidden", API_HIDDEN_DO, |world, _| {
            (format!("/api/moderation/posts/{}", reported_hidden(world)), json!({"verdict": "dismissed"}))
        }),
        json("POST", "/api/posts/{id}/reports", "", [401, 204, 204, 204, 204], |world, _| {
            (format!("/api/posts/{}/reports", world.objects.post), json!({"reason": "off-topic"}))
        }),
        json("POST", "/api/posts/{id}/reports", "hidden", API_HIDDEN_DO, |world, _| {
            (format!("/api/posts/{}/reports", world.hidden.post), json!({"reason": "off-topic"}))
        }),
    ]
}
