//! Who changes an account: its owner, and of what is another's, nobody.

use rusqlite::params;
use serde_json::{Value, json};

use super::super::account_settings::code_of;
use super::super::harness::people::PASSWORD;
use super::table::{
    ACCOUNT, ADMINISTER, API_MEMBERS, API_MEMBERS_MAKE, MEMBERS, MEMBERS_ON, MODERATE, READ, form, own,
    read_with, with_scope,
};
use super::{Filled, Row, Who, World};

/// A page that shows something once.
const SHOWN_ONCE: [u16; 5] = [401, 200, 200, 200, 200];
/// What is another's is not there.
const ANOTHERS: [u16; 5] = [401, 404, 404, 404, 404];
/// A secret of a second factor.
const TOTP: [u8; 20] = [7; 20];

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = pages();
    rows.extend(changes());
    rows.extend(second_factor());
    rows.extend(sessions());
    rows.extend(tokens());
    rows.extend(by_programs());
    rows
}

fn pages() -> Vec<Row> {
    vec![
        own("/account", MEMBERS),
        own("/account/second-factor", MEMBERS),
        own("/account/tokens", MEMBERS),
        own("/account/data", MEMBERS),
        own("/account/data/download", MEMBERS),
        own("/account/delete", MEMBERS),
        read_with(READ, "/api/me", API_MEMBERS),
        read_with(ACCOUNT, "/api/me/sessions", API_MEMBERS),
        read_with(ACCOUNT, "/api/me/tokens", API_MEMBERS),
    ]
}

