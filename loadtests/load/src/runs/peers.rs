//! Beside other servers, in turn within one run.
use super::{Context, RunError};
use crate::cli::Peers;
use crate::report::Report;
/// Runs it.
///
/// # Errors
/// x
pub fn run(_asked: &Peers, _context: &Context) -> Result<Report, RunError> {
    Err(anyhow::anyhow!("not yet").into())
}
