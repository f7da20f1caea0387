//! `veritable`: the command line, and the role each command takes.
//!
//! Exit codes: 0 done, 1 failed, 2 a malformed command line or configuration, 3 an import or a backup with losses.

mod backup;
mod binary;
mod boot;
mod cache;
mod cli;
mod client;
mod confine;
mod control;
mod databases;
mod figures;
mod handoff;
mod import;
mod listeners;
mod lock;
mod logging;
mod master;
mod migrate;
mod out;
mod process;
mod queries;
mod reload;
mod restore;
mod role;
mod spawn;
mod status;
mod supervisor;
mod systemd;
mod top;
mod uploads;
mod user;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use veritable_config::settings::Log;
use veritable_config::{Config, Overrides, keys, load_over};

use cli::{CheckConfig, Cli, Command, Place, Serving};

/// Tells its bytes, gives freed pages back, and keeps many threads from sharing one lock. SQLite uses it too.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Failed.
const FAILED: u8 = 1;
/// A malformed command line or configuration.
const MISUSE: u8 = 2;
/// Done, but for what could not be had.
const LOSSES: u8 = 3;
/// Where the demonstration lives unless told otherwise.
const DEMO_DIR: &str = "veritable-data";

/// Why a command did not do what it should.
enum Failure {
    Misuse(String),
    Failed(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Failure::Failed(error)
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return fail(MISUSE, &cli::one_line(&error)),
    };
    match run(cli.command) {
        Ok(code) => ExitCode::from(code),
        Err(Failure::Misuse(reason)) => fail(MISUSE, &reason),
        Err(Failure::Failed(error)) => fail(FAILED, &format!("{error:#}")),
    }
}

fn run(command: Command) -> Result<u8, Failure> {
    match command {
        Command::Serve(serving) => serve(serving),
        Command::Demo(serving) => demo(serving),
        Command::CheckConfig(check) => check_config(&check),
        Command::Import(import) => {
            let target = import.source.target();
            let config = settings(Config::default(), &target.place, &target.place.overrides())?;
            logging::init(&config.log, "import")?;
            Ok(import::run(&config, &import.source)?)
        }
        Command::Migrate { asked } => {
            // Like the commands for a running server, it finds the demonstration's data by itself.
            let config = of_running(asked.place())?;
            logging::init(&config.log, "migrate")?;
            migrate::run(&config, &asked)?;
            Ok(0)
        }
        Command::User { asked } => {
            let config = of_running(asked.place())?;
            // That a writer was started for a moment is not what was asked for.
            let level = if config.log == Log::default() { "warn".into() } else { config.log.level.clone() };
            logging::init(&Log { level, ..config.log.clone() }, "user")?;
            user::run(&config, &asked)
        }
        Command::Status { place, json } => {
            client::status(&of_running(&place)?, json)?;
            Ok(0)
        }
        Command::Top(asked) => {
            if !asked.once && !top::has_terminal() {
                return Err(Failure::Misuse(top::NO_TERMINAL.into()));
            }
            top::run(&of_running(&asked.place)?, &asked)?;
            Ok(0)
        }
        Command::Cache { asked } => {
            cache::run(&of_running(asked.place())?, &asked)?;
            Ok(0)
        }
        Command::Queries(asked) => {
            queries::run(&of_running(&asked.place)?, &asked)?;
            Ok(0)
        }
        Command::Backup(asked) => {
            let config = of_running(&asked.place)?;
            logging::init(&config.log, "backup")?;
            backup::run(&config, &asked)
        }
        Command::Restore { place, backup } => {
            let config = of_running(&place)?;
            logging::init(&config.log, "restore")?;
            restore::run(&config, &backup)
        }
        Command::Reload { place, wait: _always } => {
            client::reload(&of_running(&place)?)?;
            Ok(0)
        }
        Command::Upgrade(place) => {
            client::upgrade(&of_running(&place)?)?;
            Ok(0)
        }
        Command::RoleMaster { handoff, reverted } => {
            master::resume(spawn::inherited(handoff).map_err(anyhow::Error::from)?, reverted)?;
            Ok(0)
        }
        Command::RoleCheckHandoff => {
            role::check_handoff()?;
            Ok(0)
        }
        Command::Stop(place) => {
            client::stop(&of_running(&place)?)?;
            Ok(0)
        }
        Command::RoleWorker => {
            role::worker()?;
            Ok(0)
        }
        Command::RoleWriter => {
            role::writer()?;
            Ok(0)
        }
    }
}

