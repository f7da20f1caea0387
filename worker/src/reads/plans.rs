//! How SQLite means to answer every question: by an index, never by reading a whole table or sorting.

use rusqlite::Connection;

use super::ALL;

const SCHEMA: &str = concat!(
    include_str!("../../../migrations/forums/0001_initial.up.sql"),
    include_str!("../../../migrations/forums/0002_search_merges.up.sql"),
    include_str!("../../../migrations/forums/0003_command_digests.up.sql"),
    include_str!("../../../migrations/forums/0004_accounts.up.sql"),
);
/// What a plan may have that others must not, and why.
const ALLOWED: [(&str, &str, &str); 8] = [
    ("accounts::IS_ANY_HIDDEN", "SCAN categories", "one of them is looked for; there are dozens"),
    ("forum::CATEGORIES", "SCAN categories", "all of them are shown; there are dozens"),
    ("moderation::COUNT", "SCAN (subquery", "the hundred that are counted at most"),
    ("moderation::KEEPS", "SCAN categories", "one of them is looked for; there are dozens"),
    ("wiki::NAMESPACES", "SCAN namespaces", "all of them are wanted; there are dozens"),
    ("search::POSTS", "SCAN f VIRTUAL TABLE", "the full-text index is asked, not read through"),
    ("search::TITLES", "SCAN f VIRTUAL TABLE", "the full-text index is asked, not read through"),
    ("search::PAGES", "SCAN pages_fts VIRTUAL TABLE", "the full-text index is asked, not read through"),
];

/// A synthetic community with the parts that pages show.
pub(crate) fn community() -> Connection {
    let db = Connection::open_in_memory().unwrap();
    // As readers do: planned before the parameters are known.
    veritable_sql::keep_prepared(&db, 1).unwrap();
    db.execute_batch(SCHEMA).unwrap();
    db.execute_batch(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO users (id, name, name_key, created_at, verified_at, approved_at)
         SELECT i, iif(i = 1, '<script>\"ann\"', 'user' || i), iif(i = 1, '<script>\"ann\"', 'user' || i), i, i, i FROM n;
         INSERT INTO categories (id, name, slug, created_at) VALUES
             (1, '<b>General', 'general', 1), (2, 'Empty', 'empty', 1), (3, 'More', 'more', 1);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO topics (id, category_id, title, slug, author_id, created_at, last_post_at, last_author_id,
                             post_count, last_number, pinned)
         SELECT i, iif(i % 3 = 0, 3, 1), '<script>alert(' || i || ')', 'alert', 1 + i % 40, i, i * 10,
                1 + i % 7, 2, 2, i = 5 FROM n;
         INSERT INTO posts (topic_id, path, id, number, depth, author_id, category_id, created_at, html)
         SELECT id, x'01', id * 2, 1, 0, author_id, category_id, id, '<p>Hello world</p>' FROM topics;
         INSERT INTO posts (topic_id, path, id, number, parent_id, depth, author_id, category_id, created_at, html)
         SELECT id, x'0102', id * 2 + 1, 2, id * 2, 1, 1, category_id, id + 1, '<p>An answer</p>' FROM topics;
         WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < 120)
         INSERT INTO posts (topic_id, path, id, number, depth, author_id, category_id, created_at, html)
         SELECT 1, CAST(char(i) AS BLOB), 1000 + i, i, 0, 2, 1, i, '<p>Long topic</p>' FROM n;
         INSERT INTO post_revisions SELECT id, 1, author_id, created_at, '', 'markdown', 'Hello' FROM posts;
         INSERT INTO posts_fts (rowid, title, body) SELECT id, '', 'hello world' FROM posts;
         INSERT INTO imported VALUES ('discourse:x', 'topic', '9001', 7, NULL), ('discourse:x', 'post', '9002', 14, NULL),
             ('mediawiki:y', 'revision', '77', 1000, NULL), ('mediawiki:y', 'page', '78', 1, NULL);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
         INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, html)
         SELECT i, 1, iif(i = 1, 'Home', 'Page \"' || i || '\"'), i, i, i,
                '<p>Hello <a class=\"wikilink\" href=\"/wiki/Nowhere\">x</a></p>' FROM n;
         INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, html)
         VALUES (301, 2, 'Things', 301, 1, 1, '');
         INSERT INTO pages (id, namespace_id, title, revision_id, created_at, updated_at, redirect_to, html)
         VALUES (302, 1, 'Old home', 302, 1, 1, 'Home', '');
         INSERT INTO revisions (id, page_id, author_id, author_name, created_at, comment, size, format, source)
         SELECT id, id, iif(id % 2, 1, NULL), '<i>10.0.0.1', id, '<script>', 5, 'markdown', 'Hello' FROM pages;
         INSERT INTO revisions (id, page_id, parent_id, author_id, created_at, size, format, source)
         VALUES (1000, 1, 1, 2, 5000, 9, 'markdown', 'Hello <script>');
         UPDATE pages SET revision_id = 1000 WHERE id = 1;
         INSERT INTO page_links VALUES (1, 1, 'Nowhere');
         INSERT INTO page_categories SELECT 'Things', title, id FROM pages WHERE id <= 250;
         INSERT INTO pages_fts (rowid, title, body) SELECT id, title, 'hello' FROM pages;
         INSERT INTO api_tokens (user_id, token_hash, name, created_at) VALUES (2, zeroblob(32), 'x', 1);
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
         INSERT INTO api_tokens (user_id, token_hash, name, created_at) SELECT 3, randomblob(32), 'y', i FROM n;
         UPDATE posts SET like_count = 1, reply_count = 1 WHERE topic_id = 1;
         UPDATE topics SET view_count = 1;
         UPDATE categories SET topic_count = 1, post_count = 1;
         UPDATE users SET post_count = 1, edit_count = 1;
         UPDATE revisions SET size = 1 WHERE id = 1000;
         ANALYZE;",
    )
    .unwrap();
    db
}

#[test]
fn every_question_is_answered_by_an_index() {
    let db = community();
    let mut asked = 0;
    let mut faults = Vec::new();
    for (name, sql) in ALL.iter().copied().flatten() {
        if sql.len() > veritable_shm::STATEMENT_TEXT_BYTES {
            faults.push(format!("{name}: too long to be kept and explained, {} bytes", sql.len()));
        }
        let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let count = statement.parameter_count();
        let plan: Vec<String> = statement
            .query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        for step in &plan {
            let bad = step.starts_with("SCAN") || step.contains("TEMP B-TREE");
            let excused = ALLOWED.iter().any(|(query, part, _)| query == name && step.starts_with(part));
            if bad && !excused {
                faults.push(format!("{name}: {plan:?}"));
            }
        }
        asked += 1;
    }
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(asked >= 30, "only {asked} questions are listed");
}

#[test]
fn a_token_speaks_for_its_account() {
    let db = community();
    let now = veritable_domain::time::UnixMillis(1);
    let (actor, ..) = super::accounts::by_token(&db, &[0; 32], now).unwrap().unwrap();
    assert_eq!(actor.user.unwrap().0, 2);
    assert_eq!(super::accounts::by_token(&db, &[1; 32], now).unwrap(), None);
}
