//! What a process is told at its start: the settings of the one configuration file, those of its allocator, and the
//! channel between the master and a child.

pub mod allocator;
pub mod channel;
pub mod keys;
pub mod load;
pub mod settings;
pub mod slots;

pub use allocator::ALLOCATOR;
pub use keys::{KEYS, Key, Kind};
pub use load::{ConfigError, Overrides, load, load_over};
pub use settings::Config;
