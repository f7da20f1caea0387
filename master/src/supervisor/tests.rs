//! The rules of supervision, without a process.

use super::*;

pub(crate) const LIMITS: Limits = Limits {
    workers: 2,
    slots: 8,
    drain: 10_000,
    leave: 0,
    boot: 500,
    probation: 0,
    hang: 5_000,
    heap: 400,
    max_requests: 0,
    max_age: 0,
};
pub(super) const WRITER: ChildId = ChildId(0);
pub(super) const WORKERS: [ChildId; 2] = [ChildId(1), ChildId(2)];

pub(super) fn spawned(actions: &[Action]) -> Vec<(ChildId, Role, Option<u16>, u64)> {
    let spawn = |action: &Action| match *action {
        Action::Spawn { child, role, slot, generation } => Some((child, role, slot, generation)),
        _ => None,
    };
    actions.iter().filter_map(spawn).collect()
}

pub(super) fn exit(id: ChildId) -> Event {
    Event::Exited { id, how: "exited with 1".into(), may_pass: false }
}

pub(super) fn serving() -> Supervisor {
    let mut s = Supervisor::new(LIMITS);
    s.step(0, Event::Start);
    s.step(1, Event::Ready(WRITER));
    s.step(2, Event::Ready(WORKERS[0]));
    assert_eq!(s.step(3, Event::Ready(WORKERS[1])), [Action::Serving]);
    s
}

pub(super) fn reload(generation: u64, limits: Limits, writer: bool) -> Event {
    Event::Reload { generation, limits, writer }
}

