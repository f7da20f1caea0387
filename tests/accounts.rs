//! Joining, logging in and out, and who a request is from: by pages without scripts.

use rusqlite::Connection as Database;

use super::harness::browser::{Browser, Form, form_in};
pub(crate) use super::harness::people::PASSWORD;
use super::harness::server::{Server, run};

/// The text of the newest message to an address; waits for one.
pub(crate) fn mail_to(server: &Server, address: &str) -> String {
    super::harness::wait_for(&format!("mail to {address}"), || newest_mail(server, address))
}

/// The same, still waiting or sent as a file already.
fn newest_mail(server: &Server, address: &str) -> Option<String> {
    let path = server.data_dir.join("forums.db");
    let db = Database::open(path).unwrap();
    let sql = "SELECT id, body FROM outbox WHERE address = ?1 ORDER BY id DESC LIMIT 1";
    // The outbox first: what leaves it meanwhile is a file by then.
    let waiting = db.query_row(sql, [address], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?))).ok();
    let sent = std::fs::read_dir(server.data_dir.join("mail")).into_iter().flatten().filter_map(|file| {
        let path = file.ok()?.path();
        let id = path.file_name()?.to_str()?.strip_suffix(".eml")?.parse().ok()?;
        let text = std::fs::read_to_string(path).ok()?.replace("\r\n", "\n");
        text.contains(&format!("\nTo: {address}\n")).then_some((id, text))
    });
    let newest = waiting.into_iter().chain(sent).max_by_key(|(id, _)| *id);
    newest.map(|(_, text)| text)
}

/// The path of the link in a message.
pub(crate) fn link_in(mail: &str, kind: &str) -> String {
    let (_, rest) = mail.split_once(&format!("/{kind}/")).unwrap_or_else(|| panic!("no {kind} in {mail}"));
    format!("/{kind}/{}", rest.split_whitespace().next().unwrap())
}

pub(crate) fn sign_up(browser: &mut Browser, name: &str, address: &str) -> Form {
    browser.form("/signup", "/signup").set("name", name).set("address", address).set("password", PASSWORD)
}

/// A member, logged in.
pub(crate) fn member(server: &Server, name: &str) -> Browser {
    join(server, Browser::new(server), name)
}

/// The same with a browser of theirs.
pub(crate) fn join(server: &Server, mut browser: Browser, name: &str) -> Browser {
    let address = format!("{name}@example.org");
    let form = sign_up(&mut browser, name, &address);
    assert_eq!(browser.submit(&form).status, 200);
    let link = link_in(&mail_to(server, &address), "verify");
    let form = browser.form(&link, &link);
    assert_eq!(browser.submit(&form).header("location"), Some("/login?done=verified"));
    assert_eq!(browser.log_in(name, PASSWORD).status, 303);
    browser
}

#[test]
fn somebody_joins_confirms_the_address_logs_in_and_out() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut browser = Browser::new(&server);
    let form = sign_up(&mut browser, "Mia", "mia@example.org");
    let page = browser.submit(&form);
    assert!(page.status == 200 && page.text().contains("Look into your mailbox"), "{}", page.text());
    // Not yet: the password is right, but the address may be anybody's.
    let early = browser.log_in("Mia", PASSWORD);
    assert!(early.status == 403 && early.text().contains("not confirmed yet"), "{}", early.text());
    // The message that this has sent makes the one before it worth nothing.
    let form = super::harness::wait_for("the newest link", || {
        let link = link_in(&mail_to(&server, "mia@example.org"), "verify");
        let form = browser.form(&link, &link);
        (browser.submit(&form).header("location") == Some("/login?done=verified")).then_some(form)
    });
    let again = browser.submit(&form);
    assert_eq!(again.status, 410, "a link is good once: {}", again.text());
    // By name in any case, or by address.
    for user in ["mia", "MIA@example.org"] {
        let mut browser = Browser::new(&server);
        let form = browser.form("/login?next=%2Fwiki", "/login").set("user", user).set("password", PASSWORD);
        let reply = browser.submit(&form);
        assert_eq!((reply.status, reply.header("location")), (303, Some("/wiki")));
        let page = browser.get("/latest");
        assert!(page.text().contains(">Mia</a>") && page.text().contains("Log out"), "{}", page.text());
        assert_eq!(page.header("cache-control"), Some("private, no-cache"));
        let missing = browser.get("/nowhere");
        assert!(missing.status == 404 && missing.text().contains(">Mia</a>"), "errors know who asks");
        let api = browser.get("/api/forums");
        let etag = format!("If-None-Match: {}", api.header("etag").unwrap());
        assert_eq!(browser.send("GET", "/api/forums", &[&etag], b"").status, 304);
        let out = form_in(page.text(), "/logout").unwrap();
        let session = browser.copy();
        assert_eq!(browser.submit(&out).status, 303);
        for mut gone in [browser, session] {
            assert!(
                gone.get("/latest").text().contains("Log in"),
                "the session is over, not only the cookie"
            );
        }
    }
    let wrong = Browser::new(&server).log_in("Mia", "not the password");
    assert!(wrong.status == 401 && wrong.text().contains("is wrong"));
    let unknown = Browser::new(&server).log_in("Nobody", "not the password");
    assert_eq!(wrong.text().replace("Mia", "Nobody").len(), unknown.text().len(), "both are told the same");
}

