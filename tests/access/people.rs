//! Who joins, logs in, and is shown to others.

use super::super::harness::people::PASSWORD;
use super::table::{ALL, ALL_ON, MOVED, form, own, read};
use super::{Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        read("/u/{name}", ALL),
        read("/u/{name}/edits", ALL),
        read("/users/{name}", MOVED),
        read("/u/{name}/{*part}", MOVED),
        read("/api/users/{name}", ALL),
        read("/api/users/{name}/edits", ALL),
        read("/api/users/{name}/posts", ALL),
        own("/login", [200, 303, 303, 303, 303]),
        form("/login", "", ALL_ON, |world, _| {
            let account = world.account(1);
            let fields = vec![("user", name(world, account)), ("password", PASSWORD.into())];
            ("/login".into(), fields)
        }),
        form("/login", "with a wrong password", [401; 5], |world, _| {
            let account = world.account(1);
            let fields = vec![("user", name(world, account)), ("password", "not this one".into())];
            ("/login".into(), fields)
        }),
        form("/login", "to an account that is switched off", [403; 5], |world, _| {
            let account = world.account(1);
            world.execute("UPDATE users SET disabled_at = 1 WHERE id = ?1", account);
            let fields = vec![("user", name(world, account)), ("password", PASSWORD.into())];
            ("/login".into(), fields)
        }),
        form("/login", "to an account that waits for approval", [403; 5], |world, _| {
            let account = world.account(1);
            world.execute("UPDATE users SET approved_at = NULL WHERE id = ?1", account);
            let fields = vec![("user", name(world, account)), ("password", PASSWORD.into())];
            ("/login".into(), fields)
        }),
        form("/login/code", "by whoever has not shown a password", ALL_ON, |_, _| {
            ("/login/code".into(), vec![("code", "123456".into()), ("ticket", "made.up".into())])
        }),
        form("/logout", "", ALL_ON, |_, _| ("/logout".into(), Vec::new())),
        own("/signup", [200, 303, 303, 303, 303]),
        form("/signup", "", ALL, |world, _| {
            let name = format!("joined{}", world.fresh());
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
    ]
}

/// What an account is called.
pub(super) fn name(world: &World, account: i64) -> String {
    let sql = "SELECT name FROM users WHERE id = ?1";
    world.community.database().query_row(sql, [account], |row| row.get(0)).unwrap()
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
