//! The cache over restarts: it is still there, and it never tells what is no longer true.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use serde_json::json;

use super::super::harness::systemd::{drop_in, get, journal, property, run, try_get, under_systemd};
use super::super::harness::wait_for;
use super::{SETTINGS, change, start_with_demo, status};

/// Addresses that make up a visit: the lists, and the topics of the first one.
fn visit() -> Vec<String> {
    let topics = get("/api/forums/topics").json();
    let ids = topics["topics"].as_array().unwrap().iter().map(|topic| topic["id"].as_i64().unwrap());
    let of_topics = ids.flat_map(|id| [format!("/api/topics/{id}"), format!("/api/topics/{id}/posts")]);
    let lists = ["/", "/wiki", "/api/forums/topics"].map(str::to_owned);
    lists.into_iter().chain(of_topics).collect()
}

/// Whether the answer came from the cache.
fn hits(address: &str) -> bool {
    let reply = get(address);
    assert_eq!(reply.status, 200, "{address}");
    reply.header("x-cache") == Some("hit")
}

/// Asks for each address until it is cached.
fn warm_up(addresses: &[String]) {
    for address in addresses {
        wait_for("a cached answer", || hits(address).then_some(()));
    }
}

#[test]
fn the_first_requests_after_a_restart_hit_the_cache() {
    under_systemd("systemd::warm::the_first_requests_after_a_restart_hit_the_cache", || {
        let token = start_with_demo();
        let addresses = visit();
        assert!(addresses.len() > 6, "{addresses:?}");
        warm_up(&addresses);
        let pid = property("MainPID");
        run(&["systemctl", "restart", "veritable"]);
        assert_ne!(property("MainPID"), pid);
        // All hit before, so the gate's ratio of 0.9 is one of addresses.
        let found = addresses.iter().filter(|address| hits(address)).count();
        assert!(found * 10 >= addresses.len() * 9, "{found} of {} hit", addresses.len());

        // Also after a crash of everything, as the writer had told all it had committed.
        warm_up(&addresses);
        run(&["systemctl", "kill", "--kill-who=all", "--signal=KILL", "veritable.service"]);
        wait_for("another master", || {
            (property("ActiveState") == "active" && property("NRestarts") == "1").then_some(())
        });
        let found = addresses.iter().filter(|address| hits(address)).count();
        assert!(found * 10 >= addresses.len() * 9, "{found} of {} hit after a crash", addresses.len());

        // And it is a cache that still can be told.
        let posts = addresses.iter().find(|address| address.ends_with("/posts")).unwrap();
        let posted = change(&token, posts, &json!({ "body": "freshly squeezed" })).unwrap();
        assert_eq!(posted.status, 201, "{}", posted.text());
        assert!(get(posts).text().contains("freshly squeezed"));
        assert!(journal("6..6").contains("is taken over"));
    });
}

#[test]
fn a_cache_of_another_size_replaces_the_one_that_was_kept() {
    under_systemd("systemd::warm::a_cache_of_another_size_replaces_the_one_that_was_kept", || {
        start_with_demo();
        let addresses = visit();
        warm_up(&addresses);
        let settings = std::fs::read_to_string(SETTINGS).unwrap();
        std::fs::write(SETTINGS, format!("{settings}\n[cache]\nbytes = {}\n", 8 << 20)).unwrap();
        run(&["systemctl", "restart", "veritable"]);
        assert!(!hits(addresses.last().unwrap()), "it begins empty");
        assert!(journal("6..6").contains("does not fit"));
        assert_eq!(property("NFileDescriptorStore"), "1", "the new one in place of the old one");
        warm_up(&addresses);
        run(&["systemctl", "restart", "veritable"]);
        assert!(hits(&addresses[0]));
        assert!(status()["cache"]["capacity_bytes"].as_u64().unwrap() <= 8 << 20);
    });
}

#[test]
fn a_commit_that_the_cache_was_not_told_of_is_shown_after_the_crash() {
    under_systemd("systemd::warm::a_commit_that_the_cache_was_not_told_of_is_shown_after_the_crash", || {
        start_with_demo();
        drop_in("veritable.service", "[Service]\nRestartSec=5\n");
        let addresses = visit();
        warm_up(&addresses);
        run(&["systemctl", "kill", "--kill-who=all", "--signal=KILL", "veritable.service"]);
        wait_for("the crash", || (property("SubState") == "auto-restart").then_some(()));
        // What a writer leaves that dies between its commit and telling the cache.
        let forums = rusqlite::Connection::open("/var/lib/veritable/forums.db").unwrap();
        let commit = "BEGIN; UPDATE topics SET title = 'Not told of';
                      UPDATE facts SET value = hex(randomblob(8)) WHERE name = 'mark'; COMMIT";
        forums.execute_batch(commit).unwrap();
        drop(forums);
        assert_eq!(property("SubState"), "auto-restart", "no server ran meanwhile");
        wait_for("the restart", || (property("ActiveState") == "active").then_some(()));
        assert!(journal("6..6").contains("is taken over"));
        let topic = addresses.iter().find(|address| address.starts_with("/api/topics/")).unwrap();
        assert_eq!(get(topic).json()["title"], "Not told of");
    });
}

#[test]
fn nothing_acknowledged_is_hidden_by_the_cache_after_crashes() {
    under_systemd("systemd::warm::nothing_acknowledged_is_hidden_by_the_cache_after_crashes", || {
        let token = start_with_demo();
        let topic = get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
        // A connection that a dying worker had taken is reset; the next one waits for the next server.
        let count = || {
            let path = format!("/api/topics/{topic}");
            let reply = wait_for("an answer", || try_get(&path).ok().filter(|reply| reply.status == 200));
            reply.json()["post_count"].as_i64().unwrap()
        };
        let begun = count();
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicI64::new(0)));
        let posting = {
            let (stop, acknowledged) = (stop.clone(), acknowledged.clone());
            std::thread::spawn(move || {
                let path = format!("/api/topics/{topic}/posts");
                while !stop.load(Ordering::Relaxed) {
                    let posted = change(&token, &path, &json!({ "body": "one more" }));
                    if posted.is_ok_and(|reply| reply.status == 201) {
                        acknowledged.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        };
        // Whoever asks after an acknowledgement is shown what was acknowledged.
        let check = || {
            let sure = acknowledged.load(Ordering::SeqCst);
            let shown = count() - begun;
            assert!(shown >= sure, "{shown} posts shown, {sure} acknowledged");
        };
        for crash in 1..=4 {
            let target = acknowledged.load(Ordering::SeqCst) + 20;
            wait_for("posts", || {
                check();
                (acknowledged.load(Ordering::SeqCst) >= target).then_some(())
            });
            run(&["systemctl", "kill", "--kill-who=all", "--signal=KILL", "veritable.service"]);
            check();
            wait_for("another master", || {
                let is_back =
                    property("ActiveState") == "active" && property("NRestarts") == crash.to_string();
                is_back.then_some(())
            });
            check();
        }
        stop.store(true, Ordering::Relaxed);
        posting.join().unwrap();
        assert!(journal("6..6").contains("is taken over"));
    });
}
