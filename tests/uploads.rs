//! Pictures are uploaded by a page and by the API, made anew, and served as nothing but pictures; and what is no
//! picture, or comes from who may not, leaves nothing behind.

use std::io::Cursor;
use std::path::Path;

use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use rusqlite::Connection as Database;
use serde_json::json;

use super::accounts::member;
use super::harness::browser::{Browser, form_in};
use super::harness::http::Reply;
use super::harness::routes::BOUNDARY;
use super::harness::server::{Server, run};
use super::harness::wait_for;
use super::wiki_writing::{column, saved, see, start, token_with};

fn picture(format: ImageFormat, shade: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let drawn = RgbImage::from_fn(60, 40, |x, _| Rgb([shade, x as u8, 99]));
    DynamicImage::from(drawn).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A form in parts, in their order: name, file name, bytes.
fn parts(fields: &[(&str, Option<&str>, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, bytes) in fields {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"").bytes());
        if let Some(file) = file {
            body.extend(format!("; filename=\"{file}\"\r\nContent-Type: image/png").bytes());
        }
        body.extend(b"\r\n\r\n");
        body.extend(*bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

fn multipart() -> String {
    format!("Content-Type: multipart/form-data; boundary={BOUNDARY}")
}

/// Uploads by the page, as its form does.
fn upload(browser: &mut Browser, name: &str, file: &[u8]) -> Reply {
    let form = browser.form("/uploads", "/uploads");
    let body = parts(&[("csrf", None, form.get("csrf").unwrap().as_bytes()), ("file", Some(name), file)]);
    browser.send("POST", "/uploads", &["Origin: http://test", &multipart()], &body)
}

fn send(server: &Server, token: &str, kind: &str, body: &[u8]) -> Reply {
    let (bearer, kind) = (format!("Authorization: Bearer {token}"), format!("Content-Type: {kind}"));
    server.connect().send("POST", "/api/uploads", &[&bearer, &kind], body).unwrap()
}

/// Files below the folder of uploads.
fn files(data_dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut dirs = vec![data_dir.join("uploads")];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    found
}

/// The addresses of the pictures on a page.
fn addresses(page: &str) -> Vec<String> {
    let of = page.split("<img ").skip(1);
    of.filter_map(|tag| Some(tag.split_once("src=\"")?.1.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn a_picture_is_uploaded_shown_in_a_text_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    see(&mia.get("/uploads"), &["You have uploaded none yet", "enctype=\"multipart/form-data\""]);
    let sent = upload(&mut mia, "C:\\pictures\\my [best] bike.png", &picture(ImageFormat::Png, 10));
    assert_eq!(
        (sent.status, sent.header("location")),
        (303, Some("/uploads?done=stored")),
        "{}",
        sent.text()
    );
    let page = mia.get("/uploads?done=stored");
    let address = addresses(page.text()).remove(0);
    see(&page, &["my [best] bike.png", "60 × 40", &format!("![my best bike.png]({address})")]);
    let mut otto = member(&server, "otto");
    see(&otto.get("/uploads"), &["You have uploaded none yet"]);

    let shown = server.get(&address);
    assert_eq!((shown.status, shown.header("content-type")), (200, Some("image/png")));
    assert_eq!(shown.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(shown.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(
        shown.header("content-security-policy"),
        Some("default-src 'none'; sandbox; frame-ancestors 'none'")
    );
    assert!(shown.header("content-disposition").unwrap().starts_with("inline; filename=\""));
    assert_eq!(image::load_from_memory(&shown.body).unwrap().to_rgb8().get_pixel(30, 5), &Rgb([10, 30, 99]));
    let etag = format!("If-None-Match: {}", shown.header("etag").unwrap());
    let again = server.connect().send("GET", &address, &[&etag], b"").unwrap();
    assert_eq!((again.status, again.body.len()), (304, 0));
    let head = server.connect().send("HEAD", &address, &[], b"").unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, shown.header("content-length")));

    saved(&mut mia, "Bikes", &format!("![My bike]({address})"));
    see(&server.get("/wiki/Bikes"), &[&format!("src=\"{address}\""), "alt=\"My bike\""]);
    assert_eq!(upload(&mut otto, "same.png", &picture(ImageFormat::Png, 10)).status, 303);
    assert_eq!(files(dir.path()).len(), 1, "the same picture is one file");
    for (browser, left) in [(&mut mia, 200), (&mut otto, 404)] {
        let form = browser.form("/uploads", "/uploads/remove");
        assert_eq!(browser.submit(&form).header("location"), Some("/uploads?done=removed"));
        assert_eq!(server.get(&address).status, left, "it stays for as long as anybody has it");
    }
    assert_eq!(files(dir.path()).len(), 0);
}

#[test]
fn programs_upload_within_their_scopes_and_remove() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    drop(member(&server, "mia"));
    let (writes, reads, admin) =
        (token_with(&server, "mia", 3), token_with(&server, "mia", 1), server.token());
    let jpeg = picture(ImageFormat::Jpeg, 200);
    let made = send(&server, &writes, "image/jpeg", &jpeg);
    assert_eq!(made.status, 201, "{}", made.text());
    let said = made.json();
    assert_eq!(
        (said["media"].as_str(), said["width"].as_i64(), said["height"].as_i64()),
        (Some("image/jpeg"), Some(60), Some(40))
    );
    let path = said["path"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), Some(path.as_str()));
    assert_eq!(said["markdown"].as_str().unwrap(), format!("![picture]({path})"));
    assert_eq!(server.get(&path).header("content-type"), Some("image/jpeg"));
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    let named =
        send(&server, &writes, &kind, &parts(&[("file", Some("a.webp"), &picture(ImageFormat::WebP, 3))]));
    assert_eq!((named.status, named.json()["name"].as_str()), (201, Some("a.webp")), "{}", named.text());
    let again = send(&server, &writes, "image/jpeg", &jpeg);
    assert_eq!((again.status, again.json()["path"].as_str()), (201, Some(path.as_str())));
    assert_eq!(send(&server, &reads, "image/jpeg", &jpeg).status, 403);
    assert_eq!(send(&server, "vt_nobody", "image/jpeg", &jpeg).status, 401);
    assert_eq!(send(&server, &writes, "application/json", b"{}").status, 415);
    assert_eq!(
        server.connect().send("POST", "/api/uploads", &["Content-Type: image/png"], &jpeg).unwrap().status,
        401
    );

    let name = path.rsplit('/').next().unwrap();
    let remove = |token: &str| server.change(token, "DELETE", &format!("/api/uploads/{name}"), &json!({}));
    drop(member(&server, "otto"));
    assert_eq!(remove(&token_with(&server, "otto", 3)).status, 403, "a token that does not moderate");
    assert_eq!(
        remove(&token_with(&server, "otto", 7)).status,
        404,
        "who may not is not told that there is one"
    );
    assert_eq!(remove(&reads).status, 403);
    assert_eq!(remove(&admin).status, 200, "a moderator");
    assert_eq!(server.get(&path).status, 404);
    assert_eq!(column(&server, "SELECT deed FROM audit WHERE deed LIKE 'upload%'"), ["upload.remove"]);
    assert_eq!(remove(&writes).status, 403, "it is not there any more, and this token moderates nothing");
}

#[test]
fn uploads_come_from_our_page_and_from_who_may() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    let token = mia.form("/uploads", "/uploads").get("csrf").unwrap().to_owned();
    let (png, kind) = (picture(ImageFormat::Png, 1), multipart());
    let own = "Origin: http://test";
    let ours = parts(&[("csrf", None, token.as_bytes()), ("file", Some("a.png"), &png)]);
    for foreign in ["Origin: https://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site"] {
        assert_eq!(mia.send("POST", "/uploads", &[foreign, &kind], &ours).status, 403, "{foreign}");
        assert_eq!(mia.send("POST", "/api/uploads", &[foreign, &kind], &ours).status, 403, "{foreign}");
    }
    for (what, body) in [
        ("no secret", parts(&[("file", Some("a.png"), &png)])),
        ("a wrong secret", parts(&[("csrf", None, b"AAAA"), ("file", Some("a.png"), &png)])),
        (
            "the secret behind the file",
            parts(&[("file", Some("a.png"), &png), ("csrf", None, token.as_bytes())]),
        ),
        ("nothing", parts(&[])),
    ] {
        assert_eq!(mia.send("POST", "/uploads", &[own, &kind], &body).status, 403, "{what}");
    }
    assert_eq!(
        mia.send("POST", "/api/uploads", &[own, &kind], &ours).status,
        403,
        "a session needs the header"
    );
    let header = format!("X-CSRF-Token: {token}");
    assert_eq!(
        mia.send("POST", "/api/uploads", &[own, &kind, &header], &ours).status,
        201,
        "as scripts of ours send it"
    );
    let mut guest = Browser::new(&server);
    assert_eq!(guest.send("POST", "/uploads", &[own, &kind], &ours).status, 401);
    assert_eq!(guest.send("GET", "/uploads", &[], b"").status, 303);
    let bearer = format!("Authorization: Bearer {}", token_with(&server, "mia", 31));
    assert_eq!(
        guest.send("POST", "/uploads", &[own, &kind, &bearer], &ours).status,
        403,
        "no token is for forms"
    );
    let cut = &ours[..ours.len() - 30];
    assert_eq!(mia.send("POST", "/uploads", &[own, &kind], cut).status, 400);
    let plain = "Content-Type: multipart/form-data";
    assert_eq!(mia.send("POST", "/uploads", &[own, plain], &ours).status, 400);
    assert_eq!(mia.send("POST", "/uploads", &[own, "Content-Type: image/png"], &png).status, 415);
    let secret = ("csrf", None, token.as_bytes());
    let crowd = [&[secret][..], &[("more", None, &b"x"[..]); 20]].concat();
    assert_eq!(mia.send("POST", "/uploads", &[own, &kind], &parts(&crowd)).status, 400);
    let long = vec![b'x'; 10_000];
    assert_eq!(
        mia.send("POST", "/uploads", &[own, &kind], &parts(&[secret, ("more", None, &long)])).status,
        413
    );
    assert_eq!(files(dir.path()).len(), 1);
}

#[test]
fn what_is_no_picture_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let mut mia = member(&server, "mia");
    let png = picture(ImageFormat::Png, 7);
    let huge = {
        // Eight bytes of sizes: the picture says that it has a hundred thousand pixels each way.
        let mut huge = png.clone();
        huge[16..24].copy_from_slice(&[0, 1, 0x86, 0xa0, 0, 1, 0x86, 0xa0]);
        let mut crc = flate2::Crc::new();
        crc.update(&huge[12..29]);
        huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
        huge
    };
    let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>".to_vec();
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("a.svg", svg.clone(), "not a picture in PNG, JPEG, GIF or WebP"),
        ("a.png", svg, "not a picture in PNG, JPEG, GIF or WebP"),
        ("a.png", b"<!DOCTYPE html><script>alert(1)</script>".to_vec(), "not a picture"),
        ("a.png", png[..png.len() / 2].to_vec(), "damaged"),
        ("a.gif", b"GIF89a\x01\0\x01\0\0\0\0/*<script>*/=1;".to_vec(), "damaged"),
        ("a.png", huge, "too large"),
        ("", Vec::new(), "Choose a picture"),
    ];
    for (name, file, said) in &cases {
        let refused = upload(&mut mia, name, file);
        assert_eq!(refused.status, 422, "{name} {said}: {}", refused.text());
        see(&refused, &["id=\"file-fault\"", said]);
        assert!(form_in(refused.text(), "/uploads").is_some(), "the form comes back");
    }
    let token = token_with(&server, "mia", 3);
    assert_eq!(send(&server, &token, "image/png", b"<svg/>").status, 415);
    assert_eq!(send(&server, &token, "image/png", &png[..60]).status, 400);
    let long = vec![0; 6 * 1024 * 1024];
    assert_eq!(send(&server, &token, "image/png", &long).status, 413);
    assert_eq!(upload(&mut mia, "long.png", &long).status, 413);
    assert_eq!(files(dir.path()).len(), 0);
    assert!(column(&server, "SELECT name FROM uploads").is_empty());

    // A picture that is a page as well, and says where it was taken, is a picture afterwards.
    let mut both = png.clone();
    both.extend(b"<script>alert(1)</script>");
    assert_eq!(upload(&mut mia, "both.html", &both).status, 303);
    let mut jpeg = picture(ImageFormat::Jpeg, 9);
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0 at home";
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    jpeg.splice(2..2, [&[0xff, 0xe1][..], &length, exif].concat());
    assert_eq!(upload(&mut mia, "home.jpg", &jpeg).status, 303);
    let page = mia.get("/uploads");
    let shown: Vec<Reply> = addresses(page.text()).iter().map(|address| server.get(address)).collect();
    assert_eq!(shown.len(), 2);
    for reply in &shown {
        for gone in [&b"<script"[..], b"Exif", b"at home"] {
            assert!(!reply.body.windows(gone.len()).any(|window| window == gone));
        }
    }
    see(&page, &["40 × 60"]);
}

