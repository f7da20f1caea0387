//! The one error a broken import ends with: it says what is wrong and where in the file.

use std::path::{Path, PathBuf};

use veritable_writer_api::message::Refusal;

/// Why an import stopped. What was sent before is stored; the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file cannot be opened or read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
    /// A line of a JSON Lines file is not what it should be.
    #[error("{}: line {line}: {reason}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// An XML dump is not what it should be.
    #[error("{}: byte {offset}, in <{element}>: {reason}", path.display())]
    Xml {
        /// Which file.
        path: PathBuf,
        /// Offset in the decompressed text.
        offset: u64,
        /// The open elements, outermost first, such as `mediawiki/page/title`.
        element: String,
        /// What is wrong there.
        reason: String,
    },
    /// The writer carried a command out not at all.
    #[error("the writer refused: {0}")]
    Refused(#[from] Refusal),
    /// One thing is too large for a message to the writer. Nothing of it was sent.
    #[error("{what} is too large: {source}")]
    TooLarge {
        /// Which topic or page, by its id there.
        what: String,
        /// How large, and how large it may be.
        source: veritable_writer_api::frame::FrameError,
    },
    /// The writer cannot be spoken to.
    #[error("the writer is gone: {0}")]
    Connection(String),
    /// The system has no random numbers, or they cannot be used.
    #[error("no password could be made: {0}")]
    Secret(String),
    /// The importer's own text breaks the domain's rules.
    #[error("the demonstration's text is malformed: {0}")]
    Demo(String),
}

impl ImportError {
    pub(crate) fn file(path: &Path, source: std::io::Error) -> Self {
        ImportError::File { path: path.to_owned(), source }
    }

    pub(crate) fn line(path: &Path, line: u64, reason: impl ToString) -> Self {
        ImportError::Line { path: path.to_owned(), line, reason: reason.to_string() }
    }
}
