//! What a frame shows, as text.

use veritable_shm::{Counter, Geometry, Routes, Scoreboard, Segment};

use super::super::as_text;
use super::super::sample::Sample;
use super::*;

#[test]
fn a_frame_shows_what_happened_between_two_readings() {
    let (_fd, segment) = Segment::create(&Geometry { worker_slots: 131, ..Geometry::default() }).unwrap();
    let board = Scoreboard::of(&segment);
    let owner = board.enlist(0, 1, veritable_shm::now_ms()).unwrap();
    board.set_pid(0, 4711).unwrap();
    board.set_state(owner, veritable_shm::SlotState::Ready);
    let routes = Routes::of(&segment, 0);
    let topic = routes.find("/t/{slug}/{id}");
    routes.record(topic, 200, Duration::from_secs(9));
    let before = Sample::read(&segment);
    let view = View::new(&Config::default(), 1);
    let empty = as_text(&view, &Frame::between(&before, &Sample::read(&segment))).unwrap();
    assert!(empty.contains("no requests") && empty.contains("the server is gone"), "{empty}");
    for _ in 0..3 {
        routes.record(topic, 200, Duration::from_micros(20));
        board.add(0, Counter::CacheHit, 1);
    }
    routes.record(topic, 503, Duration::from_millis(200));
    board.add(0, Counter::CacheMiss, 1);
    let shown = as_text(&view, &Frame::between(&before, &Sample::read(&segment))).unwrap();
    for part in ["4711", "/t/{slug}/{id}", "25.0 %", "cache hits 75.0 %", "over 127 ms 1", "forums", "q quit"]
    {
        assert!(shown.contains(part), "{part:?} in {shown}");
    }
    assert!(!shown.contains("no requests"), "{shown}");
}

#[test]
fn keys_pause_order_change_the_interval_and_end() {
    let mut view = View::new(&Config::default(), 1);
    for (key, paused, order, interval) in [
        ('p', true, Order::Load, 1),
        (' ', false, Order::Load, 1),
        ('s', false, Order::Time, 1),
        ('-', false, Order::Time, 1),
        ('+', false, Order::Time, 2),
        ('x', false, Order::Time, 2),
    ] {
        assert!(view.key(KeyCode::Char(key)), "{key}");
        assert_eq!((view.paused, view.order, view.interval), (paused, order, interval), "{key}");
    }
    assert!(!view.key(KeyCode::Char('q')) && !view.key(KeyCode::Esc));
}

#[test]
fn figures_are_short() {
    assert_eq!(millis(Duration::ZERO), "-");
    assert_eq!(millis(Duration::from_micros(15)), "0.015");
    assert_eq!(millis(Duration::from_millis(1_500)), "1500");
    assert_eq!(short(12_345.6), "12346");
    assert_eq!(uptime(Duration::from_secs(59)), "59 s");
    assert_eq!(uptime(Duration::from_secs(3_700)), "1 h 01 min");
    assert_eq!(uptime(Duration::from_secs(200_000)), "2 d 07 h");
}
