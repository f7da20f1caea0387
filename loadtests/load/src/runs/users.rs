//! Many users at once, each of whom reads an answer before asking again.

use std::time::Duration;

use serde::Serialize;

use super::{
    Context, Live, RunError, Stage, after, budgets, errors_line, kinds_table, optional, out, partial,
    processes_table, warn,
};
use crate::budgets::{Point, Run, short};
use crate::cli::Users;
use crate::engine::Pace;
use crate::figures::{Figures, Second, Seconds};
use crate::plot::{Line, Plot};
use crate::report::{Report, Table};

/// Seconds of the short form and of the full one.
const SECONDS: (u64, u64) = (60, 300);

#[derive(Serialize)]
struct Data<'a> {
    scenario: &'static str,
    users: usize,
    think_seconds: f64,
    figures: &'a Figures,
    seconds: &'a [Second],
}

/// Runs it.
///
/// # Errors
/// Nothing could be measured.
pub fn run(asked: &Users, context: &Context) -> Result<Report, RunError> {
    let budgets = budgets(&asked.how)?;
    let mut stage = Stage::set(&asked.server, asked.scenario, asked.users)?;
    let usual = if asked.full { SECONDS.1 } else { SECONDS.0 };
    let duration = Duration::from_secs(asked.seconds.unwrap_or(usual));
    let live = Live::new(&format!("{} users", asked.users), duration);
    let mut seconds = Seconds::default();
    let think = Duration::from_secs_f64(asked.think);
    let load = (Pace::Users { think }, asked.users, duration);
    let mut figures = stage.measure(context, &asked.how, load, |progress| {
        live.at(progress.elapsed);
        if let Some(second) = seconds.add(progress) {
            live.second(&second);
        }
    })?;
    live.done("");
    figures.pss_after_mb = stage.pss_after();
    let partial = partial(figures.seconds, duration, Duration::from_secs(usual));
    stage.notes.extend(partial.as_ref().map(|why| format!("No budget is judged: {why}.")));
    warn(&figures, "The run", &mut stage.notes);
    let point = Point {
        run: Run::Users,
        scenario: Some(asked.scenario),
        rps: None,
        users: Some(asked.users as u64),
        short: !asked.full,
        what: None,
        partial,
        figures: figures.named(),
    };
    let mut about = stage.about();
    let thought = format!("closed loop, {} s of thought on average (exponentially)", asked.think);
    about.push(("load", format!("{thought}, {} s", duration.as_secs())));
    let mut tables = vec![table(&figures), kinds_table("Kinds of request".into(), &figures)];
    if !figures.processes.is_empty() {
        tables.push(processes_table("Processes".into(), &figures));
    }
    let report = Report {
        name: Run::Users.name(),
        title: format!("{} users at once ({})", asked.users, asked.scenario.name()),
        summary: format!(
            "Each asks again about {} s after the answer, for {:.0} s.",
            asked.think, figures.seconds
        ),
        verdicts: budgets.judge(Run::Users, &[point], false),
        notes: stage.notes.clone(),
        tables,
        plots: plots(&seconds.seconds),
        about: context.about(about),
    };
    let data = Data {
        scenario: asked.scenario.name(),
        users: asked.users,
        think_seconds: asked.think,
        figures: &figures,
        seconds: &seconds.seconds,
    };
    report.write(out(&asked.how), data).map_err(anyhow::Error::new)?;
    Ok(report)
}

/// One run's figures, one a line.
pub(super) fn table(figures: &Figures) -> Table {
    let after = after();
    let rows = [
        ("answered/s", format!("{:.0}", figures.achieved_rps)),
        ("p50 ms", short(figures.p50_ms)),
        ("p95 ms", short(figures.p95_ms)),
        ("p99 ms", short(figures.p99_ms)),
        ("p99.9 ms", short(figures.p999_ms)),
        ("longest ms", short(figures.longest_ms)),
        ("errors", errors_line(figures)),
        ("errors, %", short(figures.error_percent)),
        ("conflicts of edits", figures.conflicts.to_string()),
        ("not modified", figures.not_modified.to_string()),
        ("hits %", optional(figures.hit_percent)),
        ("server CPU us each", optional(figures.server_cpu_us)),
        ("PSS without the cache, MB", optional(figures.pss_mb)),
        (&*after, optional(figures.pss_after_mb)),
    ];
    Table {
        title: "Figures".into(),
        head: vec!["what", "measured"],
        rows: rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect(),
        caption: String::new(),
    }
}

pub(super) fn plots(seconds: &[Second]) -> Vec<Plot> {
    let line = |name: &str, of: fn(&Second) -> f64| Line {
        name: name.to_owned(),
        points: seconds.iter().map(|second| (second.at, of(second))).collect(),
    };
    let plot = |title, y, lines| Plot { title, x: "s", y, logarithmic: false, lines, limits: Vec::new() };
    vec![
        plot("Latency over time", "ms", vec![line("p50", |s| s.p50_ms), line("p99", |s| s.p99_ms)]),
        plot(
            "Answers and errors over time",
            "a second",
            vec![line("answers", |s| s.rps), line("errors", |s| s.errors as f64)],
        ),
    ]
}
