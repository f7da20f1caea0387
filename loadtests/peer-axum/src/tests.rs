//! The peer must do the work it is measured by.

use super::*;

const SCHEMA: &str = include_str!("../../../migrations/forums/0001_initial.up.sql");

fn community() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("forums.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db.execute_batch(
        "INSERT INTO users (id, name, name_key, created_at) VALUES (1, 'ann', 'ann', 1);
         INSERT INTO categories (id, name, slug, created_at) VALUES (1, 'General', 'general', 1);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO topics (id, category_id, title, slug, author_id, created_at, last_post_at, last_author_id)
         SELECT i, 1, 'Topic ' || i, 'topic', 1, i, i, 1 FROM n;
         INSERT INTO posts (topic_id, path, id, number, depth, author_id, category_id, created_at, html)
         SELECT id, x'01', id, 1, 0, 1, 1, id, '<p>Hello</p>' FROM topics;
         INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, html)
         VALUES (1, 1, 'A page', 1, 1, 1, '<p>x</p>');
         INSERT INTO revisions (id, page_id, created_at, size, format, source) VALUES (1, 1, 1, 1, 'markdown', 'x');",
    )
    .unwrap();
    (dir, path)
}

fn read(
    path: &std::path::Path,
    what: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<Option<Vec<u8>>>,
) -> serde_json::Value {
    let db = queries::open(path).unwrap();
    serde_json::from_slice(&what(&db).unwrap().unwrap()).unwrap()
}

#[test]
fn lists_are_walked_to_their_end() {
    let (_dir, path) = community();
    let (mut before, mut seen) = (None, Vec::new());
    loop {
        let page = read(&path, |db| queries::topics(db, before.as_deref(), 50));
        seen.extend(page["topics"].as_array().unwrap().iter().map(|topic| topic["id"].as_i64().unwrap()));
        match page["next"].as_str() {
            Some(next) => before = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, (1..=120).rev().collect::<Vec<_>>());
}

#[test]
fn threads_and_pages_have_what_the_api_has() {
    let (_dir, path) = community();
    let posts = read(&path, |db| queries::posts(db, 7, 0, 50));
    assert_eq!(posts["posts"][0]["html"], "<p>Hello</p>");
    assert_eq!(posts["posts"][0]["author"]["name"], "ann");
    assert_eq!(posts["posts"][0]["created_at"], "1970-01-01T00:00:00.007Z");
    assert_eq!(read(&path, |db| queries::page(db, 1))["source"], "x");
    let db = queries::open(&path).unwrap();
    assert!(queries::page(&db, 2).unwrap().is_none() && queries::posts(&db, 999, 0, 50).unwrap().is_none());
}

#[tokio::test]
async fn an_answer_is_kept_and_what_is_not_there_is_none() {
    let (_dir, path) = community();
    let app = App { forums: Arc::new(path), cache: Some(Cache::new(10)) };
    let first = page(State(app.clone()), Path(1)).await.unwrap();
    assert_eq!(first.headers()[header::CONTENT_TYPE], "application/json");
    let cache = app.cache.as_ref().unwrap();
    assert!(cache.contains_key("page 1"));
    assert_eq!(page(State(app.clone()), Path(2)).await.unwrap_err(), StatusCode::NOT_FOUND);
    assert!(!cache.contains_key("page 2"));
}
