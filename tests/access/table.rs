//! The table: who may do what at which address. A cell is the status of the answer.

use super::super::harness::people::Who;
use super::{Ask, Filled, Row, World, forum, people, wiki};

/// Everybody.
pub(super) const ALL: [u16; 5] = [200; 5];
/// Everybody, by another address.
pub(super) const MOVED: [u16; 5] = [301; 5];
/// Who has an account; a guest is led to the page where one logs in.
pub(super) const MEMBERS: [u16; 5] = [303, 200, 200, 200, 200];
/// A form for everybody, after which one is led on.
pub(super) const ALL_ON: [u16; 5] = [303; 5];
/// A form for those with an account.
pub(super) const MEMBERS_ON: [u16; 5] = [401, 303, 303, 303, 303];
/// Bits of scopes.
pub(super) const READ: u8 = 1;
pub(super) const WRITE: u8 = 2;

pub(super) fn read(pattern: &'static str, cells: [u16; 5]) -> Row {
    Row { method: "GET", pattern, of: "", cells, ask: Ask::Read(READ) }
}

/// A page of a person's own, for no token.
pub(super) fn own(pattern: &'static str, cells: [u16; 5]) -> Row {
    Row { method: "GET", pattern, of: "", cells, ask: Ask::Read(0) }
}

pub(super) fn form(
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> Filled,
) -> Row {
    Row { method: "POST", pattern, of, cells, ask: Ask::Form(made) }
}

pub(super) fn json(
    method: &'static str,
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> (String, serde_json::Value),
) -> Row {
    with_scope(WRITE, method, pattern, of, cells, made)
}

/// The same where a token needs another scope than for writing.
pub(super) fn with_scope(
    scope: u8,
    method: &'static str,
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> (String, serde_json::Value),
) -> Row {
    Row { method, pattern, of, cells, ask: Ask::Json(scope, made) }
}

/// Every row, those of each noun in a file of its own. An address may have several, for several things that it can be
/// asked for.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        read("/u/{name}", ALL),
        read("/u/{name}/edits", ALL),
        read("/search", ALL),
        read("/categories", MOVED),
        read("/users/{name}", MOVED),
        read("/u/{name}/{*part}", MOVED),
        read("/index.php", MOVED),
        read("/w/index.php", MOVED),
        read("/robots.txt", ALL),
        read("/api/openapi.json", ALL),
        read("/api/users/{name}", ALL),
        read("/api/users/{name}/edits", ALL),
        read("/api/users/{name}/posts", ALL),
        read("/api/search", ALL),
    ];
    rows.extend(forum::rows());
    rows.extend(wiki::rows());
    rows.extend(people::rows());
    rows
}
