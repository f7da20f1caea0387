//! The units of `systemd/`, under a real systemd: what an administrator sees of the service's life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::harness::http::Connection;
use super::harness::systemd::{ADDRESS, get, journal, property, run, try_run, under_systemd};
use super::harness::wait_for;

/// The settings as the unit names them.
const SETTINGS: &str = "/etc/veritable/veritable.toml";

#[test]
fn the_service_starts_reloads_stops_and_says_how_it_is() {
    under_systemd("systemd::the_service_starts_reloads_stops_and_says_how_it_is", || {
        run(&["systemctl", "start", "veritable.service"]);
        assert_eq!(property("ActiveState"), "active", "after READY=1");
        assert!(
            property("StatusText").starts_with("Serving on 127.0.0.1:8080"),
            "{}",
            property("StatusText")
        );
        assert!(run(&["systemctl", "status", "veritable"]).contains("Status: \"Serving on"));
        let before = status()["processes"].clone();

        let (requests, failed) = under_requests(|| {
            for generation in 2..4 {
                run(&["systemctl", "reload", "veritable"]);
                assert_eq!(status()["generation"], generation);
            }
        });
        assert!(requests > 0 && failed == 0, "{failed} of {requests} requests failed");
        assert_eq!(property("StatusText"), "Serving generation 3");
        assert_ne!(status()["processes"], before, "the same processes after a reload");

        std::fs::write(SETTINGS, "workers = \"many\"").unwrap();
        assert!(try_run(&["systemctl", "reload", "veritable"]).is_err());
        assert_eq!(property("ActiveState"), "active");
        run(&["systemctl", "kill", "--kill-who=main", "--signal=HUP", "veritable.service"]);
        wait_for("the failure in the status", || {
            property("StatusText").contains("the last reload failed").then_some(())
        });

        run(&["systemctl", "stop", "veritable.socket", "veritable.service"]);
        assert_eq!((property("ActiveState"), property("Result")), ("inactive".into(), "success".into()));
        // Priorities, and nothing of them left in the text.
        assert!(journal("6..6").contains("[writer] veritable_writer: writer ready"));
        assert!(journal("3..3").contains("the reload failed"));
        assert!(journal("6..6").ends_with("stopped\n"), "{}", journal("0..7"));
        assert!(!journal("0..7").contains("<6>"));
    });
}

#[test]
fn the_first_request_starts_the_service() {
    under_systemd("systemd::the_first_request_starts_the_service", || {
        run(&["systemctl", "start", "veritable.socket"]);
        assert_eq!(property("ActiveState"), "inactive");
        assert_eq!(get("/").status, 200);
        // One worker answers; the others may still be starting.
        wait_for("the service", || (property("ActiveState") == "active").then_some(()));
    });
}

#[test]
fn settings_that_are_absent_or_wrong_are_named_and_not_tried_again() {
    under_systemd("systemd::settings_that_are_absent_or_wrong_are_named_and_not_tried_again", || {
        std::fs::remove_file(SETTINGS).unwrap();
        assert!(try_run(&["systemctl", "start", "veritable"]).is_err());
        assert_eq!(property("NRestarts"), "0");
        wait_for("the reason", || journal("3..3").contains(SETTINGS).then_some(()));

        std::fs::write(SETTINGS, "workers = \"many\"").unwrap();
        assert!(try_run(&["systemctl", "start", "veritable"]).is_err());
        assert_eq!(property("NRestarts"), "0");
        wait_for("the reason", || journal("3..3").contains("workers").then_some(()));
    });
}

/// `veritable status --json`, as docs/systemd.md has it.
fn status() -> serde_json::Value {
    let out = run(&["/usr/local/bin/veritable", "status", "--json", "--config", SETTINGS]);
    serde_json::from_str(&out).unwrap()
}

/// Requests without pause, each on a connection of its own, while `body` runs: how many, how many failed.
fn under_requests(body: impl FnOnce()) -> (usize, usize) {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let (mut requests, mut failed) = (0, 0);
                while !stop.load(Ordering::Relaxed) {
                    let reply = Connection::open(ADDRESS)
                        .and_then(|mut connection| connection.send("GET", "/", &["Connection: close"], b""));
                    requests += 1;
                    failed += usize::from(reply.is_err() || reply.is_ok_and(|reply| reply.status != 200));
                }
                (requests, failed)
            })
        })
        .collect();
    body();
    stop.store(true, Ordering::Relaxed);
    let counts = clients.into_iter().map(|client| client.join().unwrap());
    counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
}
