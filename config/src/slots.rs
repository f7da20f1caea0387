//! Places of processes in the scoreboard: whose is which, and how many there are.

/// Most worker processes: far more cores than the machines this is meant for have, and twice as many slots
/// must fit into the scoreboard.
pub const WORKERS_MAX: u16 = 64;
/// Slots of workers, the first ones of the scoreboard: two generations of the most there may be.
pub const WORKER_SLOTS: u16 = 2 * WORKERS_MAX;
/// The writer's slot, after those of workers. Two writers never run at a time.
pub const WRITER_SLOT: u16 = WORKER_SLOTS;
/// The slot of a tool that takes locks, after it.
pub const TOOL_SLOT: u16 = WRITER_SLOT + 1;
/// The master's slot.
pub const MASTER_SLOT: u16 = TOOL_SLOT + 1;
/// Slots of the scoreboard.
pub const SLOTS: u16 = MASTER_SLOT + 1;
