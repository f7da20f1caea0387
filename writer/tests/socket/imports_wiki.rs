//! Imports of wiki content: histories in parts, titles that are taken, edits made here that stay.

use veritable_domain::content::Format;
use veritable_domain::ids::RevisionId;
use veritable_domain::text::Source;
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::PageTitle;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{
    Command, Import, ImportNamespace, ImportPage, ImportRevision, ImportTally, Refusal,
};

use super::counters::assert_counts;
use super::harness::{Community, Writer, column, comment, content, import, number, refusal, rendered};
use super::imports::{SOURCE, import_user, users};
use super::search::{assert_in_step, pages_with};
use super::wiki::{edit, save};

fn revision(number: i64, text: &str) -> ImportRevision {
    ImportRevision {
        foreign_id: format!("r{number}"),
        author: (number % 2 == 1).then(|| "u1".into()),
        author_name: if number % 2 == 1 { String::new() } else { "192.0.2.7".into() },
        created_at: UnixMillis(1_000 * number),
        comment: comment("then"),
        minor: false,
        format: Format::Wikitext,
        source: Source::allowing_blank(text).unwrap(),
    }
}

fn page(title: &str, revisions: Vec<ImportRevision>, shown: Option<&str>) -> ImportPage {
    ImportPage {
        foreign_id: "77".into(),
        namespace: String::new(),
        title: PageTitle::new(title, true).unwrap(),
        revisions,
        rendered: shown.map(rendered),
    }
}

fn send(client: &mut Client, page: &ImportPage) -> ImportTally {
    import(client, Import::Page { source: SOURCE.into(), page: page.clone() })
}

#[test]
fn a_history_in_two_parts_shows_its_newest_revision() {
    let writer = Writer::start();
    let client = &mut writer.client();
    import(client, users(vec![import_user("u1", "Uma")]));
    let old = page("Long", vec![revision(1, "one"), revision(2, "two")], None);
    let new = page("Long", vec![revision(3, "three narwhals")], Some("three narwhals"));
    assert_eq!(send(client, &old).added, 3);
    let db = writer.forums();
    assert_eq!(number(&db, "SELECT count(*) FROM pages JOIN revisions ON revisions.id = revision_id"), 1);
    assert_eq!(send(client, &new).added, 1);
    let shown =
        "SELECT source || '|' || html || '|' || updated_at FROM pages JOIN revisions ON revisions.id =
                 revision_id";
    assert_eq!(column::<String>(&db, shown), ["three narwhals|<p>three narwhals</p>|3000"]);
    assert_eq!(
        column::<Option<i64>>(&db, "SELECT parent_id FROM revisions ORDER BY id"),
        [None, Some(1), Some(2)]
    );
    assert_eq!(column::<String>(&db, "SELECT author_name FROM revisions ORDER BY id"), ["", "192.0.2.7", ""]);
    assert_eq!(number(&db, "SELECT edit_count FROM users"), 2);
    assert_eq!(pages_with(&db, "narwhals"), [1]);
    let again = (send(client, &old), send(client, &new));
    assert_eq!((again.0.added, again.0.changed, again.1.added, again.1.changed), (0, 0, 0, 0));
    assert_counts(&db);
    assert_in_step(&db);
}

#[test]
fn a_taken_title_gets_its_source_and_a_note() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let me = Community::found(client).member;
    save(client, edit(me, "Home", None, content("ours")));
    import(client, users(vec![import_user("u1", "Uma")]));
    let theirs = page("Home", vec![revision(1, "theirs")], Some("theirs"));
    let tally = send(client, &theirs);
    assert_eq!(tally.notes.len(), 1, "{:?}", tally.notes);
    assert_eq!(send(client, &theirs).notes, Vec::<String>::new());
    let titles = column::<String>(&writer.forums(), "SELECT title FROM pages ORDER BY id");
    assert_eq!(titles, ["Home".to_owned(), format!("Home ({SOURCE})")]);
}

#[test]
fn an_edit_made_here_stays_and_the_history_still_grows() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let me = Community::found(client).member;
    import(client, users(vec![import_user("u1", "Uma")]));
    send(client, &page("Shared", vec![revision(1, "one")], Some("one")));
    let later = page("Shared", vec![revision(1, "one"), revision(2, "two")], Some("two"));
    assert_eq!(send(client, &later).notes, Vec::<String>::new());
    let db = writer.forums();
    let html = "SELECT html FROM pages";
    assert_eq!(column::<String>(&db, html), ["<p>two</p>"], "nobody edited here: the import is shown");
    let current = RevisionId(number(&db, "SELECT revision_id FROM pages"));
    save(client, edit(me, "Shared", Some(current), content("ours")));
    let revisions = vec![revision(1, "one"), revision(2, "two"), revision(3, "three")];
    let tally = send(client, &page("Shared", revisions, Some("three")));
    assert_eq!((tally.added, tally.notes.len()), (1, 1), "{tally:?}");
    assert_eq!(column::<String>(&db, html), ["<p>ours</p>"]);
    assert_eq!(number(&db, "SELECT count(*) FROM revisions"), 4);
    assert_in_step(&db);
}

#[test]
fn namespaces_are_one_by_name_whatever_the_case() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let named = |name: &str, number| ImportNamespace { name: name.into(), number, first_letter: true };
    let namespaces = vec![named("", 0), named("HELP", 12), named("Palīgs", 12)];
    let send = |client: &mut Client| import(client, Import::Namespaces { namespaces: namespaces.clone() });
    let tally = send(client);
    assert_eq!((tally.added, tally.changed, tally.unchanged), (1, 0, 2));
    assert_eq!(send(client).unchanged, 3);
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM namespaces WHERE number = 12"), 2);
}

#[test]
fn a_page_needs_a_namespace_and_a_revision() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let mut lost = page("Lost", vec![revision(2, "x")], Some("x"));
    lost.namespace = "Nowhere".into();
    let empty = page("Empty", Vec::new(), None);
    for page in [lost, empty] {
        let command = Command::Import(Box::new(Import::Page { source: SOURCE.into(), page }));
        assert!(matches!(refusal(client, command), Refusal::Malformed { .. }));
    }
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM pages"), 0);
}
