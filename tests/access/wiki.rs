//! Who may do what at the wiki's addresses.

use serde_json::json;

use super::Row;
use super::table::{ALL, json, read};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        read("/wiki", ALL),
        read("/wiki/{*title}", ALL),
        read("/wiki-revision/{id}", ALL),
        read("/wiki-diff/{old}/{new}", ALL),
        read("/wiki-all", ALL),
        read("/recent", ALL),
        read("/api/wiki/pages", ALL),
        json("PUT", "/api/wiki/pages", "a new one", [401, 201, 201, 201, 201], |world, _| {
            let number = world.fresh();
            ("/api/wiki/pages".into(), json!({"title": format!("Page number {number}"), "body": "words"}))
        }),
        json("PUT", "/api/wiki/pages", "a protected one", [401, 403, 403, 200, 200], |world, _| {
            let page = world.topic();
            world.execute("UPDATE pages SET protected = 1 WHERE id = ?1", page.page);
            let body = json!({"title": page.page_title, "body": "words", "base_revision": page.revisions.1});
            ("/api/wiki/pages".into(), body)
        }),
        read("/api/wiki/pages/{id}", ALL),
        read("/api/wiki/pages/{id}/history", ALL),
        read("/api/wiki/revisions/{id}", ALL),
        read("/api/wiki/changes", ALL),
    ]
}
