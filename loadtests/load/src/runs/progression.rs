//! One rate after another, until the server has enough.

use std::time::Duration;

use serde::Serialize;

use super::{
    Context, Live, RunError, SETTLE, Stage, budgets, errors_line, kinds_table, optional, out,
    processes_table, warn,
};
use crate::budgets::{Point, Run, Verdict, short};
use crate::cli::Progression;
use crate::engine::Pace;
use crate::figures::{Figures, Seconds};
use crate::plot::{Line, Plot};
use crate::report::{Report, Table};

/// A step is the last one when less than this part of what was asked was answered in time,
const ACHIEVED: f64 = 0.95;
/// or one answer in a hundred took longer,
const P99_MS: f64 = 1_000.0;
/// or more failed, in percent.
const ERROR_PERCENT: f64 = 1.0;

/// What the JSON report holds.
#[derive(Serialize)]
struct Data<'a> {
    scenario: &'static str,
    connections: usize,
    steps: &'a [Figures],
    saturated: Option<String>,
}

/// Why a step was the last, if the server had enough.
fn saturation(figures: &Figures) -> Option<String> {
    let asked = figures.asked_rps?;
    if figures.achieved_rps < ACHIEVED * asked {
        let percent = 100.0 * figures.achieved_rps / asked;
        Some(format!("{percent:.0} % of {asked:.0} requests/s were answered in time"))
    } else if figures.p99_ms > P99_MS {
        Some(format!("at {asked:.0} requests/s one in a hundred took {} ms", short(figures.p99_ms)))
    } else if figures.error_percent > ERROR_PERCENT {
        Some(format!("at {asked:.0} requests/s {} % failed", short(figures.error_percent)))
    } else {
        None
    }
}

/// Runs it.
///
/// # Errors
/// Nothing could be measured.
pub fn run(asked: &Progression, context: &Context) -> Result<Report, RunError> {
    let budgets = budgets(&asked.how)?;
    let mut stage = Stage::set(&asked.server, asked.scenario, asked.connections)?;
    let duration = Duration::from_secs(asked.seconds);
    let (mut steps, mut saturated) = (Vec::new(), None);
    for &rate in &asked.steps {
        let live = Live::new(&format!("{rate} requests/s"), duration);
        let mut seconds = Seconds::default();
        let load = (Pace::Rate(rate), asked.connections, duration);
        let figures = stage.measure(context, &asked.how, load, |progress| {
            live.at(progress.elapsed);
            if let Some(second) = seconds.add(progress) {
                live.second(&second);
            }
        })?;
        live.done(&format!(
            "{rate:>8} requests/s: {:.0} answered, p50 {} p99 {} p99.9 {} ms, errors: {}",
            figures.achieved_rps,
            short(figures.p50_ms),
            short(figures.p99_ms),
            short(figures.p999_ms),
            errors_line(&figures)
        ));
        if context.is_stopped() {
            // A step that was broken off says nothing.
            stage.notes.push(format!("Stopped by hand during the step of {rate:.0} requests/s."));
            break;
        }
        warn(&figures, &format!("{rate:.0} requests/s"), &mut stage.notes);
        saturated = saturation(&figures);
        steps.push(figures);
        if saturated.is_some() {
            break;
        }
    }
    if steps.is_empty() {
        return Err(anyhow::anyhow!("stopped before the first step was over").into());
    }
    if let Some(last) = steps.last_mut() {
        last.pss_after_mb = stage.pss_after();
    }
    if let Some(why) = &saturated {
        stage.notes.push(format!("The server had enough: {why}. Higher rates were not tried."));
    }
    let points: Vec<Point> = steps
        .iter()
        .map(|figures| Point {
            run: Run::Progression,
            scenario: Some(asked.scenario),
            rps: figures.asked_rps,
            users: None,
            short: false,
            what: None,
            partial: None,
            figures: figures.named(),
        })
        .collect();
    let report =
        report(asked, context, &stage, &steps, budgets.judge(Run::Progression, &points, saturated.is_some()));
    let data =
        Data { scenario: asked.scenario.name(), connections: asked.connections, steps: &steps, saturated };
    report.write(out(&asked.how), data).map_err(anyhow::Error::new)?;
    Ok(report)
}

fn report(
    asked: &Progression,
    context: &Context,
    stage: &Stage,
    steps: &[Figures],
    verdicts: Vec<Verdict>,
) -> Report {
    let mut tables = vec![steps_table(steps)];
    // The last step shows most where it hurts.
    if let Some(last) = steps.last() {
        let at = format!("at {:.0} requests/s, the last step", last.asked_rps.unwrap_or_default());
        tables.push(kinds_table(format!("Kinds of request, {at}"), last));
        if !last.processes.is_empty() {
            tables.push(processes_table(format!("Processes, {at}"), last));
        }
    }
    let mut about = stage.about();
    if let Some(pss) = steps.last().and_then(|last| last.pss_after_mb) {
        let seconds = SETTLE.as_secs();
        about.push((
            "memory",
            format!(
                "PSS of all processes {seconds} s after the last step, without the cache: {} MB",
                short(pss)
            ),
        ));
    }
    about.push(("load", format!("open loop, {} connections, {} s a step", asked.connections, asked.seconds)));
    Report {
        name: Run::Progression.name(),
        title: format!("Progression ({})", asked.scenario.name()),
        summary: format!(
            "One constant rate after another, up to {:.0} requests/s.",
            steps.last().and_then(|step| step.asked_rps).unwrap_or_default()
        ),
        plots: plots(steps, &verdicts),
        verdicts,
        notes: stage.notes.clone(),
        tables,
        about: context.about(about),
    }
}

