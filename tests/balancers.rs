//! In front of us: listeners of every kind, what proxies say of their clients, and two load balancers people
//! use, with a rolling reload under load behind each.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use super::harness::http::Connection;
use super::harness::server::{Server, kill, veritable};
use super::harness::{PATIENCE, free_port, skipped, wait_for};
use super::reloads::Askers;

/// A demonstration community served with these settings, its access log kept.
struct Site {
    dir: tempfile::TempDir,
    config: PathBuf,
    server: Server,
    log: PathBuf,
}

impl Site {
    fn start(settings: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        drop(Server::demo(&data));
        let (config, log) = (dir.path().join("veritable.toml"), dir.path().join("log"));
        std::fs::write(&config, settings).unwrap();
        let mut program = veritable();
        program.env("VERITABLE_LOG_ACCESS", "on");
        let errors = std::fs::File::create(&log).unwrap();
        let more = ["--config", config.to_str().unwrap()];
        let server = Server::start_logging(program, "serve", &data, &more, errors.into());
        Site { dir, config, server, log }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Whom the access log names as the client of the request for `path`.
    fn client_of(&self, path: &str) -> Option<String> {
        wait_for("a line of the access log", || {
            let log = std::fs::read_to_string(&self.log).unwrap();
            let line = log.lines().find(|line| line.contains(&format!("path=\"{path}\"")))?.to_owned();
            Some(line.split_once("client=").map(|(_, rest)| rest.split(' ').next().unwrap().to_owned()))
        })
    }
}

/// Sends bytes and reads the status line's code; 0 when the connection is closed without one.
fn ask<S: Read + Write>(mut stream: S, bytes: &[u8]) -> u16 {
    stream.write_all(bytes).unwrap();
    let mut line = String::new();
    match BufReader::new(stream).read_line(&mut line) {
        Ok(_) => line.split(' ').nth(1).map_or(0, |code| code.parse().unwrap()),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
            0
        }
    }
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn get(path: &str, header: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nHost: test\r\n{header}Connection: close\r\n\r\n").into_bytes()
}

#[test]
fn clients_are_known_by_what_trusted_proxies_say_and_by_nothing_else() {
    let proxy = free_port();
    let site = Site::start(&format!(
        "proxy_listen = [\"127.0.0.1:{proxy}\"]\n[http]\ntrusted_proxies = [\"10.0.0.0/8\"]\n"
    ));
    let public: u16 = site.server.address.rsplit(':').next().unwrap().parse().unwrap();
    let forwarded = "X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\n";
    // The connection itself comes from 127.0.0.1, which is not trusted here.
    assert_eq!(ask(tcp(public), &get("/latest?a", forwarded)), 200);
    let header = |source: &str| format!("PROXY TCP4 {source} 10.0.0.1 4711 80\r\n").into_bytes();
    assert_eq!(ask(tcp(proxy), &[header("192.0.2.1"), get("/wiki", forwarded)].concat()), 200);
    assert_eq!(ask(tcp(proxy), &[header("10.0.0.5"), get("/recent", forwarded)].concat()), 200);
    assert_eq!(ask(tcp(proxy), &[b"PROXY UNKNOWN\r\n".to_vec(), get("/robots.txt", "")].concat()), 200);
    for (path, client) in [
        ("/latest", "127.0.0.1"),
        ("/wiki", "192.0.2.1"),
        ("/recent", "198.51.100.7"),
        ("/robots.txt", "127.0.0.1"),
    ] {
        assert_eq!(site.client_of(path).as_deref(), Some(client), "{path}");
    }
    // Without its header there is no answer there, and with one none elsewhere.
    assert_eq!(ask(tcp(proxy), &get("/latest", "")), 0);
    assert_eq!(ask(tcp(public), &[header("192.0.2.1"), get("/latest", "")].concat()), 400);
}

#[test]
fn unix_sockets_and_health_addresses_answer_and_a_stop_is_announced() {
    let health = free_port();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("site.sock");
    let mut site = Site::start(&format!(
        "listen = [\"127.0.0.1:0\", \"unix:{}\"]\nhealth_listen = [\"127.0.0.1:{health}\"]\n\
         [process]\nleave_seconds = 2\n",
        socket.display()
    ));
    assert_eq!(ask(unix(&socket), &get("/latest", "X-Forwarded-For: 198.51.100.7\r\n")), 200);
    assert_eq!(site.client_of("/latest").as_deref(), Some("198.51.100.7"));
    for (path, status) in [("/livez", 200), ("/readyz", 200), ("/", 404), ("/api/forums/topics", 404)] {
        assert_eq!(ask(tcp(health), &get(path, "")), status, "{path}");
    }
    site.server.signal(Signal::SIGTERM);
    wait_for("the announcement", || (ask(tcp(health), &get("/readyz", "")) == 503).then_some(()));
    assert_eq!(ask(unix(&socket), &get("/", "")), 200, "all is served as before");
    assert_eq!(ask(tcp(health), &get("/livez", "")), 200);
    assert_eq!(site.server.wait(), Some(0));
    assert!(!socket.exists(), "nobody listens there any more");
}

#[test]
fn a_reload_opens_and_closes_addresses_and_leaves_the_others_alone() {
    let (first, second) = (free_port(), free_port());
    let settings = |ports: &[u16]| {
        let list: Vec<String> = ports.iter().map(|port| format!("\"127.0.0.1:{port}\"")).collect();
        format!("health_listen = [{}]\nworkers = 2\n[process]\nprobation_seconds = 0\n", list.join(", "))
    };
    let site = Site::start(&settings(&[first]));
    assert_eq!(ask(tcp(first), &get("/livez", "")), 200);
    let askers = Askers::start(&site.server.address, 2);
    std::fs::write(&site.config, settings(&[first, second])).unwrap();
    assert!(site.server.command("reload", &[]).status.success());
    assert_eq!(ask(tcp(second), &get("/livez", "")), 200);
    std::fs::write(&site.config, settings(&[second])).unwrap();
    assert!(site.server.command("reload", &[]).status.success());
    wait_for("the end of the first address", || {
        TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], first))).err()
    });
    assert_eq!(ask(tcp(second), &get("/livez", "")), 200);
    // An address that somebody else has is a bad reload.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    std::fs::write(&site.config, settings(&[taken.local_addr().unwrap().port()])).unwrap();
    let out = site.server.command("reload", &[]);
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("in use"), "{out:?}");
    assert_eq!(ask(tcp(second), &get("/livez", "")), 200);
    assert!(askers.finish() > 0);
}

