//! Where everything is asked, and what is sent to an address.

use rusqlite::params;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::harness::browser::{Browser, Form};
use super::super::harness::http::Reply;
use super::super::harness::people::{Community, Who};
use super::super::harness::routes::{BOUNDARY, GROUP, Objects, drawn};
use super::super::harness::server::run;
use super::HIDDEN;

/// The bit of the group that sees the hidden category: nobody is in it but administrators, who see everything.
const INNER: i64 = 1 << GROUP;
const ADMINISTRATORS: i64 = 8;

/// Everybody, and what belongs to them.
pub(crate) struct World {
    pub(crate) community: Community,
    pub(crate) objects: Objects,
    /// Of things in a category that is hidden.
    pub(crate) hidden: Objects,
    /// The account that asks.
    pub(crate) asker: i64,
    number: u32,
}

/// The path of a form and what is filled in.
pub(crate) type Filled = (String, Vec<(&'static str, String)>);

/// What is sent to an address.
pub(crate) enum Ask {
    /// Nothing: it is read; with the scopes that a token needs, 0 for what is for no token.
    Read(u8),
    /// The same at an address made anew for each who asks.
    At(u8, fn(&mut World, Who) -> String),
    /// A form: its path and fields, made anew for each who asks.
    Form(fn(&mut World, Who) -> Filled),
    /// JSON for the API: its path and body, and the scopes that a token needs.
    Json(u8, fn(&mut World, Who) -> (String, Value)),
    /// A picture, by a form or by the API, and the scopes that a token needs.
    Picture(u8),
}

/// What is expected of an address.
pub(crate) struct Row {
    pub(crate) method: &'static str,
    pub(crate) pattern: &'static str,
    /// Which of the things that it can be asked for.
    pub(crate) of: &'static str,
    /// The statuses for a guest, the owner, another member, a moderator, an administrator.
    pub(crate) cells: [u16; 5],
    pub(crate) ask: Ask,
    /// Each cell is asked by a new account of that role: what is done changes the account that asks.
    pub(crate) is_fresh: bool,
}

impl Row {
    /// The same, each cell by an account of its own.
    pub(crate) fn by_new_accounts(self) -> Row {
        Row { is_fresh: true, ..self }
    }
}

impl World {
    pub(crate) fn new() -> World {
        let mut community = Community::new();
        // The password of all is the administrator's too.
        let sql =
            "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE name_key = 'owner')
                   WHERE name_key = 'admin'";
        assert_eq!(community.database().execute(sql, []).unwrap(), 1);
        let objects = Objects::make(&mut community);
        let hidden = hide(&mut community, &objects);
        World { community, objects, hidden, asker: 0, number: 0 }
    }

    /// Another number each time.
    pub(crate) fn fresh(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// A new topic of the owner's in the open category, and a new page.
    pub(crate) fn topic(&mut self) -> Objects {
        Objects::with(&mut self.community, "A topic", "Some *words* about [[Home]].")
    }

    /// The same, and the topic is locked.
    pub(crate) fn locked_topic(&mut self) -> Objects {
        let objects = self.topic();
        self.execute("UPDATE topics SET locked = 1 WHERE id = ?1", objects.topic);
        objects
    }

    /// A reply of the owner's in a new topic, deleted by this person.
    pub(crate) fn deleted_post(&mut self, by: Who) -> i64 {
        let topic = self.topic().topic;
        let path = format!("/api/topics/{topic}/posts");
        let post = self.does(Who::Owner, "POST", &path, &serde_json::json!({"body": "words to go"}));
        let post = post["post"]["id"].as_i64().unwrap();
        self.does(by, "DELETE", &format!("/api/posts/{post}"), &Value::Null);
        post
    }

    /// A new topic of the owner's that a moderator has deleted, with its post.
    pub(crate) fn deleted_topic(&mut self) -> Objects {
        let topic = self.topic();
        self.does(Who::Moderator, "DELETE", &format!("/api/topics/{}", topic.topic), &Value::Null);
        topic
    }

    /// A new page of the owner's that a moderator has deleted.
    pub(crate) fn deleted_page(&mut self) -> Objects {
        let page = self.topic();
        let comment = serde_json::json!({"comment": "it was wrong"});
        self.does(Who::Moderator, "DELETE", &format!("/api/wiki/pages/{}", page.page), &comment);
        page
    }

    /// Has somebody make a change over the API; what it is answered with.
    pub(crate) fn does(&self, who: Who, method: &str, path: &str, body: &Value) -> Value {
        let token = self.community.token(who, super::EVERY_SCOPE);
        let reply = self.community.server.change(&token, method, path, body);
        assert!(reply.status < 300, "{method} {path} {body}: {} {}", reply.status, reply.text());
        if reply.body.is_empty() { Value::Null } else { reply.json() }
    }

    pub(crate) fn execute(&self, sql: &str, of: i64) {
        assert_eq!(self.community.database().execute(sql, [of]).unwrap(), 1, "{sql}");
    }

    /// The only number that a statement yields for another.
    pub(crate) fn number(&self, sql: &str, of: i64) -> i64 {
        self.community.database().query_row(sql, [of], |row| row.get(0)).unwrap()
    }

    /// A new account that may log in with everybody's password.
    pub(crate) fn account(&mut self, role: i64) -> i64 {
        let name = format!("new{}", self.fresh());
        let db = self.community.database();
        let sql = "INSERT INTO users (name, name_key, role, password_hash, address, address_key, created_at, verified_at, approved_at) \
                   SELECT ?1, ?1, ?2, password_hash, ?1 || '@example.org', ?1 || '@example.org', 1, 1, 1 \
                   FROM users WHERE name_key = 'owner'";
        assert_eq!(db.execute(sql, params![name, role]).unwrap(), 1);
        db.last_insert_rowid()
    }

    /// Who asks what a row is about: a browser with a session of its own.
    pub(crate) fn asks(&mut self, row: &Row, who: Who) -> Browser {
        self.asker = match who {
            Who::Guest => 0,
            _ if row.is_fresh => self.account(role(who)),
            _ => self.community.user(who),
        };
        let asker = self.asker;
        self.session_of(asker)
    }

    /// A browser with a session of its own of this person's.
    pub(crate) fn session(&mut self, who: Who) -> Browser {
        let user = if who == Who::Guest { 0 } else { self.community.user(who) };
        self.session_of(user)
    }

    /// The same by the account's number; 0 is a guest.
    pub(crate) fn session_of(&mut self, user: i64) -> Browser {
        let mut browser = Browser::new(&self.community.server);
        browser.from = Some(format!("198.51.{}.{}", self.fresh() / 250, self.number % 250));
        if user != 0 {
            let token = format!("session-{}", self.number);
            let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            let sql = "INSERT INTO sessions (token_hash, user_id, csrf, created_at, seen_at, expires_at) \
                       VALUES (?1, ?2, randomblob(16), 0, 0, 9000000000000)";
            self.community.database().execute(sql, params![hash, user]).unwrap();
            browser.set_cookie("session", &token);
        }
        browser
    }
}

fn role(who: Who) -> i64 {
    match who {
        Who::Moderator => 2,
        Who::Administrator => 3,
        _ => 1,
    }
}

/// Things in a category that nobody but an administrator may see.
fn hide(community: &mut Community, objects: &Objects) -> Objects {
    let make = |community: &mut Community| {
        Objects::with(community, HIDDEN, &format!("All about {HIDDEN}")).with_more(community)
    };
    let (mut hidden, gone) = (make(community), make(community));
    let owner = community.token(Who::Owner, super::EVERY_SCOPE);
    let report = serde_json::json!({"reason": "spam", "note": format!("This is about {HIDDEN}")});
    let path = format!("/api/posts/{}/reports", hidden.post);
    assert_eq!(community.server.change(&owner, "POST", &path, &report).status, 204);
    let db = community.database();
    let sql = "INSERT INTO categories (name, slug, description, position, read_groups, post_groups, moderate_groups, created_at) \
               SELECT ?2, ?3, '', 99, ?4, ?4, ?4, created_at FROM categories WHERE id = ?1";
    db.execute(sql, params![objects.category, HIDDEN, "hidden", INNER | ADMINISTRATORS]).unwrap();
    hidden.category = db.last_insert_rowid();
    hidden.category_slug = "hidden".into();
    for topic in [hidden.topic, gone.topic] {
        for sql in [
            "UPDATE topics SET category_id = ?1 WHERE id = ?2",
            "UPDATE posts SET category_id = ?1 WHERE topic_id = ?2",
            "UPDATE reports SET category_id = ?1 WHERE post_id IN (SELECT id FROM posts WHERE topic_id = ?2)",
        ] {
            db.execute(sql, [hidden.category, topic]).unwrap();
        }
    }
    // The writer did none of this: what was read before is to be forgotten.
    drop(db);
    let administrator = community.token(Who::Administrator, super::EVERY_SCOPE);
    let path = format!("/api/topics/{}", gone.topic);
    assert_eq!(community.server.change(&administrator, "DELETE", &path, &Value::Null).status, 204);
    let data = community.server.data_dir.to_str().unwrap();
    assert!(run(&["cache", "clear", "--data-dir", data]).status.success());
    hidden
}

/// What forms of this browser's session must repeat.
pub(crate) fn secret(browser: &mut Browser, who: Who) -> String {
    let (path, action) = if who == Who::Guest { ("/login", "/login") } else { ("/latest", "/logout") };
    browser.form(path, action).get("csrf").unwrap().to_owned()
}

/// What is sent, made.
pub(crate) enum Made {
    Read(String),
    Form(String, Vec<(&'static str, String)>),
    Json(String, Value),
    Picture(String, Vec<u8>),
}

impl Made {
    pub(crate) fn path(&self) -> &str {
        match self {
            Made::Read(path) | Made::Form(path, _) | Made::Json(path, _) | Made::Picture(path, _) => path,
        }
    }
}

pub(crate) fn make(world: &mut World, row: &Row, who: Who) -> Made {
    match row.ask {
        Ask::Read(_) => Made::Read(world.objects.asked(row.pattern)),
        Ask::At(_, made) => Made::Read(made(world, who)),
        Ask::Form(made) => {
            let (path, fields) = made(world, who);
            Made::Form(path, fields)
        }
        Ask::Json(_, made) => {
            let (path, body) = made(world, who);
            Made::Json(path, body)
        }
        Ask::Picture(_) => Made::Picture(row.pattern.to_owned(), drawn()),
    }
}

/// Sends what a row asks as this browser.
pub(crate) fn send(browser: &mut Browser, row: &Row, made: &Made, secret: &str, origin: &str) -> Reply {
    let header = format!("X-CSRF-Token: {secret}");
    match made {
        Made::Read(path) => browser.send("GET", path, &[], b""),
        Made::Form(path, fields) => {
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            let form = Form { action: path.clone(), fields: fields.collect() };
            browser.submit_from(&form.set("csrf", secret), origin)
        }
        Made::Json(path, body) => {
            let lines = [origin, "Content-Type: application/json", &header];
            browser.send(row.method, path, &lines, &bytes(body))
        }
        Made::Picture(path, file) if path.starts_with("/api") => {
            browser.send("POST", path, &[origin, "Content-Type: image/png", &header], file)
        }
        Made::Picture(path, file) => {
            browser.send("POST", path, &[origin, &multipart()], &parts(secret, file))
        }
    }
}

/// Sends it as a program does that has a token.
pub(crate) fn send_with_token(world: &World, row: &Row, made: &Made, token: &str) -> Reply {
    let bearer = format!("Authorization: Bearer {token}");
    let mut browser = Browser::new(&world.community.server);
    match made {
        Made::Read(path) => browser.send("GET", path, &[&bearer], b""),
        Made::Json(path, body) => {
            browser.send(row.method, path, &[&bearer, "Content-Type: application/json"], &bytes(body))
        }
        Made::Form(path, _) => {
            let lines = [bearer.as_str(), "Content-Type: application/x-www-form-urlencoded"];
            browser.send("POST", path, &lines, b"x=y")
        }
        Made::Picture(path, file) if path.starts_with("/api") => {
            browser.send("POST", path, &[&bearer, "Content-Type: image/png"], file)
        }
        Made::Picture(path, file) => browser.send("POST", path, &[&bearer, &multipart()], &parts("", file)),
    }
}

/// Nothing where there is nothing to say.
fn bytes(body: &Value) -> Vec<u8> {
    if body.is_null() { Vec::new() } else { body.to_string().into_bytes() }
}

fn multipart() -> String {
    format!("Content-Type: multipart/form-data; boundary={BOUNDARY}")
}

/// The form of a picture as a browser sends it.
fn parts(secret: &str, file: &[u8]) -> Vec<u8> {
    let part = |name: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"");
    let head = format!(
        "{}\r\n\r\n{secret}\r\n{}; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\n",
        part("csrf"),
        part("file")
    );
    [head.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}
