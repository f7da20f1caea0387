//! The rules of trials, hopeless starts, recycling and hung processes.

use super::tests::{LIMITS, WORKERS, WRITER, exit, reload, serving, spawned};
use super::*;

fn seen(id: ChildId, heap: u64) -> Event {
    Event::Seen(id, Vitals { heap, ..Vitals::default() })
}

/// Samples until the child is to be replaced: asked to shed first, then found no smaller.
fn outgrow(s: &mut Supervisor, id: ChildId, heap: u64, now: Millis) -> Vec<Action> {
    for _ in 0..2 {
        assert_eq!(s.step(now, seen(id, heap)), []);
    }
    assert_eq!(s.step(now, seen(id, heap)), [Action::Shed(id)]);
    for _ in 0..2 {
        assert_eq!(s.step(now, seen(id, heap)), []);
    }
    s.step(now, seen(id, heap))
}

#[test]
fn the_first_worker_of_a_reload_serves_beside_the_old_ones_before_any_drains() {
    let mut s = serving();
    let limits = Limits { probation: 3_000, ..LIMITS };
    s.step(10, reload(2, limits, false));
    assert_eq!(s.step(20, Event::Ready(ChildId(3))), []);
    assert_eq!(s.deadline(), Some(3_020));
    let passed = s.step(3_020, Event::Tick);
    assert_eq!(passed[0], Action::Drain(WORKERS[0]));
    assert_eq!(spawned(&passed), [(ChildId(4), Role::Worker { place: 1 }, Some(3), 2)]);
    // Only the first one is tried.
    assert_eq!(
        s.step(3_030, Event::Ready(ChildId(4))),
        [Action::Drain(WORKERS[1]), Action::Reloaded(Ok(()))]
    );
}

#[test]
fn a_crash_on_trial_takes_the_reload_back_and_nobody_has_drained() {
    let mut s = serving();
    s.step(10, reload(2, Limits { probation: 3_000, ..LIMITS }, false));
    s.step(20, Event::Ready(ChildId(3)));
    let said = "worker 0 exited with 1 soon after it was ready".to_owned();
    assert_eq!(s.step(1_000, exit(ChildId(3))), [Action::Reloaded(Err(said))]);
    assert_eq!((s.generation, s.is_rolling(), s.deadline()), (1, false, None));
    let again = s.step(2_000, reload(3, LIMITS, false));
    assert_eq!(spawned(&again)[0].3, 3, "the next reload is a new chance");
}

#[test]
fn a_crash_of_a_replaced_worker_takes_the_reload_back_as_well() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, false));
    s.step(20, Event::Ready(ChildId(3)));
    let back = s.step(30, exit(ChildId(3)));
    assert!(matches!(&back[..], [Action::Reloaded(Err(_)), ..]), "{back:?}");
    // The successor on its way to place 1 is done with first; then place 0 goes back.
    s.step(31, exit(ChildId(4)));
    assert!(
        s.children.values().any(|child| child.generation == 1 && child.role == Role::Worker { place: 0 })
    );
}

#[test]
fn a_start_that_always_fails_is_given_up_until_a_reload() {
    let mut s = serving();
    s.step(10, exit(WORKERS[0]));
    let mut starts = 0;
    while let Some(at) = s.deadline() {
        let started = spawned(&s.step(at, Event::Tick));
        assert_eq!(started.len(), 1);
        starts += 1;
        s.step(at, exit(started[0].0));
    }
    assert_eq!(starts, BOOTS_MAX);
    assert!(s.places[1].given_up && !s.places[2].given_up);
    assert_eq!(s.step(1_000_000, Event::Tick), []);
    assert!(!spawned(&s.step(1_000_001, reload(2, LIMITS, false))).is_empty());
    assert!(!s.places[1].given_up);
}

#[test]
fn a_worker_is_not_given_up_for_what_may_pass() {
    let mut s = serving();
    let fails = |id| Event::Exited { id, how: "failed: its database is gone".into(), may_pass: true };
    s.step(10, exit(WORKERS[0]));
    let mut now = 10;
    for _ in 0..BOOTS_MAX * 3 {
        now = s.deadline().unwrap();
        let started = spawned(&s.step(now, Event::Tick));
        assert_eq!(started.len(), 1);
        s.step(now, fails(started[0].0));
    }
    assert!(!s.places[1].given_up && s.deadline().is_some_and(|at| at <= now + 30_000));
}

