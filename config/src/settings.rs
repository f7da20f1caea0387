//! Every setting, its default and what it means. docs/configuration.md is generated from this file's
//! doc comments' twin, the key table, and a test holds them together.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

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

/// Who may join, and how they log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Who may sign up.
    pub registration: Registration,
    /// Whether browsers reach the site by plain HTTP.
    pub plain_http: Switch,
    /// Whether browsers are told to come by HTTPS only.
    pub hsts: Switch,
    /// Days after its last use at which a session ends.
    pub session_days: u32,
    /// scrypt's N as a power of two.
    pub scrypt_log_n: u8,
    /// scrypt's block size.
    pub scrypt_r: u32,
    /// scrypt's parallelisation.
    pub scrypt_p: u32,
    /// Threads of each worker that hash passwords; 0: the cores divided by the workers.
    pub hash_threads: u16,
    /// Passwords that may wait for them; one more is refused at once.
    pub hash_queue: u32,
    /// Whether changes are counted and refused when there are too many.
    pub limits: Switch,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            registration: Registration::Open,
            plain_http: Switch::Off,
            hsts: Switch::Off,
            session_days: 30,
            scrypt_log_n: 14,
            scrypt_r: 8,
            scrypt_p: 1,
            hash_threads: 0,
            hash_queue: 32,
            limits: Switch::On,
        }
    }
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Everybody with an invitation.
    Invitation,
    /// Everybody, but an administrator has to approve.
    Approval,
    /// Nobody: administrators make accounts.
    Closed,
}

/// How mail is sent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// By what.
    pub transport: MailTransport,
    /// The sender's address.
    pub from: String,
    /// Name or address of the server that takes it.
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: u16,
    /// How the connection is secured.
    pub smtp_security: MailSecurity,
    /// Name to log in there; empty: without.
    pub smtp_user: String,
    /// The password for it.
    pub smtp_password: String,
    /// Certificates of authorities to trust instead of the system's; empty: the system's.
    pub smtp_ca_file: PathBuf,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mail { transport, from, smtp_host, smtp_port, smtp_security, smtp_user, .. } = self;
        f.debug_struct("Mail")
            .field("transport", transport)
            .field("from", from)
            .field("smtp_host", smtp_host)
            .field("smtp_port", smtp_port)
            .field("smtp_security", smtp_security)
            .field("smtp_user", smtp_user)
            .finish_non_exhaustive()
    }
}

impl Default for Mail {
    fn default() -> Self {
        Mail {
            transport: MailTransport::File,
            from: "veritable@localhost".into(),
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_security: MailSecurity::Starttls,
            smtp_user: String::new(),
            smtp_password: String::new(),
            smtp_ca_file: PathBuf::new(),
        }
    }
}

/// By what mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// A file a message, in `mail` within the data directory.
    File,
    /// A mail server.
    Smtp,
    /// Not at all: addresses are not verified, and nobody can reset a password alone.
    Off,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// It begins in clear and must change to TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this host.
    None,
}

/// Pictures that people upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploads {
    /// Most bytes of a picture as it is sent; 0: nobody uploads anything.
    pub max_bytes: u64,
    /// Bytes that all pictures of one account may take.
    pub account_bytes: u64,
}

impl Default for Uploads {
    fn default() -> Self {
        Uploads { max_bytes: 5 * 1024 * 1024, account_bytes: 200 * 1024 * 1024 }
    }
}

/// The shared cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cache {
    /// Bytes of the cache, metadata included.
    pub bytes: u64,
    /// Most entries.
    pub entries: u32,
    /// Seconds after which an answer is made anew even if nothing changed.
    pub ttl_seconds: u32,
    /// Seconds after that for which it is still shown while one worker makes it anew.
    pub stale_seconds: u32,
    /// Seconds for which it is remembered that something does not exist.
    pub negative_seconds: u32,
    /// The part of a shard that one answer may take at most, as a divisor.
    pub value_share: u16,
    /// Bytes of copies that each worker keeps in its own memory.
    pub worker_bytes: u64,
    /// Whether the segment is asked for in huge pages.
    pub huge_pages: Switch,
    /// Whether each process maps all of the segment when it starts.
    pub prefault: Switch,
}

impl Default for Cache {
    fn default() -> Self {
        Cache {
            bytes: 50 * 1024 * 1024,
            entries: 10_000,
            ttl_seconds: 3_600,
            stale_seconds: 60,
            negative_seconds: 10,
            value_share: 4,
            worker_bytes: 8 * 1024 * 1024,
            huge_pages: Switch::Off,
            prefault: Switch::Off,
        }
    }
}

