//! How long sessions last, how passwords are stored, and what nobody learns from a login.

use rusqlite::Connection as Database;

use super::accounts::{PASSWORD, link_in, mail_to, member};
use super::harness::browser::{Browser, Form};
use super::harness::server::{Server, veritable};
use super::harness::wait_for;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;

fn database(server: &Server) -> Database {
    let db = Database::open(server.data_dir.join("forums.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(5)).unwrap();
    db
}

fn now_ms() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_millis()).unwrap()
}

fn without(form: Form, field: &str) -> Form {
    Form { fields: form.fields.into_iter().filter(|(name, _)| name != field).collect(), ..form }
}

#[test]
fn a_cookie_ends_with_the_browser_unless_it_is_to_be_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    member(&server, "mia");
    let log_in = |remember: bool| {
        let mut browser = Browser::new(&server);
        let form = browser.form("/login", "/login").set("user", "mia").set("password", PASSWORD);
        let form = if remember { form } else { without(form, "remember") };
        let reply = browser.submit(&form);
        let cookies = reply.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        let session = cookies.map(|(_, value)| value.clone()).find(|value| value.starts_with("session="));
        session.unwrap()
    };
    assert!(log_in(true).contains("Max-Age=2592000"));
    let short = log_in(false);
    assert!(!short.contains("Max-Age") && !short.contains("Expires"), "{short}");
}

#[test]
fn a_session_that_is_used_lasts_longer_by_one_write_a_day_and_one_that_is_over_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut otto = member(&server, "otto");
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    // As if they were used last some days ago.
    let db = database(&server);
    let sql = "UPDATE sessions SET expires_at = ?1 WHERE user_id = (SELECT id FROM users WHERE name = ?2)";
    db.execute(sql, (now_ms() + 20 * DAY_MS, "mia")).unwrap();
    db.execute(sql, (now_ms() - 1, "otto")).unwrap();
    drop(db);
    let server = Server::serve(dir.path(), &["--plain-http", "--listen", &server.address]);
    let writes = || server.status()["counters"]["writes"].as_i64().unwrap();
    let before = writes();
    for _ in 0..50 {
        assert!(mia.get("/latest").text().contains(">mia</a>"));
    }
    let expires = || -> i64 {
        let sql = "SELECT expires_at FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.name = 'mia'";
        database(&server).query_row(sql, [], |row| row.get(0)).unwrap()
    };
    let whole = now_ms() + 30 * DAY_MS;
    wait_for("the session to last longer", || (expires() > whole - DAY_MS).then_some(()));
    for _ in 0..50 {
        assert!(mia.get("/latest").text().contains(">mia</a>"));
    }
    assert_eq!(writes() - before, 1, "one write for a hundred requests");
    assert!(otto.get("/latest").text().contains("Log in"));
    // What is over is forgotten.
    let count = || -> i64 {
        let sql = "SELECT count(*) FROM sessions WHERE expires_at <= ?1";
        database(&server).query_row(sql, [now_ms()], |row| row.get(0)).unwrap()
    };
    wait_for("the old session to be forgotten", || (count() == 0).then_some(()));
}

#[test]
fn passwords_of_an_older_site_and_of_another_cost_are_hashed_anew_at_the_next_login() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    for name in ["mia", "otto"] {
        member(&server, name);
    }
    // Made by Node, as the older site did: `salt:hex` of "open sesame".
    let legacy = include_str!("../domain/src/password_legacy.txt").trim();
    let sql = "UPDATE users SET password_hash = ?2 WHERE name = ?1";
    database(&server).execute(sql, ["mia", legacy]).unwrap();
    let stored = |server: &Server, name: &str| -> String {
        let sql = "SELECT password_hash FROM users WHERE name = ?1";
        database(server).query_row(sql, [name], |row| row.get(0)).unwrap()
    };
    assert_eq!(Browser::new(&server).log_in("mia", "open sesam").status, 401);
    assert_eq!(stored(&server, "mia"), legacy);
    assert_eq!(Browser::new(&server).log_in("mia", "open sesame").status, 303);
    wait_for("the new hash", || stored(&server, "mia").starts_with("$scrypt$ln=14,r=8,p=1$").then_some(()));
    assert_eq!(Browser::new(&server).log_in("mia", "open sesame").status, 303);
    let same = stored(&server, "mia");
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    assert_eq!(stored(&server, "mia"), same, "hashed once, not at each login");

    let file = dir.path().join("veritable.toml");
    std::fs::write(&file, "workers = 2\n[accounts]\nscrypt_log_n = 12\n").unwrap();
    let server = Server::serve(dir.path(), &["--plain-http", "--config", file.to_str().unwrap()]);
    assert_eq!(Browser::new(&server).log_in("otto", PASSWORD).status, 303);
    wait_for("the cheaper hash", || {
        stored(&server, "otto").starts_with("$scrypt$ln=12,r=8,p=1$").then_some(())
    });
    assert_eq!(Browser::new(&server).log_in("otto", PASSWORD).status, 303);
}

