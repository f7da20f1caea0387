//! Where people can write of themselves, and into addresses.

use serde_json::json;

use super::super::super::harness::browser::{Browser, Form, escape};
use super::super::super::harness::http::Reply;
use super::super::super::harness::people::PASSWORD;
use super::super::super::harness::rounds;
use super::World;

/// As many invitations, tokens and sessions as one account may have at once, and fewer than it may.
const MOST: usize = 40;
/// Answers of a topic on one page.
const POSTS: usize = 49;

fn submitted(world: &World, path: &str, number: usize, fields: &[(&str, &str)]) -> Reply {
    let mut browser = Browser::new(&world.server);
    let mut form = browser.form(path, path.split('?').next().unwrap());
    for (name, value) in fields {
        form = form.set(name, value);
    }
    browser.from = Some(format!("198.51.{}.{}", number / 250, number % 250));
    browser.submit(&form)
}

pub(super) fn logins(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let fields = |text| [("user", text), ("password", "x"), ("next", text)];
    let mut pages: Vec<Reply> = payloads
        .iter()
        .enumerate()
        .map(|(number, text)| submitted(world, "/login", number, &fields(text)))
        .collect();
    let asked = |text| format!("/login?next={}&done={}", escape(text), escape(text));
    pages.extend(payloads.iter().map(|text| world.server.get(&asked(text))));
    pages
}

pub(super) fn sign_ups(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    let last = || world.database().query_row("SELECT max(id) FROM users", [], |row| row.get(0)).unwrap();
    let before: i64 = last();
    for (number, text) in payloads.iter().enumerate() {
        // All of it comes back with what is wrong.
        let fields =
            [("name", text.as_str()), ("address", text), ("password", "short"), ("invitation", text)];
        pages.push(submitted(world, "/signup", number, &fields));
        // Nothing is wrong but for the name, perhaps.
        let address = format!("number{number}@example.org");
        let fields = [("name", text.as_str()), ("address", &address), ("password", PASSWORD)];
        let reply = submitted(world, "/signup", number, &fields);
        assert!([200, 422].contains(&reply.status), "{text:?}: {}", reply.status);
        pages.push(reply);
    }
    let db = world.database();
    let mut names = db.prepare("SELECT id, name FROM users WHERE id > ?1").unwrap();
    let names =
        names.query_map([before], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?))).unwrap();
    let names: Vec<_> = names.map(Result::unwrap).collect();
    assert!(rounds(0, 1) == 0 || !names.is_empty(), "no text is a name");
    for (id, name) in names {
        for path in [format!("/u/{}", escape(&name)), format!("/admin/users/{id}")] {
            let page = world.administrator.get(&path);
            // A profile is shown once the account's address is confirmed.
            assert!([200, 404].contains(&page.status), "{path}: {}", page.status);
            pages.push(page);
        }
    }
    pages.extend(world.pages("/admin/users"));
    pages
}

pub(super) fn forgotten(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let pages = payloads.iter().enumerate();
    pages.map(|(number, text)| submitted(world, "/forgot", number, &[("user", text)])).collect()
}

pub(super) fn nowhere(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for text in payloads {
        for before in ["/", "/wiki/", "/u/", "/verify/", "/latest?before="] {
            pages.push(world.server.get(&format!("{before}{}", escape(text))));
        }
    }
    pages.retain(|page| !page.body.is_empty());
    pages
}

pub(super) fn problems(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    payloads.iter().map(|text| world.server.get(&format!("/api/users/{}", escape(text)))).collect()
}

pub(super) fn user_agents(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let password = world.server.password();
    let sendable =
        payloads.iter().filter(|text| text.len() < 200 && text.bytes().all(|b| (32..127).contains(&b)));
    let names: Vec<&String> = sendable.filter(|text| text.contains('<')).collect();
    let mut pages = Vec::new();
    for some in names.chunks(MOST) {
        for text in some {
            let mut browser = Browser::new(&world.server);
            browser.user_agent = Some((*text).clone());
            assert_eq!(browser.log_in("admin", &password).status, 303, "{text}");
        }
        pages.push(world.administrator.get("/account"));
        // There is room for so many at once.
        let form = world.administrator.form("/account", "/account/sessions/end-others");
        assert_eq!(world.administrator.submit(&form).status, 303);
    }
    pages
}

/// A reply of whoever is not logged in.
pub(super) fn sent(world: &World, action: &str, number: usize, text: &str) -> Reply {
    let mut browser = Browser::new(&world.server);
    browser.from = Some(format!("198.52.{}.{}", number / 250, number % 250));
    let fields = [("body", text), ("title", text), ("comment", text), ("carried", text)];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
    browser.submit(&Form { action: action.to_owned(), fields: fields.into() })
}

