//! Where people can write in the forum.

use serde_json::{Value, json};

use super::super::super::harness::browser::escape;
use super::super::super::harness::http::Reply;
use super::super::super::harness::rounds;
use super::World;

/// Posts of a topic on one page.
const POSTS: usize = 49;
/// Texts that search shows at most for one word, and on one page.
const FOUND: usize = 200;
const FOUND_ON_A_PAGE: usize = 20;

pub(super) fn posts(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for some in payloads.chunks(POSTS) {
        let made = world.topic("Texts that run elsewhere", &some[0]).expect("a topic");
        let topic = made["topic"]["id"].clone();
        for body in &some[1..] {
            world.made("POST", &format!("/api/topics/{topic}/posts"), &json!({"body": body}));
        }
        pages.push(world.administrator.get(made["path"].as_str().unwrap()));
    }
    pages
}

pub(super) fn topic_titles(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let paths: Vec<Value> = payloads.iter().filter_map(|title| world.topic(title, title)).collect();
    paths.iter().map(|made| world.administrator.get(made["path"].as_str().unwrap())).collect()
}

pub(super) fn topic_lists(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    for title in payloads {
        world.topic(title, "x");
    }
    let mut pages = world.pages("/latest");
    pages.truncate(rounds(4, 100));
    pages.push(world.server.get("/"));
    pages
}

pub(super) fn searches(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    payloads.iter().map(|text| world.administrator.get(&format!("/search?q={}", escape(text)))).collect()
}

/// What search finds, with the words around it.
pub(super) fn found(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for (number, some) in payloads.chunks(FOUND).enumerate() {
        let word = format!("marmalade{number}");
        let made =
            some.iter().filter(|text| world.topic("A find", &format!("{word} {text}")).is_some()).count();
        for page in 1..=made.div_ceil(FOUND_ON_A_PAGE) {
            let page = world.administrator.get(&format!("/search?q={word}&page={page}"));
            assert!(page.text().contains(&format!("<mark>{word}</mark>")), "{}", page.text());
            pages.push(page);
        }
    }
    pages
}

/// A topic gets other titles, one after the other.
pub(super) fn renamed(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let made = world.topic("A title that changes", "words").expect("a topic");
    let path = format!("/api/topics/{}", made["topic"]["id"]);
    let mut pages = Vec::new();
    for title in payloads {
        if world.made("PATCH", &path, &json!({"title": title})).is_some() {
            let id = &made["topic"]["id"];
            for page in ["edit", "delete"] {
                pages.push(world.administrator.get(&format!("/topics/{id}/{page}")));
            }
            pages.push(world.administrator.get(&format!("/reply/{id}")));
        }
    }
    pages
}

/// What is said of the edits of a post, and their texts, as its history has them.
pub(super) fn versions(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let made = world.topic("A text that changes", "words").expect("a topic");
    let post = made["post"]["id"].to_string();
    let mut version = 1;
    let mut pages = Vec::new();
    for text in payloads {
        let edit = json!({"body": text, "base_version": version, "comment": text});
        if world.made("PATCH", &format!("/api/posts/{post}"), &edit).is_some() {
            version += 1;
            pages.push(world.administrator.get(&format!("/posts/{post}/versions/{version}")));
            let old = version - 1;
            pages.push(world.administrator.get(&format!("/posts/{post}/diff?old={old}&new={version}")));
            pages.push(world.administrator.get(&format!("/posts/{post}/edit")));
        }
    }
    pages.extend(world.pages(&format!("/posts/{post}/history")));
    pages
}

/// What is begun and kept, looked at, or quoted.
pub(super) fn drafts(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let address = format!("/new-topic/{}", world.category);
    let mut pages = Vec::new();
    for text in payloads {
        for button in ["draft", "preview"] {
            let form = world.administrator.form(&address, &address);
            let form = form.set("title", text).set("body", text).set(button, "1");
            let reply = world.administrator.submit(&form);
            // What is no title is refused, and shown back.
            assert!(reply.status <= 400, "{text:?}: {}", reply.status);
            if button == "preview" {
                pages.push(reply);
            } else {
                pages.extend([&address, "/drafts"].map(|path| world.administrator.get(path)));
            }
        }
        if let Some(made) = world.topic("To be quoted", text) {
            let path = format!("/reply/{}?to=1&quote=1", made["topic"]["id"]);
            pages.push(world.administrator.get(&path));
        }
    }
    pages
}

/// What comes back to whoever is not logged in any more.
pub(super) fn shown_back(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let made = world.topic("A topic to answer", "words").expect("a topic");
    let action = format!("/reply/{}", made["topic"]["id"]);
    payloads
        .iter()
        .enumerate()
        .map(|(number, text)| super::people::sent(world, &action, number, text))
        .collect()
}

/// What moderators are told of a post, before and after they have looked at it.
pub(super) fn reports(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut posts = Vec::new();
    for text in payloads {
        let made = world.topic("Reported", text).or_else(|| world.topic("Reported", "words"));
        let post = made.expect("a topic")["post"]["id"].clone();
        let report = json!({"reason": "other", "note": text});
        if world.made("POST", &format!("/api/posts/{post}/reports"), &report).is_some() {
            posts.push(post);
        }
    }
    let mut pages = world.pages("/moderation");
    for post in posts {
        let verdict = json!({"verdict": "deleted"});
        world.made("POST", &format!("/api/moderation/posts/{post}"), &verdict).expect("a verdict");
    }
    pages.extend(world.pages("/moderation/handled"));
    pages
}

/// Names and descriptions of categories.
pub(super) fn categories(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for (number, text) in payloads.iter().enumerate() {
        let name = if text.chars().count() > 80 { format!("Long {number}") } else { text.clone() };
        let form = world.administrator.form("/admin/categories", "/admin/categories");
        let reply = world.administrator.submit(&form.set("name", &name).set("description", text));
        assert!([303, 422].contains(&reply.status), "{text:?}: {}", reply.status);
        if reply.status == 422 {
            pages.push(reply);
        }
    }
    let all = world.server.get("/api/forums").json();
    for category in all["categories"].as_array().unwrap() {
        let id = &category["id"];
        for path in [format!("/c/x/{id}"), format!("/admin/categories/{id}"), format!("/new-topic/{id}")] {
            pages.push(world.administrator.get(&path));
        }
    }
    for path in ["/", "/admin/categories", "/new-topic"] {
        pages.push(world.administrator.get(path));
    }
    pages
}
