//! Who administers: accounts of others, groups, categories, invitations, the audit log.

use rusqlite::params;
use serde_json::{Value, json};

use super::people::name;
use super::table::{
    ADMINISTER, ADMINS, ADMINS_ON, API_ADMINS, KEEPERS, KEEPERS_ON, form, own, own_at, read_with, with_scope,
};
use super::{Filled, Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        own("/admin", ADMINS),
        own("/admin/approvals", ADMINS),
        own("/admin/users", ADMINS),
        own("/admin/users/{id}", ADMINS),
        own("/admin/groups", ADMINS),
        own("/admin/groups/{id}", ADMINS),
        own("/admin/categories", ADMINS),
        own("/admin/categories/{id}", ADMINS),
        own_at("/admin/categories/{id}", "a hidden one", ADMINS, |world, _| {
            format!("/admin/categories/{}", world.hidden.category)
        }),
        own("/admin/audit", ADMINS),
    ];
    rows.extend(invitations());
    rows.extend(users());
    rows.extend(groups());
    rows.extend(categories());
    rows.extend(by_programs());
    rows
}

/// An invitation that is good, made by the administrator.
fn invitation(world: &World) -> i64 {
    let db = world.community.database();
    let sql = "INSERT INTO invitations (hash, created_by, created_at, expires_at) \
               SELECT randomblob(32), id, 0, 9000000000000 FROM users WHERE name_key = 'admin'";
    assert_eq!(db.execute(sql, []).unwrap(), 1);
    db.last_insert_rowid()
}

fn invitations() -> Vec<Row> {
    vec![
        own("/invitations", KEEPERS),
        form("/invitations", "", [401, 403, 403, 200, 200], |_, _| {
            ("/invitations".into(), vec![("note", "a friend".into()), ("days", "7".into())])
        }),
        form("/invitations/revoke", "", KEEPERS_ON, |world, _| {
            ("/invitations/revoke".into(), vec![("invitation", invitation(world).to_string())])
        }),
    ]
}

