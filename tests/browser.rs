//! What only a real browser can show: that nothing people write runs, that everything can be done with a keyboard and
//! without scripts, and that nothing stands in the way of those who read with other means.

use std::path::Path;

use super::harness::server::{Server, veritable};

mod accessible;
mod flows;
mod person;
mod xss;

/// A demonstration where many people come from this one host: the proxy in front of it may say who.
pub(crate) fn server(dir: &Path) -> Server {
    let mut program = veritable();
    program.env("VERITABLE_ACCOUNTS_LIMITS", "off").env("VERITABLE_HTTP_TRUSTED_PROXIES", "127.0.0.0/8");
    Server::start(program, "demo", dir, &[])
}
