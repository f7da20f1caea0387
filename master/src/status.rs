//! What `veritable status` shows: gathered by the master without any lock, laid out for people by the client.

use std::fmt::Write;

use serde_json::{Map, Value, json};
use veritable_shm::{Cache, Counter, Gauge, Histograms, Owner, Routes, Scoreboard, Segment, Series, now_ms};

use crate::databases;
use crate::supervisor::{Child, Life, Millis, Role, Supervisor};

/// One process as status shows it.
pub(crate) fn process(
    supervisor: &Supervisor,
    board: &Scoreboard,
    child: &Child,
    slot: Option<u16>,
    pid: u32,
    now: Millis,
) -> Value {
    let state = match child.life {
        Life::Starting { .. } => "starting",
        Life::Ready { .. } => "ready",
        Life::Draining { .. } => "draining",
        Life::Killed => "killed",
    };
    let (role, place) = match child.role {
        Role::Writer => ("writer", None),
        Role::Worker { place } => ("worker", Some(place)),
    };
    let restarts =
        supervisor.places.iter().find(|place| place.role == child.role).map_or(0, |place| place.restarts);
    let gauges = |slot| {
        let of = |gauge| (snake(&format!("{gauge:?}")), board.gauge(slot, gauge).into());
        Value::Object(Gauge::ALL.into_iter().map(of).collect::<Map<_, _>>())
    };
    let heartbeat = slot.and_then(|slot| board.status(slot).ok()).map(|slot| slot.heartbeat_ms);
    json!({
        "role": role,
        "place": place,
        "slot": slot,
        "pid": pid,
        "state": state,
        "generation": child.generation,
        "restarts": restarts,
        "uptime_seconds": now.saturating_sub(child.spawned) / 1_000,
        "gauges": slot.filter(|_| place.is_some()).map(gauges),
        "heartbeat_age_ms": heartbeat.map(|at| now_ms().saturating_sub(at)),
    })
}

