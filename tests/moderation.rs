//! Keeping order by pages and over the API: deleting and restoring, locking, pinning, moving, renaming, reports.

use serde_json::{Value, json};

use super::harness::server::Server;
use super::harness::town::{Town, answer, api, get, mark, open_topic, post_id, press, topic_id};

#[test]
fn a_deleted_post_is_seen_by_those_who_keep_order_and_by_nobody_else() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "A walrus, first.");
    let topic = topic_id(&path);
    answer(&mut town.otto, &path, "An aardvark, second.");
    let post = post_id(&town, topic, 2);
    let (delete, restore) = (format!("/posts/{post}/delete"), format!("/posts/{post}/restore"));
    assert!(town.otto.get(&path).text().contains(&delete) && !town.mia.get(&path).text().contains(&delete));
    assert_eq!(get(&mut town.mia, &delete).status, 403);
    let asked = town.otto.get(&delete);
    assert!(asked.text().contains("Delete this post?") && asked.text().contains("An aardvark"));
    assert_eq!(press(&mut town.otto, &delete, &delete).header("location"), Some(&*format!("{path}#p2")));
    let everywhere = [
        path.clone(),
        format!("{path}/2"),
        format!("/posts/{post}/history"),
        format!("/posts/{post}/versions/1"),
        format!("/api/posts/{post}"),
        format!("/api/posts/{post}/history"),
        format!("/api/posts/{post}/versions/1"),
        format!("/api/topics/{topic}/posts"),
        format!("/api/forums/{}/posts", town.open),
        "/api/users/otto/posts".into(),
        "/u/otto".into(),
        "/search?q=second".into(),
        "/api/search?q=second".into(),
        format!("/reply/{topic}?to=2&quote=1"),
        format!("/posts/{post}/edit"),
        format!("/posts/{post}/report"),
        format!("/posts/{post}/delete"),
    ];
    for address in &everywhere {
        for by in [&mut town.guest, &mut town.mia, &mut town.otto] {
            assert!(!get(by, address).text().contains("aardvark"), "{address}");
        }
    }
    let page = town.guest.get(&path);
    assert!(
        page.text().contains("This post was deleted") && page.text().contains("1 post "),
        "{}",
        page.text()
    );
    for address in [&path, &format!("/posts/{post}/history"), &format!("/api/posts/{post}")] {
        let seen = get(&mut town.mo, address);
        assert!(
            seen.status == 200 && (address.contains("history") || seen.text().contains("aardvark")),
            "{address}"
        );
    }
    assert!(town.mo.get(&path).text().contains("Deleted by otto"));
    // Its author may take it back, as long as it is his own deletion.
    assert!(town.otto.get(&path).text().contains(&restore) && !town.mia.get(&path).text().contains(&restore));
    assert_eq!(get(&mut town.mia, &restore).status, 403);
    assert_eq!(press(&mut town.otto, &restore, &restore).status, 303);
    assert!(town.guest.get(&path).text().contains("aardvark"));
    assert!(town.guest.get("/search?q=second").text().contains(&format!("{path}/2")));
    press(&mut town.mo, &delete, &delete);
    assert!(!town.otto.get(&path).text().contains(&restore));
    assert_eq!(get(&mut town.otto, &restore).status, 403);
    assert!(town.mo.get(&path).text().contains("Deleted by mo"));
    press(&mut town.mo, &restore, &restore);
    let audited = "SELECT count(*) FROM audit WHERE deed IN ('post.delete', 'post.restore')";
    assert_eq!(town.number(audited), 2, "the moderator's two deeds");
}

