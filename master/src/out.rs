//! What is said on standard output: answers and addresses, never logs.

use std::io::Write;

/// Says a line. A reader that is gone is no reason to end a server.
pub(crate) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        tracing::debug!(%error, "nobody reads standard output");
    }
}
