//! Every question asked of the databases, and nothing that changes them. Each is a constant, so that a
//! test can ask SQLite how it means to answer it.

use rusqlite::Row;
use serde::{Serialize, Serializer};
use veritable_domain::time::UnixMillis;
// Every query goes through these, which measure it.
pub(crate) use veritable_sql::{first, rows};

pub mod accounts;
pub(crate) mod admin;
pub(crate) mod backlinks;
pub(crate) mod deleted;
pub(crate) mod drafts;
pub(crate) mod export;
pub(crate) mod forum;
pub(crate) mod meter;
pub(crate) mod moderation;
pub(crate) mod old;
#[cfg(test)]
pub(crate) mod plans;
pub mod pool;
pub(crate) mod posts;
pub(crate) mod previous;
mod reader;
pub(crate) mod search;
pub(crate) mod settings;
pub(crate) mod uploads;
pub(crate) mod wiki;

/// A time as the API and the pages show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct When(pub(crate) UnixMillis);

impl When {
    /// For machines: RFC 3339.
    pub(crate) fn iso(&self) -> String {
        self.0.rfc3339()
    }

    /// For people: `13 Nov 2016, 05:22`, always UTC, so that an answer can be kept for everyone.
    pub(crate) fn human(&self) -> String {
        self.0.timestamp().strftime("%-d %b %Y, %H:%M").to_string()
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.iso())
    }
}

/// Somebody's name, as bylines have it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Person {
    pub(crate) name: String,
    pub(crate) display_name: String,
}

impl Person {
    /// Somebody whose account is not known.
    pub(crate) fn nobody() -> Person {
        Person { name: "somebody".to_owned(), display_name: String::new() }
    }

    /// Address of the profile.
    pub(crate) fn path(&self) -> String {
        user_path(&self.name)
    }
}

/// Address of a user's profile.
pub(crate) fn user_path(name: &str) -> String {
    format!("/u/{}", escape_part(&name.replace(' ', "_")))
}

/// One part of an address, escaped.
pub(crate) fn escape_part(part: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    percent_encoding::utf8_percent_encode(part, KEPT).to_string()
}

pub(crate) fn when(row: &Row<'_>, column: usize) -> rusqlite::Result<When> {
    Ok(When(UnixMillis(row.get(column)?)))
}

/// Every constant query by name; the test of plans walks it.
#[cfg(test)]
pub(crate) const ALL: &[&[(&str, &str)]] = &[
    accounts::ALL,
    admin::ALL,
    backlinks::ALL,
    deleted::ALL,
    drafts::ALL,
    export::ALL,
    forum::ALL,
    moderation::ALL,
    old::ALL,
    posts::ALL,
    previous::ALL,
    search::ALL,
    settings::ALL,
    uploads::ALL,
    wiki::ALL,
];
