//! A session that is ended is ended in every worker before whoever ended it has an answer.

use super::harness::browser::Browser;
use super::harness::http::Connection;
use super::harness::people::{Community, PASSWORD, Who};
use super::harness::rounds;

const WORKERS: usize = 4;

/// A connection to each worker that stays open and was asked once already: the worker knows the session by then.
fn watch(community: &Community, browser: &Browser) -> (String, Vec<Connection>) {
    let cookie = format!("Cookie: session={}", browser.cookie("session").unwrap());
    let mut connections = community.server.connect_to_all();
    assert_eq!(connections.len(), WORKERS);
    for connection in &mut connections {
        let page = connection.send("GET", "/account", &[&cookie], b"").unwrap();
        assert_eq!(page.status, 200, "logged in");
    }
    (cookie, connections)
}

/// In how many of them the session still is one.
fn alive((cookie, connections): &mut (String, Vec<Connection>)) -> usize {
    let mut alive = 0;
    for connection in connections {
        let reply = connection.send("GET", "/account", &[cookie.as_str()], b"").unwrap();
        alive += usize::from(reply.status == 200);
    }
    alive
}

#[test]
fn a_session_ends_in_every_worker_before_the_answer() {
    let mut community = Community::with(&[("VERITABLE_WORKERS", &WORKERS.to_string())]);
    let name = Who::Owner.name();
    for round in 0..rounds(3, 50) {
        let log_in = |community: &Community, at: usize| {
            let mut browser = Browser::new(&community.server);
            browser.from = Some(format!("198.51.{}.{}", 100 + round, at));
            let form = browser.form("/login", "/login").set("user", name).set("password", PASSWORD);
            assert_eq!(browser.submit(&form).status, 303, "round {round}");
            browser
        };
        let (mut gone, mut left) = (log_in(&community, 1), log_in(&community, 2));
        // Logging out.
        let mut of_gone = watch(&community, &gone);
        let form = gone.form("/account", "/logout");
        assert_eq!(gone.submit(&form).status, 303);
        assert_eq!(alive(&mut of_gone), 0, "logged out");
        // Every other session, ended by the one that stays.
        let other = log_in(&community, 3);
        let (mut of_other, mut of_left) = (watch(&community, &other), watch(&community, &left));
        let form = left.form("/account", "/account/sessions/end-others");
        assert_eq!(left.submit(&form).status, 303);
        assert_eq!(alive(&mut of_other), 0, "ended by another");
        assert_eq!(alive(&mut of_left), WORKERS, "the one that stays");
    }
    // A new password ends the others too.
    let mut here = community.browser(Who::Other).copy();
    let mut there = Browser::new(&community.server);
    there.from = Some("198.51.99.1".into());
    assert_eq!(there.log_in(Who::Other.name(), PASSWORD).status, 303);
    let mut of_there = watch(&community, &there);
    let form = here.form("/account", "/account/password").set("current", PASSWORD);
    assert_eq!(here.submit(&form.set("password", "quite other words")).status, 303);
    assert_eq!(alive(&mut of_there), 0, "another password");
}
