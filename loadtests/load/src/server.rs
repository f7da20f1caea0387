//! The server under test: one that runs already, or one that is started here and stopped at the end.

use std::io::{BufRead, BufReader, Read, Seek};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;
use tempfile::TempDir;
use veritable_config::Config;
use veritable_writer::database::Database;

use crate::cli::Server as Asked;
use crate::community::Look;
use crate::member::{self, Member};

/// How long a server may take until it answers.
const START: Duration = Duration::from_secs(60);
/// How long it may take to stop; then it is killed.
const STOP: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);
/// Lines of its log that are shown when it does not start.
const LOG_LINES: usize = 5;

/// Why there is no server to test.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// What was asked for cannot be.
    #[error("{0}")]
    Misuse(String),
    /// It could not be started, or does not answer.
    #[error("{0}")]
    Failed(String),
}

/// A process of ours, at the head of a group of its own; stopped when dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    log: std::fs::File,
    name: String,
}

impl Running {
    /// Starts `command`, which errors call `name`.
    ///
    /// # Errors
    /// It cannot be run.
    pub fn start(mut command: Command, name: &str) -> Result<Running, ServerError> {
        let failed = |error| ServerError::Failed(format!("{name}: {error}"));
        let log = tempfile::tempfile().map_err(failed)?;
        let child = command
            .stdin(Stdio::null())
            .stderr(log.try_clone().map_err(failed)?)
            // Ctrl-C is for this program, which then stops the server in good order.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        Ok(Running { child, log, name: name.to_owned() })
    }

    /// Starts a server that says on its standard output where it listens, as `http://ADDRESS/`; yields the first address.
    ///
    /// # Errors
    /// It cannot be run, or does not say so in time.
    pub fn listening(mut command: Command, name: &str) -> Result<(Running, SocketAddr), ServerError> {
        command.stdout(Stdio::piped());
        let mut running = Running::start(command, name)?;
        let output = running.child.stdout.take();
        let (tell, lines) = std::sync::mpsc::channel();
        // Reads on after the first address, or a line later the pipe would be full.
        std::thread::spawn(move || {
            for line in output.map(BufReader::new).into_iter().flat_map(BufRead::lines).map_while(Result::ok)
            {
                // Whoever asked has what it wanted.
                let _unheard = tell.send(line);
            }
        });
        let address = running.until(|| lines.try_iter().find_map(|line| address_in(&line)))?;
        Ok((running, address))
    }

    /// Its pid.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Waits until `probe` yields something.
    ///
    /// # Errors
    /// It ends before, or takes too long; with the end of its log.
    pub fn until<T>(&mut self, mut probe: impl FnMut() -> Option<T>) -> Result<T, ServerError> {
        let deadline = Instant::now() + START;
        loop {
            if let Some(found) = probe() {
                return Ok(found);
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.failed(&format!("ended before it answered ({status})")));
            }
            if Instant::now() >= deadline {
                return Err(self.failed(&format!("does not answer within {} s", START.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
    }

    fn failed(&self, how: &str) -> ServerError {
        let mut text = String::new();
        let read = self.log.try_clone().and_then(|mut log| {
            log.rewind()?;
            log.read_to_string(&mut text)
        });
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LOG_LINES)..].join("\n  ");
        let log = if read.is_ok() && !last.is_empty() { format!(":\n  {last}") } else { String::new() };
        ServerError::Failed(format!("{} {how}{log}", self.name))
    }

    fn stop(&mut self) {
        let pid = Pid::from_raw(self.pid());
        let deadline = Instant::now() + STOP;
        let _gone_already = kill(pid, Signal::SIGTERM);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(LOOK);
        }
        eprintln!("{} does not stop within {} s and is killed", self.name, STOP.as_secs());
        let _gone_meanwhile = killpg(pid, Signal::SIGKILL);
        let _reaped = self.child.wait();
    }
}

/// The address in a line such as `listening on http://127.0.0.1:8080/ (public)`.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split_once("http://")?.1.split(['/', ' ']).next()?.parse().ok()
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A Veritable to put load on.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// What requests call it.
    pub host: String,
    /// Who may be posed as.
    pub members: Vec<Member>,
    /// Its master's pid, if it is known.
    pub pid: Option<i32>,
    /// In words, for reports.
    pub described: String,
    data_dir: Option<PathBuf>,
    binary: PathBuf,
    // In this order: the server is stopped before its data are deleted.
    _running: Option<Running>,
    _copy: Option<TempDir>,
}

