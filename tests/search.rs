//! How old what search finds may be: what is new is found soon, what is deleted is gone before whoever deleted it has an
//! answer.

use serde_json::json;

use super::harness::server::Server;
use super::harness::wait_for;

/// A word that no text of the demonstration has.
const WORD: &str = "quincunx";

/// In how many of the answers that search gives, as a page and by the API, a title stands.
fn found(server: &Server, title: &str) -> (usize, usize) {
    let (mut all, mut with) = (0, 0);
    for mut worker in server.connect_to_all() {
        for path in [format!("/search?q={WORD}"), format!("/api/search?q={WORD}")] {
            let reply = worker.send("GET", &path, &[], b"").expect("an answer");
            assert_eq!(reply.status, 200, "{path}");
            all += 1;
            with += usize::from(reply.text().contains(title));
        }
    }
    (with, all)
}

#[test]
fn what_is_new_is_found_soon_and_what_is_deleted_is_gone_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    // A demonstration's token is not for keeping order.
    let mut administrator = server.administrator();
    let token = server.token();
    let category = server.get("/api/forums").json()["categories"][0]["id"].as_i64().unwrap();
    assert_eq!(found(&server, "Garden").0, 0, "nothing yet, and that is kept");

    let topic = json!({"title": "Garden topic", "body": format!("Trees in a {WORD}.")});
    let made = server.change(&token, "POST", &format!("/api/forums/{category}/topics"), &topic);
    assert_eq!(made.status, 201, "{}", made.text());
    let topic = made.json()["topic"]["id"].clone();
    let page = json!({"title": "Garden page", "body": format!("A {WORD} has five.")});
    let saved = server.change(&token, "PUT", "/api/wiki/pages", &page);
    assert!(saved.status < 300, "{}", saved.text());
    let everywhere = |title: &str| {
        wait_for(&format!("{title} in every answer"), || {
            let (with, all) = found(&server, title);
            (with == all).then_some(())
        });
    };
    everywhere("Garden topic");
    everywhere("Garden page");

    // A reply is found too, and is gone alone.
    let reply = json!({"body": format!("Another {WORD}, of rosebushes.")});
    let made = server.change(&token, "POST", &format!("/api/topics/{topic}/posts"), &reply);
    assert_eq!(made.status, 201, "{}", made.text());
    let post = made.json()["post"]["id"].clone();
    everywhere("rosebushes");
    let gone = server.change(&token, "DELETE", &format!("/api/posts/{post}"), &json!({}));
    assert_eq!(gone.status, 204, "{}", gone.text());
    assert_eq!(found(&server, "rosebushes").0, 0, "a deleted post");
    everywhere("Garden topic");
    let form = administrator.form("/wiki-delete/Garden_page", "/wiki-delete/Garden_page");
    assert_eq!(administrator.submit(&form).status, 303);
    assert_eq!(found(&server, "Garden page").0, 0, "a deleted page");
    let path = format!("/topics/{topic}/delete");
    let form = administrator.form(&path, &path);
    assert_eq!(administrator.submit(&form).status, 303);
    assert_eq!(found(&server, "Garden topic").0, 0, "a deleted topic");
    // What comes back is found again.
    let path = format!("/topics/{topic}/restore");
    let form = administrator.form(&format!("/t/garden-topic/{topic}"), &path);
    assert_eq!(administrator.submit(&form).status, 303);
    everywhere("Garden topic");
}