#[test]
fn the_writer_comes_first_and_serving_begins_when_all_are_ready() {
    let mut s = Supervisor::new(LIMITS);
    assert_eq!(spawned(&s.step(0, Event::Start)), [(WRITER, Role::Writer, None, 1)]);
    let workers = s.step(5, Event::Ready(WRITER));
    let expected = [
        (WORKERS[0], Role::Worker { place: 0 }, Some(0), 1),
        (WORKERS[1], Role::Worker { place: 1 }, Some(1), 1),
    ];
    assert_eq!(spawned(&workers), expected);
    assert_eq!(s.step(6, Event::Ready(WORKERS[1])), []);
    assert_eq!(s.step(6, Event::Ready(WORKERS[0])), [Action::Serving]);
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_start_that_fails_ends_with_the_reason() {
    let mut s = Supervisor::new(LIMITS);
    s.step(0, Event::Start);
    let end = s.step(1, exit(WRITER));
    assert_eq!(end, [Action::Exit(Err("writer exited with 1 before it was ready".into()))]);

    let mut s = Supervisor::new(LIMITS);
    s.step(0, Event::Start);
    s.step(1, Event::Ready(WRITER));
    assert_eq!(s.step(2, exit(WORKERS[0])), [Action::Kill(WORKERS[1])]);
    assert_eq!(s.step(3, exit(WORKERS[1])), [Action::Drain(WRITER)]);
    assert!(matches!(s.step(4, exit(WRITER))[..], [Action::Exit(Err(_))]));
}

#[test]
fn a_boot_that_hangs_is_killed() {
    let mut s = Supervisor::new(LIMITS);
    s.step(0, Event::Start);
    assert_eq!(s.deadline(), Some(500));
    assert_eq!(s.step(499, Event::Tick), []);
    assert_eq!(s.step(500, Event::Tick), [Action::Kill(WRITER)]);
    assert_eq!(s.step(501, exit(WRITER)), [Action::Exit(Err("writer was not ready in time".into()))]);
}

#[test]
fn crashes_are_started_again_after_growing_pauses_until_stable() {
    let mut s = serving();
    let (mut id, mut now) = (WORKERS[0], 3);
    for pause in [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000] {
        assert_eq!(s.step(now, exit(id)), []);
        assert_eq!(s.deadline(), Some(now + pause));
        assert_eq!(s.step(now + pause - 1, Event::Tick), []);
        now += pause;
        id = spawned(&s.step(now, Event::Tick))[0].0;
        s.step(now, Event::Ready(id));
    }
    now += STABLE;
    s.step(now, exit(id));
    assert_eq!(s.deadline(), Some(now + 100));
    assert_eq!(s.places[1].restarts, 11);
    // The slot of the dead is given out again, and nobody else's.
    let again = spawned(&s.step(now + 100, Event::Tick));
    assert_eq!((again[0].1, again[0].2), (Role::Worker { place: 0 }, Some(0)));
}

#[test]
fn the_writer_is_started_again_alone() {
    let mut s = serving();
    assert_eq!(s.step(10, exit(WRITER)), []);
    let again = s.step(110, Event::Tick);
    assert_eq!(spawned(&again), [(ChildId(3), Role::Writer, None, 1)]);
    assert_eq!(again.len(), 1);
}

#[test]
fn a_writer_that_keeps_failing_is_waited_for_a_second_at_most() {
    let mut s = serving();
    let (mut id, mut now) = (WRITER, 3);
    for pause in [100, 200, 400, 800, WRITER_MAX, WRITER_MAX, WRITER_MAX] {
        assert_eq!(s.step(now, exit(id)), []);
        assert_eq!(s.deadline(), Some(now + pause));
        now += pause;
        id = spawned(&s.step(now, Event::Tick))[0].0;
        s.step(now, Event::Ready(id));
    }
    // One that does not come as far as to serve may well need somebody's hand: it is tried less often.
    s.step(now, exit(id));
    now += WRITER_MAX;
    id = spawned(&s.step(now, Event::Tick))[0].0;
    s.step(now, exit(id));
    assert_eq!(s.deadline(), Some(now + 25_600));
}

#[test]
fn a_stop_drains_workers_then_the_writer() {
    let mut s = serving();
    assert_eq!(s.step(10, Event::Stop), [Action::Drain(WORKERS[0]), Action::Drain(WORKERS[1])]);
    assert_eq!(s.step(20, exit(WORKERS[0])), []);
    assert_eq!(s.deadline(), Some(10_010));
    assert_eq!(s.step(10_010, Event::Tick), [Action::Kill(WORKERS[1])]);
    assert_eq!(s.step(10_011, exit(WORKERS[1])), [Action::Drain(WRITER)]);
    assert_eq!(s.step(10_012, exit(WRITER)), [Action::Exit(Ok(()))]);
}

#[test]
fn a_stop_is_announced_first_where_that_is_wanted() {
    let mut s = serving();
    s.step(10, reload(2, Limits { leave: 5_000, ..LIMITS }, false));
    s.step(20, Event::Ready(ChildId(3)));
    s.step(30, Event::Ready(ChildId(4)));
    s.step(31, exit(WORKERS[0]));
    s.step(31, exit(WORKERS[1]));
    assert_eq!(s.step(40, Event::Stop), [Action::Leave(ChildId(3)), Action::Leave(ChildId(4))]);
    assert_eq!((s.phase, s.deadline()), (Phase::Serving, Some(5_040)));
    assert!(matches!(s.step(41, reload(3, LIMITS, false))[..], [Action::Reloaded(Err(_))]));
    // A worker that has to be replaced meanwhile announces it as well.
    s.step(50, exit(ChildId(3)));
    let again = spawned(&s.step(150, Event::Tick))[0].0;
    assert_eq!(s.step(160, Event::Ready(again)), [Action::Leave(again)]);
    let drained = s.step(5_040, Event::Tick);
    assert!(drained.contains(&Action::Drain(ChildId(4))) && drained.contains(&Action::Drain(again)));
}

#[test]
fn a_second_stop_hastens() {
    let mut s = serving();
    s.step(10, Event::Stop);
    assert_eq!(s.step(11, Event::Stop), [Action::Kill(WORKERS[0]), Action::Kill(WORKERS[1])]);
}

#[test]
fn a_reload_replaces_one_worker_at_a_time_and_the_old_drains_when_the_new_is_ready() {
    let mut s = serving();
    let first = s.step(10, reload(2, LIMITS, false));
    assert_eq!(spawned(&first), [(ChildId(3), Role::Worker { place: 0 }, Some(2), 2)]);
    assert_eq!(first.len(), 1);
    let second = s.step(20, Event::Ready(ChildId(3)));
    assert_eq!(second[0], Action::Drain(WORKERS[0]));
    assert_eq!(spawned(&second), [(ChildId(4), Role::Worker { place: 1 }, Some(3), 2)]);
    assert_eq!(s.step(30, Event::Ready(ChildId(4))), [Action::Drain(WORKERS[1]), Action::Reloaded(Ok(()))]);
    assert_eq!((s.generation, s.is_rolling()), (2, false));
    // The ends of the old ones are no crashes.
    assert_eq!(s.step(40, exit(WORKERS[0])), []);
    assert_eq!(s.step(41, exit(WORKERS[1])), []);
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_changed_writer_is_replaced_last_and_never_beside_itself() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, true));
    s.step(20, Event::Ready(ChildId(3)));
    let actions = s.step(30, Event::Ready(ChildId(4)));
    assert_eq!(actions, [Action::Drain(WORKERS[1]), Action::Drain(WRITER)]);
    assert_eq!(spawned(&s.step(40, exit(WRITER))), [(ChildId(5), Role::Writer, None, 2)]);
    assert_eq!(s.step(50, Event::Ready(ChildId(5))), [Action::Reloaded(Ok(()))]);
}

