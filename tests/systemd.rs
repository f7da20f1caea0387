//! The units of `systemd/`, under a real systemd: what an administrator sees of the service's life.

mod backups;
mod failures;
mod warm;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::harness::http::{Connection, Reply};
use super::harness::server::try_change;
use super::harness::systemd::{
    ADDRESS, drop_in, get, journal, property, run, try_get, try_run, under_systemd,
};
use super::harness::wait_for;

/// The settings as the unit names them.
const SETTINGS: &str = "/etc/veritable/veritable.toml";

#[test]
fn the_service_starts_reloads_stops_and_says_how_it_is() {
    under_systemd("systemd::the_service_starts_reloads_stops_and_says_how_it_is", || {
        run(&["systemctl", "start", "veritable.service"]);
        assert_eq!(property("ActiveState"), "active", "after READY=1");
        assert!(
            property("StatusText").starts_with("Serving on http://127.0.0.1:8080/"),
            "{}",
            property("StatusText")
        );
        assert!(run(&["systemctl", "status", "veritable"]).contains("Status: \"Serving on"));
        let before = status()["processes"].clone();

        let met = under_requests(|| {
            for generation in 2..4 {
                run(&["systemctl", "reload", "veritable"]);
                assert_eq!(status()["generation"], generation);
            }
        });
        assert!(met.requests > 0 && met.failed == 0, "{met:?}");
        assert!(property("StatusText").ends_with("workers, generation 3"), "{}", property("StatusText"));
        assert_ne!(status()["processes"], before, "the same processes after a reload");

        let master = property("MainPID");
        let met =
            under_requests(|| drop(run(&["/usr/local/bin/veritable", "upgrade", "--config", SETTINGS])));
        assert!(met.requests > 0 && met.failed == 0, "{met:?}");
        assert_eq!((status()["upgrades"].as_u64(), property("MainPID")), (Some(1), master.clone()));
        assert_eq!(property("ActiveState"), "active");

        let met = under_requests(|| drop(run(&["systemctl", "restart", "veritable"])));
        assert!(met.requests > 0 && met.failed == 0, "{met:?}: the socket holds what comes meanwhile");
        assert_ne!(property("MainPID"), master);

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
fn the_first_request_starts_the_service_on_all_its_addresses() {
    under_systemd("systemd::the_first_request_starts_the_service_on_all_its_addresses", || {
        let second = "127.0.0.1:8081";
        drop_in("veritable.socket", &format!("[Socket]\nListenStream={second}\n"));
        run(&["systemctl", "start", "veritable.socket"]);
        assert_eq!(property("ActiveState"), "inactive");
        assert_eq!(get("/").status, 200);
        let mut connection = Connection::open(second).unwrap();
        assert_eq!(connection.send("GET", "/wiki", &[], b"").unwrap().status, 200);
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

#[test]
fn a_stop_may_take_as_long_as_the_settings_say() {
    under_systemd("systemd::a_stop_may_take_as_long_as_the_settings_say", || {
        let token = start_with_demo();
        drop_in("veritable.service", "[Service]\nTimeoutStopSec=1\n");
        let topic = get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
        let (body, mut stream) = (br#"{"body":"late"}"#, TcpStream::connect(ADDRESS).unwrap());
        let head = format!(
            "POST /api/topics/{topic}/posts HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // It has the head: it asks for the body.
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
        run(&["systemctl", "stop", "--no-block", "veritable.socket", "veritable.service"]);
        let begun = Instant::now();
        wait_for("more than the unit's time", || (begun.elapsed() > Duration::from_secs(3)).then_some(()));
        assert_eq!(property("SubState"), "stop-sigterm");
        stream.write_all(body).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("HTTP/1.1 201"), "{answer}");
        wait_for("the end", || (property("ActiveState") == "inactive").then_some(()));
        assert_eq!(property("Result"), "success");
    });
}

#[test]
fn everything_works_in_the_sandbox_from_an_empty_state_on() {
    under_systemd("systemd::everything_works_in_the_sandbox_from_an_empty_state_on", || {
        assert!(!std::path::Path::new("/var/lib/private/veritable").exists());
        let token = start_with_demo();
        let said = run(&["systemd-analyze", "security", "--no-pager", "veritable.service"]);
        let exposure = said.rsplit_once("veritable.service: ").expect("a verdict").1;
        let exposure: f64 = exposure.split_whitespace().next().unwrap().parse().unwrap();
        assert!(exposure <= EXPOSURE_MAX, "{said}");
        for pid in processes() {
            let of = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            for line in ["Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000"] {
                assert!(of.contains(line), "{line} is missing in {of}");
            }
            assert!(!of.contains("Uid:\t0"), "{of}");
        }
        // Read through mapped files, written by the writer, found by search, and shown after it.
        let topic = get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
        let body = json!({ "body": "sandboxed petrichor" });
        let posted = change(&token, &format!("/api/topics/{topic}/posts"), &body).unwrap();
        assert_eq!(posted.status, 201, "{}", posted.text());
        assert!(get(&format!("/api/topics/{topic}/posts")).text().contains("petrichor"));
        assert_eq!(get("/wiki").status, 200);
        run(&["systemctl", "reload", "veritable"]);
        run(&["systemctl", "restart", "veritable"]);
        assert!(get(&format!("/api/topics/{topic}/posts")).text().contains("petrichor"));
        assert_eq!(journal("0..4"), "", "warnings and errors");
    });
}

/// What `systemd-analyze security` may say at most.
const EXPOSURE_MAX: f64 = 1.5;

/// Starts the service with three workers and the demonstration's community; yields the administrator's token.
fn start_with_demo() -> String {
    let settings = std::fs::read_to_string(SETTINGS).unwrap();
    std::fs::write(SETTINGS, format!("workers = {WORKERS}\n{settings}")).unwrap();
    let start = "ExecStart=\nExecStart=/usr/local/bin/veritable demo --config /etc/veritable/veritable.toml";
    drop_in("veritable.service", &format!("[Service]\n{start}\n"));
    run(&["systemctl", "start", "veritable"]);
    let token = wait_for("the token", || {
        let said = journal("6..6");
        said.split_whitespace().find(|word| word.starts_with("vt_")).map(str::to_owned)
    });
    // As everywhere from here on.
    drop_in("veritable.service", "");
    run(&["systemctl", "restart", "veritable"]);
    token
}

/// Workers of a service with a demonstration: enough for one of them to be no quorum.
const WORKERS: usize = 3;

/// Sends a change to `path`, once.
fn change(token: &str, path: &str, body: &serde_json::Value) -> std::io::Result<Reply> {
    try_change(&mut Connection::open(ADDRESS)?, token, None, "POST", path, body)
}

/// `veritable status --json`, as docs/systemd.md has it.
fn status() -> serde_json::Value {
    let out = run(&["/usr/local/bin/veritable", "status", "--json", "--config", SETTINGS]);
    serde_json::from_str(&out).unwrap()
}

/// Pids of the children in this role.
fn pids(role: &str) -> Vec<i32> {
    let status = status();
    let of_role = status["processes"].as_array().unwrap().iter().filter(|process| process["role"] == role);
    of_role.map(|process| process["pid"].as_i64().unwrap().try_into().unwrap()).collect()
}

/// Pids of all processes of the service, by its control group.
fn processes() -> Vec<i32> {
    let group = format!("/sys/fs/cgroup{}/cgroup.procs", property("ControlGroup"));
    std::fs::read_to_string(group).unwrap().lines().map(|pid| pid.parse().unwrap()).collect()
}

/// What clients met.
#[derive(Debug, Default)]
struct Met {
    requests: usize,
    refused: usize,
    /// Refused ones included.
    failed: usize,
}

/// Requests without pause, each on a connection of its own, while `body` runs.
fn under_requests(body: impl FnOnce()) -> Met {
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            std::thread::spawn(move || {
                let mut met = Met::default();
                while !stop.load(Ordering::Relaxed) {
                    let reply = try_get("/");
                    met.requests += 1;
                    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
                    met.refused += usize::from(reply.as_ref().is_err_and(is_refused));
                    met.failed += usize::from(!reply.is_ok_and(|reply| reply.status == 200));
                }
                met
            })
        })
        .collect();
    body();
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().map(|client| client.join().unwrap()).fold(Met::default(), |sum, met| Met {
        requests: sum.requests + met.requests,
        refused: sum.refused + met.refused,
        failed: sum.failed + met.failed,
    })
}
