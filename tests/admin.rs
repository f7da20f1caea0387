//! What administrators and moderators do: roles and groups that hold at once, approvals, invitations, categories, and
//! the log of it all.

use super::account_settings::between;
use super::accounts::{PASSWORD, link_in, mail_to, member, sign_up};
use super::harness::browser::{Browser, Form};
use super::harness::http::Reply;
use super::harness::server::{Server, veritable};

/// The number of an account, as administrators see it.
fn number_of(admin: &mut Browser, name: &str) -> String {
    let list = admin.get(&format!("/admin/users?q={name}"));
    between(&list, "<a class=\"name\" href=\"/admin/users/", "\"").to_owned()
}

/// Sends the form for a deed on the page of an account.
fn act(admin: &mut Browser, user: &str, deed: &str, set: &[(&str, &str)]) -> Reply {
    let action = format!("/admin/users/{user}/{deed}");
    let mut form = admin.form(&format!("/admin/users/{user}"), &action);
    for (name, value) in set {
        form = form.set(name, value);
    }
    admin.submit(&form)
}

/// A form with a forged path: what a page did not offer.
fn forged(browser: &mut Browser, page: &str, known: &str, action: &str, set: &[(&str, &str)]) -> Reply {
    let mut form = Form { action: action.to_owned(), ..browser.form(page, known) };
    for (name, value) in set {
        form = form.set(name, value);
    }
    browser.submit(&form)
}

fn with(set: &[(&str, &str)], dir: &std::path::Path) -> Server {
    let mut program = veritable();
    for (name, value) in set {
        program.env(name, value);
    }
    Server::start(program, "demo", dir, &[])
}

/// Whether every worker answers like this.
fn always(server: &Server, browser: &mut Browser, path: &str, is: impl Fn(&Reply) -> bool) -> bool {
    let mut workers = server.connect_to_all();
    workers.iter_mut().all(|worker| is(&browser.send_over(worker, "GET", path, &[], b"")))
}

#[test]
fn boxes_change_what_they_showed_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut admin = server.administrator();
    member(&server, "mia");
    let id = number_of(&mut admin, "mia");
    for name in ["Keyholders", "Gardeners"] {
        let form = admin.form("/admin/groups", "/admin/groups").set("name", name);
        assert_eq!(admin.submit(&form).status, 303);
    }
    assert_eq!(act(&mut admin, &id, "groups", &[("group-4", "on")]).status, 303);
    let page = format!("/admin/users/{id}");
    let mut seen_before = admin.form(&page, &format!("{page}/groups"));
    // Somebody else, meanwhile.
    assert_eq!(act(&mut admin, &id, "groups", &[("group-5", "on")]).status, 303);
    seen_before.fields.retain(|(name, _)| name != "group-4");
    assert_eq!(admin.submit(&seen_before).status, 303);
    let now = admin.form(&page, &format!("{page}/groups"));
    assert_eq!((now.get("group-4").is_some(), now.get("group-5").is_some()), (false, true));
}

