//! The drill: a community is backed up while people write to it, lost, and restored; and what is no backup, or comes
//! at the wrong time, touches nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection as Database;
use serde_json::json;

use super::harness::server::{Server, run, try_change, veritable};
use super::harness::wait_for;

/// Texts of the posts that were posted here, in their order.
fn posted(data_dir: &Path) -> Vec<String> {
    let db = Database::open(data_dir.join("forums.db")).unwrap();
    let sql = "SELECT r.source FROM posts p JOIN post_revisions r ON r.post_id = p.id
               WHERE r.source LIKE 'post %' ORDER BY p.number";
    let mut query = db.prepare(sql).unwrap();
    let texts = query.query_map([], |row| row.get(0)).unwrap();
    texts.collect::<Result<_, _>>().unwrap()
}

fn restore(backup: &Path, data_dir: &Path) -> std::process::Output {
    run(&["restore", backup.to_str().unwrap(), "--data-dir", data_dir.to_str().unwrap()])
}

fn restored(backup: &Path, data_dir: &Path) {
    let out = restore(backup, data_dir);
    assert!(out.status.success(), "{out:?}");
}

fn refused(backup: &Path, data_dir: &Path, code: i32, words: &[&str]) {
    let out = restore(backup, data_dir);
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(code), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
}

/// A stopped demonstration and a backup of it.
fn backed_up(dir: &Path) -> (PathBuf, PathBuf) {
    let (data, backup) = (dir.join("data"), dir.join("backup"));
    let mut server = Server::demo(&data);
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let out = server.command("backup", &[backup.to_str().unwrap()]);
    assert!(out.status.success(), "without a server too: {out:?}");
    (data, backup)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

#[test]
fn a_community_that_is_backed_up_while_people_write_comes_back_as_it_was_then() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let mut server = Server::demo(&data);
    let token = server.token();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let (stop, acknowledged) = (AtomicBool::new(false), Mutex::new(0_usize));
    let count = || *acknowledged.lock().unwrap();
    let before = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut connection = server.connect();
            while !stop.load(Ordering::Relaxed) {
                let mut count = acknowledged.lock().unwrap();
                let body = json!({ "body": format!("post {} {}", *count + 1, "of some length ".repeat(20)) });
                let path = format!("/api/topics/{topic}/posts");
                let reply = try_change(&mut connection, &token, None, "POST", &path, &body).unwrap();
                assert_eq!(reply.status, 201, "a backup must not get in the way: {}", reply.text());
                *count += 1;
            }
        });
        wait_for("some posts", || (count() >= 100).then_some(()));
        let before = count();
        let out = server.command("backup", &[backup.to_str().unwrap(), "--rate", "4", "--json"]);
        assert!(out.status.success(), "{out:?}");
        let manifest: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!(manifest["databases"].as_array().unwrap().len(), 2, "{manifest}");
        let after = count();
        wait_for("posts after it", || (count() >= after + 20).then_some(()));
        stop.store(true, Ordering::Relaxed);
        before
    });
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let all = posted(&data);
    assert_eq!(all.len(), count());

    // In a new place, and over what is there.
    let elsewhere = dir.path().join("elsewhere");
    restored(&backup, &elsewhere);
    restored(&backup, &data);
    let kept = posted(&data);
    assert!(kept.len() >= before && kept.len() < all.len(), "{before} <= {} < {}", kept.len(), all.len());
    assert_eq!(kept, all[..kept.len()], "all of one moment, none missing before it");
    assert_eq!(posted(&elsewhere), kept);
    let aside = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().path());
    let aside: Vec<PathBuf> =
        aside.filter(|path| path.to_string_lossy().contains("before-restore-")).collect();
    assert_eq!(aside.len(), 1);
    assert_eq!(posted(&aside[0]), all, "what was there is kept");

    for place in [&data, &elsewhere] {
        let server = Server::serve(place, &[]);
        let posts = server.get(&format!("/api/topics/{topic}")).json();
        assert_eq!(server.get("/wiki").status, 200);
        let reply = server.change(
            &token,
            "POST",
            &format!("/api/topics/{topic}/posts"),
            &json!({"body": "on it goes"}),
        );
        assert_eq!(reply.status, 201, "{posts}: {}", reply.text());
        refused(&backup, place, 1, &["in use by process"]);
    }
}

#[test]
fn nothing_is_overwritten_and_nothing_backed_up_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = backed_up(dir.path());
    let asked = |data: &Path, dest: &Path| {
        let out = run(&["backup", dest.to_str().unwrap(), "--data-dir", data.to_str().unwrap()]);
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = asked(&data, &backup);
    assert!(code == Some(2) && said.contains("is there already"), "{said}");
    let (code, said) = asked(&dir.path().join("nowhere"), &dir.path().join("new"));
    assert!(code == Some(2) && said.contains("forums.db is not there"), "{said}");
    let (code, said) = asked(&data, &dir.path().join("no/such/place"));
    assert!(code == Some(1) && said.contains("no/such/place.partial"), "{said}");
    // What is damaged is not backed up, and nothing is left that looks as if.
    let bytes = fs::read(data.join("forums.db")).unwrap();
    let mut damaged = bytes.clone();
    damaged[8_192 * 3..8_192 * 5].fill(0xA5);
    fs::write(data.join("forums.db"), damaged).unwrap();
    let (code, said) = asked(&data, &dir.path().join("new"));
    assert!(code == Some(1) && said.contains("forums.db"), "{said}");
    assert!(!dir.path().join("new").exists() && !dir.path().join("new.partial").exists());
}

