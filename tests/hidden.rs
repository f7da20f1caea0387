//! What a category hides is hidden at every address, and from every page that showed it before.

use serde_json::{Value, json};
use veritable_worker::routes::{Endpoint, table};

use super::harness::browser::escape;
use super::harness::http::Reply;
use super::harness::town::{SECRETS, Town, answer, api, get, open_topic, post_id, topic_id};

/// Addresses of a route with what leads to the hidden topic in every place, and in places where it does not belong.
fn addresses(pattern: &str, query: &[&str], (category, topic, posts): (i64, i64, [i64; 2])) -> Vec<String> {
    let ids = [category, topic, posts[0], posts[1]].map(|id| id.to_string());
    let numbers = ["1", "2"].map(str::to_owned);
    let mut found = vec![String::new()];
    for part in pattern.split('/').skip(1) {
        let values: Vec<String> = match part.trim_matches(['{', '}', '*']) {
            "id" | "category" | "topic" => ids.to_vec(),
            "number" | "version" | "old" | "new" => numbers.to_vec(),
            "slug" | "parent" => ["backroom", "about-zanzibar", "-", &ids[1]].map(str::to_owned).to_vec(),
            "name" => ["gil", "mia", "admin"].map(str::to_owned).to_vec(),
            "title" | "part" | "secret" => ["Main_page", "summary"].map(str::to_owned).to_vec(),
            plain => vec![plain.to_owned()],
        };
        found = found
            .iter()
            .flat_map(|start| values.iter().map(move |value| format!("{start}/{value}")))
            .collect();
    }
    // Not the whole of a word: what was asked is shown again.
    let value = |name: &str| match name {
        "q" => vec!["kumqua", "zanziba", "backroo"],
        "to" | "old" | "number" => vec!["1"],
        "quote" => vec!["1"],
        "new" => vec!["2", "1"],
        "state" => vec!["open", "handled"],
        "in" => vec!["all", "posts"],
        "limit" => vec!["100"],
        "action" => vec!["history", "raw"],
        _ => vec![],
    };
    let mut queries = vec![String::new()];
    for name in query {
        let more: Vec<String> = queries
            .iter()
            .flat_map(|start| {
                value(name).into_iter().map(move |value| format!("{start}&{name}={}", escape(value)))
            })
            .collect();
        queries.extend(more);
    }
    let with = |path: &String| -> Vec<String> {
        queries
            .iter()
            .map(|query| if query.is_empty() { path.clone() } else { format!("{path}?{}", &query[1..]) })
            .collect()
    };
    found.iter().flat_map(with).collect()
}

