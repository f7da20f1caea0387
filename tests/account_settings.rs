//! What people do with their own accounts: a second factor, tokens, another address, their data, their end.

use totp_rs::{Builder, Secret};

use super::accounts::{PASSWORD, link_in, mail_to, member};
use super::harness::browser::{Browser, form_in};
use super::harness::http::Reply;
use super::harness::server::{Server, veritable};
use super::harness::wait_for;

/// The code of a secret as pages show it, so many steps of half a minute from now.
pub(crate) fn code(secret: &str, steps: i64) -> String {
    code_at(Secret::try_from_base32(secret.replace(' ', "")).unwrap(), steps)
}

/// The code of a secret now.
pub(crate) fn code_of(secret: &[u8]) -> String {
    code_at(Secret::from(secret.to_vec()), 0)
}

fn code_at(secret: Secret, steps: i64) -> String {
    let totp = Builder::new().with_secret(secret).build().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    totp.generate(now.saturating_add_signed(steps * 30)).to_string()
}

/// What stands between two marks of a page.
pub(crate) fn between<'p>(page: &'p Reply, from: &str, to: &str) -> &'p str {
    let (_, rest) =
        page.text().split_once(from).unwrap_or_else(|| panic!("{from} is not in {}", page.text()));
    rest.split_once(to).unwrap().0
}

/// Sets up a second factor; its secret and recovery codes.
fn set_up(browser: &mut Browser) -> (String, Vec<String>) {
    let begin = browser.form("/account/second-factor", "/account/second-factor/begin");
    assert_eq!(browser.submit(&begin).status, 303);
    let page = browser.get("/account/second-factor");
    assert!(page.text().contains("<svg") && page.text().contains("otpauth://totp/"), "{}", page.text());
    let secret = between(&page, "<code class=\"secret\">", "</code>").to_owned();
    let form = form_in(page.text(), "/account/second-factor/confirm").unwrap();
    let confirm = |form: super::harness::browser::Form, code: &str, password: &str| {
        form.set("code", code).set("current", password)
    };
    let wrong = browser.submit(&confirm(form, "000000", PASSWORD));
    assert!(wrong.status == 422 && wrong.text().contains("not the code"), "{}", wrong.text());
    let form = form_in(wrong.text(), "/account/second-factor/confirm").unwrap();
    let wrong = browser.submit(&confirm(form, &code(&secret, -1), "not it"));
    assert!(wrong.status == 422 && wrong.text().contains("not your password"));
    let form = form_in(wrong.text(), "/account/second-factor/confirm").unwrap();
    let done = browser.submit(&confirm(form, &code(&secret, -1), PASSWORD));
    assert_eq!(done.status, 200, "{}", done.text());
    let codes: Vec<String> = done
        .text()
        .split("<li><code>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect();
    assert_eq!(codes.len(), 10);
    (secret, codes)
}

/// Logs in as far as the code; the page that asks for it.
fn as_far_as_the_code(browser: &mut Browser, name: &str) -> Reply {
    let asked = browser.log_in(name, PASSWORD);
    assert!(asked.status == 200 && asked.text().contains("action=\"/login/code\""), "{}", asked.text());
    asked
}

fn enter(browser: &mut Browser, asked: &Reply, code: &str) -> Reply {
    let form = form_in(asked.text(), "/login/code").unwrap().set("code", code);
    browser.submit(&form)
}

#[test]
fn a_second_factor_is_asked_for_and_each_code_is_good_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let mut elsewhere = Browser::new(&server);
    elsewhere.log_in("mia", PASSWORD);
    let (secret, codes) = set_up(&mut mia);
    assert!(mia.get("/account").text().contains("set up"), "the session that did it goes on");
    assert!(elsewhere.get("/latest").text().contains("Log in"), "those that showed a password alone do not");
    wait_for("the mail", || mail_to(&server, "mia@example.org").contains("second factor").then_some(()));

    // A ticket is of one browser.
    let mut one = Browser::new(&server);
    let asked = as_far_as_the_code(&mut one, "mia");
    let mut thief = Browser::new(&server);
    let own = thief.form("/login", "/login");
    let stolen = form_in(asked.text(), "/login/code").unwrap().set("csrf", own.get("csrf").unwrap());
    assert_eq!(
        thief.submit(&stolen.set("code", &code(&secret, 0))).header("location"),
        Some("/login?done=late")
    );
    let wrong = enter(&mut one, &asked, "123456");
    assert!(wrong.status == 401 && wrong.text().contains("wrong"), "{}", wrong.text());
    let now = code(&secret, 0);
    assert_eq!(enter(&mut one, &asked, &now).status, 303);
    assert!(one.get("/latest").text().contains(">mia</a>"));
    let mut two = Browser::new(&server);
    let asked = as_far_as_the_code(&mut two, "mia");
    assert_eq!(enter(&mut two, &asked, &now).status, 401, "it was used");
    assert_eq!(enter(&mut two, &asked, &codes[3].to_uppercase()).status, 303, "a recovery code");
    let mut three = Browser::new(&server);
    let asked = as_far_as_the_code(&mut three, "mia");
    assert_eq!(enter(&mut three, &asked, &codes[3]).status, 401, "that was used too");
    assert!(two.get("/account/second-factor").text().contains("9 recovery codes"));

    // New codes end the old ones; without it, the password is enough again. Both need the password.
    let form = two.form("/account/second-factor", "/account/second-factor/codes").set("current", "not it");
    assert_eq!(two.submit(&form).status, 422);
    let form = two.form("/account/second-factor", "/account/second-factor/codes").set("current", PASSWORD);
    let renewed = two.submit(&form);
    assert!(renewed.status == 200 && !renewed.text().contains(&codes[4]));
    let form = two.form("/account/second-factor", "/account/second-factor/end").set("current", "not it");
    assert_eq!(two.submit(&form).status, 422);
    let form = two.form("/account/second-factor", "/account/second-factor/end").set("current", PASSWORD);
    assert_eq!(two.submit(&form).status, 303);
    assert_eq!(Browser::new(&server).log_in("mia", PASSWORD).status, 303);
}

