//! Hit ratios of eviction policies, on public traces and made ones: what docs/decisions/0010-eviction.md rests on.
//!
//! `cargo run --release -p veritable-hit-ratio -- [TRACE…]`. A trace is a text file with one key a line (lines of
//! anything but numbers are skipped). README.md beside this says where some are published.
#![expect(clippy::print_stdout, reason = "printing figures is what this program is for")]

mod policy;
mod trace;

use policy::POLICIES;

/// Sizes of the cache, as parts of a trace's distinct keys.
const PARTS: [(usize, &str); 4] = [(1, "1 %"), (5, "5 %"), (10, "10 %"), (25, "25 %")];
/// Fewer entries are no cache.
const ENTRIES_MIN: usize = 32;

fn main() {
    let mut traces = trace::made();
    for path in std::env::args().skip(1) {
        match trace::read(&path) {
            Ok(trace) => traces.push(trace),
            Err(error) => {
                eprintln!("{path}: {error}");
                std::process::exit(2);
            }
        }
    }
    let names: Vec<&str> = POLICIES.iter().map(|(name, _)| *name).collect();
    println!(
        "Hits in percent of requests; under each policy the difference to exact LRU in percentage points.\n"
    );
    println!("| trace | requests | keys | entries | {} |", names.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(names.len()));
    let mut worst: Vec<(f64, String)> = vec![(f64::INFINITY, String::new()); names.len()];
    let mut sum = vec![0.0; names.len()];
    let mut rows = 0_u32;
    for trace in &traces {
        for (part, label) in PARTS {
            let entries = trace.distinct * part / 100;
            if entries < ENTRIES_MIN {
                continue;
            }
            let ratios: Vec<f64> =
                POLICIES.iter().map(|(_, make)| ratio(&trace.keys, &mut *make(entries))).collect();
            let lru = ratios[0];
            let cells: Vec<String> = ratios
                .iter()
                .enumerate()
                .map(|(i, ratio)| if i == 0 { format!("{ratio:.2}") } else { format!("{:+.2}", ratio - lru) })
                .collect();
            println!(
                "| {} | {} | {} | {entries} ({label}) | {} |",
                trace.name,
                trace.keys.len(),
                trace.distinct,
                cells.join(" | ")
            );
            rows += 1;
            for (i, ratio) in ratios.iter().enumerate() {
                sum[i] += ratio - lru;
                if ratio - lru < worst[i].0 {
                    worst[i] = (ratio - lru, format!("{} {label}", trace.name));
                }
            }
        }
    }
    println!("\n| policy | mean | worst | where |\n|---|---|---|---|");
    for ((name, (worst, place)), sum) in names.iter().zip(&worst).zip(&sum) {
        println!("| {name} | {:+.2} | {worst:+.2} | {place} |", sum / f64::from(rows.max(1)));
    }
}

/// Hits in percent.
fn ratio(keys: &[u64], policy: &mut dyn policy::Policy) -> f64 {
    let hits = keys.iter().filter(|&&key| policy.access(key)).count();
    hits as f64 * 100.0 / keys.len().max(1) as f64
}
