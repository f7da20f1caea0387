//! Pages of the wiki are moved, reverted, protected, deleted and restored, by pages and over the API; and nobody does what
//! they may not.

use serde_json::json;

use super::accounts::member;
use super::harness::browser::{Browser, form_in};
use super::wiki_writing::{column, page_id, raw, saved, see, start, token_with};

#[test]
fn a_page_moves_and_what_pointed_at_it_still_arrives() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    saved(&mut mia, "Saddle", "Text with [[Chain wear]].");
    saved(&mut mia, "Riding", "Sit on the [[Saddle]].");
    saved(&mut mia, "Seat", "#REDIRECT [[Saddle]]");
    see(
        &server.get("/wiki-links/Saddle"),
        &["href=\"/wiki/Riding\"", "/wiki/Seat?redirect=no", "redirect</span>"],
    );
    let form = mia.form("/wiki-move/Saddle", "/wiki-move/Saddle");
    assert_eq!(
        (form.get("title"), form.get("space"), form.get("redirect")),
        (Some("Saddle"), Some(""), Some("1"))
    );
    let moved = mia.submit(&form.set("space", "Help").set("title", "saddles").set("comment", "plural"));
    assert_eq!((moved.status, moved.header("location")), (303, Some("/wiki/Help:Saddles")));
    see(&server.get("/wiki/Help:Saddles"), &["Text with"]);
    see(&server.get("/wiki/Saddle"), &["Redirected from", "Text with"]);
    see(&server.get("/wiki/Seat"), &["Redirected from <a href=\"/wiki/Seat?redirect=no\">", "Text with"]);
    let history = server.get("/wiki/Help:Saddles?action=history");
    see(&history, &["Moved from &#34;Saddle&#34; to &#34;Help:Saddles&#34;: plural", "mia"]);
    see(&server.get("/recent"), &["Moved from"]);
    assert!(!server.get("/wiki/Riding").text().contains("wikilink new"), "its link leads somewhere");
    // Onto what is there it does not go; without a redirect the old title is free.
    let form = mia.form("/wiki-move/Help:Saddles", "/wiki-move/Help:Saddles").set("space", "");
    let taken = mia.submit(&form.set("title", "Riding"));
    assert_eq!(taken.status, 422);
    see(&taken, &["There is a page of that title already"]);
    let form = form_in(taken.text(), "/wiki-move/Help:Saddles").unwrap();
    let wrong = mia.submit(&form.set("title", "a[b"));
    assert_eq!(wrong.status, 422);
    see(&wrong, &["must not contain"]);
    let mut form = form_in(wrong.text(), "/wiki-move/Help:Saddles").unwrap().set("title", "Saddlery");
    form.fields.retain(|(name, _)| name != "redirect");
    assert_eq!(mia.submit(&form).header("location"), Some("/wiki/Saddlery"));
    assert_eq!(server.get("/wiki/Help:Saddles").status, 404);
    // What nobody may be asked to do by another site.
    assert_eq!(server.get("/wiki-move/Saddlery").status, 303, "guests log in first");
    see(&server.get("/wiki-links/Help:Saddles"), &["There is no page", "/wiki/Saddle?redirect=no"]);
}

