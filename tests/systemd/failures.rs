//! What goes wrong in a process, and what systemd and the master make of it.

use std::time::Instant;

use nix::sys::signal::Signal;

use super::super::harness::server::{is_running, kill};
use super::super::harness::systemd::{drop_in, get, journal, property, run, under_systemd};
use super::super::harness::wait_for;
use super::{WORKERS, pids, processes, start_with_demo, status, under_requests};

/// systemd's time for a sign of life, in these tests; many times the rhythm of heartbeats.
const WATCHDOG: &str = "[Service]\nWatchdogSec=4\n";

fn wait_for_restart(number: usize) {
    wait_for("the restart", || {
        let is_back = property("NRestarts") == number.to_string() && property("ActiveState") == "active";
        is_back.then_some(())
    });
}

#[test]
fn a_master_that_is_killed_takes_its_children_along_and_nobody_is_refused() {
    under_systemd(
        "systemd::failures::a_master_that_is_killed_takes_its_children_along_and_nobody_is_refused",
        || {
            start_with_demo();
            let met = under_requests(|| {
                for death in 1..=3 {
                    let old = processes();
                    assert_eq!(old.len(), 2 + WORKERS);
                    run(&["systemctl", "kill", "--kill-who=main", "--signal=KILL", "veritable.service"]);
                    let killed = Instant::now();
                    wait_for("the children's end", || old.iter().all(|&pid| !is_running(pid)).then_some(()));
                    eprintln!("children lived {:?} without their master", killed.elapsed());
                    wait_for_restart(death);
                    wait_for("all processes", || (processes().len() == 2 + WORKERS).then_some(()));
                }
            });
            assert!(met.refused == 0 && met.requests > met.failed, "{met:?}");
            assert_eq!(get("/").status, 200);
        },
    );
}

#[test]
fn one_worker_that_hangs_is_no_reason_to_restart_the_service() {
    under_systemd("systemd::failures::one_worker_that_hangs_is_no_reason_to_restart_the_service", || {
        start_with_demo();
        drop_in("veritable.service", WATCHDOG);
        run(&["systemctl", "restart", "veritable"]);
        let victim = pids("worker")[0];
        kill(victim, Signal::SIGSTOP);
        // It is either replaced, or left aside for longer than systemd would have waited.
        let ping = || property("WatchdogTimestampMonotonic").parse::<u64>().unwrap();
        let begun = ping();
        wait_for("signs of life", || (ping() > begun + 9_000_000).then_some(()));
        assert_eq!((property("NRestarts"), property("ActiveState")), ("0".into(), "active".into()));
        assert_eq!(get("/livez").status, 200);
    });
}

#[test]
fn a_writer_that_hangs_has_the_service_restarted() {
    under_systemd("systemd::failures::a_writer_that_hangs_has_the_service_restarted", || {
        start_with_demo();
        drop_in("veritable.service", WATCHDOG);
        run(&["systemctl", "restart", "veritable"]);
        kill(pids("writer")[0], Signal::SIGSTOP);
        wait_for_restart(1);
        assert!(
            journal("3..3").contains("too much hangs; systemd is to restart everything hanging=\"writer\"")
        );
        assert_eq!(get("/").status, 200);
    });
}

#[test]
fn workers_that_hang_have_the_service_restarted() {
    under_systemd("systemd::failures::workers_that_hang_have_the_service_restarted", || {
        start_with_demo();
        drop_in("veritable.service", WATCHDOG);
        run(&["systemctl", "restart", "veritable"]);
        for victim in pids("worker").into_iter().take(WORKERS / 2 + 1) {
            kill(victim, Signal::SIGSTOP);
        }
        wait_for_restart(1);
        assert_eq!(get("/").status, 200);
    });
}

#[test]
fn a_worker_that_is_missing_shows_in_the_status() {
    under_systemd("systemd::failures::a_worker_that_is_missing_shows_in_the_status", || {
        start_with_demo();
        // The second failure in a row is followed by a pause, in which the place stays empty.
        let seen = || property("StatusText").contains("degraded, not running: worker").then_some(());
        wait_for("a degraded status", || {
            for victim in pids("worker") {
                if is_running(victim) {
                    kill(victim, Signal::SIGKILL);
                }
            }
            seen()
        });
        wait_for("a good status", || (!property("StatusText").contains("degraded")).then_some(()));
        assert_eq!(status()["state"], "serving");
    });
}
