//! What each statement costs, counted in the shared segment, and a word in the log for one that is slow.
//!
//! Statements are run from everywhere, so the counters are the process's: set once, when it starts. A process that
//! has none (a tool, a test) measures nothing.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rusqlite::{Connection, Statement, StatementStatus};
use veritable_shm::{Counter, Owner, Run, Scoreboard, Segment, StatementId, Statements};

use crate::advice;

/// A statement that takes longer is looked into: a tenth of a second is what a person notices.
pub const SLOW: Duration = Duration::from_millis(100);

struct Watch {
    statements: Statements,
    board: Scoreboard,
    owner: Owner,
}

static WATCH: OnceLock<Watch> = OnceLock::new();

/// Statements whose places are known by the address and length of their texts: they are constants, and hashing one
/// takes as long as some run.
type Known = HashMap<(usize, usize), (Box<str>, Option<StatementId>)>;

/// Addresses that are remembered; texts that are no constants would fill the memory.
const KNOWN_MAX: usize = 1_024;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// Counts what this process's statements cost in `segment` from now on. Only the first call counts.
pub fn watch(segment: &Segment, owner: Owner) {
    WATCH.get_or_init(|| Watch {
        statements: Statements::of(segment),
        board: Scoreboard::of(segment),
        owner,
    });
}

/// A statement on its way.
pub(crate) struct Running<'a> {
    sql: &'a str,
    begun: Option<Instant>,
}

impl<'a> Running<'a> {
    pub(crate) fn begin(sql: &'a str) -> Self {
        Running { sql, begun: WATCH.get().map(|_| Instant::now()) }
    }

    /// Counts it; `rows` as it ended.
    pub(crate) fn end(
        self,
        db: &Connection,
        statement: &Statement<'_>,
        rows: Result<usize, &rusqlite::Error>,
    ) {
        let Some((watch, begun)) = WATCH.get().zip(self.begun) else { return };
        let counted = |status| u64::try_from(statement.reset_status(status)).unwrap_or_default();
        let run = Run {
            took: begun.elapsed(),
            rows: rows.unwrap_or_default() as u64,
            scanned: counted(StatementStatus::FullscanStep),
            sorted: counted(StatementStatus::Sort),
            failed: rows.is_err(),
        };
        if run.took > SLOW {
            watch.board.add(watch.owner.slot, Counter::SlowStatements, 1);
        }
        if let Some(id) = id(watch, self.sql)
            && watch.statements.record(id, &run, SLOW)
        {
            tell(db, self.sql, &run);
        }
    }
}

/// The statement's place. The text is compared as well as its address, which another text may have had before.
fn id(watch: &Watch, sql: &str) -> Option<StatementId> {
    KNOWN.with_borrow_mut(|known| {
        let key = (sql.as_ptr() as usize, sql.len());
        if let Some((text, id)) = known.get(&key)
            && **text == *sql
        {
            return *id;
        }
        let id = watch.statements.find(sql);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(key, (sql.into(), id));
        id
    })
}

/// Says once, over all processes, why a statement is slow.
fn tell(db: &Connection, sql: &str, run: &Run) {
    // A number in JSON logs as well, which have none of 128 bits.
    let took_ms = u64::try_from(run.took.as_millis()).unwrap_or(u64::MAX);
    match advice::plan(db, sql) {
        Ok(plan) => {
            let findings = advice::findings(sql, &plan);
            let mut said = findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
            if said.is_empty() {
                said.push_str(
                    "nothing that its plan shows: it had much to read, or had to wait for the disk",
                );
            }
            // A statement that only begins or ends something has none.
            let plan = (!plan.is_empty()).then(|| plan.join("; "));
            tracing::warn!(
                took_ms,
                rows = run.rows,
                sql,
                plan,
                findings = said,
                "a slow statement; `veritable queries` shows them all"
            );
        }
        Err(error) => {
            tracing::warn!(took_ms, rows = run.rows, sql, %error, "a slow statement");
        }
    }
}
