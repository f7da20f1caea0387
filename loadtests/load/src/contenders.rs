//! The servers that Veritable is compared with, started and stopped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use veritable_config::ALLOCATOR;

use crate::server::{Running, Server, ServerError};

/// Where nginx is when it is not on the path, as for users who are no administrators on Debian.
const NGINX: [&str; 3] = ["nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"];

/// One that takes part.
#[derive(Debug)]
pub struct Contender {
    /// As reports name it.
    pub name: &'static str,
    /// Where it listens.
    pub address: SocketAddr,
    /// The pid at the head of its processes.
    pub pid: i32,
    // In this order: a server is stopped before its files are deleted.
    _running: Handle,
    _files: Option<TempDir>,
}

#[derive(Debug)]
enum Handle {
    Ours { _server: Box<Server> },
    Other { _running: Running },
}

fn failed(what: &str) -> impl Fn(std::io::Error) -> ServerError + '_ {
    move |error| ServerError::Failed(format!("{what}: {error}"))
}

impl Contender {
    /// Veritable.
    ///
    /// # Errors
    /// It is not one that was started here.
    pub fn veritable(name: &'static str, server: Server) -> Result<Contender, ServerError> {
        let pid = server.pid.ok_or_else(|| ServerError::Failed("a server without a pid".into()))?;
        let address = server.address;
        Ok(Contender {
            name,
            address,
            pid,
            _running: Handle::Ours { _server: Box::new(server) },
            _files: None,
        })
    }

    /// The server of axum, moka and rusqlite.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn axum(
        name: &'static str,
        program: &Path,
        forums: &Path,
        threads: u16,
        cache: bool,
    ) -> Result<Contender, ServerError> {
        let mut command = Command::new(program);
        command.arg(forums).args(["--threads", &threads.to_string()]);
        // As Veritable's processes have it; as there, the operator's own word counts.
        if std::env::var_os(ALLOCATOR.0).is_none() {
            command.env(ALLOCATOR.0, ALLOCATOR.1);
        }
        if !cache {
            command.arg("--no-cache");
        }
        let (running, address) = Running::listening(command, &program.display().to_string())?;
        Ok(Contender {
            name,
            address,
            pid: running.pid(),
            _running: Handle::Other { _running: running },
            _files: None,
        })
    }

    /// nginx with `files` of these names and bytes, and a `return` of 19 bytes at `/return`. `None` where it is not
    /// installed.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn nginx(processes: u16, files: &[(String, bytes::Bytes)]) -> Result<Option<Contender>, ServerError> {
        let is_there = |program: &&&str| {
            Command::new(program)
                .arg("-v")
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        };
        let Some(program) = NGINX.iter().find(is_there) else { return Ok(None) };
        let folder =
            tempfile::Builder::new().prefix("veritable-load-").tempdir().map_err(failed("a folder"))?;
        let root = folder.path().join("www");
        std::fs::create_dir(&root).map_err(failed("a folder"))?;
        // Its processes run as somebody else when it is started as root.
        for path in [folder.path(), &root] {
            std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).map_err(failed("a folder"))?;
        }
        for (name, bytes) in files {
            std::fs::write(root.join(name), bytes).map_err(failed(name))?;
        }
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).map_err(failed("a port"))?;
        let conf = folder.path().join("nginx.conf");
        std::fs::write(&conf, nginx_conf(folder.path(), port, processes)).map_err(failed("nginx.conf"))?;
        let mut command = Command::new(program);
        command.arg("-c").arg(&conf).arg("-e").arg(folder.path().join("error.log"));
        let mut running = Running::start(command, "nginx")?;
        running.until(|| TcpStream::connect(port).ok())?;
        let pid = running.pid();
        let running = Handle::Other { _running: running };
        Ok(Some(Contender { name: "nginx", address: port, pid, _running: running, _files: Some(folder) }))
    }
}

fn nginx_conf(folder: &Path, address: SocketAddr, processes: u16) -> String {
    let folder = folder.display();
    format!(
        "worker_processes {processes}; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 65536; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000000; open_file_cache max=100;
  default_type text/html; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen {address}; root {folder}/www;
    location = /return {{ return 200 'nineteen bytes here'; }}
  }}
}}
"
    )
}

/// The axum server: the one named, or the one built beside this program.
///
/// # Errors
/// There is none.
pub fn axum_program(asked: Option<&Path>) -> Result<PathBuf, ServerError> {
    let beside = || std::env::current_exe().ok().map(|me| me.with_file_name("peer-axum"));
    let found = asked.map(Path::to_owned).or_else(beside).filter(|path| path.exists());
    found.ok_or_else(|| {
        ServerError::Misuse(
            "no peer-axum beside this program: build it (cargo build -p peer-axum) or give --peer".into(),
        )
    })
}
