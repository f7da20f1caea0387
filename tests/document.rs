//! The API's document: real answers are held to it, and schemathesis sends what it allows and what it does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::harness::people::{Community, Who};
use super::harness::rounds;
use super::harness::routes::Objects;

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

/// What the document says of an answer with this status to this operation.
fn answers<'a>(document: &'a Value, method: &str, pattern: &str, status: u16) -> Option<&'a Value> {
    let operation = &document["paths"][pattern][method.to_lowercase()];
    let content = operation["responses"].get(status.to_string())?["content"].as_object()?;
    content.values().next().map(|content| &content["schema"])
}

#[test]
fn answers_are_what_the_document_says() {
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    let token = community.token(Who::Administrator, 31);
    let document = community.server.get("/api/openapi.json").json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut wrong = Vec::new();
    let mut hold =
        |method: &str, pattern: &str, path: &str, reply: &super::harness::http::Reply| match answers(
            &document,
            method,
            pattern,
            reply.status,
        ) {
            None => wrong.push(format!("{method} {path}: {} is not in the document", reply.status)),
            Some(schema) => {
                let found = faults(&document, schema, &reply.json(), "");
                wrong.extend(found.into_iter().map(|fault| format!("{method} {path}: {fault}")));
            }
        };
    for (pattern, item) in document["paths"].as_object().unwrap() {
        let mut path = objects.address(pattern);
        if pattern.ends_with("/search") {
            path += "?q=words";
        }
        if item.get("get").is_some() {
            let line = format!("Authorization: Bearer {token}");
            let reply =
                community.server.connect().send("GET", &path, &[&line, "Connection: close"], b"").unwrap();
            assert_eq!(reply.status, 200, "{path}: {}", reply.text());
            hold("GET", pattern, &path, &reply);
            let wrong = "Authorization: Bearer vt_nobodys";
            let reply =
                community.server.connect().send("GET", &path, &[wrong, "Connection: close"], b"").unwrap();
            hold("GET", pattern, &path, &reply);
        }
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            if item.get(method.to_lowercase()).is_some() {
                hold(
                    method,
                    pattern,
                    &path,
                    &community.server.change("vt_nobodys", method, &path, &json!({})),
                );
                let reply = community.server.change(&token, method, &path, &json!({"no such field": 1}));
                assert!(reply.status >= 400, "{method} {path}: {}", reply.text());
                hold(method, pattern, &path, &reply);
            }
        }
    }
    for (method, pattern, body) in [
        ("POST", "/api/forums/{id}/topics", json!({"title": "A topic", "body": "words"})),
        ("POST", "/api/topics/{id}/posts", json!({"body": "words", "parent": objects.post})),
        ("PATCH", "/api/posts/{id}", json!({"body": "better words", "base_version": 1, "comment": "better"})),
        ("PUT", "/api/wiki/pages", json!({"title": "Fresh", "body": "words", "minor": true})),
    ] {
        let path = objects.address(pattern);
        let reply = community.server.change(&token, method, &path, &body);
        assert!(reply.status < 300, "{method} {path}: {}", reply.text());
        hold(method, pattern, &path, &reply);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// schemathesis, or `None` with a line that says which test was skipped.
fn schemathesis(test: &str) -> Option<PathBuf> {
    let at = std::env::var_os("SCHEMATHESIS").map(PathBuf::from).unwrap_or_else(|| {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/tools/schemathesis/bin/schemathesis")
    });
    if at.exists() {
        return Some(at);
    }
    eprintln!("SKIPPED {test}: {} is absent (.ci/run installs it, or set SCHEMATHESIS)", at.display());
    None
}

#[test]
fn schemathesis_finds_nothing() {
    let Some(program) = schemathesis("schemathesis_finds_nothing") else { return };
    let mut community = Community::new();
    Objects::make(&mut community);
    let token = community.token(Who::Administrator, 31);
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
