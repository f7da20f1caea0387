//! What is due by the clock on people's behalf: mail is sent, and what is too old forgotten. A thread of its own, as a
//! mail server may take its time. It only reads the database; what is to be changed goes through the queue as
//! everybody's commands do.
//!
//! A message is taken out of the outbox after the mail server took it: one that was sent when the power failed is sent
//! again. Mail goes out at least once.

use std::collections::BTreeSet;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, bounded};
use rusqlite::Connection;
use veritable_config::Config;
use veritable_config::channel::Order;
use veritable_domain::time::UnixMillis;
use veritable_shm::{Fact, Store};
use veritable_writer_api::message::{
    Accounts, By, Command, FromWriter, IdempotencyKey, Outcome, Refusal, Request,
};

use crate::database::{self, Database};
use crate::mail::{Failed, MailTrouble, Outgoing, Post};
use crate::server::{Peer, Queue, Room};

/// Between two looks into the outbox.
const LOOK: Duration = Duration::from_millis(500);
/// Messages sent between two looks.
const AT_ONCE: u32 = 20;
/// Wait after the first failure; it doubles with each.
const FIRST_WAIT_MS: i64 = 5_000;
/// Longest wait between two tries.
const LONGEST_WAIT_MS: i64 = 60 * 60 * 1_000;
/// A message that could not be sent for so long is given up; who waits for it asks for another.
const GIVE_UP_MS: i64 = 2 * 24 * 60 * 60 * 1_000;
/// Between two times that old things are forgotten.
const FORGET: Duration = Duration::from_secs(10 * 60);
/// Longest wait for the queue: the threads that commit answer within seconds, or something is badly wrong.
const PATIENCE: Duration = Duration::from_secs(30);
/// Messages counted for `status`; that there are more than so many is all there is to know.
const COUNTED: u32 = 10_000;

/// Answers that may wait: those of commands that were not waited for any more.
const ANSWERS: usize = 16;

/// What may fail.
const READING: &str = "reading the outbox";
const WRITING: &str = "writing down what became of mail";

const DUE: &str = "SELECT id, address, subject, body, created_at, attempts FROM outbox WHERE next_at <= ?1
                   ORDER BY next_at LIMIT ?2";
const WAITING: &str =
    "SELECT count(*), min(created_at) FROM (SELECT created_at FROM outbox ORDER BY next_at LIMIT ?1)";

/// The thread's state.
pub(crate) struct Clerk {
    db: Connection,
    inside: Inside,
    post: Post,
    store: Option<Store>,
    forgot: Option<Instant>,
    /// Nothing is sent before: the mail server does not answer.
    pause_until: i64,
    /// Failures of the server one after the other.
    failures: u32,
    /// Sent, but still in the outbox, as the database could not be written.
    sent: BTreeSet<i64>,
    /// What failed when it was tried last: said once.
    failing: BTreeSet<&'static str>,
}

impl Clerk {
    /// # Errors
    /// The database cannot be read, or there is no socket to be had.
    pub(crate) fn new(
        config: &Config,
        jobs: Queue,
        store: Option<Store>,
    ) -> Result<Clerk, crate::WriterError> {
        let path = Database::Forums.path(config).display().to_string();
        let db = database::open_to_read(config, Database::Forums)
            .map_err(|error| crate::WriterError::Sqlite { path, error })?;
        let inside = Inside::new(jobs)
            .map_err(|error| crate::WriterError::Io { what: "the clerk's way to the queue".into(), error })?;
        let post = Post::of(config);
        Ok(Clerk {
            db,
            inside,
            post,
            store,
            forgot: None,
            pause_until: 0,
            failures: 0,
            sent: BTreeSet::new(),
            failing: BTreeSet::new(),
        })
    }

    /// Until told to stop. Nobody waits for its end: what it is sending is sent again after the next start.
    pub(crate) fn run(mut self, stop: &Receiver<Order>) {
        loop {
            match stop.recv_timeout(LOOK) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(_) | Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.forgot.is_none_or(|at| at.elapsed() >= FORGET) {
                self.forgot = Some(Instant::now());
                if let Err(refusal) = self.inside.send(Accounts::ForgetOld) {
                    tracing::warn!(%refusal, "what is too old is not forgotten yet");
                }
            }
            match self.look(stop) {
                Ok(()) => self.works(READING),
                Err(error) => self.fails(READING, &error),
            }
        }
    }

    /// Says that something fails, unless it failed before and has not worked since.
    fn fails(&mut self, what: &'static str, why: &dyn std::fmt::Display) {
        if self.failing.insert(what) {
            tracing::warn!(error = %why, "{what} fails; it is tried again without a word");
        }
    }

    fn works(&mut self, what: &'static str) {
        if self.failing.remove(what) {
            tracing::info!("{what} works again");
        }
    }

    /// Has the outbox changed; whether it was.
    fn note(&mut self, change: Accounts) -> bool {
        match self.inside.send(change) {
            Ok(_) => {
                self.works(WRITING);
                true
            }
            Err(refusal) => {
                self.fails(WRITING, &refusal);
                self.pause_until = UnixMillis::now().0 + FIRST_WAIT_MS;
                false
            }
        }
    }

