//! Two real communities, imported and browsed. Skipped by name where the data is absent.

use std::collections::HashSet;
use std::path::Path;

use super::harness::real_data;
use super::harness::server::{Server, run};

fn import(kind: &str, path: &Path, data_dir: &Path) -> serde_json::Value {
    let report = data_dir.join("report.json");
    let out = run(&[
        "import",
        kind,
        path.to_str().unwrap(),
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--report",
        report.to_str().unwrap(),
    ]);
    let said = String::from_utf8_lossy(&out.stderr);
    // 0: complete; 3: complete, with losses that the report names.
    assert!([Some(0), Some(3)].contains(&out.status.code()), "{:?}: {said}", out.status);
    serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap()
}

fn count(data_dir: &Path, sql: &str) -> i64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = rusqlite::Connection::open_with_flags(data_dir.join("forums.db"), flags).unwrap();
    db.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// How many rows each table has; without those of the search's index, which is merged when there is time.
fn rows(data_dir: &Path) -> Vec<(String, i64)> {
    let db = rusqlite::Connection::open(data_dir.join("forums.db")).unwrap();
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB '*_fts*' AND name NOT GLOB 'sqlite_*'";
    let mut tables = db.prepare(sql).unwrap();
    let names = tables.query_map([], |row| row.get(0)).unwrap().collect::<Result<Vec<String>, _>>().unwrap();
    let count =
        |name: &String| db.query_row(&format!("SELECT count(*) FROM {name}"), [], |row| row.get(0)).unwrap();
    names.iter().map(|name| (name.clone(), count(name))).collect()
}

#[test]
fn the_forum_is_whole_its_deepest_topic_included() {
    let Some(path) =
        real_data("communities::the_forum_is_whole_its_deepest_topic_included", "discourse-urho3d")
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    import("discourse", &path, dir.path());
    let sums = [
        ("SELECT count(*) FROM topics", 5_046),
        ("SELECT count(*) FROM posts", 36_990),
        ("SELECT count(*) FROM users", 999),
        ("SELECT count(*) FROM posts_fts", 36_990),
        ("SELECT sum(post_count) FROM topics", 36_990),
        ("SELECT sum(post_count) FROM categories", 36_990),
        ("SELECT sum(post_count) FROM users", 36_990),
        ("SELECT count(*) FROM categories", 11),
    ];
    for (sql, expected) in sums {
        assert_eq!(count(dir.path(), sql), expected, "{sql}");
    }
    let total = count(dir.path(), "SELECT total(length(html)) > 0 FROM posts");
    assert_eq!(total, 1);

    // A second run changes nothing.
    let before = rows(dir.path());
    let again = import("discourse", &path, dir.path());
    assert_eq!(again["added"], 0, "{again}");
    assert_eq!(again["changed"], 0, "{again}");
    for (sql, expected) in sums {
        assert_eq!(count(dir.path(), sql), expected, "{sql} after the second run");
    }
    assert_eq!(rows(dir.path()), before);

    // The topic nested 47 deep shows every post, in steps, in reading order.
    let topic =
        count(dir.path(), "SELECT local_id FROM imported WHERE kind = 'topic' AND foreign_id = '5872'");
    let posts = count(dir.path(), &format!("SELECT count(*) FROM posts WHERE topic_id = {topic}"));
    let server = Server::serve(dir.path(), &[]);
    let slug = server.get(&format!("/api/topics/{topic}")).json()["slug"].as_str().unwrap().to_owned();
    let mut next = Some(format!("/t/{slug}/{topic}"));
    let mut seen = HashSet::new();
    let mut steps = 0;
    while let Some(path) = next {
        let page = server.get(&path);
        assert_eq!(page.status, 200, "{path}");
        let html = page.text().to_owned();
        for anchor in html.split("<article").skip(1).filter_map(|part| part.split("id=\"p").nth(1)) {
            assert!(seen.insert(anchor.split('"').next().unwrap().to_owned()), "{anchor:.20} twice");
        }
        next = html
            .split("<link ")
            .skip(1)
            .find(|link| link.starts_with("rel=\"next\""))
            .and_then(|link| link.split("href=\"").nth(1)?.split('"').next())
            .map(|href| href.replace("&#38;", "&").replace("&amp;", "&"));
        steps += 1;
        assert!(steps < 50, "the pages never end");
    }
    assert_eq!(seen.len() as i64, posts);
    assert!(steps > 1);

    // Old addresses lead on.
    let old = server.get("/t/0-area-triangle-collision-crash/2400");
    assert!([200, 301].contains(&old.status));
    assert_eq!(server.get("/t/2400").status, 301);
}

#[test]
fn the_wikis_are_whole_with_all_their_history() {
    let Some(rust) =
        real_data("communities::the_wikis_are_whole_with_all_their_history", "markdown-rust-wiki")
    else {
        return;
    };
    let Some(small) =
        real_data("communities::the_wikis_are_whole_with_all_their_history", "mediawiki-smallwiki")
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let rust = rust.join("rust-wiki-history.export-0.11.xml.gz");
    import("mediawiki", &rust, dir.path());
    assert_eq!(count(dir.path(), "SELECT count(*) FROM pages"), 314);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM revisions"), 4_435);
    import("mediawiki", &small.join("smallwiki-latest-pages-articles.xml"), dir.path());
    assert_eq!(count(dir.path(), "SELECT count(*) FROM pages"), 314 + 2_004);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM pages WHERE redirect_to IS NOT NULL"), 195);
    assert_eq!(count(dir.path(), "SELECT count(*) FROM pages_fts"), 314 + 2_004);
    let again = import("mediawiki", &rust, dir.path());
    assert_eq!((&again["added"], &again["changed"]), (&0.into(), &0.into()), "{again}");

    let server = Server::serve(dir.path(), &[]);
    for path in
        ["/wiki/Home", "/wiki/Suoku_puslopa", "/wiki/Home?action=history", "/search?q=Latvija", "/wiki"]
    {
        assert!([200, 301].contains(&server.get(path).status), "{path}");
    }
    assert_eq!(server.get("/index.php?title=Home").status, 301);
}

#[test]
fn a_truncated_dump_names_the_position_and_can_be_resumed() {
    let Some(path) = real_data(
        "communities::a_truncated_dump_names_the_position_and_can_be_resumed",
        "mediawiki-smallwiki",
    ) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let whole = std::fs::read(path.join("smallwiki-latest-pages-articles.xml")).unwrap();
    let cut = dir.path().join("cut.xml");
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let data = dir.path().join("data");
    let out = run(&["import", "mediawiki", cut.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
    assert!(![Some(0), Some(3)].contains(&out.status.code()), "{out:?}");
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("byte"), "{said}");
    std::fs::write(&cut, &whole).unwrap();
    let report = import("mediawiki", &cut, &data);
    assert_eq!(count(&data, "SELECT count(*) FROM pages"), 2_004, "{report}");
}