/// A form with the password that an account has.
fn with_password(path: &str, more: &[(&'static str, &str)]) -> Filled {
    let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
    (path.into(), more.chain([("current", PASSWORD.to_owned())]).collect())
}

fn changes() -> Vec<Row> {
    /// Without the password it is not known whose hand is at the browser.
    const NOT_SHOWN: [u16; 5] = [401, 422, 422, 422, 422];
    vec![
        form("/account/name", "", MEMBERS_ON, |_, _| {
            ("/account/name".into(), vec![("display-name", "Somebody Else".into())])
        })
        .by_new_accounts(),
        form("/account/address", "", SHOWN_ONCE, |world, _| {
            let address = format!("another{}@example.org", world.fresh());
            with_password("/account/address", &[("address", &address)])
        })
        .by_new_accounts(),
        form("/account/address", "without the password", NOT_SHOWN, |_, _| {
            ("/account/address".into(), vec![("address", "mine@example.org".into())])
        })
        .by_new_accounts(),
        form("/account/password", "", MEMBERS_ON, |_, _| {
            with_password("/account/password", &[("password", "other unusual words")])
        })
        .by_new_accounts(),
        form("/account/password", "without the one before", NOT_SHOWN, |_, _| {
            ("/account/password".into(), vec![("password", "other unusual words".into())])
        })
        .by_new_accounts(),
        form("/account/delete", "", MEMBERS_ON, |_, _| with_password("/account/delete", &[("sure", "1")]))
            .by_new_accounts(),
        form("/account/delete", "without the password", NOT_SHOWN, |_, _| {
            ("/account/delete".into(), vec![("sure", "1".into())])
        })
        .by_new_accounts(),
    ]
}

/// Gives the account that asks a second factor, or one that is being set up.
fn enrol(world: &World, confirmed: bool) {
    let sql = "UPDATE users SET totp_secret = ?2, totp_confirmed_at = ?3 WHERE id = ?1";
    let at = confirmed.then_some(1);
    // A guest has no account.
    world.community.database().execute(sql, params![world.asker, TOTP, at]).unwrap();
}

fn second_factor() -> Vec<Row> {
    vec![
        form("/account/second-factor/begin", "", MEMBERS_ON, |_, _| {
            ("/account/second-factor/begin".into(), Vec::new())
        })
        .by_new_accounts(),
        form("/account/second-factor/confirm", "", SHOWN_ONCE, |world, _| {
            enrol(world, false);
            with_password("/account/second-factor/confirm", &[("code", &code_of(&TOTP))])
        })
        .by_new_accounts(),
        form("/account/second-factor/codes", "", SHOWN_ONCE, |world, _| {
            enrol(world, true);
            with_password("/account/second-factor/codes", &[])
        })
        .by_new_accounts(),
        form("/account/second-factor/end", "", MEMBERS_ON, |world, _| {
            enrol(world, true);
            with_password("/account/second-factor/end", &[])
        })
        .by_new_accounts(),
        form("/account/second-factor/end", "without the password", [401, 422, 422, 422, 422], |world, _| {
            enrol(world, true);
            ("/account/second-factor/end".into(), Vec::new())
        })
        .by_new_accounts(),
    ]
}

/// Another than who asks.
fn another(who: Who) -> Who {
    if who == Who::Owner { Who::Other } else { Who::Owner }
}

/// A session of somebody's that nobody uses.
fn session_of(world: &mut World, who: Who) -> i64 {
    // A guest has none; another's will do.
    let who = if who == Who::Guest { Who::Other } else { who };
    let _unused = world.session(who);
    let user = world.community.user(who);
    world.number("SELECT max(id) FROM sessions WHERE user_id = ?1", user)
}

/// A token of somebody's that nobody uses.
fn token_of(world: &mut World, who: Who) -> i64 {
    let who = if who == Who::Guest { Who::Other } else { who };
    let (user, db) = (world.community.user(who), world.community.database());
    let sql = "INSERT INTO api_tokens (token_hash, user_id, name, created_at, scopes, expires_at) \
               VALUES (randomblob(32), ?1, 'unused', 0, 1, 9000000000000)";
    db.execute(sql, [user]).unwrap();
    db.last_insert_rowid()
}

fn sessions() -> Vec<Row> {
    vec![
        form("/account/sessions/end", "one's own", MEMBERS_ON, |world, who| {
            let fields = vec![("session", session_of(world, who).to_string())];
            ("/account/sessions/end".into(), fields)
        }),
        form("/account/sessions/end", "another's", ANOTHERS, |world, who| {
            let fields = vec![("session", session_of(world, another(who)).to_string())];
            ("/account/sessions/end".into(), fields)
        }),
        form("/account/sessions/end-others", "", MEMBERS_ON, |_, _| {
            ("/account/sessions/end-others".into(), Vec::new())
        })
        .by_new_accounts(),
        with_scope(ACCOUNT, "DELETE", "/api/me/sessions/{id}", "one's own", API_MEMBERS, |world, who| {
            (format!("/api/me/sessions/{}", session_of(world, who)), Value::Null)
        }),
        with_scope(ACCOUNT, "DELETE", "/api/me/sessions/{id}", "another's", ANOTHERS, |world, who| {
            (format!("/api/me/sessions/{}", session_of(world, another(who))), Value::Null)
        }),
    ]
}

fn token_for(scope: &'static str) -> Filled {
    let fields = vec![
        ("name", "a job".into()),
        ("days", "30".into()),
        (scope, "1".into()),
        ("current", PASSWORD.into()),
    ];
    ("/account/tokens".into(), fields)
}

/// No token is for more than its owner may do.
fn tokens() -> Vec<Row> {
    vec![
        form("/account/tokens", "to write", SHOWN_ONCE, |_, _| token_for("scope-write")),
        form("/account/tokens", "to keep order", [401, 422, 422, 200, 200], |_, _| {
            token_for("scope-moderate")
        }),
        form("/account/tokens", "to administer", [401, 422, 422, 422, 200], |_, _| {
            token_for("scope-administer")
        }),
        form("/account/tokens/revoke", "one's own", MEMBERS_ON, |world, who| {
            ("/account/tokens/revoke".into(), vec![("token", token_of(world, who).to_string())])
        }),
        form("/account/tokens/revoke", "another's", ANOTHERS, |world, who| {
            ("/account/tokens/revoke".into(), vec![("token", token_of(world, another(who)).to_string())])
        }),
    ]
}

fn by_programs() -> Vec<Row> {
    fn asked(scope: &str) -> (String, Value) {
        ("/api/me/tokens".into(), json!({"name": "a job", "scopes": [scope], "current": PASSWORD}))
    }
    vec![
        with_scope(ACCOUNT, "PATCH", "/api/me", "", API_MEMBERS, |_, _| {
            ("/api/me".into(), json!({"display_name": "Somebody"}))
        }),
        with_scope(ACCOUNT, "POST", "/api/me/tokens", "for the account", API_MEMBERS_MAKE, |_, _| {
            asked("account")
        }),
        with_scope(
            ACCOUNT | MODERATE,
            "POST",
            "/api/me/tokens",
            "to keep order",
            [401, 400, 400, 201, 201],
            |_, _| asked("moderate"),
        ),
        with_scope(
            ACCOUNT | ADMINISTER,
            "POST",
            "/api/me/tokens",
            "to administer",
            [401, 400, 400, 400, 201],
            |_, _| asked("administer"),
        ),
        with_scope(ACCOUNT, "DELETE", "/api/me/tokens/{id}", "one's own", API_MEMBERS, |world, who| {
            (format!("/api/me/tokens/{}", token_of(world, who)), Value::Null)
        }),
        with_scope(ACCOUNT, "DELETE", "/api/me/tokens/{id}", "another's", ANOTHERS, |world, who| {
            (format!("/api/me/tokens/{}", token_of(world, another(who))), Value::Null)
        }),
    ]
}
