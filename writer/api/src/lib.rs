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
    Refused(#[from] Refusal),
    /// The command was sent and its answer did not come in time. It may have been carried out; sending it
    /// again under the same key is safe and tells.
    #[error("the writer did not answer in time")]
    OutcomeUnknown,
    /// The stream broke, and this client does not resend.
    #[error(transparent)]
    Broken(#[from] FrameError),
}
