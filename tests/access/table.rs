//! The table: who may do what at which address. A cell is the status of the answer.

use serde_json::Value;

use super::super::harness::people::Who;
use super::{
    Ask, Filled, Row, World, account, admin, forum, moderation, people, uploads, wiki, wiki_writing, writing,
};

/// Everybody.
pub(super) const ALL: [u16; 5] = [200; 5];
/// Everybody, by another address.
pub(super) const MOVED: [u16; 5] = [301; 5];
/// Nobody: there is no such thing any more.
pub(super) const GONE: [u16; 5] = [404; 5];
/// A form for everybody, after which one is led on.
pub(super) const ALL_ON: [u16; 5] = [303; 5];

/// A page for who has an account; a guest is led to the page where one logs in.
pub(super) const MEMBERS: [u16; 5] = [303, 200, 200, 200, 200];
/// A form of theirs.
pub(super) const MEMBERS_ON: [u16; 5] = [401, 303, 303, 303, 303];
/// What is theirs over the API.
pub(super) const API_MEMBERS: [u16; 5] = [401, 200, 200, 200, 200];
/// What they make over the API.
pub(super) const API_MEMBERS_MAKE: [u16; 5] = [401, 201, 201, 201, 201];

/// A page for the author and for those who keep order.
pub(super) const AUTHORS: [u16; 5] = [303, 200, 403, 200, 200];
/// A form of theirs.
pub(super) const AUTHORS_ON: [u16; 5] = [401, 303, 403, 303, 303];

/// What everybody else is told does not exist.
pub(super) const KEEPERS_SEE: [u16; 5] = [404, 404, 404, 200, 200];
/// A page for those who keep order.
pub(super) const KEEPERS: [u16; 5] = [303, 403, 403, 200, 200];
/// A form of theirs.
pub(super) const KEEPERS_ON: [u16; 5] = [401, 403, 403, 303, 303];
/// What is theirs over the API.
pub(super) const API_KEEPERS: [u16; 5] = [401, 403, 403, 200, 200];
/// The same with nothing to tell.
pub(super) const API_KEEPERS_DO: [u16; 5] = [401, 403, 403, 204, 204];

/// What is read in a category that only administrators see.
pub(super) const HIDDEN_READ: [u16; 5] = [404, 404, 404, 404, 200];
/// A page about something there.
pub(super) const HIDDEN_PAGE: [u16; 5] = [303, 404, 404, 404, 200];
/// A form about something there.
pub(super) const HIDDEN_ON: [u16; 5] = [401, 404, 404, 404, 303];
/// A change there over the API with nothing to tell.
pub(super) const API_HIDDEN_DO: [u16; 5] = [401, 404, 404, 404, 204];

/// A page for administrators.
pub(super) const ADMINS: [u16; 5] = [303, 403, 403, 403, 200];
/// A form of theirs.
pub(super) const ADMINS_ON: [u16; 5] = [401, 403, 403, 403, 303];
/// What is theirs over the API.
pub(super) const API_ADMINS: [u16; 5] = [401, 403, 403, 403, 200];

/// Bits of scopes.
pub(super) const READ: u8 = 1;
pub(super) const WRITE: u8 = 2;
pub(super) const MODERATE: u8 = 4;
pub(super) const ACCOUNT: u8 = 8;
pub(super) const ADMINISTER: u8 = 16;

fn row(method: &'static str, pattern: &'static str, of: &'static str, cells: [u16; 5], ask: Ask) -> Row {
    Row { method, pattern, of, cells, ask, is_fresh: false }
}

pub(super) fn read(pattern: &'static str, cells: [u16; 5]) -> Row {
    row("GET", pattern, "", cells, Ask::Read(READ))
}

/// The same where a token needs another scope.
pub(super) fn read_with(scopes: u8, pattern: &'static str, cells: [u16; 5]) -> Row {
    row("GET", pattern, "", cells, Ask::Read(scopes))
}

/// The same of something else than what there is one of for all.
pub(super) fn read_at(
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> String,
) -> Row {
    row("GET", pattern, of, cells, Ask::At(READ, made))
}

/// A page of a person's own, for no token.
pub(super) fn own(pattern: &'static str, cells: [u16; 5]) -> Row {
    row("GET", pattern, "", cells, Ask::Read(0))
}

/// The same of something else than what there is one of for all.
pub(super) fn own_at(
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> String,
) -> Row {
    row("GET", pattern, of, cells, Ask::At(0, made))
}

pub(super) fn form(
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> Filled,
) -> Row {
    row("POST", pattern, of, cells, Ask::Form(made))
}

pub(super) fn json(
    method: &'static str,
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> (String, Value),
) -> Row {
    with_scope(WRITE, method, pattern, of, cells, made)
}

/// The same where a token needs other scopes than for writing.
pub(super) fn with_scope(
    scopes: u8,
    method: &'static str,
    pattern: &'static str,
    of: &'static str,
    cells: [u16; 5],
    made: fn(&mut World, Who) -> (String, Value),
) -> Row {
    row(method, pattern, of, cells, Ask::Json(scopes, made))
}

pub(super) fn picture(scopes: u8, pattern: &'static str, cells: [u16; 5]) -> Row {
    row("POST", pattern, "", cells, Ask::Picture(scopes))
}

/// Every row, those of each noun in a file of its own. An address may have several, for several things that it can be
/// asked for.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        read("/search", ALL),
        read("/index.php", MOVED),
        read("/w/index.php", MOVED),
        read("/robots.txt", ALL),
        read("/api/openapi.json", ALL),
        read("/api/search", ALL),
    ];
    for some in [
        forum::rows(),
        writing::rows(),
        moderation::rows(),
        wiki::rows(),
        wiki_writing::rows(),
        people::rows(),
        account::rows(),
        uploads::rows(),
        admin::rows(),
    ] {
        rows.extend(some);
    }
    rows
}