/// Names of copies that a restore left.
fn copies_in(data: &Path) -> Vec<String> {
    let names = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".restoring")).collect()
}

#[test]
fn a_restore_without_space_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = backed_up(dir.path());
    let before = fs::read(data.join("forums.db")).unwrap();
    // No file may grow beyond 64 blocks: as on a full disk, a write fails amidst the copy.
    let script = r#"trap '' XFSZ; ulimit -f 64; exec "$0" restore "$1" --data-dir "$2""#;
    let out = std::process::Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_veritable")])
        .args([&backup, &data])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.code() == Some(1) && said.contains("forums.db.restoring"), "{said}");
    assert_eq!(copies_in(&data), [""; 0]);
    assert!(before == fs::read(data.join("forums.db")).unwrap() && !data.join("restoring.json").exists());
    restored(&backup, &data);
}

#[test]
fn two_backups_to_one_place_do_not_meet() {
    let dir = tempfile::tempdir().unwrap();
    let (data, _) = backed_up(dir.path());
    let db = Database::open(data.join("forums.db")).unwrap();
    db.execute("INSERT INTO facts (name, value) VALUES ('filler', hex(randomblob(2000000)))", []).unwrap();
    drop(db);
    let (dest, partial) = (dir.path().join("new"), dir.path().join("new.partial"));
    // What one that was killed has left is in nobody's way.
    fs::create_dir(&partial).unwrap();
    fs::write(partial.join("forums.db"), "half").unwrap();
    fs::create_dir_all(partial.join("uploads/ab")).unwrap();
    fs::write(partial.join("uploads/ab/cd.png"), "half").unwrap();
    let args = ["backup", dest.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let slow = [&args[..], &["--rate", "1"]].concat();
    let first = veritable().args(&slow).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let copied = || fs::metadata(partial.join("forums.db")).map_or(0, |file| file.len());
    wait_for("the first to begin", || (copied() > 100_000).then_some(()));
    let second = run(&args);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(second.status.code() == Some(2) && said.contains("another backup to"), "{said}");
    let first = first.wait_with_output().unwrap();
    assert!(first.status.success(), "{first:?}");
    assert!(!partial.exists());
    restored(&dest, &dir.path().join("elsewhere"));
}

#[test]
fn what_is_no_good_backup_is_named_and_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = backed_up(dir.path());
    let before = fs::read(data.join("forums.db")).unwrap();
    let damaged = |name: &str, damage: &dyn Fn(&Path)| {
        let copy = dir.path().join(name);
        copy_dir(&backup, &copy);
        damage(&copy);
        copy
    };
    let flipped = damaged("flipped", &|copy| {
        let mut bytes = fs::read(copy.join("forums.db")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(copy.join("forums.db"), bytes).unwrap();
    });
    refused(&flipped, &data, 1, &["flipped/forums.db", "hash"]);
    let short = damaged("short", &|copy| {
        fs::File::options().write(true).open(copy.join("notebooks.db")).unwrap().set_len(8_192).unwrap();
    });
    refused(&short, &data, 1, &["short/notebooks.db", "8192 bytes"]);
    let bare = damaged("bare", &|copy| fs::remove_file(copy.join("manifest.json")).unwrap());
    refused(&bare, &data, 1, &["bare/manifest.json", "is this a backup?"]);
    let half = damaged("half", &|copy| fs::remove_file(copy.join("notebooks.db")).unwrap());
    refused(&half, &data, 1, &["half/notebooks.db"]);
    let swapped = damaged("swapped", &|copy| {
        let text = fs::read_to_string(copy.join("manifest.json")).unwrap();
        fs::write(copy.join("manifest.json"), text.replace("notebooks.db", "others.db")).unwrap();
    });
    refused(&swapped, &data, 1, &["does not name notebooks.db"]);
    refused(&dir.path().join("nothing"), &data, 2, &["nothing", "no directory"]);
    assert!(before == fs::read(data.join("forums.db")).unwrap(), "nothing was touched");
    assert_eq!(copies_in(&data), [""; 0], "nothing is left");
    drop(Server::serve(&data, &[]));
}

#[test]
fn a_restore_that_was_broken_off_is_finished_by_the_next_and_nothing_starts_before() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = backed_up(dir.path());
    let old = fs::read(data.join("forums.db")).unwrap();
    let new = fs::read(backup.join("forums.db")).unwrap();
    // As it is after each step: the record written; one file aside; all aside; one copy in its place.
    for step in 0..4 {
        let place = dir.path().join(format!("step{step}"));
        copy_dir(&data, &place);
        let record = json!({"aside": "before-restore-then", "moved": step >= 2});
        fs::write(place.join("restoring.json"), record.to_string()).unwrap();
        let aside = place.join("before-restore-then");
        if step >= 1 {
            fs::create_dir(&aside).unwrap();
            fs::rename(place.join("forums.db"), aside.join("forums.db")).unwrap();
        }
        if step >= 2 {
            fs::rename(place.join("notebooks.db"), aside.join("notebooks.db")).unwrap();
        }
        if step >= 3 {
            fs::copy(backup.join("forums.db"), place.join("forums.db")).unwrap();
        }
        let out = run(&["serve", "--listen", "127.0.0.1:0", "--data-dir", place.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(1) && said.contains("run `veritable restore` again"), "{said}");
        restored(&backup, &place);
        assert!(fs::read(place.join("forums.db")).unwrap() == new, "step {step}");
        assert!(fs::read(aside.join("forums.db")).unwrap() == old, "step {step}");
        assert!(aside.join("notebooks.db").exists() && !place.join("restoring.json").exists());
        drop(Server::serve(&place, &[]));
    }
}
