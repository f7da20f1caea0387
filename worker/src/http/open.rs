//! The connections that are open: what bounds them, what a drain waits for, and what the workers share out among
//! themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::app::App;

/// How many there are, those on their way from an accepting thread to the event loop included.
pub(crate) struct Connections {
    app: Arc<App>,
    count: AtomicUsize,
}

impl Connections {
    pub(crate) fn none(app: Arc<App>) -> Connections {
        Connections { app, count: AtomicUsize::new(0) }
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether another worker that takes connections has clearly fewer.
    pub(crate) fn are_ahead(&self) -> bool {
        self.app.fewest_connections().is_some_and(|fewest| self.count() > fewest + fewest / 8 + 2)
    }

    /// Counts one more.
    pub(crate) fn opened(self: &Arc<Self>) -> Open {
        self.app.tell_connections(self.count.fetch_add(1, Ordering::Relaxed) + 1);
        Open(self.clone())
    }
}

/// Counts a connection while it is open.
pub(crate) struct Open(Arc<Connections>);

impl Drop for Open {
    fn drop(&mut self) {
        let Open(connections) = self;
        connections.app.tell_connections(connections.count.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}
