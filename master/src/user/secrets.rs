//! What nobody else is to see: passwords as they are typed, and links and tokens that are made.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::Context;
use veritable_domain::secret;
use veritable_writer_api::message::SecretHash;

use crate::Failure;

/// Longest line read: longer than any password.
const LINE_BYTES: u64 = 8 * 1_024;

/// Random bytes.
///
/// # Errors
/// The system has none.
pub(super) fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random numbers: {error}"))?;
    Ok(bytes)
}

/// A fresh secret as text of a link, and what is stored of it.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn secret() -> anyhow::Result<(String, SecretHash)> {
    let text = secret::text(&random::<{ secret::SECRET_BYTES }>()?);
    let hash = secret::digest(&text);
    Ok((text, hash))
}

/// A fresh API token, and what is stored of it.
///
/// # Errors
/// The system has no random numbers.
pub(super) fn token() -> anyhow::Result<(String, SecretHash)> {
    let text = secret::token(&random()?);
    let hash = secret::digest(&text);
    Ok((text, hash))
}

/// A new password: typed twice, unseen, or a line of the standard input where that is no terminal.
///
/// # Errors
/// There is none, or the two differ (misuse).
pub(super) fn password(of: &str) -> Result<String, Failure> {
    if !std::io::stdin().is_terminal() {
        return line("");
    }
    let ask = |question: &str| rpassword::prompt_password(question).context("reading a password");
    let typed = ask(&format!("Password of {of}: "))?;
    if ask("Once more: ")? != typed {
        return Err(Failure::Misuse("the two passwords differ".into()));
    }
    Ok(typed)
}

/// A line of the standard input, asked for where somebody is there to answer.
///
/// # Errors
/// There is none (misuse).
pub(super) fn line(question: &str) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let mut stderr = std::io::stderr();
        write!(stderr, "{question}").and_then(|()| stderr.flush()).context("writing to the terminal")?;
    }
    let mut line = String::new();
    let mut bounded = std::io::Read::take(stdin.lock(), LINE_BYTES);
    bounded.read_line(&mut line).context("reading the standard input")?;
    let line = line.trim_end_matches(['\r', '\n']);
    if line.is_empty() {
        return Err(Failure::Misuse("nothing came by the standard input".into()));
    }
    Ok(line.to_owned())
}
