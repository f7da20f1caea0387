//! The whole write path through the API: command, commit, tags, acknowledgement, and the new text visible on
//! every worker from then on.

use serde_json::json;

use super::harness::server::{Server, try_change};

fn see_everywhere(server: &Server, path: &str, text: &str) {
    for mut worker in server.connect_to_all() {
        let reply = worker.send("GET", path, &[], b"").expect("an answer");
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.text().contains(text), "{path} lacks {text:?}");
    }
}

#[test]
fn what_is_acknowledged_is_visible_on_every_worker_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let category = server.get("/api/forums").json()["categories"][0]["id"].as_i64().unwrap();
    see_everywhere(&server, "/latest", "<main");

    let made = server.change(
        &token,
        "POST",
        &format!("/api/forums/{category}/topics"),
        &json!({"title": "Fresh <b>topic</b>", "body": "First *words* <script>alert(1)</script>"}),
    );
    assert_eq!(made.status, 201, "{}", made.text());
    let location = made.header("location").unwrap().to_owned();
    let topic = made.json()["topic"]["id"].as_i64().or(made.json()["topic"].as_i64()).unwrap();
    see_everywhere(&server, "/latest", "Fresh &#60;b&#62;topic");
    let page = server.get(&format!("/api/topics/{topic}/posts")).json();
    let first = &page["posts"][0];
    assert!(first["html"].as_str().unwrap().contains("<em>words</em>"));
    assert!(!first["html"].as_str().unwrap().contains("<script"));
    let path = if location.starts_with("/api") {
        let topic = server.get(&format!("/api/topics/{topic}")).json();
        format!("/t/{}/{}", topic["slug"].as_str().unwrap(), topic["id"])
    } else {
        location
    };

    for round in 0..5 {
        let text = format!("reply number {round}");
        let reply = server.change(
            &token,
            "POST",
            &format!("/api/topics/{topic}/posts"),
            &json!({"body": text, "parent": first["id"]}),
        );
        assert_eq!(reply.status, 201, "{}", reply.text());
        see_everywhere(&server, &path, &text);
    }

    let post = first["id"].as_i64().unwrap();
    let edit = json!({"body": "Second thoughts", "base_version": 1, "comment": "better"});
    assert_eq!(server.change(&token, "PATCH", &format!("/api/posts/{post}"), &edit).status, 200);
    see_everywhere(&server, &path, "Second thoughts");
    let stale = server.change(&token, "PATCH", &format!("/api/posts/{post}"), &edit);
    assert_eq!(stale.status, 409, "{}", stale.text());
    see_everywhere(&server, "/search?q=thoughts", "<mark>");

    let page = json!({"title": "Fresh page", "body": "See [[Home]].", "comment": "new"});
    let saved = server.change(&token, "PUT", "/api/wiki/pages", &page);
    assert!([200, 201].contains(&saved.status), "{}", saved.text());
    see_everywhere(&server, "/wiki/Fresh_page", "class=\"wikilink");
    assert_eq!(server.change(&token, "PUT", "/api/wiki/pages", &page).status, 409);
    see_everywhere(&server, "/recent", "Fresh page");
}

#[test]
fn one_key_does_one_thing_however_often_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let path = format!("/api/topics/{topic}/posts");
    let body = json!({"body": "only once, please"});
    let answers: Vec<_> = (0..6)
        .map(|_| {
            let reply =
                try_change(&mut server.connect(), &token, Some("\"one-key\""), "POST", &path, &body).unwrap();
            assert_eq!(reply.status, 201, "{}", reply.text());
            reply.json()
        })
        .collect();
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    let other = json!({"body": "something else"});
    let reply =
        try_change(&mut server.connect(), &token, Some("\"one-key\""), "POST", &path, &other).unwrap();
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(!server.get(&format!("{path}?limit=100")).text().contains("something else"));
    let found = server.get("/api/search?q=%22only+once+please%22").json();
    assert_eq!(found.to_string().matches("only").count().min(1), 1, "{found}");
}

#[test]
fn bad_changes_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let path = format!("/api/topics/{topic}/posts");
    for (token, method, path, body, status, named) in [
        ("vt_wrong", "POST", path.as_str(), json!({"body": "x"}), 401, "log in"),
        (&token, "POST", &path, json!({"body": " \n"}), 400, "text"),
        (&token, "POST", &path, json!({"bodi": "x"}), 400, "bodi"),
        (&token, "POST", &path, json!({"body": "x", "parent": 99_999_999}), 404, "post"),
        (&token, "POST", "/api/topics/99999999/posts", json!({"body": "x"}), 404, "topic"),
        (&token, "DELETE", &path, json!({}), 405, ""),
    ] {
        let reply = server.change(token, method, path, &body);
        assert_eq!(reply.status, status, "{method} {path} {body}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"), "{method} {path} {body}");
        let problem = reply.json();
        assert_eq!(problem["status"], status);
        assert!(problem.to_string().contains(named), "{problem} lacks {named:?}");
    }
    let without = server.connect().send("POST", &path, &["Content-Type: application/json"], b"{}").unwrap();
    assert_eq!(without.status, 401);
}
