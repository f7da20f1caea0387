//! The writer as others see it: every message, the framing, and the clients. This is the only thing a
//! worker knows about the writer.
//!
//! A connection is a Unix stream. Both sides first send [`frame::Hello`]; then the client sends
//! [`message::Request`]s, and the writer answers each with a [`message::Reply`] after its commit, in any
//! order, interleaved with [`message::Event`]s for clients that asked for them.

pub mod message;
