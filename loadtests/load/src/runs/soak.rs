//! The same load for a long time: whether memory grows.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{
    Context, Live, RunError, Stage, budgets, kinds_table, out, partial, processes_table, users, warn,
};
use crate::budgets::{Point, Run, short};
use crate::cli::Soak;
use crate::engine::Pace;
use crate::figures::{Figures, MB, Second, Seconds};
use crate::plot::{Line, Plot};
use crate::processes;
use crate::report::{Report, Table};
use crate::slope;

/// Seconds of the short form and of the full one.
const SECONDS: (u64, u64) = (30, 3_600);
/// Memory is looked at so many times in a run.
const LOOKS: u32 = 120;
/// The part of a run in which caches fill: memory that grows then is no leak.
const WARMING: f64 = 0.3;

/// One process over the run.
#[derive(Clone, Debug, Serialize)]
struct Memory {
    role: String,
    pid: i32,
    /// Seconds, and anonymous PSS in megabytes.
    points: Vec<(f64, f64)>,
    /// Of the least-squares line through what follows the warming, in megabytes an hour.
    slope_mb_per_hour: Option<f64>,
    /// The same line's rise over that time.
    growth_mb: Option<f64>,
}

#[derive(Serialize)]
struct Data<'a> {
    scenario: &'static str,
    figures: &'a Figures,
    memory: &'a [Memory],
    seconds: &'a [Second],
}

/// Collects what processes take.
#[derive(Default)]
struct Memories {
    of: BTreeMap<(String, i32), Vec<(f64, f64)>>,
    looked: Duration,
}

impl Memories {
    fn look(&mut self, pid: Option<i32>, elapsed: Duration, every: Duration) {
        if elapsed.saturating_sub(self.looked) < every {
            return;
        }
        self.looked = elapsed;
        for sample in pid.map(processes::tree).unwrap_or_default() {
            let point = (elapsed.as_secs_f64(), sample.own_bytes as f64 / MB);
            self.of.entry((sample.role, sample.pid)).or_default().push(point);
        }
    }

    fn fitted(self, duration: f64) -> Vec<Memory> {
        let begin = WARMING * duration;
        let fit = |((role, pid), points): ((String, i32), Vec<(f64, f64)>)| {
            let warm: Vec<_> = points.iter().copied().filter(|point| point.0 >= begin).collect();
            let slope = slope::of(&warm);
            let span = warm.last().map_or(0.0, |last| last.0 - warm[0].0);
            Memory {
                role,
                pid,
                slope_mb_per_hour: slope.map(|slope| slope * 3_600.0),
                growth_mb: slope.map(|slope| slope * span),
                points,
            }
        };
        self.of.into_iter().map(fit).collect()
    }
}

/// Runs it.
///
/// # Errors
/// Nothing could be measured.
pub fn run(asked: &Soak, context: &Context) -> Result<Report, RunError> {
    let budgets = budgets(&asked.how)?;
    let mut stage = Stage::set(&asked.server, asked.scenario, asked.connections)?;
    let usual = if asked.short { SECONDS.0 } else { SECONDS.1 };
    let duration = Duration::from_secs(asked.seconds.unwrap_or(usual));
    let live = Live::new("soak", duration);
    let (mut seconds, mut memories) = (Seconds::default(), Memories::default());
    let load = (Pace::Rate(asked.rate), asked.connections, duration);
    let mut figures = stage.measure(context, &asked.how, load, |progress| {
        live.at(progress.elapsed);
        memories.look(stage.server.pid, progress.elapsed, duration / LOOKS);
        if let Some(second) = seconds.add(progress) {
            live.second(&second);
        }
    })?;
    live.done("");
    figures.pss_after_mb = stage.pss_after();
    let partial = partial(figures.seconds, duration, Duration::from_secs(usual));
    stage.notes.extend(partial.as_ref().map(|why| format!("No budget is judged: {why}.")));
    warn(&figures, "The run", &mut stage.notes);
    let memory = memories.fitted(figures.seconds);
    let worst = |of: fn(&Memory) -> Option<f64>| memory.iter().filter_map(of).max_by(f64::total_cmp);
    let mut named = figures.named();
    named.extend(worst(|memory| memory.slope_mb_per_hour).map(|slope| ("own_slope_mb_per_hour", slope)));
    named.extend(worst(|memory| memory.growth_mb).map(|growth| ("own_growth_mb", growth)));
    let point = Point {
        run: Run::Soak,
        scenario: Some(asked.scenario),
        rps: Some(asked.rate),
        users: None,
        short: asked.short,
        what: None,
        partial,
        figures: named,
    };
    let mut about = stage.about();
    about.push((
        "load",
        format!(
            "open loop, {} requests/s, {} connections, {} s",
            asked.rate,
            asked.connections,
            duration.as_secs()
        ),
    ));
    let mut tables = vec![memory_table(&memory), users::table(&figures)];
    tables.push(kinds_table("Kinds of request".into(), &figures));
    if !figures.processes.is_empty() {
        tables.push(processes_table("Processes at the end".into(), &figures));
    }
    let mut plots = vec![memory_plot(&memory)];
    plots.extend(users::plots(&seconds.seconds));
    let report = Report {
        name: Run::Soak.name(),
        title: format!("Soak of {:.0} s ({})", figures.seconds, asked.scenario.name()),
        summary: format!("{:.0} requests/s for {:.0} s: whether memory grows.", asked.rate, figures.seconds),
        verdicts: budgets.judge(Run::Soak, &[point], false),
        notes: stage.notes.clone(),
        tables,
        plots,
        about: context.about(about),
    };
    let data = Data {
        scenario: asked.scenario.name(),
        figures: &figures,
        memory: &memory,
        seconds: &seconds.seconds,
    };
    report.write(out(&asked.how), data).map_err(anyhow::Error::new)?;
    Ok(report)
}

