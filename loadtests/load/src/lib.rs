//! Load tests of Veritable: what people do, at rates and numbers that grow, held against budgets.
//!
//! A run (`runs`) sets a stage: a server (`server`), the community it holds (`community`) and visitors for it
//! (`scenario`, `visitor`). The engine (`engine`) puts them on it as a load and counts (`tally`); with what the
//! server's processes took meanwhile (`processes`) these are its figures (`figures`), which are held against
//! budgets (`budgets`) and reported (`report`, `plot`).

pub mod alarm;
pub mod ask;
pub mod budgets;
pub mod cli;
pub mod community;
pub mod connection;
pub mod contenders;
pub mod engine;
pub mod figures;
pub mod member;
pub mod plot;
pub mod popularity;
pub mod processes;
pub mod report;
pub mod runs;
pub mod scenario;
pub mod schedule;
pub mod server;
pub mod slope;
pub mod tally;
pub mod visitor;

use std::ffi::OsString;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::Parser;

use crate::budgets::Standing;
use crate::cli::{Cli, Command};
use crate::report::Report;
use crate::runs::{Context, RunError};

/// Every budget is kept, or none was broken that could be measured.
pub const KEPT: u8 = 0;
/// A budget is broken.
pub const BROKEN: u8 = 1;
/// What was asked for cannot be.
pub const MISUSE: u8 = 2;
/// Nothing could be measured.
pub const FAILED: u8 = 3;

/// Does what a command line says, writes what people read to `out`, and yields the exit code. Whoever sets `stop`
/// ends the run early: what was measured until then is reported, and a server that was started is stopped.
pub fn main(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, stop: Arc<AtomicBool>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => {
            // A closed terminal cannot be told anything.
            let _unheard = error.print();
            return if error.use_stderr() { MISUSE } else { KEPT };
        }
    };
    let shown: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    let context = Context { command: shown.join(" "), stop };
    let (done, folder) = match &cli.command {
        Command::Progression(asked) => (runs::progression::run(asked, &context), &asked.how.out),
        Command::Users(asked) => (runs::users::run(asked, &context), &asked.how.out),
        Command::Soak(asked) => (runs::soak::run(asked, &context), &asked.how.out),
        Command::Peers(asked) => (runs::peers::run(asked, &context), &asked.how.out),
    };
    match done {
        Ok(report) => {
            let said = report.print(out).and_then(|()| {
                let path = folder.join(report.name);
                writeln!(out, "report: {0}.html, {0}.json", path.display())
            });
            if let Err(error) = said {
                eprintln!("veritable-load: standard output: {error}");
            }
            code(&report)
        }
        Err(RunError::Misuse(why)) => {
            eprintln!("veritable-load: {why}");
            MISUSE
        }
        Err(RunError::Failed(why)) => {
            eprintln!("veritable-load: {why:#}");
            FAILED
        }
    }
}

fn code(report: &Report) -> u8 {
    let is_broken = report.verdicts.iter().any(|verdict| verdict.standing == Standing::Broken);
    if is_broken { BROKEN } else { KEPT }
}