#[test]
fn roles_groups_and_switching_off_hold_in_every_worker_before_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut admin = server.administrator();
    let mut mia = member(&server, "mia");
    assert!(always(&server, &mut mia, "/admin", |reply| reply.status == 403));
    let id = number_of(&mut admin, "mia");
    assert_eq!(act(&mut admin, &id, "role", &[("role", "administrator")]).status, 303);
    assert!(always(&server, &mut mia, "/admin", |reply| reply.status == 200));
    assert_eq!(act(&mut admin, &id, "role", &[("role", "member")]).status, 303);
    assert!(always(&server, &mut mia, "/admin", |reply| reply.status == 403));

    // A group, a category for it alone, and somebody in it and out again.
    let form = admin.form("/admin/groups", "/admin/groups").set("name", "Keyholders");
    let made = admin.submit(&form);
    let group = made.header("location").unwrap().split(['/', '?']).nth(3).unwrap().to_owned();
    let taken = admin.form("/admin/groups", "/admin/groups").set("name", "Keyholders");
    assert!(admin.submit(&taken).text().contains("that name is taken"));
    let form = admin.form("/admin/categories", "/admin/categories").set("name", "The cellar");
    let boxed = ["read-0", "post-1", "moderate-2"];
    let form = Form {
        fields: form.fields.into_iter().filter(|(name, _)| !boxed.contains(&name.as_str())).collect(),
        ..form
    };
    let form = form.set(&format!("read-{group}"), "on").set(&format!("post-{group}"), "on");
    assert_eq!(admin.submit(&form).header("location"), Some("/admin/categories?done=created"));
    let list = admin.get("/admin/categories");
    assert!(list.text().contains("seen by Keyholders"), "{}", list.text());
    let (before, _) = list.text().split_once(">The cellar</a>").unwrap();
    let category = before.rsplit_once("/admin/categories/").unwrap().1.split('"').next().unwrap();
    let path = format!("/c/the-cellar/{category}");
    let add = |admin: &mut Browser, deed: &str, name: &str| {
        forged(
            admin,
            &format!("/admin/groups/{group}"),
            &format!("/admin/groups/{group}/add"),
            &format!("/admin/groups/{group}/{deed}"),
            &[("user", name)],
        )
    };
    assert!(always(&server, &mut mia, &path, |reply| reply.status == 404));
    assert_eq!(add(&mut admin, "add", "nobody at all").status, 422);
    assert_eq!(add(&mut admin, "add", "mia").status, 303);
    assert!(always(&server, &mut mia, &path, |reply| reply.status == 200));
    assert!(admin.get(&format!("/admin/groups/{group}")).text().contains(">mia</a>"));
    assert_eq!(server.get(&path).status, 404, "guests see nothing of it");
    assert_eq!(add(&mut admin, "remove", "mia").status, 303);
    assert!(always(&server, &mut mia, &path, |reply| reply.status == 404));
    add(&mut admin, "add", "mia");
    let gone = forged(
        &mut admin,
        &format!("/admin/groups/{group}"),
        &format!("/admin/groups/{group}/delete"),
        &format!("/admin/groups/{group}/delete"),
        &[],
    );
    assert_eq!(gone.header("location"), Some("/admin/groups?done=deleted"));
    assert!(
        always(&server, &mut mia, &path, |reply| reply.status == 404),
        "its number stands for nothing any more"
    );

    // Off: sessions end, tokens are of no use, nobody logs in; on again.
    let form = mia
        .form("/account/tokens", "/account/tokens")
        .set("name", "t")
        .set("days", "30")
        .set("current", PASSWORD);
    let token = format!(
        "Authorization: Bearer vt_{}",
        between(&mia.submit(&form), "<code class=\"secret whole\">vt_", "<")
    );
    let me = || server.connect().send("GET", "/api/me", &[&token, "Connection: close"], b"").unwrap().status;
    assert_eq!(me(), 200);
    assert_eq!(act(&mut admin, &id, "disable", &[("reason", "spam")]).status, 303);
    assert!(always(&server, &mut mia, "/account", |reply| reply.status == 303));
    assert_eq!((me(), Browser::new(&server).log_in("mia", PASSWORD).status), (401, 403));
    assert!(admin.get("/admin/users?which=disabled").text().contains(">mia</a>"));
    assert_eq!(act(&mut admin, &id, "enable", &[]).status, 303);
    assert_eq!(Browser::new(&server).log_in("mia", PASSWORD).status, 303);
    assert_eq!(act(&mut admin, &id, "end-sessions", &[]).status, 303);
    let mut again = Browser::new(&server);
    assert_eq!(again.log_in("mia", PASSWORD).status, 303);

    // A link to hand over, and all of it in the log.
    let shown = act(&mut admin, &id, "reset", &[]);
    let link = format!("/reset/{}", between(&shown, "/reset/", "<"));
    let form = again.form(&link, &link).set("password", "quite other words");
    assert_eq!(again.submit(&form).header("location"), Some("/login?done=reset"));
    let log = admin.get(&format!("/admin/audit?object=user:{id}"));
    for said in [
        "user.role",
        "member to administrator",
        "user.groups",
        "user.disable",
        "spam",
        "user.enable",
        "user.end-sessions",
        "user.reset",
    ] {
        assert!(log.text().contains(said), "{said} is not in {}", log.text());
    }
    assert!(admin.get("/admin/audit?actor=admin&deed=group.delete").text().contains("Keyholders"));
    assert!(!admin.get("/admin/audit?actor=mia").text().contains("<strong>user.role</strong>"));
    assert!(admin.get("/admin").text().contains("/admin/audit"));
}

