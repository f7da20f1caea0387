//! Who may do what, asked of every address of the route table: by every role, with a token of every scope, from a page of
//! another site, without what forms hold, with a session that is over, and for what is somebody else's. `table` has
//! what is expected, a row an address; an address without one fails here.

use std::collections::BTreeSet;

use veritable_worker::routes::{self, Endpoint};

use super::harness::browser::Browser;
use super::harness::people::Who;
use super::harness::routes::Objects;
use world::{Ask, Filled, Row, World, make, secret, send, send_with_token};

mod account;
mod admin;
mod forum;
mod moderation;
mod people;
mod table;
mod uploads;
mod wiki;
mod wiki_writing;
mod world;
mod writing;

/// A title that only those may see who are in a group of their own.
const HIDDEN: &str = "Verborgenheit";
const EVERY_SCOPE: u8 = 31;
const SCOPES: [u8; 5] = [1, 2, 4, 8, 16];
/// What a request is answered with that does what it asks.
const DONE: std::ops::Range<u16> = 200..400;

const OWN: &str = "Origin: http://test";

#[test]
fn every_address_has_its_row() {
    let known: BTreeSet<(String, &str)> =
        table::rows().iter().map(|row| (row.method.to_owned(), row.pattern)).collect();
    let there: BTreeSet<(String, &str)> =
        routes::table().iter().map(|(pattern, endpoint)| (endpoint.method().to_string(), *pattern)).collect();
    let without: Vec<_> = there.difference(&known).collect();
    assert!(without.is_empty(), "no row in tests/access/table.rs says who may: {without:?}");
    let gone: Vec<_> = known.difference(&there).collect();
    assert!(gone.is_empty(), "rows of addresses that are gone: {gone:?}");
}

