//! Everything the master listens on, opened once and kept for as long as it lives: the addresses people reach,
//! the writer's socket, the control socket.

use std::cell::Cell;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::{Context, ensure};
use nix::sys::socket::{Backlog, listen};
use veritable_config::Config;
use veritable_config::settings::Entry;

use crate::handoff::ListenerRecord;
use crate::systemd;

/// Connections the kernel keeps until a worker takes them. It cuts this down to `net.core.somaxconn`.
const BACKLOG: i32 = 4_096;

/// A socket that workers accept from.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) entry: Entry,
    /// As the settings have it, or what systemd bound.
    address: String,
    fd: OwnedFd,
    /// The file to remove when nobody listens any more.
    path: Option<PathBuf>,
    owns_file: Cell<bool>,
    of_systemd: bool,
}

impl Listener {
    /// A socket unit's descriptor.
    ///
    /// # Errors
    /// It is something else.
    pub(crate) fn of_systemd(entry: Entry, fd: OwnedFd) -> anyhow::Result<Listener> {
        let address = systemd::stream_listener(&fd)?;
        Ok(Listener { entry, address, fd, path: None, owns_file: Cell::new(false), of_systemd: true })
    }

    /// Where people reach it: `http://127.0.0.1:8080/` or `unix:/run/site.sock`.
    pub(crate) fn url(&self) -> String {
        let bound = rustix::net::getsockname(&self.fd).ok().and_then(|any| SocketAddr::try_from(any).ok());
        bound.map_or_else(|| self.address.clone(), |bound| format!("http://{bound}/"))
    }
}

impl Listener {
    /// For the next image of this master: all but the descriptor, whose number there is `fd`.
    pub(crate) fn record(&self, fd: RawFd) -> ListenerRecord {
        let (entry, address, path) = (self.entry, self.address.clone(), self.path.clone());
        ListenerRecord { entry, address, fd, path, of_systemd: self.of_systemd }
    }

    /// The listener of the image before.
    pub(crate) fn resumed(record: &ListenerRecord, fd: OwnedFd) -> Listener {
        let (entry, address, path) = (record.entry, record.address.clone(), record.path.clone());
        Listener { entry, address, fd, path, owns_file: Cell::new(false), of_systemd: record.of_systemd }
    }

    /// From here on its file goes with it: there is no other image of this master that could need it.
    pub(crate) fn own_file(&self) {
        self.owns_file.set(true);
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(path) = self.path.as_ref().filter(|_| self.owns_file.get())
            && let Err(error) = fs::remove_file(path)
        {
            tracing::warn!(%error, socket = %path.display(), "a socket stays behind");
        }
    }
}

/// Everything workers accept from: for each entry systemd's sockets if it handed some over, else those of the
/// settings. One that is among `open` already stays the same socket, with whoever waits in its queue. With
/// `or_free`, an address in use is replaced by a free port of the same host.
///
/// # Errors
/// An address cannot be had; the error names it.
pub(crate) fn open(
    config: &Config,
    or_free: bool,
    open: &[Rc<Listener>],
) -> anyhow::Result<Vec<Rc<Listener>>> {
    let mut listeners: Vec<Rc<Listener>> =
        open.iter().filter(|listener| listener.of_systemd).cloned().collect();
    let of_systemd: Vec<Entry> = listeners.iter().map(|listener| listener.entry).collect();
    for (entry, address) in config.addresses().filter(|(entry, _)| !of_systemd.contains(entry)) {
        let same = |listener: &&Rc<Listener>| listener.entry == entry && listener.address == address;
        listeners.push(match open.iter().find(same) {
            Some(listener) => listener.clone(),
            None => {
                Rc::new(bind(entry, address, or_free).with_context(|| format!("listening on {address}"))?)
            }
        });
    }
    ensure!(listeners.len() <= usize::from(u8::MAX), "more than {} addresses to listen on", u8::MAX);
    Ok(listeners)
}

fn bind(entry: Entry, address: &str, or_free: bool) -> io::Result<Listener> {
    let (fd, path): (OwnedFd, _) = match address.strip_prefix("unix:").map(PathBuf::from) {
        Some(path) => (bind_unix(&path)?.into(), Some(path)),
        None => (bind_tcp(address, or_free)?.into(), None),
    };
    // Again, for a longer queue than std's.
    listen(&fd, Backlog::new(BACKLOG)?)?;
    Ok(Listener {
        entry,
        address: address.to_owned(),
        fd,
        path,
        owns_file: Cell::new(true),
        of_systemd: false,
    })
}

fn bind_tcp(address: &str, or_free: bool) -> io::Result<TcpListener> {
    // Std sets SO_REUSEADDR.
    match TcpListener::bind(address) {
        Err(error) if or_free && error.kind() == io::ErrorKind::AddrInUse => {
            let mut address: SocketAddr = address.parse().map_err(io::Error::other)?;
            address.set_port(0);
            TcpListener::bind(address)
        }
        bound => bound,
    }
}

/// A Unix socket that everybody on this host may connect to who may enter its directory, as with an address.
fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let listener = match UnixListener::bind(path) {
        // Of a server that was killed, if it is a socket on which nobody listens.
        Err(error)
            if error.kind() == io::ErrorKind::AddrInUse
                && fs::metadata(path)?.file_type().is_socket()
                && UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) =>
        {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
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

    fn listening(listen: &[&str]) -> Config {
        Config { listen: listen.iter().map(|&address| address.to_owned()).collect(), ..Config::default() }
    }

    #[test]
    fn an_address_in_use_gives_way_to_a_free_one_only_if_allowed() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let refused = open(&listening(&[&address]), false, &[]).unwrap_err();
        assert!(format!("{refused:#}").contains(&address), "{refused:#}");
        let free = open(&listening(&[&address]), true, &[]).unwrap();
        assert!(!free[0].url().contains(&address));
    }

    #[test]
    fn what_is_open_stays_open_and_what_is_not_wanted_goes() {
        let dir = tempfile::tempdir().unwrap();
        let unix = format!("unix:{}", dir.path().join("s").display());
        let first = open(&listening(&["127.0.0.1:0", &unix]), false, &[]).unwrap();
        let second = open(&listening(&[&unix, "[::1]:0"]), false, &first).unwrap();
        assert!(Rc::ptr_eq(&first[1], &second[0]));
        drop(first);
        assert!(dir.path().join("s").exists());
        // Of a server that was killed.
        let stale = second[0].fd.try_clone().unwrap();
        std::mem::forget(second);
        drop(stale);
        assert!(open(&listening(&[&unix]), false, &[]).is_err(), "somebody listens there");
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
