//! A server of a test's own: its data directory, its process, its addresses.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use super::http::{Connection, Reply};
use super::wait_for;

/// The binary under test.
pub(crate) fn veritable() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_veritable"));
    for (name, _) in
        std::env::vars().filter(|(name, _)| name.starts_with("VERITABLE_") && name != "VERITABLE_DATA")
    {
        command.env_remove(name);
    }
    command
}

/// Runs the binary to its end.
pub(crate) fn run(args: &[&str]) -> Output {
    veritable().args(args).stdin(Stdio::null()).output().expect("the binary starts")
}

/// A running server; killed with its whole tree when dropped.
pub(crate) struct Server {
    child: Child,
    /// What it printed before its address.
    pub(crate) banner: Vec<String>,
    /// `IP:PORT`
    pub(crate) address: String,
    pub(crate) data_dir: std::path::PathBuf,
}

impl Server {
    /// `veritable demo` on `data_dir` with two workers and a free port, up when this returns.
    pub(crate) fn demo(data_dir: &Path) -> Server {
        Server::start(veritable(), "demo", data_dir, &[])
    }

    /// `veritable serve` alike; with a file among `more`, the number of workers is the file's.
    pub(crate) fn serve(data_dir: &Path, more: &[&str]) -> Server {
        Server::start(veritable(), "serve", data_dir, more)
    }

    /// Starts `program`, up when this returns.
    pub(crate) fn start(program: Command, command: &str, data_dir: &Path, more: &[&str]) -> Server {
        Server::start_logging(program, command, data_dir, more, Stdio::inherit())
    }

    /// Like [`Server::start`], its log going elsewhere. Without `--listen` among the settings of a file it
    /// listens on a free port.
    pub(crate) fn start_logging(
        mut program: Command,
        command: &str,
        data_dir: &Path,
        more: &[&str],
        log: Stdio,
    ) -> Server {
        if !more.contains(&"--config") {
            // Most tests reload for other reasons than to see the first worker on trial.
            program.env("VERITABLE_PROCESS_PROBATION_SECONDS", "0");
            if !program.get_envs().any(|(name, value)| name == "VERITABLE_WORKERS" && value.is_some()) {
                program.env("VERITABLE_WORKERS", "2");
            }
        }
        let file = more.iter().find_map(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
        if !file.starts_with("listen") {
            program.env("VERITABLE_LISTEN", "127.0.0.1:0");
        }
        let mut child = program
            .args([command, "--data-dir", data_dir.to_str().unwrap()])
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut banner = Vec::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = lines.next().expect("an address before the end of output").unwrap();
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split(['/', ' ']).next().unwrap().to_owned();
            }
            banner.push(line);
        };
        // The pipe must stay open, or the server's next line would fail.
        std::thread::spawn(move || lines.for_each(drop));
        let server = Server { child, banner, address, data_dir: data_dir.to_owned() };
        wait_for("the first answer", || server.try_get("/livez").filter(|reply| reply.status == 200));
        server
    }

    pub(crate) fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    pub(crate) fn pid(&self) -> i32 {
        self.child.id().try_into().unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address).expect("a connection")
    }

    pub(crate) fn try_get(&self, path: &str) -> Option<Reply> {
        Connection::open(&self.address).ok()?.send("GET", path, &["Connection: close"], b"").ok()
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.connect()
            .send("GET", path, &["Connection: close"], b"")
            .unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// `status --json` of this server.
    pub(crate) fn status(&self) -> serde_json::Value {
        let out = self.command("status", &["--json"]);
        assert!(out.status.success(), "{out:?}");
        serde_json::from_slice(&out.stdout).unwrap()
    }

    /// Runs a command line tool against this server's data directory.
    pub(crate) fn command(&self, name: &str, more: &[&str]) -> Output {
        run(&[&[name, "--data-dir", self.data_dir.to_str().unwrap()], more].concat())
    }

    /// Pids of the children with this role: `worker` or `writer`.
    pub(crate) fn pids(&self, role: &str) -> Vec<i32> {
        let status = self.status();
        let children = status["processes"].as_array().expect("a list of processes");
        let of_role = children.iter().filter(|c| c["role"] == role && c["state"] == "ready");
        of_role.map(|c| c["pid"].as_i64().unwrap().try_into().unwrap()).collect()
    }

    /// Sends `signal` to the master.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the master's end and yields its exit code.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        wait_for("the master's end", || self.child.try_wait().unwrap()).code()
    }
}

impl Server {
    /// Waits until a killed master is gone.
    pub(crate) fn wait_killed(&mut self) {
        wait_for("the master's end", || self.child.try_wait().unwrap());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Children follow their master by themselves; a test of its own shows it.
        if self.child.try_wait().ok().flatten().is_none() {
            let _ended_meanwhile = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

/// Sends `signal` to a process this test started.
pub(crate) fn kill(pid: i32, signal: nix::sys::signal::Signal) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("a process to signal");
}

/// Whether a process exists and is no zombie.
pub(crate) fn is_running(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

impl Server {
    /// The API token that a first demo run prints.
    pub(crate) fn token(&self) -> String {
        let words = self.banner.iter().flat_map(|line| line.split_whitespace());
        words.into_iter().find(|word| word.starts_with("vt_")).expect("a token in the banner").to_owned()
    }

    /// Sends a change as the holder of `token`.
    pub(crate) fn change(&self, token: &str, method: &str, path: &str, body: &serde_json::Value) -> Reply {
        try_change(&mut self.connect(), token, None, method, path, body).expect("an answer")
    }
}

/// Sends a change over `connection`, under an idempotency key if one is given.
pub(crate) fn try_change(
    connection: &mut Connection,
    token: &str,
    key: Option<&str>,
    method: &str,
    path: &str,
    body: &serde_json::Value,
) -> std::io::Result<Reply> {
    let bearer = format!("Authorization: Bearer {token}");
    let mut headers = vec![bearer, "Content-Type: application/json".to_owned()];
    headers.extend(key.map(|key| format!("Idempotency-Key: {key}")));
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    connection.send(method, path, &headers, body.to_string().as_bytes())
}
