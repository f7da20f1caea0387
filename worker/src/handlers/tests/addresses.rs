//! Addresses that are not, or no longer, ours: where they lead, and that they never lead astray.

use super::{ask_of, empty, text};
use crate::reads::plans::community;

type Pairs<'a> = &'a [(&'static str, &'a str)];

#[test]
fn old_addresses_lead_to_ours() {
    let db = community();
    // Imported topic 9001 is 7 here, post 9002 is 14, revision 77 is 1000, wiki page 78 is 1.
    let cases: [(&str, Pairs<'_>, Pairs<'_>, &str); 18] = [
        ("/t/{slug}/{id}", &[("slug", "alert"), ("id", "9001")], &[], "/t/alert/7"),
        ("/t/{slug}/{id}", &[("slug", "a-l-e-r-t-"), ("id", "9001")], &[], "/t/alert/7"),
        ("/t/{slug}/{id}", &[("slug", "renamed"), ("id", "9001")], &[], "/t/alert/7"),
        ("/t/{slug}/{id}", &[("slug", "al-ert"), ("id", "1")], &[("after", "Aw")], "/t/alert/1?after=Aw"),
        ("/t/{slug}/{id}", &[("slug", "9001"), ("id", "2")], &[], "/t/alert/7/2"),
        ("/t/{slug}/{id}/{number}", &[("slug", "x"), ("id", "9001"), ("number", "2")], &[], "/t/alert/7/2"),
        ("/t/{slug}/{id}/{number}", &[("slug", "-"), ("id", "9001"), ("number", "2")], &[], "/t/alert/7/2"),
        ("/t/{id}", &[("id", "9001")], &[], "/t/alert/7"),
        ("/p/{id}", &[("id", "9002")], &[], "/t/alert/7/1"),
        ("/c/{slug}/{id}", &[("slug", "x"), ("id", "1")], &[("before", "a")], "/c/general/1?before=a"),
        ("/index.php", &[], &[("title", "home")], "/wiki/Home"),
        ("/index.php", &[], &[("title", "old_home"), ("redirect", "no")], "/wiki/Old_home?redirect=no"),
        ("/index.php", &[], &[("curid", "78")], "/wiki/Home"),
        ("/w/index.php", &[], &[("oldid", "77"), ("title", "Renamed")], "/wiki-revision/1000"),
        ("/w/index.php", &[], &[("title", "Home"), ("diff", "77")], "/wiki/Home?diff=77"),
        ("/wiki/{*title}", &[("title", "Home")], &[("diff", "77")], "/wiki-diff/1/1000"),
        ("/wiki/{*title}", &[("title", "Home")], &[("diff", "prev"), ("oldid", "77")], "/wiki-diff/1/1000"),
        ("/wiki/{*title}", &[("title", "Home")], &[("oldid", "1")], "/wiki-revision/1"),
    ];
    for (pattern, params, query, expected) in cases {
        let answer = ask_of(&db, pattern, "", params, query).unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.location.as_deref()),
            (301, Some(expected)),
            "{pattern} {params:?}"
        );
    }
}

