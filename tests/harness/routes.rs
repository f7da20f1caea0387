//! The addresses of the route table with things put into them that exist.

use serde_json::{Value, json};
use veritable_worker::routes::{Endpoint, table};

use super::people::{Community, Who};

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
}

impl Objects {
    /// Makes a topic and a page of the owner's.
    pub(crate) fn make(community: &mut Community) -> Objects {
        Objects::with(community, "A topic", "Some *words* about [[Home]].")
    }

    /// The same with this title and text.
    pub(crate) fn with(community: &mut Community, title: &str, body: &str) -> Objects {
        let token = community.token(Who::Owner, 31);
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
        // Old addresses lead to what was imported.
        for (kind, local) in [("topic", &topic["topic"]["id"]), ("post", &topic["post"]["id"])] {
            let sql = "INSERT INTO imported (source, kind, foreign_id, local_id) VALUES ('test', ?1, ?2, ?2)";
            let of = local.as_i64().unwrap();
            community.database().execute(sql, rusqlite::params![kind, of.to_string()]).unwrap();
        }
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
        }
    }

    /// What stands for a part of a pattern.
    fn part(&self, pattern: &str, name: &str) -> Option<String> {
        let begins = |start: &str| pattern.starts_with(start);
        Some(match name {
            "slug" if begins("/c/") => self.category_slug.clone(),
            "slug" => self.topic_slug.clone(),
            "number" => "1".into(),
            "name" => self.user.clone(),
            "title" => self.page_title.replace(' ', "_"),
            "old" => self.revisions.0.to_string(),
            "new" => self.revisions.1.to_string(),
            "parent" => "parent".into(),
            "part" => "activity".into(),
            "secret" => "x".repeat(22),
            "category" => self.category.to_string(),
            "topic" => self.topic.to_string(),
            "id" if begins("/c/") || begins("/api/forums/") => self.category.to_string(),
            "id" if begins("/t/") || begins("/api/topics/") => self.topic.to_string(),
            "id" if begins("/p/") || begins("/posts/") || begins("/api/posts/") => self.post.to_string(),
            "id" if begins("/api/wiki/pages/") => self.page.to_string(),
            "id" if begins("/wiki-revision/") || begins("/api/wiki/revisions/") => {
                self.revisions.1.to_string()
            }
            _ => return None,
        })
    }

    /// A pattern's address.
    pub(crate) fn address(&self, pattern: &str) -> String {
        let mut address = String::new();
        let mut rest = pattern;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap();
            let part = self.part(pattern, name.trim_start_matches('*'));
            address.push_str(before);
            address.push_str(&part.unwrap_or_else(|| {
                panic!("{pattern}: tests/harness/routes.rs does not know what {{{name}}} is")
            }));
            rest = after;
        }
        address + rest
    }
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
            paths.push(objects.address(pattern));
        }
    }
    let page = objects.address("/wiki/{*title}");
    paths.extend(["history", "edit", "move", "info"].map(|action| format!("{page}?action={action}")));
    paths.push(format!("{page}?diff={}&oldid={}", objects.revisions.1, objects.revisions.0));
    paths.extend(["/search?q=words".into(), "/nowhere".into(), "/wiki/No_such_page".into()]);
    paths
}
