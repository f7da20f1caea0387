//! The addresses of the route table with things put into them that exist.

use serde_json::{Value, json};
use veritable_worker::routes::{Endpoint, table};

use super::people::{Community, Who};
use super::server::Server;

/// Things that addresses name.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    pub(crate) category: i64,
    pub(crate) category_slug: String,
    pub(crate) topic: i64,
    pub(crate) topic_slug: String,
    /// The topic's first post; it is the owner's.
    pub(crate) post: i64,
    pub(crate) page: i64,
    pub(crate) page_title: String,
    /// The page's first revision and its current one.
    pub(crate) revisions: (i64, i64),
    pub(crate) user: String,
    pub(crate) user_id: i64,
    /// A reply in the topic that the owner wrote and deleted again; 0 where nobody asks for it.
    pub(crate) deleted_post: i64,
    /// A page that was deleted; 0 where nobody asks for it.
    pub(crate) deleted_page: i64,
    /// The file name of a picture of the owner's; empty where nobody asks for it.
    pub(crate) picture: String,
    /// A session of the owner's and a token.
    pub(crate) session: i64,
    pub(crate) token: i64,
}

/// The number of a group of the site's own, which nobody is in.
pub(crate) const GROUP: i64 = 4;
const EVERY_SCOPE: u8 = 31;

/// Between the parts of a form that carries a picture.
pub(crate) const BOUNDARY: &str = "----drawn-here";

/// A picture of few bytes, each time another.
pub(crate) fn drawn() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    let pixels = image::RgbImage::from_fn(4, 4, |_, _| image::Rgb([(); 3].map(|()| fastrand::u8(..))));
    pixels.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

impl Objects {
    /// Makes whatever an address of the table can name.
    pub(crate) fn make(community: &mut Community) -> Objects {
        Objects::with(community, "A topic", "Some *words* about [[Home]].").with_more(community)
    }

    /// A topic and a page of the owner's, the topic with this title and text.
    pub(crate) fn with(community: &mut Community, title: &str, body: &str) -> Objects {
        let token = community.token(Who::Owner, EVERY_SCOPE);
        let server = &community.server;
        let made = |method: &str, path: &str, body: Value| {
            let reply = server.change(&token, method, path, &body);
            assert!(reply.status < 300, "{method} {path}: {}", reply.text());
            reply.json()
        };
        let category = server.get("/api/forums").json()["categories"][0].clone();
        let (id, number) = (category["id"].as_i64().unwrap(), fastrand::u32(..));
        let topic = made(
            "POST",
            &format!("/api/forums/{id}/topics"),
            json!({"title": format!("{title} {number}"), "body": body}),
        );
        let page_title = format!("A page {number}");
        let page = made("PUT", "/api/wiki/pages", json!({"title": page_title, "body": "== One ==\n\ntext"}));
        let first = page["revision"]["id"].as_i64().unwrap();
        let again = made(
            "PUT",
            "/api/wiki/pages",
            json!({"title": page_title, "body": "# One\n\nmore text\n\n# Two\n\nend", "base_revision": first}),
        );
        Objects {
            category: id,
            category_slug: category["slug"].as_str().unwrap().to_owned(),
            topic: topic["topic"]["id"].as_i64().unwrap(),
            topic_slug: topic["topic"]["slug"].as_str().unwrap().to_owned(),
            post: topic["post"]["id"].as_i64().unwrap(),
            page: page["page"]["id"].as_i64().unwrap(),
            page_title,
            revisions: (first, again["revision"]["id"].as_i64().unwrap()),
            user: Who::Owner.name().to_owned(),
            user_id: community.user(Who::Owner),
            deleted_post: 0,
            deleted_page: 0,
            picture: String::new(),
            session: 0,
            token: 0,
        }
    }

    /// The same with what was deleted, a picture, a group, and where old addresses lead.
    pub(crate) fn with_more(mut self, community: &mut Community) -> Objects {
        let token = community.token(Who::Owner, EVERY_SCOPE);
        let moderator = community.token(Who::Moderator, EVERY_SCOPE);
        let (server, db) = (&community.server, community.database());
        let replied = server.change(
            &token,
            "POST",
            &format!("/api/topics/{}/posts", self.topic),
            &json!({"body": "words that are taken back"}),
        );
        self.deleted_post = replied.json()["post"]["id"].as_i64().unwrap();
        let deleted =
            server.change(&token, "DELETE", &format!("/api/posts/{}", self.deleted_post), &Value::Null);
        assert_eq!(deleted.status, 204, "{}", deleted.text());
        let title = format!("A page that goes {}", self.topic);
        let page = server.change(&token, "PUT", "/api/wiki/pages", &json!({"title": title, "body": "text"}));
        self.deleted_page = page.json()["page"]["id"].as_i64().unwrap();
        let path = format!("/api/wiki/pages/{}", self.deleted_page);
        let deleted = server.change(&moderator, "DELETE", &path, &json!({}));
        assert_eq!(deleted.status, 200, "{}", deleted.text());
        self.picture = picture(server, &token);
        let sql = "INSERT OR IGNORE INTO groups (id, name, created_at) VALUES (?1, 'Nobody', 0)";
        db.execute(sql, [GROUP]).unwrap();
        let newest = |sql: &str| db.query_row(sql, [self.user_id], |row| row.get(0)).unwrap();
        self.session = newest("SELECT max(id) FROM sessions WHERE user_id = ?1");
        self.token = newest("SELECT max(id) FROM api_tokens WHERE user_id = ?1");
        // Old addresses lead to what was imported.
        for (kind, local) in [("topic", self.topic), ("post", self.post)] {
            let sql = "INSERT INTO imported (source, kind, foreign_id, local_id) VALUES ('test', ?1, ?2, ?2)";
            db.execute(sql, rusqlite::params![kind, local.to_string()]).unwrap();
        }
        self
    }

