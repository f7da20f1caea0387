//! What systemd hands over and is told: sockets, the cache that outlives a restart, notices. Without systemd
//! there is nothing to take and nobody to tell.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::socket::{getsockopt, sockopt};
use rustix::net::SocketAddrUnix;
use sd_notify::NotifyState;
use veritable_config::settings::Entry;
use veritable_shm::{Geometry, Pages, Scoreboard, Segment};

use crate::listeners::Listener;
use crate::spawn;

/// The name under which systemd keeps the cache. Sockets have other names: their unit's, or what it says.
const CACHE: &str = "veritable-cache";

/// What systemd had for this start.
#[derive(Default)]
pub(crate) struct HandedOver {
    /// Of the socket units.
    pub(crate) listeners: Vec<Rc<Listener>>,
    /// The segment of the server before this one.
    pub(crate) cache: Option<OwnedFd>,
}

impl HandedOver {
    /// Takes it. Once, before anything else opens descriptors.
    ///
    /// # Errors
    /// The variables that say what there is make no sense.
    pub(crate) fn take() -> anyhow::Result<HandedOver> {
        let mut taken = HandedOver::default();
        for (number, name) in sd_notify::listen_fds_with_names().context("what systemd hands over")? {
            let fd = spawn::inherited(number)
                .with_context(|| format!("descriptor {number}, which systemd says it hands over"))?;
            if name == CACHE {
                taken.cache = Some(fd);
            } else {
                let entry = match name.as_str() {
                    "proxy" => Entry::Proxy,
                    "health" => Entry::Health,
                    _ => Entry::Public,
                };
                taken.listeners.push(Rc::new(Listener::of_systemd(entry, fd)?));
            }
        }
        Ok(taken)
    }
}

/// The address of a socket unit's descriptor, which workers can accept from.
///
/// # Errors
/// They cannot.
pub(crate) fn stream_listener(fd: &OwnedFd) -> anyhow::Result<String> {
    let address = rustix::net::getsockname(fd).context("a descriptor of systemd's is no socket")?;
    ensure!(
        getsockopt(fd, sockopt::AcceptConn).unwrap_or(false),
        "a socket of systemd's is no stream listener"
    );
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Ok(address.to_string());
    }
    let unix =
        SocketAddrUnix::try_from(address).context("a socket of systemd's is of a family nobody knows")?;
    let path = unix.path_bytes().map(|path| String::from_utf8_lossy(path).into_owned());
    Ok(format!("unix:{}", path.unwrap_or_default()))
}

/// The shared segment: the one systemd kept, if it is of this version and geometry, or a new one, which systemd
/// is asked to keep. Its entries are as good as on the day they were stored; whether they are still true, the
/// writer decides before the first worker starts.
///
/// # Errors
/// There is no memory for a new one.
pub(crate) fn segment(
    kept: Option<OwnedFd>,
    geometry: &Geometry,
    pages: Pages,
) -> anyhow::Result<(OwnedFd, Segment)> {
    if let Some(fd) = kept {
        match adopt(&fd, geometry) {
            Ok(segment) => {
                tracing::info!("the cache of the server before this one is taken over");
                return Ok((fd, segment));
            }
            Err(reason) => tracing::info!(
                reason = format!("{reason:#}"),
                "the cache of the server before this one does not fit; this one begins empty"
            ),
        }
        // Given back before the new one is made: there may not be memory for two.
        drop(fd);
        notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(CACHE)]);
    }
    let (fd, segment) = Segment::create_in(geometry, pages).context("making the shared cache")?;
    let store = [NotifyState::FdStore, NotifyState::FdName(CACHE)];
    if let Err(error) = sd_notify::notify_with_fds(&store, &[fd.as_fd()]) {
        tracing::warn!(%error, "systemd does not keep the cache; a restart begins with an empty one");
    }
    Ok((fd, segment))
}

fn adopt(fd: &OwnedFd, geometry: &Geometry) -> anyhow::Result<Segment> {
    let segment = Segment::attach(fd)?;
    ensure!(segment.geometry() == *geometry, "its sizes are not those of the settings");
    // The lock of the data directory is ours, and systemd starts nobody before the last one's processes are
    // gone: whoever held a shard or a lease is dead. Only a `veritable cache clear` that was at work then may
    // live for a moment longer; what it and another write at once into a shard fails the checks there.
    Scoreboard::of(&segment).retire_all()?;
    Ok(segment)
}

/// Tells systemd, if it listens.
pub(crate) fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// The longest time that the state now begun may take, whatever the unit's timeouts say.
pub(crate) fn lasting(most: Duration) -> NotifyState<'static> {
    NotifyState::ExtendTimeoutUsec(u32::try_from(most.as_micros()).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use veritable_shm::SlotState;

    const SMALL: Geometry = Geometry {
        cache_bytes: 1 << 20,
        cache_entries: 64,
        tag_slots: 64,
        lease_slots: 16,
        worker_slots: 4,
        session_slots: 64,
        limit_slots: 64,
        value_share: 4,
    };

    #[test]
    fn only_stream_listeners_are_taken_for_some() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(stream_listener(&listener.into()).unwrap(), address);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let unix = UnixListener::bind(&path).unwrap();
        assert_eq!(stream_listener(&unix.into()).unwrap(), format!("unix:{}", path.display()));
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(stream_listener(&datagrams.into()).unwrap_err().to_string().contains("listener"));
        assert!(stream_listener(&std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }

    #[test]
    fn a_kept_segment_is_taken_over_with_its_owners_dead() {
        let (fd, first) = segment(None, &SMALL, Pages::Usual).unwrap();
        let board = Scoreboard::of(&first);
        let owner = board.enlist(2, 1, 0).unwrap();
        board.set_state(owner, SlotState::Ready);

        let (_fd, second) = segment(Some(fd), &SMALL, Pages::Usual).unwrap();
        assert!(!Scoreboard::of(&second).is_alive(owner));
        assert_eq!(board.status(2).unwrap().state, Some(SlotState::Empty), "both see one segment");
    }

    #[test]
    fn what_does_not_fit_is_replaced() {
        let (fd, first) = segment(None, &SMALL, Pages::Usual).unwrap();
        let owner = Scoreboard::of(&first).enlist(0, 1, 0).unwrap();
        let larger = Geometry { cache_bytes: 2 << 20, ..SMALL };
        let (_fd, second) = segment(Some(fd), &larger, Pages::Usual).unwrap();
        assert_eq!(second.geometry(), larger);
        assert!(Scoreboard::of(&first).is_alive(owner), "nobody touches the old one");
        let (_fd, third) =
            segment(Some(std::fs::File::open("/dev/null").unwrap().into()), &SMALL, Pages::Usual).unwrap();
        assert_eq!(third.geometry(), SMALL);
    }
}