#[test]
fn the_last_administrator_stays_one() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut admin = server.administrator();
    let id = number_of(&mut admin, "admin");
    for (deed, set) in
        [("role", [("role", "member")]), ("disable", [("reason", "")]), ("erase", [("sure", "on")])]
    {
        let kept = act(&mut admin, &id, deed, &set);
        assert!(kept.status == 409 && kept.text().contains("last administrator"), "{deed}: {}", kept.text());
    }
    member(&server, "mia");
    let other = number_of(&mut admin, "mia");
    act(&mut admin, &other, "role", &[("role", "administrator")]);
    // One that is switched off is no administrator to rely on.
    act(&mut admin, &other, "disable", &[]);
    assert_eq!(act(&mut admin, &id, "role", &[("role", "member")]).status, 409);
    act(&mut admin, &other, "enable", &[]);
    assert_eq!(act(&mut admin, &id, "role", &[("role", "member")]).status, 303);
    assert_eq!(admin.get("/admin").status, 403);
}

#[test]
fn who_joins_may_have_to_wait_for_approval() {
    let dir = tempfile::tempdir().unwrap();
    let server = with(&[("VERITABLE_ACCOUNTS_REGISTRATION", "approval")], dir.path());
    let mut admin = server.administrator();
    let join = |name: &str| {
        let mut browser = Browser::new(&server);
        let form = sign_up(&mut browser, name, &format!("{name}@example.org"));
        assert_eq!(browser.submit(&form).status, 200);
        let link = link_in(&mail_to(&server, &format!("{name}@example.org")), "verify");
        let form = browser.form(&link, &link);
        browser.submit(&form);
        let waits = browser.log_in(name, PASSWORD);
        assert!(waits.status == 403 && waits.text().contains("waits for approval"));
        browser
    };
    let (mut mia, mut otto) = (join("mia"), join("otto"));
    assert!(admin.get("/admin").text().contains("2 accounts wait"));
    let queue = admin.get("/admin/approvals");
    assert!(queue.text().contains(">mia</a>") && queue.text().contains(">otto</a>"));
    let (mia_id, otto_id) = (number_of(&mut admin, "mia"), number_of(&mut admin, "otto"));
    let approve = admin.form("/admin/approvals", &format!("/admin/users/{mia_id}/approve"));
    assert_eq!(admin.submit(&approve).header("location"), Some("/admin/approvals?done=approve"));
    assert_eq!(mia.log_in("mia", PASSWORD).status, 303);
    super::harness::wait_for("the mail", || {
        mail_to(&server, "mia@example.org").contains("was approved").then_some(())
    });
    let reject = admin.form("/admin/approvals", &format!("/admin/users/{otto_id}/reject"));
    assert_eq!(admin.submit(&reject).status, 303);
    assert_eq!(otto.log_in("otto", PASSWORD).status, 401);
    assert!(admin.get("/admin/approvals").text().contains("Nobody waits"));
    // Whoever is invited is vouched for.
    let form = admin.form("/invitations", "/invitations").set("note", "for Ann");
    let link = format!("/signup?invitation={}", between(&admin.submit(&form), "/signup?invitation=", "<"));
    let mut ann = Browser::new(&server);
    let form = ann
        .form(&link, "/signup")
        .set("name", "ann")
        .set("address", "ann@example.org")
        .set("password", PASSWORD);
    assert_eq!(ann.submit(&form).status, 200);
    let verify = link_in(&mail_to(&server, "ann@example.org"), "verify");
    let form = ann.form(&verify, &verify);
    ann.submit(&form);
    assert_eq!(ann.log_in("ann", PASSWORD).status, 303);
}