#[test]
fn what_is_wrong_with_a_sign_up_is_said_beside_its_field() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut browser = Browser::new(&server);
    for (field, value, said) in [
        ("name", "a/b", "must not contain"),
        ("name", "", "is empty"),
        ("name", "admin", "Somebody has this name"),
        ("address", "nonsense", "name@example.org"),
        ("password", "short", "too short"),
        ("password", "password123", "guessed first"),
    ] {
        let form = sign_up(&mut browser, "Mia", "mia@example.org").set(field, value);
        let page = browser.submit(&form);
        assert_eq!(page.status, 422, "{field} {value:?}");
        assert!(
            page.text().contains(said) && page.text().contains(&format!("id=\"{field}-fault\"")),
            "{}",
            page.text()
        );
        assert!(!page.text().contains(PASSWORD), "a password is not sent back");
        let again = form_in(page.text(), "/signup").unwrap();
        assert_eq!(again.get("name"), form.get("name"), "what was typed is still there");
    }
    // Whose address it is, is told to its owner alone.
    member(&server, "otto");
    let form = sign_up(&mut browser, "Otto Two", "OTTO@example.org");
    let page = browser.submit(&form);
    assert!(page.status == 200 && page.text().contains("Look into your mailbox"));
    super::harness::wait_for("the mail to the owner", || {
        mail_to(&server, "otto@example.org").contains("already has an account").then_some(())
    });
}

#[test]
fn a_forgotten_password_is_replaced_and_every_session_ends() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut guest = Browser::new(&server);
    let said: Vec<String> = ["mia", "nobody", "nobody@example.org"]
        .into_iter()
        .map(|user| {
            let form = guest.form("/forgot", "/forgot").set("user", user);
            guest.submit(&form).text().to_owned()
        })
        .collect();
    assert!(said[0].contains("If there is such an account"));
    assert!(said.iter().all(|text| text.len() == said[0].len()), "nobody learns who has an account");
    let mail = super::harness::wait_for("the mail", || {
        let mail = mail_to(&server, "mia@example.org");
        mail.contains("/reset/").then_some(mail)
    });
    let link = link_in(&mail, "reset");
    let form = guest.form(&link, &link);
    let weak =
        guest.submit(&Form { action: link.clone(), fields: form.fields.clone() }.set("password", "12345678"));
    assert_eq!(weak.status, 422);
    let form = form.set("password", "quite other words");
    assert_eq!(guest.submit(&form).header("location"), Some("/login?done=reset"));
    assert_eq!(guest.submit(&form).status, 410, "a link is good once");
    assert!(mia.get("/latest").text().contains("Log in"), "whoever was logged in is out");
    assert_eq!(Browser::new(&server).log_in("mia", PASSWORD).status, 401);
    assert_eq!(Browser::new(&server).log_in("mia", "quite other words").status, 303);
}

