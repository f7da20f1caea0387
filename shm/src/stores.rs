//! What is known of each database: whether it can be written and read, and when what was done for it. The writer
//! and the workers say it, everybody may read it.

use crate::layout::{Area, STORE_WORDS, STORES};
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};

/// One fact about a database. Times are milliseconds since 1970 and 0 for never; kinds of trouble are numbers of
/// those who say and read them, and 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Fact {
    /// Why it cannot be written.
    WriteTrouble = 0,
    /// Since when.
    WriteTroubleSince,
    /// Why it could not be read.
    ReadTrouble,
    /// When that was noticed last.
    ReadTroubleAt,
    /// Bytes of the database's file.
    Bytes,
    /// Bytes in it that hold nothing.
    FreeBytes,
    /// Bytes of its log.
    LogBytes,
    /// Pages in the log.
    LogPages,
    /// Those of them that are in the database's file as well.
    LogPagesCopied,
    /// When the log was last copied to its end.
    CheckpointAt,
    /// When the log's file was last made short.
    TruncateAt,
    /// When the statistics for the query planner were last renewed.
    OptimizeAt,
    /// When free pages were last given back.
    VacuumAt,
    /// When it was last checked from beginning to end.
    CheckAt,
    /// Whether that found damage.
    CheckFound,
    /// Since when it is being checked; 0 while it is not.
    CheckSince,
    /// Commands that wait.
    Queue,
    /// What is being done for it now: a number of those who say and read it.
    Task,
    /// When it was last looked after.
    UpkeepAt,
    /// Steps of it for which commands had to wait, as it was long overdue.
    UpkeepOverdue,
    /// Messages that wait to be sent.
    MailWaiting,
    /// Since when the oldest of them waits.
    MailSince,
    /// Why the last try failed, if nothing was sent since.
    MailTrouble,
    /// What the mail server answered then.
    MailCode,
    /// When that was.
    MailTroubleAt,
    /// A number of the file that it was last opened in, made of device and inode; 0 while that is not known.
    DatabaseFile,
    /// The same of its log.
    LogFile,
    /// The same of the log's index.
    IndexFile,
    /// Whether its next check is overdue.
    CheckLate,
}

impl Fact {
    /// All facts, in their order.
    pub const ALL: [Fact; 29] = [
        Fact::WriteTrouble,
        Fact::WriteTroubleSince,
        Fact::ReadTrouble,
        Fact::ReadTroubleAt,
        Fact::Bytes,
        Fact::FreeBytes,
        Fact::LogBytes,
        Fact::LogPages,
        Fact::LogPagesCopied,
        Fact::CheckpointAt,
        Fact::TruncateAt,
        Fact::OptimizeAt,
        Fact::VacuumAt,
        Fact::CheckAt,
        Fact::CheckFound,
        Fact::CheckSince,
        Fact::Queue,
        Fact::Task,
        Fact::UpkeepAt,
        Fact::UpkeepOverdue,
        Fact::MailWaiting,
        Fact::MailSince,
        Fact::MailTrouble,
        Fact::MailCode,
        Fact::MailTroubleAt,
        Fact::DatabaseFile,
        Fact::LogFile,
        Fact::IndexFile,
        Fact::CheckLate,
    ];
}

const _: () = assert!(Fact::ALL.len() <= STORE_WORDS, "facts outgrow their store");

/// The facts about one database.
#[derive(Clone, Debug)]
pub struct Store {
    segment: Segment,
    index: usize,
}

impl Store {
    /// Those of the database with this number; `None` when there are not so many.
    #[must_use]
    pub fn of(segment: &Segment, index: usize) -> Option<Self> {
        (index < STORES).then(|| Self { segment: segment.clone(), index })
    }

    /// A fact.
    #[must_use]
    pub fn get(&self, fact: Fact) -> u64 {
        self.word(fact).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Says it anew.
    pub fn set(&self, fact: Fact, value: u64) {
        if let Some(word) = self.word(fact) {
            word.store(value, Ordering::Relaxed);
        }
    }

    fn word(&self, fact: Fact) -> Option<&AtomicU64> {
        self.segment.area(Area::Stores).get(self.index * STORE_WORDS + fact as usize)
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    #[test]
    fn facts_of_two_databases_are_apart() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let store = |index| Store::of(&segment, index).unwrap();
        for (number, fact) in (1..).zip(Fact::ALL) {
            store(1).set(fact, number);
        }
        for (number, fact) in (1..).zip(Fact::ALL) {
            assert_eq!((store(0).get(fact), store(1).get(fact)), (0, number));
        }
        assert!(Store::of(&segment, STORES).is_none());
    }
}
