//! What holds for every answer and every request, whatever address it is: headers, cookies, bounds, where one is led to,
//! what the log has.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;

use veritable_worker::routes::{Endpoint, table};

use super::harness::browser::{Browser, escape};
use super::harness::http::Reply;
use super::harness::people::{Community, PASSWORD, Who};
use super::harness::routes::Objects;
use super::harness::server::{Server, veritable};
use super::harness::{PATIENCE, wait_for};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const JSON: &str = "Content-Type: application/json";

/// What is wrong with an answer's headers.
fn wrong_headers(reply: &Reply) -> Vec<String> {
    let mut wrong = Vec::new();
    let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
    let policy = header("content-security-policy");
    for part in [
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ] {
        if !policy.contains(part) {
            wrong.push(format!("its policy lacks {part}: {policy}"));
        }
    }
    for bad in ["unsafe-inline", "unsafe-eval", "unsafe-hashes", "*", "blob:"] {
        if policy.contains(bad) {
            wrong.push(format!("its policy has {bad}"));
        }
    }
    for (name, expected) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "strict-origin-when-cross-origin"),
        ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        if header(name) != expected {
            wrong.push(format!("{name} is {:?}", header(name)));
        }
    }
    for name in ["server", "x-powered-by", "access-control-allow-origin"] {
        if reply.header(name).is_some() {
            wrong.push(format!("it has {name}"));
        }
    }
    if !reply.body.is_empty() && header("content-type").is_empty() {
        wrong.push("its body has no type".into());
    }
    for (_, cookie) in reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")) {
        for part in ["HttpOnly", "SameSite=Lax", "Path=/"] {
            if !cookie.contains(part) {
                wrong.push(format!("a cookie lacks {part}: {cookie}"));
            }
        }
        if cookie.contains("Domain") {
            wrong.push(format!("a cookie is for other hosts too: {cookie}"));
        }
        if !header("cache-control").contains("no-store") {
            wrong.push(format!("an answer with a cookie may be kept: {}", header("cache-control")));
        }
    }
    if let Some(location) = reply.header("location")
        && (!location.starts_with('/') || location.starts_with("//") || location.contains('\\'))
    {
        wrong.push(format!("it leads to {location:?}"));
    }
    wrong
}

