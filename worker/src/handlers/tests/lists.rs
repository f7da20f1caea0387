//! Lists in pages: forwards, back again, and as JSON.

use std::collections::BTreeSet;

use super::{ask_of, text};
use crate::reads::plans::community;
use crate::routes::table;

/// The address of a page's `<link rel="...">`.
fn link(html: &str, rel: &str) -> Option<String> {
    let (_, rest) = html.split_once(&format!("<link rel=\"{rel}\" href=\""))?;
    rest.split_once('"').map(|(address, _)| address.replace("&amp;", "&").replace("&#38;", "&"))
}

#[test]
fn every_page_of_a_list_has_one_address_from_either_side() {
    let db = community();
    type Case<'a> = (&'a str, &'a [(&'static str, &'a str)], &'a str, &'static str, usize);
    db.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 2000 UNION ALL SELECT i + 1 FROM n WHERE i < 2200)
         INSERT INTO revisions (id, page_id, parent_id, author_id, created_at, size, format, source)
         SELECT i, 1, i - 1, 2, 9000 + i / 7, 9, 'markdown', 'Hello' FROM n;
         WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO posts (topic_id, path, id, number, parent_id, depth, author_id, category_id, created_at, html)
         SELECT 1, CAST(char(1) || char(i) AS BLOB), 5000 + i, 1000 + i, 2, 1, 2, 1, i, '' FROM n WHERE i > 2;",
    )
    .unwrap();
    let cases: [Case<'_>; 9] = [
        ("/latest", &[], "/latest", "before", 6),
        ("/c/{slug}/{id}", &[("slug", "general"), ("id", "1")], "/c/general/1", "before", 4),
        ("/u/{name}", &[("name", "user2")], "/u/user2", "before", 13),
        ("/u/{name}/edits", &[("name", "user2")], "/u/user2/edits", "before", 5),
        ("/recent", &[], "/recent", "before", 11),
        ("/wiki-all", &[], "/wiki-all", "from", 2),
        ("/wiki/{*title}", &[("title", "Category:Things")], "/wiki/Category:Things", "from", 2),
        ("/t/{slug}/{id}", &[("slug", "alert"), ("id", "1")], "/t/alert/1", "after", 5),
        (
            "/t/{slug}/{id}/{number}",
            &[("slug", "alert"), ("id", "1"), ("number", "1")],
            "/t/alert/1/1",
            "after",
            3,
        ),
    ];
    for (pattern, params, first, name, pages) in cases {
        let ask = |address: &str| {
            let cursor = address.split_once(&format!("?{name}=")).map(|(_, cursor)| (name, cursor));
            text(&ask_of(&db, pattern, first, params, cursor.as_slice()).unwrap())
        };
        let mut addresses = vec![first.to_owned()];
        while let Some(next) = link(&ask(&addresses[addresses.len() - 1]), "next") {
            addresses.push(next);
            assert!(addresses.len() <= pages, "{pattern} goes on after {pages}");
        }
        assert_eq!(addresses.len(), pages, "{pattern}");
        for pair in addresses.windows(2) {
            assert_eq!(link(&ask(&pair[1]), "prev").as_ref(), Some(&pair[0]), "{pattern} before {}", pair[1]);
        }
        assert_eq!(link(&ask(first), "prev"), None, "{pattern}");
        assert_eq!(link(&ask(first), "canonical").as_deref(), Some(first), "{pattern}");
        assert_eq!(link(&ask(&addresses[1]), "canonical"), None, "no page of a list stands for another");
    }
}

#[test]
fn history_goes_back_with_its_action() {
    let db = community();
    db.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 2000 UNION ALL SELECT i + 1 FROM n WHERE i < 2080)
         INSERT INTO revisions (id, page_id, parent_id, author_id, created_at, size, format, source)
         SELECT i, 1, i - 1, 2, 9000 + i, 9, 'markdown', 'Hello' FROM n;",
    )
    .unwrap();
    let home = [("title", "Home")];
    let first = text(&ask_of(&db, "/wiki/{*title}", "", &home, &[("action", "history")]).unwrap());
    let next = link(&first, "next").unwrap();
    let cursor = next.strip_prefix("/wiki/Home?action=history&before=").unwrap();
    let query = [("action", "history"), ("before", cursor)];
    let second = text(&ask_of(&db, "/wiki/{*title}", "", &home, &query).unwrap());
    assert_eq!(link(&second, "prev").as_deref(), Some("/wiki/Home?action=history"));
    assert_eq!(link(&second, "next"), None);
}

