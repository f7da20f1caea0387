//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::scenario::Scenario;

/// Load tests of Veritable: what people do, at rates and numbers that grow, held against budgets.
#[derive(Debug, Parser)]
#[command(name = "veritable-load", version, max_term_width = 100)]
#[command(after_help = "Exit code 0: every budget kept; 1: one broken, each named in a line; 2: misuse; \
    3: nothing could be measured.\nloadtests/README.md explains the scenarios and the reports.")]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask at one rate after another until the server has enough
    Progression(Progression),
    /// Be many users at once, each of whom reads an answer before asking again
    Users(Users),
    /// Ask for a long time and see whether memory grows
    Soak(Soak),
    /// Compare with nginx and with a server of axum, moka and rusqlite, in turn within one run
    Peers(Peers),
}

/// The server to test.
#[derive(Args, Clone, Debug)]
pub struct Server {
    /// A server that runs, such as http://127.0.0.1:8080
    #[arg(long, group = "server")]
    pub url: Option<String>,
    /// Start a server on a copy of this data directory, made beside it; members are made in the copy
    #[arg(long, value_name = "DATA_DIR", group = "server")]
    pub spawn: Option<PathBuf>,
    /// Start a server on a small demonstration community (the default)
    #[arg(long, group = "server")]
    pub demo: bool,
    /// An API token for members' requests; repeated, they take turns
    #[arg(
        long,
        env = "VERITABLE_LOAD_TOKEN",
        value_delimiter = ',',
        hide_env_values = true,
        requires = "url"
    )]
    pub token: Vec<String>,
    /// A member who can log in, such as ann:PASSWORD; repeated, they take turns
    #[arg(
        long,
        env = "VERITABLE_LOAD_LOGIN",
        value_name = "NAME:PASSWORD",
        value_delimiter = ',',
        hide_env_values = true,
        requires = "url"
    )]
    pub login: Vec<String>,
    /// The data directory of the server at --url, from which its processes and its cache are known
    #[arg(long, value_name = "DIR", requires = "url")]
    pub data_dir: Option<PathBuf>,
    /// The master's pid of the server at --url, from which its processes are known
    #[arg(long, requires = "url")]
    pub pid: Option<i32>,
    /// Let --url be of another machine
    #[arg(long, requires = "url")]
    pub allow_remote: bool,
    /// The program to start [default: the `veritable` beside this program]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// Workers of a server that is started
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
}

/// How to ask, and where to say what came of it.
#[derive(Args, Clone, Debug)]
pub struct How {
    /// Threads that generate: one does some 50,000 requests/s of its own
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count(64))]
    pub threads: usize,
    /// Seconds an answer may take
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
    /// Where chance begins: the same number, the same requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// The limits to hold the figures against [default: loadtests/budgets.toml, as it was when this was built]
    #[arg(long, value_name = "FILE")]
    pub budgets: Option<PathBuf>,
    /// The directory for the reports, NAME.html and NAME.json
    #[arg(long, value_name = "DIR", default_value = "load-reports")]
    pub out: PathBuf,
}

fn count(most: u64) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| match text.parse::<u64>() {
        Ok(number) if (1..=most).contains(&number) => {
            usize::try_from(number).map_err(|error| error.to_string())
        }
        _ => Err(format!("a number from 1 to {most} is needed")),
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.replace('_', "").parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate <= RATE_MOST => Ok(rate),
        _ => Err(format!("a rate above 0 and up to {RATE_MOST} is needed")),
    }
}

/// Most requests a second that can be asked for: far beyond what one machine sends.
const RATE_MOST: f64 = 10_000_000.0;
/// Most connections: as many as there are ports to one address.
const CONNECTIONS_MOST: u64 = 60_000;

