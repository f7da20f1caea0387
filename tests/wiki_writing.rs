//! The wiki is written by pages without scripts: made, edited as a whole and by section, fought over, moved, reverted,
//! protected, deleted; and nobody does what they may not.

use rusqlite::Connection as Database;
use serde_json::json;

use super::accounts::member;
use super::harness::browser::{Browser, form_in};
use super::harness::http::Reply;
use super::harness::server::{Server, run, veritable};

/// A demonstration where nobody is told to write more slowly.
pub(crate) fn start(dir: &std::path::Path) -> Server {
    let mut program = veritable();
    program.env("VERITABLE_ACCOUNTS_LIMITS", "off");
    Server::start(program, "demo", dir, &[])
}

fn edit(browser: &mut Browser, title: &str, text: &str) -> Reply {
    let path = format!("/wiki-edit/{title}");
    let form = browser.form(&path, &path).set("body", text);
    browser.submit(&form)
}

pub(crate) fn saved(browser: &mut Browser, title: &str, text: &str) {
    let reply = edit(browser, title, text);
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some(format!("/wiki/{title}").as_str())),
        "{}",
        reply.text()
    );
}

fn raw(server: &Server, title: &str) -> String {
    server.get(&format!("/wiki/{title}?action=raw")).text().to_owned()
}

pub(crate) fn see(page: &Reply, texts: &[&str]) {
    for text in texts {
        assert!(page.text().contains(text), "{text:?} is not in {}", page.text());
    }
}

pub(crate) fn column(server: &Server, sql: &str) -> Vec<String> {
    let db = Database::open(server.data_dir.join("forums.db")).unwrap();
    let mut query = db.prepare(sql).unwrap();
    query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn page_id(server: &Server, title: &str) -> i64 {
    let pages = server.get("/api/wiki/pages?limit=100").json();
    let pages = pages["pages"].as_array().unwrap().clone();
    pages.iter().find(|page| page["title"] == title).unwrap()["id"].as_i64().unwrap()
}

#[test]
fn a_page_is_made_previewed_changed_and_listed() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let guest = server.get("/wiki/Brakes");
    assert_eq!(guest.status, 404);
    see(&guest, &["does not exist yet", "/login?next=%2Fwiki-edit%2FBrakes"]);
    let lured = server.get("/wiki-edit/Brakes");
    assert_eq!((lured.status, lured.header("location")), (303, Some("/login?next=%2Fwiki-edit%2FBrakes")));
    let moved = server.get("/wiki/brakes_and_more?action=edit&section=2");
    assert_eq!(moved.header("location"), Some("/wiki-edit/brakes_and_more?section=2"));

    let mut mia = member(&server, "mia");
    see(&mia.get("/wiki/Brakes"), &["Create this page", "href=\"/wiki-edit/Brakes\""]);
    let empty = edit(&mut mia, "Brakes", " \n");
    assert_eq!(empty.status, 422);
    see(&empty, &["id=\"body-fault\"", "cannot be empty"]);
    let form = mia.form("/wiki-edit/Brakes", "/wiki-edit/Brakes");
    let form = form
        .set("body", "Pads *wear*. <script>alert(1)</script> [[Nowhere else]]")
        .set("comment", "from a talk");
    let preview = mia.submit(&form.set("preview", "1"));
    see(&preview, &["<em>wear</em>", "class=\"ins\"", "wikilink new", "value=\"from a talk\""]);
    assert!(!preview.text().contains("<script>alert") && server.get("/wiki/Brakes").status == 404);
    let form = form_in(preview.text(), "/wiki-edit/Brakes").unwrap();
    assert_eq!(form.get("comment"), Some("from a talk"), "what was typed is still there");
    let made = mia.submit(&form);
    assert_eq!((made.status, made.header("location")), (303, Some("/wiki/Brakes")));
    assert_eq!(mia.submit(&form).status, 303, "a form that is sent twice is done once");
    see(&server.get("/wiki/Brakes"), &["<em>wear</em>"]);
    see(&server.get("/recent"), &["Brakes", "from a talk", ">mia</a>"]);

    // The difference that a preview shows is the one against what is there.
    let form = mia.form("/wiki-edit/Brakes", "/wiki-edit/Brakes");
    assert!(form.get("body").unwrap().starts_with("Pads *wear*."));
    let form = form.set("body", "Pads *wear*.\nDiscs too.").set("minor", "1");
    see(&mia.submit(&form.set("preview", "1")), &["class=\"del\"", "class=\"ins\"", "Discs too."]);
    let form = mia
        .form("/wiki-edit/Brakes", "/wiki-edit/Brakes")
        .set("body", "Pads *wear*.\nDiscs too.")
        .set("minor", "1");
    assert_eq!(mia.submit(&form).status, 303);
    let history = server.get("/wiki/Brakes?action=history");
    see(&history, &["from a talk", "minor", "current", "name=\"old\"", "name=\"new\""]);
    assert_eq!(history.text().matches("type=\"radio\"").count(), 4);
    assert!(!history.text().contains("/wiki-revert/"), "guests are offered nothing");
    see(&mia.get("/wiki/Brakes?action=history"), &["/wiki-revert/"]);
    // Nothing changed, nothing is kept.
    saved(&mut mia, "Brakes", "Pads *wear*.\nDiscs too.");
    assert_eq!(server.get("/wiki/Brakes?action=history").text().matches("type=\"radio\"").count(), 4);
    for wrong in ["/wiki-edit/a%5Bb", "/wiki-edit/x%2F..%2Fy"] {
        assert_eq!(mia.get(wrong).status, 400, "{wrong}");
    }
}