impl Server {
    /// The one that was asked for; started, if need be.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn of(asked: &Asked) -> Result<Server, ServerError> {
        let binary = binary(asked.binary.as_deref());
        if let Some(url) = &asked.url {
            return Server::there(asked, url, binary);
        }
        match &asked.spawn {
            Some(source) => {
                let dir = copy_data(&binary, source)?;
                let described = format!("veritable serve on a copy of {}", source.display());
                Server::start("serve", dir, binary, asked.workers, &described, &[])?.with_members()
            }
            None => {
                let dir = scratch(&std::env::temp_dir())?;
                Server::start("demo", dir, binary, asked.workers, "veritable demo", &[])?.with_members()
            }
        }
    }

    /// One on a copy of a data directory, with more settings of the environment, to be compared with others.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn beside(
        asked: Option<&Path>,
        source: &Path,
        workers: u16,
        environment: &[(&str, &str)],
    ) -> Result<Server, ServerError> {
        let binary = binary(asked);
        let dir = copy_data(&binary, source)?;
        Server::start("serve", dir, binary, workers, "veritable", environment)
    }

    fn there(asked: &Asked, url: &str, binary: PathBuf) -> Result<Server, ServerError> {
        let misuse = |why: String| ServerError::Misuse(why);
        let host = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next())
            .filter(|host| !host.is_empty())
            .ok_or_else(|| {
                misuse(format!("--url {url}: an address such as http://127.0.0.1:8080 is needed"))
            })?;
        let place = if host.contains(':') { host.to_owned() } else { format!("{host}:80") };
        let mut found = place.to_socket_addrs().map_err(|error| misuse(format!("--url {url}: {error}")))?;
        let address = found.next().ok_or_else(|| misuse(format!("--url {url}: no such host")))?;
        if !address.ip().is_loopback() && !asked.allow_remote {
            return Err(misuse(format!(
                "--url {url}: {} is another machine, and this is an attack on whoever does not expect it; \
                 --allow-remote says that it is yours",
                address.ip()
            )));
        }
        let mut server = Server {
            address,
            host: host.to_owned(),
            members: Vec::new(),
            pid: asked.pid,
            described: format!("the server at {url}"),
            data_dir: asked.data_dir.clone(),
            binary,
            _running: None,
            _copy: None,
        };
        if server.data_dir.is_some() {
            let status = server.status().ok_or_else(|| {
                let dir = asked.data_dir.as_deref().unwrap_or(Path::new("")).display().to_string();
                misuse(format!("--data-dir {dir}: `veritable status` finds no server there"))
            })?;
            server.pid = status["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok());
        }
        let mut look =
            Look::at(address, &server.host).map_err(|error| ServerError::Failed(error.to_string()))?;
        server.members = member::known(&asked.token, &asked.login, &mut look)
            .map_err(|error| misuse(format!("--login: {error}")))?;
        Ok(server)
    }

    fn start(
        kind: &str,
        dir: TempDir,
        binary: PathBuf,
        workers: u16,
        described: &str,
        environment: &[(&str, &str)],
    ) -> Result<Server, ServerError> {
        let mut command = Command::new(&binary);
        command.arg(kind).arg("--data-dir").arg(dir.path());
        command.args(["--listen", "127.0.0.1:0", "--workers", &workers.to_string()]);
        // A handful of members writes what thousands would.
        command.env("VERITABLE_ACCOUNTS_LIMITS", "off").env("VERITABLE_ACCOUNTS_PLAIN_HTTP", "on");
        command.env_remove("VERITABLE_LOAD_TOKEN").envs(environment.iter().copied());
        let (mut running, address) = Running::listening(command, &binary.display().to_string())?;
        let host = address.to_string();
        running.until(|| Look::at(address, &host).ok()?.bytes("/livez").ok())?;
        Ok(Server {
            address,
            host,
            members: Vec::new(),
            pid: Some(running.pid()),
            described: described.to_owned(),
            data_dir: Some(dir.path().to_owned()),
            binary,
            _running: Some(running),
            _copy: Some(dir),
        })
    }

    /// The same, with accounts whose parts visitors play.
    fn with_members(mut self) -> Result<Server, ServerError> {
        let failed = |why: String| ServerError::Failed(why);
        let mut look = Look::at(self.address, &self.host).map_err(|error| failed(error.to_string()))?;
        let data_dir = self.data_dir.as_deref().unwrap_or(Path::new("."));
        let enlisted = member::enlist(&self.binary, data_dir, &mut look);
        self.members = enlisted.map_err(|error| failed(error.to_string()))?;
        Ok(self)
    }

    /// Its `forums.db`, if its data directory is known.
    pub fn forums_db(&self) -> Option<PathBuf> {
        let data_dir = self.data_dir.clone()?;
        Some(Config { data_dir, ..Config::default() }.forums_db())
    }

    /// What `veritable status --json` says of it, if its data directory is known.
    pub fn status(&self) -> Option<Value> {
        status(&self.binary, self.data_dir.as_deref()?)
    }
}

