//! HTTP: connections, the way of a request from its head to its answer, and what every answer carries.

pub(crate) mod accept;
mod access;
mod again;
pub(crate) mod asker;
pub(crate) mod body;
mod connection;
pub(crate) mod content;
pub(crate) mod cookies;
pub(crate) mod csrf;
pub(crate) mod encoding;
pub(crate) mod handover;
mod health;
mod open;
mod own;
pub(crate) mod peer;
pub(crate) mod probe;
mod problem;
mod received;
pub(crate) mod reply;
pub(crate) mod request;
pub(crate) mod router;
pub(crate) mod serve;
mod socket;
pub(crate) mod stream;
mod trace;
pub(crate) mod upload;
pub(crate) mod write;