#[test]
fn nobody_learns_who_has_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    member(&server, "mia");
    let answer = |path: &str, fields: &[(&str, &str)]| {
        let mut browser = Browser::new(&server);
        let mut form = browser.form(path, path);
        for (name, value) in fields {
            form = form.set(name, value);
        }
        let reply = browser.submit(&form);
        // What is another each time: the secret of forms, what was typed.
        let mut text = reply.text().to_owned();
        while let Some((before, rest)) = text.split_once("name=\"csrf\" value=\"") {
            text = format!("{before}{}", rest.split_once('"').unwrap().1);
        }
        for (_, value) in fields {
            text = text.replace(value, "");
        }
        (reply.status, text)
    };
    let log_in = |user: &str| answer("/login", &[("user", user), ("password", "none of theirs")]);
    assert_eq!(log_in("mia"), log_in("nob"));
    assert_eq!(log_in("mia@example.org"), log_in("nob@example.org"));
    let forgot = |user: &str| answer("/forgot", &[("user", user)]);
    assert_eq!(forgot("mia"), forgot("nob"));
    let join = |name: &str, address: &str| {
        let fields = [("name", name), ("address", address), ("password", "yet other unusual words")];
        let mut browser = Browser::new(&server);
        let mut form = browser.form("/signup", "/signup");
        for (name, value) in fields {
            form = form.set(name, value);
        }
        let reply = browser.submit(&form);
        (reply.status, reply.text().replace(address, ""))
    };
    assert_eq!(join("ann", "mia@example.org"), join("bob", "bob@example.org"));
    // Nor afterwards: neither sees the account, has the name, nor logs in; and neither is told why by its address.
    for path in ["/u/", "/api/users/", "/users/"] {
        let shown = |name: &str| {
            let reply = server.get(&format!("{path}{name}"));
            (reply.status, reply.text().replace(name, ""))
        };
        assert!(shown("ann").0 != 200 && shown("ann").0 == shown("bob").0, "{path}");
    }
    assert_eq!(join("ann", "x@example.org").0, 422);
    assert_eq!(join("bob", "y@example.org").0, 422, "both names are taken");
    let try_in = |user: &str, address: &str| {
        let reply = Browser::new(&server).log_in(user, "yet other unusual words");
        (reply.status, reply.text().replace(address, "").replace(user, ""))
    };
    let (ann, bob) = (try_in("ann", "mia@example.org"), try_in("bob", "bob@example.org"));
    assert!(
        ann.0 == 403 && ann.1.contains("not confirmed yet") && ann.1.len() == bob.1.len(),
        "{ann:?} {bob:?}"
    );
    assert_eq!(ann.0, bob.0);
    assert_eq!(try_in("mia@example.org", "").0, try_in("bob@example.org", "").0);
    assert_eq!(forgot("ann"), forgot("bob"));
    // Only the owner of the mailbox knows: two messages for two tries, neither with a link to confirm anything.
    wait_for("the owner to be told", || {
        mail_to(&server, "mia@example.org").contains("already has an account").then_some(())
    });
    // Numbers of accounts tell nothing either.
    let ids = "SELECT count(*) FROM users WHERE name IN ('ann', 'bob')";
    assert_eq!(database(&server).query_row(ids, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    // Whoever confirms is seen.
    // The newest link is the one that is good; another may be on its way.
    wait_for("a link that is good", || {
        let link = link_in(&mail_to(&server, "bob@example.org"), "verify");
        let mut bob = Browser::new(&server);
        let form = bob.form(&link, &link);
        (bob.submit(&form).status == 303).then_some(())
    });
    assert_eq!(server.get("/u/bob").status, 200);
}

#[test]
fn without_an_invitation_nobody_learns_who_has_an_account() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    member(&server, "mia");
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let file = dir.path().join("veritable.toml");
    std::fs::write(&file, "workers = 2\n[accounts]\nregistration = \"invitation\"\n").unwrap();
    let server = Server::serve(dir.path(), &["--plain-http", "--config", file.to_str().unwrap()]);
    let join = |name: &str, address: &str| {
        let mut browser = Browser::new(&server);
        let form = browser.form("/signup?invitation=made-up", "/signup");
        let form = form.set("name", name).set("address", address).set("password", PASSWORD);
        let reply = browser.submit(&form.set("invitation", "made-up"));
        assert!(reply.status == 422 && reply.text().contains("invitation-fault"), "{}", reply.text());
        reply.text().replace(address, "").replace(name, "").len()
    };
    let free = join("ann", "ann@example.org");
    assert_eq!(join("ann", "mia@example.org"), free);
    assert_eq!(join("mia", "ann@example.org"), free);
}

