//! What each statement of the databases costs, over all processes: found by a hash of its text, which is kept for
//! people. A place is taken once and for ever; when there is none left, further statements are not counted.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64;

use crate::histogram::{self, Histogram};
use crate::layout::{Area, HISTOGRAM_WORDS, STATEMENT_TEXT_BYTES, STATEMENT_WORDS, STATEMENTS};
use crate::raw::WORD;
use crate::segment::Segment;
use crate::sync::{AtomicU64, Ordering};

/// Words of a statement. The text's length is written last: one that is 0 says that the text is not there yet.
const HASH: usize = 0;
const LENGTH: usize = 1;
const ROWS: usize = 2;
const SCANNED: usize = 3;
const SORTED: usize = 4;
const MOST: usize = 5;
const ERRORS: usize = 6;
const SLOW: usize = 7;
const TEXT: usize = 16;
const TEXT_WORDS: usize = STATEMENT_TEXT_BYTES / WORD;
const TIMES: usize = TEXT + TEXT_WORDS;

/// Where a statement's figures are: kept by who runs it often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementId(u16);

/// One run of a statement.
#[derive(Clone, Copy, Debug, Default)]
pub struct Run {
    /// How long it took, all rows read.
    pub took: Duration,
    /// Rows it yielded, or changed.
    pub rows: u64,
    /// Rows it walked past without an index.
    pub scanned: u64,
    /// Times it had to sort.
    pub sorted: u64,
    /// It failed.
    pub failed: bool,
}

/// A statement's figures.
#[derive(Clone, Debug)]
pub struct StatementStats {
    /// Its text, cut at its bound.
    pub text: String,
    /// Rows yielded or changed, all runs together.
    pub rows: u64,
    /// Rows walked past without an index.
    pub scanned: u64,
    /// Times it sorted.
    pub sorted: u64,
    /// The longest run.
    pub longest: Duration,
    /// Runs that failed.
    pub errors: u64,
    /// Runs that were slow.
    pub slow: u64,
    /// How long its runs took.
    pub times: Histogram,
}

/// The statements of a segment.
#[derive(Clone, Debug)]
pub struct Statements {
    segment: Segment,
}

impl Statements {
    /// Those of `segment`.
    #[must_use]
    pub fn of(segment: &Segment) -> Self {
        Self { segment: segment.clone() }
    }

    /// The place of a statement, taken now if it has none; `None` when there are too many.
    #[must_use]
    pub fn find(&self, text: &str) -> Option<StatementId> {
        // 0 is nobody's.
        let hash = xxh3_64(text.as_bytes()).max(1);
        let begin = (hash % STATEMENTS as u64) as usize;
        for step in 0..STATEMENTS {
            let index = (begin + step) % STATEMENTS;
            let words = self.words(index)?;
            match words[HASH].compare_exchange(0, hash, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => write_text(words, text),
                Err(found) if found != hash => continue,
                Err(_) => {}
            }
            return u16::try_from(index).ok().map(StatementId);
        }
        None
    }

    /// Counts a run; whether it is the statement's first that is slow, by `slow`.
    pub fn record(&self, id: StatementId, run: &Run, slow: Duration) -> bool {
        let Some(words) = self.words(id.0.into()) else { return false };
        histogram::record(&words[TIMES..TIMES + HISTOGRAM_WORDS], histogram::ticks(run.took));
        for (word, more) in
            [(ROWS, run.rows), (SCANNED, run.scanned), (SORTED, run.sorted), (ERRORS, run.failed.into())]
        {
            if more > 0 {
                words[word].fetch_add(more, Ordering::Relaxed);
            }
        }
        let nanos = u64::try_from(run.took.as_nanos()).unwrap_or(u64::MAX);
        if nanos > words[MOST].load(Ordering::Relaxed) {
            words[MOST].fetch_max(nanos, Ordering::Relaxed);
        }
        run.took > slow && words[SLOW].fetch_add(1, Ordering::Relaxed) == 0
    }

    /// Every statement that ran.
    #[must_use]
    pub fn all(&self) -> Vec<StatementStats> {
        (0..STATEMENTS).filter_map(|index| read(self.words(index)?)).collect()
    }

    fn words(&self, index: usize) -> Option<&[AtomicU64]> {
        let start = index * STATEMENT_WORDS;
        self.segment.area(Area::Statements).get(start..start + STATEMENT_WORDS)
    }
}

fn write_text(words: &[AtomicU64], text: &str) {
    let bytes = &text.as_bytes()[..text.floor_char_boundary(STATEMENT_TEXT_BYTES)];
    for (word, chunk) in words[TEXT..].iter().zip(bytes.chunks(WORD)) {
        let mut whole = [0; WORD];
        whole[..chunk.len()].copy_from_slice(chunk);
        word.store(u64::from_le_bytes(whole), Ordering::Relaxed);
    }
    words[LENGTH].store(bytes.len() as u64, Ordering::Release);
}

/// `None` for a place nobody has taken, or whose taker has not written its text (or died before it did).
fn read(words: &[AtomicU64]) -> Option<StatementStats> {
    let at = |index: usize| words[index].load(Ordering::Relaxed);
    let length = usize::try_from(words[LENGTH].load(Ordering::Acquire)).ok()?;
    if at(HASH) == 0 || length == 0 || length > STATEMENT_TEXT_BYTES {
        return None;
    }
    let bytes: Vec<u8> =
        (0..TEXT_WORDS).flat_map(|word| at(TEXT + word).to_le_bytes()).take(length).collect();
    let mut times = Histogram::default();
    times.add(&words[TIMES..TIMES + HISTOGRAM_WORDS]);
    Some(StatementStats {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        rows: at(ROWS),
        scanned: at(SCANNED),
        sorted: at(SORTED),
        longest: Duration::from_nanos(at(MOST)),
        errors: at(ERRORS),
        slow: at(SLOW),
        times,
    })
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;

    const SLOW_FROM: Duration = Duration::from_millis(100);

    #[test]
    fn runs_are_summed_and_the_first_slow_one_is_told() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let statements = Statements::of(&segment);
        let id = statements.find("SELECT 1").unwrap();
        assert_eq!(Statements::of(&segment).find("SELECT 1"), Some(id), "the same in every process");
        let run = |millis| Run { took: Duration::from_millis(millis), rows: 2, scanned: 5, ..Run::default() };
        assert!(!statements.record(id, &run(1), SLOW_FROM));
        assert!(statements.record(id, &run(200), SLOW_FROM));
        assert!(!statements.record(id, &run(300), SLOW_FROM), "once");
        let all = statements.all();
        let [stats] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!((stats.text.as_str(), stats.rows, stats.scanned, stats.slow), ("SELECT 1", 6, 15, 2));
        assert_eq!((stats.times.count(), stats.longest), (3, Duration::from_millis(300)));
    }

    #[test]
    fn texts_are_cut_and_places_end() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let statements = Statements::of(&segment);
        let long = "ö".repeat(STATEMENT_TEXT_BYTES);
        assert!(statements.find(&long).is_some());
        assert_eq!(statements.all()[0].text.len(), STATEMENT_TEXT_BYTES);
        for number in 1..STATEMENTS {
            assert!(statements.find(&format!("SELECT {number}")).is_some(), "{number}");
        }
        assert_eq!(statements.find("SELECT 'one too many'"), None);
        assert_eq!(statements.all().len(), STATEMENTS);
    }
}