#[test]
fn a_draft_waits_until_it_is_sent() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    let form = mia.form("/wiki-edit/Help:Brake_pads", "/wiki-edit/Help:Brake_pads");
    let reply = mia.submit(&form.set("body", "half a thought").set("draft", "1"));
    assert_eq!((reply.status, reply.header("location")), (303, Some("/wiki-edit/Help:Brake_pads?kept=1")));
    see(&mia.get("/wiki-edit/Help:Brake_pads?kept=1"), &["Your draft is kept.", "half a thought"]);
    see(&mia.get("/drafts"), &["href=\"/wiki-edit/Help:Brake_pads\"", "half a thought"]);
    let mut otto = member(&server, "otto");
    assert!(!otto.get("/wiki-edit/Help:Brake_pads").text().contains("half a thought"));
    saved(&mut otto, "Help:Brake_pads", "otto was quicker\n");
    let form = mia.form("/wiki-edit/Help:Brake_pads", "/wiki-edit/Help:Brake_pads");
    assert_eq!(form.get("body"), Some("half a thought"));
    see(&mia.get("/wiki-edit/Help:Brake_pads"), &["was changed since you began"]);
    see(&mia.get("/wiki-edit/Help:Brake_pads?anew=1"), &["otto was quicker"]);
    let conflict = mia.submit(&form);
    assert_eq!(conflict.status, 409);
    let form = form_in(conflict.text(), "/wiki-edit/Help:Brake_pads").unwrap().set("body", "both thoughts");
    assert_eq!(mia.submit(&form).status, 303);
    assert!(mia.get("/drafts").text().contains("You have no drafts"), "what was sent is no draft any more");
}