#[test]
fn codes_cannot_be_tried_one_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let (_, codes) = set_up(&mut member(&server, "mia"));
    let mut thief = Browser::new(&server);
    let asked = as_far_as_the_code(&mut thief, "mia");
    let tried: Vec<u16> = (0..8).map(|n| enter(&mut thief, &asked, &format!("00000{n}")).status).collect();
    assert_eq!(tried[..5], [401; 5]);
    assert_eq!(tried[5..], [429; 3]);
    assert_eq!(enter(&mut thief, &asked, &codes[0]).status, 429, "not even the right one");
}

#[test]
fn tokens_are_made_shown_once_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let form = mia.form("/account/tokens", "/account/tokens");
    assert!(!form.fields.iter().any(|(name, _)| name == "scope-administer"), "nothing that she may not");
    let form = form.set("name", "my script").set("scope-account", "on").set("days", "30");
    // A session alone is not enough: what is made with it outlives it.
    let unsure = mia.submit(&form.set("current", "not it"));
    assert!(unsure.status == 422 && unsure.text().contains("not your password"), "{}", unsure.text());
    let form = mia.form("/account/tokens", "/account/tokens");
    let form = form.set("name", "my script").set("scope-account", "on").set("days", "30");
    let made = mia.submit(&form.set("current", PASSWORD));
    wait_for("the owner to be told", || {
        mail_to(&server, "mia@example.org").contains("“my script”").then_some(())
    });
    let token = between(&made, "<code class=\"secret whole\">vt_", "<");
    let token = format!("vt_{token}");
    let list = mia.get("/account/tokens");
    assert!(list.text().contains("my script") && list.text().contains("read, account"), "{}", list.text());
    assert!(!list.text().contains(&token), "shown once");
    let get = |path: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        server.connect().send("GET", path, &[&bearer, "Connection: close"], b"").unwrap()
    };
    let me = get("/api/me").json();
    assert_eq!((me["name"].as_str(), me["address"].as_str()), (Some("mia"), Some("mia@example.org")));
    assert_eq!(get("/api/me/sessions").json()["sessions"].as_array().unwrap().len(), 1);
    assert_eq!(get("/account").status, 403, "pages are for browsers");
    assert_eq!(get("/api/admin/users").status, 403);
    // A token makes none that may do more than itself.
    let more = serde_json::json!({"name": "more", "scopes": ["write"]});
    assert_eq!(server.change(&token, "POST", "/api/me/tokens", &more).status, 403);
    let longer =
        serde_json::json!({"name": "longer", "scopes": ["read"], "expires_at": "2999-01-01T00:00:00Z"});
    let refused = server.change(&token, "POST", "/api/me/tokens", &longer);
    assert!(refused.status == 400 && refused.text().contains("later than the end"), "{}", refused.text());
    let less = serde_json::json!({"name": "less", "scopes": ["read"]});
    let made = server.change(&token, "POST", "/api/me/tokens", &less);
    assert_eq!(made.status, 201, "{}", made.text());
    let reading = made.json()["secret"].as_str().unwrap().to_owned();
    let bearer = format!("Authorization: Bearer {reading}");
    let read = |path| server.connect().send("GET", path, &[&bearer, "Connection: close"], b"").unwrap();
    assert!(read("/api/me").json()["address"].is_null(), "the address is for those with the scope");
    assert_eq!(read("/api/me/sessions").status, 403);
    let past = serde_json::json!({"name": "past", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"});
    assert_eq!(server.change(&token, "POST", "/api/me/tokens", &past).status, 400);
    let tokens = get("/api/me/tokens").json();
    let named = |name: &str| {
        tokens["tokens"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone()
    };
    assert_eq!(
        named("less")["expires_at"],
        named("my script")["expires_at"],
        "no longer than the one that asked"
    );
    let id = named("less")["id"].clone();
    assert_eq!(
        server.change(&token, "DELETE", &format!("/api/me/tokens/{id}"), &serde_json::json!({})).status,
        200
    );
    assert_eq!(read("/api/me").status, 401);
    let revoke = mia.form("/account/tokens", "/account/tokens/revoke");
    assert_eq!(mia.submit(&revoke).status, 303);
    assert_eq!(get("/api/me").status, 401);
    // Another's tokens are not found.
    let mut otto = member(&server, "otto");
    let theirs = otto.form("/account/tokens", "/account/tokens").set("name", "otto's").set("days", "0");
    assert_eq!(otto.submit(&theirs.set("current", PASSWORD)).status, 200);
    let theirs = otto.form("/account/tokens", "/account/tokens/revoke");
    let form = mia.form("/account/tokens", "/account/tokens").set("token", theirs.get("token").unwrap());
    let form = super::harness::browser::Form { action: "/account/tokens/revoke".into(), fields: form.fields };
    assert_eq!(mia.submit(&form).status, 404);
    let none = mia.form("/account/tokens", "/account/tokens").set("name", "").set("days", "12");
    let none = super::harness::browser::Form {
        fields: none.fields.into_iter().filter(|(name, _)| !name.starts_with("scope-")).collect(),
        ..none
    };
    let page = mia.submit(&none);
    for said in ["name-fault", "scopes-fault", "days-fault"] {
        assert!(page.status == 422 && page.text().contains(said), "{said}: {}", page.text());
    }
}

#[test]
fn another_address_counts_once_it_is_confirmed_and_the_old_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let form = mia.form("/account", "/account/address");
    let wrong = mia.submit(&form.set("address", "new@example.org").set("current", "not it"));
    assert!(wrong.status == 422 && wrong.text().contains("not your password"));
    let form = mia.form("/account", "/account/address");
    let asked = mia.submit(&form.set("address", "new@example.org").set("current", PASSWORD));
    assert!(asked.status == 200 && asked.text().contains("new@example.org"));
    assert!(mia.get("/account").text().contains("mia@example.org"), "not yet");
    assert!(mail_to(&server, "mia@example.org").contains("another e-mail address"));
    let link = link_in(&mail_to(&server, "new@example.org"), "verify");
    let form = mia.form(&link, &link);
    assert_eq!(mia.submit(&form).header("location"), Some("/account?done=confirmed"));
    assert!(mia.get("/account").text().contains("new@example.org"));
    // Another's is not told to be one, except to its owner.
    member(&server, "otto");
    let form = mia.form("/account", "/account/address");
    let asked = mia.submit(&form.set("address", "otto@example.org").set("current", PASSWORD));
    assert!(asked.status == 200 && asked.text().contains("Look into your mailbox"), "{}", asked.text());
    wait_for("the mail", || {
        mail_to(&server, "otto@example.org").contains("already has an account").then_some(())
    });
    let form = mia.form("/account", "/account/name").set("display-name", "Mia <M.>");
    assert_eq!(mia.submit(&form).status, 303);
    assert!(server.get("/u/mia").text().contains("Mia &#60;M.&#62;"), "{}", server.get("/u/mia").text());
}

#[test]
fn all_of_ones_data_comes_in_one_document_and_an_account_can_be_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let mut program = veritable();
    program.env("VERITABLE_ACCOUNTS_LIMITS", "off");
    let server = Server::start(program, "demo", dir.path(), &[]);
    let mut mia = member(&server, "mia");
    let form = mia.form("/account/tokens", "/account/tokens").set("name", "t").set("scope-write", "on");
    let made = mia.submit(&form.set("days", "30").set("current", PASSWORD));
    let token = format!("vt_{}", between(&made, "<code class=\"secret whole\">vt_", "<"));
    let mut topic = String::new();
    // More than are read at once.
    for n in 0..25 {
        let body = serde_json::json!({"title": format!("Mia's topic {n}"), "body": "the *words* of mia"});
        let made = server.change(&token, "POST", "/api/forums/1/topics", &body);
        assert_eq!(made.status, 201, "{}", made.text());
        topic = made.json()["path"].as_str().unwrap().to_owned();
    }
    let page = serde_json::json!({"title": "Mia's page", "body": "hers"});
    assert_eq!(server.change(&token, "PUT", "/api/wiki/pages", &page).status, 201);
    let cookie = format!("Cookie: session={}", mia.cookie("session").unwrap());
    let file = download(&server.address, "/account/data/download", &cookie);
    let data: serde_json::Value =
        serde_json::from_str(&file).unwrap_or_else(|error| panic!("{error}: {file}"));
    assert_eq!(data["account"][0]["address"], "mia@example.org");
    let posts = data["posts"].as_array().unwrap();
    assert!(posts.len() == 25 && posts.iter().all(|post| post["source"] == "the *words* of mia"));
    assert_eq!(data["wiki_edits"][0]["source"], "hers");
    assert_eq!(data["sessions"].as_array().unwrap().len(), 1);
    assert!(!file.contains("scrypt"), "no hash of a password");
    assert!(server.get(&topic).text().contains(">mia</a>"));

    let form = mia.form("/account/delete", "/account/delete");
    let unsure = mia.submit(&form.set("current", PASSWORD));
    assert!(unsure.status == 422 && unsure.text().contains("if you are sure"));
    let form = mia.form("/account/delete", "/account/delete").set("sure", "on");
    assert_eq!(mia.submit(&form.set("current", "not it")).status, 422);
    let form = mia.form("/account/delete", "/account/delete").set("sure", "on").set("current", PASSWORD);
    let session = mia.copy();
    assert_eq!(mia.submit(&form).header("location"), Some("/login?done=erased"));
    let shown = server.get(&topic);
    assert!(shown.text().contains("deleted user ") && !shown.text().contains(">mia</a>"), "{}", shown.text());
    assert!(shown.text().contains("<em>words</em>"), "what was written stays");
    assert_eq!(server.get("/u/mia").status, 404);
    assert_eq!(server.change(&token, "POST", "/api/forums/1/topics", &serde_json::json!({})).status, 401);
    let mut session = session;
    assert!(session.get("/latest").text().contains("Log in"));
    assert_eq!(Browser::new(&server).log_in("mia", PASSWORD).status, 401);
    // The name is free, those of the gone are not.
    member(&server, "mia");
    let mut somebody = Browser::new(&server);
    let form = super::accounts::sign_up(&mut somebody, "Deleted user 99", "x@example.org");
    assert_eq!(somebody.submit(&form).status, 422);
    // The last administrator stays.
    let mut admin = server.administrator();
    let form = admin.form("/account/delete", "/account/delete").set("sure", "on");
    let kept = admin.submit(&form.set("current", &server.password()));
    assert!(kept.status == 422 && kept.text().contains("last administrator"), "{}", kept.text());
}

