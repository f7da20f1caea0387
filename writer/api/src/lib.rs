//! The writer as others see it: every message, the framing, and the clients. This is the only thing a
//! worker knows about the writer.
//!
//! A connection is a Unix stream. Both sides first send [`frame::Hello`]; then the client sends
//! [`message::ToWriter`], and the writer answers each request with a [`message::Reply`] after its commit,
//! interleaved with [`message::Event`]s for clients that subscribed.

pub mod blocking;
pub mod client;
pub mod frame;
pub mod message;

use frame::FrameError;
use message::Refusal;

/// Why a command has no outcome.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The writer said no; nothing of the command is in the database.
    #[error(transparent)]
    Refused(Refusal),
    /// It may have been carried out or not; sending it again under the same key is safe and tells.
    #[error("what became of it is not known: {why}")]
    OutcomeUnknown {
        /// Why that is not known.
        why: String,
    },
    /// The stream broke, and this client does not resend.
    #[error(transparent)]
    Broken(#[from] FrameError),
}

impl CallError {
    /// It was sent, and no answer came in time.
    pub(crate) fn unanswered() -> Self {
        CallError::OutcomeUnknown { why: "the writer did not answer in time".into() }
    }
}

impl From<Refusal> for CallError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unknown { reason } => CallError::OutcomeUnknown { why: reason },
            refusal => CallError::Refused(refusal),
        }
    }
}
