//! Search text and expressions against a real FTS5 table.

use rusqlite::Connection;
use veritable_domain::search::{Highlighter, index_text, match_expression};

struct Index(Connection);

impl Index {
    fn of(texts: &[&str]) -> Self {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE VIRTUAL TABLE t USING fts5(x, content='', tokenize='unicode61 remove_diacritics 2')",
        )
        .unwrap();
        for text in texts {
            db.execute("INSERT INTO t(x) VALUES (?1)", [index_text(text)]).unwrap();
        }
        Index(db)
    }

    fn ask(&self, query: &str) -> Vec<i64> {
        let Some(expression) = match_expression(query) else { return vec![] };
        let mut find = self.0.prepare_cached("SELECT rowid FROM t WHERE t MATCH ?1 ORDER BY rowid").unwrap();
        let rows = find.query_map([&expression], |row| row.get(0)).unwrap();
        rows.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{query:?} -> {expression}: {error}"))
    }
}

#[test]
fn words_are_found_in_any_script() {
    let index = Index::of(&[
        "Résumé of the work",
        "Параллельные миры",
        "全文検索エンジンを作る",
        "中文维基百科是自由的",
        "Latgalīšu volūda, Rēzekne, ūdiņs",
        "สวัสดีครับผม",
        "안녕하세요 세계",
    ]);
    for (query, rows) in [
        ("resume", vec![1]),
        ("WOR", vec![1]),
        ("параллел", vec![2]),
        ("МИРЫ", vec![2]),
        ("検索", vec![3]),
        ("エンジン", vec![3]),
        ("百科", vec![4]),
        ("维基百科", vec![4]),
        ("科百", vec![]),
        ("rezekne", vec![5]),
        ("voluda", vec![5]),
        ("udins", vec![5]),
        ("ครับ", vec![6]),
        ("하세", vec![7]),
        ("\"of the\"", vec![1]),
        ("\"the of\"", vec![]),
        ("resume -work", vec![]),
        ("-work", vec![]),
        ("自由 -检索", vec![4]),
    ] {
        assert_eq!(index.ask(query), rows, "{query}");
    }
}

#[test]
fn no_query_is_an_error() {
    let index = Index::of(&["plain words"]);
    let long = "a ".repeat(500_000);
    for query in [
        "\" OR * NEAR( col:",
        "x:y",
        "a AND",
        "NOT",
        "a OR b",
        "^a",
        "{a b}:c",
        "NEAR(a b, 2)",
        "a\0b",
        "\0",
        "\"",
        "\"\"",
        "-",
        "--a",
        "-\"a",
        "* *",
        "(",
        ")",
        "a + b",
        "a'b",
        "́",
        "ー",
        "🙂",
        "²",
        "ǅ",
        "\u{FFFF}",
        "ๆ",
        "่",
        &long,
    ] {
        index.ask(query);
    }
    assert_eq!(match_expression("  \"-\" !"), None);
    assert!(match_expression(&long).unwrap().len() < 2_000);
}

#[test]
fn what_matched_is_marked_in_escaped_text() {
    let highlight = |text: &str, query, max| Highlighter::new(query, max).show(&text.replace('<', "&lt;"));
    assert_eq!(highlight("The <b> Résumé", "resume", 100), "The &lt;b&gt; <mark>Résumé</mark>");
    assert_eq!(highlight("全文検索", "検索", 100), "全文<mark>検索</mark>");
    assert_eq!(highlight("no such thing", "zzz", 7), "no such…");
    assert_eq!(
        Highlighter::new("needle", 60).show("<p>A <b>nee</b>dle</p><p>x</p>"),
        "A <mark>needle</mark> x"
    );
    // Wherever it stands, also across the lengths at which a long text is looked at.
    for before in [0, 10, 500, 1_020, 1_021, 1_022, 1_023, 1_024, 4_090, 4_094, 4_096, 16_384, 60_000, 99_000]
    {
        let long = format!("{} needle {}", "x ".repeat(before), "y ".repeat(500));
        let shown = highlight(&long, "needle", 60);
        assert!(shown.contains("<mark>needle</mark> y y y y"), "{before}: {shown}");
        assert!(shown.chars().count() < 60 + "<mark></mark>……".len(), "{before}: {shown}");
    }
    let too_far = format!("{} needle", "x ".repeat(200_000));
    assert!(highlight(&too_far, "needle", 60).starts_with("x x x"));
}