/// A form about a new account of a member's.
fn to_somebody(world: &mut World, deed: &str, fields: &[(&'static str, &str)]) -> Filled {
    let user = world.account(1);
    to(user, deed, fields)
}

fn to(user: i64, deed: &str, fields: &[(&'static str, &str)]) -> Filled {
    let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned()));
    (format!("/admin/users/{user}/{deed}"), fields.collect())
}

/// An account that waits for approval.
fn waiting(world: &mut World) -> i64 {
    let user = world.account(1);
    world.execute("UPDATE users SET approved_at = NULL WHERE id = ?1", user);
    user
}

fn users() -> Vec<Row> {
    let deed = "/admin/users/{id}/{deed}";
    vec![
        form(deed, "role", ADMINS_ON, |world, _| to_somebody(world, "role", &[("role", "moderator")])),
        form(deed, "one's own role", ADMINS_ON, |world, _| {
            let own = if world.asker == 0 { world.account(1) } else { world.asker };
            to(own, "role", &[("role", "administrator")])
        })
        .by_new_accounts(),
        form(deed, "groups", ADMINS_ON, |world, _| to_somebody(world, "groups", &[("group-4", "1")])),
        form(deed, "disable", ADMINS_ON, |world, _| to_somebody(world, "disable", &[("reason", "spam")])),
        form(deed, "enable", ADMINS_ON, |world, _| {
            let user = world.account(1);
            world.execute("UPDATE users SET disabled_at = 1 WHERE id = ?1", user);
            to(user, "enable", &[])
        }),
        form(deed, "approve", ADMINS_ON, |world, _| to(waiting(world), "approve", &[])),
        form(deed, "reject", ADMINS_ON, |world, _| to(waiting(world), "reject", &[])),
        form(deed, "confirm", ADMINS_ON, |world, _| {
            let user = world.account(1);
            world.execute("UPDATE users SET verified_at = NULL WHERE id = ?1", user);
            to(user, "confirm", &[])
        }),
        form(deed, "end-sessions", ADMINS_ON, |world, _| to_somebody(world, "end-sessions", &[])),
        form(deed, "end-second-factor", ADMINS_ON, |world, _| to_somebody(world, "end-second-factor", &[])),
        form(deed, "erase", ADMINS_ON, |world, _| to_somebody(world, "erase", &[("sure", "1")])),
        form(deed, "reset", [401, 403, 403, 403, 200], |world, _| to_somebody(world, "reset", &[])),
        form(deed, "no deed", [401, 403, 403, 403, 404], |world, _| to_somebody(world, "praise", &[])),
    ]
}

/// A new group.
fn group(world: &mut World) -> i64 {
    let group = world.number("SELECT max(id) + ?1 FROM groups", 1);
    let sql = "INSERT INTO groups (id, name, created_at) VALUES (?1, ?2, 0)";
    let named = format!("Group {group}");
    world.community.database().execute(sql, params![group, named]).unwrap();
    group
}

/// A form about a new group. It is taken away before the next one is made: there is room for few.
fn to_group(world: &mut World, deed: &str, fields: Vec<(&'static str, String)>) -> Filled {
    let db = world.community.database();
    db.execute("UPDATE users SET groups = 0 WHERE groups <> 0", []).unwrap();
    db.execute("DELETE FROM groups WHERE id > 4", []).unwrap();
    (format!("/admin/groups/{}/{deed}", group(world)), fields)
}

fn groups() -> Vec<Row> {
    let deed = "/admin/groups/{id}/{deed}";
    vec![
        form("/admin/groups", "", ADMINS_ON, |world, _| {
            ("/admin/groups".into(), vec![("name", format!("Readers {}", world.fresh()))])
        }),
        form(deed, "save", ADMINS_ON, |world, _| {
            let fields = vec![("name", format!("Writers {}", world.fresh()))];
            to_group(world, "save", fields)
        }),
        form(deed, "add", ADMINS_ON, |world, _| {
            let account = world.account(1);
            let fields = vec![("user", name(world, account))];
            to_group(world, "add", fields)
        }),
        form(deed, "add oneself", ADMINS_ON, |world, _| {
            let own = if world.asker == 0 { world.account(1) } else { world.asker };
            let fields = vec![("user", name(world, own))];
            to_group(world, "add", fields)
        })
        .by_new_accounts(),
        form(deed, "remove", ADMINS_ON, |world, _| {
            let account = world.account(1);
            let fields = vec![("user", name(world, account))];
            to_group(world, "remove", fields)
        }),
        form(deed, "delete", ADMINS_ON, |world, _| to_group(world, "delete", Vec::new())),
    ]
}

/// A form about a new category.
fn to_category(world: &mut World, deed: &str, fields: Vec<(&'static str, String)>) -> Filled {
    let named = format!("Category {}", world.fresh());
    let db = world.community.database();
    let sql = "INSERT INTO categories (name, slug, position, created_at) VALUES (?1, 'fresh', 90, 1)";
    db.execute(sql, [named]).unwrap();
    (format!("/admin/categories/{}/{deed}", db.last_insert_rowid()), fields)
}

fn categories() -> Vec<Row> {
    let deed = "/admin/categories/{id}/{deed}";
    vec![
        form("/admin/categories", "", ADMINS_ON, |world, _| {
            let fields = vec![("name", format!("Place {}", world.fresh())), ("read-0", "1".into())];
            ("/admin/categories".into(), fields)
        }),
        form(deed, "save", ADMINS_ON, |world, _| {
            let fields = vec![("name", format!("Place {}", world.fresh())), ("read-0", "1".into())];
            to_category(world, "save", fields)
        }),
        form(deed, "up", ADMINS_ON, |world, _| to_category(world, "up", Vec::new())),
        form(deed, "down", ADMINS_ON, |world, _| to_category(world, "down", Vec::new())),
    ]
}

fn by_programs() -> Vec<Row> {
    fn of_new(world: &mut World, body: Value) -> (String, Value) {
        (format!("/api/admin/users/{}", world.account(1)), body)
    }
    vec![
        read_with(ADMINISTER, "/api/admin/users", API_ADMINS),
        read_with(ADMINISTER, "/api/admin/users/{id}", API_ADMINS),
        read_with(ADMINISTER, "/api/admin/groups", API_ADMINS),
        read_with(ADMINISTER, "/api/admin/audit", API_ADMINS),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "its role", API_ADMINS, |world, _| {
            of_new(world, json!({"role": "moderator"}))
        }),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "nothing of it", API_ADMINS, |world, _| {
            of_new(world, json!({}))
        }),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "its groups", API_ADMINS, |world, _| {
            of_new(world, json!({"groups": [4]}))
        }),
        with_scope(
            ADMINISTER,
            "PATCH",
            "/api/admin/users/{id}",
            "groups that are a role's",
            [401, 403, 403, 403, 400],
            |world, _| of_new(world, json!({"groups": [3]})),
        ),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "switch it off", API_ADMINS, |world, _| {
            of_new(world, json!({"disabled": true, "reason": "spam"}))
        }),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "approve it", API_ADMINS, |world, _| {
            (format!("/api/admin/users/{}", waiting(world)), json!({"approved": true}))
        }),
        with_scope(ADMINISTER, "PATCH", "/api/admin/users/{id}", "one's own role", API_ADMINS, |world, _| {
            let own = if world.asker == 0 { world.account(1) } else { world.asker };
            (format!("/api/admin/users/{own}"), json!({"role": "administrator"}))
        })
        .by_new_accounts(),
        with_scope(ADMINISTER, "DELETE", "/api/admin/users/{id}", "", API_ADMINS, |world, _| {
            of_new(world, Value::Null)
        }),
    ]
}
