//! Who writes the wiki, and who keeps order in it.

use serde_json::{Value, json};

use super::table::{
    API_KEEPERS, API_MEMBERS, API_MEMBERS_MAKE, KEEPERS, KEEPERS_ON, MEMBERS, MEMBERS_ON, MODERATE, form,
    json, own, own_at, with_scope,
};
use super::{Filled, Objects, Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = edits();
    rows.extend(moves());
    rows.extend(reverts());
    rows.extend(order());
    rows.extend(by_programs());
    rows.extend(order_by_programs());
    rows
}

/// What those are answered with whose text is shown back beside why it was not taken.
const SHOWN_BACK: [u16; 5] = [401, 422, 422, 303, 303];

fn protected(world: &mut World) -> Objects {
    let objects = world.topic();
    world.execute("UPDATE pages SET protected = 1 WHERE id = ?1", objects.page);
    objects
}

fn edit_of(page: &Objects) -> Filled {
    let fields = vec![("body", "other words".into()), ("base", page.revisions.1.to_string())];
    (page.address("/wiki-edit/{*title}"), fields)
}

fn edits() -> Vec<Row> {
    vec![
        own("/wiki-edit/{*title}", MEMBERS),
        own_at("/wiki-edit/{*title}", "a protected one", KEEPERS, |world, _| {
            protected(world).address("/wiki-edit/{*title}")
        }),
        form("/wiki-edit/{*title}", "a new one", MEMBERS_ON, |world, _| {
            (format!("/wiki-edit/New_{}", world.fresh()), vec![("body", "words".into())])
        }),
        form("/wiki-edit/{*title}", "another's", MEMBERS_ON, |world, _| edit_of(&world.topic())),
        form("/wiki-edit/{*title}", "as a draft", MEMBERS_ON, |world, _| {
            let (path, mut fields) = edit_of(&world.objects);
            fields.push(("draft", "1".into()));
            (path, fields)
        }),
        form("/wiki-edit/{*title}", "a protected one", SHOWN_BACK, |world, _| edit_of(&protected(world))),
    ]
}

fn move_of(world: &mut World, page: &Objects) -> Filled {
    let fields = vec![
        ("title", format!("Moved {}", world.fresh())),
        ("redirect", "1".into()),
        ("base", page.revisions.1.to_string()),
    ];
    (page.address("/wiki-move/{*title}"), fields)
}

fn moves() -> Vec<Row> {
    vec![
        own("/wiki-move/{*title}", MEMBERS),
        own_at("/wiki-move/{*title}", "a protected one", KEEPERS, |world, _| {
            protected(world).address("/wiki-move/{*title}")
        }),
        form("/wiki-move/{*title}", "another's", MEMBERS_ON, |world, _| {
            let page = world.topic();
            move_of(world, &page)
        }),
        form("/wiki-move/{*title}", "a protected one", SHOWN_BACK, |world, _| {
            let page = protected(world);
            move_of(world, &page)
        }),
    ]
}

fn revert_of(page: &Objects) -> Filled {
    (page.address("/wiki-revert/{id}"), vec![("base", page.revisions.1.to_string())])
}

fn reverts() -> Vec<Row> {
    vec![
        own("/wiki-revert/{id}", MEMBERS),
        own_at("/wiki-revert/{id}", "a protected one", KEEPERS, |world, _| {
            protected(world).address("/wiki-revert/{id}")
        }),
        own_at("/wiki-revert/{id}", "a deleted one", [303, 404, 404, 404, 404], |world, _| {
            world.deleted_page().address("/wiki-revert/{id}")
        }),
        form("/wiki-revert/{id}", "another's", MEMBERS_ON, |world, _| revert_of(&world.topic())),
        form("/wiki-revert/{id}", "a protected one", KEEPERS_ON, |world, _| revert_of(&protected(world))),
        form("/wiki-revert/{id}", "a deleted one", [401, 404, 404, 404, 404], |world, _| {
            revert_of(&world.deleted_page())
        }),
    ]
}

fn order() -> Vec<Row> {
    vec![
        own("/wiki-delete/{*title}", KEEPERS),
        form("/wiki-delete/{*title}", "", KEEPERS_ON, |world, _| {
            (world.topic().address("/wiki-delete/{*title}"), Vec::new())
        }),
        own("/wiki-protect/{*title}", KEEPERS),
        form("/wiki-protect/{*title}", "protect it", KEEPERS_ON, |world, _| {
            (world.topic().address("/wiki-protect/{*title}"), vec![("value", "on".into())])
        }),
        form("/wiki-protect/{*title}", "open it", KEEPERS_ON, |world, _| {
            (protected(world).address("/wiki-protect/{*title}"), vec![("value", "off".into())])
        }),
        form("/wiki-deleted/{id}", "", KEEPERS_ON, |world, _| {
            (format!("/wiki-deleted/{}", world.deleted_page().page), Vec::new())
        }),
    ]
}

fn save(page: &Objects) -> (String, Value) {
    let body = json!({"title": page.page_title, "body": "words", "base_revision": page.revisions.1});
    ("/api/wiki/pages".into(), body)
}

fn by_programs() -> Vec<Row> {
    fn move_to(world: &mut World, page: &Objects) -> (String, Value) {
        let body = json!({"title": format!("Moved by a program {}", world.fresh())});
        (format!("/api/wiki/pages/{}/move", page.page), body)
    }
    fn back(page: &Objects) -> (String, Value) {
        (format!("/api/wiki/pages/{}/revert", page.page), json!({"revision": page.revisions.0}))
    }
    vec![
        json("PUT", "/api/wiki/pages", "a new one", API_MEMBERS_MAKE, |world, _| {
            let number = world.fresh();
            ("/api/wiki/pages".into(), json!({"title": format!("Page number {number}"), "body": "words"}))
        }),
        json("PUT", "/api/wiki/pages", "another's", API_MEMBERS, |world, _| save(&world.topic())),
        json("PUT", "/api/wiki/pages", "a protected one", API_KEEPERS, |world, _| save(&protected(world))),
        json("POST", "/api/wiki/pages/{id}/move", "another's", API_MEMBERS, |world, _| {
            let page = world.topic();
            move_to(world, &page)
        }),
        json("POST", "/api/wiki/pages/{id}/move", "a protected one", API_KEEPERS, |world, _| {
            let page = protected(world);
            move_to(world, &page)
        }),
        json("POST", "/api/wiki/pages/{id}/revert", "another's", API_MEMBERS, |world, _| {
            back(&world.topic())
        }),
        json("POST", "/api/wiki/pages/{id}/revert", "a protected one", API_KEEPERS, |world, _| {
            back(&protected(world))
        }),
    ]
}

fn order_by_programs() -> Vec<Row> {
    vec![
        with_scope(MODERATE, "DELETE", "/api/wiki/pages/{id}", "", API_KEEPERS, |world, _| {
            (format!("/api/wiki/pages/{}", world.topic().page), Value::Null)
        }),
        with_scope(MODERATE, "POST", "/api/wiki/pages/{id}/restore", "", API_KEEPERS, |world, _| {
            (format!("/api/wiki/pages/{}/restore", world.deleted_page().page), json!({"comment": "back"}))
        }),
        with_scope(MODERATE, "PUT", "/api/wiki/pages/{id}/protection", "", API_KEEPERS, |world, _| {
            (format!("/api/wiki/pages/{}/protection", world.topic().page), json!({"protected": true}))
        }),
    ]
}
