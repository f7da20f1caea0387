//! The wiki is written by pages without scripts: made, edited as a whole and by section, fought over.

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

pub(crate) fn edit(browser: &mut Browser, title: &str, text: &str) -> Reply {
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

pub(crate) fn raw(server: &Server, title: &str) -> String {
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

pub(crate) fn page_id(server: &Server, title: &str) -> i64 {
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