#[test]
fn no_address_leads_anywhere_but_to_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let token = token_with(&server, "admin", 3);
    let path = send(&server, &token, "image/png", &picture(ImageFormat::Png, 1)).json()["path"]
        .as_str()
        .unwrap()
        .to_owned();
    let name = path.rsplit('/').next().unwrap();
    let hash = name.split('.').next().unwrap();
    std::fs::write(dir.path().join("uploads").join(format!("{}.png", "a".repeat(64))), b"planted").unwrap();
    for wrong in [
        "/uploads/../forums.db".to_owned(),
        "/uploads/..%2fforums.db".into(),
        "/uploads/%2e%2e/forums.db".into(),
        "/uploads//etc/passwd".into(),
        "/uploads/....//forums.db".into(),
        format!("/uploads/{}/{}.png", &hash[..2], &hash[2..]),
        format!("/uploads/{}", hash),
        format!("/uploads/{hash}.jpg"),
        format!("/uploads/{hash}.svg"),
        format!("/uploads/{hash}.png%00.jpg"),
        format!("/uploads/{hash}.png/x"),
        format!("/uploads/{}.png", hash.to_uppercase()),
        format!("/uploads/{}.png", "a".repeat(64)),
        format!("/uploads/{}.png", "a".repeat(5_000)),
        "/uploads/new".into(),
        "/uploads/".into(),
    ] {
        let reply = server.get(&wrong);
        assert_eq!(reply.status, 404, "{wrong}");
        assert!(!reply.body.windows(6).any(|window| window == b"SQLite"), "{wrong}");
    }
    assert_eq!(server.get(&path).status, 200);
}

