//! The API's document: real answers are held to it, and schemathesis sends what it allows and what it does not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::harness::http::Reply;
use super::harness::people::{Community, Who};
use super::harness::routes::{GROUP, Objects, drawn, picture};
use super::harness::{rounds, skipped};

const EVERY_SCOPE: u8 = 31;
const CHANGES: [&str; 4] = ["POST", "PUT", "PATCH", "DELETE"];

/// What is wrong with a value by a schema of the document: the part of JSON Schema that the document uses.
fn faults(document: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let schema = &document["components"]["schemas"][name.rsplit('/').next().unwrap()];
        assert!(schema.is_object(), "{name}");
        return faults(document, schema, value, at);
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        let all: Vec<_> = kinds.iter().map(|kind| faults(document, kind, value, at)).collect();
        return if all.iter().any(Vec::is_empty) { Vec::new() } else { all.concat() };
    }
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_i64() || number.is_u64() => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let types: Vec<&str> = match &schema["type"] {
        Value::String(one) => vec![one],
        Value::Array(some) => some.iter().filter_map(Value::as_str).collect(),
        _ => vec![kind],
    };
    if !types.contains(&kind) {
        return vec![format!("{at} is {value}, not {types:?}")];
    }
    let mut found = Vec::new();
    if let Some(object) = value.as_object() {
        let known = schema["properties"].as_object();
        for (name, value) in object {
            match known.and_then(|known| known.get(name)) {
                Some(schema) => found.extend(faults(document, schema, value, &format!("{at}.{name}"))),
                None if schema["additionalProperties"] == false => {
                    found.push(format!("{at}.{name} is not in the document"));
                }
                None => {}
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !object.contains_key(name) {
                found.push(format!("{at}.{name} is missing"));
            }
        }
    }
    for (number, item) in value.as_array().into_iter().flatten().enumerate() {
        found.extend(faults(document, &schema["items"], item, &format!("{at}[{number}]")));
    }
    if let (Some(words), Some(_)) = (schema["enum"].as_array(), value.as_str())
        && !words.contains(value)
    {
        found.push(format!("{at} is {value}, none of {words:?}"));
    }
    found
}

/// Holds an answer to the document: what is wrong with it.
fn held(document: &Value, method: &str, pattern: &str, path: &str, reply: &Reply) -> Vec<String> {
    let operation = &document["paths"][pattern][method.to_lowercase()];
    let Some(answer) = operation["responses"].get(reply.status.to_string()) else {
        return vec![format!("{method} {path}: {} is not in the document", reply.status)];
    };
    let Some(content) = answer["content"].as_object().and_then(|content| content.values().next()) else {
        let said = reply.body.is_empty();
        return if said {
            Vec::new()
        } else {
            vec![format!("{method} {path}: a body that is not described")]
        };
    };
    let found = faults(document, &content["schema"], &reply.json(), "");
    found.into_iter().map(|fault| format!("{method} {path}: {} {fault}", reply.status)).collect()
}