#[test]
fn a_new_generation_that_does_not_come_up_leaves_the_old_one_serving() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, true));
    let failed = s.step(20, exit(ChildId(3)));
    assert_eq!(failed, [Action::Reloaded(Err("worker 0 exited with 1 before it was ready".into()))]);
    assert_eq!((s.generation, s.is_rolling(), s.children.len()), (1, false, 3));
    // The next good one works.
    assert_eq!(spawned(&s.step(30, reload(3, LIMITS, false))).len(), 1);
}

#[test]
fn what_was_replaced_before_a_failure_goes_back() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, false));
    s.step(20, Event::Ready(ChildId(3)));
    let back = s.step(30, exit(ChildId(4)));
    assert!(matches!(back[0], Action::Reloaded(Err(_))), "{back:?}");
    assert_eq!(spawned(&back), [(ChildId(5), Role::Worker { place: 0 }, Some(3), 1)]);
    assert_eq!(s.step(40, Event::Ready(ChildId(5))), [Action::Drain(ChildId(3))]);
    assert_eq!((s.generation, s.is_rolling()), (1, false));
}

#[test]
fn a_new_writer_that_does_not_come_up_gives_way_to_the_old_settings() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, true));
    s.step(20, Event::Ready(ChildId(3)));
    s.step(30, Event::Ready(ChildId(4)));
    s.step(40, exit(WRITER));
    let failed = s.step(50, exit(ChildId(5)));
    assert!(
        failed.contains(&Action::Reloaded(Err("writer exited with 1 before it was ready".into()))),
        "{failed:?}"
    );
    let again = s.step(150, Event::Tick);
    assert!(spawned(&again).iter().any(|&(_, role, _, generation)| (role, generation) == (Role::Writer, 1)));
}

#[test]
fn reloads_change_the_number_of_workers() {
    let mut s = serving();
    s.step(10, reload(2, Limits { workers: 3, ..LIMITS }, false));
    s.step(20, Event::Ready(ChildId(3)));
    s.step(30, Event::Ready(ChildId(4)));
    assert_eq!(s.step(40, Event::Ready(ChildId(5))), [Action::Reloaded(Ok(()))]);
    assert_eq!(s.places.len(), 4);
    for id in WORKERS {
        s.step(45, exit(id));
    }
    s.step(50, reload(3, Limits { workers: 1, ..LIMITS }, false));
    let actions = s.step(60, Event::Ready(ChildId(6)));
    assert_eq!(
        actions,
        [3, 4, 5]
            .map(ChildId)
            .map(Action::Drain)
            .into_iter()
            .chain([Action::Reloaded(Ok(()))])
            .collect::<Vec<_>>()
    );
    assert_eq!(s.places.len(), 2);
    // A reload that fails to add a worker leaves no empty place.
    s.step(70, reload(4, Limits { workers: 2, ..LIMITS }, false));
    s.step(80, Event::Ready(ChildId(7)));
    s.step(90, exit(ChildId(8)));
    assert_eq!(s.places.len(), 2);
}

#[test]
fn a_crash_during_a_reload_is_healed_by_the_successor() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, false));
    s.step(11, exit(WORKERS[1]));
    let next = s.step(20, Event::Ready(ChildId(3)));
    assert_eq!(spawned(&next), [(ChildId(4), Role::Worker { place: 1 }, Some(1), 2)]);
    assert_eq!(s.step(30, Event::Ready(ChildId(4))), [Action::Reloaded(Ok(()))]);
    s.step(40, exit(WORKERS[0]));
    assert_eq!(s.deadline(), None);
}

#[test]
fn a_second_reload_waits_its_turn_and_a_stop_ends_one() {
    let mut s = serving();
    s.step(10, reload(2, LIMITS, false));
    assert!(matches!(s.step(11, reload(3, LIMITS, false))[..], [Action::Reloaded(Err(_))]));
    let stop = s.step(12, Event::Stop);
    assert!(matches!(stop[0], Action::Reloaded(Err(_))));
    assert!(stop.contains(&Action::Kill(ChildId(3))), "{stop:?}");
}

#[test]
fn no_process_is_started_without_a_slot_and_one_is_when_there_is() {
    let mut s = serving();
    let tight = Limits { slots: 2, ..LIMITS };
    assert_eq!(s.step(10, reload(2, tight, false)), []);
    assert_eq!(spawned(&s.step(20, exit(WORKERS[0]))).len(), 1);
}