fn steps_table(steps: &[Figures]) -> Table {
    let row = |figures: &Figures| {
        vec![
            format!("{:.0}", figures.asked_rps.unwrap_or_default()),
            format!("{:.0}", figures.achieved_rps),
            short(figures.p50_ms),
            short(figures.p95_ms),
            short(figures.p99_ms),
            short(figures.p999_ms),
            short(figures.service_p99_ms),
            errors_line(figures),
            optional(figures.hit_percent),
            optional(figures.server_cpu_us),
            optional(figures.pss_mb),
        ]
    };
    Table {
        title: "Steps".into(),
        head: vec![
            "asked/s",
            "answered/s",
            "p50 ms",
            "p95 ms",
            "p99 ms",
            "p99.9 ms",
            "p99 sent ms",
            "errors",
            "hits %",
            "CPU us each",
            "PSS MB",
        ],
        rows: steps.iter().map(row).collect(),
        caption:
            "\"p99 sent\" counts from when requests were sent, not from when they were due. CPU: of all the \
                  server's processes. PSS: of all of them, without the cache."
                .into(),
    }
}

/// What the budgets of such a run allow of the latencies in the picture, each once; those of rates that were not tried too.
fn limits(verdicts: &[Verdict]) -> Vec<(String, f64)> {
    const DRAWN: [(&str, &str); 4] =
        [("p50_ms", "p50"), ("p95_ms", "p95"), ("p99_ms", "p99"), ("p999_ms", "p99.9")];
    let mut limits: Vec<(String, f64)> = Vec::new();
    for budget in verdicts.iter().map(|verdict| &verdict.budget) {
        let drawn = DRAWN.iter().find(|(figure, _)| budget.figure == *figure);
        if let Some(((_, name), most)) = drawn.zip(budget.at_most) {
            let limit = (format!("{name}: at most {} ms", short(most)), most);
            if !limits.contains(&limit) {
                limits.push(limit);
            }
        }
    }
    limits
}

fn plots(steps: &[Figures], verdicts: &[Verdict]) -> Vec<Plot> {
    let line = |name: &str, of: fn(&Figures) -> Option<f64>| Line {
        name: name.to_owned(),
        points: steps.iter().filter_map(|step| Some((step.asked_rps?, of(step)?))).collect(),
    };
    let mut plots = vec![
        Plot {
            title: "Latency by rate",
            x: "requests/s asked",
            y: "ms",
            logarithmic: true,
            lines: vec![
                line("p50", |f| Some(f.p50_ms)),
                line("p95", |f| Some(f.p95_ms)),
                line("p99", |f| Some(f.p99_ms)),
                line("p99.9", |f| Some(f.p999_ms)),
            ],
            limits: limits(verdicts),
        },
        Plot {
            title: "Answered by asked",
            x: "requests/s asked",
            y: "requests/s answered",
            logarithmic: true,
            lines: vec![line("answered in time", |f| Some(f.achieved_rps)), line("asked", |f| f.asked_rps)],
            limits: Vec::new(),
        },
    ];
    if steps.iter().any(|step| !step.processes.is_empty()) {
        plots.push(by_role(
            "CPU by rate",
            "% of a core",
            steps,
            |process| process.cpu_percent,
            |step| Some(("generator", step.generator_cpu_percent)),
        ));
        plots.push(by_role("Memory by rate", "PSS, MB", steps, |process| process.pss_mb, |_| None));
    }
    plots
}

/// A line for each role of process, all workers together.
fn by_role(
    title: &'static str,
    y: &'static str,
    steps: &[Figures],
    of: fn(&crate::figures::ProcessFigures) -> f64,
    also: fn(&Figures) -> Option<(&'static str, f64)>,
) -> Plot {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |role: &str, rate: f64, value: f64| {
        let at = lines.iter().position(|line| line.name == role).unwrap_or_else(|| {
            lines.push(Line { name: role.to_owned(), points: Vec::new() });
            lines.len() - 1
        });
        match lines[at].points.last_mut() {
            Some(last) if (last.0 - rate).abs() < f64::EPSILON => last.1 += value,
            _ => lines[at].points.push((rate, value)),
        }
    };
    for step in steps {
        let Some(rate) = step.asked_rps else { continue };
        for process in &step.processes {
            add(
                if process.role.starts_with("worker") { "workers" } else { &process.role },
                rate,
                of(process),
            );
        }
        if let Some((role, value)) = also(step) {
            add(role, rate, value);
        }
    }
    Plot { title, x: "requests/s asked", y, logarithmic: false, lines, limits: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budgets::Budgets;
    use crate::scenario::Scenario;

    #[test]
    fn the_picture_has_the_limits_of_its_budgets_and_no_others() {
        let budget = |figure: &str, limit: &str| {
            format!("[[budget]]\nname = 'x'\nrun = 'progression'\nfigure = '{figure}'\n{limit}\n")
        };
        let text = budget("p95_ms", "at_most = 90")
            + &budget("p95_ms", "at_most = 90\nat_rps = 2")
            + &budget("p99_ms", "at_most = 12.5\nscenario = 'guests'")
            + &budget("p99_ms", "at_most = 20\nscenario = 'mixed'")
            + &budget("p50_ms", "at_least = 1")
            + &budget("errors", "at_most = 0");
        let point = Point {
            run: Run::Progression,
            scenario: Some(Scenario::Guests),
            rps: Some(10.0),
            users: None,
            short: false,
            what: None,
            partial: None,
            figures: [("p95_ms", 1.0)].into(),
        };
        let verdicts = Budgets::parse(&text, "x").unwrap().judge(Run::Progression, &[point], false);
        let mut found = limits(&verdicts);
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        let limit = |name: &str, at| (name.to_owned(), at);
        assert_eq!(found, [limit("p99: at most 12.5 ms", 12.5), limit("p95: at most 90 ms", 90.0)]);
    }
}