#[test]
fn an_account_is_taken_back_whole_from_whoever_had_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mallory = member(&server, "mia");
    let form = mallory.form("/account", "/account/address");
    let asked = mallory.submit(&form.set("address", "mallory@example.org").set("current", PASSWORD));
    assert_eq!(asked.status, 200);
    let theirs = link_in(&mail_to(&server, "mallory@example.org"), "verify");
    // The owner replaces the password.
    let mut mia = Browser::new(&server);
    let form = mia.form("/forgot", "/forgot").set("user", "mia");
    assert_eq!(mia.submit(&form).status, 200);
    let link = wait_for("the link", || {
        let mail = mail_to(&server, "mia@example.org");
        mail.contains("/reset/").then(|| link_in(&mail, "reset"))
    });
    let form = mia.form(&link, &link).set("password", "quite other words");
    assert_eq!(mia.submit(&form).status, 303);
    let form = mallory.form(&theirs, &theirs);
    assert_eq!(mallory.submit(&form).status, 410);
    mia.log_in("mia", "quite other words");
    assert!(mia.get("/account").text().contains("mia@example.org"));
    // The owner's own change is told to the old address once it is done.
    let form = mia.form("/account", "/account/address");
    mia.submit(&form.set("address", "new@example.org").set("current", "quite other words"));
    let link = link_in(&mail_to(&server, "new@example.org"), "verify");
    let form = mia.form(&link, &link);
    assert_eq!(mia.submit(&form).status, 303);
    wait_for("the old address to be told", || {
        mail_to(&server, "mia@example.org").contains("has another e-mail address now").then_some(())
    });
}

#[test]
fn nobody_keeps_an_account_s_owner_out_by_trying_wrong_passwords() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = veritable();
    // Cheap passwords: the tries are over before any of them is forgiven.
    program.env("VERITABLE_ACCOUNTS_SCRYPT_LOG_N", "10");
    let server = Server::start(program, "demo", dir.path(), &[]);
    let mut known = member(&server, "mia");
    let at = |place: u8| {
        let mut browser = Browser::new(&server);
        browser.from = Some(format!("192.0.2.{place}"));
        browser
    };
    let try_at = |place: u8, tries: usize| -> Vec<u16> {
        let mut browser = at(place);
        (0..tries).map(|_| browser.log_in("mia", "none of hers").status).collect()
    };
    // Whoever is right does not try: a school behind one address logs in at the same hour.
    let school: Vec<u16> = (0..25).map(|_| at(0).log_in("mia", PASSWORD).status).collect();
    assert_eq!(school, [303; 25]);
    let tried = try_at(1, 12);
    assert!(tried[..10] == [401; 10] && tried[10..] == [429; 2], "{tried:?}");
    assert_eq!(at(1).log_in("mia", PASSWORD).status, 429, "that place has to wait");
    assert_eq!(at(2).log_in("mia", PASSWORD).status, 303, "another has not");
    // All places together are bounded too; the browser that she logged in with before is not among them.
    let all: Vec<u16> = (3..14).flat_map(|place| try_at(place, 10)).collect();
    assert!(all.contains(&429) && all[..80] == [401; 80], "{all:?}");
    assert_eq!(at(20).log_in("mia", PASSWORD).status, 429);
    known.from = Some("192.0.2.21".to_owned());
    let out = super::harness::browser::form_in(known.get("/latest").text(), "/logout").unwrap();
    assert_eq!(known.submit(&out).status, 303);
    assert_eq!(known.log_in("mia", PASSWORD).status, 303);
    // It does not speak for others, and wrong tries in it are counted.
    let out = super::harness::browser::form_in(known.get("/latest").text(), "/logout").unwrap();
    known.submit(&out);
    let tried: Vec<u16> = (0..12).map(|_| known.log_in("mia", "none of hers").status).collect();
    assert!(tried[..10] == [401; 10] && tried[11] == 429, "{tried:?}");
}