#[test]
fn only_the_allowed_cells_succeed() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        for (who, expected) in Who::ALL.into_iter().zip(row.cells) {
            let mut browser = world.asks(&row, who);
            let secret = secret(&mut browser, who);
            let made = make(&mut world, &row, who);
            let reply = send(&mut browser, &row, &made, &secret, OWN);
            if reply.status != expected {
                let (name, said) = (who.name(), String::from_utf8_lossy(&reply.body));
                let said: String = said.chars().take(300).collect();
                wrong.push(format!(
                    "{} {} ({}) as {name}: {} instead of {expected} {:?} {said}",
                    row.method,
                    row.pattern,
                    row.of,
                    reply.status,
                    reply.header("location")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn changes_are_for_pages_of_this_site_with_what_their_forms_hold() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows().iter().filter(|row| !matches!(row.ask, Ask::Read(_) | Ask::At(..))) {
        let allowed = Who::ALL.into_iter().zip(row.cells).find(|(_, status)| DONE.contains(status));
        let Some((who, expected)) = allowed else { continue };
        let mut stranger = world.session(Who::Other);
        let theirs = secret(&mut stranger, Who::Other);
        let mut browser = world.asks(row, who);
        let own = secret(&mut browser, who);
        let made = make(&mut world, row, who);
        let mut refused = |what: &str,
                           browser: &mut Browser,
                           secret: &str,
                           origin: &str,
                           statuses: &[u16]| {
            let reply = send(browser, row, &made, secret, origin);
            if !statuses.contains(&reply.status) {
                wrong.push(format!("{} {} ({}) {what}: {}", row.method, row.pattern, row.of, reply.status));
            }
        };
        for foreign in [
            "Origin: https://evil.example",
            "Origin: null",
            "Sec-Fetch-Site: cross-site",
            "Referer: http://evil/",
        ] {
            refused(foreign, &mut browser.copy(), &own, foreign, &[403]);
        }
        refused("without what its form holds", &mut browser.copy(), "", OWN, &[403]);
        refused("with what another's form holds", &mut browser.copy(), &theirs, OWN, &[403]);
        // The same thing, now as it should be: none of the tries did anything.
        let reply = send(&mut browser, row, &made, &own, OWN);
        if reply.status != expected {
            let said = String::from_utf8_lossy(&reply.body);
            wrong.push(format!(
                "{} {} ({}) afterwards: {} {said}",
                row.method, row.pattern, row.of, reply.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_session_that_is_over_is_a_guests() {
    let mut world = World::new();
    let mut wrong = Vec::new();
    for row in table::rows() {
        let allowed = Who::ALL.into_iter().zip(row.cells).find(|(_, status)| DONE.contains(status));
        let Some((who, _)) = allowed.filter(|(who, _)| *who != Who::Guest) else { continue };
        let mut browser = world.asks(&row, who);
        let secret = secret(&mut browser, who);
        let made = make(&mut world, &row, who);
        let mut leaving = browser.copy();
        let out = leaving.form("/latest", "/logout");
        assert_eq!(leaving.submit(&out).status, 303);
        let reply = send(&mut browser, &row, &made, &secret, OWN);
        let to_login = reply.status == 303
            && reply.header("location").is_some_and(|location| location.starts_with("/login?next="));
        if !to_login && reply.status != row.cells[0] && ![401, 403].contains(&reply.status) {
            wrong.push(format!("{} {}: {}", row.method, row.pattern, reply.status));
        }
        if to_login != (row.method == "GET") && row.cells[0] == 303 {
            wrong.push(format!("{} {}: {:?}", row.method, row.pattern, reply.header("location")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_token_does_what_its_scopes_say_and_no_more() {
    let mut world = World::new();
    world.asker = world.community.user(Who::Administrator);
    let mut wrong = Vec::new();
    for row in table::rows() {
        let needed = match row.ask {
            Ask::Read(needed) | Ask::At(needed, _) | Ask::Json(needed, _) | Ask::Picture(needed) => needed,
            // No token is for forms.
            Ask::Form(_) => 0,
        };
        let together = Some(needed).filter(|needed| needed.count_ones() > 1);
        for scopes in SCOPES.into_iter().chain(together) {
            let made = make(&mut world, &row, Who::Administrator);
            let token = world.community.token(Who::Administrator, scopes);
            let reply = send_with_token(&world, &row, &made, &token);
            let expected = if needed != 0 && needed & !scopes == 0 { row.cells[4] } else { 403 };
            if reply.status != expected {
                wrong.push(format!(
                    "{} {} ({}) with scopes {scopes}: {} instead of {expected}",
                    row.method, row.pattern, row.of, reply.status
                ));
            }
        }
        // What no token may do either way, and one that is none.
        let made = make(&mut world, &row, Who::Administrator);
        let path = made.path();
        for line in ["Authorization: Bearer vt_nobody", "Authorization: Basic YTpi", "Authorization: Bearer "]
        {
            // What a proxy is told is nothing to a page.
            if line.contains("Basic") && !path.starts_with("/api") {
                continue;
            }
            let lines = [line, "Content-Type: application/json"];
            let reply = Browser::new(&world.community.server).send(row.method, path, &lines, b"");
            if reply.status != 401 {
                wrong.push(format!("{} {} with {line:?}: {}", row.method, row.pattern, reply.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_hidden_category_is_nowhere_to_be_found() {
    let mut world = World::new();
    let word = HIDDEN.to_lowercase();
    let mut seen = 0;
    for who in Who::ALL {
        let mut browser = world.session(who);
        let token = (who != Who::Guest).then(|| world.community.token(who, EVERY_SCOPE));
        for (pattern, endpoint) in routes::table() {
            if !matches!(endpoint, Endpoint::Read { .. } | Endpoint::Own { .. }) {
                continue;
            }
            let mut path = world.hidden.asked(pattern);
            if pattern.ends_with("/search") {
                path = format!("{path}?q={word}");
            }
            let mut replies = vec![browser.send("GET", &path, &[], b"")];
            if let Some(token) = &token
                && pattern.starts_with("/api")
            {
                let line = format!("Authorization: Bearer {token}");
                replies.push(Browser::new(&world.community.server).send("GET", &path, &[&line], b""));
            }
            for reply in replies {
                // What was searched for is shown again.
                let said = String::from_utf8_lossy(&reply.body).replace(&word, "");
                let told = said.contains(HIDDEN)
                    || reply.header("location").is_some_and(|location| location.contains("hidden"));
                if who == Who::Administrator {
                    seen += usize::from(told);
                } else {
                    assert!(!told, "{path} tells {} of it: {} {said}", who.name(), reply.status);
                }
            }
        }
    }
    assert!(seen > 5, "an administrator sees it in {seen} places only");
}