#[test]
fn a_topic_is_locked_pinned_renamed_moved_deleted_and_restored_by_pages() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    answer(&mut town.otto, &path, "Second line.");
    let edit = format!("/topics/{topic}/edit");
    for by in [&mut town.otto, &mut town.gil] {
        assert!(!by.get(&path).text().contains(&edit));
        assert_eq!(get(by, &edit).status, 403);
    }
    // Its author renames it, and no more.
    let form = town.mia.form(&edit, &edit);
    assert!(form.get("locked").is_none() && form.get("category").is_none());
    let blank = town.mia.submit(&form.set("title", " "));
    assert!(blank.status == 422 && blank.text().contains("Title is empty."));
    let form = town.mia.form(&edit, &edit).set("title", "Ladders & stairs");
    let renamed = town.mia.submit(&form).header("location").unwrap().to_owned();
    assert_eq!(renamed, format!("/t/ladders-stairs/{topic}"));
    assert_eq!(
        town.guest.get(&path).text().matches("<h1>Ladders &#38; stairs</h1>").count(),
        1,
        "old addresses lead on"
    );
    for field in ["locked", "pinned"] {
        let form = town.mia.form(&edit, &edit).set(field, "1");
        assert_eq!(town.mia.submit(&form).status, 403, "{field}");
    }
    let path = renamed;
    // A moderator, by the buttons of its page.
    let list = format!("/api/forums/{}/topics?limit=100", town.open);
    let state = |town: &mut Town| {
        let topics = town.guest.get(&list).json();
        let own = topics["topics"].as_array().unwrap().iter().find(|one| one["id"] == topic).cloned();
        own.map(|own| (own["locked"] == true, own["pinned"] == true))
    };
    for (field, value, expected) in [
        ("locked", "1", (true, false)),
        ("pinned", "1", (true, true)),
        ("locked", "0", (false, true)),
        ("pinned", "0", (false, false)),
        ("locked", "1", (true, false)),
    ] {
        assert_eq!(mark(&mut town.mo, &path, &edit, field, value).status, 303);
        assert_eq!(state(&mut town), Some(expected), "{field}={value}");
    }
    let locked = town.otto.get(&path);
    assert!(locked.text().contains("takes no more replies") && !locked.text().contains("<textarea"));
    assert_eq!(get(&mut town.otto, &format!("/reply/{topic}")).status, 403);
    assert_eq!(get(&mut town.mia, &edit).status, 403, "nor is it renamed");
    answer(&mut town.mo, &path, "Closing words.");
    // To another category, with all that it has.
    let form = town.mo.form(&edit, &edit);
    let ticked = form.fields.iter().any(|(name, value)| name == "locked" && value == "1");
    assert!(ticked && form.get("category") == Some(&*town.open.to_string()));
    let there = town.other.to_string();
    let form = form.set("category", &there).set("locked", "0");
    assert_eq!(town.mo.submit(&form).status, 303);
    assert_eq!(state(&mut town), None, "it is not there any more");
    let posts = town.guest.get(&format!("/api/forums/{there}/posts?limit=100")).json();
    assert!(posts.to_string().contains("Closing words"));
    assert!(!town.mo.form(&edit, &edit).fields.iter().any(|(_, value)| *value == town.hidden.to_string()));
    let form = town.mo.form(&edit, &edit).set("category", &town.hidden.to_string());
    assert_eq!(town.mo.submit(&form).status, 404, "of a category that is hidden from him he is not told");
    // Out of sight, and back.
    let delete = format!("/topics/{topic}/delete");
    assert_eq!(get(&mut town.mia, &delete).status, 403);
    assert!(town.mo.get(&delete).text().contains("3 posts"));
    assert_eq!(press(&mut town.mo, &delete, &delete).header("location"), Some(&*path));
    for by in [&mut town.guest, &mut town.mia, &mut town.otto] {
        assert_eq!(get(by, &path).status, 404);
        for address in ["/latest", "/u/mia", "/search?q=ladders", "/api/users/otto/posts"] {
            assert!(!by.get(address).text().contains(&format!("/{topic}\"")), "{address}");
        }
    }
    let gone = town.mo.get(&path);
    assert!(gone.text().contains("This topic was deleted") && gone.text().contains("by mo"));
    assert!(!gone.text().contains("<textarea"));
    assert!(town.mo.get("/moderation/deleted").text().contains(&path));
    assert_eq!(get(&mut town.mia, "/moderation/deleted").status, 403);
    let restore = format!("/topics/{topic}/restore");
    assert_eq!(press(&mut town.mo, &path, &restore).header("location"), Some(&*path));
    assert_eq!(get(&mut town.guest, &path).status, 200);
    assert!(town.guest.get("/latest").text().contains(&path));
    let deeds =
        "SELECT count(DISTINCT deed) FROM audit WHERE object = 'topic:' || (SELECT max(id) FROM topics)";
    assert_eq!(town.number(deeds), 7, "lock, unlock, pin, unpin, move, delete, restore");
}

