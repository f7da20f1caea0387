//! `veritable cache stats`: the figures, as people and scripts read them.

use std::fmt::Write;

use serde_json::{Value, json};
use veritable_shm::{CacheStats, ShardStats};

/// Everything there is to know.
pub(super) fn json(stats: &CacheStats, shards: Option<&[ShardStats]>) -> Value {
    let shown = stats.hits + stats.stale_hits;
    let lookups = shown + stats.misses;
    let mut all = json!({
        "capacity_bytes": stats.capacity_bytes,
        "metadata_bytes": stats.metadata_bytes,
        "block_bytes": stats.block_bytes,
        "used_bytes": stats.used_bytes,
        "value_bytes_max": stats.value_bytes_max,
        "capacity_entries": stats.capacity_entries,
        "entries": stats.entries,
        "shards": stats.shards,
        "hits": stats.hits,
        "stale_hits": stats.stale_hits,
        "misses": stats.misses,
        "hit_ratio": (lookups > 0).then(|| shown as f64 / lookups as f64),
        "inserts": stats.inserts,
        "evictions": stats.evictions,
        "skips": stats.skips,
        "refusals": stats.refusals,
        "outdated": stats.outdated,
        "takeovers": stats.takeovers,
        "damages": stats.damages,
    });
    if let Some(shards) = shards {
        all["per_shard"] = shards.iter().map(shard).collect();
    }
    all
}

fn shard(shard: &ShardStats) -> Value {
    json!({
        "entries": shard.entries,
        "capacity_entries": shard.capacity_entries,
        "used_bytes": shard.used_bytes,
        "block_bytes": shard.block_bytes,
    })
}

/// The same for people.
pub(super) fn table(stats: &Value) -> String {
    let bytes = |part: &Value, name: &str| human_bytes(part[name].as_u64().unwrap_or_default());
    let ratio = stats["hit_ratio"].as_f64().map_or("-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0));
    let mut page = String::new();
    let mut row = |name: &str, value: &str| {
        // Writing to a string does not fail.
        let _ = writeln!(page, "{name:<15} {value}");
    };
    row("entries", &format!("{} of {}", stats["entries"], stats["capacity_entries"]));
    row("used", &format!("{} of {}", bytes(stats, "used_bytes"), bytes(stats, "block_bytes")));
    row("metadata", &bytes(stats, "metadata_bytes"));
    row("capacity", &bytes(stats, "capacity_bytes"));
    row("largest value", &bytes(stats, "value_bytes_max"));
    row("shards", &stats["shards"].to_string());
    row("hit ratio", &ratio);
    for name in [
        "hits",
        "stale_hits",
        "misses",
        "inserts",
        "evictions",
        "skips",
        "refusals",
        "outdated",
        "takeovers",
        "damages",
    ] {
        row(&name.replace('_', " "), &stats[name].to_string());
    }
    if let Some(shards) = stats["per_shard"].as_array() {
        let _ = writeln!(page, "\n{:>5} {:>15} {:>23}", "SHARD", "ENTRIES", "USED");
        for (index, shard) in shards.iter().enumerate() {
            let entries = format!("{} of {}", shard["entries"], shard["capacity_entries"]);
            let used = format!("{} of {}", bytes(shard, "used_bytes"), bytes(shard, "block_bytes"));
            let _ = writeln!(page, "{index:>5} {entries:>15} {used:>23}");
        }
    }
    page
}

/// `1.5 MB`, in powers of 1024, as the settings count them.
pub(crate) fn human_bytes(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["bytes", "KB", "MB", "GB"] {
        if value < 1024.0 {
            return if unit == "bytes" { format!("{bytes} bytes") } else { format!("{value:.1} {unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.1} TB")
}

#[cfg(test)]
mod tests {
    use veritable_shm::{Cache, Geometry, Owner, Segment};

    use super::*;

    #[test]
    fn bytes_are_told_in_units() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KB"),
            (52_428_800, "50.0 MB"),
            (1 << 41, "2.0 TB"),
        ] {
            assert_eq!(human_bytes(bytes), text);
        }
    }

    #[test]
    fn the_table_has_every_figure() {
        let (_fd, segment) = Segment::create(&Geometry::default()).unwrap();
        let cache = Cache::of(&segment, Owner { slot: 0, epoch: 0 }).unwrap();
        let empty = CacheStats { hits: 6, stale_hits: 1, misses: 1, ..cache.stats() };
        let all = json(&empty, Some(&cache.shard_stats()));
        assert_eq!(all["hit_ratio"], 0.875);
        assert_eq!(all["per_shard"].as_array().unwrap().len(), 16);
        let page = table(&all);
        for part in [
            "entries         0 of 10000",
            "capacity        50.0 MB",
            "hit ratio       87.5 %",
            "stale hits      1",
        ] {
            assert!(page.contains(part), "{part:?} in {page}");
        }
        assert_eq!(page.lines().filter(|line| line.contains("0 of 625")).count(), 16, "{page}");
        assert_eq!(json(&cache.stats(), None)["hit_ratio"], Value::Null);
    }
}
