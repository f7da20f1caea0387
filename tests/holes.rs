//! Ways around what holds elsewhere, each of which was open once.

use serde_json::json;

use super::account_settings::download;
use super::harness::browser::Browser;
use super::harness::http::Reply;
use super::harness::town::{Town, answer, api, get, mark, open_topic, post_id, press, topic_id};

#[test]
fn an_author_does_not_bring_back_what_was_judged_after_they_deleted_it() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    for (number, judged_by_queue) in [(2, true), (3, false)] {
        answer(&mut town.otto, &path, "Buy my ladders.");
        let post = post_id(&town, topic, number);
        let (delete, restore) = (format!("/posts/{post}/delete"), format!("/posts/{post}/restore"));
        if judged_by_queue {
            let reported =
                api(&mut town.mia, "POST", &format!("/api/posts/{post}/reports"), &json!({"reason": "spam"}));
            assert_eq!(reported.status, 204);
        }
        // They may bring back what only they deleted.
        for address in [&delete, &restore, &delete] {
            assert_eq!(press(&mut town.otto, address, address).status, 303, "{address}");
        }
        let judged = if judged_by_queue {
            let handle = format!("/moderation/posts/{post}");
            let form = town.mo.form("/moderation", &handle).set("verdict", "deleted");
            town.mo.submit(&form).status
        } else {
            api(&mut town.mo, "DELETE", &format!("/api/posts/{post}"), &json!({})).status
        };
        assert!([204, 303].contains(&judged), "{judged}");
        let back = api(&mut town.otto, "POST", &format!("/api/posts/{post}/restore"), &json!({}));
        assert_eq!(back.status, 403);
        assert!(!town.guest.get(&path).text().contains("Buy my ladders."));
        assert_eq!(api(&mut town.mo, "POST", &format!("/api/posts/{post}/restore"), &json!({})).status, 204);
        assert_eq!(api(&mut town.mo, "DELETE", &format!("/api/posts/{post}"), &json!({})).status, 204);
    }
}

#[test]
fn a_button_that_a_form_does_not_have_buys_no_further_tries() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let post = post_id(&town, topic_id(&path), 1);
    town.database()
        .execute("UPDATE users SET created_at = unixepoch() * 1000 WHERE name = 'otto'", [])
        .unwrap();
    let report = format!("/posts/{post}/report");
    let form = town.otto.form(&report, &report).set("reason", "spam").set("preview", "1");
    let mut sent = 0;
    while town.otto.submit(&form).status != 429 {
        sent += 1;
        assert!(sent < 20, "a new account reports as often as it likes");
    }
}

#[test]
fn a_page_of_the_wiki_that_cannot_be_saved_is_shown_back() {
    let mut town = Town::found();
    let edit = "/wiki-edit/Rope_ladders";
    let form = town.mia.form(edit, edit).set("body", "Knots, mostly").set("comment", "begun");
    let is_whole = |reply: &Reply| reply.text().contains("Knots, mostly") && reply.text().contains("begun");
    // Logged in anew meanwhile: the secret is another.
    let stale = town.otto.submit(&form);
    assert!(stale.status == 403 && is_whole(&stale), "{}", stale.text());
    let out = town.mia.form("/latest", "/logout");
    assert_eq!(town.mia.submit(&out).status, 303);
    let refused = town.mia.submit(&form);
    assert!(refused.status == 401 && is_whole(&refused), "{}: {}", refused.status, refused.text());
    // Previews and drafts are no edits.
    town.database()
        .execute("UPDATE users SET created_at = unixepoch() * 1000 WHERE name = 'otto'", [])
        .unwrap();
    let form = town.otto.form(edit, edit).set("body", "Knots").set("preview", "1");
    for round in 0..25 {
        assert_eq!(town.otto.submit(&form).status, 200, "{round}");
    }
}

#[test]
fn what_a_category_hides_is_neither_counted_nor_taken_away() {
    let mut town = Town::found();
    let (_, [_, post]) = town.secret();
    let count = |by: &mut Browser| by.get("/api/users/gil").json()["post_count"].as_i64();
    assert_eq!(
        (count(&mut town.guest), count(&mut town.mia), count(&mut town.gil)),
        (Some(0), Some(0), Some(2))
    );
    assert!(town.guest.get("/u/gil").text().contains("0 posts"));
    // Put out of the group: the texts are theirs still, the title and others' edits are not.
    let version = api(
        &mut town.admin,
        "PATCH",
        &format!("/api/posts/{post}"),
        &json!({"body": "Nothing for gil to read", "base_version": 1}),
    );
    assert_eq!(version.status, 200, "{}", version.text());
    let cookie = format!("Cookie: session={}", town.gil.cookie("session").unwrap());
    let take = |town: &Town| download(&town.server.address, "/account/data/download", &cookie);
    let whole = take(&town);
    assert!(whole.contains("About Zanzibar") && !whole.contains("Nothing for gil"), "{whole}");
    town.database().execute("UPDATE users SET groups = 0 WHERE name = 'gil'", []).unwrap();
    let data_dir = town.server.data_dir.to_str().unwrap().to_owned();
    let id = town.number("SELECT id FROM users WHERE name = 'gil'");
    let account = format!("account:{id}");
    let told = super::harness::server::run(&["cache", "invalidate", "--data-dir", &data_dir, &account]);
    assert!(told.status.success(), "{told:?}");
    let whole = take(&town);
    assert!(whole.contains("Another kumquat.") && !whole.contains("Zanzibar"), "{whole}");
}

#[test]
fn a_picture_in_a_post_is_nobodys_download() {
    let mut town = Town::found();
    for address in ["/account/data/download", "/account", "/api/me"] {
        let embedded = town.mia.send("GET", address, &["Sec-Fetch-Dest: image"], b"");
        assert_eq!(embedded.status, 403, "{address}");
        let looked_at = town.mia.send("GET", address, &["Sec-Fetch-Dest: document"], b"");
        assert_eq!(looked_at.status, 200, "{address}");
    }
}

#[test]
fn a_post_saved_as_it_was_is_no_new_version() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let post = post_id(&town, topic_id(&path), 1);
    let edit = format!("/posts/{post}/edit");
    let form = town.mia.form(&edit, &edit);
    assert_eq!(town.mia.submit(&form).status, 303);
    let history = get(&mut town.mia, &format!("/api/posts/{post}/history")).json();
    assert_eq!(history["versions"].as_array().map(Vec::len), Some(1), "{history}");
    let locked = mark(&mut town.mo, &path, &format!("/topics/{}/edit", topic_id(&path)), "locked", "1");
    assert_eq!(locked.status, 303);
}

#[test]
fn a_request_that_names_two_hosts_is_none() {
    let town = Town::found();
    let reply = town.server.connect().send("GET", "/latest", &["Host: evil.example"], b"").unwrap();
    assert_eq!(reply.status, 400, "the test's own client names one already");
    assert_eq!(town.server.get("/latest").status, 200);
}