    fn look(&mut self, stop: &Receiver<Order>) -> rusqlite::Result<()> {
        let now = UnixMillis::now().0;
        let (waiting, since): (u64, Option<i64>) = self
            .db
            .prepare_cached(WAITING)?
            .query_row([COUNTED], |row| Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get(1)?)))?;
        self.say(Fact::MailWaiting, waiting);
        self.say(Fact::MailSince, u64::try_from(since.unwrap_or_default()).unwrap_or_default());
        if waiting == 0 || self.post.is_off() || now < self.pause_until {
            return Ok(());
        }
        for outgoing in self.due(now)? {
            if !stop.is_empty() {
                break;
            }
            if !self.handle(&outgoing) {
                break;
            }
        }
        self.post.rest();
        Ok(())
    }

    fn due(&self, now: i64) -> rusqlite::Result<Vec<Outgoing>> {
        let mut due = self.db.prepare_cached(DUE)?;
        let rows = due.query_map((now, AT_ONCE), |row| {
            Ok(Outgoing {
                id: row.get(0)?,
                address: row.get(1)?,
                subject: row.get(2)?,
                body: row.get(3)?,
                created_at: row.get(4)?,
                attempts: row.get(5)?,
            })
        })?;
        rows.collect()
    }

    /// Sends a message and tells the database what came of it; whether to go on with the next one.
    fn handle(&mut self, outgoing: &Outgoing) -> bool {
        let id = outgoing.id;
        let result = if self.sent.contains(&id) {
            Ok(())
        } else {
            let post = &mut self.post;
            // A fault in a parser of what servers say is not to end all mail.
            catch_unwind(AssertUnwindSafe(|| post.send(outgoing)))
                .unwrap_or_else(|_| Err(MailTrouble::Connection.into()))
        };
        match result {
            Ok(()) => {
                self.failures = 0;
                self.say(Fact::MailTrouble, 0);
                tracing::debug!(message = id, "mail sent");
                let is_noted = self.note(Accounts::MailSent { message: id });
                // Else it would be sent again and again while the disk is full.
                if is_noted {
                    self.sent.remove(&id)
                } else {
                    self.sent.insert(id)
                };
                is_noted
            }
            Err(failed) => self.put_off(outgoing, failed),
        }
    }

    fn put_off(&mut self, outgoing: &Outgoing, failed: Failed) -> bool {
        let now = UnixMillis::now().0;
        let (message, said) = (outgoing.id, failed.said());
        self.say(Fact::MailTrouble, failed.trouble as u64);
        self.say(Fact::MailCode, failed.code.unwrap_or_default().into());
        self.say(Fact::MailTroubleAt, u64::try_from(now).unwrap_or_default());
        let is_old = now - outgoing.created_at > GIVE_UP_MS;
        let next_at = if failed.is_for_good() || is_old {
            tracing::error!(
                message,
                reason = said,
                attempts = outgoing.attempts + 1,
                "a message is given up"
            );
            None
        } else {
            tracing::warn!(message, reason = said, attempts = outgoing.attempts + 1, "mail waits");
            Some(UnixMillis(now + wait(outgoing.attempts)))
        };
        if failed.is_of_all() {
            self.pause_until = now + wait(self.failures);
            self.failures = self.failures.saturating_add(1);
        }
        let failed_of_all = failed.is_of_all();
        let pause = self.pause_until;
        let is_noted = self.note(Accounts::MailFailed { message, error: said, next_at });
        self.pause_until = self.pause_until.max(pause);
        is_noted && !failed_of_all
    }

    fn say(&self, fact: Fact, value: u64) {
        if let Some(store) = &self.store {
            store.set(fact, value);
        }
    }
}

/// How long to wait after one more failure, when there were so many before.
fn wait(failures: u32) -> i64 {
    FIRST_WAIT_MS.saturating_mul(1_i64.checked_shl(failures.min(32)).unwrap_or(i64::MAX)).min(LONGEST_WAIT_MS)
}

/// A way into the queue from within the process.
struct Inside {
    jobs: Queue,
    peer: Peer,
    answers: Receiver<FromWriter>,
    next: u64,
    /// What the peer closes when it is not read; its other end.
    _other: UnixStream,
}

impl Inside {
    fn new(jobs: Queue) -> std::io::Result<Inside> {
        let (stream, other) = UnixStream::pair()?;
        let (outbox, answers) = bounded(ANSWERS);
        Ok(Inside { jobs, peer: Peer::new(outbox, Arc::new(stream)), answers, next: 1, _other: other })
    }

    /// Has one command done and waits for its commit.
    fn send(&mut self, change: Accounts) -> Result<Outcome, Refusal> {
        let id = self.next;
        self.next += 1;
        let deadline = UnixMillis(UnixMillis::now().0 + i64::try_from(PATIENCE.as_millis()).unwrap_or(0));
        let command = Command::accounts(By::OPERATOR, change);
        let request = Box::new(Request { id, key: IdempotencyKey::fresh(), deadline, command });
        // Whatever came too late would keep the next answer out.
        for late in self.answers.try_iter() {
            drop(late);
        }
        self.jobs.push(request, None, Room::default(), &self.peer).map_err(|_| Refusal::Busy)?;
        loop {
            match self.answers.recv_timeout(PATIENCE) {
                Ok(FromWriter::Reply(reply)) if reply.id == id => return reply.result,
                // That of one that was not waited for any more.
                Ok(_) => {}
                Err(_) => return Err(Refusal::Expired),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        assert_eq!(wait(0), 5_000);
        assert_eq!(wait(3), 40_000);
        assert_eq!(wait(10), LONGEST_WAIT_MS);
        assert_eq!(wait(u32::MAX), LONGEST_WAIT_MS);
    }
}