/// Bounds of HTTP connections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Http {
    /// Open connections per worker; at the bound a worker stops accepting.
    pub max_connections: u32,
    /// Seconds a connection is kept between two requests.
    pub idle_seconds: u32,
    /// Seconds a client may take to send a request's head.
    pub header_seconds: u32,
    /// Seconds a request may take altogether, and an answer may wait for its client to read on.
    pub request_seconds: u32,
    /// Most bytes of a request's body.
    pub body_bytes: u64,
    /// Networks whose word on where a request came from is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for Http {
    fn default() -> Self {
        Http {
            max_connections: 10_000,
            // Longer than the 60 seconds for which common load balancers keep theirs.
            idle_seconds: 75,
            header_seconds: 10,
            request_seconds: 30,
            body_bytes: 8 * 1024 * 1024,
            trusted_proxies: vec!["127.0.0.0/8".into(), "::1/128".into()],
        }
    }
}

/// Reading from the databases.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reads {
    /// Reading connections a worker keeps at least.
    pub min_connections: u16,
    /// Reading connections a worker opens at most.
    pub max_connections: u16,
    /// Milliseconds after which a query is interrupted.
    pub deadline_ms: u32,
    /// Bytes of a database mapped into memory.
    pub mmap_bytes: u64,
}

impl Default for Reads {
    fn default() -> Self {
        Reads { min_connections: 2, max_connections: 10, deadline_ms: 5_000, mmap_bytes: 0 }
    }
}

/// The writer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Writer {
    /// Commands that may wait; one more is refused at once.
    pub queue: u32,
    /// Most commands in one transaction.
    pub batch: u32,
    /// Milliseconds a command may wait before it is refused.
    pub deadline_ms: u32,
    /// SQLite's `synchronous`: `full` or `normal`.
    pub synchronous: Synchronous,
    /// Who copies the log into the database.
    pub checkpoints: Checkpoints,
    /// Hours between two checks of the databases for damage; 0: never.
    pub check_hours: u32,
}

impl Default for Writer {
    fn default() -> Self {
        Writer {
            queue: 4_096,
            batch: 512,
            deadline_ms: 5_000,
            synchronous: Synchronous::Full,
            checkpoints: Checkpoints::Own,
            check_hours: 24,
        }
    }
}

/// Who copies a database's log into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checkpoints {
    /// The writer.
    Own,
    /// Another program that ships the log away, such as Litestream.
    External,
}

/// SQLite's `synchronous` setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Synchronous {
    /// A commit is on disk before it is acknowledged.
    Full,
    /// A power failure may lose the last commits; the database stays sound.
    Normal,
}

/// Stopping and replacing processes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// Seconds a process may take to finish its work when it stops.
    pub drain_seconds: u32,
    /// Seconds for which a stop is announced on `/readyz` while everything is still served.
    pub leave_seconds: u32,
    /// Seconds a process may take to become ready.
    pub boot_seconds: u32,
    /// Seconds for which the first worker of a reload serves beside the old ones before they go.
    pub probation_seconds: u32,
    /// Seconds of silence after which a process counts as hung and is killed.
    pub hang_seconds: u32,
    /// Bytes of heap past which a worker is replaced.
    pub heap_bytes: u64,
    /// Requests after which a worker is replaced; 0: never.
    pub max_requests: u64,
    /// Seconds after which a worker is replaced; 0: never.
    pub max_age_seconds: u32,
    /// Whether children give up what they do not need.
    pub sandbox: Switch,
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

impl Default for Process {
    fn default() -> Self {
        Process {
            drain_seconds: 30,
            leave_seconds: 0,
            boot_seconds: 30,
            probation_seconds: 2,
            hang_seconds: 10,
            heap_bytes: 400 * 1024 * 1024,
            max_requests: 0,
            max_age_seconds: 0,
            sandbox: Switch::On,
        }
    }
}

/// Logs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or tracing's directives.
    pub level: String,
    /// `text` or `json`.
    pub format: LogFormat,
    /// Which requests have a line.
    pub access: Access,
}

impl Default for Log {
    fn default() -> Self {
        Log { level: "info".into(), format: LogFormat::Text, access: Access::Slow }
    }
}

/// Which requests have a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// None.
    Off,
    /// Those that took longer than is promised.
    Slow,
    /// All.
    On,
}

/// Figures that are sent to a receiver.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// `IP:PORT` of a receiver that speaks StatsD; empty: none.
    pub statsd: String,
    /// Whether it understands tags.
    pub statsd_tags: Switch,
    /// Seconds between two sendings.
    pub interval_seconds: u32,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics { statsd: String::new(), statsd_tags: Switch::Off, interval_seconds: 10 }
    }
}

/// Shape of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
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
