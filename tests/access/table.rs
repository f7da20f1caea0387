//! The table: who may do what at which address. A cell is the status of the answer.

use serde_json::json;

use super::super::harness::people::{PASSWORD, Who};
use super::{Ask, Filled, Row, World};

/// Everybody.
const ALL: [u16; 5] = [200; 5];
/// Everybody, by another address.
const MOVED: [u16; 5] = [301; 5];
/// Who has an account; a guest is led to the page where one logs in.
const MEMBERS: [u16; 5] = [303, 200, 200, 200, 200];
/// A form for everybody, after which one is led on.
const ALL_ON: [u16; 5] = [303; 5];
/// A form for those with an account.
const MEMBERS_ON: [u16; 5] = [401, 303, 303, 303, 303];
/// Bits of scopes.
const READ: u8 = 1;
const WRITE: u8 = 2;

fn read(pattern: &'static str, cells: [u16; 5]) -> Row {
    Row { method: "GET", pattern, of: "", cells, ask: Ask::Read(READ) }
}

/// A page of a person's own, for no token.
fn own(pattern: &'static str, cells: [u16; 5]) -> Row {
    Row { method: "GET", pattern, of: "", cells, ask: Ask::Read(0) }
}

fn form(
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> Filled,
) -> Row {
    Row { method: "POST", pattern, of, cells, ask: Ask::Form(made) }
}

fn json(
    method: &'static str,
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> (String, serde_json::Value),
) -> Row {
    Row { method, pattern, of, cells, ask: Ask::Json(WRITE, made) }
}

/// Every row. An address may have several, for several things that it can be asked for.
pub(super) fn rows() -> Vec<Row> {
    vec![
        // Pages.
        read("/", ALL),
        read("/latest", ALL),
        read("/c/{slug}/{id}", ALL),
        read("/t/{slug}/{id}", ALL),
        read("/t/{slug}/{id}/{number}", ALL),
        read("/u/{name}", ALL),
        read("/u/{name}/edits", ALL),
        read("/wiki", ALL),
        read("/wiki/{*title}", ALL),
        read("/wiki-revision/{id}", ALL),
        read("/wiki-diff/{old}/{new}", ALL),
        read("/wiki-all", ALL),
        read("/recent", ALL),
        read("/search", ALL),
        // Accounts.
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
        own("/drafts", MEMBERS),
        form("/drafts/forget", "", MEMBERS_ON, |world, _| {
            ("/drafts/forget".into(), vec![("place", format!("topic:{}", world.objects.category))])
        }),
        // Old addresses and machines.
        read("/t/{id}", MOVED),
        read("/c/{parent}/{slug}/{id}", MOVED),
        read("/categories", MOVED),
        read("/users/{name}", MOVED),
        read("/u/{name}/{*part}", MOVED),
        read("/p/{id}", MOVED),
        read("/index.php", MOVED),
        read("/w/index.php", MOVED),
        read("/robots.txt", ALL),
        // API.
        read("/api/openapi.json", ALL),
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
        read("/api/users/{name}", ALL),
        read("/api/users/{name}/edits", ALL),
        read("/api/users/{name}/posts", ALL),
        read("/api/search", ALL),
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

fn version(world: &World, post: i64) -> i64 {
    let sql = "SELECT coalesce(max(version), 1) FROM post_revisions WHERE post_id = ?1";
    world.community.database().query_row(sql, [post], |row| row.get(0)).unwrap()
}