#[test]
fn every_answer_carries_what_protects_it() {
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    let mut wrong = Vec::new();
    let mut check = |what: String, reply: &Reply| {
        assert!(reply.status < 500, "{what}: {}", reply.status);
        wrong.extend(
            wrong_headers(reply).into_iter().map(|fault| format!("{what} ({}): {fault}", reply.status)),
        );
    };
    for who in [Who::Guest, Who::Owner, Who::Administrator] {
        for (pattern, endpoint) in table() {
            let (path, method) = (objects.address(pattern), endpoint.method().to_string());
            let mut browser = community.browser(who).copy();
            check(
                format!("{method} {path}"),
                &browser.send(&method, &path, &["Origin: http://test", JSON], b""),
            );
            if method == "GET" {
                check(format!("HEAD {path}"), &browser.send("HEAD", &path, &[], b""));
                check(format!("PUT {path}"), &browser.send("PUT", &path, &[], b"x"));
            } else {
                check(
                    format!("{method} {path} from elsewhere"),
                    &browser.send(&method, &path, &["Origin: http://evil"], b""),
                );
                check(format!("{method} {path} as a form"), &browser.send(&method, &path, &[FORM], b"a=b"));
            }
        }
    }
    let server = &community.server;
    let page = server.get("/");
    let style =
        page.text().split_once("rel=\"stylesheet\" href=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    for path in [
        "/nowhere",
        "/api/nowhere",
        "/livez",
        "/readyz",
        "/favicon.svg",
        "/favicon.ico",
        &style,
        "/%FF",
        "/static/x",
    ] {
        check(path.to_owned(), &server.get(path));
    }
    let etag = page.header("etag").unwrap();
    let known = server.connect().send("GET", "/", &[&format!("If-None-Match: {etag}")], b"").unwrap();
    assert_eq!(known.status, 304);
    check("GET / that is known".into(), &known);
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn https_is_asked_for_where_the_settings_say() {
    let community = Community::with(&[("VERITABLE_ACCOUNTS_HSTS", "on")]);
    for path in ["/", "/login", "/nowhere", "/api/forums", "/livez"] {
        let reply = community.server.get(path);
        let said = reply.header("strict-transport-security").unwrap_or_default();
        assert!(said.starts_with("max-age=31536000"), "{path}: {said}");
    }
    drop(community);
    let without = Community::new();
    assert_eq!(without.server.get("/").header("strict-transport-security"), None);
}

/// Addresses that browsers take for another host's, or for something else than a page.
const ELSEWHERE: [&str; 22] = [
    "https://evil.example/",
    "http:evil.example",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/%09/evil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/%2f/evil.example",
    "/%5cevil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\r\nSet-Cookie: a=b",
    "/%0d%0aSet-Cookie: a=b",
    "/@evil.example",
    "//evil.example@127.0.0.1/",
    "https:/evil.example",
];

/// Whether a browser stays here that is led there from a page of this site.
fn stays(location: &str) -> bool {
    let dropped: String =
        location.trim_matches(|c: char| c <= ' ').chars().filter(|c| !"\t\r\n".contains(*c)).collect();
    let path = dropped.replace('\\', "/");
    path.starts_with('/') && !path.starts_with("//")
}

/// The names of the parts of a pattern that stand for something.
fn parts(pattern: &str) -> impl Iterator<Item = &str> {
    pattern.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

#[test]
fn nobody_is_led_elsewhere() {
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    let mut faults = Vec::new();
    for (number, text) in ELSEWHERE.into_iter().enumerate() {
        let escaped = escape(text);
        for who in [Who::Guest, Who::Owner] {
            for (pattern, endpoint) in table() {
                let query = match endpoint {
                    Endpoint::Read { query, .. } | Endpoint::Own { query, .. } => query,
                    _ => continue,
                };
                let mut paths: Vec<String> = query
                    .iter()
                    .map(|name| format!("{}?{name}={escaped}", objects.address(pattern)))
                    .collect();
                // Each part of the path, by itself.
                for part in parts(pattern) {
                    paths.push(objects.address_with(pattern, part, &escaped));
                }
                for path in paths {
                    let reply = community.browser(who).copy().send("GET", &path, &[], b"");
                    if let Some(location) = reply.header("location").filter(|to| !stays(to)) {
                        faults.push(format!("{path} leads to {location:?}"));
                    }
                    if reply.header("set-cookie").is_some_and(|cookie| cookie.starts_with("a=b")) {
                        faults.push(format!("{path} sets a cookie"));
                    }
                }
            }
        }
        // What a login leads on to.
        let mut browser = Browser::new(&community.server);
        browser.from = Some(format!("198.51.100.{}", 100 + number));
        let form = browser.form("/login", "/login").set("user", "nobody").set("password", PASSWORD);
        let shown = browser.submit(&form.set("next", text));
        let kept = super::harness::browser::form_in(shown.text(), "/login");
        let kept = kept.unwrap_or_else(|| panic!("{text:?}: {} and no form", shown.status));
        let next = kept.get("next").expect("where a login leads");
        if !stays(next) {
            faults.push(format!("the login form goes on to {next:?}"));
        }
    }
    // A path that is no route is led nowhere, whatever it looks like.
    for path in [
        "//evil.example/",
        "//evil.example/latest",
        "/%2f%2fevil.example",
        "/latest//",
        "/wiki//evil.example",
    ] {
        let reply = community.server.get(path);
        if let Some(location) = reply.header("location").filter(|to| !stays(to)) {
            faults.push(format!("{path} leads to {location:?}"));
        }
    }
    let mut owner = Browser::new(&community.server);
    owner.from = Some("198.51.101.1".into());
    for text in ELSEWHERE {
        let form =
            owner.form("/login", "/login").set("user", "owner").set("password", PASSWORD).set("next", text);
        let reply = owner.submit(&form);
        let location = reply.header("location").unwrap_or_default();
        assert!(reply.status == 303 && stays(location), "{text:?}: {} {location:?}", reply.status);
        owner = Browser::new(&community.server);
        owner.from = Some("198.51.101.1".into());
    }
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn no_path_leads_out_of_its_place() {
    let mut community = Community::new();
    let objects = Objects::make(&mut community);
    std::fs::write(community.server.data_dir.join("secret.txt"), "ABRACADABRA").unwrap();
    let outside = [
        "../secret.txt",
        "..%2f..%2fsecret.txt",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%5c..%5csecret.txt",
        "%2fetc%2fpasswd",
        "....//....//etc/passwd",
        "%00",
        "x%00.png",
        "%c0%ae%c0%ae%c0%afetc",
        "file:%2f%2f%2fetc%2fpasswd",
        "%ff%fe",
        "..;%2f",
        "-1",
        "0",
        "99999999999999999999999999",
        "1e3",
        "1%27%20OR%201=1--",
        "%22%3b%20DROP%20TABLE%20users;--",
    ];
    for (pattern, endpoint) in table() {
        let method = endpoint.method().to_string();
        for part in parts(pattern) {
            for text in outside {
                let path = objects.address_with(pattern, part, text);
                let mut browser = community.browser(Who::Administrator).copy();
                let reply = browser.send(&method, &path, &["Origin: http://test", JSON], b"");
                assert!(reply.status < 500, "{method} {path}: {} {}", reply.status, reply.text());
                let said = String::from_utf8_lossy(&reply.body);
                assert!(!said.contains("root:x:0") && !said.contains("ABRACADABRA"), "{path}: {said}");
            }
        }
    }
    for path in [
        "/static/../../secret.txt",
        "/static/%2e%2e/secret.txt",
        "/favicon.svg/../secret.txt",
        "/../secret.txt",
    ] {
        let reply = community.server.get(path);
        assert!([400, 404].contains(&reply.status), "{path}: {}", reply.status);
    }
    let users: i64 =
        community.database().query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
    assert!(users >= 4);
}

/// Sends bytes as they are and yields the answer's status; 0 when the connection is ended without one. That nothing comes
/// at all is a failure.
fn raw(server: &Server, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may have answered and closed before all was sent.
    let _sent = stream.write_all(request);
    let mut answer = [0; 64];
    let count = match stream.read(&mut answer) {
        Ok(count) => count,
        // It ends like this where bytes came that nobody reads any more.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
        Err(error) => panic!("no answer and no end: {error}"),
    };
    if count == 0 {
        return 0;
    }
    let line = String::from_utf8_lossy(&answer[..count]);
    line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{line:?}"))
}

#[test]
fn whatever_is_sent_has_its_bound() {
    let mut community = Community::with(&[("VERITABLE_HTTP_BODY_BYTES", "65536")]);
    let token = community.token(Who::Owner, 31);
    let bearer = format!("Authorization: Bearer {token}");
    let objects = Objects::make(&mut community);
    let server = &community.server;
    let long = "x".repeat(9_000);
    assert_eq!(server.get(&format!("/search?q={long}")).status, 400, "a long address");
    let cookie = format!("Cookie: a={}", "x".repeat(200_000));
    let lines: String = (0..300).map(|n| format!("X-{n}: y\r\n")).collect();
    for (what, request) in [
        ("a long line", format!("GET / HTTP/1.1\r\nHost: test\r\n{cookie}\r\n\r\n")),
        ("many lines", format!("GET / HTTP/1.1\r\nHost: test\r\n{lines}\r\n")),
        ("an endless address", format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "x".repeat(200_000))),
        (
            "two lengths",
            "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd".into(),
        ),
        ("a folded line", "GET / HTTP/1.1\r\nHost: test\r\nX-A: b\r\n c\r\n\r\n".into()),
        ("a space in a name", "GET / HTTP/1.1\r\nHost : test\r\n\r\n".into()),
        ("a negative length", "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: -1\r\n\r\n".into()),
        ("an unknown coding", "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: gzip\r\n\r\n".into()),
    ] {
        let status = raw(server, request.as_bytes());
        assert!([0, 400, 414, 431].contains(&status), "{what}: {status}");
    }
    // Both a length and a coding: one of the two is somebody's who wants the next request misread.
    let both = b"POST /api/forums HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    assert!(raw(server, both) >= 400);

    let path = format!("/api/topics/{}/posts", objects.topic);
    let send = |lines: &[&str], body: &[u8]| {
        let lines: Vec<&str> = [bearer.as_str(), "Connection: close"].iter().chain(lines).copied().collect();
        server.connect().send("POST", &path, &lines, body).unwrap().status
    };
    let large = format!("{{\"body\": \"{}\"}}", "x".repeat(70_000));
    assert_eq!(send(&[JSON], large.as_bytes()), 413, "a large body");
    let chunks = format!(
        "POST {path} HTTP/1.1\r\nHost: test\r\n{bearer}\r\n{JSON}\r\nTransfer-Encoding: chunked\r\n\r\n11170\r\n{}\r\n0\r\n\r\n",
        "x".repeat(0x11170)
    );
    assert_eq!(raw(server, chunks.as_bytes()), 413, "a large body in chunks");
    let deep = "[".repeat(60_000);
    assert_eq!(send(&[JSON], deep.as_bytes()), 400, "deep JSON");
    assert_eq!(send(&[JSON, "Content-Encoding: gzip"], b"{\"body\": \"x\"}"), 415, "a compressed body");
    assert_eq!(send(&[JSON, "Content-Encoding: identity"], b"{\"body\": \"x\"}"), 201);
    assert_eq!(send(&["Content-Type: text/plain"], b"{\"body\": \"x\"}"), 415, "another type");
    assert_eq!(send(&[], b"{\"body\": \"x\"}"), 415, "no type");
    assert_eq!(send(&[JSON, &format!("Idempotency-Key: {}", "k".repeat(300))], b"{\"body\": \"x\"}"), 400);
    assert_eq!(send(&[JSON], b"\xff\xfe"), 400, "no text");
    let mut guest = Browser::new(server);
    let form = guest.form("/login", "/login");
    let many: String = (0..300).map(|n| format!("f{n}=1&")).collect();
    let body = format!("{many}csrf={}", escape(form.get("csrf").unwrap()));
    assert_eq!(
        guest.send("POST", "/login", &["Origin: http://test", FORM], body.as_bytes()).status,
        400,
        "many fields"
    );
    let bomb = guest.send("POST", "/login", &["Origin: http://test", FORM, "Content-Encoding: br"], b"x");
    assert_eq!(bomb.status, 415);
    let multipart = "Content-Type: multipart/form-data; boundary=x";
    let other = guest.send("POST", "/login", &["Origin: http://test", multipart], b"--x--");
    assert_eq!(other.status, 415);
    // Fields beyond their own bounds are refused where they stand.
    for name in ["user", "password", "next"] {
        let form = guest.form("/login", "/login").set(name, &"x".repeat(60_000));
        let reply = guest.submit(&form);
        assert!([400, 401, 422].contains(&reply.status), "{name}: {}", reply.status);
    }
}

#[test]
fn the_log_has_no_secrets_and_takes_no_lines_from_requests() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let mut program = veritable();
    program.env("VERITABLE_LOG_LEVEL", "trace").env("VERITABLE_LOG_ACCESS", "on");
    program.env("VERITABLE_ACCOUNTS_SCRYPT_LOG_N", "10");
    let data = dir.path().join("data");
    let server = Server::start_logging(program, "demo", &data, &[], Stdio::from(File::create(&log).unwrap()));
    let mut secrets = vec![PASSWORD.to_owned(), server.password(), server.token()];
    let mut browser = Browser::new(&server);
    let forged = "x\n2026-01-01T00:00:00Z ERROR forged: by a request\u{1b}[31m";
    browser.user_agent = Some("Forged/1 ERROR\tforged".into());
    let form = browser.form("/signup", "/signup").set("name", "mia").set("address", "mia@example.org");
    secrets.push(form.get("csrf").unwrap().to_owned());
    secrets.push(browser.cookie("guest").unwrap().to_owned());
    assert_eq!(browser.submit(&form.set("password", PASSWORD)).status, 200);
    let mail = super::accounts::mail_to(&server, "mia@example.org");
    let link = super::accounts::link_in(&mail, "verify");
    secrets.push(link.rsplit('/').next().unwrap().to_owned());
    let form = browser.form(&link, &link);
    assert_eq!(browser.submit(&form).status, 303);
    assert_eq!(browser.log_in("mia", "a wrong password it is").status, 401);
    secrets.push("a wrong password it is".into());
    assert_eq!(browser.log_in("mia", PASSWORD).status, 303);
    secrets.push(browser.cookie("session").unwrap().to_owned());
    secrets.push(browser.form("/account", "/account/password").get("csrf").unwrap().to_owned());
    let mut guest = Browser::new(&server);
    let form = guest.form("/forgot", "/forgot").set("user", "mia");
    assert_eq!(guest.submit(&form).status, 200);
    let mail = wait_for("the mail", || {
        Some(super::accounts::mail_to(&server, "mia@example.org")).filter(|mail| mail.contains("/reset/"))
    });
    let link = super::accounts::link_in(&mail, "reset");
    secrets.push(link.rsplit('/').next().unwrap().to_owned());
    assert_eq!(guest.get(&link).status, 200);
    let made = server.change(
        &server.token(),
        "POST",
        "/api/forums/1/topics",
        &serde_json::json!({"title": "x", "body": "y"}),
    );
    assert!(made.status < 500);
    let wrong =
        server.change("vt_not_a_token_of_ours", "POST", "/api/forums/1/topics", &serde_json::json!({}));
    assert_eq!(wrong.status, 401);
    secrets.push("vt_not_a_token_of_ours".into());
    // Whatever may be written into a log, with line ends in it.
    for (pattern, endpoint) in table() {
        if matches!(endpoint, Endpoint::Read { .. } | Endpoint::Own { .. }) {
            let path = pattern.split('{').next().unwrap();
            guest.send(
                "GET",
                &format!("{path}{}?q={}&before={}", escape(forged), escape(forged), escape(forged)),
                &[],
                b"",
            );
        }
    }
    let form = guest.form("/login", "/login").set("user", forged).set("password", forged).set("next", forged);
    guest.submit(&form);
    raw(
        &server,
        format!("GET / HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: {}\r\n\r\n", forged.replace('\n', "\t"))
            .as_bytes(),
    );
    assert!(server.command("stop", &[]).status.success());
    let text = wait_for("the end of the log", || {
        std::fs::read_to_string(&log).ok().filter(|text| text.len() > 10_000)
    });
    drop(server);
    assert!(text.contains("/verify/") && text.contains("/login"), "requests are in the log at this level");
    for secret in &secrets {
        let at = text.find(secret.as_str());
        let around = at.map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
        assert_eq!(around, None, "a secret is in the log");
    }
    for line in text.lines() {
        assert!(!line.starts_with("2026-01-01T00:00:00Z") && !line.contains('\u{1b}'), "{line:?}");
    }
}
