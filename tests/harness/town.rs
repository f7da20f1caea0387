//! A demonstration with somebody in every role, and a category that only a group of the site's own sees.

use rusqlite::Connection as Database;
use serde_json::Value;
use tempfile::TempDir;

use super::browser::{Browser, Form, form_in};
use super::http::Reply;
use super::server::{Server, run};
use crate::accounts::member;

/// The bit of the group that sees the hidden category and keeps order in it.
const STAFF: i64 = 1 << 4;
const ADMINISTRATORS: i64 = 1 << 3;
const MODERATOR: i64 = 2;

/// A word of the hidden category's name, of its topic's title, and of its posts: in nothing else.
pub(crate) const SECRETS: [&str; 3] = ["Backroom", "Zanzibar", "kumquat"];

/// The server with everybody in front of a browser of their own.
pub(crate) struct Town {
    pub(crate) server: Server,
    pub(crate) guest: Browser,
    /// Members.
    pub(crate) mia: Browser,
    pub(crate) otto: Browser,
    /// A moderator, who is not in the group.
    pub(crate) mo: Browser,
    /// A member who is in the group.
    pub(crate) gil: Browser,
    pub(crate) admin: Browser,
    /// A category that everybody sees.
    pub(crate) open: i64,
    /// Another one.
    pub(crate) other: i64,
    /// The one that the group and administrators see.
    pub(crate) hidden: i64,
    pub(crate) dir: TempDir,
}

impl Town {
    pub(crate) fn found() -> Town {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::demo(dir.path());
        let [mia, otto, mo, gil] = ["mia", "otto", "mo", "gil"].map(|name| member(&server, name));
        let db = Database::open(server.data_dir.join("forums.db")).unwrap();
        db.execute(
            "INSERT INTO categories (name, slug, position, created_at, read_groups, post_groups, moderate_groups)
             VALUES (?1, 'backroom', 99, 1, ?2, ?2, ?2)",
            (SECRETS[0], STAFF | ADMINISTRATORS),
        )
        .unwrap();
        let hidden = db.last_insert_rowid();
        db.execute("UPDATE users SET role = ?1 WHERE name = 'mo'", [MODERATOR]).unwrap();
        db.execute("UPDATE users SET groups = ?1 WHERE name = 'gil'", [STAFF]).unwrap();
        // New accounts may write less often than tests do.
        db.execute_batch("UPDATE users SET created_at = 1").unwrap();
        let two: Vec<i64> = {
            let mut ids = db.prepare("SELECT id FROM categories ORDER BY position LIMIT 2").unwrap();
            ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let accounts: Vec<String> = {
            let mut ids = db.prepare("SELECT 'account:' || id FROM users").unwrap();
            ids.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        drop(db);
        // What the writer did not do, it told nobody of.
        let data_dir = server.data_dir.to_str().unwrap();
        let mut tags = vec!["cache", "invalidate", "--data-dir", data_dir, "site", "categories", "latest"];
        tags.extend(accounts.iter().map(String::as_str));
        let told = run(&tags);
        assert!(told.status.success(), "{told:?}");
        let (guest, admin) = (Browser::new(&server), server.administrator());
        let (open, other) = (two[0], two[1]);
        Town { guest, mia, otto, mo, gil, admin, open, other, hidden, server, dir }
    }

    /// The only value of the only row.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.database().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    pub(crate) fn database(&self) -> Database {
        Database::open(self.dir.path().join("forums.db")).unwrap()
    }

    /// A topic in the hidden category, with a post and an answer: its id and those of its posts.
    pub(crate) fn secret(&mut self) -> (i64, [i64; 2]) {
        let path = open_topic(&mut self.gil, self.hidden, "About Zanzibar", "The first kumquat.");
        let topic = topic_id(&path);
        let reply = self.gil.form(&path, &format!("/reply/{topic}")).set("body", "Another kumquat.");
        assert_eq!(self.gil.submit(&reply).status, 303);
        let post = |number| {
            self.number(&format!("SELECT id FROM posts WHERE topic_id = {topic} AND number = {number}"))
        };
        (topic, [post(1), post(2)])
    }
}

/// What is there for somebody, be it an error.
pub(crate) fn get(by: &mut Browser, path: &str) -> Reply {
    by.send("GET", path, &[], b"")
}

/// Opens a topic by the form; yields its path.
pub(crate) fn open_topic(by: &mut Browser, category: i64, title: &str, body: &str) -> String {
    let address = format!("/new-topic/{category}");
    let form = by.form(&address, &address).set("title", title).set("body", body);
    let reply = by.submit(&form);
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.header("location").unwrap().to_owned()
}

/// Answers the topic at a path by the form at its end; yields where the answer is.
pub(crate) fn answer(by: &mut Browser, path: &str, body: &str) -> String {
    let form = by.form(path, &format!("/reply/{}", topic_id(path))).set("body", body);
    let reply = by.submit(&form);
    assert_eq!(reply.status, 303, "{}", reply.text());
    reply.header("location").unwrap().to_owned()
}

/// The id in the path of a topic.
pub(crate) fn topic_id(path: &str) -> i64 {
    let path = path.split(['#', '?']).next().unwrap_or_default();
    path.split('/').nth(3).and_then(|id| id.parse().ok()).unwrap_or_else(|| panic!("no topic in {path}"))
}

/// The id of a post by its number.
pub(crate) fn post_id(town: &Town, topic: i64, number: i64) -> i64 {
    town.number(&format!("SELECT id FROM posts WHERE topic_id = {topic} AND number = {number}"))
}

/// Sends the form with this action on a page.
pub(crate) fn press(by: &mut Browser, page: &str, action: &str) -> Reply {
    let form = by.form(page, action);
    by.submit(&form)
}

/// The form on a page that sets a field to a value by its only button.
pub(crate) fn mark(by: &mut Browser, page: &str, action: &str, field: &str, value: &str) -> Reply {
    let text = by.get(page).text().to_owned();
    let wanted = format!("name=\"{field}\" value=\"{value}\"");
    let forms = text.match_indices("<form").map(|(at, _)| &text[at..]);
    let own = forms.filter_map(|rest| form_of(rest, action, &wanted)).next();
    by.submit(&own.unwrap_or_else(|| panic!("no {field}={value} for {action} on {page}: {text}")))
}

fn form_of(rest: &str, action: &str, wanted: &str) -> Option<Form> {
    let form = &rest[..rest.find("</form>")? + "</form>".len()];
    form.contains(wanted).then(|| form_in(form, action)).flatten()
}

/// Asks for a change over the API, as a script of the site's own would: with the session and its secret.
pub(crate) fn api(by: &mut Browser, method: &str, path: &str, body: &Value) -> Reply {
    let secret =
        form_in(by.get("/drafts").text(), "/logout").and_then(|form| form.get("csrf").map(str::to_owned));
    let secret = format!("X-CSRF-Token: {}", secret.unwrap_or_default());
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut headers = vec!["Origin: http://test", secret.as_str()];
    if !body.is_empty() {
        headers.push("Content-Type: application/json");
    }
    by.send(method, path, &headers, body.as_bytes())
}
