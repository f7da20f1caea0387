//! What an import did, for people (`Display`) and programs (JSON): what was read, what changed, what was
//! lost, and what is worth knowing though nothing was lost by it.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use veritable_writer_api::message::ImportTally;

/// Examples kept of each kind of loss or note: enough to find the cause, few enough to read.
const MAX_EXAMPLES: usize = 5;
/// Kinds of losses, and of notes, kept; a writer's note becomes an example of one kind, so few are ever used.
const MAX_REASONS: usize = 200;
/// Under which the writer's notes stand.
const STORED_OTHERWISE: &str = "stored otherwise than it came";

/// How many of each kind were read from the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Forum categories.
    pub categories: u64,
    /// Forum topics.
    pub topics: u64,
    /// Forum posts.
    pub posts: u64,
    /// Accounts.
    pub users: u64,
    /// Wiki namespaces.
    pub namespaces: u64,
    /// Wiki pages.
    pub pages: u64,
    /// Their revisions.
    pub revisions: u64,
    /// Pages that redirect.
    pub redirects: u64,
}

/// One kind of loss or note.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How often.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<String>,
}

/// How an import went that came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Completion {
    /// All content was taken over; there may be notes.
    Complete,
    /// Some content was left out or changed; see the losses.
    Lossy,
}

impl Completion {
    /// Exit code for an import that failed with an error.
    pub const FAILED: u8 = 1;

    /// The exit code: 0 complete, 3 with losses (2 is for a malformed command line).
    pub fn code(self) -> u8 {
        match self {
            Completion::Complete => 0,
            Completion::Lossy => 3,
        }
    }
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Name of the source in the database.
    pub source: String,
    /// What was read.
    pub read: Counts,
    /// Things new in the database.
    pub added: u64,
    /// Things that were there and differed.
    pub changed: u64,
    /// Things that were there already.
    pub unchanged: u64,
    /// Content that was skipped or changed, by reason.
    pub losses: BTreeMap<String, Note>,
    /// What the source lacked, or what is otherwise here by decision, by reason: no content is lost.
    pub notes: BTreeMap<String, Note>,
}

impl Report {
    pub(crate) fn new(source: &str) -> Self {
        Report { source: source.to_owned(), ..Report::default() }
    }

    /// Counts content that was skipped or changed.
    pub(crate) fn loss(&mut self, reason: &str, example: impl Into<String>) {
        count(&mut self.losses, reason, 1, example);
    }

    /// Counts something worth knowing by which no content is lost.
    pub(crate) fn note(&mut self, reason: &str, example: impl Into<String>) {
        count(&mut self.notes, reason, 1, example);
    }

    /// As [`Report::note`], for `times` of them at once.
    pub(crate) fn note_times(&mut self, reason: &str, times: u64, example: impl Into<String>) {
        if times > 0 {
            count(&mut self.notes, reason, times, example);
        }
    }

    pub(crate) fn take(&mut self, tally: ImportTally) {
        self.added += tally.added;
        self.changed += tally.changed;
        self.unchanged += tally.unchanged;
        for note in tally.notes {
            self.loss(STORED_OTHERWISE, note);
        }
    }

    /// Whether anything was lost.
    pub fn completion(&self) -> Completion {
        if self.losses.is_empty() { Completion::Complete } else { Completion::Lossy }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Imported {}", self.source)?;
        let read = &self.read;
        let counts = [
            ("categories", read.categories),
            ("topics", read.topics),
            ("posts", read.posts),
            ("users", read.users),
            ("namespaces", read.namespaces),
            ("pages", read.pages),
            ("revisions", read.revisions),
            ("redirects", read.redirects),
        ];
        for (kind, count) in counts.iter().filter(|(_, count)| *count > 0) {
            writeln!(f, "{count:>9} {kind}")?;
        }
        writeln!(f, "{} added, {} changed, {} unchanged", self.added, self.changed, self.unchanged)?;
        list(f, "Not taken over as it was:", &self.losses)?;
        list(f, "Notes (nothing is lost by these):", &self.notes)
    }
}

fn count(kinds: &mut BTreeMap<String, Note>, reason: &str, times: u64, example: impl Into<String>) {
    if kinds.len() >= MAX_REASONS && !kinds.contains_key(reason) {
        return;
    }
    let note = kinds.entry(reason.to_owned()).or_default();
    note.count += times;
    if note.examples.len() < MAX_EXAMPLES {
        note.examples.push(example.into());
    }
}

fn list(f: &mut fmt::Formatter<'_>, title: &str, kinds: &BTreeMap<String, Note>) -> fmt::Result {
    if !kinds.is_empty() {
        writeln!(f, "{title}")?;
    }
    for (reason, note) in kinds {
        writeln!(f, "{:>9} {reason}", note.count)?;
        for example in &note.examples {
            writeln!(f, "            {example}")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_grouped_with_their_first_examples() {
        let mut report = Report::new("x");
        report.note("no name there", "3");
        assert_eq!(report.completion().code(), 0);
        for n in 0..9 {
            report.loss("too long", n.to_string());
        }
        assert_eq!(report.losses["too long"].count, 9);
        assert_eq!(report.losses["too long"].examples, ["0", "1", "2", "3", "4"]);
        assert_eq!(report.completion().code(), 3);
        let text = report.to_string();
        assert!(text.contains("        9 too long\n            0\n"), "{text}");
        assert!(text.ends_with("lost by these):\n        1 no name there\n            3\n"), "{text}");
        assert_eq!(serde_json::to_value(&report).unwrap()["losses"]["too long"]["count"], 9);
    }
}
