//! What the community is made of, without a process, a socket or a database: identifiers, validated
//! text, roles and rules, markup, search text and cache tags. Pure functions and values only; this
//! crate depends on nothing of ours and does no input or output.

pub mod account;
pub mod codec;
pub mod content;
pub mod draft;
pub mod ids;
pub mod looks;
pub mod markup;
pub mod packed;
pub mod password;
pub mod permission;
pub mod report;
pub mod search;
pub mod secret;
pub mod slug;
pub mod tag;
pub mod text;
pub mod thread;
pub mod time;
pub mod upload;
pub mod wiki;