#[test]
fn searching_goes_on_from_a_cursor_and_ends() {
    let db = community();
    let mut seen = BTreeSet::new();
    let mut cursor: Option<String> = None;
    let mut asked = 0;
    loop {
        let mut query = vec![("q", "hello"), ("in", "posts"), ("limit", "30")];
        query.extend(cursor.as_deref().map(|cursor| ("after", cursor)));
        let answer = ask_of(&db, "/api/search", "/api/search", &[], &query).unwrap();
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        for post in body["posts"].as_array().unwrap() {
            assert!(seen.insert(post["id"].as_i64().unwrap()), "{post} comes twice");
            let number = post["number"].as_i64().unwrap();
            assert_eq!(post["url"], format!("/t/alert/{}/{number}", post["topic_id"]));
        }
        assert_eq!(body["pages"].as_array().unwrap().len(), 0);
        asked += 1;
        cursor = body["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!((asked, seen.len()), (7, 210), "the deepest results are not shown");
}

#[test]
fn search_pages_have_neighbours() {
    let db = community();
    let page = |number: &str| {
        text(&ask_of(&db, "/search", "/search", &[], &[("q", "hello"), ("page", number)]).unwrap())
    };
    assert_eq!(link(&page("1"), "prev"), None);
    assert_eq!(link(&page("2"), "prev").as_deref(), Some("/search?q=hello&in=all"));
    assert_eq!(link(&page("3"), "prev").as_deref(), Some("/search?q=hello&in=all&page=2"));
    assert_eq!(link(&page("3"), "next").as_deref(), Some("/search?q=hello&in=all&page=4"));
    assert_eq!(link(&page("10"), "next"), None);
}

#[test]
fn a_profile_leads_to_all_wiki_edits() {
    let db = community();
    let few = text(&ask_of(&db, "/u/{name}", "", &[("name", "user2")], &[]).unwrap());
    assert!(few.contains("Wiki edits") && !few.contains("/u/user2/edits"));
    db.execute_batch("UPDATE revisions SET author_id = 2").unwrap();
    let many = text(&ask_of(&db, "/u/{name}", "", &[("name", "user2")], &[]).unwrap());
    assert!(many.contains("href=\"/u/user2/edits\""));
    assert_eq!(many.matches("/wiki-revision/").count(), 10);
    let answer = ask_of(&db, "/api/users/{name}/edits", "", &[("name", "user2")], &[("limit", "3")]).unwrap();
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(body["changes"].as_array().unwrap().len(), 3);
    assert!(body["next"].is_string());
}

#[test]
fn a_category_is_linked_where_it_is_described() {
    let db = community();
    db.execute_batch(
        "INSERT INTO namespaces (id, name, name_key, number) VALUES (21, 'Kategoreja', 'kategoreja', 14);
         INSERT INTO page_categories VALUES ('Lītys', 'x', 1), ('Nowhere described', 'x', 1);
         INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, html)
         VALUES (500, 21, 'Lītys', 1, 1, 1, '');",
    )
    .unwrap();
    let home = text(&ask_of(&db, "/wiki/{*title}", "/wiki/Home", &[("title", "Home")], &[]).unwrap());
    for address in
        ["/wiki/Category:Things", "/wiki/Kategoreja:L%C4%ABtys", "/wiki/Kategoreja:Nowhere_described"]
    {
        assert!(home.contains(&format!("href=\"{address}\"")), "{address}: {home}");
    }
    // Nobody described it, but it has members.
    let title = "Kategoreja:Nowhere described";
    let path = format!("/wiki/{title}");
    let answer = ask_of(&db, "/wiki/{*title}", &path, &[("title", title)], &[]).unwrap();
    assert_eq!(answer.status, 200);
    assert!(text(&answer).contains("href=\"/wiki/Home\""));
}

#[test]
fn what_takes_long_runs_on_the_pool() {
    use crate::routes::{Cost, Endpoint};
    for (pattern, endpoint) in table() {
        let Endpoint::Read { cost, .. } = endpoint else { continue };
        let long = [
            "/wiki-revision",
            "/wiki-diff",
            "/wiki-all",
            "/search",
            "/api/search",
            "/api/wiki/diff",
            "/posts/{id}/v",
            "/posts/{id}/diff",
        ];
        let expected =
            if long.iter().any(|start| pattern.starts_with(start)) { Cost::Pool } else { Cost::Point };
        assert_eq!(cost, expected, "{pattern}");
    }
}