#[test]
fn logging_in_again_ends_the_session_before() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut before = mia.copy();
    // The form of a page that was open since before, with the secret of the session as it is.
    let token = mia.form("/account", "/account/password").get("csrf").unwrap().to_owned();
    let fields = [("csrf", token.as_str()), ("user", "mia"), ("password", PASSWORD), ("next", "/")];
    let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    assert_eq!(mia.submit(&Form { action: "/login".into(), fields }).status, 303);
    assert!(mia.get("/latest").text().contains(">mia</a>"));
    assert!(before.get("/latest").text().contains("Log in"), "whoever has its token has nothing");
}

#[test]
fn what_a_proxy_is_told_keeps_nobody_from_pages_and_fields_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let ask = |path: &str, line: &str| {
        server.connect().send("GET", path, &[line, "Connection: close"], b"").unwrap().status
    };
    for line in ["Authorization: Basic YTpi", "Authorization: Digest x", "Authorization: x"] {
        assert_eq!(
            (ask("/latest", line), ask("/login", line), ask("/api/forums", line)),
            (200, 200, 401),
            "{line}"
        );
    }
    for line in ["Authorization: Bearer none", "Authorization: bearer none"] {
        assert_eq!((ask("/latest", line), ask("/api/forums", line)), (401, 401), "{line}");
    }
    let token = server.token();
    assert_eq!(ask("/api/me", &format!("Authorization: bearer {token}")), 200);
    let mut mia = member(&server, "mia");
    let mut with = |line: &str| mia.send("GET", "/latest", &[line], b"");
    assert!(with("Authorization: Basic YTpi").text().contains(">mia</a>"));
    let mut guest = Browser::new(&server);
    for (path, field) in
        [("/signup", "name"), ("/signup", "address"), ("/login", "user"), ("/forgot", "user")]
    {
        let form = guest.form(path, path).set(field, &"x".repeat(10_000));
        let refused = guest.submit(&form);
        assert!(refused.status == 400 && refused.text().contains("is longer than"), "{path} {field}");
        // No form of these needs as much, whatever is in it.
        let form = form.set(field, &"x".repeat(100_000));
        assert_eq!(guest.submit(&form).status, 413, "{path} {field}");
    }
}

#[test]
fn nobody_joins_under_a_name_that_looks_like_another() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut guest = Browser::new(&server);
    for name in [
        "аdmin",
        "Аdmіn",
        "ａｄｍｉｎ",
        "adm\u{AD}in",
        "admin\u{200B}",
        "M\u{456}a",
        "..",
        ".",
        "\u{3164}",
        "\u{2800}",
    ] {
        let form = guest.form("/signup", "/signup").set("name", name).set("address", "x@example.org");
        let refused = guest.submit(&form.set("password", PASSWORD));
        assert!(refused.status == 422 && refused.text().contains("id=\"name-fault\""), "{name:?}");
    }
    let form = mia.form("/account", "/account/name").set("display-name", "Аdmin");
    let refused = mia.submit(&form);
    assert!(refused.status == 422 && refused.text().contains("somebody else"), "{}", refused.text());
    let form = mia.form("/account", "/account/name").set("display-name", "Mia");
    assert_eq!(mia.submit(&form).status, 303);
}
