//! What a process that serves tells its allocator, jemalloc (jemalloc(3)): it reads it from its environment when it
//! starts, so that whoever starts the process has to say it.

/// The variable, and the settings in it.
///
/// - `background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0`: freed pages go back to the system in a tenth of a
///   second, in idle processes too.
/// - `narenas:1`: an event loop and some reading threads need no more arenas.
/// - `oversize_threshold:0`: what is larger than 8 MiB is kept for a moment as well. A password's hash takes 16, which were
///   given back and faulted in again for each of a flood of logins.
/// - `tcache_max:2048` (bytes), `lg_tcache_nslots_mul:0`: less is kept for later in each of many threads. Every thread has
///   a cache of its own of what it freed, by size. Without these it holds sizes up to 32 KiB, and of each size twice as
///   many; what only few threads ever ask for again, such as pages and buffers, would lie there in all of them.
pub const ALLOCATOR: (&str, &str) = (
    "MALLOC_CONF",
    "background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0,narenas:1,oversize_threshold:0,tcache_max:2048,\
     lg_tcache_nslots_mul:0",
);
