//! That the commands of docs/backup.md do what it says, with the units that are shipped.

use serde_json::json;

use super::super::harness::systemd::{get, property, run, under_systemd};
use super::{change, start_with_demo};

const DOCUMENT: &str = include_str!("../../docs/backup.md");

/// Runs the commands that stand first below a heading, with backups where the test may write.
fn as_documented(heading: &str) {
    let (_, rest) = DOCUMENT.split_once(&format!("\n## {heading}\n")).expect("the heading");
    let block = rest.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("commands");
    for command in block.lines() {
        run(&["sh", "-c", &command.replace("/backups/", "/var/tmp/")]);
    }
}

#[test]
fn a_backup_comes_back_as_the_document_says() {
    under_systemd("systemd::backups::a_backup_comes_back_as_the_document_says", || {
        let token = start_with_demo();
        let topic = get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
        let path = format!("/api/topics/{topic}/posts");
        let post = |body: &str| {
            let posted = change(&token, &path, &json!({ "body": body })).unwrap();
            assert_eq!(posted.status, 201, "{}", posted.text());
        };
        post("kept petrichor");
        as_documented("Backing up");
        post("lost vellichor");
        as_documented("Restoring");
        let posts = get(&path);
        assert!(
            posts.text().contains("petrichor") && !posts.text().contains("vellichor"),
            "{}",
            posts.text()
        );
        post("written after it");
        assert!(get(&path).text().contains("written after it"));
        assert_eq!(property("ActiveState"), "active");
    });
}