#[test]
fn pictures_are_in_backups_and_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let mut server = start(&data);
    let token = token_with(&server, "admin", 3);
    let keep = |server: &Server, shade| {
        send(server, &token, "image/png", &picture(ImageFormat::Png, shade)).json()["path"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (first, second) = (keep(&server, 1), keep(&server, 2));
    let out = server.command("backup", &[backup.to_str().unwrap(), "--json"]);
    let manifest: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(manifest["uploads"]["files"], 2, "{manifest}");
    let later = keep(&server, 3);
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let restore =
        |into: &Path| run(&["restore", backup.to_str().unwrap(), "--data-dir", into.to_str().unwrap()]);
    for _ in 0..2 {
        let out = restore(&data);
        assert!(out.status.success(), "{out:?}");
    }
    let server = start(&data);
    for (path, status) in [(&first, 200), (&second, 200), (&later, 404)] {
        assert_eq!(server.get(path).status, status, "{path}");
    }
    drop(server);
    let elsewhere = dir.path().join("elsewhere");
    assert!(restore(&elsewhere).status.success());
    assert_eq!(files(&elsewhere).len(), 2);
    // One that is not what its name says is found before anything is touched.
    let file =
        files(&backup).into_iter().find(|path| path.extension().is_some_and(|end| end == "png")).unwrap();
    std::fs::write(&file, b"something else").unwrap();
    let refused = restore(&elsewhere);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("damaged"), "{refused:?}");
    assert_eq!(files(&elsewhere).len(), 2);
    std::fs::remove_file(&file).unwrap();
    let refused = restore(&elsewhere);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the manifest says 2"), "{refused:?}");
}