#[test]
fn a_page_goes_back_to_what_it_was_and_any_two_revisions_are_compared() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let (mut mia, mut otto) = (member(&server, "mia"), member(&server, "otto"));
    for text in ["first\n", "second\n", "third\n"] {
        saved(&mut mia, "Bells", text);
    }
    let id = page_id(&server, "Bells");
    let revisions = server.get(&format!("/api/wiki/pages/{id}/history")).json();
    let ids: Vec<i64> =
        revisions["revisions"].as_array().unwrap().iter().map(|r| r["id"].as_i64().unwrap()).collect();
    let chosen = format!("/wiki-compare?old={}&new={}", ids[0], ids[2]);
    assert_eq!(
        server.get(&chosen).header("location"),
        Some(format!("/wiki-diff/{}/{}", ids[2], ids[0]).as_str()),
        "the older one first, however they were chosen"
    );
    let diff = server.get(&format!("/wiki-diff/{}/{}", ids[2], ids[0]));
    see(&diff, &["<td>first</td>", "<td>third</td>"]);
    assert!(!diff.text().contains("<td>second</td>"));
    for wrong in ["/wiki-compare", "/wiki-compare?old=1", "/wiki-compare?old=x&new=1"] {
        assert_eq!(server.get(wrong).status, 400, "{wrong}");
    }
    assert_eq!(server.get("/wiki-compare?old=99999&new=1").status, 404);

    let path = format!("/wiki-revert/{}", ids[2]);
    let form = mia.form(&path, &path);
    assert!(form.get("comment").unwrap().starts_with("Back to the revision of "));
    saved(&mut otto, "Bells", "fourth\n");
    let late = mia.submit(&form);
    assert_eq!(late.status, 422);
    see(&late, &["Somebody changed the page meanwhile", "fourth"]);
    let form = form_in(late.text(), &path).unwrap();
    assert_eq!(mia.submit(&form).header("location"), Some("/wiki/Bells"));
    assert_eq!(raw(&server, "Bells"), "first\n");
    see(
        &server.get("/wiki/Bells?action=history"),
        &["Back to the revision of", "fourth".len().to_string().as_str()],
    );
    assert_eq!(mia.get("/wiki-revert/99999").status, 404);
}

#[test]
fn moderators_protect_delete_and_restore_and_members_do_not() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let (mut mia, mut admin) = (member(&server, "mia"), server.administrator());
    saved(&mut mia, "Rules", "one\n");
    for path in ["/wiki-protect/Rules", "/wiki-delete/Rules", "/wiki-deleted", "/wiki-deleted/1"] {
        assert_eq!(mia.get(path).status, 403, "{path}");
        assert_eq!(server.get(path).status, 303, "{path}");
    }
    let token = mia.form("/wiki-edit/Rules", "/wiki-edit/Rules").get("csrf").unwrap().to_owned();
    for action in ["/wiki-protect/Rules", "/wiki-delete/Rules", "/wiki-deleted/1"] {
        let form = super::harness::browser::Form {
            action: action.into(),
            fields: vec![("csrf".into(), token.clone())],
        };
        assert_eq!(mia.submit(&form).status, 403, "{action}");
    }
    assert!(!mia.get("/wiki/Rules").text().contains("/wiki-delete/"));
    let late = mia.form("/wiki-edit/Rules", "/wiki-edit/Rules").set("body", "two\n");
    see(&admin.get("/wiki/Rules"), &["/wiki-delete/Rules", ">Protect</a>"]);
    let form = admin.form("/wiki-protect/Rules", "/wiki-protect/Rules").set("comment", "vandals");
    assert_eq!(admin.submit(&form).header("location"), Some("/wiki/Rules"));
    see(&mia.get("/wiki/Rules"), &["protected</span>"]);
    assert!(!mia.get("/wiki/Rules").text().contains("/wiki-edit/Rules"));
    let refused = mia.get("/wiki-edit/Rules");
    assert_eq!(refused.status, 403);
    see(&refused, &["is protected"]);
    let lost = mia.submit(&late);
    assert_eq!(lost.status, 422);
    see(&lost, &["Keep your text as a draft", "two"]);
    assert_eq!(mia.get("/wiki-move/Rules").status, 403);
    saved(&mut admin, "Rules", "two by an administrator\n");
    let form = admin.form("/wiki-protect/Rules", "/wiki-protect/Rules");
    assert_eq!(form.get("value"), Some("off"));
    assert_eq!(admin.submit(&form).status, 303);
    saved(&mut mia, "Rules", "three\n");

    let form = admin.form("/wiki-delete/Rules", "/wiki-delete/Rules").set("comment", "not wanted");
    let deleted = admin.submit(&form).header("location").unwrap().to_owned();
    assert_eq!(server.get("/wiki/Rules").status, 404);
    assert!(!server.get("/recent").text().contains("Rules"));
    assert!(!server.get("/u/mia/edits").text().contains("Rules"));
    assert!(!server.get("/search?q=three").text().contains("/wiki/Rules"));
    see(&admin.get("/wiki-deleted"), &["Rules", "Deleted: not wanted", &deleted]);
    see(&admin.get(&deleted), &["three", "Restore it"]);
    // Whoever makes it anew sees nothing of it.
    saved(&mut mia, "Rules", "anew\n");
    assert!(!mia.get("/wiki/Rules?action=history").text().contains("three"));
    let form = admin.form(&deleted, &deleted);
    let taken = admin.submit(&form);
    assert_eq!(taken.status, 422);
    see(&taken, &["Another page has its title now"]);
    let form = admin.form("/wiki-delete/Rules", "/wiki-delete/Rules");
    assert_eq!(admin.submit(&form).status, 303);
    let form = admin.form(&deleted, &deleted);
    assert_eq!(admin.submit(&form).header("location"), Some("/wiki/Rules"));
    assert_eq!(raw(&server, "Rules"), "three\n");
    see(
        &server.get("/wiki/Rules?action=history"),
        &["Protected: vandals", "Deleted: not wanted", "Restored"],
    );
    assert_eq!(
        column(&server, "SELECT deed FROM audit WHERE deed LIKE 'page.%' ORDER BY id"),
        ["page.protect", "page.edit", "page.unprotect", "page.delete", "page.delete", "page.restore"]
    );
}

