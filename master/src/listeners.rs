//! Everything the master listens on, opened once and kept for as long as it lives: the addresses people reach,
//! the writer's socket, the control socket.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context, ensure};
use nix::sys::socket::{Backlog, listen};
use veritable_config::Config;

use crate::systemd;

/// Connections the kernel keeps until a worker takes them. It cuts this down to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// The addresses people reach: systemd's sockets if it handed some over, else those of the settings. With
/// `or_free`, an address in use is replaced by a free port of the same host.
///
/// # Errors
/// An address cannot be had; the error names it.
pub(crate) fn open_public(
    config: &Config,
    or_free: bool,
    handed_over: Vec<OwnedFd>,
) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners =
        handed_over.into_iter().map(systemd::tcp_listener).collect::<anyhow::Result<Vec<_>>>()?;
    if listeners.is_empty() {
        for address in &config.listen {
            listeners.push(bind(address, or_free).with_context(|| format!("listening on {address}"))?);
        }
    }
    ensure!(listeners.len() <= usize::from(u8::MAX), "more than {} addresses to listen on", u8::MAX);
    Ok(listeners)
}

fn bind(address: &str, or_free: bool) -> io::Result<TcpListener> {
    // Std sets SO_REUSEADDR.
    let listener = match TcpListener::bind(address) {
        Err(error) if or_free && error.kind() == io::ErrorKind::AddrInUse => {
            let mut address: SocketAddr = address.parse().map_err(io::Error::other)?;
            address.set_port(0);
            TcpListener::bind(address)?
        }
        bound => bound?,
    };
    // Again, for a longer queue than std's.
    listen(&listener, Backlog::new(BACKLOG)?)?;
    Ok(listener)
}

/// Makes the directory of sockets, for this user only.
///
/// # Errors
/// It cannot be made.
pub(crate) fn make_runtime_dir(config: &Config) -> anyhow::Result<()> {
    let dir = config.runtime_dir();
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&dir)
        .with_context(|| format!("making the runtime directory {}", dir.display()))
}

/// Listens on a Unix socket that only this user can connect to. The caller holds the data directory's lock:
/// a socket that is there is stale.
///
/// # Errors
/// The path cannot be used.
pub(crate) fn open_private(path: &Path) -> anyhow::Result<UnixListener> {
    let what = || format!("listening on {}", path.display());
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error).with_context(what),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).with_context(what)?;
    fs::set_permissions(path, Permissions::from_mode(0o600)).with_context(what)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_gives_way_to_a_free_one_only_if_allowed() {
        let first = bind("127.0.0.1:0", false).unwrap();
        let address = first.local_addr().unwrap().to_string();
        assert_eq!(bind(&address, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_ne!(bind(&address, true).unwrap().local_addr().unwrap(), first.local_addr().unwrap());
    }

    #[test]
    fn a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        drop(open_private(&path).unwrap());
        open_private(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