#[test]
fn moderators_invite_and_each_invitation_is_good_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = with(&[("VERITABLE_ACCOUNTS_REGISTRATION", "invitation")], dir.path());
    let mut admin = server.administrator();
    let mut guest = Browser::new(&server);
    let form = sign_up(&mut guest, "mia", "mia@example.org");
    assert_eq!(guest.submit(&form).status, 422, "without one nobody joins");
    let form = sign_up(&mut guest, "mia", "mia@example.org").set("invitation", "made up");
    assert!(guest.submit(&form).text().contains("used already, or is too old"));
    let invite = |by: &mut Browser, note: &str| {
        let form = by.form("/invitations", "/invitations").set("note", note);
        format!("/signup?invitation={}", between(&by.submit(&form), "/signup?invitation=", "<"))
    };
    let join = |link: &str, name: &str| {
        let mut browser = Browser::new(&server);
        let form =
            browser.form(link, "/signup").set("name", name).set("address", &format!("{name}@example.org"));
        let reply = browser.submit(&form.set("password", PASSWORD));
        if reply.status == 200 {
            let link = link_in(&mail_to(&server, &format!("{name}@example.org")), "verify");
            let form = browser.form(&link, &link);
            browser.submit(&form);
            assert_eq!(browser.log_in(name, PASSWORD).status, 303);
        }
        (reply.status, browser)
    };
    let link = invite(&mut admin, "for Mia");
    assert!(guest.get(&link).text().contains("You are invited"));
    let (status, mut mia) = join(&link, "mia");
    assert_eq!(status, 200);
    assert_eq!(join(&link, "otto").0, 422, "used");
    assert_eq!(mia.send("GET", "/invitations", &[], b"").status, 403, "members make none");
    let id = number_of(&mut admin, "mia");
    act(&mut admin, &id, "role", &[("role", "moderator")]);
    let theirs = invite(&mut mia, "for Otto");
    let list = admin.get("/invitations");
    assert!(list.text().contains("for Otto") && list.text().contains("by mia"), "{}", list.text());
    let revoke = mia.form("/invitations", "/invitations/revoke");
    assert_eq!(mia.submit(&revoke).header("location"), Some("/invitations?done=revoked"));
    assert_eq!(join(&theirs, "otto").0, 422, "taken back");
    assert!(admin.get("/admin/audit?deed=invitation.revoke").text().contains("mia"));
}

#[test]
fn categories_are_made_renamed_locked_and_moved() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let mut admin = server.administrator();
    let names = |text: &str| -> Vec<String> {
        let cards = text.split("<a class=\"name\" href=\"/admin/categories/").skip(1);
        cards.map(|card| card.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned()).collect()
    };
    let before = names(admin.get("/admin/categories").text());
    let form =
        admin.form("/admin/categories", "/admin/categories").set("name", "").set("description", "kept");
    let wrong = admin.submit(&form);
    assert!(wrong.status == 422 && wrong.text().contains("name-fault") && wrong.text().contains("kept"));
    let form = admin
        .form("/admin/categories", "/admin/categories")
        .set("name", "Ladders")
        .set("description", "Up and down");
    assert_eq!(admin.submit(&form).status, 303);
    assert!(server.get("/").text().contains("Ladders"));
    let list = admin.get("/admin/categories");
    assert_eq!(names(list.text()).last().unwrap(), "Ladders");
    let (head, _) = list.text().split_once(">Ladders</a>").unwrap();
    let id = head.rsplit_once("/admin/categories/").unwrap().1.split('"').next().unwrap().to_owned();
    let up = admin.form("/admin/categories", &format!("/admin/categories/{id}/up"));
    assert_eq!(admin.submit(&up).status, 303);
    let mut moved = before.clone();
    moved.insert(before.len() - 1, "Ladders".into());
    assert_eq!(names(admin.get("/admin/categories").text()), moved);
    let front = server.get("/");
    let at = |name: &str| {
        front
            .text()
            .find(&format!("<strong>{}</strong>", name.replace('&', "&#38;")))
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert!(at("Ladders") < at(before.last().unwrap()));
    let save = format!("/admin/categories/{id}/save");
    let form = admin.form(&format!("/admin/categories/{id}"), &save).set("name", "Steps").set("locked", "on");
    assert_eq!(admin.submit(&form).status, 303);
    assert_eq!(server.get(&format!("/c/steps/{id}")).status, 200);
    assert!(server.get("/").text().contains("Steps") && !server.get("/").text().contains("Ladders"));
    let body = serde_json::json!({"title": "In it", "body": "words"});
    let mut mia = member(&server, "mia");
    let form = mia
        .form("/account/tokens", "/account/tokens")
        .set("name", "t")
        .set("scope-write", "on")
        .set("days", "30")
        .set("current", PASSWORD);
    let token = format!("vt_{}", between(&mia.submit(&form), "<code class=\"secret whole\">vt_", "<"));
    assert_eq!(server.change(&token, "POST", &format!("/api/forums/{id}/topics"), &body).status, 403);
    // Guests never post, whatever is ticked.
    let form =
        admin.form(&format!("/admin/categories/{id}"), &save).set("post-0", "on").set("moderate-1", "on");
    assert_eq!(admin.submit(&form).status, 303);
    assert!(!admin.get(&format!("/admin/categories/{id}")).text().contains("name=\"moderate-1\" checked"));
}

