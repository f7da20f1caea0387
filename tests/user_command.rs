//! `veritable user`: accounts from the command line, with a server and without one, and the first administrator.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use super::accounts::PASSWORD;
use super::harness::browser::Browser;
use super::harness::server::{Server, veritable};
use super::harness::wait_for;

/// Runs `veritable user` with this on its standard input.
fn user(dir: &Path, args: &[&str], input: &str) -> Output {
    let mut child = veritable()
        .arg("user")
        .args(args)
        .args(["--data-dir", dir.to_str().unwrap()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn done(dir: &Path, args: &[&str], input: &str) -> String {
    let out = user(dir, args, input);
    assert!(out.status.success(), "{args:?}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

fn refused(dir: &Path, args: &[&str], input: &str, code: i32, part: &str) {
    let out = user(dir, args, input);
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
    assert!(said.trim_end().lines().count() == 1 && said.contains(part), "{args:?}: {said}");
}

/// The path of a link that was printed.
fn path(said: &str) -> String {
    let link =
        said.split_whitespace().find(|word| word.starts_with("http://")).unwrap_or_else(|| panic!("{said}"));
    let (_, rest) = link.strip_prefix("http://").unwrap().split_once('/').unwrap();
    format!("/{rest}")
}

/// Everything that can be done, whether a server runs or not.
fn walk(dir: &Path) {
    refused(dir, &["create", "ada"], "password1\n", 2, "guessed first");
    refused(dir, &["create", "ada"], "", 2, "standard input");
    refused(dir, &["create", "a/b"], "", 2, "must not contain");
    assert!(
        done(
            dir,
            &["create", "ada", "--role", "administrator", "--address", "ada@example.org"],
            &format!("{PASSWORD}\n")
        )
        .contains("administrator")
    );
    refused(dir, &["create", "Ada"], &format!("{PASSWORD}\n"), 1, "taken");
    let made = done(dir, &["create", "ben", "--no-password"], "");
    assert!(made.contains("/reset/"), "{made}");
    let list = done(dir, &["list"], "");
    assert!(list.contains("ada") && list.contains("ben") && list.contains("ada@example.org"), "{list}");
    let staff = done(dir, &["list", "--role", "administrator", "--json"], "");
    assert!(staff.contains("\"ada\"") && !staff.contains("\"ben\""), "{staff}");
    assert!(done(dir, &["role", "ben", "moderator"], "").contains("moderator"));
    refused(dir, &["role", "nobody", "member"], "", 1, "no user");
    refused(dir, &["role", "ben", "king"], "", 2, "moderator");
    refused(dir, &["groups", "ben", "none such"], "", 2, "none such");
    assert!(done(dir, &["groups", "ben"], "").contains("no group"));
    done(dir, &["disable", "ben", "--reason", "away"], "");
    let shown: serde_json::Value = serde_json::from_str(&done(dir, &["show", "ben", "--json"], "")).unwrap();
    assert_eq!((shown["state"].as_str(), shown["role"].as_str()), (Some("off"), Some("moderator")));
    done(dir, &["enable", "ben"], "");
    assert!(done(dir, &["show", "ADA@example.org"], "").contains("administrator"));
    assert!(done(dir, &["reset", "ben", "--second-factor"], "").contains("/reset/"));
    assert!(done(dir, &["invite", "--days", "2"], "").contains("/signup?invitation="));
    let token = done(dir, &["token", "ada", "--scope", "read", "--scope", "account"], "");
    assert!(token.starts_with("vt_") && token.trim().len() > 40, "{token}");
    refused(dir, &["token", "ada", "--scope", "root"], "", 2, "root");
    refused(dir, &["delete", "ben"], "Ben?\n", 2, "not typed again");
    assert!(done(dir, &["delete", "ben"], "ben\n").contains("deleted user"));
    refused(dir, &["show", "ben"], "", 1, "no user");
}

#[test]
fn accounts_are_kept_while_no_server_runs() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    refused(&data, &["list"], "", 1, "no community yet");
    walk(&data);
    refused(&data, &["role", "ada", "member"], "", 1, "last administrator");
    refused(&data, &["delete", "ada", "--yes"], "", 1, "last administrator");
}

#[test]
fn accounts_are_kept_while_a_server_runs_and_it_knows_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    walk(dir.path());
    let mut ada = Browser::new(&server);
    assert_eq!(ada.log_in("ada", PASSWORD).status, 303);
    let everywhere = |ada: &mut Browser, path: &str, status: u16| {
        for mut worker in server.connect_to_all() {
            assert_eq!(ada.send_over(&mut worker, "GET", path, &[], b"").status, status, "{path}");
        }
    };
    everywhere(&mut ada, "/admin", 200);
    done(dir.path(), &["role", "ada", "member"], "");
    everywhere(&mut ada, "/admin", 403);
    done(dir.path(), &["disable", "ada"], "");
    everywhere(&mut ada, "/account", 303);
    done(dir.path(), &["enable", "ada"], "");
    let link = path(&done(dir.path(), &["reset", "ada"], ""));
    let form = ada.form(&link, &link).set("password", "quite other words");
    assert_eq!(ada.submit(&form).header("location"), Some("/login?done=reset"));
    assert_eq!(ada.log_in("ada", "quite other words").status, 303);
    let token = done(dir.path(), &["token", "ada", "--scope", "read"], "");
    let bearer = format!("Authorization: Bearer {}", token.trim());
    let me = server.connect().send("GET", "/api/me", &[&bearer, "Connection: close"], b"").unwrap();
    assert_eq!(me.json()["name"], "ada");
    assert!(server.administrator().get("/admin/audit").text().contains("at the command line"));
}

#[test]
fn a_new_site_greets_with_a_link_for_its_administrator_and_says_it_once() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let start = || {
        let file = std::fs::File::create(&log).unwrap();
        let mut program = veritable();
        // However the site takes people in.
        program.env("VERITABLE_ACCOUNTS_REGISTRATION", "closed");
        Server::start_logging(
            program,
            "serve",
            &dir.path().join("data"),
            &["--plain-http"],
            Stdio::from(file),
        )
    };
    let mut server = start();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(said.contains("veritable user create NAME --role administrator"), "{said}");
    let link = path(&said);
    assert!(server.get("/signup").text().contains("Nobody can sign up here"));
    let mut ada = Browser::new(&server);
    let page = ada.get(&link);
    assert!(page.text().contains("This makes an administrator"), "{}", page.text());
    let form = ada.form(&link, "/signup").set("name", "ada").set("password", PASSWORD);
    assert_eq!(ada.submit(&form).header("location"), Some("/login?done=joined"));
    assert_eq!(ada.log_in("ada", PASSWORD).status, 303);
    assert_eq!(ada.get("/admin").status, 200);
    assert!(Browser::new(&server).get(&link).text().contains("Nobody can sign up here"), "it was used");
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let mut server = start();
    let said = std::fs::read_to_string(&log).unwrap();
    assert!(!said.contains("/signup?invitation=") && !said.contains("nobody administers"), "{said}");
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    // Where nobody administers any more, it says what to do.
    let db = rusqlite::Connection::open(dir.path().join("data/forums.db")).unwrap();
    db.execute("UPDATE users SET role = 1", []).unwrap();
    drop(db);
    let _server = start();
    wait_for("the warning", || {
        std::fs::read_to_string(&log).unwrap().contains("nobody administers").then_some(())
    });
}
