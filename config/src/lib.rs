//! What a process is told at its start: the settings of the one configuration file, and the channel
//! between the master and a child.

pub mod channel;
pub mod settings;

pub use settings::Config;