#[test]
fn an_address_in_doubt_lists_what_it_may_mean() {
    let db = community();
    db.execute_batch(
        "UPDATE topics SET slug = 'ours' WHERE id = 20;
         INSERT INTO imported VALUES ('discourse:x', 'topic', '20', 30, NULL), ('discourse:y', 'topic', '9001', 40, NULL),
             ('discourse:x', 'topic', '21', 31, NULL), ('mediawiki:z', 'page', '78', 2, NULL);",
    )
    .unwrap();
    let cases: [(&str, Pairs<'_>, Pairs<'_>, &[&str]); 6] = [
        // Neither ours nor the imported one has this slug.
        ("/t/{slug}/{id}", &[("slug", "what"), ("id", "20")], &[], &["/t/ours/20", "/t/alert/30"]),
        // Only ours has the id, but an old topic may have been left behind.
        ("/t/{slug}/{id}", &[("slug", "what"), ("id", "50")], &[], &["/t/alert/50"]),
        // Two sites had it.
        ("/t/{slug}/{id}", &[("slug", "alert"), ("id", "9001")], &[], &["/t/alert/7", "/t/alert/40"]),
        ("/t/{id}", &[("id", "9001")], &[], &["/t/alert/7", "/t/alert/40"]),
        (
            "/t/{slug}/{id}/{number}",
            &[("slug", "what"), ("id", "20"), ("number", "2")],
            &[],
            &["/t/ours/20/2", "/t/alert/30/2"],
        ),
        ("/index.php", &[], &[("curid", "78")], &["/wiki/Home", "/wiki/Page_%222%22"]),
    ];
    for (pattern, params, query, expected) in cases {
        let answer = ask_of(&db, pattern, "", params, query).unwrap();
        assert_eq!((answer.status.as_u16(), answer.location.as_deref()), (404, None), "{pattern} {params:?}");
        for address in expected {
            assert!(text(&answer).contains(&format!("href=\"{address}\"")), "{pattern} lacks {address}");
        }
    }
    // The slug decides between ours and theirs.
    let theirs = [("slug", "alert"), ("id", "20")];
    let answer = ask_of(&db, "/t/{slug}/{id}", "", &theirs, &[]).unwrap();
    assert_eq!(answer.location.as_deref(), Some("/t/alert/30"));
    // Where both have it, ours is shown and theirs is named.
    let both = [("slug", "alert"), ("id", "21")];
    let answer = ask_of(&db, "/t/{slug}/{id}", "", &both, &[]).unwrap();
    assert_eq!(answer.status, 200);
    assert!(text(&answer).contains("On an older site this was the address of <a href=\"/t/alert/31\">"));
}

#[test]
fn addresses_that_are_never_ours_do_not_lead_to_ours() {
    let db = community();
    for (pattern, params, query) in [
        ("/t/{id}", [("id", "5")].as_slice(), [].as_slice()),
        ("/t/{slug}/{id}", &[("slug", "5"), ("id", "1")], &[]),
        ("/t/{slug}/{id}", &[("slug", "-"), ("id", "5")], &[]),
        ("/p/{id}", &[("id", "5")], &[]),
        ("/index.php", &[], &[("curid", "5")]),
        ("/index.php", &[], &[("oldid", "5")]),
    ] {
        let error = ask_of(&db, pattern, "", params, query).unwrap_err();
        assert_eq!(error.status(), 404, "{pattern}");
    }
    // A site that never imported anything has no other ids than its own.
    db.execute_batch("DELETE FROM imported").unwrap();
    for (pattern, params) in
        [("/t/{id}", [("id", "5")].as_slice()), ("/t/{slug}/{id}", &[("slug", "renamed-since"), ("id", "5")])]
    {
        let answer = ask_of(&db, pattern, "", params, &[]).unwrap();
        assert_eq!(answer.location.as_deref(), Some("/t/alert/5"), "{pattern}");
    }
}

