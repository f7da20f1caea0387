//! The place for a cache outside this host (Valkey or Redis, shared by several hosts): asked by the one worker
//! that would compute an answer otherwise. No implementation yet; the contract is here.

use std::future::Future;
use std::pin::Pin;

/// Bytes of [`super::Stored::encode`], or nothing.
pub(crate) type Found<'a> = Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send + 'a>>;

/// A cache outside. What it says is checked as everything from outside is: what cannot be decoded is nothing.
///
/// `mark` names the last commit this host knows of ([`veritable_shm::Tags::mark`]): an answer put under one mark
/// is found under the same only, so that no change is ever hidden. It must answer soon or not at all, since a
/// whole site's askers for one key may wait for it.
pub(crate) trait Outer: Send + Sync {
    /// What was put under `key` at `mark`.
    fn get<'a>(&'a self, key: &'a [u8], mark: u64) -> Found<'a>;

    /// Keeps `value` for at most `ttl_ms`. Returns at once; whether it is kept does not matter.
    fn put(&self, key: &[u8], mark: u64, value: &[u8], ttl_ms: u32);
}
