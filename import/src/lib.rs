//! Brings communities in: Discourse's topics, MediaWiki's dumps, and the small community of the
//! demonstration. An importer reads its file as a stream, renders what it finds and hands
//! [`Import`](veritable_writer_api::message::Import) commands to a [`Sink`]; it knows no database. Every
//! command names its foreign ids, so a run can be broken off anywhere and done again.

pub mod demo;
pub mod discourse;
mod error;
mod input;
pub mod mediawiki;
mod pipeline;
mod progress;
mod report;
mod sink;
mod writer;

pub use error::ImportError;
pub use progress::{Bar, Progress, Silent};
pub use report::{Completion, Counts, Note, Report};
pub use sink::{Recorder, Sink};
pub use writer::WriterSink;