#[test]
fn a_section_is_edited_alone_and_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    saved(&mut mia, "Gears", "Lead.\n\n## Front\n\nTwo.\n\n### Ratio\n\nSmall.\n\n## Rear\n\nEleven.\n");
    assert!(
        !server.get("/wiki/Gears").text().contains("?section="),
        "guests are not shown what they may not"
    );
    let page = mia.get("/wiki/Gears");
    see(
        &page,
        &[
            "href=\"/wiki-edit/Gears?section=s-front\"",
            "?section=s-ratio",
            "aria-label=\"edit section Rear\"",
        ],
    );
    let form = mia.form("/wiki-edit/Gears?section=s-front", "/wiki-edit/Gears");
    assert_eq!(form.get("body"), Some("## Front\n\nTwo.\n\n### Ratio\n\nSmall."));
    assert_eq!((form.get("section"), form.get("comment")), (Some("1"), Some("Front: ")));
    let open = mia.submit(&form.set("body", "## Front\n\n```\nno end"));
    assert_eq!(open.status, 422);
    see(&open, &["has no end"]);
    let form = form_in(open.text(), "/wiki-edit/Gears").unwrap().set("body", "## Front\r\n\r\nThree.");
    let preview = mia.submit(&form.set("preview", "1"));
    see(&preview, &["Three.", "class=\"del\""]);
    assert!(!preview.text().contains("<p>Eleven."), "of the section alone");
    // Somebody changes another section meanwhile.
    let form = form_in(preview.text(), "/wiki-edit/Gears").unwrap();
    let mut otto = member(&server, "otto");
    let theirs =
        otto.form("/wiki-edit/Gears?section=3", "/wiki-edit/Gears").set("body", "## Rear\n\nTwelve.");
    assert_eq!(otto.submit(&theirs).status, 303);
    let merged = mia.submit(&form);
    assert_eq!(merged.status, 409);
    see(&merged, &["otto changed this page while you wrote", "Both changes fit together"]);
    let form = form_in(merged.text(), "/wiki-edit/Gears").unwrap();
    assert_eq!(form.get("section"), None, "it is the whole page now");
    assert_eq!(mia.submit(&form).status, 303, "one click");
    assert_eq!(raw(&server, "Gears"), "Lead.\n\n## Front\n\nThree.\n\n## Rear\n\nTwelve.\n");
    see(&mia.get("/wiki-edit/Gears?section=s-nowhere"), &["this is the whole page", "Lead."]);
    let lead = mia.form("/wiki-edit/Gears?section=0", "/wiki-edit/Gears");
    assert_eq!(lead.get("body"), Some("Lead."));
}

#[test]
fn a_page_that_was_imported_stays_in_its_language() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path()));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../import/tests/fixtures/small.xml");
    let out = run(&["import", "mediawiki", file, "--data-dir", dir.path().to_str().unwrap()]);
    assert!(out.status.success() || out.status.code() == Some(3), "{out:?}");
    let mut program = veritable();
    program.env("VERITABLE_ACCOUNTS_LIMITS", "off");
    let server = Server::start(program, "demo", dir.path(), &[]);
    let mut mia = member(&server, "mia");
    see(&mia.get("/wiki-edit/Sodas"), &["written in wikitext"]);
    saved(&mut mia, "Sodas", "Lead '''bold'''\n\n== Uobele ==\nx\n\n== Kriaušė ==\ny\n");
    see(&server.get("/wiki/Sodas"), &["<b>bold</b>", "<h2 id=\"s-Uobele\">"]);
    let form = mia.form("/wiki-edit/Sodas?section=s-Uobele", "/wiki-edit/Sodas");
    assert_eq!(form.get("body"), Some("== Uobele ==\nx"));
    assert_eq!(mia.submit(&form.set("body", "== Uobele ==\n''z''")).status, 303);
    assert_eq!(raw(&server, "Sodas"), "Lead '''bold'''\n\n== Uobele ==\n''z''\n\n== Kriaušė ==\ny\n");
    let token = token_with(&server, "mia", 3);
    let id = page_id(&server, "Sodas");
    let base = server.get(&format!("/api/wiki/pages/{id}")).json()["revision"].clone();
    let body = json!({"title": "Sodas", "body": "== Tik ==", "base_revision": base});
    assert_eq!(server.change(&token, "PUT", "/api/wiki/pages", &body).status, 200);
    assert_eq!(server.get(&format!("/api/wiki/pages/{id}")).json()["format"], "wikitext");
    let mut formats = column(
        &server,
        "SELECT DISTINCT format FROM revisions JOIN pages ON pages.id = page_id WHERE title = 'Sodas'",
    );
    formats.sort();
    assert_eq!(formats, ["wikitext"]);
}

