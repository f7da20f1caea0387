//! `veritable cache`: what it shows of the running server's cache, what it ends, and that nobody suffers from a
//! tool that is killed.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use veritable_config::Config;

use super::harness::http::Reply;
use super::harness::server::{Server, kill, run, veritable};
use super::harness::{PATIENCE, rounds, wait_for};
use super::reloads::Askers;

/// Addresses asked for after a kill: enough to fall, over all rounds, into a shard that a tool died with.
const SPREAD: usize = 20;

/// A demonstration with both workers up, so that nobody asks for pages but the test.
fn prepared() -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::demo(dir.path());
    wait_for("both workers", || (server.pids("worker").len() == 2).then_some(()));
    (dir, server)
}

fn cache(dir: &Path, args: &[&str]) -> Output {
    run(&[&["cache"], args, &["--data-dir", dir.to_str().unwrap()]].concat())
}

/// What it says when it succeeds.
fn said(dir: &Path, args: &[&str]) -> String {
    let out = cache(dir, args);
    assert!(out.status.success(), "{args:?}: {out:?}");
    String::from_utf8(out.stdout).unwrap()
}

fn json(dir: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&said(dir, &[args, &["--json"]].concat())).unwrap()
}

/// That it fails with this code and one line that has `part`.
fn refused(dir: &Path, args: &[&str], code: i32, part: &str) {
    let out = cache(dir, args);
    let line = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(code), "{args:?}: {line}");
    assert_eq!(line.trim_end().lines().count(), 1, "{args:?}: {line}");
    assert!(line.contains(part), "{args:?} said {line:?} without {part:?}");
}

fn figure(dir: &Path, name: &str) -> u64 {
    json(dir, &["stats"])[name].as_u64().unwrap_or_else(|| panic!("no figure {name}"))
}

/// A page, and whether it came from the cache.
fn asked(server: &Server, path: &str) -> (Reply, bool) {
    let reply = server.get(path);
    let hit = reply.header("x-cache") == Some("hit");
    (reply, hit)
}

