//! Where people can write in the wiki, and pictures.

use serde_json::{Value, json};

use super::super::super::harness::http::Reply;
use super::super::super::harness::rounds;
use super::super::super::harness::routes::{BOUNDARY, drawn};
use super::World;

pub(super) fn wiki_pages(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for (number, body) in payloads.iter().enumerate() {
        let page = json!({"title": format!("Text {number}"), "body": body});
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            pages.push(world.administrator.get(made["path"].as_str().unwrap()));
            let revision = made["revision"]["id"].to_string();
            pages.push(world.administrator.get(&format!("/wiki-revision/{revision}")));
        }
    }
    pages
}

pub(super) fn wiki_titles(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for title in payloads {
        let page = json!({"title": title, "body": format!("See [[{title}]] and [[No page|{title}]].")});
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            let path = made["path"].as_str().unwrap().to_owned();
            pages.push(world.administrator.get(&path));
            pages.push(world.administrator.get(&format!("{path}?action=history")));
        }
    }
    pages.extend(world.pages("/wiki-all"));
    pages
}

pub(super) fn edit_comments(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut base = Value::Null;
    for (number, comment) in payloads.iter().enumerate() {
        let page = json!({
            "title": "Commented", "body": format!("version {number}"), "comment": comment, "base_revision": base,
        });
        if let Some(made) = world.made("PUT", "/api/wiki/pages", &page) {
            base = made["revision"]["id"].clone();
        }
    }
    let mut pages = world.pages("/wiki/Commented?action=history");
    pages.extend(world.pages("/recent").into_iter().take(rounds(2, 100)));
    pages
}

/// A page moves from title to title; its history and the pages left behind tell of it.
pub(super) fn moves(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let page = json!({"title": "A page that moves", "body": "text"});
    let made = world.made("PUT", "/api/wiki/pages", &page).expect("a page");
    let path = format!("/api/wiki/pages/{}/move", made["page"]["id"]);
    let mut at = made["path"].as_str().unwrap().to_owned();
    let mut pages = Vec::new();
    for text in payloads {
        let to = json!({"title": text, "comment": text});
        if let Some(moved) = world.made("POST", &path, &to) {
            pages.push(world.administrator.get(&format!("{at}?redirect=no")));
            moved["path"].as_str().unwrap().clone_into(&mut at);
            let title = at.strip_prefix("/wiki/").unwrap();
            for tool in ["edit", "move", "links", "delete", "protect"] {
                pages.push(world.administrator.get(&format!("/wiki-{tool}/{title}")));
            }
        }
    }
    pages.extend(world.pages(&format!("{at}?action=history")));
    pages
}

/// What lies between two texts of a page, an edit looked at before it is saved, and one that came too late.
pub(super) fn differences(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut base = Value::Null;
    let mut pages = Vec::new();
    for text in payloads {
        let page = json!({"title": "A text that changes", "body": text, "base_revision": base});
        let Some(made) = world.made("PUT", "/api/wiki/pages", &page) else { continue };
        let revision = made["revision"]["id"].clone();
        if !base.is_null() && revision != base {
            pages.push(world.administrator.get(&format!("/wiki-diff/{base}/{revision}")));
            pages.push(world.administrator.get(&format!("/wiki-revert/{base}")));
        }
        let address = "/wiki-edit/A_text_that_changes";
        for (name, value) in [("preview", "1"), ("base", "1")] {
            let form = world.administrator.form(&format!("{address}?anew=1"), address);
            let form = form.set("body", &format!("{text} once more")).set("comment", text).set(name, value);
            pages.push(world.administrator.submit(&form));
        }
        base = revision;
    }
    pages
}

/// Pages that were deleted, with why.
pub(super) fn deleted(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for (number, text) in payloads.iter().enumerate() {
        let page = json!({"title": format!("Gone {number}"), "body": text});
        let Some(made) = world.made("PUT", "/api/wiki/pages", &page) else { continue };
        let id = &made["page"]["id"];
        if world.made("DELETE", &format!("/api/wiki/pages/{id}"), &json!({"comment": text})).is_some() {
            pages.push(world.administrator.get(&format!("/wiki-deleted/{id}")));
        }
    }
    pages.extend(world.pages("/wiki-deleted"));
    pages
}

/// What the files of pictures are called, and what stands for them where they are not shown.
pub(super) fn pictures(world: &mut World, payloads: &[String]) -> Vec<Reply> {
    let mut pages = Vec::new();
    for text in payloads {
        // As browsers write it: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data
        let name = text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let form = world.administrator.form("/uploads", "/uploads");
        let part = |name: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"");
        let head = format!(
            "{}\r\n\r\n{}\r\n{}; filename=\"{name}\"\r\nContent-Type: image/png\r\n\r\n",
            part("csrf"),
            form.get("csrf").unwrap(),
            part("file")
        );
        let body = [head.as_bytes(), &drawn(), format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
        let kind = format!("Content-Type: multipart/form-data; boundary={BOUNDARY}");
        let reply = world.administrator.send("POST", "/uploads", &["Origin: http://test", &kind], &body);
        assert!(reply.status < 500, "{text:?}: {}", reply.status);
        if reply.status != 303 {
            pages.push(reply);
        }
    }
    pages.extend(world.pages("/uploads"));
    for some in payloads.chunks(49) {
        let shown = some.iter().map(|text| format!("![{text}](/uploads/x.png \"{text}\")"));
        if let Some(made) = world.topic("Pictures", &shown.collect::<Vec<_>>().join("\n\n")) {
            pages.push(world.administrator.get(made["path"].as_str().unwrap()));
        }
    }
    pages
}
