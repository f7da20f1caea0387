//! The README's first command, as a new user meets it.

use super::harness::server::Server;

#[test]
fn first_run_makes_a_community_to_browse_and_the_second_run_finds_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    assert!(server.banner.iter().any(|line| line.to_lowercase().contains("password")), "{:?}", server.banner);

    let topics = server.get("/api/forums/topics").json();
    let topic = &topics["topics"][0];
    let forums = server.get("/api/forums").json();
    let category = &forums["categories"][0];
    let pages = server.get("/api/wiki/pages").json();
    let title = pages["pages"][0]["title"].as_str().unwrap().replace(' ', "_");
    let author = topic["author"]["name"].as_str().or(topic["author"].as_str()).unwrap().replace(' ', "_");
    for (path, expected) in [
        ("/".to_owned(), category["name"].as_str().unwrap()),
        (
            format!("/c/{}/{}", category["slug"].as_str().unwrap(), category["id"]),
            category["name"].as_str().unwrap(),
        ),
        (format!("/t/{}/{}", topic["slug"].as_str().unwrap(), topic["id"]), "<article"),
        (format!("/u/{author}"), "<h1"),
        (format!("/wiki/{title}"), "<h1"),
        (format!("/wiki/{title}?action=history"), "/wiki-revision/"),
        ("/search?q=the".to_owned(), "<mark>"),
        ("/latest".to_owned(), "/t/"),
        ("/recent".to_owned(), "/wiki/"),
    ] {
        let reply = server.get(&path);
        assert_eq!(reply.status, 200, "{path}");
        assert!(reply.text().contains(expected), "{path} lacks {expected:?}");
        assert!(
            reply.header("content-security-policy").is_some_and(|v| !v.contains("unsafe-inline")),
            "{path}"
        );
    }
    assert_eq!(server.get("/no/such/thing").status, 404);
    let missing = server.get("/wiki/Choosing_a_teleskop");
    assert_eq!(missing.status, 404);
    assert!(
        missing.text().contains("does not exist yet")
            && missing.text().contains("/wiki/Choosing_a_telescope")
    );
    for path in ["/", "/latest", "/wiki", "/wiki-all", "/recent", "/search?q=the"] {
        nothing_is_broken(&server, path);
    }
    assert_eq!(server.get("/api/topics/999999").header("content-type"), Some("application/problem+json"));
    drop(server);

    let again = Server::demo(dir.path());
    assert!(!again.banner.iter().any(|line| line.to_lowercase().contains("password")), "{:?}", again.banner);
    assert_eq!(again.get("/api/forums/topics").json()["topics"][0], *topic);
}

/// What a page links to on this site is there, but for pages that nobody wrote yet, which are marked.
fn nothing_is_broken(server: &Server, page: &str) {
    let reply = server.get(page);
    for link in reply.text().split("<a ").skip(1) {
        let Some((attributes, _)) = link.split_once('>') else { panic!("{page}: {link}") };
        let href = attributes.split("href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or("");
        let path = href.split('#').next().unwrap_or("").replace("&amp;", "&").replace("&#38;", "&");
        if !path.starts_with('/') || attributes.contains("wikilink new") {
            continue;
        }
        let there = server.get(&path);
        // What is for members is there after a login.
        let is_for_members = there.header("location").is_some_and(|to| to.starts_with("/login?next="));
        assert!(there.status == 200 || is_for_members, "{page} links to {path}: {}", there.status);
    }
}
