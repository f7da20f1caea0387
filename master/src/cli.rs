//! The command line: what can be said, and how misuse is answered.

use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use veritable_config::Overrides;
use veritable_config::slots::WORKERS_MAX;
use veritable_worker::Encoding;
use veritable_writer::database::Database;

mod user;

use crate::cache;
pub(crate) use user::{User, UserNew};

/// A self-hosted community server: forum and wiki in one binary; notebooks are to come.
#[derive(Debug, Parser)]
#[command(name = "veritable", version, propagate_version = true, max_term_width = 100)]
#[command(after_help = "Every setting of the file can also be set by an environment variable, such as \
    VERITABLE_DATA_DIR;\nflags win over variables, which win over the file. docs/configuration.md lists all.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a community until SIGTERM or Ctrl-C; SIGHUP reloads
    Serve(Serving),
    /// Serve a demonstration community, made at the first run in ./veritable-data
    Demo(Serving),
    /// Say whether a configuration is good, without touching anything
    CheckConfig(CheckConfig),
    /// Take over a community from another program
    Import(Import),
    /// Show the versions of the databases' schemas, or move them; `serve` moves them up by itself
    Migrate {
        #[command(subcommand)]
        asked: Migrate,
    },
    /// Make, find and change accounts, whether the server runs or not
    User {
        #[command(subcommand)]
        asked: User,
    },
    /// Show the processes, cache and counters of the running server
    Status {
        #[command(flatten)]
        place: Place,
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Watch the running server: requests, processes, routes, databases and statements, live
    Top(Top),
    /// Look into the cache of the running server, or end what it holds
    Cache {
        #[command(subcommand)]
        asked: CacheCommand,
    },
    /// Show what the statements of the databases cost, the most expensive first, and what is wrong with the slow
    /// ones
    Queries(Queries),
    /// Copy the databases, all as of one moment, and the pictures, while the server runs or not, and prove the copy good
    ///
    /// Exit code 0: the backup is whole; 3: it is made, but lacks pictures that could not be read, which it lists;
    /// 1: failed, and nothing is left of it; 2: misuse.
    Backup(Backup),
    /// Put a backup in the place of the databases and pictures, while no server runs; what was there is kept beside it
    ///
    /// Exit code 0: restored, if need be without the pictures that the backup lacked, which are listed; 1: failed;
    /// 2: misuse.
    Restore {
        #[command(flatten)]
        place: Place,
        /// The directory that `veritable backup` made
        #[arg(value_name = "BACKUP")]
        backup: PathBuf,
    },
    /// Let a new configuration and a new binary take over without refusing a connection; fails with the
    /// reason, while the old processes go on serving, if these are not good
    Reload {
        #[command(flatten)]
        place: Place,
        /// Wait for the outcome, as it always does
        #[arg(long)]
        wait: bool,
    },
    /// Replace the master itself by the binary on disk, keeping its pid, addresses and processes, then reload
    /// these; fails with the reason, while the old master goes on, if that cannot be
    Upgrade(Place),
    /// Stop the running server gracefully and wait until it is gone
    Stop(Place),
    /// What a master becomes
    #[command(hide = true)]
    RoleMaster {
        /// The descriptor of the record to go on from
        #[arg(long)]
        handoff: i32,
        /// Why the image after this one could not
        #[arg(long)]
        reverted: Option<String>,
    },
    /// What a master asks the image that is to take its place
    #[command(hide = true)]
    RoleCheckHandoff,
    /// What a child of the server runs
    #[command(hide = true)]
    RoleWorker,
    /// What a child of the server runs
    #[command(hide = true)]
    RoleWriter,
}

/// How to copy.
#[derive(Args, Clone, Debug)]
pub(crate) struct Backup {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The directory to make; it must not be there
    #[arg(value_name = "DEST")]
    pub(crate) dest: PathBuf,
    /// Megabytes a second to copy at most, so that the server has the rest of the disk's
    #[arg(long, value_name = "MB", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rate: u32,
    /// One JSON object, the manifest, instead of lines
    #[arg(long)]
    pub(crate) json: bool,
}

/// How to watch. The keys are shown below.
#[derive(Debug, Args)]
pub(crate) struct Top {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Print one frame as text, after one interval, and end
    #[arg(long)]
    pub(crate) once: bool,
    /// Seconds between two frames
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=60))]
    pub(crate) interval: u8,
}

