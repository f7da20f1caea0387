//! What a process that serves tells its allocator, jemalloc (jemalloc(3)): it reads it from its environment when it
//! starts, so that whoever starts the process has to say it.

/// The variable, and the settings in it.
///
/// - `background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0`: freed pages go back to the system in a tenth of a
///   second, in idle processes too.
/// - `narenas:1`: an event loop and some reading threads need no more arenas.
/// - `calloc_madvise_threshold:67108864` (bytes): large memory that is kept for a moment is made zero by writing to it,
///   not by giving it back to be faulted in again. A password's hash takes 16 MiB: a quarter of its time went to that.
/// - `tcache_max:8192` (bytes), `tcache_ncached_max:2049-7168:0|8192-8192:2`, `lg_tcache_nslots_mul:0`: less is kept for
///   later in each of many threads. Every thread has a cache of its own of what it freed, by size. Without these it holds
///   sizes up to 32 KiB, and of each size twice as many; what only few threads ever ask for again, such as pages, would lie
///   there in all of them. So each keeps sizes up to 2 KiB, and two buffers of 8 KiB: hyper asks for one for every
///   request it reads, and to find it among the pages took a tenth of a cached answer's time outside the kernel.
pub const ALLOCATOR: (&str, &str) = (
    "MALLOC_CONF",
    "background_thread:true,dirty_decay_ms:100,muzzy_decay_ms:0,narenas:1,calloc_madvise_threshold:67108864,\
     tcache_max:8192,tcache_ncached_max:2049-7168:0|8192-8192:2,lg_tcache_nslots_mul:0",
);