#[test]
fn a_password_is_changed_and_sessions_are_ended_one_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut here = member(&server, "mia");
    let mut there = Browser::new(&server);
    there.log_in("mia", PASSWORD);
    let mut third = Browser::new(&server);
    third.log_in("mia", PASSWORD);
    let page = here.get("/account");
    assert_eq!(page.text().matches("Unknown browser").count(), 3, "{}", page.text());
    let ending = form_in(page.text(), "/account/sessions/end").unwrap();
    assert_eq!(here.submit(&ending).header("location"), Some("/account?done=session"));
    let is_in = |browser: &mut Browser| browser.send("GET", "/account", &[], b"").status == 200;
    let left =
        [&mut there, &mut third].into_iter().filter_map(|browser| is_in(browser).then_some(())).count();
    assert_eq!(left, 1, "one of the others is out");
    let change =
        |form: Form, current: &str| form.set("current", current).set("password", "quite other words");
    let form = here.form("/account", "/account/password");
    let wrong = here.submit(&change(form, "not it"));
    assert!(wrong.status == 422 && wrong.text().contains("not your password"));
    let form = here.form("/account", "/account/password");
    assert_eq!(here.submit(&change(form, PASSWORD)).header("location"), Some("/account?done=password"));
    assert!(is_in(&mut here) && !is_in(&mut there) && !is_in(&mut third));
}

#[test]
fn changes_are_asked_for_by_pages_of_this_site_alone() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let form = mia.form("/account", "/account/password");
    let post = |browser: &mut Browser, lines: &[&str], token: &str| {
        let body = format!("csrf={token}");
        let mut headers = vec!["Content-Type: application/x-www-form-urlencoded"];
        headers.extend(lines);
        browser.send("POST", "/account/sessions/end-others", &headers, body.as_bytes()).status
    };
    let token = form.get("csrf").unwrap().to_owned();
    for foreign in [
        "Origin: https://evil.example",
        "Origin: null",
        "Sec-Fetch-Site: cross-site",
        "Referer: http://evil.example/",
    ] {
        assert_eq!(post(&mut mia, &[foreign], &token), 403, "{foreign}");
    }
    assert_eq!(post(&mut mia, &["Origin: http://test"], ""), 403, "without what the form holds");
    let mut otto = member(&server, "otto");
    let theirs = otto.form("/account", "/account/password").get("csrf").unwrap().to_owned();
    assert_eq!(post(&mut mia, &["Origin: http://test"], &theirs), 403, "with another's");
    assert_eq!(post(&mut mia, &["Origin: http://test"], &token), 303);
    let mut guest = Browser::new(&server);
    assert_eq!(post(&mut guest, &[], &token), 401);
    let lured = guest.send("GET", "/account", &[], b"");
    assert_eq!((lured.status, lured.header("location")), (303, Some("/login?next=%2Faccount")));
}

#[test]
fn a_session_outlives_reloads_and_restarts_and_is_never_somebody_elses_page() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut otto = member(&server, "otto");
    for _ in 0..20 {
        assert!(mia.get("/latest").text().contains(">mia</a>"));
        assert!(otto.get("/latest").text().contains(">otto</a>"));
        let guest = server.get("/latest");
        assert!(!guest.text().contains(">mia</a>") && !guest.text().contains(">otto</a>"));
    }
    assert!(server.command("reload", &[]).status.success());
    assert!(mia.get("/account").text().contains("mia@example.org"));
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let again = Server::serve(dir.path(), &["--plain-http", "--listen", &server.address]);
    assert!(mia.get("/account").text().contains("mia@example.org"));
    drop(again);
    let out = run(&["check-config", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(out.status.success());
}

#[test]
fn cookies_are_of_this_host_alone_unless_it_is_plain_http() {
    let dir = tempfile::tempdir().unwrap();
    drop(Server::demo(dir.path()));
    let server = Server::serve(dir.path(), &[]);
    let reply = server.get("/login");
    let cookie = reply.header("set-cookie").unwrap();
    assert!(
        cookie.starts_with("__Host-guest=") && cookie.contains("Secure") && cookie.contains("HttpOnly"),
        "{cookie}"
    );
    let mut browser = Browser::new(&server);
    browser.set_cookie("session", "x");
    assert!(browser.get("/latest").text().contains("Log in"));
    // As a browser does that drops a Secure cookie over plain HTTP: it is told what is wrong.
    let form = Browser::new(&server).form("/login", "/login").set("user", "x").set("password", "y");
    let lost = Browser::new(&server).submit(&form);
    assert!(lost.status == 403 && lost.text().contains("cookie"), "{}", lost.text());
}
