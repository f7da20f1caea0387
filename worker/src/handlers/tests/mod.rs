//! Every read route against a synthetic community: what it shows, what it refuses, and that nobody's
//! name or title becomes markup.

use std::collections::BTreeMap;

use veritable_config::settings::Site;

use crate::answer::Answer;
use crate::error::Error;
use crate::reads::plans::community;
use crate::routes::{Endpoint, Read, View, table};

mod addresses;
mod lists;

fn reader(pattern: &str) -> (Read, &'static [&'static str]) {
    let found = table().into_iter().find_map(|(address, endpoint)| match endpoint {
        Endpoint::Read { run, query, .. } if address == pattern => Some((run, query)),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("no route {pattern}"))
}

fn ask_of(
    db: &rusqlite::Connection,
    pattern: &str,
    path: &str,
    params: &[(&'static str, &str)],
    query: &[(&'static str, &str)],
) -> Result<Answer, Error> {
    let own = |pairs: &[(&'static str, &str)]| -> BTreeMap<&'static str, String> {
        pairs.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
    };
    let site = Site::default();
    let (run, named) = reader(pattern);
    assert!(query.iter().all(|(name, _)| named.contains(name)), "{pattern} does not read {query:?}");
    let audience = veritable_domain::permission::Groups::EVERYONE;
    run(&View { db, site: &site, audience, path, params: own(params), query: own(query) })
}

fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

fn empty() -> rusqlite::Connection {
    let db = rusqlite::Connection::open_in_memory().unwrap();
    db.execute_batch(concat!(
        include_str!("../../../../migrations/forums/0001_initial.up.sql"),
        include_str!("../../../../migrations/forums/0002_search_merges.up.sql"),
        include_str!("../../../../migrations/forums/0003_command_digests.up.sql"),
        include_str!("../../../../migrations/forums/0004_accounts.up.sql")
    ))
    .unwrap();
    db
}

#[test]
fn every_page_shows_its_subject_and_escapes_what_people_typed() {
    let db = community();
    let topic = [("slug", "alert"), ("id", "1")];
    type Case<'a> = (&'a str, &'a str, &'a [(&'static str, &'a str)], &'a [(&'static str, &'a str)], &'a str);
    let cases: [Case<'_>; 17] = [
        ("/", "/", &[], &[], "Latest topics"),
        ("/latest", "/latest", &[], &[], "rel=\"next\""),
        ("/c/{slug}/{id}", "/c/general/1", &[("slug", "general"), ("id", "1")], &[], "Pinned"),
        ("/c/{slug}/{id}", "/c/empty/2", &[("slug", "empty"), ("id", "2")], &[], "No topics yet"),
        ("/t/{slug}/{id}", "/t/alert/1", &topic, &[], "in reply to #1"),
        (
            "/t/{slug}/{id}/{number}",
            "",
            &[("slug", "alert"), ("id", "1"), ("number", "2")],
            &[],
            "/t/alert/1/1\">#1",
        ),
        ("/u/{name}", "", &[("name", "user2")], &[], "Long topic"),
        ("/wiki", "/wiki", &[], &[], "wikilink new"),
        ("/wiki/{*title}", "/wiki/Home", &[("title", "Home")], &[], "wikilink new"),
        ("/wiki/{*title}", "/wiki/Old_home", &[("title", "Old_home")], &[], "Redirected from"),
        ("/wiki/{*title}", "/wiki/Category:Things", &[("title", "Category:Things")], &[], "rel=\"next\""),
        ("/wiki/{*title}", "", &[("title", "Home")], &[("action", "history")], "/wiki-revision/1\""),
        ("/wiki-revision/{id}", "", &[("id", "1")], &[], "old revision"),
        ("/wiki-diff/{old}/{new}", "", &[("old", "1"), ("new", "1000")], &[], "class=\"ins\""),
        ("/u/{name}/edits", "", &[("name", "user2")], &[], "Wiki edits by user2"),
        ("/recent", "/recent", &[], &[], "difference"),
        ("/search", "/search", &[], &[("q", "hello")], "<mark>"),
    ];
    for (pattern, path, params, query, expected) in cases {
        let answer =
            ask_of(&db, pattern, path, params, query).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let html = text(&answer);
        assert_eq!(answer.status, 200, "{pattern}");
        assert!(html.contains(expected), "{pattern} {query:?} lacks {expected:?}: {html}");
        assert!(
            !html.contains("<script") && !html.contains("<b>General") && !html.contains("<i>10"),
            "{pattern}"
        );
        assert!(!html.contains(" style=") && html.matches("<h1").count() == 1, "{pattern}");
        for many in ["posts", "topics", "replies", "likes", "views", "bytes", "wiki edits"] {
            let alone = |(at, _): (usize, &str)| !html[..at].ends_with(|c: char| c.is_ascii_digit());
            assert!(!html.match_indices(&format!("1 {many}")).any(alone), "{pattern}: 1 {many}");
        }
        assert!(answer.tags.len() <= 8 && !answer.tags.is_empty(), "{pattern}");
    }
}

#[test]
fn the_pages_of_a_topic_show_every_post_once_and_end() {
    let db = community();
    let mut seen = std::collections::BTreeSet::new();
    let mut query: Vec<(&'static str, String)> = Vec::new();
    for _ in 0..10 {
        let asked: Vec<_> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = ask_of(&db, "/api/topics/{id}/posts", "", &[("id", "1")], &asked).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        for post in body["posts"].as_array().unwrap() {
            assert!(seen.insert(post["number"].as_i64().unwrap()));
        }
        match body["next"].as_str() {
            Some(next) => query = vec![("after", next.to_owned())],
            None => break,
        }
    }
    assert_eq!(seen.len(), 120);
}

#[test]
fn what_is_wrong_is_named() {
    let db = community();
    type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a [(&'static str, &'a str)], &'a str, u16);
    let cases: [Case<'_>; 11] = [
        ("/latest", &[], &[("before", "!")], "before", 400),
        ("/api/forums/topics", &[], &[("limit", "101")], "limit", 400),
        ("/api/topics/{id}", &[("id", "x")], &[], "id", 400),
        ("/api/topics/{id}", &[("id", "99999")], &[], "topic", 404),
        ("/api/topics/{id}/posts", &[("id", "1")], &[("after", "_w")], "after", 400),
        ("/search", &[], &[("page", "99")], "page", 400),
        ("/wiki-revision/{id}", &[("id", "99999")], &[], "revision", 404),
        ("/wiki-diff/{old}/{new}", &[("old", "1000"), ("new", "2")], &[], "another page", 400),
        ("/api/wiki/pages/{id}", &[("id", "99999")], &[], "page", 404),
        ("/api/search", &[], &[("q", "x"), ("after", "AMg")], "cursor", 400),
        ("/api/users/{name}", &[("name", "nobody")], &[], "user", 404),
    ];
    for (pattern, params, query, named, status) in cases {
        let error = ask_of(&db, pattern, "", params, query).unwrap_err();
        assert_eq!(error.status().as_u16(), status, "{pattern}: {error}");
        assert!(error.to_string().contains(named), "{pattern}: {error}");
    }
}

#[test]
fn an_empty_site_has_pages() {
    let db = empty();
    for (pattern, expected) in [
        ("/", "No categories yet"),
        ("/latest", "No topics yet"),
        ("/wiki", "No pages yet"),
        ("/recent", "No changes yet"),
    ] {
        assert!(text(&ask_of(&db, pattern, pattern, &[], &[]).unwrap()).contains(expected), "{pattern}");
    }
    for query in [vec![], vec![("q", "\"")], vec![("q", "nothing")]] {
        assert_eq!(ask_of(&db, "/search", "/search", &[], &query).unwrap().status, 200);
    }
    for pattern in ["/api/forums", "/api/forums/topics", "/api/wiki/pages", "/api/wiki/changes"] {
        assert_eq!(ask_of(&db, pattern, pattern, &[], &[]).unwrap().status, 200, "{pattern}");
    }
}