#[test]
fn changes_come_from_our_pages_and_from_who_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    saved(&mut mia, "Bells", "one\n");
    let token = mia.form("/wiki-edit/Bells", "/wiki-edit/Bells").get("csrf").unwrap().to_owned();
    let revision = column(&server, "SELECT CAST(max(id) AS TEXT) FROM revisions")[0].clone();
    let actions = [
        "/wiki-edit/Bells".to_owned(),
        "/wiki-move/Bells".into(),
        format!("/wiki-revert/{revision}"),
        "/uploads/remove".into(),
    ];
    let kind = "Content-Type: application/x-www-form-urlencoded";
    for action in &actions {
        let body = format!("csrf={token}&body=x&title=X&base={revision}&hash=x");
        for foreign in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
            assert_eq!(
                mia.send("POST", action, &[kind, foreign], body.as_bytes()).status,
                403,
                "{action} {foreign}"
            );
        }
        assert_eq!(
            mia.send("POST", action, &[kind, "Origin: http://test"], b"body=x").status,
            403,
            "{action}"
        );
        let mut guest = Browser::new(&server);
        assert_eq!(guest.send("POST", action, &[kind], body.as_bytes()).status, 401, "{action}");
    }
    assert_eq!(raw(&server, "Bells"), "one\n");
}

