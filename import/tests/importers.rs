//! The importers on small files of our own, whole and broken, with a sink that keeps the commands.

#[path = "../../tests/harness/skip.rs"]
mod skip;

use std::io::Write;
use std::path::PathBuf;

use skip::real_data;
use veritable_domain::content::Format;
use veritable_domain::permission::Role;
use veritable_import::discourse::{self, DiscourseOptions};
use veritable_import::mediawiki::{self, MediawikiOptions};
use veritable_import::{Completion, ImportError, Recorder, Report, Silent, demo};
use veritable_writer_api::message::{Command, Import, ImportPage, ImportTopic, ImportUser};

const XML: &[u8] = include_bytes!("fixtures/small.xml");
const TOPICS: &[u8] = include_bytes!("fixtures/topics.jsonl");

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn wiki(bytes: &[u8]) -> (Result<Report, ImportError>, Vec<Import>) {
    let (_directory, path) = file("wiki.xml", bytes);
    let mut sink = Recorder::default();
    let result = mediawiki::run(&MediawikiOptions { path }, &mut sink, &mut Silent);
    (result, steps(sink))
}

fn forum(bytes: &[u8]) -> (Result<Report, ImportError>, Vec<Import>) {
    let (_directory, path) = file("forum.jsonl", bytes);
    let mut sink = Recorder::default();
    let options = DiscourseOptions { path, ..DiscourseOptions::default() };
    let result = discourse::run(&options, &mut sink, &mut Silent);
    (result, steps(sink))
}

fn steps(sink: Recorder) -> Vec<Import> {
    let step = |command| match command {
        Command::Import(step) => Some(*step),
        _ => None,
    };
    sink.commands.into_iter().filter_map(step).collect()
}

fn pages(steps: &[Import]) -> Vec<&ImportPage> {
    steps
        .iter()
        .filter_map(|step| if let Import::Page { page, .. } = step { Some(page) } else { None })
        .collect()
}

fn topics(steps: &[Import]) -> Vec<&ImportTopic> {
    steps
        .iter()
        .filter_map(|step| if let Import::Topic { topic, .. } = step { Some(topic) } else { None })
        .collect()
}