/// A load balancer of somebody else's; ended when dropped.
struct Balancer(Child);

impl Balancer {
    /// Starts it if it is installed; else says that the test is skipped.
    fn start(test: &str, program: &str, args: &[&str], port: u16) -> Option<Balancer> {
        let started = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        match started {
            Ok(child) => {
                let balancer = Balancer(child);
                wait_for("the load balancer", || Connection::open(&format!("127.0.0.1:{port}")).ok());
                Some(balancer)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                skipped(test, &format!("{program} is not installed (apt install nginx-light haproxy)"));
                None
            }
            Err(error) => panic!("{program}: {error}"),
        }
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        kill(self.0.id().cast_signed(), Signal::SIGTERM);
        let _reaped = self.0.wait();
    }
}

/// Clients ask through the balancer while the server behind it is reloaded; none may see it.
fn reload_unseen(site: &Site, balancer: u16) {
    let askers = Askers::start(&format!("127.0.0.1:{balancer}"), 3);
    let kept = Askers::start_keeping(&format!("127.0.0.1:{balancer}"), 3);
    for _ in 0..3 {
        let before = site.server.pids("worker");
        let out = site.server.command("reload", &[]);
        assert!(out.status.success(), "{out:?}");
        wait_for("new workers", || {
            site.server.pids("worker").iter().all(|pid| !before.contains(pid)).then_some(())
        });
    }
    assert!(askers.finish() > 0 && kept.finish() > 0);
}

const FAST: &str = "workers = 2\n[process]\nprobation_seconds = 0\n";

#[test]
fn nginx_in_front_sees_no_reload() {
    let (port, proxy) = (free_port(), free_port());
    let site = Site::start(&format!("proxy_listen = [\"127.0.0.1:{proxy}\"]\n{FAST}"));
    let (dir, address) = (site.dir.path().display().to_string(), &site.server.address);
    let config = site.path("nginx.conf");
    std::fs::write(
        &config,
        format!(
            "daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx.log;\nevents {{}}\nhttp {{\n\
             access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;\n\
             uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;\n\
             upstream site {{ server {address} max_fails=0; keepalive 16; }}\n\
             server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://site; proxy_http_version 1.1;\n\
             proxy_set_header Connection \"\"; proxy_next_upstream off;\n\
             proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }} }}\n}}\n"
        ),
    )
    .unwrap();
    let args = ["-c", config.to_str().unwrap(), "-e", "/dev/null"];
    let test = "balancers::nginx_in_front_sees_no_reload";
    let Some(_nginx) = Balancer::start(test, "nginx", &args, port) else { return };
    reload_unseen(&site, port);
    assert_eq!(ask(tcp(port), &get("/wiki", "X-Forwarded-For: 10.9.9.9\r\n")), 200);
    assert_eq!(site.client_of("/wiki").as_deref(), Some("10.9.9.9"), "127.0.0.1 is trusted by default");
}

#[test]
fn haproxy_in_front_sees_no_reload() {
    let (port, proxy, health) = (free_port(), free_port(), free_port());
    let site = Site::start(&format!(
        "proxy_listen = [\"127.0.0.1:{proxy}\"]\nhealth_listen = [\"127.0.0.1:{health}\"]\n{FAST}"
    ));
    let config = site.path("haproxy.cfg");
    std::fs::write(
        &config,
        format!(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n  retries 0\n\
             frontend front\n  bind 127.0.0.1:{port}\n  default_backend site\n\
             backend site\n  http-reuse safe\n  option httpchk GET /readyz\n\
             server one 127.0.0.1:{proxy} source 127.0.0.2 send-proxy-v2 check port {health} inter 200ms\n"
        ),
    )
    .unwrap();
    let test = "balancers::haproxy_in_front_sees_no_reload";
    let args = ["-db", "-f", config.to_str().unwrap()];
    let Some(_haproxy) = Balancer::start(test, "haproxy", &args, port) else { return };
    wait_for("the check to pass", || (ask(tcp(port), &get("/livez", "")) == 200).then_some(()));
    reload_unseen(&site, port);
    assert_eq!(ask(tcp(port), &get("/wiki", "")), 200);
    assert_eq!(site.client_of("/wiki").as_deref(), Some("127.0.0.1"), "the header's, not HAProxy's");
}
