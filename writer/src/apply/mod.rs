//! Every change there is, by noun. A function here runs within one savepoint of an open transaction: it
//! checks, changes rows, and names the tags it made stale. What it returns is told to the asker only after
//! the commit.

mod accounts;
mod administration;
mod forum;
mod import_forum;
mod import_wiki;
pub(crate) mod search;
mod uploads;
mod wiki;

use rusqlite::Connection;
use veritable_domain::permission::{Access, Actor, Deed, Denial, Groups, Role, may};
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{By, Command, Import, Outcome, Refusal};

use crate::database::Database;
use crate::facts;
use crate::files::Fate;

/// What a change works with.
pub(crate) struct Transaction<'a> {
    pub(crate) db: &'a Connection,
    /// One clock reading for the whole transaction.
    pub(crate) now: UnixMillis,
    /// What has become stale.
    pub(crate) tags: Vec<Tag>,
    /// What search is to find; written when all commands of the transaction are carried out.
    pub(crate) texts: Vec<search::Text>,
    /// What is to become of the files of pictures, after the commit.
    pub(crate) files: Vec<Fate>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(db: &'a Connection, now: UnixMillis) -> Self {
        Transaction { db, now, tags: Vec::new(), texts: Vec::new(), files: Vec::new() }
    }

    /// Names what has become stale.
    fn touch(&mut self, tags: impl IntoIterator<Item = Tag>) {
        self.tags.extend(tags);
    }

    /// Who asks, as the database knows it now: whoever was switched off meanwhile may nothing.
    fn actor(&self, by: &By) -> Result<Actor, Failure> {
        let Some(user) = by.user else { return Ok(Actor::OPERATOR) };
        let sql =
            "SELECT role, groups FROM users WHERE id = ?1 AND disabled_at IS NULL AND erased_at IS NULL";
        let found = self.row(sql, [user.0], |row| {
            Ok(Actor::account(user, Role::from_number(row.get(0)?), Groups::from_bits(row.get(1)?)))
        })?;
        found.ok_or(Failure::Refused(Refusal::Denied(Denial::LoginRequired)))
    }

    /// Writes down what was done with a role's power.
    fn audit(&self, by: &By, deed: &str, object: &str, detail: &str) -> rusqlite::Result<()> {
        let sql =
            "INSERT INTO audit (at, actor_id, address, deed, object, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let actor = by.user.map(|user| user.0);
        self.run(sql, rusqlite::params![self.now.0, actor, by.address, deed, object, detail])?;
        Ok(())
    }

    /// Runs one prepared statement; yields the number of rows changed.
    fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
        veritable_sql::run(self.db, sql, values)
    }

    /// The first row, if there is one.
    fn row<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        veritable_sql::first(self.db, sql, values, read)
    }

    /// All rows.
    fn rows<T>(
        &self,
        sql: &str,
        values: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        veritable_sql::rows(self.db, sql, values, read)
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub(crate) enum Failure {
    /// For the asker to know.
    Refused(Refusal),
    /// The database failed.
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sqlite(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::Refused(refusal)
    }
}

impl From<Denial> for Failure {
    fn from(denial: Denial) -> Self {
        Failure::Refused(Refusal::Denied(denial))
    }
}

pub(crate) fn no_such(what: &str) -> Failure {
    Failure::Refused(Refusal::NotFound { what: what.to_owned() })
}

/// Whether somebody may do something with a topic or post. Of one that is hidden from them they are told what they would
/// be told if there were none.
fn allowed(actor: Actor, deed: Deed, what: &str) -> Result<(), Failure> {
    match may(actor, deed) {
        Err(Denial::Hidden) => Err(no_such(what)),
        decided => Ok(decided?),
    }
}

fn malformed(reason: impl Into<String>) -> Failure {
    Failure::Refused(Refusal::Malformed { reason: reason.into() })
}

/// The database a command changes.
pub(crate) fn database(command: &Command) -> Database {
    match command {
        Command::Ping
        | Command::Forum(..)
        | Command::Wiki(..)
        | Command::Accounts(..)
        | Command::Administration(..)
        | Command::Import(_)
        | Command::Uploads(..) => Database::Forums,
    }
}

/// Carries a command out.
pub(crate) fn apply(tx: &mut Transaction<'_>, command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::Ping => Ok(Outcome::Done),
        Command::Forum(by, change) => forum::apply(tx, by, change),
        Command::Wiki(by, change) => wiki::apply(tx, by, change),
        Command::Accounts(by, change) => accounts::apply(tx, by, change),
        Command::Administration(by, change) => administration::apply(tx, by, change),
        Command::Import(import) => apply_import(tx, import),
        Command::Uploads(by, change) => uploads::apply(tx, by, change),
    }
}

