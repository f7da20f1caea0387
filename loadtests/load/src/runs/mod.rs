//! The kinds of run, and what all of them share.

pub mod answer;
pub mod peers;
pub mod progression;
pub mod rounds;
pub mod soak;
pub mod users;

use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use procfs::Current;

use crate::budgets::{Budgets, short};
use crate::cli::How;
use crate::community::discover;
use crate::engine::{Load, Pace};
use crate::figures::{Figures, MB, Second};
use crate::report::Table;
use crate::scenario::Scenario;
use crate::server::{Server, ServerError};
use crate::visitor::{Visitor, World};

/// Pause after the last request, before what stays of the memory is looked at.
const SETTLE: Duration = Duration::from_secs(3);
/// The limits of the project, for whoever gives no file.
const BUDGETS: &str = include_str!("../../../budgets.toml");
/// Descriptors beside those of connections.
const FILES: u64 = 100;
/// Load average a core from which on others were busy.
const OTHERS: f32 = 0.3;

/// Why a run did not come to an end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Misuse(String),
    /// Nothing could be measured.
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl From<ServerError> for RunError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Misuse(why) => RunError::Misuse(why),
            ServerError::Failed(why) => RunError::Failed(anyhow::anyhow!(why)),
        }
    }
}

/// What a run is given beside what was asked for.
#[derive(Debug)]
pub struct Context {
    /// The command line as it was given.
    pub command: String,
    /// Set when the run is to end early.
    pub stop: Arc<AtomicBool>,
}

