//! Lending the segment to a tool (`veritable cache`), so that the tool does what takes locks and this process does
//! not.
//!
//! Whoever wants to take locks needs a slot of the scoreboard, by whose epoch others know it is dead. There is one
//! for tools, and it is free again when the tool's connection has ended: the kernel takes a dying process's memory
//! away before it closes its files (do_exit: exit_mm, then exit_files), so nobody is left by then who could change
//! anything. What a killed tool had locked is taken over like a dead worker's.

use serde_json::json;
use veritable_config::slots::TOOL_SLOT;
use veritable_shm::now_ms;

use super::Master;
use crate::control::ClientId;

/// Who has the tool's slot.
#[derive(Debug, Default)]
pub(super) struct Lending {
    holder: Option<(ClientId, i32)>,
}

impl Lending {
    /// The pid of the tool that may hold locks.
    pub(super) fn holder(&self) -> Option<i32> {
        self.holder.map(|(_, pid)| pid)
    }
}

impl Master {
    /// Lends the segment to look into and to invalidate tags, neither of which takes locks; with `locks` also the
    /// tool's slot, for as long as the client stays connected.
    pub(super) fn lend(&mut self, id: ClientId, locks: bool) {
        let outcome =
            if locks { self.lend_slot(id) } else { self.control.hand(id, &json!({}), &self.segment_fd) };
        if let Err(reason) = outcome {
            tracing::warn!(reason, "the cache was not lent to a tool");
            self.control.answer(id, &json!({ "error": reason }));
        }
    }

    fn lend_slot(&mut self, id: ClientId) -> Result<(), String> {
        if let Some(pid) = self.lending.holder() {
            return Err(format!("another `veritable cache` is at work (pid {pid})"));
        }
        let pid = self.control.pid(id);
        let owner = self.board.enlist(TOOL_SLOT, self.supervisor.generation, now_ms()).map_err(|error| {
            format!("this server's memory was made by an older program and has no place for a tool: {error}")
        })?;
        // Before the first way out below: whatever happens to the client, its slot is taken back.
        self.lending.holder = Some((id, pid));
        self.control.keep(id);
        tracing::info!(pid, "lending the cache to a tool");
        let answer = json!({ "slot": owner.slot, "epoch": owner.epoch });
        let handed = self.control.hand(id, &answer, &self.segment_fd);
        self.take_back();
        handed
    }

    /// Takes the tool's slot back if its holder is gone.
    pub(super) fn take_back(&mut self) {
        let Some((id, pid)) = self.lending.holder else { return };
        if self.control.is_connected(id) {
            return;
        }
        self.lending.holder = None;
        self.retire(Some(TOOL_SLOT));
        tracing::info!(pid, "a tool has given the cache back");
    }
}
