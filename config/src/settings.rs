//! Every setting, its default and what it means. docs/configuration.md is generated from this file's
//! doc comments' twin, the key table, and a test holds them together.

mod people;
mod serving;
mod telling;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use self::people::{Accounts, Mail, MailSecurity, MailTransport, Registration, Uploads};
pub use self::serving::{Cache, Checkpoints, Http, Process, Reads, Synchronous, Writer};
pub use self::telling::{Access, Log, LogFormat, Metrics};

/// The whole configuration, defaults filled in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the databases live.
    pub data_dir: PathBuf,
    /// Where sockets live; empty: `run` within the data directory.
    pub runtime_dir: PathBuf,
    /// Addresses to listen on, `IP:PORT` or `unix:PATH`; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Addresses on which every connection begins with a PROXY header.
    pub proxy_listen: Vec<String>,
    /// Addresses that answer `/livez`, `/readyz` and `/metrics` and nothing else.
    pub health_listen: Vec<String>,
    /// Worker processes; 0: one per core.
    pub workers: u16,
    /// What the site says of itself.
    pub site: Site,
    /// Who may join, and how they log in.
    pub accounts: Accounts,
    /// How mail is sent.
    pub mail: Mail,
    /// Pictures that people upload.
    pub uploads: Uploads,
    /// The shared cache.
    pub cache: Cache,
    /// Bounds of HTTP connections.
    pub http: Http,
    /// Reading from the databases.
    pub reads: Reads,
    /// The writer.
    pub writer: Writer,
    /// Stopping and replacing processes.
    pub process: Process,
    /// Logs.
    pub log: Log,
    /// Figures for whoever watches.
    pub metrics: Metrics,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: PathBuf::from("/var/lib/veritable"),
            runtime_dir: PathBuf::new(),
            listen: vec!["127.0.0.1:8080".into()],
            proxy_listen: Vec::new(),
            health_listen: Vec::new(),
            workers: 0,
            site: Site::default(),
            accounts: Accounts::default(),
            mail: Mail::default(),
            uploads: Uploads::default(),
            cache: Cache::default(),
            http: Http::default(),
            reads: Reads::default(),
            writer: Writer::default(),
            process: Process::default(),
            log: Log::default(),
            metrics: Metrics::default(),
        }
    }
}

/// What an address is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// For everybody.
    Public,
    /// For load balancers that send a PROXY header first.
    Proxy,
    /// For health checks.
    Health,
}

/// What the site says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Site {
    /// Shown in the head of every page.
    pub name: String,
    /// One line about the community.
    pub description: String,
    /// Address under which people reach the site, without trailing slash; empty: relative links only.
    pub base_url: String,
}

impl Default for Site {
    fn default() -> Self {
        Site { name: "Veritable".into(), description: "A community".into(), base_url: String::new() }
    }
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    On,
    /// Off.
    Off,
}

impl Config {
    /// Every address to listen on, with what it is for.
    pub fn addresses(&self) -> impl Iterator<Item = (Entry, &str)> {
        fn each(entry: Entry, list: &[String]) -> impl Iterator<Item = (Entry, &str)> {
            list.iter().map(move |address| (entry, address.as_str()))
        }
        each(Entry::Public, &self.listen)
            .chain(each(Entry::Proxy, &self.proxy_listen))
            .chain(each(Entry::Health, &self.health_listen))
    }

    /// Directory of the sockets.
    pub fn runtime_dir(&self) -> PathBuf {
        if self.runtime_dir.as_os_str().is_empty() {
            self.data_dir.join("run")
        } else {
            self.runtime_dir.clone()
        }
    }

    /// The database of forum, wiki, accounts and sessions.
    pub fn forums_db(&self) -> PathBuf {
        self.data_dir.join("forums.db")
    }

    /// The database of notebooks.
    pub fn notebooks_db(&self) -> PathBuf {
        self.data_dir.join("notebooks.db")
    }

    /// Name of the folder of uploaded pictures, beside the databases.
    pub const UPLOADS: &'static str = "uploads";

    /// The folder of uploaded pictures.
    pub fn uploads_dir(&self) -> PathBuf {
        self.data_dir.join(Self::UPLOADS)
    }

    /// The writer's socket.
    pub fn writer_socket(&self) -> PathBuf {
        self.runtime_dir().join("writer.sock")
    }

    /// The master's control socket.
    pub fn control_socket(&self) -> PathBuf {
        self.runtime_dir().join("control.sock")
    }
}
