//! The worker process: HTTP in, pages and JSON out. It reads the databases, never writes them; every
//! change goes to the writer as a typed command.

pub mod answer;
pub mod error;
pub mod handlers;
pub mod reads;
pub mod views;
