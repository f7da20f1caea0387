//! What the log says of requests, and what requests are called.

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};

use super::harness::server::{Server, veritable};
use super::harness::wait_for;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// A demonstration community that logs as JSON into a file.
struct Site {
    _dir: tempfile::TempDir,
    server: Server,
    log: PathBuf,
}

impl Site {
    fn start(access: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut program = veritable();
        program.env("VERITABLE_LOG_ACCESS", access).env("VERITABLE_LOG_FORMAT", "json");
        let file = std::fs::File::create(&log).unwrap();
        let server = Server::start_logging(program, "demo", &dir.path().join("data"), &[], file.into());
        Site { _dir: dir, server, log }
    }

    fn lines(&self) -> Vec<Value> {
        let log = std::fs::read_to_string(&self.log).unwrap();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The line of the request with this name.
    fn line(&self, id: &str) -> Value {
        wait_for("a line of the log", || {
            let mut lines = self.lines().into_iter();
            lines.find(|line| line["target"] == "access" && line["fields"]["request_id"] == id)
        })
    }
}

#[test]
fn a_request_has_a_line_with_its_name_its_route_and_its_trace() {
    let site = Site::start("on");
    let mut connection = site.server.connect();
    let trace = format!("traceparent: 00-{TRACE}-{PARENT}-01");
    let reply =
        connection.send("GET", "/latest?x=1", &["X-Request-Id: edge/7", &trace], b"").expect("an answer");
    assert_eq!(reply.header("x-request-id"), Some("edge/7"), "its sender finds it again");
    let fields = site.line("edge/7")["fields"].clone();
    for (name, value) in [
        ("method", "GET"),
        ("path", "/latest"),
        ("route", "/latest"),
        ("client", "127.0.0.1"),
        ("trace_id", TRACE),
        ("parent_span_id", PARENT),
    ] {
        assert_eq!(fields[name], value, "{name} in {fields}");
    }
    assert_eq!((fields["status"].as_u64(), fields["sampled"].as_bool()), (Some(200), Some(true)));
    assert_eq!(fields["body_bytes"].as_u64(), Some(reply.body.len() as u64));
    assert!(fields["duration_ms"].as_f64() > Some(0.0), "{fields}");
    assert_eq!(fields["span_id"].as_str().map(str::len), Some(16), "{fields}");
    // One without a name is given one, and told it; a parent that is none belongs to no trace.
    let reply = connection.send("GET", "/t/x/987654", &["traceparent: nonsense"], b"").unwrap();
    let id = reply.header("x-request-id").expect("a name").to_owned();
    let line = site.line(&id);
    assert_eq!((line["fields"]["status"].as_u64(), &line["fields"]["trace_id"]), (Some(404), &Value::Null));
    assert!(line["role"] == "worker" && line["place"].is_u64(), "{line}");
    // A link that lets somebody in is not for those who read the log.
    let reply = connection.send("GET", "/verify/opensesame", &[], b"").unwrap();
    let id = reply.header("x-request-id").expect("a name").to_owned();
    assert_eq!(site.line(&id)["fields"]["path"], "/verify/{secret}");
    assert!(!std::fs::read_to_string(&site.log).unwrap().contains("opensesame"));
    // What could forge a line or a page is no name.
    let reply = connection.send("GET", "/latest", &["X-Request-Id: <b>\" x"], b"").unwrap();
    assert!(reply.header("x-request-id").is_some_and(|id| id.len() == 36), "{:?}", reply.headers);
}

#[test]
fn quick_requests_have_no_line_unless_asked_for_and_errors_have_a_name() {
    for access in ["slow", "off"] {
        let site = Site::start(access);
        let mut connection = site.server.connect();
        let reply = connection.send("GET", "/latest", &[], b"").unwrap();
        assert_eq!(reply.header("x-request-id"), None, "nobody would find it anywhere");
        let problem = connection.send("GET", "/api/topics/987654", &[], b"").unwrap();
        assert_eq!(problem.json()["request_id"].as_str(), problem.header("x-request-id"));
        assert_eq!(
            connection.send("GET", "/livez", &["X-Request-Id: a"], b"").unwrap().header("x-request-id"),
            Some("a")
        );
        assert!(site.lines().iter().any(|line| line["fields"]["message"] == "serving"), "there is a log");
        assert!(site.lines().iter().all(|line| line["target"] != "access"), "{access}: {:?}", site.lines());
    }
}

#[test]
fn a_log_that_cannot_be_written_ends_nobody() {
    let full = || std::fs::File::options().write(true).open("/dev/full").unwrap().into();
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer.into()
    };
    let logs: [(&str, &dyn Fn() -> Stdio); 2] = [("a full disk", &full), ("a reader that is gone", &closed)];
    for (what, log) in logs {
        let dir = tempfile::tempdir().unwrap();
        let mut program = veritable();
        program.env("VERITABLE_LOG_ACCESS", "on").env("VERITABLE_LOG_LEVEL", "debug");
        let server = Server::start_logging(program, "demo", &dir.path().join("data"), &[], log());
        let before = (server.pids("worker"), server.pids("writer"));
        let (token, topics) = (server.token(), server.get("/api/forums/topics").json());
        let path = format!("/api/topics/{}/posts", topics["topics"][0]["id"]);
        assert_eq!(server.change(&token, "POST", &path, &json!({"body": "heard"})).status, 201, "{what}");
        assert_eq!(server.command("reload", &[]).status.code(), Some(0), "{what}");
        assert_eq!(server.get("/latest").status, 200, "{what}");
        assert_eq!(server.pids("worker").len(), before.0.len(), "{what}");
        assert_eq!(server.pids("writer"), before.1, "{what}: nothing changed, and nobody died");
    }
}