#[test]
fn nothing_of_a_hidden_category_is_shown_anywhere() {
    let mut town = Town::found();
    let (topic, posts) = town.secret();
    // It is in lists of every kind: imported, reported, deleted, edited.
    let db = town.database();
    for (kind, id) in [("topic", topic), ("post", posts[0]), ("category", town.hidden)] {
        let imported = "INSERT INTO imported VALUES ('discourse:x', ?1, ?2, ?3, NULL)";
        // An older site's id that is also the one here.
        db.execute(imported, (kind, id.to_string(), id)).unwrap();
    }
    // A topic that everybody sees has the address that the hidden one had elsewhere.
    let namesake = open_topic(&mut town.mia, town.open, "???", "Words.");
    let imported = "INSERT INTO imported VALUES ('discourse:y', 'topic', ?1, ?2, NULL)";
    db.execute(imported, (topic_id(&namesake).to_string(), topic)).unwrap();
    drop(db);
    assert!(town.gil.get(&namesake).text().contains("About Zanzibar"));
    for by in [&mut town.guest, &mut town.mia, &mut town.mo] {
        let page = by.get(&namesake);
        assert!(page.status == 200 && !page.text().contains("Zanzibar"));
    }
    let edit = format!("/posts/{}/edit", posts[0]);
    let form =
        town.gil.form(&edit, &edit).set("body", "The second kumquat.").set("comment", "Zanzibar, better");
    assert_eq!(town.gil.submit(&form).status, 303);
    for post in posts {
        assert_eq!(
            api(
                &mut town.gil,
                "POST",
                &format!("/api/posts/{post}/reports"),
                &json!({"reason": "spam", "note": "kumquat"})
            )
            .status,
            204
        );
    }
    assert_eq!(
        api(
            &mut town.gil,
            "POST",
            &format!("/api/moderation/posts/{}", posts[1]),
            &json!({"verdict": "dismissed"})
        )
        .status,
        204
    );
    let other = open_topic(&mut town.gil, town.hidden, "Zanzibar again", "One more kumquat.");
    assert_eq!(
        api(&mut town.gil, "DELETE", &format!("/api/topics/{}", topic_id(&other)), &Value::Null).status,
        204
    );

    let here = (town.hidden, topic, posts);
    let (mut asked, mut seen_by_group) = (0, 0);
    for (pattern, endpoint) in table() {
        let query: &[&str] = match &endpoint {
            Endpoint::Read { query, .. } | Endpoint::Own { query, .. } => query,
            _ => continue,
        };
        let mut is_seen = false;
        for address in addresses(pattern, query, here) {
            let leaks = |reply: &Reply| {
                let location = reply.header("location").unwrap_or_default();
                let shown = format!("{location} {}", String::from_utf8_lossy(&reply.body)).to_lowercase();
                // What was asked for may be said again.
                let asked = address.to_lowercase();
                SECRETS
                    .iter()
                    .map(|word| word.to_lowercase())
                    .any(|word| !asked.contains(&word) && shown.contains(&word))
            };
            // Those who may see it come first: what they are shown is not kept for the others.
            is_seen |= leaks(&get(&mut town.gil, &address));
            get(&mut town.admin, &address);
            for (name, by) in [("guest", &mut town.guest), ("mia", &mut town.mia), ("mo", &mut town.mo)] {
                let reply = get(by, &address);
                assert!(!leaks(&reply), "{address} shows {name}: {} {}", reply.status, reply.text());
                asked += 1;
            }
        }
        seen_by_group += usize::from(is_seen);
    }
    assert!(asked > 500, "only {asked} addresses were asked for");
    assert!(seen_by_group >= 25, "the group sees it at {seen_by_group} routes: the walk leads nowhere");
    // How many there are is not told either: one page of twenty ends without a next one. Words that were not asked for
    // before, whose answer might be some seconds old.
    for number in 0..25 {
        let body = json!({"body": format!("Kumquat {number}")});
        assert_eq!(api(&mut town.gil, "POST", &format!("/api/topics/{topic}/posts"), &body).status, 201);
    }
    assert!(town.gil.get("/search?q=kumqu").text().contains("rel=\"next\""));
    for by in [&mut town.guest, &mut town.mia, &mut town.mo] {
        assert!(!by.get("/search?q=kumqu").text().contains("rel=\"next\""));
        assert_eq!(by.get("/api/search?q=kumqu").json(), json!({"pages": [], "posts": [], "next": null}));
    }
    // Nor by what is said of a change: as of what is not there.
    for (method, address, body) in [
        ("POST", format!("/api/topics/{topic}/posts"), json!({"body": "x"})),
        ("PATCH", format!("/api/topics/{topic}"), json!({"title": "x"})),
        ("DELETE", format!("/api/topics/{topic}"), Value::Null),
        ("PATCH", format!("/api/posts/{}", posts[0]), json!({"body": "x", "base_version": 2})),
        ("DELETE", format!("/api/posts/{}", posts[0]), Value::Null),
        ("POST", format!("/api/posts/{}/reports", posts[0]), json!({"reason": "spam"})),
        ("POST", format!("/api/moderation/posts/{}", posts[0]), json!({"verdict": "deleted"})),
        ("POST", format!("/api/forums/{}/topics", town.hidden), json!({"title": "x", "body": "x"})),
    ] {
        let absent: String = address
            .split('/')
            .map(|part| if part.parse::<i64>().is_ok() { "999999" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        for by in [&mut town.mia, &mut town.mo] {
            let (hidden, absent) = (api(by, method, &address, &body), api(by, method, &absent, &body));
            assert_eq!((hidden.status, absent.status), (404, 404), "{method} {address}");
            assert_eq!(hidden.json()["detail"], absent.json()["detail"], "{method} {address}");
        }
    }
}

#[test]
fn what_is_moved_out_of_sight_is_gone_from_every_page_that_showed_it() {
    let mut town = Town::found();
    let path = open_topic(&mut town.mia, town.open, "Birds", "A kiwi walks by.");
    let topic = topic_id(&path);
    answer(&mut town.otto, &path, "Two kiwis.");
    let (first, second) = (post_id(&town, topic, 1), post_id(&town, topic, 2));
    assert_eq!(
        api(&mut town.otto, "POST", &format!("/api/posts/{first}/reports"), &json!({"reason": "spam"}))
            .status,
        204
    );
    let shown = [
        path.clone(),
        format!("{path}/2"),
        format!("/posts/{first}/versions/1"),
        "/u/mia".into(),
        "/u/otto".into(),
        "/search?q=walks".into(),
        "/api/search?q=walks".into(),
        format!("/api/forums/{}/posts", town.open),
        format!("/api/topics/{topic}/posts"),
        format!("/api/posts/{second}"),
        "/api/users/mia/posts".into(),
    ];
    let titled = [
        "/".to_owned(),
        "/latest".into(),
        format!("/c/welcome/{}", town.open),
        "/api/forums/topics".into(),
        format!("/api/forums/{}/topics", town.open),
        format!("/api/topics/{topic}"),
    ];
    let all = || {
        shown.iter().map(|one| (one, "kiwi")).chain(titled.iter().map(|one| (one, ">Birds<"))).map(
            |(address, word)| {
                (address, if address.starts_with("/api") { word.trim_matches(['<', '>']) } else { word })
            },
        )
    };
    for (address, word) in all() {
        for by in [&mut town.guest, &mut town.mia, &mut town.mo] {
            assert!(by.get(address).text().contains(word), "{address} does not show it in the first place");
        }
    }
    for by in [&mut town.guest, &mut town.mo] {
        assert_eq!(get(by, &format!("/posts/{first}/history")).status, 200);
    }
    assert!(town.mo.get("/moderation").text().contains("kiwi"));
    let moved = json!({"category": town.hidden});
    assert_eq!(api(&mut town.admin, "PATCH", &format!("/api/topics/{topic}"), &moved).status, 200);
    for (address, word) in all() {
        for by in [&mut town.guest, &mut town.mia, &mut town.otto, &mut town.mo] {
            assert!(!by.get(address).text().contains(word), "{address} shows it still");
        }
    }
    for by in [&mut town.guest, &mut town.mo] {
        assert_eq!(get(by, &format!("/posts/{first}/history")).status, 404);
    }
    assert!(!town.mo.get("/moderation").text().contains("kiwi"));
    assert!(town.gil.get("/moderation").text().contains("kiwi"));
    assert!(town.gil.get(&path).text().contains("Two kiwis"));
    assert_eq!(town.number("SELECT count(*) FROM posts p JOIN topics t ON t.id = p.topic_id WHERE p.category_id <> t.category_id"), 0);
}
