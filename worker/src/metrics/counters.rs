//! The segment's counters as they are called outside: the one table for everybody who tells them.

use veritable_shm::Counter;

/// A counter's name outside.
pub(super) struct Named {
    pub(super) counter: Counter,
    /// The family's name; neighbours of one name are one family.
    pub(super) name: &'static str,
    /// What tells it from others of the family.
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) help: &'static str,
}

const fn named(
    counter: Counter,
    name: &'static str,
    label: Option<(&'static str, &'static str)>,
    help: &'static str,
) -> Named {
    Named { counter, name, label, help }
}

const LOOKUPS: &str =
    "Lookups in the shared cache, by what they found: hit, stale (past its time, still shown) or miss";
const INSERTS: &str = "Answers given to the shared cache, by what became of them: stored, skipped (its part was busy), \
                       refused (too large) or outdated (what they were made from had changed)";
const RESETS: &str =
    "Parts of the shared cache emptied: after a process that died in them, or after damage was found";
const FLIGHTS: &str = "Computations of answers: led here, or followed when another worker was at it";
const RELOADS: &str = "Reloads, by how they ended";

/// Those that something counts; one that nothing counts yet would be a zero that says nothing.
pub(super) const COUNTERS: &[Named] = &[
    named(Counter::BytesOut, "veritable_http_response_body_bytes", None, "Bytes of bodies sent"),
    named(Counter::Connections, "veritable_http_connections_accepted", None, "Connections accepted"),
    named(Counter::CacheHit, "veritable_cache_lookups", Some(("result", "hit")), LOOKUPS),
    named(Counter::CacheStale, "veritable_cache_lookups", Some(("result", "stale")), LOOKUPS),
    named(Counter::CacheMiss, "veritable_cache_lookups", Some(("result", "miss")), LOOKUPS),
    named(Counter::CacheInsert, "veritable_cache_inserts", Some(("result", "stored")), INSERTS),
    named(Counter::CacheSkip, "veritable_cache_inserts", Some(("result", "skipped")), INSERTS),
    named(Counter::CacheRefuse, "veritable_cache_inserts", Some(("result", "refused")), INSERTS),
    named(Counter::CacheOutdated, "veritable_cache_inserts", Some(("result", "outdated")), INSERTS),
    named(Counter::CacheEvict, "veritable_cache_evictions", None, "Answers that made room for others"),
    named(Counter::CacheTakeover, "veritable_cache_resets", Some(("reason", "takeover")), RESETS),
    named(Counter::CacheDamage, "veritable_cache_resets", Some(("reason", "damage")), RESETS),
    named(Counter::LeaseLead, "veritable_cache_computations", Some(("part", "led")), FLIGHTS),
    named(Counter::LeaseFollow, "veritable_cache_computations", Some(("part", "followed")), FLIGHTS),
    named(Counter::ReadsRefused, "veritable_reads_refused", None, "Reads refused because too many waited"),
    named(
        Counter::ReadsInterrupted,
        "veritable_reads_interrupted",
        None,
        "Reads interrupted at their deadline",
    ),
    named(
        Counter::SlowStatements,
        "veritable_slow_statements",
        None,
        "SQL statements that took longer than a tenth of a second",
    ),
    named(Counter::Writes, "veritable_writer_commands_sent", None, "Commands sent to the writer by workers"),
    named(
        Counter::Commands,
        "veritable_writer_commands",
        None,
        "Commands in transactions that were committed",
    ),
    named(
        Counter::CommandsExpired,
        "veritable_writer_commands_expired",
        None,
        "Commands refused because their deadline had passed",
    ),
    named(
        Counter::CommandsRefused,
        "veritable_writer_commands_refused",
        None,
        "Commands refused because the queue was full",
    ),
    named(
        Counter::CommandsRepeated,
        "veritable_writer_commands_repeated",
        None,
        "Commands that were answered again instead of being done again",
    ),
    named(Counter::Commits, "veritable_writer_commits", None, "Transactions committed"),
    named(
        Counter::CommitsFailed,
        "veritable_writer_commits_failed",
        None,
        "Transactions that failed as a whole",
    ),
    named(Counter::Reloads, "veritable_reloads", Some(("result", "done")), RELOADS),
    named(Counter::ReloadsFailed, "veritable_reloads", Some(("result", "failed")), RELOADS),
    named(
        Counter::Recycles,
        "veritable_worker_recycles",
        None,
        "Workers replaced because they had grown, served their number of requests or reached their age",
    ),
    named(Counter::Crashes, "veritable_process_crashes", None, "Processes that ended by themselves"),
    named(
        Counter::Upgrades,
        "veritable_master_upgrades",
        None,
        "Images of the master that took over from another",
    ),
];