#[test]
fn another_spelling_of_a_title_keeps_what_was_asked() {
    let db = community();
    let cases: [(&str, Pairs<'_>, &str); 3] = [
        ("home", &[], "/wiki/Home"),
        ("old home", &[("redirect", "no")], "/wiki/Old_home?redirect=no"),
        ("category:Things", &[("from", "a b&c")], "/wiki/Category:Things?from=a%20b%26c"),
    ];
    for (title, query, expected) in cases {
        let path = format!("/wiki/{title}");
        let answer = ask_of(&db, "/wiki/{*title}", &path, &[("title", title)], query).unwrap();
        assert_eq!((answer.status.as_u16(), answer.location.as_deref()), (301, Some(expected)), "{title}");
    }
    let shown =
        ask_of(&db, "/wiki/{*title}", "/wiki/Old_home", &[("title", "Old_home")], &[("redirect", "no")]);
    assert!(!text(&shown.unwrap()).contains("Redirected from"));
}

#[test]
fn a_missing_page_suggests_what_is_like_it() {
    let db = community();
    db.execute_batch(
        "INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, html) VALUES
             (400, 1, 'Community libraries', 1, 1, 1, ''), (401, 4, 'Commutators', 1, 1, 1, '');
         INSERT INTO pages_fts (rowid, title, body) VALUES (400, 'Community libraries', ''), (401, 'Commutators', '');",
    )
    .unwrap();
    let ask =
        |title: &str| ask_of(&db, "/wiki/{*title}", &format!("/wiki/{title}"), &[("title", title)], &[]);
    let answer = ask("comunity_librarys").unwrap();
    let html = text(&answer);
    assert_eq!(answer.status, 404);
    assert!(html.contains("<h1>Comunity librarys</h1>") && html.contains("does not exist yet"), "{html}");
    assert!(html.contains("name=\"robots\" content=\"noindex\""));
    assert!(html.contains("value=\"Comunity librarys\""), "search is offered: {html}");
    let likely = html.find("/wiki/Community_libraries").expect("the closest title");
    assert!(html.find("/wiki/Help:Commutators").is_none_or(|other| other > likely), "{html}");
    let answer = ask("'x' & \"y\"").unwrap();
    assert!(!text(&answer).contains("\"y\""), "titles are text");
    assert_eq!(ask("<script>").unwrap_err().status(), 404, "no title");
    assert_eq!(ask(&"long ".repeat(60)).unwrap_err().status(), 404, "no title either");
    for title in ["x", "?", "Help:", "日本語", "a\"b OR title:*"] {
        let status = ask(title).map_or_else(|error| error.status(), |answer| answer.status);
        assert_eq!(status, 404, "{title}");
    }
    let none = ask_of(&empty(), "/wiki/{*title}", "/wiki/Foo", &[("title", "Foo")], &[]).unwrap();
    assert_eq!(none.status, 404);
    assert!(!text(&none).contains("Perhaps you mean"));
}

#[test]
fn categories_follow_the_same_rule() {
    let db = community();
    db.execute_batch(
        "INSERT INTO imported VALUES ('discourse:x', 'category', '2', 3, NULL), ('discourse:x', 'category', '1', 1, NULL),
             ('discourse:x', 'category', '33', 3, NULL);",
    )
    .unwrap();
    let ask = |slug: &str, id: &str| {
        let answer = ask_of(&db, "/c/{slug}/{id}", "", &[("slug", slug), ("id", id)], &[]).unwrap();
        (answer.status.as_u16(), answer.location.clone(), text(&answer))
    };
    assert_eq!(ask("empty", "2").0, 200, "ours");
    assert_eq!(ask("more", "2").1.as_deref(), Some("/c/more/3"), "theirs by its slug");
    assert_eq!(ask("renamed", "1").1.as_deref(), Some("/c/general/1"), "the same here and there");
    assert_eq!(ask("renamed", "33").1.as_deref(), Some("/c/more/3"), "theirs alone");
    let (status, _, page) = ask("renamed", "2");
    assert_eq!(status, 404);
    assert!(page.contains("/c/empty/2") && page.contains("/c/more/3"), "{page}");
    let within = [("parent", "x"), ("slug", "more"), ("id", "2")];
    let answer = ask_of(&db, "/c/{parent}/{slug}/{id}", "", &within, &[]).unwrap();
    assert_eq!(answer.location.as_deref(), Some("/c/more/3"));
    let words = [("slug", "parent"), ("id", "child")];
    assert_eq!(ask_of(&db, "/c/{slug}/{id}", "", &words, &[]).unwrap_err().status(), 404);
}

#[test]
fn an_address_without_a_number_offers_to_search() {
    let db = community();
    let answer = ask_of(&db, "/t/{id}", "", &[("id", "how-to-start")], &[]).unwrap();
    assert_eq!(answer.status, 404);
    assert!(text(&answer).contains("value=\"how to start\""));
}

#[test]
fn old_revisions_show_which_links_lead_nowhere() {
    let db = community();
    db.execute_batch("UPDATE revisions SET source = '[[Nowhere]] and [[Home]]' WHERE id = 1").unwrap();
    let html = text(&ask_of(&db, "/wiki-revision/{id}", "", &[("id", "1")], &[]).unwrap());
    assert!(html.contains("wikilink new\" href=\"/wiki/Nowhere\""), "{html}");
    assert!(html.contains("wikilink\" href=\"/wiki/Home\""), "{html}");
}