/// The cache's totals.
pub(crate) fn cache(segment: &Segment) -> Value {
    // Only looked at, so any owner will do.
    match Cache::of(segment, Owner { slot: 0, epoch: 0 }) {
        Ok(cache) => {
            let stats = cache.stats();
            json!({
                "capacity_bytes": stats.capacity_bytes,
                "used_bytes": stats.used_bytes,
                "metadata_bytes": stats.metadata_bytes,
                "capacity_entries": stats.capacity_entries,
                "entries": stats.entries,
                "hits": stats.hits,
                "misses": stats.misses,
                "evictions": stats.evictions,
            })
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// Every counter, summed over all workers there ever were.
pub(crate) fn counters(board: &Scoreboard, segment: &Segment) -> Value {
    let total = |counter: Counter| (snake(&format!("{counter:?}")), board.total(counter).into());
    Value::Object(Counter::ALL.into_iter().map(total).chain(answers(segment)).collect::<Map<_, _>>())
}

/// How many answers there were of each class of status, and how many came later than is promised.
fn answers(segment: &Segment) -> impl Iterator<Item = (String, Value)> {
    let mut classes = [0_u64; 4];
    let mut violations = 0_u64;
    for route in Routes::of(segment, 0).all() {
        violations += route.latency.violations();
        for (status, count) in route.statuses {
            if let Some(class) = usize::from(status / 100).checked_sub(2).and_then(|at| classes.get_mut(at)) {
                *class += count;
            }
        }
    }
    let named = ["status_2xx", "status_3xx", "status_4xx", "status_5xx", "slo_violations"];
    named.map(str::to_owned).into_iter().zip(classes.into_iter().chain([violations]).map(Value::from))
}

/// What was measured, over all processes there ever were: how often, and milliseconds at three quantiles; sizes of
/// batches as they are.
pub(crate) fn times(segment: &Segment) -> Value {
    let histograms = Histograms::of(segment);
    let of = |series: Series| {
        let read = histograms.total(series);
        let at = |share| match series {
            Series::BatchSize => read.quantile(share).round(),
            _ => (read.time(share).as_secs_f64() * 1e6).round() / 1e3,
        };
        let value = json!({ "count": read.count(), "p50": at(0.5), "p99": at(0.99), "p999": at(0.999) });
        (snake(&format!("{series:?}")), value)
    };
    Value::Object(Series::ALL.into_iter().map(of).collect::<Map<_, _>>())
}

/// `CacheHit` as `cache_hit`.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    for c in name.chars() {
        let begins_word = c.is_uppercase() || (c.is_ascii_digit() && !before.is_ascii_digit());
        if begins_word && before != '_' {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
        before = c;
    }
    snake
}

/// The answer as people read it.
pub(crate) fn table(status: &Value) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let list =
        |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(", ");
    let mut page = format!(
        "Veritable {} is {}: pid {}, up {} s, generation {}\ndata in {}, listening on {}\n",
        text(&status["version"]),
        text(&status["state"]),
        status["pid"],
        status["uptime_seconds"],
        status["generation"],
        text(&status["data_dir"]),
        list(&status["listen"]),
    );
    if let Some(error) = status["last_reload_error"].as_str() {
        // Writing to a string does not fail.
        let _ = writeln!(page, "last reload failed: {error}");
    }
    for (role, how) in status["failures"].as_object().into_iter().flatten() {
        let _ = writeln!(page, "{role}: {}", text(how));
    }
    page.push_str(&databases::lines(&status["databases"]));
    page.push_str(&databases::mail_lines(&status["mail"]));
    let columns = ["role", "place", "slot", "pid", "state", "generation", "restarts", "uptime_seconds"];
    let titles = ["ROLE", "PLACE", "SLOT", "PID", "STATE", "GEN", "RESTARTS", "UP S"].map(str::to_owned);
    let rows =
        status["processes"].as_array().into_iter().flatten().map(|row| columns.map(|name| text(&row[name])));
    page.push('\n');
    for row in std::iter::once(titles).chain(rows) {
        let [role, place, slot, pid, state, generation, restarts, uptime] = row;
        let _ = writeln!(
            page,
            "{role:<7} {place:>5} {slot:>5} {pid:>8}  {state:<9} {generation:>4} {restarts:>9} {uptime:>8}"
        );
    }
    for (name, read) in status["times"].as_object().into_iter().flatten() {
        if read["count"] != 0 {
            let _ = write!(
                page,
                "\n{name}: {} times, p50 {} p99 {} p99.9 {}{}",
                read["count"],
                read["p50"],
                read["p99"],
                read["p999"],
                if name == "batch_size" { "" } else { " ms" }
            );
        }
    }
    if status["times"].is_object() {
        page.push('\n');
    }
    for part in ["cache", "counters"] {
        let of_part = status[part].as_object().into_iter().flatten().filter(|(_, value)| **value != 0);
        let pairs: Vec<String> = of_part.map(|(name, value)| format!("{name} {}", text(value))).collect();
        let _ = write!(page, "\n{part}: {}", pairs.join(", "));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_have_names_in_one_style() {
        assert_eq!(snake("Reload2Now"), "reload_2_now");
        assert_eq!(snake("CacheHit"), "cache_hit");
        assert_eq!(snake("Panics"), "panics");
    }

    #[test]
    fn the_table_names_every_process() {
        let status = json!({
            "version": "1", "state": "serving", "pid": 7, "uptime_seconds": 3, "generation": 2, "data_dir": "d",
            "listen": ["a:1", "b:2"], "last_reload_error": "bad", "cache": {"entries": 4}, "counters": {"panics": 0},
            "processes": [
                {"role": "writer", "place": null, "slot": null, "pid": 8, "state": "ready", "restarts": 0},
                {"role": "worker", "place": 0, "slot": 1, "pid": 9, "state": "draining", "restarts": 5},
            ],
        });
        let table = table(&status);
        for part in
            ["pid 7", "a:1, b:2", "last reload failed: bad", "writer      -", "draining", "cache: entries 4"]
        {
            assert!(table.contains(part), "{part:?} in {table}");
        }
        assert!(!table.contains("panics"), "{table}");
    }
}
