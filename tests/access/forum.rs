//! Who reads what of the forum: open, hidden, deleted.

use super::table::{ALL, GONE, HIDDEN_READ, KEEPERS_SEE, MOVED, read, read_at};
use super::{Row, Who, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        read("/", ALL),
        read("/latest", ALL),
        read("/c/{slug}/{id}", ALL),
        read("/t/{slug}/{id}", ALL),
        read("/t/{slug}/{id}/{number}", ALL),
        read("/posts/{id}/history", ALL),
        read("/posts/{id}/versions/{version}", ALL),
        read("/posts/{id}/diff", ALL),
        read("/t/{id}", MOVED),
        read("/c/{parent}/{slug}/{id}", MOVED),
        read("/p/{id}", MOVED),
        read("/categories", MOVED),
        read("/api/forums", ALL),
        read("/api/forums/topics", ALL),
        read("/api/forums/{id}/topics", ALL),
        read("/api/forums/{id}/posts", ALL),
        read("/api/topics/{id}", ALL),
        read("/api/topics/{id}/posts", ALL),
        read("/api/posts/{id}", ALL),
        read("/api/posts/{id}/history", ALL),
        read("/api/posts/{id}/versions/{version}", ALL),
    ];
    rows.extend(hidden());
    rows.extend(deleted_posts());
    rows.extend(deleted_topics());
    rows
}

/// What is in a category that only administrators see.
fn hidden() -> Vec<Row> {
    macro_rules! hidden {
        ($($pattern:literal),*) => {
            vec![$(read_at($pattern, "in a hidden category", HIDDEN_READ, |world, _| {
                world.hidden.asked($pattern)
            })),*]
        };
    }
    let mut rows = hidden![
        "/c/{slug}/{id}",
        "/t/{slug}/{id}",
        "/t/{slug}/{id}/{number}",
        "/posts/{id}/history",
        "/posts/{id}/versions/{version}",
        "/posts/{id}/diff",
        "/api/forums/{id}/topics",
        "/api/forums/{id}/posts",
        "/api/topics/{id}",
        "/api/topics/{id}/posts",
        "/api/posts/{id}",
        "/api/posts/{id}/history",
        "/api/posts/{id}/versions/{version}"
    ];
    let by_id = [404, 404, 404, 404, 301];
    rows.extend([
        read_at("/t/{id}", "in a hidden category", by_id, |world, _| world.hidden.asked("/t/{id}")),
        read_at("/p/{id}", "in a hidden category", by_id, |world, _| world.hidden.asked("/p/{id}")),
    ]);
    rows
}

/// A post that its author deleted: its place is there, what it said is for those who keep order.
fn deleted_posts() -> Vec<Row> {
    fn post(world: &mut World) -> i64 {
        world.objects.deleted_post
    }
    vec![
        read_at("/api/posts/{id}", "a deleted one", ALL, |world, _| format!("/api/posts/{}", post(world))),
        read_at("/posts/{id}/history", "of a deleted one", KEEPERS_SEE, |world, _| {
            format!("/posts/{}/history", post(world))
        }),
        read_at("/posts/{id}/versions/{version}", "of a deleted one", KEEPERS_SEE, |world, _| {
            format!("/posts/{}/versions/1", post(world))
        }),
        read_at("/posts/{id}/diff", "of a deleted one", KEEPERS_SEE, |world, _| {
            format!("/posts/{}/diff?old=1&new=1", post(world))
        }),
        read_at("/api/posts/{id}/history", "of a deleted one", KEEPERS_SEE, |world, _| {
            format!("/api/posts/{}/history", post(world))
        }),
        read_at("/api/posts/{id}/versions/{version}", "of a deleted one", KEEPERS_SEE, |world, _| {
            format!("/api/posts/{}/versions/1", post(world))
        }),
    ]
}

/// A topic that was deleted is gone with all its posts, but for those who keep order.
fn deleted_topics() -> Vec<Row> {
    fn at(pattern: &'static str) -> impl Fn(&mut World) -> String {
        move |world| world.deleted_topic().asked(pattern)
    }
    macro_rules! deleted {
        ($($pattern:literal),*) => {
            vec![$(read_at($pattern, "in a deleted topic", KEEPERS_SEE, |world, _: Who| at($pattern)(world))),*]
        };
    }
    let mut rows = deleted![
        "/t/{slug}/{id}",
        "/t/{slug}/{id}/{number}",
        "/posts/{id}/history",
        "/posts/{id}/versions/{version}",
        "/api/topics/{id}",
        "/api/topics/{id}/posts",
        "/api/posts/{id}",
        "/api/posts/{id}/history",
        "/api/posts/{id}/versions/{version}"
    ];
    rows.push(read_at("/c/{slug}/{id}", "none there is", GONE, |_, _| "/c/none/987654".into()));
    rows
}
