//! Who may do what, asked of every address of the route table: by every role, with a token of every scope, from a page of
//! another site, without what forms hold, with a session that is over, and for what is somebody else's. `table` has
//! what is expected, a row an address; an address without one fails here.

use std::collections::BTreeSet;

use rusqlite::params;
use serde_json::Value;
use sha2::{Digest, Sha256};
use veritable_worker::routes::{self, Endpoint};

use super::harness::browser::{Browser, Form};
use super::harness::http::Reply;
use super::harness::people::{Community, Who};
use super::harness::routes::Objects;
use super::harness::server::run;

mod forum;
mod people;
mod table;
mod wiki;

/// A title that only those may see who are in a group of their own.
const HIDDEN: &str = "Verborgenheit";
/// The bit of that group: nobody is in it but administrators, who see everything.
const INNER: i64 = 1 << 4;
const EVERY_SCOPE: u8 = 31;
const SCOPES: [u8; 5] = [1, 2, 4, 8, 16];
/// What a request is answered with that does what it asks.
const DONE: std::ops::Range<u16> = 200..400;

/// Where everything is asked.
pub(crate) struct World {
    pub(crate) community: Community,
    pub(crate) objects: Objects,
    /// Of things in a category that is hidden.
    pub(crate) hidden: Objects,
    number: u32,
}