#[test]
fn stats_tell_a_hit_after_two_requests() {
    let (dir, server) = prepared();
    let before = json(dir.path(), &["stats"]);
    assert!(!asked(&server, "/wiki").1);
    assert!(asked(&server, "/wiki").1);
    let after = json(dir.path(), &["stats", "--shards"]);
    let more = |name: &str| after[name].as_u64().unwrap() - before[name].as_u64().unwrap();
    assert_eq!((more("hits"), more("misses"), more("inserts"), more("entries")), (1, 1, 1, 1));
    assert_eq!(more("capacity_bytes"), 0);
    let shards = after["per_shard"].as_array().unwrap();
    let sum = |name: &str| shards.iter().map(|shard| shard[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!(Some(sum("entries")), after["entries"].as_u64());
    assert_eq!(Some(sum("used_bytes")), after["used_bytes"].as_u64());
    let hits = after["hits"].as_f64().unwrap();
    assert_eq!(after["hit_ratio"].as_f64(), Some(hits / (hits + after["misses"].as_f64().unwrap())));
    let table = said(dir.path(), &["stats"]);
    assert!(table.contains(&format!("hits            {hits}\n")), "{table}");
    let counters = &server.status()["counters"];
    assert_eq!(counters["cache_hit"], after["hits"], "looking counts as no request");
    assert_eq!(counters["cache_miss"], after["misses"], "looking counts as no request");
}

/// A page that is asked for often goes out from a file in memory: in one piece or many, it is the same page.
#[test]
fn a_page_asked_for_again_and_again_arrives_whole() {
    let (_dir, server) = prepared();
    let first = server.get("/");
    assert!(first.body.len() > 8 * 1024, "too short to be sent from a file: {}", first.body.len());
    let mut connection = server.connect();
    for _ in 0..5 {
        assert!(connection.send("GET", "/", &[], b"").unwrap().body == first.body);
    }
    let head = connection.send("HEAD", "/", &[], b"").unwrap();
    assert_eq!(head.header("content-length"), Some(first.body.len().to_string().as_str()));
    // Far more than a socket holds: most of them are sent part by part, and heads stand between.
    let replies = connection.get_at_once("/", 500).unwrap();
    assert!(replies.iter().all(|reply| reply.header("x-cache") == Some("hit") && reply.body == first.body));
    // Another page on the same connection is that page.
    let other = server.get("/wiki");
    assert!(connection.send("GET", "/wiki", &[], b"").unwrap().body == other.body);
    assert!(connection.send("GET", "/", &[], b"").unwrap().body == first.body);
}

#[test]
fn keys_are_listed_by_address_and_get_yields_the_bytes_that_were_sent() {
    let (dir, server) = prepared();
    let plain = server.get("/wiki").body;
    let zstd = server.connect().send("GET", "/wiki", &["Accept-Encoding: zstd"], b"").unwrap();
    assert_eq!(zstd.header("content-encoding"), Some("zstd"));
    server.get("/api/wiki/pages?limit=2");

    let all = json(dir.path(), &["keys", "/wiki"]);
    assert_eq!(all["matching"], 2, "{all}");
    let entries = all["entries"].as_array().unwrap();
    for (entry, encoding) in entries.iter().zip(["identity", "zstd"]) {
        assert_eq!((&entry["address"], &entry["encoding"]), (&"/wiki".into(), &encoding.into()));
        assert_eq!(entry["fresh"], true);
        assert!(entry["age_ms"].as_u64().unwrap() < entry["ttl_ms"].as_u64().unwrap(), "{entry}");
    }
    let table = said(dir.path(), &["keys"]);
    for address in ["/wiki", "/api/wiki/pages?limit=2"] {
        assert!(
            table.lines().any(|line| line.ends_with(&format!("fresh  {address}"))),
            "{address} in {table}"
        );
    }
    assert!(!said(dir.path(), &["keys", "/api"]).contains("  /wiki"));
    let first = said(dir.path(), &["keys", "--limit", "1"]);
    assert_eq!(first.lines().count(), 3, "a title, one entry, and that there are more: {first}");

    for (encoding, body) in [(&[][..], &plain), (&["--encoding", "zstd"], &zstd.body)] {
        let out = cache(dir.path(), &[&["get", "/wiki"], encoding].concat());
        assert!(out.status.success(), "{out:?}");
        assert_eq!(&out.stdout, body);
        let details = String::from_utf8(out.stderr).unwrap();
        assert!(details.contains("status: 200\ncontent-type: text/html; charset=utf-8\n"), "{details}");
        assert_eq!(said(dir.path(), &[&["get", "/wiki", "--head"], encoding].concat()).lines().count(), 7);
    }
    let etag = zstd.header("etag").unwrap();
    assert!(said(dir.path(), &["get", "/wiki", "--encoding", "zstd", "--head"]).contains(etag), "{etag}");
    assert_eq!(
        server.get("/api/wiki/pages?limit=2").body,
        cache(dir.path(), &["get", "/api/wiki/pages?limit=2"]).stdout
    );
}

#[test]
fn an_invalidated_tag_makes_the_next_request_a_miss() {
    let (dir, server) = prepared();
    let topic = server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let posts = format!("/api/topics/{topic}/posts");
    let page = "/wiki/Choosing_a_telescope";
    for path in [posts.as_str(), page] {
        asked(&server, path);
        assert!(asked(&server, path).1, "{path}");
    }
    let misses = figure(dir.path(), "misses");
    let answer = said(dir.path(), &["invalidate", &format!("topic:{topic}")]);
    assert_eq!(answer, "Ended 1 entry.\n");
    assert_eq!(said(dir.path(), &["invalidate", &format!("topic:{topic}")]), "Ended 0 entries.\n");
    let listed = json(dir.path(), &["keys", &posts]);
    assert_eq!((&listed["matching"], &listed["entries"][0]["fresh"]), (&1.into(), &false.into()), "{listed}");
    refused(dir.path(), &["get", &posts], 1, "outdated");
    assert_eq!(figure(dir.path(), "misses"), misses);
    assert!(!asked(&server, &posts).1 && asked(&server, &posts).1 && asked(&server, page).1);
    assert_eq!(figure(dir.path(), "misses"), misses + 1);

    assert_eq!(said(dir.path(), &["invalidate", "user:1", "wiki:choosing a telescope"]), "Ended 1 entry.\n");
    assert!(!asked(&server, page).1 && asked(&server, &posts).1);
    said(dir.path(), &["invalidate", "site"]);
    assert!(!asked(&server, page).1 && !asked(&server, &posts).1);
}

#[test]
fn clear_empties_it_and_it_fills_again() {
    let (dir, server) = prepared();
    asked(&server, "/wiki");
    let entries = figure(dir.path(), "entries");
    assert!(said(dir.path(), &["clear"]).starts_with(&format!("Ended {entries} ")));
    assert_eq!((figure(dir.path(), "entries"), figure(dir.path(), "used_bytes")), (0, 0));
    assert_eq!(said(dir.path(), &["keys"]).lines().count(), 1, "nothing but titles");
    assert!(!asked(&server, "/wiki").1 && asked(&server, "/wiki").1);
    assert_eq!(figure(dir.path(), "entries"), 1);
}

#[test]
fn errors_are_one_line_with_a_code_that_says_whose_they_are() {
    let (dir, server) = prepared();
    asked(&server, "/wiki");
    refused(dir.path(), &["get", "/absent"], 1, "nothing is kept for /absent");
    refused(dir.path(), &["get", "/wiki", "--encoding", "br"], 1, "/wiki in br");
    refused(dir.path(), &["get", "/wiki", "--encoding", "lzma"], 2, "lzma");
    refused(dir.path(), &["invalidate", "site", "topics:1"], 2, "topics:1");
    refused(dir.path(), &["invalidate", "topic:x"], 2, "topic:x");
    refused(dir.path(), &["invalidate"], 2, "TAG");
    refused(dir.path(), &["invalidate", "wiki:No such page"], 1, "No such page");
    assert!(asked(&server, "/wiki").1, "nothing was ended by what failed");
    drop(server);
    let gone = tempfile::tempdir().unwrap();
    for args in [&["stats"][..], &["keys"], &["get", "/"], &["clear"], &["invalidate", "site"]] {
        refused(gone.path(), args, 1, "no server");
    }
}

#[test]
fn one_tool_at_a_time_takes_locks_and_others_are_told() {
    let (dir, server) = prepared();
    let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
    let mut tool = UnixStream::connect(config.control_socket()).unwrap();
    tool.write_all(b"{\"command\":\"lend\",\"locks\":true}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(&tool).read_line(&mut answer).unwrap();
    assert!(answer.contains("slot") && answer.contains("epoch"), "{answer}");
    // Whatever else it says, it keeps what it has for as long as it is there.
    tool.write_all(b"{\"command\":\"status\"}\nnonsense\n").unwrap();
    refused(dir.path(), &["clear"], 1, &format!("at work (pid {})", std::process::id()));
    let out = server.command("upgrade", &[]);
    assert_eq!(out.status.code(), Some(1), "{out:?}");
    assert!(String::from_utf8_lossy(&out.stderr).contains("veritable cache"), "{out:?}");
    said(dir.path(), &["stats"]);
    said(dir.path(), &["invalidate", "site"]);
    assert!(server.command("reload", &[]).status.success());
    refused(dir.path(), &["clear"], 1, "at work");
    drop(tool);
    wait_for("the tool's place", || cache(dir.path(), &["clear"]).status.success().then_some(()));
    assert!(server.command("upgrade", &[]).status.success());
    said(dir.path(), &["clear"]);
}

#[test]
fn a_killed_tool_leaves_a_working_server() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    drop(Server::demo(&data));
    let file = dir.path().join("veritable.toml");
    // Large, so that clearing takes long enough for kills to fall into it.
    std::fs::write(&file, "workers = 2\n[cache]\nbytes = 134217728\nentries = 100000\n").unwrap();
    let server = Server::serve(&data, &["--config", file.to_str().unwrap()]);
    wait_for("both workers", || (server.pids("worker").len() == 2).then_some(()));
    let clearing = || {
        let begun = Instant::now();
        said(&data, &["clear"]);
        begun.elapsed()
    };
    // The quickest of some: with a longer time every tool would be done before it is killed.
    let whole = std::iter::repeat_with(clearing).take(5).min().unwrap();
    let askers = Askers::start(&server.address, 2);
    let rounds = rounds(60, 2_000);
    let mut killed = 0;
    for round in 0..rounds {
        let args = ["cache", "clear", "--data-dir", data.to_str().unwrap()];
        let (out, err) = (Stdio::null(), Stdio::null());
        let mut tool = veritable().args(args).stdout(out).stderr(err).spawn().unwrap();
        // Over the whole of its life, and its locks are taken in the latter half of it.
        std::thread::sleep(
            whole.mul_f64(0.3 + 0.9 * round as f64 / rounds as f64).min(Duration::from_secs(1)),
        );
        kill(tool.id().try_into().unwrap(), Signal::SIGKILL);
        killed += usize::from(tool.wait().unwrap().code().is_none());
        let mut connection = server.connect();
        let mut is_kept = |number: usize| {
            let path = format!("/api/forums/topics?limit={number}");
            connection.send("GET", &path, &[], b"").expect("an answer").header("x-cache") == Some("hit")
        };
        // Asked for at first, kept from then on.
        for number in 1..=SPREAD {
            is_kept(number);
        }
        for number in 1..=SPREAD {
            wait_for("an answer to be kept", || is_kept(number).then_some(()));
        }
    }
    assert!(killed > 0, "every tool was done before its kill");
    assert!(askers.finish() > 0);
    wait_for("a tool that is not told of another", || {
        cache(&data, &["clear"]).status.success().then_some(())
    });
    assert!(!asked(&server, "/wiki").1 && asked(&server, "/wiki").1);
    let stats = json(&data, &["stats"]);
    assert_eq!((&stats["damages"], server.pids("worker").len()), (&0.into(), 2), "{stats}");
    eprintln!("{killed} of {rounds} tools killed in {whole:?}, {} shards taken over", stats["takeovers"]);
}

/// Who asks for one cold page at the same moment.
const CROWD: usize = 1_000;

#[test]
fn a_thousand_who_ask_at_once_over_all_workers_cost_one_query() {
    let (dir, server) = prepared();
    let stats = json(dir.path(), &["stats"]);
    let mut crowd: Vec<TcpStream> =
        (0..CROWD).map(|_| TcpStream::connect(&server.address).expect("a connection")).collect();
    for stream in &mut crowd {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // All but the last byte, so that the last bytes come close together.
        stream.write_all(b"GET /latest HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r").unwrap();
    }
    for stream in &mut crowd {
        stream.write_all(b"\n").unwrap();
    }
    let mut bodies = std::collections::HashSet::new();
    for stream in &mut crowd {
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("an answer");
        let text = String::from_utf8(answer).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        bodies.insert(text.split_once("\r\n\r\n").unwrap().1.to_owned());
    }
    assert_eq!(bodies.len(), 1, "all are shown the same");
    let after = json(dir.path(), &["stats"]);
    let more = |name: &str| after[name].as_u64().unwrap() - stats[name].as_u64().unwrap();
    assert_eq!(more("inserts"), 1, "computed once");
    assert_eq!(more("hits") + more("misses"), CROWD as u64, "each asked the cache once");
}

#[test]
fn a_reply_makes_stale_what_shows_it_and_nothing_else() {
    let (_dir, server) = prepared();
    let token = server.token();
    let topics = server.get("/api/forums/topics").json()["topics"].as_array().unwrap().clone();
    let page = |topic: &Value| format!("/t/{}/{}", topic["slug"].as_str().unwrap(), topic["id"]);
    let (answered, other) = (page(&topics[0]), page(&topics[1]));
    let shows = ["/", "/latest", "/api/forums", answered.as_str()];
    let apart = [other.as_str(), "/wiki", "/wiki-all"];
    for path in shows.iter().chain(&apart) {
        asked(&server, path);
        assert!(asked(&server, path).1, "{path} is kept");
    }
    let path = format!("/api/topics/{}/posts", topics[0]["id"]);
    let reply = server.change(&token, "POST", &path, &serde_json::json!({ "body": "A reply." }));
    assert_eq!(reply.status, 201);
    for path in shows {
        assert!(!asked(&server, path).1, "{path} shows the reply or counts it");
    }
    for path in apart {
        assert!(asked(&server, path).1, "{path} has nothing to do with it");
    }
}