fn status(binary: &Path, data_dir: &Path) -> Option<Value> {
    let out = Command::new(binary).args(["status", "--json", "--data-dir"]).arg(data_dir).output().ok()?;
    out.status.success().then(|| serde_json::from_slice(&out.stdout).ok())?
}

/// The program to start: the one named, or the one built beside this one, or the one on the path.
fn binary(asked: Option<&Path>) -> PathBuf {
    if let Some(asked) = asked {
        return asked.to_owned();
    }
    let beside = std::env::current_exe().ok().map(|me| me.with_file_name("veritable"));
    beside.filter(|path| path.exists()).unwrap_or_else(|| "veritable".into())
}

/// A folder that is deleted at the end.
fn scratch(near: &Path) -> Result<TempDir, ServerError> {
    let made = tempfile::Builder::new().prefix("veritable-load-").tempdir_in(near);
    made.map_err(|error| ServerError::Failed(format!("a folder in {}: {error}", near.display())))
}

/// Copies the databases of a server that does not run; beside them, so that syncs cost the same.
fn copy_data(binary: &Path, from: &Path) -> Result<TempDir, ServerError> {
    let config = Config { data_dir: from.to_owned(), ..Config::default() };
    let failed = |path: &Path, error| ServerError::Failed(format!("copying {}: {error}", path.display()));
    if !config.forums_db().exists() {
        let why = format!("{}: no forums.db: not the data directory of a server", from.display());
        return Err(ServerError::Misuse(why));
    }
    if status(binary, from).is_some() {
        let why = format!("{}: a server runs there: stop it, or test it by --url", from.display());
        return Err(ServerError::Misuse(why));
    }
    let parent = from.parent().filter(|parent| !parent.as_os_str().is_empty());
    let dir = scratch(parent.unwrap_or(Path::new(".")))?;
    let to = dir.path();
    for path in Database::ALL.map(|database| database.path(&config)) {
        for suffix in ["", "-wal"] {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            let source = from.join(&name);
            if source.exists() {
                let file =
                    std::fs::copy(&source, to.join(&name)).and_then(|_| std::fs::File::open(to.join(&name)));
                // What was just copied is not to be written to the disk while the server is measured.
                file.and_then(|file| file.sync_all()).map_err(|error| failed(&source, error))?;
            }
        }
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_what_a_server_says() {
        let address = Some(SocketAddr::from(([127, 0, 0, 1], 8_080)));
        for line in
            ["http://127.0.0.1:8080", "listening on http://127.0.0.1:8080/", "at http://127.0.0.1:8080 now"]
        {
            assert_eq!(address_in(line), address, "{line}");
        }
        for line in ["", "unix:/run/x.sock", "http://", "http://localhost/"] {
            assert_eq!(address_in(line), None, "{line}");
        }
    }

    #[test]
    fn a_program_that_ends_without_an_address_is_an_error_with_its_last_words() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo here; echo 'no port left' >&2; exit 3"]);
        let error = Running::listening(command, "sh").unwrap_err().to_string();
        assert!(error.contains("ended before it answered") && error.contains("no port left"), "{error}");
    }

    #[test]
    fn a_program_that_says_where_it_listens_is_running() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo starting; echo http://127.0.0.1:9/; exec sleep 60"]);
        let (running, address) = Running::listening(command, "sh").unwrap();
        assert_eq!((address.port(), running.pid() > 1), (9, true));
    }
}