/// A body that comes in chunks (RFC 9112, 7.1).
pub(super) fn download(address: &str, path: &str, cookie: &str) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\n{cookie}\r\nConnection: close\r\n\r\n").unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, mut rest) = text.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains("200")
            && head.to_lowercase().contains("attachment; filename=\"veritable-account.json\""),
        "{head}"
    );
    let mut body = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        body.push_str(&after[..length]);
        rest = &after[length + 2..];
        if length == 0 {
            break;
        }
    }
    body
}

#[test]
fn tokens_end_when_a_password_is_replaced_and_with_a_changed_one_unless_they_are_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut mia = member(&server, "mia");
    let make = |mia: &mut Browser, password: &str| {
        let form = mia.form("/account/tokens", "/account/tokens").set("name", "t").set("days", "30");
        let made = mia.submit(&form.set("current", password));
        format!("Authorization: Bearer vt_{}", between(&made, "<code class=\"secret whole\">vt_", "<"))
    };
    let me = |token: &str| {
        server.connect().send("GET", "/api/me", &[token, "Connection: close"], b"").unwrap().status
    };
    let change = |mia: &mut Browser, from: &str, to: &str, ends: bool| {
        let mut form = mia.form("/account", "/account/password").set("current", from).set("password", to);
        if !ends {
            form.fields.retain(|(name, _)| name != "end-tokens");
        }
        assert_eq!(mia.submit(&form).status, 303);
    };
    let first = make(&mut mia, PASSWORD);
    change(&mut mia, PASSWORD, "the second unusual words", false);
    assert_eq!(me(&first), 200, "its owner said so");
    change(&mut mia, "the second unusual words", "the third unusual words", true);
    assert_eq!(me(&first), 401);
    let second = make(&mut mia, "the third unusual words");
    let form = mia.form("/forgot", "/forgot").set("user", "mia");
    assert_eq!(mia.submit(&form).status, 200);
    let link = wait_for("the link", || {
        let mail = mail_to(&server, "mia@example.org");
        mail.contains("/reset/").then(|| link_in(&mail, "reset"))
    });
    // Judged as when it was chosen first.
    for known in ["mia@example.org", "miaexampleorg"] {
        let form = mia.form(&link, &link).set("password", known);
        assert_eq!(mia.submit(&form).status, 422, "{known}");
    }
    let form = mia.form(&link, &link).set("password", "the fourth unusual words");
    assert_eq!(mia.submit(&form).status, 303);
    assert_eq!(me(&second), 401);
}
