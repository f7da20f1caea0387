//! What reading costs and how it fares, said in the shared segment.

use std::path::Path;
use std::time::Duration;

use veritable_domain::time::UnixMillis;
use veritable_shm::{Counter, Fact, Gauge, Histograms, Owner, Scoreboard, Segment, Series, Store};
use veritable_sql::Trouble;

use crate::app::READ_TROUBLE_MS;

/// Number of the database of the forum among the stores, as the writer has it.
const FORUMS: usize = 0;

/// A worker's way to say it; one of a test says nothing.
#[derive(Clone)]
pub(crate) struct Meter(Option<Shared>);

#[derive(Clone)]
struct Shared {
    board: Scoreboard,
    histograms: Histograms,
    store: Option<Store>,
    owner: Owner,
}

impl Meter {
    pub(crate) fn of(segment: &Segment, owner: Owner) -> Meter {
        Meter(Some(Shared {
            board: Scoreboard::of(segment),
            histograms: Histograms::of(segment),
            store: Store::of(segment, FORUMS),
            owner,
        }))
    }

    pub(crate) fn none() -> Meter {
        Meter(None)
    }

    pub(crate) fn time(&self, series: Series, took: Duration) {
        if let Some(shared) = &self.0 {
            shared.histograms.time(shared.owner, series, took);
        }
    }

    pub(crate) fn count(&self, counter: Counter) {
        if let Some(shared) = &self.0 {
            shared.board.add(shared.owner.slot, counter, 1);
        }
    }

    pub(crate) fn show(&self, gauge: Gauge, value: u64) {
        if let Some(shared) = &self.0 {
            shared.board.set_gauge(shared.owner, gauge, value);
        }
    }

    /// Says what an error means for the database, if anything: in the log once for all workers, until none of them has met
    /// it for a while.
    pub(crate) fn failed(&self, error: &rusqlite::Error, path: &Path) {
        let Some(trouble) = Trouble::of(error, path) else { return };
        let now = u64::try_from(UnixMillis::now().0).unwrap_or_default();
        let store = self.0.as_ref().and_then(|shared| shared.store.as_ref());
        let is_known = store.is_some_and(|store| {
            let since = now.saturating_sub(store.get(Fact::ReadTroubleAt));
            store.get(Fact::ReadTrouble) == trouble as u64 && since < READ_TROUBLE_MS
        });
        if is_known {
            tracing::debug!(%error, %trouble, "the database could not be read");
        } else {
            tracing::error!(%error, "{trouble}: {}", trouble.advice());
        }
        if let Some(store) = store {
            store.set(Fact::ReadTroubleAt, now);
            store.set(Fact::ReadTrouble, trouble as u64);
        }
    }
}