#[test]
fn the_writer_is_never_given_up_since_what_it_lacks_may_come_back() {
    let mut s = serving();
    s.step(10, exit(WRITER));
    let mut now = 10;
    for _ in 0..BOOTS_MAX * 3 {
        now = s.deadline().unwrap();
        let started = spawned(&s.step(now, Event::Tick));
        assert_eq!(started.len(), 1);
        s.step(now, exit(started[0].0));
    }
    assert!(!s.places[0].given_up && s.deadline().is_some_and(|at| at <= now + 30_000));
}

#[test]
fn a_worker_that_grew_is_asked_first_then_replaced_before_it_drains() {
    let mut s = serving();
    let replace = outgrow(&mut s, WORKERS[0], 500, 10);
    assert_eq!(spawned(&replace), [(ChildId(3), Role::Worker { place: 0 }, Some(2), 1)]);
    assert_eq!(s.step(20, Event::Ready(ChildId(3))), [Action::Drain(WORKERS[0])]);
    assert_eq!(s.deadline(), Some(10_020));
}

#[test]
fn a_worker_that_gave_memory_back_stays() {
    let mut s = serving();
    for _ in 0..3 {
        s.step(10, seen(WORKERS[0], 500));
    }
    s.step(11, seen(WORKERS[0], 100));
    for _ in 0..2 {
        assert_eq!(s.step(12, seen(WORKERS[0], 500)), []);
    }
    assert_eq!(s.step(12, seen(WORKERS[0], 500)), [Action::Shed(WORKERS[0])], "it is asked anew");
}

#[test]
fn one_worker_is_replaced_at_a_time_and_the_next_when_the_old_one_has_ended() {
    let mut s = serving();
    outgrow(&mut s, WORKERS[0], 700, 10);
    assert_eq!(outgrow(&mut s, WORKERS[1], 700, 11), []);
    assert_eq!(s.step(20, Event::Ready(ChildId(3))), [Action::Drain(WORKERS[0])]);
    assert_eq!(s.deadline(), Some(20 + recycle::URGENT_DRAIN), "at 1.5 times the limit the drain is short");
    let next = s.step(30, exit(WORKERS[0]));
    assert_eq!(spawned(&next), [(ChildId(4), Role::Worker { place: 1 }, Some(0), 1)]);
}

#[test]
fn a_replacement_that_does_not_come_up_is_tried_again_later() {
    let mut s = serving();
    outgrow(&mut s, WORKERS[0], 500, 10);
    assert_eq!(s.step(20, exit(ChildId(3))), []);
    assert_eq!(s.deadline(), Some(120));
    assert_eq!(spawned(&s.step(120, Event::Tick)).len(), 1);
}

#[test]
fn requests_and_age_are_spread_over_the_workers() {
    let mut s = serving();
    s.step(10, reload(2, Limits { max_requests: 1_000, max_age: 50_000, ..LIMITS }, false));
    s.step(20, Event::Ready(ChildId(3)));
    s.step(30, Event::Ready(ChildId(4)));
    s.step(31, exit(WORKERS[0]));
    s.step(31, exit(WORKERS[1]));
    let served = |id, requests| Event::Seen(id, Vitals { requests, ..Vitals::default() });
    assert_eq!(s.step(40, served(ChildId(4), 1_100)), [], "the second place has an eighth more");
    assert_eq!(spawned(&s.step(41, served(ChildId(3), 1_000))).len(), 1);
    s.step(42, Event::Ready(ChildId(5)));
    s.step(43, exit(ChildId(3)));
    assert_eq!(spawned(&s.step(60_000, served(ChildId(4), 0))).len(), 1, "by age");
}

#[test]
fn a_process_that_says_nothing_is_killed_and_replaced() {
    let mut s = serving();
    let silent = |silent| Event::Seen(WORKERS[1], Vitals { silent, ..Vitals::default() });
    assert_eq!(s.step(10, silent(5_000)), []);
    assert_eq!(s.step(11, silent(5_001)), [Action::Kill(WORKERS[1])]);
    s.step(12, exit(WORKERS[1]));
    assert_eq!(s.deadline(), Some(112));
}