impl Context {
    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Where and how it was measured.
    fn about(&self, more: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
        let mut about = vec![
            ("command", self.command.clone()),
            ("date", jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()),
            ("machine", machine()),
            ("veritable-load", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        about.extend(more);
        about.push((
            "latency",
            "from when a request was due until the last byte of its answer, failed requests included; what could \
             not be sent counts as long as it waited"
                .to_owned(),
        ));
        about
    }
}

fn machine() -> String {
    let cpu = procfs::CpuInfo::current().ok();
    let model = cpu.as_ref().and_then(|cpu| cpu.model_name(0).map(str::to_owned)).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let memory = procfs::Meminfo::current().map_or(0.0, |memory| memory.mem_total as f64 / MB / 1024.0);
    let kernel = procfs::KernelVersion::current()
        .map_or_else(|_| String::new(), |v| format!(", Linux {}.{}.{}", v.major, v.minor, v.patch));
    format!("{cores} cores ({model}), {memory:.0} GB{kernel}; generator and server share them")
}

/// What the budgets of a run are.
fn budgets(how: &How) -> Result<Budgets, RunError> {
    let read = match &how.budgets {
        Some(path) => Budgets::read(path),
        None => Budgets::parse(BUDGETS, "loadtests/budgets.toml"),
    };
    read.map_err(|error| RunError::Misuse(error.to_string()))
}

/// Lets this program, and what it starts, open as many files as it takes.
fn allow_files(connections: usize) -> Result<(), RunError> {
    let (_, most) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(|error| anyhow::anyhow!("getrlimit: {error}"))?;
    let needed = connections as u64 + FILES;
    if most < needed {
        let why = format!(
            "{connections} connections take {needed} open files, and {most} are allowed (ulimit -Hn)"
        );
        return Err(RunError::Misuse(why));
    }
    setrlimit(Resource::RLIMIT_NOFILE, most, most).map_err(|error| anyhow::anyhow!("setrlimit: {error}"))?;
    Ok(())
}

/// What others do on this machine, if it may show.
fn others(notes: &mut Vec<String>) {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    if let Ok(load) = procfs::LoadAverage::current()
        && load.one > OTHERS * cores as f32
    {
        notes.push(format!(
            "The machine was not quiet: its load average was {:.1} before the run, on {cores} cores.",
            load.one
        ));
    }
}

/// A server with a community, and visitors for it.
struct Stage {
    server: Server,
    world: Arc<World>,
    notes: Vec<String>,
    scenario: Scenario,
}

/// What that figure is called.
fn after() -> String {
    format!("PSS {} s after, MB", SETTLE.as_secs())
}

impl Stage {
    fn set(asked: &crate::cli::Server, scenario: Scenario, connections: usize) -> Result<Stage, RunError> {
        allow_files(connections)?;
        let mut notes = Vec::new();
        others(&mut notes);
        let server = Server::of(asked)?;
        let community = discover(server.address, &server.host).map_err(anyhow::Error::new)?;
        let world = World::new(community, scenario, server.members.clone());
        let world = world.map_err(|error| RunError::Misuse(error.to_string()))?;
        if server.pid.is_none() {
            notes.push(
                "What the server's processes take is not known: --data-dir or --pid would tell.".to_owned(),
            );
        }
        Ok(Stage { server, world: Arc::new(world), notes, scenario })
    }

    /// Puts a load on it.
    fn measure(
        &self,
        context: &Context,
        how: &How,
        (pace, connections, duration): (Pace, usize, Duration),
        mut watch: impl FnMut(&crate::engine::Progress<'_>),
    ) -> Result<Figures, RunError> {
        let visitor =
            |number| Box::new(Visitor::new(self.world.clone(), number)) as Box<dyn crate::engine::Visitor>;
        let load = Load {
            address: self.server.address,
            host: self.server.host.clone(),
            pace,
            connections,
            threads: how.threads,
            duration,
            timeout: Duration::from_secs(how.timeout),
            seed: how.seed,
            visitor: &visitor,
            stop: &context.stop,
        };
        let asked = match pace {
            Pace::Rate(rate) => Some(rate),
            Pace::Users { .. } => None,
        };
        let figures =
            crate::figures::measure(&self.server, &load, asked, &mut watch).map_err(anyhow::Error::new)?;
        Ok(figures)
    }

    /// What the server's processes take without the cache once all is over, in megabytes: buffers of requests and pages that
    /// were freed are given back by then.
    fn pss_after(&self) -> Option<f64> {
        let pid = self.server.pid?;
        std::thread::sleep(SETTLE);
        crate::figures::without_cache(&crate::processes::tree(pid))
    }

    fn about(&self) -> Vec<(&'static str, String)> {
        let community = self.world.community();
        vec![
            ("server", self.server.described.clone()),
            (
                "community",
                format!(
                    "{} topics, {} wiki pages, {} lists, {} authors looked at; popularity by Zipf's law, exponent {}",
                    community.topics.len(),
                    community.pages.len(),
                    community.lists.len(),
                    community.profiles.len(),
                    crate::popularity::EXPONENT
                ),
            ),
            ("scenario", format!("{}: {}", self.scenario.name(), self.scenario.described())),
        ]
    }
}

/// Why a run says nothing of the budgets of its form, which takes `whole`: `asked` was less, or it was stopped before.
/// `seconds` were measured.
fn partial(seconds: f64, asked: Duration, whole: Duration) -> Option<String> {
    let (asked, whole) = (asked.as_secs_f64(), whole.as_secs_f64());
    if seconds < asked {
        Some(format!("stopped by hand after {seconds:.0} of {asked:.0} s"))
    } else if asked < whole {
        Some(format!("{asked:.0} s were measured, and its form takes {whole:.0} s"))
    } else {
        None
    }
}

/// Notes that a run's figures call for.
fn warn(figures: &Figures, what: &str, notes: &mut Vec<String>) {
    if figures.generator_busy {
        notes.push(format!(
            "{what}: the generator took {:.0} % of a core: the figures may be its own limits, not the server's. \
             --threads gives it more.",
            figures.generator_cpu_percent
        ));
    }
    if figures.reconnects > 0 {
        let count = figures.reconnects;
        notes.push(format!("{what}: the server closed {count} connections between two requests."));
    }
}

/// What a run looks like while it goes on: a bar on a terminal, a line now and then elsewhere.
struct Live {
    bar: ProgressBar,
    is_terminal: bool,
}

impl Live {
    fn new(name: &str, duration: Duration) -> Live {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{prefix:>18} {bar:24} {msg}");
        // A template that is a constant; without it the usual one does.
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(name.to_owned());
        Live { bar, is_terminal }
    }

    fn message(&self, text: &str) {
        self.bar.set_message(text.to_owned());
    }

    fn at(&self, elapsed: Duration) {
        self.bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    }

    fn second(&self, second: &Second) {
        let Second { rps, errors, p50_ms, p99_ms, .. } = second;
        let errors = if *errors > 0 { format!(", {errors} ERRORS") } else { String::new() };
        self.bar.set_message(format!(
            "{rps:.0}/s, p50 {} ms, p99 {} ms{errors}",
            short(*p50_ms),
            short(*p99_ms)
        ));
    }

    fn done(self, line: &str) {
        self.bar.finish_and_clear();
        if self.is_terminal || !line.is_empty() {
            eprintln!("{line}");
        }
    }
}

/// Of every kind of request.
fn kinds_table(title: String, figures: &Figures) -> Table {
    let row = |kind: &crate::figures::KindFigures| {
        vec![
            kind.kind.to_owned(),
            kind.count.to_string(),
            short(kind.share_percent),
            kind.failed.to_string(),
            short(kind.p50_ms),
            short(kind.p99_ms),
        ]
    };
    Table {
        title,
        head: vec!["kind", "requests", "share %", "failed", "p50 ms", "p99 ms"],
        rows: figures.kinds.iter().map(row).collect(),
        caption: "Shares are of the requests that were sent: style sheets are in them, an edit or a login is two, and who has no \
                  post to edit replies. Those of the scenario are of things done."
            .into(),
    }
}

/// Of every process.
fn processes_table(title: String, figures: &Figures) -> Table {
    let row = |process: &crate::figures::ProcessFigures| {
        vec![
            process.role.clone(),
            process.pid.to_string(),
            format!("{:.1}", process.cpu_percent),
            format!("{:.1}", process.pss_mb),
            format!("{:.1}", process.shared_mb),
            format!("{:.1}", process.own_mb),
        ]
    };
    let mut rows: Vec<_> = figures.processes.iter().map(row).collect();
    rows.push(vec![
        "generator".into(),
        std::process::id().to_string(),
        format!("{:.1}", figures.generator_cpu_percent),
        String::new(),
        String::new(),
        String::new(),
    ]);
    Table {
        title,
        head: vec!["process", "pid", "CPU % of a core", "PSS MB", "of it cache MB", "own MB"],
        rows,
        caption: "Of the cache each process counts for a part. Own: anonymous memory. The rest are files: the program, \
                  and what was read of the databases."
            .into(),
    }
}

fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

/// The name that figures bear in a report's table of errors.
fn errors_line(figures: &Figures) -> String {
    if figures.errors_by_kind.is_empty() {
        return "0".into();
    }
    figures
        .errors_by_kind
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn out(how: &How) -> &Path {
    &how.out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_of_the_whole_time_is_whole() {
        let (minute, hour) = (Duration::from_secs(60), Duration::from_secs(3_600));
        assert_eq!(partial(60.0, minute, minute), None);
        assert_eq!(partial(3_600.0, hour, minute), None, "longer than its form takes");
        let stopped = partial(12.3, minute, minute).unwrap();
        assert_eq!(stopped, "stopped by hand after 12 of 60 s");
        let less = partial(60.0, minute, hour).unwrap();
        assert_eq!(less, "60 s were measured, and its form takes 3600 s");
    }
}