#[test]
fn programs_do_the_same_within_their_scopes() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    drop(member(&server, "mia"));
    let (admin, writes, reads) =
        (server.token(), token_with(&server, "mia", 3), token_with(&server, "mia", 1));
    let make = |title: &str, body: &str| {
        let made = server.change(&writes, "PUT", "/api/wiki/pages", &json!({"title": title, "body": body}));
        assert_eq!(made.status, 201, "{}", made.text());
        (made.json()["page"]["id"].as_i64().unwrap(), made.json()["revision"]["id"].as_i64().unwrap())
    };
    let wide = token_with(&server, "mia", 7);
    let (page, first) = make("Lamps", "one\n");
    let (other, _) = make("Bulbs", "in [[Lamps]]\n");
    let at = |what: &str| format!("/api/wiki/pages/{page}{what}");
    let second = server.change(
        &writes,
        "PUT",
        "/api/wiki/pages",
        &json!({"title": "Lamps", "body": "two\n", "base_revision": first}),
    );
    let second = second.json()["revision"]["id"].as_i64().unwrap();
    let links = server.get(&at("/links")).json();
    assert_eq!(links["pages"][0]["title"], "Bulbs");
    let diff = server.get(&format!("/api/wiki/diff/{first}/{second}")).json();
    assert_eq!(diff["lines"], json!([{"kind": "removed", "text": "one"}, {"kind": "added", "text": "two"}]));
    let foreign = server.get(&format!("/api/wiki/diff/{first}/1"));
    assert_eq!(foreign.status, 400, "{}", foreign.text());

    let change = |token: &str, method: &str, path: &str, body: serde_json::Value| {
        server.change(token, method, path, &body)
    };
    for (method, path, body, moderates) in [
        ("POST", at("/move"), json!({"title": "Help:Lamps"}), false),
        ("POST", at("/revert"), json!({"revision": first}), false),
        ("DELETE", at(""), json!({}), true),
        ("PUT", at("/protection"), json!({"protected": true}), true),
        ("POST", at("/restore"), json!({}), true),
    ] {
        assert_eq!(change(&reads, method, &path, body.clone()).status, 403, "{method} {path}");
        assert_eq!(change("vt_nobody", method, &path, body.clone()).status, 401, "{method} {path}");
        if moderates {
            assert_eq!(change(&writes, method, &path, body.clone()).status, 403, "{method} {path}");
            assert_eq!(
                change(&wide, method, &path, body).status,
                403,
                "a scope makes no moderator: {method} {path}"
            );
        }
    }
    let stale = change(&writes, "POST", &at("/move"), json!({"title": "Help:Lamps", "base_revision": first}));
    assert_eq!(stale.status, 409);
    let moved = change(&writes, "POST", &at("/move"), json!({"title": "help:lamps", "comment": "helps"}));
    assert_eq!(
        (moved.status, moved.json()["path"].as_str()),
        (200, Some("/wiki/Help:Lamps")),
        "{}",
        moved.text()
    );
    see(&server.get("/wiki/Lamps"), &["Redirected from"]);
    let taken = change(&writes, "POST", &format!("/api/wiki/pages/{other}/move"), json!({"title": "Lamps"}));
    assert_eq!(taken.status, 409);
    let reverted = change(&writes, "POST", &at("/revert"), json!({"revision": first}));
    assert_eq!(reverted.status, 200, "{}", reverted.text());
    assert_eq!(raw(&server, "Help:Lamps"), "one\n");
    let others = change(&writes, "POST", &at("/revert"), json!({"revision": 1}));
    assert_eq!(others.status, 404, "a revision of another page");
    for body in [json!({"title": "a[b"}), json!({"title": ""}), json!({"titel": "x"}), json!({})] {
        assert_eq!(change(&writes, "POST", &at("/move"), body.clone()).status, 400, "{body}");
    }

    assert_eq!(change(&admin, "PUT", &at("/protection"), json!({"protected": true})).status, 200);
    assert_eq!(change(&writes, "POST", &at("/revert"), json!({"revision": second})).status, 403);
    assert_eq!(server.get(&at("")).json()["protected"], true);
    assert_eq!(change(&admin, "DELETE", &at(""), json!({"comment": "gone"})).status, 200);
    assert_eq!(server.get(&at("")).status, 404);
    assert_eq!(change(&admin, "DELETE", &at(""), json!({})).status, 404);
    assert_eq!(change(&writes, "POST", &at("/move"), json!({"title": "X"})).status, 404);
    let back = change(&admin, "POST", &at("/restore"), json!({}));
    assert_eq!((back.status, back.header("location")), (200, Some("/wiki/Help:Lamps")), "{}", back.text());
    assert_eq!(server.get(&at("")).json()["title"], "Help:Lamps");
}