/// How somebody is called, wherever that is shown. Nobody may change it often: each text is another account's.
pub(super) fn display_names(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for some in payloads.chunks(POSTS) {
        let made = world.topic("By many", "words").expect("a topic");
        let answers = format!("/api/topics/{}/posts", made["topic"]["id"]);
        for name in some {
            let (user, token) = account(world);
            let named = world.server.change(&token, "PATCH", "/api/me", &json!({"display_name": name}));
            assert!([200, 400].contains(&named.status), "{name:?}: {}", named.text());
            if named.status == 200 {
                let answer = world.server.change(&token, "POST", &answers, &json!({"body": "words"}));
                assert_eq!(answer.status, 201, "{}", answer.text());
                pages.push(world.administrator.get(&format!("/u/{user}")));
            } else {
                let form = world.administrator.form("/account", "/account/name").set("display-name", name);
                pages.push(world.administrator.submit(&form));
            }
        }
        pages.push(world.administrator.get(made["path"].as_str().unwrap()));
        pages.push(world.administrator.get("/latest"));
    }
    pages.extend(world.pages("/admin/users"));
    pages
}

/// A new member with a token that is for everything.
fn account(world: &World) -> (String, String) {
    use sha2::{Digest, Sha256};
    let db = world.database();
    let name = format!("somebody{}", fastrand::u32(..));
    let sql = "INSERT INTO users (name, name_key, role, created_at, verified_at, approved_at) \
               VALUES (?1, ?1, 1, 1, 1, 1)";
    db.execute(sql, [&name]).unwrap();
    let (user, token) = (db.last_insert_rowid(), format!("vt_{name}"));
    let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let sql =
        "INSERT INTO api_tokens (token_hash, user_id, name, created_at, scopes) VALUES (?1, ?2, '', 0, 31)";
    db.execute(sql, rusqlite::params![hash, user]).unwrap();
    (name, token)
}

/// What tokens are called.
pub(super) fn tokens(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for some in payloads.chunks(MOST) {
        let mut made = Vec::new();
        for name in some {
            let token = json!({"name": name, "scopes": ["read"]});
            made.extend(world.made("POST", "/api/me/tokens", &token).map(|made| made["token"]["id"].clone()));
        }
        pages.push(world.administrator.get("/account/tokens"));
        for id in made {
            world.made("DELETE", &format!("/api/me/tokens/{id}"), &json!({})).expect("an end");
        }
    }
    pages
}

/// What is said of invitations.
pub(super) fn invitations(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for some in payloads.chunks(MOST) {
        for note in some {
            let form = world.administrator.form("/invitations", "/invitations").set("note", note);
            let reply = world.administrator.submit(&form);
            assert!([200, 422].contains(&reply.status), "{note:?}: {}", reply.status);
        }
        pages.extend(world.pages("/invitations"));
        // There is room for so many that are open.
        world.database().execute("DELETE FROM invitations", []).unwrap();
    }
    pages
}

/// Names and descriptions of groups.
pub(super) fn groups(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let form = world.administrator.form("/admin/groups", "/admin/groups").set("name", "A group");
    let made = world.administrator.submit(&form);
    let (page, _) = made.header("location").and_then(|to| to.split_once('?')).expect("a group's page");
    let mut pages = Vec::new();
    for text in payloads {
        let name = if text.chars().count() > 80 { "A long one" } else { text };
        let form = world.administrator.form(page, &format!("{page}/save"));
        let reply = world.administrator.submit(&form.set("name", name).set("description", text));
        assert!([303, 422].contains(&reply.status), "{text:?}: {}", reply.status);
        if reply.status == 422 {
            pages.push(reply);
        }
        for path in [page, "/admin/groups", "/admin/categories", "/admin/users/1"] {
            pages.push(world.administrator.get(path));
        }
    }
    pages
}

/// Why accounts are switched off, and what else is asked of pages of administrators.
pub(super) fn administration(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut browser = Browser::new(&world.server);
    browser.from = Some("198.53.0.1".into());
    let form =
        browser.form("/signup", "/signup").set("name", "mallory").set("address", "mallory@example.org");
    assert_eq!(browser.submit(&form.set("password", PASSWORD)).status, 200);
    let found = world.made("GET", "/api/admin/users?q=mallory", &json!({})).expect("accounts");
    let id = found["users"][0]["id"].to_string();
    let path = format!("/api/admin/users/{id}");
    let mut pages = Vec::new();
    for reason in payloads {
        for disabled in [true, false] {
            world.made("PATCH", &path, &json!({"disabled": disabled, "reason": reason}));
        }
        let text = escape(reason);
        for path in [
            format!("/admin/users?q={text}"),
            format!("/admin/audit?actor={text}&deed={text}&object={text}"),
            format!("/wiki-deleted?before={text}"),
        ] {
            pages.push(world.administrator.get(&path));
        }
    }
    let mut log = world.pages("/admin/audit");
    log.truncate(rounds(4, 200));
    pages.extend(log);
    pages.push(world.administrator.get(&format!("/admin/users/{id}")));
    pages
}