fn memory_table(memory: &[Memory]) -> Table {
    let row = |memory: &Memory| {
        let at = |point: Option<&(f64, f64)>| {
            point.map_or_else(|| "-".to_owned(), |point| format!("{:.1}", point.1))
        };
        vec![
            memory.role.clone(),
            memory.pid.to_string(),
            at(memory.points.first()),
            at(memory.points.last()),
            memory.growth_mb.map_or_else(|| "-".to_owned(), |growth| format!("{growth:.2}")),
            memory.slope_mb_per_hour.map_or_else(|| "-".to_owned(), short),
        ]
    };
    Table {
        title: "Memory of the processes".into(),
        head: vec!["process", "pid", "first MB", "last MB", "growth MB", "slope MB/h"],
        rows: memory.iter().map(row).collect(),
        caption: format!(
            "Memory of the process's own (anonymous PSS). Growth and slope are those of the least-squares line through the last \
             {:.0} % of the run: before that caches fill.",
            100.0 * (1.0 - WARMING)
        ),
    }
}

fn memory_plot(memory: &[Memory]) -> Plot {
    Plot {
        title: "Memory over time",
        x: "s",
        y: "own memory (anonymous PSS), MB",
        logarithmic: false,
        lines: memory.iter().map(|m| Line { name: m.role.clone(), points: m.points.clone() }).collect(),
        limits: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_while_caches_fill_is_no_leak() {
        let points = |leak: f64| {
            (0..100).map(f64::from).map(|s| (s, if s < 30.0 { s } else { 30.0 + leak * s })).collect()
        };
        let of = BTreeMap::from([
            (("level".to_owned(), 1), points(0.0)),
            (("leaking".to_owned(), 2), points(0.5)),
            (("new".to_owned(), 3), vec![(99.0, 5.0)]),
        ]);
        let fitted = Memories { of, looked: Duration::ZERO }.fitted(100.0);
        let slope = |role: &str| fitted.iter().find(|m| m.role == role).unwrap().slope_mb_per_hour;
        assert!(slope("level").unwrap().abs() < 1e-6);
        assert!((slope("leaking").unwrap() - 1_800.0).abs() < 1e-6);
        assert_eq!(slope("new"), None, "one look has no slope");
        let growth = fitted.iter().find(|m| m.role == "leaking").unwrap().growth_mb.unwrap();
        assert!((growth - 0.5 * 69.0).abs() < 1e-6, "{growth}");
    }

    #[test]
    fn this_process_is_looked_at_in_its_rhythm() {
        let mut memories = Memories::default();
        let every = Duration::from_secs(1);
        for millis in [500, 1_000, 1_500, 2_100] {
            memories.look(Some(std::process::id().cast_signed()), Duration::from_millis(millis), every);
        }
        assert!(memories.of.values().any(|points| points.len() == 2 && points[0].1 > 0.1));
    }
}
