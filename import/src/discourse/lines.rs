//! Lines of bounded length with their numbers.

use std::io::BufRead;
use std::path::PathBuf;

use crate::ImportError;
use crate::input::{Budget, Text};

/// Most bytes of one topic with all its posts. The largest of a real forum has 3 MB; a line beyond this
/// is not a topic, and must not be read into memory to find out.
const MAX_LINE_BYTES: usize = 64 * 1024 * 1024;

pub(super) struct Lines {
    text: Budget<Text>,
    pub(super) path: PathBuf,
    pub(super) number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(text: Text, path: PathBuf) -> Self {
        Lines { text: Budget::new(text, 0), path, number: 0, line: Vec::new() }
    }

    /// The next line that is not blank.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, ImportError> {
        loop {
            self.text.left = MAX_LINE_BYTES;
            self.line.clear();
            self.number += 1;
            let read = self.text.read_until(b'\n', &mut self.line);
            let count = read.map_err(|error| ImportError::line(&self.path, self.number, error))?;
            if count == 0 {
                return Ok(None);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(&self.line));
            }
        }
    }
}
