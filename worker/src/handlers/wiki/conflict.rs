//! Two people changed a page at once: what the second one sent is merged with what the first one saved, as far as both
//! changed different lines.

use rusqlite::Connection;
use similar::TextMerge;
use veritable_domain::ids::RevisionId;

use super::revisions::MAX_DIFF_BYTES;
use super::subject::Subject;
use crate::error::Error;
use crate::reads::wiki;
use crate::views::{EditConflict, Merged};

/// Three texts larger than this together are not merged: it takes time in the product of size and changes.
const MAX_MERGE_BYTES: usize = 3 * MAX_DIFF_BYTES / 2;
/// What the marks around lines that both changed call the two sides.
const MINE: &str = "your text";
const THEIRS: &str = "saved meanwhile";

/// Both changes of `base`, or both texts with marks where they differ.
pub(super) fn merge(base: &str, mine: &str, theirs: &str) -> (Merged, String) {
    if base.len() + mine.len() + theirs.len() > MAX_MERGE_BYTES {
        return (Merged::Not, mine.to_owned());
    }
    // A last line without an end would differ from the same one with it.
    let whole = |text: &str| {
        if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") }
    };
    let (base, mine, theirs) = (whole(base), whole(mine), whole(theirs));
    let mut merged = TextMerge::from_lines(&base, &mine, &theirs);
    merged.labels("", MINE, THEIRS);
    let result = if merged.is_conflicted() { Merged::Marked } else { Merged::Clean };
    (result, merged.to_string())
}

/// Whether a text still has marks of ours.
pub(super) fn has_marks(text: &str) -> bool {
    let (begin, end) = (format!("<<<<<<< {MINE}"), format!(">>>>>>> {THEIRS}"));
    text.lines().any(|line| line == begin || line == end)
}

/// What to do about a page that is no longer as it was when its editor began with `base`: what is told, and the text
/// to go on with.
pub(super) fn settle(
    db: &Connection,
    subject: &Subject,
    base: Option<RevisionId>,
    mine: &str,
) -> Result<(EditConflict, String), Error> {
    let conflict =
        |theirs, difference, result| EditConflict { theirs, difference, mine: mine.to_owned(), result };
    let Some(page) = &subject.page else {
        return Ok((conflict(None, None, Merged::Not), mine.to_owned()));
    };
    let theirs = wiki::revision(db, page.revision_id)?;
    let (_, now) = subject.current(db)?;
    let began = match base {
        Some(base) => subject.revision(db, base)?.map(|(_, text)| (base, text)),
        None => None,
    };
    let difference = began.as_ref().map(|(base, _)| wiki::difference_path((base.0, page.revision_id)));
    let began = began.map(|(_, text)| text).unwrap_or_default();
    let (result, text) = merge(&began, mine, &now);
    Ok((conflict(theirs, difference, result), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_of_different_lines_are_both_kept() {
        let base = "one\ntwo\nthree\nfour\n";
        let merged = merge(base, "one!\ntwo\nthree\nfour", "one\ntwo\nthree\nfour\nfive");
        assert_eq!(merged, (Merged::Clean, "one!\ntwo\nthree\nfour\nfive\n".into()));
        assert_eq!(merge(base, base, "new\n"), (Merged::Clean, "new\n".into()));
        assert_eq!(merge("a", "a\n", "a"), (Merged::Clean, "a\n".into()));
    }

    #[test]
    fn changes_of_the_same_line_are_both_shown_with_marks() {
        let (result, text) = merge("a\nb\nc\n", "a\nmine\nc\n", "a\ntheirs\nc\n");
        assert_eq!(result, Merged::Marked);
        assert_eq!(text, "a\n<<<<<<< your text\nmine\n=======\ntheirs\n>>>>>>> saved meanwhile\nc\n");
        assert!(has_marks(&text) && !has_marks("<<<<<<<\n====\n> your text"));
        // Both made the same page.
        let (result, text) = merge("", "mine\n", "theirs\n");
        assert!(result == Merged::Marked && text.contains("mine") && text.contains("theirs"));
    }

    #[test]
    fn what_is_too_large_to_merge_stays_what_was_sent() {
        let long = "x\n".repeat(MAX_MERGE_BYTES / 2);
        assert_eq!(merge(&long, "mine", "theirs"), (Merged::Not, "mine".into()));
    }
}
