//! Who may do what at the addresses of accounts.

use super::super::harness::people::{PASSWORD, Who};
use super::table::{ALL, ALL_ON, MEMBERS, MEMBERS_ON, form, own};
use super::{Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        own("/login", [200, 303, 303, 303, 303]),
        form("/login", "", ALL_ON, |world, _| {
            let name = format!("login{}", world.fresh());
            let sql = "INSERT INTO users (name, name_key, role, password_hash, created_at, verified_at, approved_at) \
                       SELECT ?1, ?1, 1, password_hash, 0, 1, 1 FROM users WHERE name_key = 'owner'";
            assert_eq!(world.community.database().execute(sql, [&name]).unwrap(), 1);
            ("/login".into(), vec![("user", name), ("password", PASSWORD.into())])
        }),
        form("/logout", "", ALL_ON, |_, _| ("/logout".into(), Vec::new())),
        own("/signup", [200, 303, 303, 303, 303]),
        form("/signup", "", ALL, |world, _| {
            let name = format!("new{}", world.fresh());
            let address = format!("{name}@example.org");
            let fields = [("name", name), ("address", address), ("password", PASSWORD.into())];
            ("/signup".into(), fields.into())
        }),
        own("/verify/{secret}", ALL),
        form("/verify/{secret}", "a link of one's own", ALL_ON, |world, _| {
            (link(world, "verify", 1), Vec::new())
        }),
        form("/verify/{secret}", "a link to something else", [410; 5], |world, _| {
            (link(world, "verify", 2), Vec::new())
        }),
        own("/forgot", ALL),
        form("/forgot", "", ALL, |_, _| ("/forgot".into(), vec![("user", "other".into())])),
        own("/reset/{secret}", ALL),
        form("/reset/{secret}", "a link of one's own", ALL_ON, |world, _| {
            (link(world, "reset", 2), vec![("password", PASSWORD.into())])
        }),
        form("/reset/{secret}", "a link to something else", [410; 5], |world, _| {
            (link(world, "reset", 1), vec![("password", PASSWORD.into())])
        }),
        own("/account", MEMBERS),
        form("/account/password", "", [401, 303, 303, 303, 303], |world, who| {
            let current =
                if who == Who::Administrator { world.community.server.password() } else { PASSWORD.into() };
            ("/account/password".into(), vec![("current", current.clone()), ("password", current)])
        }),
        form("/account/sessions/end", "one's own", MEMBERS_ON, |world, who| {
            let fields = vec![("session", session_of(world, who).to_string())];
            ("/account/sessions/end".into(), fields)
        }),
        form("/account/sessions/end", "another's", [401, 404, 404, 404, 404], |world, who| {
            let of = if who == Who::Owner { Who::Other } else { Who::Owner };
            ("/account/sessions/end".into(), vec![("session", session_of(world, of).to_string())])
        }),
        form("/account/sessions/end-others", "", MEMBERS_ON, |_, _| {
            ("/account/sessions/end-others".into(), Vec::new())
        }),
    ]
}

/// A link as mail carries it, of a new account.
fn link(world: &mut World, name: &str, kind: i64) -> String {
    use sha2::{Digest, Sha256};
    let (secret, user) = (format!("link-{}", world.fresh()), format!("linked{}", world.fresh()));
    let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
    let db = world.community.database();
    let sql = "INSERT INTO users (name, name_key, role, address, address_key, created_at, approved_at) \
               VALUES (?1, ?1, 1, ?1 || '@example.org', ?1 || '@example.org', 0, 1)";
    db.execute(sql, [&user]).unwrap();
    let sql = "INSERT INTO links (hash, user_id, kind, address, created_at, expires_at) \
               VALUES (?1, ?2, ?3, ?4 || '@example.org', 0, 9000000000000)";
    db.execute(sql, rusqlite::params![hash, db.last_insert_rowid(), kind, user]).unwrap();
    format!("/{name}/{secret}")
}

/// A session of somebody's that nobody uses.
fn session_of(world: &mut World, who: Who) -> i64 {
    // A guest has none; another's will do.
    let who = if who == Who::Guest { Who::Other } else { who };
    let _unused = world.session(who);
    let sql = "SELECT max(id) FROM sessions WHERE user_id = ?1";
    let user = world.community.user(who);
    world.community.database().query_row(sql, [user], |row| row.get(0)).unwrap()
}
