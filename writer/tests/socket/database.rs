//! The files: how they are made, and which are refused and left alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rusqlite::Connection;
use veritable_writer::WriterError;
use veritable_writer::database::{Database, PAGE_BYTES};
use veritable_writer::migrate;

use super::harness::{Community, Writer, column, number, reply, topic};

fn refused(writer: &mut Writer) -> String {
    let error = writer.boot().expect_err("the writer must not start");
    assert!(!matches!(error, WriterError::Io { .. }), "{error}");
    error.to_string()
}

#[test]
fn new_files_have_their_settings_and_are_private() {
    let writer = Writer::start();
    let mode = fs::metadata(&writer.config.data_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for (database, version) in [(Database::Forums, 5), (Database::Notebooks, 2)] {
        let db = Connection::open(database.path(&writer.config)).unwrap();
        assert_eq!(number(&db, "PRAGMA page_size"), PAGE_BYTES.into());
        assert_eq!(number(&db, "PRAGMA auto_vacuum"), 2);
        assert_eq!(number(&db, "PRAGMA application_id"), database.application_id().into());
        assert_eq!(number(&db, "PRAGMA user_version"), version);
        assert_eq!(column::<String>(&db, "PRAGMA journal_mode"), ["wal"]);
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let mut writer = Writer::start();
    writer.drain();
    let mut db = Connection::open(writer.config.forums_db()).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    let error = refused(&mut writer);
    assert!(error.contains("version 99") && error.contains("forums.db"), "{error}");
    assert!(migrate::down(&mut db, Database::Forums, 0).is_err(), "nor is it taken down by half");
    assert_eq!(migrate::version(&db).unwrap(), 99);
}

#[test]
fn another_programs_database_is_refused_and_left_alone_to_the_byte() {
    let mut writer = Writer::prepare(None, |_| {});
    fs::create_dir(&writer.config.data_dir).unwrap();
    let path = writer.config.forums_db();
    Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)")
        .unwrap();
    let before = fs::read(&path).unwrap();
    let error = refused(&mut writer);
    assert!(error.contains("another program"), "{error}");
    assert!(fs::read(&path).unwrap() == before);
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    let mut writer = Writer::prepare(None, |_| {});
    fs::create_dir(&writer.config.data_dir).unwrap();
    fs::write(writer.config.forums_db(), vec![b'x'; 20_000]).unwrap();
    let error = refused(&mut writer);
    assert!(error.contains("forums.db") && error.contains("not a database"), "{error}");
}

#[test]
fn a_schema_with_content_goes_down_and_up() {
    let mut writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let (in_topic, first) = topic(client, here.member, here.category, "Gone soon");
    reply(client, here.other, in_topic, Some(first));
    writer.drain();
    let schema = "SELECT coalesce(sql, name) FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name";
    let mut db = Connection::open(writer.config.forums_db()).unwrap();
    db.pragma_update(None, "foreign_keys", true).unwrap();
    let before = column::<String>(&db, schema);
    migrate::down(&mut db, Database::Forums, 0).unwrap();
    assert_eq!(migrate::version(&db).unwrap(), 0);
    migrate::up(&mut db, Database::Forums).unwrap();
    assert_eq!(column::<String>(&db, schema), before);
    assert_eq!(number(&db, "SELECT count(*) FROM posts"), 0);
    drop(db);
    writer.boot().unwrap();
    Community::found(&mut writer.client());
}