#[test]
fn reports_wait_for_those_who_keep_order_and_say_what_became_of_them() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    answer(&mut town.otto, &path, "Buy my `<ladders>`.");
    let post = post_id(&town, topic, 2);
    let report = format!("/posts/{post}/report");
    let lured = get(&mut town.guest, &report);
    assert_eq!(lured.status, 303);
    let form = town.mia.form(&report, &report);
    let none = town.mia.submit(&form);
    assert!(none.status == 422 && none.text().contains("Choose what is wrong"));
    let other = town.mia.form(&report, &report).set("reason", "other");
    let silent = town.mia.submit(&other);
    assert!(silent.status == 422 && silent.text().contains("Say what is wrong"));
    let form = town.mia.form(&report, &report).set("reason", "spam").set("note", "the third <time>");
    for _ in 0..2 {
        assert!(town.mia.submit(&form).text().contains("Thank you"));
    }
    assert_eq!(
        api(&mut town.gil, "POST", &format!("/api{report}s"), &json!({"reason": "off-topic"})).status,
        204
    );
    assert_eq!(town.number("SELECT count(*) FROM reports"), 2);
    // Who keeps order sees it in the menu, and the queue; nobody else does.
    assert!(town.mo.get("/latest").text().contains("aria-label=\"2 open reports\""));
    assert!(!town.mia.get("/latest").text().contains("/moderation"));
    for address in ["/moderation", "/moderation/handled", "/moderation/deleted", "/api/moderation/reports"] {
        assert_eq!(get(&mut town.mia, address).status, 403, "{address}");
        assert!([303, 401].contains(&get(&mut town.guest, address).status), "{address}");
    }
    // The group keeps order in its own category only, and may have tokens for it.
    assert!(town.gil.get("/account/tokens").text().contains("name=\"scope-moderate\""));
    assert!(!town.mia.get("/account/tokens").text().contains("name=\"scope-moderate\""));
    assert!(town.gil.get("/moderation").text().contains("Nothing waits for you"));
    let queue = town.mo.get("/moderation");
    let shown = queue.text();
    assert!(shown.contains("<code>&lt;ladders&gt;</code>") && !shown.contains("<ladders"), "{shown}");
    assert!(queue.text().contains("<q>the third &#60;time&#62;</q>") && queue.text().contains("Off-topic"));
    let listed = town.mo.get("/api/moderation/reports").json();
    assert_eq!(listed["reports"].as_array().unwrap().len(), 2);
    let handle = format!("/moderation/posts/{post}");
    let form = town.mo.form("/moderation", &handle);
    let denied = town.gil.form("/account", "/account/password");
    let stolen = super::harness::browser::Form { action: handle.clone(), fields: denied.fields };
    assert_eq!(town.gil.submit(&stolen.set("verdict", "deleted")).status, 403);
    let mut late = town.admin.form("/moderation", &handle);
    late = late.set("verdict", "dismissed");
    let form = form.set("verdict", "deleted");
    assert_eq!(town.mo.submit(&form).header("location"), Some("/moderation?done=deleted"));
    assert!(town.guest.get(&path).text().contains("This post was deleted"));
    assert_eq!(town.admin.submit(&late).header("location"), Some("/moderation?done=late"));
    assert!(town.mo.get("/moderation").text().contains("Nothing waits for you"));
    let handled = town.admin.get("/moderation/handled");
    assert!(handled.text().contains("deleted by <a href=\"/u/mo\">mo</a>"), "{}", handled.text());
    // Dismissed, over the API.
    let first = post_id(&town, topic, 1);
    api(&mut town.otto, "POST", &format!("/api/posts/{first}/reports"), &json!({"reason": "abuse"}));
    let verdict = |verdict: &str| json!({"verdict": verdict});
    let judge = format!("/api/moderation/posts/{first}");
    assert_eq!(api(&mut town.mia, "POST", &judge, &verdict("dismissed")).status, 403);
    assert_eq!(api(&mut town.mo, "POST", &judge, &verdict("nonsense")).status, 400);
    assert_eq!(api(&mut town.mo, "POST", &judge, &verdict("dismissed")).status, 204);
    assert_eq!(api(&mut town.mo, "POST", &judge, &verdict("dismissed")).status, 404);
    let handled = town.mo.get("/api/moderation/reports?state=handled").json();
    assert_eq!(handled["reports"][0]["verdict"], "dismissed");
    assert_eq!(handled["reports"][0]["handled_by"]["name"], "mo");
}