#[test]
fn administration_is_for_administrators_and_for_tokens_that_are_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    let token = server.token();
    let mut mia = member(&server, "mia");
    for path in [
        "/admin",
        "/admin/users",
        "/admin/approvals",
        "/admin/groups",
        "/admin/categories",
        "/admin/audit",
        "/admin/users/1",
        "/invitations",
    ] {
        assert_eq!(mia.send("GET", path, &[], b"").status, 403, "{path}");
        assert_eq!(server.get(path).status, 303, "{path}: a guest is asked to log in");
    }
    let own = ("/account", "/account/password");
    for action in [
        "/admin/users/1/role",
        "/admin/users/1/erase",
        "/admin/groups",
        "/admin/categories",
        "/admin/categories/1/save",
        "/invitations",
        "/invitations/revoke",
    ] {
        assert_eq!(
            forged(&mut mia, own.0, own.1, action, &[("role", "administrator")]).status,
            403,
            "{action}"
        );
    }
    let get = |token: &str, path: &str| {
        let bearer = format!("Authorization: Bearer {token}");
        server.connect().send("GET", path, &[&bearer, "Connection: close"], b"").unwrap()
    };
    let users = get(&token, "/api/admin/users?q=mia").json();
    let user = &users["users"][0];
    assert_eq!((user["name"].as_str(), user["role"].as_str()), (Some("mia"), Some("member")));
    let path = format!("/api/admin/users/{}", user["id"]);
    let change = serde_json::json!({"role": "moderator", "disabled": true, "reason": "a test"});
    let changed = server.change(&token, "PATCH", &path, &change);
    assert_eq!(changed.status, 200, "{}", changed.text());
    assert_eq!(changed.json()["role"], "moderator");
    assert!(changed.json()["disabled_at"].is_string());
    assert!(mia.get("/latest").text().contains("Log in"));
    for (body, status) in [
        (serde_json::json!({"role": "king"}), 400),
        (serde_json::json!({"groups": [9]}), 404),
        (serde_json::json!({"approved": false}), 400),
        (serde_json::json!({"what": 1}), 400),
    ] {
        assert_eq!(server.change(&token, "PATCH", &path, &body).status, status, "{body}");
    }
    let log = get(&token, "/api/admin/audit?deed=user.disable").json();
    assert_eq!(log["entries"][0]["detail"], "a test");
    assert_eq!(log["entries"][0]["actor"], "admin");
    assert_eq!(server.change(&token, "DELETE", &path, &serde_json::json!({})).status, 200);
    assert_eq!(get(&token, &path).status, 404);
    assert_eq!(get("vt_none", "/api/admin/users").status, 401);
    assert_eq!(server.get("/api/admin/users").status, 401);
    assert_eq!(server.get("/api/me").status, 401);
}