#[test]
fn a_removal_that_is_refused_leaves_the_picture_and_a_refused_picture_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path());
    let token = token_with(&server, "admin", 3);
    let png = |shade| picture(ImageFormat::Png, shade);
    let kept = send(&server, &token, "image/png", &png(1)).json()["path"].as_str().unwrap().to_owned();
    let change = |sql: &str| {
        let db = Database::open(dir.path().join("forums.db")).unwrap();
        db.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        db.execute_batch(sql).unwrap();
    };
    // What every command leaves, after all it does.
    change("CREATE TRIGGER planted BEFORE INSERT ON done_commands BEGIN SELECT RAISE(ABORT, 'planted'); END");
    let name = kept.rsplit('/').next().unwrap();
    let remove = || server.change(&token, "DELETE", &format!("/api/uploads/{name}"), &json!({})).status;
    assert_eq!(remove(), 503);
    assert_eq!(server.get(&kept).status, 200, "it is still there");
    assert_eq!(send(&server, &token, "image/png", &png(2)).status, 503);
    wait_for("the refused picture to go", || (files(dir.path()).len() == 1).then_some(()));
    change("DROP TRIGGER planted");
    assert_eq!(send(&server, &token, "image/png", &png(2)).status, 201);
    assert_eq!(remove(), 200);
    wait_for("the removed picture to go", || (files(dir.path()).len() == 1).then_some(()));
}