fn users(steps: &[Import]) -> Vec<&ImportUser> {
    steps
        .iter()
        .flat_map(|step| if let Import::Users { users, .. } = step { users.iter() } else { [].iter() })
        .collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn a_wiki_keeps_its_history_names_and_redirects() {
    let (report, steps) = wiki(XML);
    let report = report.unwrap();
    assert_eq!(
        (report.read.pages, report.read.revisions, report.read.redirects, report.read.users),
        (3, 4, 1, 1)
    );
    assert_eq!(report.source, "mediawiki:small");
    let pages = pages(&steps);
    let first = pages[0];
    assert_eq!(first.revisions[0].source.as_str(), "Old <b>text</b>");
    assert_eq!(first.revisions[0].author.as_deref(), Some("7"));
    assert_eq!(first.revisions[1].author_name, "192.0.2.1");
    assert!(first.revisions[1].minor && first.revisions[1].source.as_str().contains("&amp; ą"));
    let rendered = first.rendered.as_ref().unwrap();
    assert!(rendered.links.iter().any(|link| link.title == "Lysvė"), "{:?}", rendered.links);
    assert_eq!(rendered.categories[0].0, "Augalai");
    assert_eq!(pages[1].rendered.as_ref().unwrap().redirect.as_ref().unwrap().title, "Sodas");
    assert_eq!((pages[2].namespace.as_str(), pages[2].title.as_str()), ("Kategorija", "Augalai"));
    assert_eq!(pages[2].revisions[0].format, Format::Plain);
    assert_eq!(report.notes["text was deleted there"].count, 1);
    assert_eq!(report.losses["templates not expanded"].count, 1);
    assert!(matches!(steps.last(), Some(Import::Finish { .. })));
}

#[test]
fn a_forum_keeps_replies_times_and_likes_but_nothing_that_runs() {
    let (report, steps) = forum(TOPICS);
    let report = report.unwrap();
    assert_eq!((report.read.topics, report.read.posts, report.read.users), (2, 3, 3));
    assert_eq!(report.source, "discourse:forum");
    assert_eq!(report.completion(), Completion::Lossy);
    let topics = topics(&steps);
    assert!(topics[0].pinned && topics[1].locked);
    assert_eq!(topics[0].posts[0].like_count, 4);
    assert!(topics[0].posts[0].edited_at.is_some());
    assert_eq!(topics[0].posts[1].reply_to, Some(1));
    assert!(!topics[0].posts[1].content.rendered.html.contains("script"));
    assert_eq!(topics[1].author, "deleted");
    assert!(users(&steps).iter().all(|user| user.role == Role::Member));
    assert_eq!(report.losses["private message skipped"].count, 1);
    assert_eq!(report.notes["staff of the old forum became a member"].count, 1);
    assert!(report.notes.keys().any(|reason| reason.starts_with("category without a name")));
}

#[test]
fn a_posts_markdown_is_kept_and_its_html_shown() {
    let post = |more: &str| {
        format!(
            "{{\"id\":1,\"title\":\"T\",\"created_at\":\"2020-01-01T00:00:00Z\",\"posts\":[{{\"id\":1,\
             \"created_at\":\"2020-01-01T00:00:00Z\",\"post_number\":1{more}}}]}}\n"
        )
    };
    for (more, format, source, html) in [
        (r#","cooked":"<p>x</p>","raw":"*x*""#, Format::Markdown, "*x*", "<p>x</p>"),
        (r#","cooked":"<p>x</p>""#, Format::Html, "<p>x</p>", "<p>x</p>"),
        (r#","raw":"*x*""#, Format::Markdown, "*x*", "<p><em>x</em></p>\n"),
        (r#","cooked":"<p>x</p>","raw":" ""#, Format::Html, "<p>x</p>", "<p>x</p>"),
    ] {
        let (report, steps) = forum(post(more).as_bytes());
        report.unwrap();
        let content = &topics(&steps)[0].posts[0].content;
        assert_eq!((content.format, content.source.as_str()), (format, source), "{more}");
        assert_eq!(content.rendered.html, html, "{more}");
    }
}

#[test]
fn an_export_without_site_has_a_main_namespace() {
    let start = XML.windows(6).position(|part| part == b"<page>").unwrap();
    let (report, steps) = wiki(&[b"<mediawiki>".as_slice(), &XML[start..]].concat());
    let report = report.unwrap();
    assert!(matches!(&steps[0], Import::Namespaces { namespaces } if namespaces[0].number == 0));
    assert_eq!(report.read.pages, 3);
    assert_eq!(report.losses["unknown namespace; page is in the main one"].count, 1);
}

#[test]
fn revisions_newest_first_are_turned_around() {
    let swapped = String::from_utf8(XML.to_vec()).unwrap().replace("<id>10<", "<id>91<");
    let (report, steps) = wiki(swapped.as_bytes());
    assert_eq!(report.unwrap().notes["revisions put in order of their numbers"].count, 1);
    let pages = pages(&steps);
    assert_eq!(pages[0].revisions[1].foreign_id, "91");
    assert!(pages[0].rendered.as_ref().unwrap().html.contains("Old"));
}

#[test]
fn a_history_too_long_to_turn_around_is_refused_with_its_place() {
    let long = "word ".repeat(400_000);
    let revision = |id: u32| {
        format!(
            "<revision><id>{id}</id><timestamp>2020-01-01T00:00:00Z</timestamp>\
             <contributor><ip>192.0.2.1</ip></contributor><text>{long}</text></revision>"
        )
    };
    let page = |ids: [u32; 3]| {
        let revisions = ids.map(revision).concat();
        format!("<mediawiki><page><title>Long</title><ns>0</ns><id>1</id>{revisions}</page></mediawiki>")
    };
    let (report, steps) = wiki(page([1, 2, 3]).as_bytes());
    assert_eq!((report.unwrap().read.revisions, pages(&steps).len()), (3, 2));
    let error = wiki(page([3, 2, 1]).as_bytes()).0.unwrap_err().to_string();
    assert!(error.contains("byte ") && error.contains("\"Long\" come newest first"), "{error}");
}

#[test]
fn compressed_files_are_known_by_their_first_bytes() {
    let plain = wiki(XML).1;
    assert_eq!(wiki(&gzip(XML)).1, plain);
    let (one, two) = XML.split_at(700);
    let mut parts = Vec::new();
    for part in [one, two] {
        let mut encoder = bzip2::write::BzEncoder::new(&mut parts, bzip2::Compression::fast());
        encoder.write_all(part).unwrap();
        encoder.finish().unwrap();
    }
    assert_eq!(wiki(&parts).1, plain, "bzip2 in two streams");
}

#[test]
fn a_file_cut_anywhere_is_an_error_or_a_shorter_import() {
    let whole = pages(&wiki(XML).1).len();
    let zipped = gzip(XML);
    for length in (0..XML.len()).step_by(97) {
        let (result, steps) = wiki(&XML[..length]);
        assert!(matches!(result, Err(ImportError::Xml { .. })), "{length}: {result:?}");
        assert!(pages(&steps).len() <= whole);
        if length < zipped.len() {
            assert!(wiki(&zipped[..length]).0.is_err(), "gzip cut at {length}");
        }
    }
    for length in (0..TOPICS.len()).step_by(97) {
        if let Err(error) = forum(&TOPICS[..length]).0 {
            assert!(matches!(error, ImportError::Line { .. }), "{length}: {error}");
        }
    }
}

#[test]
fn faults_are_told_with_their_place() {
    let broken = [TOPICS, b"{\"id\":8}\n"].concat();
    let error = forum(&broken).0.unwrap_err().to_string();
    assert!(error.contains("line 5: missing field"), "{error}");
    let bomb = b"<!DOCTYPE m [<!ENTITY a \"aaaa\">]><mediawiki>&a;</mediawiki>";
    assert!(wiki(bomb).0.unwrap_err().to_string().contains("document types"));
    let error = wiki(b"<mediawiki><page><title>&a;</title></page></mediawiki>").0.unwrap_err().to_string();
    assert!(error.contains("in <mediawiki/page/title>: unknown entity &a;"), "{error}");
    assert!(wiki(b"<mediawiki><page><title>\xff</title></page></mediawiki>").0.is_err());
    assert!(wiki(&[b"<mediawiki a=\"".as_slice(), &vec![b'x'; 17 << 20]].concat()).0.is_err());
    assert!(wiki("<mediawiki>".repeat(99).as_bytes()).0.unwrap_err().to_string().contains("nested"));
    let mut bad_sum = gzip(XML);
    let at = bad_sum.len() - 6;
    bad_sum[at] ^= 1;
    assert!(wiki(&bad_sum).0.is_err());
}

#[test]
fn the_demonstration_is_the_same_each_time() {
    let mut first = Recorder::default();
    let accounts = demo::seed(&mut first).unwrap();
    assert!(accounts.api_token.unwrap().starts_with("vt_"));
    let mut second = Recorder::default();
    demo::seed(&mut second).unwrap();
    let (first, second) = (steps(first), steps(second));
    assert_eq!(first, second);
    let deepest = topics(&first).into_iter().map(|topic| {
        let mut depths = vec![0; topic.posts.len() + 1];
        for post in &topic.posts {
            depths[post.number as usize] = post.reply_to.map_or(1, |parent| depths[parent as usize] + 1);
        }
        depths.into_iter().max().unwrap_or(0)
    });
    assert!(deepest.max().unwrap() >= 30);
    assert!(topics(&first).len() >= 30 && pages(&first).len() >= 10);
    assert_eq!(users(&first).len(), 12);
    assert!(pages(&first).iter().all(|page| page.revisions.len() >= 3));
}

#[test]
fn real_communities_are_counted_whole() {
    if let Some(path) = real_data("real_communities_are_counted_whole", "discourse-urho3d") {
        let options = DiscourseOptions { path, ..DiscourseOptions::default() };
        let report = discourse::run(&options, &mut Counter, &mut Silent).unwrap();
        eprintln!("{report}");
        assert_eq!((report.read.topics, report.read.posts, report.read.users), (5_046, 36_990, 999));
    }
    let wikis = [
        ("markdown-rust-wiki/rust-wiki-history.export-0.11.xml.gz", 314, 4_435, None),
        ("mediawiki-smallwiki/smallwiki-latest-pages-articles.xml", 2_004, 2_004, Some(195)),
    ];
    for (name, pages, revisions, redirects) in wikis {
        let Some(path) = real_data("real_communities_are_counted_whole", name) else { continue };
        let report = mediawiki::run(&MediawikiOptions { path }, &mut Counter, &mut Silent).unwrap();
        eprintln!("{report}");
        assert_eq!((report.read.pages, report.read.revisions), (pages, revisions));
        assert!(redirects.is_none_or(|redirects| redirects == report.read.redirects), "{report}");
    }
}

/// Takes everything and keeps nothing, so that real data costs no memory.
struct Counter;

impl veritable_import::Sink for Counter {
    fn send(&mut self, _command: Command) -> Result<(), ImportError> {
        Ok(())
    }

    fn call(&mut self, _command: Command) -> Result<veritable_writer_api::message::Outcome, ImportError> {
        Ok(veritable_writer_api::message::Outcome::Done)
    }

    fn finish(&mut self) -> Result<veritable_writer_api::message::ImportTally, ImportError> {
        Ok(veritable_writer_api::message::ImportTally::default())
    }
}
