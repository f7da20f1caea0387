//! One transaction: any number of commands, a savepoint for each, so that one that fails takes nothing of the
//! others with it; and the answers of those that were carried out, by key, so that none is carried out twice.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use rusqlite::{Connection, ErrorCode, params};
use veritable_domain::codec;
use veritable_domain::tag::Tag;
use veritable_domain::time::UnixMillis;
use veritable_sql::Trouble;
use veritable_writer_api::message::{Command, Outcome, Refusal, Request};

use crate::apply::{self, Failure, Transaction, search};
use crate::files::Fate;
use crate::mark;

/// What became of commands, in a transaction that was committed unless it says otherwise.
#[derive(Debug, Default)]
pub struct Committed {
    /// For each command, in their order.
    pub results: Vec<Result<Outcome, Refusal>>,
    /// What it made stale, each once.
    pub(crate) tags: Vec<Tag>,
    /// What it left in the database if it made anything stale.
    pub(crate) mark: Option<u64>,
    /// Transactions that were committed for them: one, or of a batch that was lost one for each command that was not.
    pub(crate) commits: u64,
    /// Transactions that were lost.
    pub(crate) lost: u64,
    /// Commands that had been carried out before under the same key.
    pub(crate) repeated: u64,
    /// Why SQLite could not carry out one of them, although the transaction as a whole was committed.
    pub(crate) failure: Option<rusqlite::Error>,
    /// What is to become of the files of pictures.
    pub(crate) files: Vec<Fate>,
}

/// Why a transaction was not committed.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    /// SQLite failed: nothing of any command is in the database, and the transaction may still be open.
    #[error(transparent)]
    Refused(#[from] rusqlite::Error),
    /// Writing failed when it was to become durable. What was written may be whole in the log all the same: if the
    /// process ends before another transaction is written over it, whoever opens the database next finds it
    /// committed (<https://www.sqlite.org/walformat.html#recovery>).
    #[error(transparent)]
    Unknown(rusqlite::Error),
}

impl Lost {
    /// What SQLite said.
    pub(crate) fn error(&self) -> &rusqlite::Error {
        match self {
            Lost::Refused(error) | Lost::Unknown(error) => error,
        }
    }
}

/// Carries out `requests` and commits; they are on disk when this returns.
///
/// # Errors
/// SQLite failed.
pub fn commit<'r>(db: &Connection, requests: impl Iterator<Item = &'r Request>) -> Result<Committed, Lost> {
    db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    // Read only now: the lock may have been waited for.
    let mut batch = Batch { db, now: UnixMillis::now(), done: Committed::default(), texts: Vec::new() };
    for request in requests {
        let result = batch.carry_out(request)?;
        batch.done.results.push(result);
    }
    search::write(db, &batch.texts)?;
    let mut done = batch.done;
    done.mark = if done.tags.is_empty() { None } else { Some(mark::renew(db)?) };
    veritable_sql::run(db, "COMMIT", []).map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::SystemIoFailure) => Lost::Unknown(error),
        // A disk without space has not taken the last page, without which nothing before it counts.
        _ => Lost::Refused(error),
    })?;
    done.commits = 1;
    let mut seen = HashSet::new();
    done.tags.retain(|tag| seen.insert(tag.clone()));
    Ok(done)
}

/// The open transaction.
struct Batch<'a> {
    db: &'a Connection,
    now: UnixMillis,
    done: Committed,
    /// What search is to find.
    texts: Vec<search::Text>,
}