/// Who may do what in a category, from the three columns that begin at `at`.
fn access(row: &rusqlite::Row<'_>, at: usize) -> rusqlite::Result<Access> {
    let groups = |column| row.get(column).map(Groups::from_bits);
    Ok(Access { read: groups(at)?, post: groups(at + 1)?, moderate: groups(at + 2)? })
}

fn apply_import(tx: &mut Transaction<'_>, import: &Import) -> Result<Outcome, Failure> {
    let tally = match import {
        Import::Users { source, users } => accounts::import_users(tx, source, users)?,
        Import::Categories { source, categories } => import_forum::categories(tx, source, categories)?,
        Import::Topic { source, topic } => import_forum::topic(tx, source, topic)?,
        Import::Namespaces { namespaces } => import_wiki::namespaces(tx, namespaces)?,
        Import::Page { source, page } => import_wiki::page(tx, source, page)?,
        Import::Finish { source, summary } => {
            facts::set(tx.db, &format!("import:{source}"), summary)?;
            Default::default()
        }
    };
    if tally.added + tally.changed > 0 {
        // An import changes so much that naming it all would be as much work as forgetting it.
        tx.touch([Tag::Site, Tag::Titles]);
    }
    Ok(Outcome::Imported(tally))
}

/// What an imported thing became, and the digest of what was imported.
pub(crate) struct Known {
    pub(crate) local_id: i64,
    digest: Option<Vec<u8>>,
}

impl Known {
    pub(crate) fn is(&self, digest: &[u8; 16]) -> bool {
        self.digest.as_deref() == Some(digest)
    }
}

/// Looks up what an imported thing became.
pub(crate) fn known(
    tx: &Transaction<'_>,
    source: &str,
    kind: &str,
    foreign: &str,
) -> rusqlite::Result<Option<Known>> {
    tx.row(
        "SELECT local_id, digest FROM imported WHERE source = ?1 AND kind = ?2 AND foreign_id = ?3",
        [source, kind, foreign],
        |row| Ok(Known { local_id: row.get(0)?, digest: row.get(1)? }),
    )
}

/// Remembers what an imported thing became.
pub(crate) fn remember(
    tx: &Transaction<'_>,
    (source, kind, foreign): (&str, &str, &str),
    local_id: i64,
    digest: Option<[u8; 16]>,
) -> rusqlite::Result<()> {
    tx.run(
        "INSERT INTO imported (source, kind, foreign_id, local_id, digest) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (source, kind, foreign_id) DO UPDATE SET local_id = excluded.local_id, digest = excluded.digest",
        rusqlite::params![source, kind, foreign, local_id, digest],
    )?;
    Ok(())
}

/// Tells whether an imported thing changed since.
pub(crate) fn digest<T>(thing: &T) -> Result<[u8; 16], Failure>
where
    T: veritable_domain::codec::SchemaWrite<veritable_domain::codec::Layout, Src = T>,
{
    let bytes = veritable_domain::codec::encode(thing).map_err(|error| malformed(error.to_string()))?;
    Ok(xxhash_rust::xxh3::xxh3_128(&bytes).to_le_bytes())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod plan_tests;