/// A token of a member's, put into the database; the demonstration's is an administrator's.
pub(crate) fn token_with(server: &Server, name: &str, scopes: i64) -> String {
    let token = format!("vt_test_{name}_{scopes}");
    let db = Database::open(server.data_dir.join("forums.db")).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
    let hash = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes());
    db.execute(
        "INSERT INTO api_tokens (user_id, token_hash, name, created_at, scopes)
         SELECT id, ?1, 'test', 1, ?3 FROM users WHERE name_key = ?2",
        rusqlite::params![&hash[..], name, scopes],
    )
    .unwrap();
    token
}

#[test]
fn two_who_write_at_once_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let (mut mia, mut otto) = (member(&server, "mia"), member(&server, "otto"));
    saved(&mut mia, "Tools", "one\n\ntwo\n\nthree\n");
    let late = otto.form("/wiki-edit/Tools", "/wiki-edit/Tools");
    saved(&mut mia, "Tools", "one of mia\n\ntwo\n\nthree\n");
    // Of different lines: merged, and one click to save.
    let merged = otto.submit(&late.set("body", "one\n\ntwo\n\nthree of otto\n").set("comment", "his"));
    assert_eq!(merged.status, 409);
    see(&merged, &["mia changed this page while you wrote", "Both changes fit together", "/wiki-diff/"]);
    let form = form_in(merged.text(), "/wiki-edit/Tools").unwrap();
    assert_eq!(form.get("body"), Some("one of mia\n\ntwo\n\nthree of otto\n"));
    assert_eq!(form.get("comment"), Some("his"));
    let late = mia.form("/wiki-edit/Tools", "/wiki-edit/Tools");
    assert_eq!(otto.submit(&form).status, 303);
    // Of the same line: both are there, with marks, and the text as it was sent.
    let fought = mia.submit(&late.set("body", "one of mia again\n\ntwo\n\nthree of mia\n"));
    assert_eq!(fought.status, 409);
    see(&fought, &["Both of you changed the same lines", "Your text as you sent it"]);
    let form = form_in(fought.text(), "/wiki-edit/Tools").unwrap();
    let text = form.get("body").unwrap().to_owned();
    assert!(
        text.contains("<<<<<<< your text\nthree of mia\n=======\nthree of otto\n>>>>>>> saved meanwhile"),
        "{text}"
    );
    assert!(text.starts_with("one of mia again\n"), "{text}");
    let still = mia.submit(&form);
    assert_eq!(still.status, 422);
    see(&still, &["still marks"]);
    let form = form_in(still.text(), "/wiki-edit/Tools").unwrap();
    assert_eq!(form.get("body"), Some(text.as_str()));
    assert_eq!(mia.submit(&form.set("body", "settled\n")).status, 303);
    assert_eq!(raw(&server, "Tools"), "settled\n");
    // Both make the same page.
    let first = mia.form("/wiki-edit/Pumps", "/wiki-edit/Pumps").set("body", "mia's");
    let second = otto.form("/wiki-edit/Pumps", "/wiki-edit/Pumps").set("body", "otto's");
    assert_eq!(mia.submit(&first).status, 303);
    let both = otto.submit(&second);
    assert_eq!(both.status, 409);
    see(&both, &["mia&#39;s", "otto&#39;s"]);
    // It is deleted meanwhile: what was written is still there, and makes it anew.
    let late = otto.form("/wiki-edit/Pumps", "/wiki-edit/Pumps").set("body", "kept");
    let mut admin = server.administrator();
    let form = admin.form("/wiki-delete/Pumps", "/wiki-delete/Pumps");
    assert_eq!(admin.submit(&form).status, 303);
    let gone = otto.submit(&late);
    assert_eq!(gone.status, 409);
    see(&gone, &["deleted or moved while you wrote", "kept"]);
    let form = form_in(gone.text(), "/wiki-edit/Pumps").unwrap();
    assert_eq!(otto.submit(&form).status, 303);
    assert_eq!(raw(&server, "Pumps"), "kept");
}

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
