//! Pictures: kept in files before their rows, by their hash, within bounds, and gone when nobody wants them.

use std::fs;
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use veritable_domain::ids::UserId;
use veritable_domain::permission::Denial;
use veritable_domain::upload::{MAX_STORED_BYTES, Media, Upload, UploadHash, stored_at};
use veritable_writer_api::blocking::Client;
use veritable_writer_api::message::{By, Command, Outcome, Refusal, Uploads};

use super::harness::{Community, NOBODY, Writer, column, number, refusal};

fn upload(content: &[u8]) -> Upload {
    Upload { hash: UploadHash(Sha256::digest(content).into()), media: Media::Png, width: 2, height: 3 }
}

fn store(by: UserId, content: &[u8], most: u64) -> Command {
    let (upload, name) = (upload(content), "cat.png".to_owned());
    Command::uploads(By::user(by), Uploads::StorePicture { upload, name, most, content: content.to_vec() })
}

fn remove(by: UserId, content: &[u8], of: Option<UserId>) -> Command {
    Command::uploads(By::user(by), Uploads::RemovePicture { hash: upload(content).hash, of })
}

fn done(client: &mut Client, command: Command) {
    assert_eq!(client.call(command).unwrap(), Outcome::Done);
}

fn file(writer: &Writer, content: &[u8]) -> PathBuf {
    writer.config.uploads_dir().join(stored_at(upload(content).hash, Media::Png))
}

const PLENTY: u64 = 1_000_000;

#[test]
fn a_picture_is_a_file_by_its_hash_and_a_row_for_each_who_uploaded_it() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    done(client, store(here.member, b"a cat", PLENTY));
    done(client, store(here.member, b"a cat", PLENTY));
    done(client, store(here.other, b"a cat", PLENTY));
    assert_eq!(fs::read(file(&writer, b"a cat")).unwrap(), b"a cat");
    let db = writer.forums();
    let rows =
        "SELECT user_id || ' ' || name || ' ' || media || ' ' || bytes || ' ' || width || 'x' || height
                FROM uploads ORDER BY user_id";
    let row = |user: UserId| format!("{user} cat.png image/png 5 2x3");
    assert_eq!(column::<String>(&db, rows), [row(here.member), row(here.other)]);
    assert!(fs::read_dir(writer.config.uploads_dir().join("new")).unwrap().next().is_none());
    // The file stays for as long as anybody has it.
    done(client, remove(here.member, b"a cat", Some(here.member)));
    assert!(file(&writer, b"a cat").exists());
    for of in [Some(here.other), None] {
        assert_eq!(refusal(client, remove(here.member, b"a cat", of)), Refusal::Denied(Denial::Role));
    }
    done(client, store(here.member, b"a cat", PLENTY));
    done(client, remove(here.moderator, b"a cat", None));
    assert!(!file(&writer, b"a cat").exists());
    assert_eq!(
        column::<String>(&db, "SELECT deed || ' ' || object FROM audit WHERE deed LIKE 'upload.%'"),
        [here.member, here.other].map(|user| format!("upload.remove user:{user}"))
    );
    let gone = refusal(client, remove(here.member, b"a cat", Some(here.member)));
    assert_eq!(gone, Refusal::NotFound { what: "picture".into() });
}

#[test]
fn what_is_no_picture_of_ones_own_is_refused_without_a_row() {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let by_guest = refusal(client, store(NOBODY, b"a cat", PLENTY));
    assert_eq!(by_guest, Refusal::Denied(Denial::LoginRequired));
    let mut lie = store(here.member, b"a cat", PLENTY);
    if let Command::Uploads(_, change) = &mut lie
        && let Uploads::StorePicture { content, .. } = change.as_mut()
    {
        *content = b"a dog".to_vec();
    }
    for wrong in
        [lie, store(here.member, b"", PLENTY), store(here.member, &vec![0; MAX_STORED_BYTES + 1], PLENTY)]
    {
        let said = refusal(client, wrong);
        assert!(matches!(said, Refusal::Malformed { .. }), "{said:?}");
    }
    done(client, store(here.member, &[1; 600], 1_000));
    assert_eq!(refusal(client, store(here.member, &[2; 600], 1_000)), Refusal::NoRoom { most: 1_000 });
    done(client, store(here.other, &[2; 600], 1_000));
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM uploads"), 2);
}

#[test]
fn what_a_writer_left_unfinished_goes_when_the_next_one_starts_and_the_rest_stays() {
    let mut writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    done(client, store(here.member, b"a cat", PLENTY));
    let unfinished = writer.config.uploads_dir().join("new/half");
    fs::write(&unfinished, b"half a").unwrap();
    writer.drain();
    writer.boot().unwrap();
    assert!(!unfinished.exists() && file(&writer, b"a cat").exists());
    // A folder that cannot be written refuses by name, and is not noted.
    fs::remove_dir_all(writer.config.uploads_dir()).unwrap();
    fs::write(writer.config.uploads_dir(), b"in the way").unwrap();
    let said = refusal(&mut writer.client(), store(here.member, b"a dog", PLENTY));
    assert!(matches!(said, Refusal::Storage { .. }), "{said:?}");
    assert_eq!(number(&writer.forums(), "SELECT count(*) FROM uploads"), 1);
}