/// What order is kept with over the API, and by whom.
#[test]
fn the_api_keeps_order_as_the_pages_do() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    answer(&mut town.otto, &path, "Second line.");
    let (first, second) = (post_id(&town, topic, 1), post_id(&town, topic, 2));
    let nothing = Value::Null;
    let of_topic = format!("/api/topics/{topic}");
    // For a guest, a member, the author, a moderator, in this order.
    let cases = [
        ("PATCH", of_topic.clone(), json!({"title": "Stairs"}), [401, 403, 200, 200]),
        ("PATCH", of_topic.clone(), json!({"locked": true}), [401, 403, 403, 200]),
        ("PATCH", of_topic.clone(), json!({"locked": false}), [401, 403, 403, 200]),
        ("PATCH", of_topic.clone(), json!({"pinned": false, "category": town.other}), [401, 403, 403, 200]),
        ("PATCH", of_topic.clone(), json!({"category": town.hidden}), [401, 403, 403, 404]),
        ("PATCH", of_topic.clone(), json!({"colour": "red"}), [401, 400, 400, 400]),
        ("DELETE", of_topic.clone(), nothing.clone(), [401, 403, 403, 204]),
        ("DELETE", format!("/api/posts/{first}"), nothing.clone(), [401, 404, 404, 404]),
        ("POST", format!("{of_topic}/restore"), nothing.clone(), [401, 403, 403, 204]),
        ("DELETE", format!("/api/posts/{first}"), nothing.clone(), [401, 403, 204, 204]),
        ("POST", format!("/api/posts/{first}/restore"), nothing.clone(), [401, 403, 403, 204]),
        ("POST", format!("/api/posts/{second}/reports"), json!({"reason": "spam"}), [401, 204, 204, 204]),
        ("POST", format!("/api/posts/{second}/reports"), json!({"reason": "dull"}), [401, 400, 400, 400]),
        ("POST", "/api/posts/999999/reports".into(), json!({"reason": "spam"}), [401, 404, 404, 404]),
        ("DELETE", "/api/topics/999999".into(), nothing.clone(), [401, 404, 404, 404]),
    ];
    for (method, address, body, expected) in cases {
        let people = [&mut town.guest, &mut town.otto, &mut town.mia, &mut town.mo];
        for (by, (status, name)) in
            people.into_iter().zip(expected.into_iter().zip(["guest", "member", "author", "moderator"]))
        {
            let reply = api(by, method, &address, &body);
            assert_eq!(reply.status, status, "{method} {address} {body} by {name}: {}", reply.text());
            if status >= 400 {
                assert_eq!(reply.header("content-type"), Some("application/problem+json"));
            }
        }
    }
    let patched = api(&mut town.mo, "PATCH", &of_topic, &json!({"title": "Stairs again"}));
    assert_eq!(patched.json()["path"], format!("/t/stairs-again/{topic}"));
}

#[test]
fn a_token_that_is_not_for_keeping_order_changes_its_owners_things_only() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Ladders", "First line.");
    let topic = topic_id(&path);
    answer(&mut town.mo, &path, "Second line.");
    let (first, second) = (post_id(&town, topic, 1), post_id(&town, topic, 2));
    // The demonstration's token, as if it were the moderator's: to read and write.
    let token = town.server.token();
    let give = |scopes: i64| {
        town.database()
            .execute(
                "UPDATE api_tokens SET scopes = ?1, user_id = (SELECT id FROM users WHERE name = 'mo')",
                [scopes],
            )
            .unwrap();
    };
    let edit = json!({"body": "By token", "base_version": 1});
    let mine = format!("/api/posts/{second}");
    let theirs = format!("/api/posts/{first}");
    let of_topic = format!("/api/topics/{topic}");
    let ask = |server: &Server, method: &str, path: &str, body: &Value| {
        server.change(&token, method, path, body).status
    };
    let server = &town.server;
    give(3);
    assert_eq!(ask(server, "PATCH", &mine, &edit), 200);
    for (method, path, body) in [
        ("PATCH", &theirs, &edit),
        ("DELETE", &theirs, &json!({})),
        ("POST", &format!("{theirs}/restore"), &json!({})),
        ("PATCH", &of_topic, &json!({"title": "x"})),
        ("PATCH", &of_topic, &json!({"locked": true})),
        ("DELETE", &of_topic, &json!({})),
        ("POST", &format!("{of_topic}/restore"), &json!({})),
        ("POST", &format!("/api/moderation/posts/{first}"), &json!({"verdict": "deleted"})),
    ] {
        assert_eq!(ask(server, method, path, body), 403, "{method} {path}");
    }
    give(1);
    assert_eq!(ask(server, "DELETE", &mine, &json!({})), 403, "it is to read with");
    give(7);
    assert_eq!(ask(server, "PATCH", &theirs, &edit), 200);
    assert_eq!(ask(server, "PATCH", &of_topic, &json!({"locked": true})), 200);
}

#[test]
fn who_changes_a_topic_that_another_has_changed_meanwhile_is_shown_it_first() {
    let mut town = Town::found();
    let topic = topic_id(&open_topic(&mut town.mia, town.open, "First", "words"));
    let edit = format!("/topics/{topic}/edit");
    let (slow, quick) = (town.admin.form(&edit, &edit), town.mo.form(&edit, &edit));
    assert_eq!(town.mo.submit(&quick.set("title", "By the quick")).status, 303);
    let shown = town.admin.submit(&slow.set("title", "By the slow"));
    assert!(shown.status == 409 && shown.text().contains("meanwhile"), "{} {}", shown.status, shown.text());
    let title =
        town.number(&format!("SELECT count(*) FROM topics WHERE id = {topic} AND title = 'By the quick'"));
    assert_eq!(title, 1);
    let again = super::harness::browser::form_in(shown.text(), &edit).unwrap();
    assert_eq!(again.get("title"), Some("By the slow"), "what was typed is not lost");
    assert_eq!(town.admin.submit(&again).status, 303);
}