/// Which statements to show.
#[derive(Args, Clone, Debug)]
pub(crate) struct Queries {
    #[command(flatten)]
    pub(crate) place: Place,
    /// By what they are ordered
    #[arg(long, value_enum, default_value_t)]
    pub(crate) sort: Sort,
    /// Show no more than this many
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) limit: usize,
    /// Only those that once took more than 100 ms, with their plans
    #[arg(long)]
    pub(crate) slow: bool,
    /// One JSON object instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// An order of statements, the largest first.
#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum Sort {
    /// Time of all runs together
    #[default]
    Total,
    /// Number of runs
    Count,
    /// The 99th percentile
    P99,
    /// The longest run
    Longest,
    /// Rows of all runs together
    Rows,
}

/// What to do with the cache. docs/cache.md explains the figures.
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show how full it is, how often it helped, and what else became of lookups and inserts
    Stats {
        #[command(flatten)]
        place: Place,
        /// Also how full each shard is
        #[arg(long)]
        shards: bool,
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// List what is kept, by address
    Keys {
        /// Only addresses that begin like this
        prefix: Option<String>,
        #[command(flatten)]
        place: Place,
        /// List no more than this many, the first by address
        #[arg(long, value_name = "N", default_value_t = 1_000)]
        limit: usize,
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Write the body kept for an address to standard output, byte by byte, and what is known of it to
    /// standard error
    Get {
        /// The address as `cache keys` shows it
        address: String,
        #[command(flatten)]
        place: Place,
        /// The one kept for askers who accept this: identity, gzip, br or zstd; otherwise the first there is
        #[arg(long, value_name = "NAME", value_parser = cache::encoding)]
        encoding: Option<Encoding>,
        /// Only what is known of it, to standard output
        #[arg(long)]
        head: bool,
    },
    /// End everything it holds
    Clear {
        #[command(flatten)]
        place: Place,
    },
    /// End what depends on any of some tags
    Invalidate {
        #[arg(required = true, value_name = "TAG", value_parser = cache::named_tag, help = cache::tag_help())]
        tags: Vec<cache::NamedTag>,
        #[command(flatten)]
        place: Place,
    },
}

impl CacheCommand {
    pub(crate) fn place(&self) -> &Place {
        match self {
            CacheCommand::Stats { place, .. }
            | CacheCommand::Keys { place, .. }
            | CacheCommand::Get { place, .. }
            | CacheCommand::Clear { place }
            | CacheCommand::Invalidate { place, .. } => place,
        }
    }
}

/// What to do with the schemas.
#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Show the versions
    Status {
        #[command(flatten)]
        place: Place,
    },
    /// Make the databases if need be, and run every migration that is missing
    Up {
        #[command(flatten)]
        place: Place,
    },
    /// Take migrations back, as before going back to an older program; what they had added is deleted
    Down {
        #[command(flatten)]
        place: Place,
        /// forums or notebooks
        #[arg(long, value_name = "NAME")]
        database: Database,
        /// The version to go back to; 0 leaves no table
        #[arg(long, value_name = "VERSION")]
        to: u16,
    },
}

impl Migrate {
    pub(crate) fn place(&self) -> &Place {
        match self {
            Migrate::Status { place } | Migrate::Up { place } | Migrate::Down { place, .. } => place,
        }
    }
}

/// Where a server's files are.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Place {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Directory of the databases
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// How to serve.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Serving {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Address to listen on, IP:PORT; may be repeated; port 0 takes a free one
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
    /// Worker processes; 0: one per core
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=i64::from(WORKERS_MAX)))]
    pub(crate) workers: Option<u16>,
    /// Browsers come by plain HTTP: cookies are not marked `Secure`. For one's own machine
    #[arg(long)]
    pub(crate) plain_http: bool,
}

/// How to check.
#[derive(Args, Clone, Debug)]
pub(crate) struct CheckConfig {
    #[command(flatten)]
    pub(crate) serving: Serving,
    /// Print the settings that hold, as JSON
    #[arg(long)]
    pub(crate) effective: bool,
    /// Print the reference of all keys, as Markdown
    #[arg(long, conflicts_with = "effective")]
    pub(crate) print_reference: bool,
}

/// What to take over.
#[derive(Args, Debug)]
pub(crate) struct Import {
    #[command(subcommand)]
    pub(crate) source: Source,
}