#[test]
fn answers_are_what_the_document_says() {
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    let token = community.token(Who::Administrator, EVERY_SCOPE);
    let document = community.server.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut wrong = Vec::new();
    let server = &community.server;
    for (pattern, item) in document["paths"].as_object().unwrap() {
        let mut path = objects.address(pattern);
        if pattern.ends_with("/search") {
            path += "?q=words";
        }
        if item.get("get").is_some() {
            let line = format!("Authorization: Bearer {token}");
            let reply = server.connect().send("GET", &path, &[&line, "Connection: close"], b"").unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            wrong.extend(held(&document, "GET", pattern, &path, &reply));
            wrong.extend(held(&document, "GET", pattern, &path, &server.get(&path)));
            let stranger = "Authorization: Bearer vt_nobodys";
            let reply = server.connect().send("GET", &path, &[stranger, "Connection: close"], b"").unwrap();
            wrong.extend(held(&document, "GET", pattern, &path, &reply));
        }
        for method in CHANGES {
            let Some(operation) = item.get(method.to_lowercase()) else { continue };
            let reply = server.change("vt_nobodys", method, &path, &json!({}));
            wrong.extend(held(&document, method, pattern, &path, &reply));
            if operation.get("requestBody").is_some() {
                let reply = server.change(&token, method, &path, &json!({"no such field": 1}));
                assert!(reply.status >= 400, "{method} {path}: {}", reply.text());
                wrong.extend(held(&document, method, pattern, &path, &reply));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every change that the document has, in an order in which each can be done.
fn changes(community: &mut Community) -> Vec<(&'static str, &'static str, String, Value)> {
    let objects = Objects::make(community);
    let at = |pattern: &str| objects.address(pattern);
    let removed = objects.deleted_page;
    vec![
        (
            "POST",
            "/api/forums/{id}/topics",
            at("/api/forums/{id}/topics"),
            json!({"title": "A", "body": "b"}),
        ),
        (
            "POST",
            "/api/topics/{id}/posts",
            at("/api/topics/{id}/posts"),
            json!({"body": "words", "parent": objects.post}),
        ),
        (
            "PATCH",
            "/api/posts/{id}",
            at("/api/posts/{id}"),
            json!({"body": "better words", "base_version": 1, "comment": "better"}),
        ),
        (
            "POST",
            "/api/posts/{id}/reports",
            at("/api/posts/{id}/reports"),
            json!({"reason": "off-topic", "note": "x"}),
        ),
        (
            "POST",
            "/api/moderation/posts/{id}",
            at("/api/moderation/posts/{id}"),
            json!({"verdict": "dismissed"}),
        ),
        ("DELETE", "/api/posts/{id}", at("/api/posts/{id}"), Value::Null),
        ("POST", "/api/posts/{id}/restore", format!("/api/posts/{}/restore", objects.post), Value::Null),
        (
            "PATCH",
            "/api/topics/{id}",
            at("/api/topics/{id}"),
            json!({"title": "Another", "locked": true, "pinned": false, "category": objects.category}),
        ),
        ("DELETE", "/api/topics/{id}", at("/api/topics/{id}"), Value::Null),
        ("POST", "/api/topics/{id}/restore", at("/api/topics/{id}/restore"), Value::Null),
        (
            "PUT",
            "/api/wiki/pages",
            at("/api/wiki/pages"),
            json!({"title": "Fresh", "body": "x", "minor": true}),
        ),
        (
            "POST",
            "/api/wiki/pages/{id}/revert",
            at("/api/wiki/pages/{id}/revert"),
            json!({"revision": objects.revisions.0}),
        ),
        (
            "POST",
            "/api/wiki/pages/{id}/move",
            at("/api/wiki/pages/{id}/move"),
            json!({"title": "Help:Elsewhere", "redirect": false}),
        ),
        (
            "PUT",
            "/api/wiki/pages/{id}/protection",
            at("/api/wiki/pages/{id}/protection"),
            json!({"protected": true}),
        ),
        ("DELETE", "/api/wiki/pages/{id}", at("/api/wiki/pages/{id}"), json!({"comment": "wrong"})),
        ("POST", "/api/wiki/pages/{id}/restore", format!("/api/wiki/pages/{removed}/restore"), Value::Null),
        ("PATCH", "/api/me", at("/api/me"), json!({"display_name": "Ada"})),
        (
            "POST",
            "/api/me/tokens",
            at("/api/me/tokens"),
            json!({"name": "a job", "scopes": ["read", "write"], "expires_at": "2999-01-01T00:00:00Z"}),
        ),
        (
            "PATCH",
            "/api/admin/users/{id}",
            at("/api/admin/users/{id}"),
            json!({"role": "moderator", "groups": [GROUP], "disabled": false, "approved": true}),
        ),
        ("DELETE", "/api/admin/users/{id}", at("/api/admin/users/{id}"), Value::Null),
    ]
}

#[test]
fn changes_are_answered_as_the_document_says() {
    let mut community = Community::new();
    let document = community.server.get("/api/openapi.json").json();
    let token = community.token(Who::Administrator, EVERY_SCOPE);
    let name = picture(&community.server, &token);
    let own = |table: &str| {
        let sql = match table {
            "sessions" => "SELECT max(id) FROM sessions WHERE user_id = ?1",
            _ => "SELECT max(id) FROM api_tokens WHERE user_id = ?1 AND revoked_at IS NULL",
        };
        let user = community.user(Who::Administrator);
        community.database().query_row::<i64, _, _>(sql, [user], |row| row.get(0)).unwrap()
    };
    let session = own("sessions");
    let mut all = changes(&mut community);
    all.extend([
        ("DELETE", "/api/uploads/{name}", format!("/api/uploads/{name}"), Value::Null),
        ("DELETE", "/api/me/sessions/{id}", format!("/api/me/sessions/{session}"), Value::Null),
    ]);
    let mut wrong = Vec::new();
    let mut done: BTreeSet<(String, String)> = BTreeSet::new();
    let mut hold = |method: &str, pattern: &str, path: &str, reply: &Reply| {
        assert!(
            reply.status < 300,
            "{method} {path}: {} {}",
            reply.status,
            String::from_utf8_lossy(&reply.body)
        );
        wrong.extend(held(&document, method, pattern, path, reply));
        done.insert((method.to_lowercase(), pattern.to_owned()));
    };
    for (method, pattern, path, body) in all {
        // What has nothing to say has no body.
        let bearer = format!("Authorization: Bearer {token}");
        let reply = if body.is_null() {
            community.server.connect().send(method, &path, &[&bearer, "Connection: close"], b"").unwrap()
        } else {
            community.server.change(&token, method, &path, &body)
        };
        hold(method, pattern, &path, &reply);
    }
    let bearer = format!("Authorization: Bearer {token}");
    let lines = [bearer.as_str(), "Content-Type: image/png", "Connection: close"];
    let sent = community.server.connect().send("POST", "/api/uploads", &lines, &drawn()).unwrap();
    hold("POST", "/api/uploads", "/api/uploads", &sent);
    // The one that asks, last.
    let made =
        community.server.change(&token, "POST", "/api/me/tokens", &json!({"name": "x", "scopes": ["read"]}));
    let id = made.json()["token"]["id"].clone();
    let path = format!("/api/me/tokens/{id}");
    let ended = community.server.change(&token, "DELETE", &path, &json!({}));
    hold("DELETE", "/api/me/tokens/{id}", &path, &ended);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let described: BTreeSet<(String, String)> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .flat_map(|(pattern, item)| {
            let methods = item.as_object().unwrap().keys().filter(|method| *method != "get");
            methods.map(|method| (method.clone(), pattern.clone()))
        })
        .collect();
    assert_eq!(described.difference(&done).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not tried");
}

/// schemathesis, or `None` with a line that says which test was skipped.
fn schemathesis(test: &str) -> Option<PathBuf> {
    let at = std::env::var_os("SCHEMATHESIS").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/schemathesis/bin/schemathesis")
    });
    if at.exists() {
        return Some(at);
    }
    skipped(test, &format!("{} is absent (.ci/run installs it, or set SCHEMATHESIS)", at.display()));
    None
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(program) = schemathesis("document::schemathesis_finds_nothing") else { return };
    let mut community = Community::new();
    Objects::make(&mut community);
    let token = community.token(Who::Administrator, EVERY_SCOPE);
    let dir = tempfile::tempdir().unwrap();
    let out = Command::new(program)
        .current_dir(dir.path())
        .args(["run", &format!("http://{}/api/openapi.json", community.server.address)])
        .args(["--header", &format!("Authorization: Bearer {token}")])
        .args(["--checks", "all", "--seed", "6", "--no-color", "--generation-database", "none"])
        // Reads are for everybody, with a token or without. That a cursor is one of ours, a title has no `|` and a key
        // was not used before, no schema says.
        .args(["--exclude-checks", "ignored_auth,positive_data_acceptance"])
        .args(["--max-examples", &rounds(10, 300).to_string(), "--continue-on-failure"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{said}{}", String::from_utf8_lossy(&out.stderr));
    assert!(said.contains("passed"), "{said}");
}