fn serve(serving: Serving) -> Result<u8, Failure> {
    let config = settings(Config::default(), &serving.place, &serving.overrides())?;
    logging::init(&config.log, "master")?;
    let lock = lock::take(&config.data_dir)?;
    let handed_over = systemd::HandedOver::take()?;
    let public = listeners::open(&config, false, &handed_over.listeners)?;
    // What was kept is of a community; where there is none, one is to be made.
    let kept_cache = handed_over.cache.filter(|_| config.forums_db().exists());
    user::greet(&config)?;
    master::run(master::Start { config, flags: serving.flags(), lock, public, kept_cache })?;
    Ok(0)
}

fn demo(mut serving: Serving) -> Result<u8, Failure> {
    let base = Config { data_dir: PathBuf::from(DEMO_DIR), ..Config::default() };
    // On one's own machine there is no certificate.
    serving.plain_http = true;
    let config = settings(base, &serving.place, &serving.overrides())?;
    // A reload checks by another command, whose default directory is not this one.
    serving.place.data_dir = Some(config.data_dir.clone());
    logging::init(&config.log, "master")?;
    let lock = lock::take(&config.data_dir)?;
    let is_default = config.listen == Config::default().listen;
    let handed_over = systemd::HandedOver::take()?;
    let public = listeners::open(&config, is_default, &handed_over.listeners)?;
    let kept_cache = handed_over.cache.filter(|_| config.forums_db().exists());
    if let Some(accounts) = import::seed_demo(&config)? {
        out::line(&format!("Administrator: {}", accounts.admin_name));
        match (accounts.admin_password, accounts.api_token) {
            (Some(password), Some(token)) => {
                out::line(&format!("Password: {password} (shown only this once)"));
                out::line(&format!("API token: {token} (shown only this once)"));
            }
            _ => out::line("It was made by a run that was broken off, which showed its secrets."),
        }
    }
    master::run(master::Start { config, flags: serving.flags(), lock, public, kept_cache })?;
    Ok(0)
}

fn check_config(check: &CheckConfig) -> Result<u8, Failure> {
    if check.print_reference {
        out::line(&keys::reference());
        return Ok(0);
    }
    let config = settings(Config::default(), &check.serving.place, &check.serving.overrides())?;
    if check.effective {
        out::line(&serde_json::to_string(&config).map_err(anyhow::Error::from)?);
    } else {
        out::line("The configuration is good.");
    }
    Ok(0)
}

/// The settings that hold, all of them checked.
fn settings(base: Config, place: &Place, overrides: &Overrides) -> Result<Config, Failure> {
    let config = load_over(base, place.config.as_deref(), overrides);
    let config = config.map_err(|error| Failure::Misuse(error.to_string()))?;
    logging::check(&config.log).map_err(Failure::Misuse)?;
    Ok(config)
}

/// The settings by which a running server is found: without any, that of a demonstration started here.
fn of_running(place: &Place) -> Result<Config, Failure> {
    let usual = Config::default();
    let demo = Config { data_dir: PathBuf::from(DEMO_DIR), ..Config::default() };
    let base = if !usual.data_dir.exists() && demo.data_dir.exists() { demo } else { usual };
    settings(base, place, &place.overrides())
}

/// Says why, in one line.
fn fail(code: u8, reason: &str) -> ExitCode {
    let line = reason.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    // Nobody is left to tell that nobody can be told.
    let _ = writeln!(std::io::stderr(), "{}", logging::last_line(&line));
    ExitCode::from(code)
}