/// Of which program.
#[derive(Debug, Subcommand)]
pub(crate) enum Source {
    /// A Discourse forum: topics.jsonl, also .gz or .bz2, or a directory with it
    ///
    /// A run that was broken off goes on when repeated; a second run changes nothing. Exit code 0: all
    /// content taken over (the report may have notes, such as names the source lacks); 3: content was
    /// skipped or changed, which the report lists; 1: failed; 2: misuse.
    Discourse {
        #[command(flatten)]
        target: ImportTarget,
        /// Names of categories: Discourse's categories.json, or {"10": "Support"}
        #[arg(long, value_name = "FILE")]
        categories: Option<PathBuf>,
        /// The forum's host; found out from links when not given
        #[arg(long, value_name = "HOST")]
        host: Option<String>,
    },
    /// A wiki's XML export (MediaWiki 0.10 or 0.11), plain, .gz or .bz2
    ///
    /// A run that was broken off goes on when repeated; a second run changes nothing. Exit code 0: all
    /// content taken over (the report may have notes, such as names the source lacks); 3: content was
    /// skipped or changed, which the report lists; 1: failed; 2: misuse.
    Mediawiki {
        #[command(flatten)]
        target: ImportTarget,
    },
}

/// From where to where.
#[derive(Args, Clone, Debug)]
pub(crate) struct ImportTarget {
    /// What to import
    pub(crate) path: PathBuf,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write the report there, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
}

impl Place {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides { data_dir: self.data_dir.clone(), ..Overrides::default() }
    }
}

impl Serving {
    pub(crate) fn overrides(&self) -> Overrides {
        Overrides {
            listen: self.listen.clone(),
            workers: self.workers,
            plain_http: self.plain_http,
            ..self.place.overrides()
        }
    }

    /// The flags again, for a process that is to load the same settings.
    pub(crate) fn flags(&self) -> Vec<std::ffi::OsString> {
        let mut flags = Vec::new();
        let mut flag = |name: &str, value: std::ffi::OsString| flags.extend([name.into(), value]);
        if let Some(file) = &self.place.config {
            flag("--config", file.into());
        }
        if let Some(dir) = &self.place.data_dir {
            flag("--data-dir", dir.into());
        }
        for address in &self.listen {
            flag("--listen", address.into());
        }
        if let Some(workers) = self.workers {
            flag("--workers", workers.to_string().into());
        }
        if self.plain_http {
            flags.push("--plain-http".into());
        }
        flags
    }
}

/// What clap says of misuse, in one line.
pub(crate) fn one_line(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return "a command is missing; --help lists them".into();
    }
    let text = error.render().to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<&str> = said.filter(|line| !line.is_empty() && !line.starts_with("For more")).collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn misuse_is_one_line_that_names_the_fault() {
        for (args, part) in [
            (&["veritable", "serv"][..], "serv"),
            (&["veritable", "import", "discourse"], "PATH"),
            (&["veritable", "serve", "--workers", "many"], "many"),
            (&["veritable", "serve", "--workers", "65"], "65"),
            (&["veritable", "serve", "--no-such"], "--no-such"),
            (&["veritable"], "a command is missing"),
            (&["veritable", "import"], "a command is missing"),
            (&["veritable", "cache"], "a command is missing"),
            (&["veritable", "cache", "invalidate"], "TAG"),
            (&["veritable", "cache", "invalidate", "site", "topics:1"], "topics:1"),
            (&["veritable", "cache", "invalidate", "wiki:"], "wiki:"),
            (&["veritable", "cache", "get", "/", "--encoding", "lzma"], "lzma"),
        ] {
            let line = one_line(&Cli::try_parse_from(args).unwrap_err());
            assert!(!line.contains('\n') && line.contains(part), "{args:?}: {line:?}");
        }
    }

    #[test]
    fn flags_survive_being_handed_on() {
        let args = [
            "veritable",
            "serve",
            "--config",
            "f",
            "--data-dir",
            "d",
            "--listen",
            "a",
            "--listen",
            "b",
            "--workers",
            "3",
            "--plain-http",
        ];
        let Command::Serve(serving) = Cli::try_parse_from(args).unwrap().command else { panic!("not serve") };
        assert_eq!(serving.flags(), args[2..]);
    }
}