#[test]
fn a_backup_has_every_picture_that_can_be_had_and_names_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (data, backup) = (dir.path().join("data"), dir.path().join("backup"));
    let server = start(&data);
    let token = token_with(&server, "admin", 3);
    let keep = |shade| {
        send(&server, &token, "image/png", &picture(ImageFormat::Png, shade)).json()["path"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (good, rotten, missing) = (keep(1), keep(2), keep(3));
    let file = |address: &str| {
        let name = address.rsplit('/').next().unwrap();
        data.join("uploads").join(&name[..2]).join(&name[2..])
    };
    let mut bytes = std::fs::read(file(&rotten)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(file(&rotten), bytes).unwrap();
    std::fs::remove_file(file(&missing)).unwrap();
    let out = server.command("backup", &[backup.to_str().unwrap(), "--json"]);
    assert_eq!(out.status.code(), Some(3), "{out:?}");
    let manifest: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(manifest["uploads"]["files"], 1, "{manifest}");
    let mut lost: Vec<_> =
        manifest["lost"].as_array().unwrap().iter().map(|lost| lost["file"].clone()).collect();
    lost.sort_by_key(ToString::to_string);
    let mut expected: Vec<_> = [&rotten, &missing].map(|address| json!(file(address))).into();
    expected.sort_by_key(ToString::to_string);
    assert_eq!(lost, expected);
    let elsewhere = dir.path().join("elsewhere");
    let restored = run(&["restore", backup.to_str().unwrap(), "--data-dir", elsewhere.to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");
    assert!(String::from_utf8_lossy(&restored.stdout).contains("lacks a picture"), "{restored:?}");
    // The same picture once more mends it.
    let again = send(&server, &token, "image/png", &picture(ImageFormat::Png, 2));
    assert_eq!(again.status, 201, "{}", again.text());
    assert_eq!(server.get(&good).status, 200);
    let out = server.command("backup", &[dir.path().join("next").to_str().unwrap(), "--json"]);
    let manifest: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(manifest["lost"].as_array().unwrap().len(), 1, "{manifest}");
}