/// One rate after another.
#[derive(Args, Clone, Debug)]
pub struct Progression {
    /// The server to test.
    #[command(flatten)]
    pub server: Server,
    /// How to ask.
    #[command(flatten)]
    pub how: How,
    /// What the visitors do
    #[arg(long, value_enum, default_value_t = Scenario::Mixed)]
    pub scenario: Scenario,
    /// Requests a second, in order
    #[arg(long, value_name = "RPS,...", value_delimiter = ',', value_parser = rate,
          default_value = "100,200,500,1000,1500,2000,2500,5000,10000,20000,40000,46800")]
    pub steps: Vec<f64>,
    /// Seconds of each step
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: u64,
    /// Open connections
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = count(CONNECTIONS_MOST))]
    pub connections: usize,
}

/// Many users.
#[derive(Args, Clone, Debug)]
pub struct Users {
    /// How many at once
    #[arg(value_name = "N", value_parser = count(CONNECTIONS_MOST))]
    pub users: usize,
    /// The server to test.
    #[command(flatten)]
    pub server: Server,
    /// How to ask.
    #[command(flatten)]
    pub how: How,
    /// What they do
    #[arg(long, value_enum, default_value_t = Scenario::Mixed)]
    pub scenario: Scenario,
    /// Seconds of thought between an answer and the next question, on average
    #[arg(long, value_name = "S", default_value_t = 1.0, value_parser = thought)]
    pub think: f64,
    /// Five minutes instead of one
    #[arg(long)]
    pub full: bool,
    /// Seconds, instead of one minute or five
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(1..=86_400), conflicts_with = "full")]
    pub seconds: Option<u64>,
}

fn thought(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3_600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0 to 3600 are needed".into()),
    }
}

/// A long time.
#[derive(Args, Clone, Debug)]
pub struct Soak {
    /// The server to test.
    #[command(flatten)]
    pub server: Server,
    /// How to ask.
    #[command(flatten)]
    pub how: How,
    /// What the visitors do
    #[arg(long, value_enum, default_value_t = Scenario::Mixed)]
    pub scenario: Scenario,
    /// Requests a second
    #[arg(long, value_name = "RPS", default_value = "500", value_parser = rate)]
    pub rate: f64,
    /// Open connections
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = count(CONNECTIONS_MOST))]
    pub connections: usize,
    /// Half a minute instead of an hour; other budgets apply
    #[arg(long)]
    pub short: bool,
    /// Seconds, instead of an hour or half a minute
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u64).range(10..=604_800))]
    pub seconds: Option<u64>,
}

/// A comparison.
#[derive(Args, Clone, Debug)]
pub struct Peers {
    /// The data directory of a server that does not run; it is copied
    #[arg(value_name = "DATA_DIR")]
    pub data_dir: PathBuf,
    /// How to ask.
    #[command(flatten)]
    pub how: How,
    /// The program to start [default: the `veritable` beside this program]
    #[arg(long, value_name = "FILE")]
    pub binary: Option<PathBuf>,
    /// The axum server to start [default: the `peer-axum` beside this program]
    #[arg(long, value_name = "FILE")]
    pub peer: Option<PathBuf>,
    /// Processes or threads that serve, of each server
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub workers: u16,
    /// Rounds, in each of which every server is asked
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Seconds of each measurement
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Open connections, each asking again as soon as it has its answer
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = count(CONNECTIONS_MOST))]
    pub connections: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_misuse_is_refused() {
        Cli::command().debug_assert();
        for bad in [
            &["progression", "--steps", "100,0"][..],
            &["progression", "--url", "http://127.0.0.1:1", "--demo"],
            &["progression", "--token", "vt_x"],
            &["users"],
            &["users", "0"],
            &["users", "10", "--think", "-1"],
            &["soak", "--seconds", "3"],
            &["peers"],
        ] {
            assert!(Cli::try_parse_from([&["veritable-load"], bad].concat()).is_err(), "{bad:?}");
        }
        let good = Cli::try_parse_from(["veritable-load", "progression", "--steps", "1_000,2.5"]).unwrap();
        let Command::Progression(asked) = good.command else { panic!("{good:?}") };
        assert_eq!(asked.steps, [1_000.0, 2.5]);
    }
}