/// The path of a form and what is filled in.
pub(crate) type Filled = (String, Vec<(&'static str, String)>);

/// What is sent to an address.
pub(crate) enum Ask {
    /// Nothing: it is read; with the scope that a token needs, 0 for what is for no token.
    Read(u8),
    /// A form: its path and fields, made anew for each who asks.
    Form(fn(&mut World, Who) -> Filled),
    /// JSON for the API: its path and body, and the scope that a token needs.
    Json(u8, fn(&mut World, Who) -> (String, Value)),
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
}

impl World {
    fn new() -> World {
        let mut community = Community::new();
        let objects = Objects::make(&mut community);
        let hidden = hide(&mut community, &objects);
        World { community, objects, hidden, number: 0 }
    }

    /// Another number each time.
    pub(crate) fn fresh(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// A new topic of the owner's in the open category.
    pub(crate) fn topic(&mut self) -> Objects {
        Objects::make(&mut self.community)
    }

    pub(crate) fn execute(&self, sql: &str, of: i64) {
        assert_eq!(self.community.database().execute(sql, [of]).unwrap(), 1, "{sql}");
    }

    /// A browser with a session of its own of this person's.
    pub(crate) fn session(&mut self, who: Who) -> Browser {
        let mut browser = Browser::new(&self.community.server);
        browser.from = Some(format!("198.51.{}.{}", self.fresh() / 250, self.number % 250));
        if who != Who::Guest {
            let token = format!("session-{}", self.number);
            let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
            let sql = "INSERT INTO sessions (token_hash, user_id, csrf, created_at, seen_at, expires_at) \
                       VALUES (?1, ?2, randomblob(16), 0, 0, 9000000000000)";
            let user = self.community.user(who);
            self.community.database().execute(sql, params![hash, user]).unwrap();
            browser.set_cookie("session", &token);
        }
        browser
    }
}

/// Things in a category that nobody but an administrator may see.
fn hide(community: &mut Community, objects: &Objects) -> Objects {
    let mut hidden = Objects::with(community, HIDDEN, &format!("All about {HIDDEN}"));
    let db = community.database();
    let sql = "INSERT INTO categories (name, slug, description, position, read_groups, post_groups, moderate_groups, created_at) \
               SELECT ?2, ?3, '', 99, ?4, ?4, ?4, created_at FROM categories WHERE id = ?1";
    db.execute(sql, params![objects.category, HIDDEN, "hidden", INNER | 8]).unwrap();
    hidden.category = db.last_insert_rowid();
    hidden.category_slug = "hidden".into();
    let sql = "UPDATE topics SET category_id = ?1 WHERE id = ?2";
    db.execute(sql, params![hidden.category, hidden.topic]).unwrap();
    let sql = "UPDATE posts SET category_id = ?1 WHERE topic_id = ?2";
    db.execute(sql, params![hidden.category, hidden.topic]).unwrap();
    // The writer did none of this: what was read before is to be forgotten.
    drop(db);
    let data = community.server.data_dir.to_str().unwrap();
    assert!(run(&["cache", "clear", "--data-dir", data]).status.success());
    hidden
}

/// What forms of this browser's session must repeat.
fn secret(browser: &mut Browser, who: Who) -> String {
    let (path, action) = if who == Who::Guest { ("/login", "/login") } else { ("/latest", "/logout") };
    browser.form(path, action).get("csrf").unwrap().to_owned()
}

const OWN: &str = "Origin: http://test";

/// Sends what a row asks as this browser.
fn send(browser: &mut Browser, row: &Row, made: &Made, secret: &str, origin: &str) -> Reply {
    match made {
        Made::Read(path) => browser.send("GET", path, &[], b""),
        Made::Form(path, fields) => {
            let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
            let form = Form { action: path.clone(), fields: fields.collect() };
            browser.submit_from(&form.set("csrf", secret), origin)
        }
        Made::Json(path, body) => {
            let secret = format!("X-CSRF-Token: {secret}");
            let lines = [origin, "Content-Type: application/json", &secret];
            browser.send(row.method, path, &lines, body.to_string().as_bytes())
        }
    }
}

/// What is sent, made.
enum Made {
    Read(String),
    Form(String, Vec<(&'static str, String)>),
    Json(String, Value),
}

fn make(world: &mut World, row: &Row, who: Who) -> Made {
    match row.ask {
        Ask::Read(_) => Made::Read(world.objects.address(row.pattern)),
        Ask::Form(made) => {
            let (path, fields) = made(world, who);
            Made::Form(path, fields)
        }
        Ask::Json(_, made) => {
            let (path, body) = made(world, who);
            Made::Json(path, body)
        }
    }
}

#[test]
fn every_address_has_its_row() {
    let known: BTreeSet<(String, &str)> =
        table::rows().iter().map(|row| (row.method.to_owned(), row.pattern)).collect();
    let there: BTreeSet<(String, &str)> =
        routes::table().iter().map(|(pattern, endpoint)| (endpoint.method().to_string(), *pattern)).collect();
    let without: Vec<_> = there.difference(&known).collect();
    assert!(without.is_empty(), "no row in tests/access/table.rs says who may: {without:?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "rows of addresses that are gone: {gone:?}");
}

#[test]
fn only_the_allowed_cells_succeed() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        for (who, expected) in Who::ALL.into_iter().zip(row.cells) {
            let mut browser = world.session(who);
            let secret = secret(&mut browser, who);
            let made = make(&mut world, &row, who);
            let reply = send(&mut browser, &row, &made, &secret, OWN);
            if reply.status != expected {
                let (name, said) = (who.name(), String::from_utf8_lossy(&reply.body));
                let said: String = said.chars().take(300).collect();
                wrong.push(format!(
                    "{} {} ({}) as {name}: {} instead of {expected} {:?} {said}",
                    row.method,
                    row.pattern,
                    row.of,
                    reply.status,
                    reply.header("location")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn changes_are_for_pages_of_this_site_with_what_their_forms_hold() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows().iter().filter(|row| !matches!(row.ask, Ask::Read(_))) {
        let allowed = Who::ALL.into_iter().zip(row.cells).find(|(_, status)| DONE.contains(status));
        let Some((who, expected)) = allowed else { continue };
        let mut browser = world.session(who);
        let own = secret(&mut browser, who);
        let mut stranger = world.session(Who::Other);
        let theirs = secret(&mut stranger, Who::Other);
        let made = make(&mut world, row, who);
        let mut refused =
            |what: &str, browser: &mut Browser, secret: &str, origin: &str, statuses: &[u16]| {
                let reply = send(browser, row, &made, secret, origin);
                if !statuses.contains(&reply.status) {
                    wrong.push(format!("{} {} {what}: {}", row.method, row.pattern, reply.status));
                }
            };
        for foreign in [
            "Origin: https://evil.example",
            "Origin: null",
            "Sec-Fetch-Site: cross-site",
            "Referer: http://evil/",
        ] {
            refused(foreign, &mut browser.copy(), &own, foreign, &[403]);
        }
        refused("without what its form holds", &mut browser.copy(), "", OWN, &[403]);
        refused("with what another's form holds", &mut browser.copy(), &theirs, OWN, &[403]);
        // The same thing, now as it should be: none of the tries did anything.
        let reply = send(&mut browser, row, &made, &own, OWN);
        if reply.status != expected {
            let said = String::from_utf8_lossy(&reply.body);
            wrong.push(format!("{} {} afterwards: {} {said}", row.method, row.pattern, reply.status));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_session_that_is_over_is_a_guests() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        let allowed = Who::ALL.into_iter().zip(row.cells).find(|(_, status)| DONE.contains(status));
        let Some((who, _)) = allowed.filter(|(who, _)| *who != Who::Guest) else { continue };
        let mut browser = world.session(who);
        let secret = secret(&mut browser, who);
        let made = make(&mut world, &row, who);
        let mut leaving = browser.copy();
        let out = leaving.form("/latest", "/logout");
        assert_eq!(leaving.submit(&out).status, 303);
        let reply = send(&mut browser, &row, &made, &secret, OWN);
        let to_login = reply.status == 303
            && reply.header("location").is_some_and(|location| location.starts_with("/login?next="));
        if !to_login && reply.status != row.cells[0] && ![401, 403].contains(&reply.status) {
            wrong.push(format!("{} {}: {}", row.method, row.pattern, reply.status));
        }
        if to_login != (row.method == "GET") && row.cells[0] == 303 {
            wrong.push(format!("{} {}: {:?}", row.method, row.pattern, reply.header("location")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_token_does_what_its_scopes_say_and_no_more() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        for scope in SCOPES {
            let made = make(&mut world, &row, Who::Administrator);
            let token = world.community.token(Who::Administrator, scope);
            let bearer = format!("Authorization: Bearer {token}");
            let mut browser = Browser::new(&world.community.server);
            let (reply, needed) = match (&row.ask, &made) {
                (Ask::Read(needed), Made::Read(path)) => {
                    (browser.send("GET", path, &[&bearer], b""), *needed)
                }
                (Ask::Json(needed, _), Made::Json(path, body)) => {
                    let lines = [bearer.as_str(), "Content-Type: application/json"];
                    (browser.send(row.method, path, &lines, body.to_string().as_bytes()), *needed)
                }
                // No token is for forms.
                (Ask::Form(_), Made::Form(path, _)) => {
                    let lines = [bearer.as_str(), "Content-Type: application/x-www-form-urlencoded"];
                    (browser.send("POST", path, &lines, b"x=y"), 0)
                }
                _ => unreachable!(),
            };
            let expected = if needed == scope { row.cells[4] } else { 403 };
            if reply.status != expected {
                wrong.push(format!(
                    "{} {} with scope {scope}: {} instead of {expected}",
                    row.method, row.pattern, reply.status
                ));
            }
        }
        // What no token may do either way, and one that is none.
        let made = make(&mut world, &row, Who::Administrator);
        let path = match &made {
            Made::Read(path) | Made::Form(path, _) | Made::Json(path, _) => path,
        };
        for line in ["Authorization: Bearer vt_nobody", "Authorization: Basic YTpi", "Authorization: Bearer "]
        {
            let lines = [line, "Content-Type: application/json"];
            let reply = Browser::new(&world.community.server).send(row.method, path, &lines, b"");
            if reply.status != 401 {
                wrong.push(format!("{} {} with {line:?}: {}", row.method, row.pattern, reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hidden_category_is_nowhere_to_be_found() {
    let mut world = World::new();
    let word = HIDDEN.to_lowercase();
    let mut seen = 0;
    for who in Who::ALL {
        let mut browser = world.session(who);
        let token = (who != Who::Guest).then(|| world.community.token(who, EVERY_SCOPE));
        for (pattern, endpoint) in routes::table() {
            if !matches!(endpoint, Endpoint::Read { .. } | Endpoint::Own { .. }) {
                continue;
            }
            let mut path = world.hidden.address(pattern);
            if pattern.ends_with("/search") {
                path = format!("{path}?q={word}");
            }
            let mut replies = vec![browser.send("GET", &path, &[], b"")];
            if let Some(token) = &token
                && pattern.starts_with("/api")
            {
                let line = format!("Authorization: Bearer {token}");
                replies.push(Browser::new(&world.community.server).send("GET", &path, &[&line], b""));
            }
            for reply in replies {
                // What was searched for is shown again.
                let said = String::from_utf8_lossy(&reply.body).replace(&word, "");
                let told = said.contains(HIDDEN)
                    || reply.header("location").is_some_and(|location| location.contains("hidden"));
                if who == Who::Administrator {
                    seen += usize::from(told);
                } else {
                    assert!(!told, "{path} tells {} of it: {} {said}", who.name(), reply.status);
                }
            }
        }
    }
    assert!(seen > 5, "an administrator sees it in {seen} places only");
}