impl Batch<'_> {
    /// `Err` means that the whole transaction is lost.
    fn carry_out(&mut self, request: &Request) -> rusqlite::Result<Result<Outcome, Refusal>> {
        // Before the deadline: one that was carried out and is asked about late must not hear that it was not.
        if let Some(before) = done_before(self.db, request)? {
            self.done.repeated += 1;
            return Ok(before);
        }
        // By the clock, as those before it in the transaction may have taken long.
        if request.deadline < UnixMillis::now() {
            return Ok(Err(Refusal::Expired));
        }
        self.db.prepare_cached("SAVEPOINT command")?.execute([])?;
        let mut tx = Transaction::new(self.db, self.now);
        let applied = catch_unwind(AssertUnwindSafe(|| apply::apply(&mut tx, &request.command)));
        let refusal = match applied {
            Ok(Ok(outcome)) => {
                if is_keyed(request) {
                    remember(self.db, request, &outcome, self.now)?;
                }
                self.db.prepare_cached("RELEASE command")?.execute([])?;
                self.done.tags.append(&mut tx.tags);
                self.texts.append(&mut tx.texts);
                self.done.files.append(&mut tx.files);
                return Ok(Ok(outcome));
            }
            Ok(Err(Failure::Refused(refusal))) => refusal,
            Ok(Err(Failure::Sqlite(error))) => {
                let path = Path::new(self.db.path().unwrap_or_default());
                let command = name(&request.command);
                match Trouble::of(&error, path) {
                    // It is said once, by whoever keeps the database's state.
                    Some(trouble) => tracing::debug!(%error, %trouble, command, "a command failed"),
                    None => tracing::error!(%error, command, "a command failed"),
                }
                let refusal = Refusal::Storage { reason: error.to_string() };
                if self.db.is_autocommit() {
                    // SQLite gave up the whole transaction (full disk, I/O error): nothing before it is committed.
                    return Err(error);
                }
                self.done.failure.get_or_insert(error);
                refusal
            }
            Err(_) => {
                tracing::error!(command = name(&request.command), "a command panicked");
                Refusal::Malformed { reason: "the writer failed on it".into() }
            }
        };
        self.db.prepare_cached("ROLLBACK TO command")?.execute([])?;
        self.db.prepare_cached("RELEASE command")?.execute([])?;
        Ok(Err(refusal))
    }
}

/// Whether it is remembered what came of it: a ping leaves nothing, an import knows by itself what it did.
fn is_keyed(request: &Request) -> bool {
    !matches!(request.command, Command::Ping | Command::Import(_))
}

/// What came of a command under the same key; refused when it is another command.
pub(crate) fn done_before(
    db: &Connection,
    request: &Request,
) -> rusqlite::Result<Option<Result<Outcome, Refusal>>> {
    if !is_keyed(request) {
        return Ok(None);
    }
    let sql = "SELECT outcome, digest FROM done_commands WHERE key = ?1";
    let found = veritable_sql::first(db, sql, [request.key.name], |row| {
        Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?))
    })?;
    let Some((bytes, digest)) = found else { return Ok(None) };
    if digest != request.key.digest.cast_signed() {
        return Ok(Some(Err(Refusal::KeyReused)));
    }
    match codec::decode(&bytes) {
        Ok(outcome) => Ok(Some(Ok(outcome))),
        Err(error) => {
            // Its sender may not hear "done" without what came of it, and it must not be done again.
            tracing::error!(%error, "a stored outcome cannot be read");
            Ok(Some(Err(Refusal::Storage { reason: "what came of it cannot be read".into() })))
        }
    }
}

/// Remembers what came of a command.
pub(crate) fn remember(
    db: &Connection,
    request: &Request,
    outcome: &Outcome,
    now: UnixMillis,
) -> rusqlite::Result<()> {
    let bytes =
        codec::encode(outcome).map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let sql = "INSERT INTO done_commands (key, done_at, outcome, digest) VALUES (?1, ?2, ?3, ?4)";
    veritable_sql::run(db, sql, params![request.key.name, now.0, bytes, request.key.digest.cast_signed()])?;
    Ok(())
}

/// A command's name for the log; its content is people's own.
pub(crate) fn name(command: &Command) -> &'static str {
    match command {
        Command::Ping => "ping",
        Command::Forum(_, change) => change.as_ref().into(),
        Command::Wiki(_, change) => change.as_ref().into(),
        Command::Accounts(_, change) => change.as_ref().into(),
        Command::Administration(_, change) => change.as_ref().into(),
        Command::Import(_) => "import",
        Command::Uploads(_, change) => change.as_ref().into(),
    }
}