    /// What stands for a part of a pattern.
    fn part(&self, pattern: &str, name: &str) -> Option<String> {
        let begins = |start: &str| pattern.starts_with(start);
        Some(match name {
            "slug" if begins("/c/") => self.category_slug.clone(),
            "slug" => self.topic_slug.clone(),
            "number" => "1".into(),
            "name" if begins("/api/uploads/") => self.picture.clone(),
            "name" => self.user.clone(),
            "title" => self.page_title.replace(' ', "_"),
            "old" => self.revisions.0.to_string(),
            "new" => self.revisions.1.to_string(),
            "parent" => "parent".into(),
            "part" => "activity".into(),
            "secret" => "x".repeat(22),
            "category" => self.category.to_string(),
            "topic" => self.topic.to_string(),
            "version" => "1".into(),
            // One that each of these pages knows; the others are asked for by rows of their own.
            "deed" if begins("/admin/users/") => "end-sessions".into(),
            "deed" => "save".into(),
            "id" => self.id(pattern)?.to_string(),
            _ => return None,
        })
    }

    /// What `{id}` stands for, by what comes before it.
    fn id(&self, pattern: &str) -> Option<i64> {
        Some(match pattern.split_once("{id}")?.0 {
            "/c/{slug}/" | "/c/{parent}/{slug}/" | "/api/forums/" | "/admin/categories/" => self.category,
            "/t/" | "/t/{slug}/" | "/topics/" | "/api/topics/" => self.topic,
            "/posts/" if pattern == "/posts/{id}/restore" => self.deleted_post,
            "/p/" | "/posts/" | "/api/posts/" | "/moderation/posts/" | "/api/moderation/posts/" => self.post,
            "/api/wiki/pages/" if pattern == "/api/wiki/pages/{id}/restore" => self.deleted_page,
            "/api/wiki/pages/" => self.page,
            "/wiki-deleted/" => self.deleted_page,
            "/wiki-revert/" => self.revisions.0,
            "/wiki-revision/" | "/api/wiki/revisions/" => self.revisions.1,
            "/admin/users/" | "/api/admin/users/" => self.user_id,
            "/admin/groups/" => GROUP,
            "/api/me/sessions/" => self.session,
            "/api/me/tokens/" => self.token,
            _ => return None,
        })
    }

    /// A pattern's address with the query without which there is nothing to show.
    pub(crate) fn asked(&self, pattern: &str) -> String {
        let address = self.address(pattern);
        let (first, second) = self.revisions;
        match pattern {
            "/posts/{id}/diff" => format!("{address}?old=1&new=1"),
            "/wiki-compare" => format!("{address}?old={first}&new={second}"),
            _ => address,
        }
    }

    /// A pattern's address.
    pub(crate) fn address(&self, pattern: &str) -> String {
        self.address_with(pattern, "", "")
    }

    /// The same with `text` for the part that stands as `{part}` in it.
    pub(crate) fn address_with(&self, pattern: &str, part: &str, text: &str) -> String {
        let mut address = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            let known = if name == part {
                Some(text.to_owned())
            } else {
                self.part(pattern, name.trim_start_matches('*'))
            };
            address.push_str(before);
            address.push_str(&known.unwrap_or_else(|| {
                panic!("{pattern}: tests/harness/routes.rs does not know what {{{name}}} is")
            }));
            rest = after;
        }
        address + rest
    }
}

/// Uploads a picture for the holder of a token; its file name.
pub(crate) fn picture(server: &Server, token: &str) -> String {
    let bearer = format!("Authorization: Bearer {token}");
    let lines = [bearer.as_str(), "Content-Type: image/png", "Connection: close"];
    let stored = server.connect().send("POST", "/api/uploads", &lines, &drawn()).unwrap();
    let json = stored.json();
    json["path"]
        .as_str()
        .and_then(|path| path.strip_prefix("/uploads/"))
        .expect("a picture's path")
        .to_owned()
}

/// Whether somebody gets to see a page of his own at all.
fn admits(route: veritable_worker::routes::Who, who: Who) -> bool {
    use veritable_worker::routes::Who as Route;
    match route {
        Route::Anyone => true,
        Route::Member => who != Who::Guest,
        Route::Moderator => matches!(who, Who::Moderator | Who::Administrator),
        Route::Administrator => who == Who::Administrator,
    }
}

/// Addresses of every page that somebody may read: those of the table, and those that a query makes other pages of.
pub(crate) fn read_paths(objects: &Objects, who: Who) -> Vec<String> {
    let mut paths = Vec::new();
    for (pattern, endpoint) in table() {
        let is_read = match endpoint {
            Endpoint::Read { .. } => true,
            Endpoint::Own { who: route, .. } => admits(route, who),
            _ => false,
        };
        if is_read && !pattern.starts_with("/api") && pattern != "/robots.txt" {
            paths.push(objects.asked(pattern));
        }
    }
    let page = objects.address("/wiki/{*title}");
    paths.extend(["history", "edit", "move", "info"].map(|action| format!("{page}?action={action}")));
    paths.push(format!("{page}?diff={}&oldid={}", objects.revisions.1, objects.revisions.0));
    paths.extend(["/search?q=words".into(), "/nowhere".into(), "/wiki/No_such_page".into()]);
    paths
}
