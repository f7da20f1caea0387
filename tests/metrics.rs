//! Figures as they are told outside: on a page for Prometheus, to a receiver of StatsD, and on a terminal.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use prometheus_parse::{Scrape, Value};

use super::harness::http::{Connection, Reply};
use super::harness::server::{Server, kill, run, veritable};
use super::harness::{free_port, skipped, wait_for};

/// A demonstration community with these settings beside an address for health checks.
pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) server: Server,
    pub(crate) health: u16,
}

impl Site {
    pub(crate) fn start(settings: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let health = free_port();
        let file = dir.path().join("veritable.toml");
        let socket = dir.path().join("health.sock");
        let text = format!(
            "workers = 2\nhealth_listen = [\"127.0.0.1:{health}\", \"unix:{}\"]\n{settings}",
            socket.display()
        );
        std::fs::write(&file, text).unwrap();
        let more = ["--config", file.to_str().unwrap()];
        let server = Server::start(veritable(), "demo", &dir.path().join("data"), &more);
        Site { dir, server, health }
    }

    pub(crate) fn page(&self, accept: &str) -> Reply {
        // A connection that a worker took which was then killed is reset.
        wait_for("the page", || self.try_page(accept).ok())
    }

    fn try_page(&self, accept: &str) -> std::io::Result<Reply> {
        let mut connection = Connection::open(&format!("127.0.0.1:{}", self.health))?;
        connection.send("GET", "/metrics", &[accept, "Connection: close"], b"")
    }

    fn scrape(&self) -> Figures {
        let page = self.page("Accept: text/plain");
        assert_eq!(page.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Figures(Scrape::parse(page.text().lines().map(|line| Ok(line.to_owned()))).unwrap())
    }
}

/// A page, parsed.
struct Figures(Scrape);

impl Figures {
    /// All samples of a name that have these labels, summed.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let is_meant = |sample: &&prometheus_parse::Sample| {
            sample.metric == name && labels.iter().all(|(key, value)| sample.labels.get(key) == Some(*value))
        };
        let number = |sample: &prometheus_parse::Sample| match sample.value {
            Value::Counter(n) | Value::Gauge(n) | Value::Untyped(n) => n,
            ref other => panic!("{name}: {other:?}"),
        };
        self.0.samples.iter().filter(is_meant).map(number).sum()
    }

    fn has(&self, name: &str) -> bool {
        self.0.samples.iter().any(|sample| sample.metric == name)
    }

    /// Upper bounds with how many lay below or at them.
    fn buckets(&self, name: &str, route: &str) -> Vec<(f64, f64)> {
        let of = |sample: &&prometheus_parse::Sample| {
            sample.metric == name && sample.labels.get("route") == Some(route)
        };
        match &self.0.samples.iter().find(of).expect("such a histogram").value {
            Value::Histogram(buckets) => buckets.iter().map(|b| (b.less_than, b.count)).collect(),
            other => panic!("{name}: {other:?}"),
        }
    }
}

fn ask(server: &Server, path: &str, times: usize) {
    let mut connection = server.connect();
    for _ in 0..times {
        connection.send("GET", path, &[], b"").unwrap();
    }
}

#[test]
fn any_worker_tells_what_all_have_counted_and_nothing_is_forgotten() {
    const ASKED: usize = 40;
    let site = Site::start("");
    let before = site.scrape();
    // Over connections of their own, so that both workers have some.
    for _ in 0..ASKED {
        assert_eq!(site.server.get("/latest").status, 200);
    }
    ask(&site.server, "/t/no/987654", 3);
    ask(&site.server, "/no/such/page", 2);
    ask(&site.server, "/favicon.svg", 1);
    let latest = [("route", "/latest"), ("status", "200")];
    let total = "veritable_http_requests_total";
    let now = site.scrape();
    assert_eq!(now.sum(total, &latest) - before.sum(total, &latest), ASKED as f64);
    // As it stands there: this parser ends a sample's labels at the first brace.
    let line = "veritable_http_requests_total{route=\"/t/{slug}/{id}\",status=\"404\"} 3";
    let page = site.page("Accept: */*");
    assert!(page.text().lines().any(|found| found == line), "{}", page.text());
    assert_eq!(now.sum(total, &[("route", "other"), ("status", "404")]), 2.0);
    assert_eq!(now.sum(total, &[("route", "asset")]), 1.0);
    assert!(now.sum(total, &[("route", "health")]) >= 1.0);
    let buckets = now.buckets("veritable_http_request_duration_seconds", "/latest");
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1), "{buckets:?}");
    assert!(buckets.iter().any(|(bound, _)| *bound == 0.127));
    assert_eq!(buckets.last().map(|(_, count)| *count), Some(now.sum(total, &latest)));
    let lookups = |result: &str| now.sum("veritable_cache_lookups_total", &[("result", result)]);
    assert!(lookups("hit") >= ASKED as f64 - 2.0 && lookups("miss") >= 1.0);
    // Whoever is asked says the same, and what processes that are gone have counted is not lost.
    let out = site.server.command("reload", &[]);
    assert!(out.status.success(), "{out:?}");
    let after = site.scrape();
    assert!(after.sum(total, &latest) >= now.sum(total, &latest));
    assert_eq!(after.sum("veritable_reloads_total", &[("result", "done")]), 1.0);
    kill(site.server.pids("worker")[0], Signal::SIGKILL);
    wait_for("the crash in the figures", || {
        (site.scrape().sum("veritable_process_crashes_total", &[]) == 1.0).then_some(())
    });
    assert!(site.scrape().sum(total, &latest) >= now.sum(total, &latest));
}

#[test]
fn processes_say_how_large_they_are_and_what_is_wrong_is_told() {
    let site = Site::start("");
    let figures = wait_for("all processes' figures", || {
        let figures = site.scrape();
        let told = |role| figures.sum("veritable_process_proportional_memory_bytes", &[("role", role)]) > 0.0;
        (told("master") && told("writer") && told("worker")).then_some(figures)
    });
    assert_eq!(figures.sum("veritable_processes", &[("role", "worker"), ("state", "ready")]), 2.0);
    for name in [
        "veritable_process_heap_bytes",
        "veritable_process_resident_memory_bytes",
        "veritable_process_open_fds",
        "veritable_process_threads",
        "veritable_process_start_time_seconds",
    ] {
        for role in ["master", "writer", "worker"] {
            assert!(figures.sum(name, &[("role", role)]) > 0.0, "{name} of the {role}");
        }
    }
    assert!(figures.has("veritable_process_cpu_seconds_total"));
    assert_eq!(figures.sum("veritable_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
    assert_eq!(figures.sum("veritable_writer_reachable", &[]), 1.0);
    assert_eq!(figures.sum("veritable_database_writable", &[]), 2.0);
    let readers = veritable_config::Config::default().reads.max_connections;
    assert_eq!(figures.sum("veritable_read_connections_max", &[]), f64::from(readers));
    let writer = site.server.pids("writer")[0];
    kill(writer, Signal::SIGSTOP);
    wait_for("the writer's silence", || {
        (site.scrape().sum("veritable_writer_reachable", &[]) == 0.0).then_some(())
    });
    kill(writer, Signal::SIGCONT);
    wait_for("the writer's return", || {
        (site.scrape().sum("veritable_writer_reachable", &[]) == 1.0).then_some(())
    });
}

#[test]
fn the_page_is_at_health_addresses_only_and_in_the_form_asked_for() {
    let site = Site::start("");
    assert_eq!(site.server.get("/metrics").status, 404, "figures are not everybody's");
    let openmetrics =
        site.page("Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5");
    let content_type = openmetrics.header("content-type").unwrap().to_owned();
    assert_eq!(content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(openmetrics.text().ends_with("# EOF\n"));
    let mut unix = UnixStream::connect(site.dir.path().join("health.sock")).unwrap();
    unix.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut page = String::new();
    unix.read_to_string(&mut page).unwrap();
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("veritable_build_info"), "{page}");
}

/// What came to a receiver: sums of counters and of timers' counts, and the last value of gauges, by name and tags.
#[derive(Default)]
struct Received {
    sums: BTreeMap<String, f64>,
    gauges: BTreeMap<String, String>,
    /// How often somebody told everything.
    pushes: usize,
}

impl Received {
    /// One line: `name:value|kind|@rate|#tags`.
    fn take(&mut self, line: &str) {
        let (name, rest) = line.split_once(':').expect("a name");
        let mut parts = rest.split('|');
        let (value, kind) = (parts.next().unwrap(), parts.next().expect("a kind"));
        let (mut rate, mut tags) = (1.0, String::new());
        for part in parts {
            match part.split_at(1) {
                ("@", given) => rate = given.parse().expect("a rate"),
                ("#", given) => tags = format!("#{given}"),
                _ => panic!("{line}"),
            }
        }
        let key = format!("{name}{tags}");
        match kind {
            "c" => *self.sums.entry(key).or_default() += value.parse::<f64>().expect("a number") / rate,
            "ms" => {
                assert!(value.parse::<f64>().expect("milliseconds") > 0.0, "{line}");
                *self.sums.entry(key).or_default() += 1.0 / rate;
            }
            "g" => {
                self.pushes += usize::from(name == "veritable.writer_reachable");
                self.gauges.insert(key, value.to_owned());
            }
            _ => panic!("{line}"),
        }
    }

    fn receive(&mut self, socket: &UdpSocket) {
        let mut bytes = [0; 65_536];
        // Nothing within this time is no failure: the condition is looked at again.
        if let Ok(length) = socket.recv(&mut bytes) {
            assert!(length <= 1_432, "{length} bytes do not pass an Ethernet in one piece");
            std::str::from_utf8(&bytes[..length]).unwrap().lines().for_each(|line| self.take(line));
        }
    }

    fn sum(&self, key: &str) -> f64 {
        self.sums.get(key).copied().unwrap_or_default().round()
    }
}

fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

#[test]
fn what_has_come_is_sent_once_by_whoever_has_the_turn_also_when_that_one_dies() {
    let (socket, port) = receiver();
    // Confined as always: workers may send datagrams, and nothing else.
    let site = Site::start(&format!(
        "[metrics]\nstatsd = \"127.0.0.1:{port}\"\nstatsd_tags = \"on\"\ninterval_seconds = 1\n"
    ));
    let mut received = Received::default();
    let mut asked = 0;
    for round in 0..3 {
        for _ in 0..10 {
            assert_eq!(site.server.get("/latest").status, 200);
            asked += 1;
        }
        ask(&site.server, "/no/such/page", 1);
        let status = "veritable.request.status.200#route:/latest";
        wait_for("every request at the receiver", || {
            received.receive(&socket);
            (received.sum(status) >= f64::from(asked)).then_some(())
        });
        let pushes = received.pushes;
        wait_for("two more sendings", || {
            received.receive(&socket);
            (received.pushes >= pushes + 2).then_some(())
        });
        assert_eq!(received.sum(status), f64::from(asked), "round {round}: each once");
        assert_eq!(received.sum("veritable.request.duration#route:/latest"), f64::from(asked));
        assert_eq!(received.sum("veritable.request.status.404#route:other"), f64::from(round + 1));
        // The others go on with what it had told.
        kill(site.server.pids("worker")[0], Signal::SIGKILL);
        wait_for("its successor", || (site.server.pids("worker").len() == 2).then_some(()));
    }
    assert!(received.sum("veritable.cache_lookups#result:hit") >= f64::from(asked - 2));
    assert_eq!(received.gauges["veritable.writer_reachable"], "1");
    assert_eq!(received.gauges["veritable.processes#role:worker,state:ready"], "2");
    assert!(received.gauges.keys().any(|key| key.starts_with("veritable.process_heap_bytes#role:writer,")));
}

#[test]
fn without_tags_names_say_everything() {
    let (socket, port) = receiver();
    let site = Site::start(&format!("[metrics]\nstatsd = \"127.0.0.1:{port}\"\ninterval_seconds = 1\n"));
    ask(&site.server, "/latest", 7);
    ask(&site.server, "/no/such/page", 2);
    let mut received = Received::default();
    wait_for("every request at the receiver", || {
        received.receive(&socket);
        (received.sum("veritable.request.status.404") == 2.0).then_some(())
    });
    assert!(received.sum("veritable.request.status.200") >= 7.0);
    assert!(received.sum("veritable.request.duration") >= 9.0);
    wait_for("the gauges", || {
        received.receive(&socket);
        received.gauges.contains_key("veritable.processes.worker.ready").then_some(())
    });
    let keys = || received.sums.keys().chain(received.gauges.keys());
    assert!(keys().all(|key| !key.contains('#')), "{:?}", keys().collect::<Vec<_>>());
}

/// A receiver that people use; killed when dropped.
struct Collectd(Child);

impl Collectd {
    fn start(dir: &Path, port: u16) -> std::io::Result<Collectd> {
        let at = dir.display();
        let config = format!(
            "BaseDir \"{at}\"\nPIDFile \"{at}/pid\"\nPluginDir \"/usr/lib/collectd\"\nTypesDB \
             \"/usr/share/collectd/types.db\"\nInterval 1\nFQDNLookup false\nHostname \"here\"\nLoadPlugin statsd\n\
             <Plugin statsd>\n Host \"127.0.0.1\"\n Port \"{port}\"\n TimerCount true\n</Plugin>\nLoadPlugin csv\n\
             <Plugin csv>\n DataDir \"{at}/csv\"\n StoreRates false\n</Plugin>\n"
        );
        let file = dir.join("collectd.conf");
        std::fs::write(&file, config).unwrap();
        Command::new("/usr/sbin/collectd")
            .arg("-f")
            .arg("-C")
            .arg(file)
            .stdin(Stdio::null())
            .spawn()
            .map(Collectd)
    }

    /// The values of a series so far.
    fn values(dir: &Path, series: &str) -> Vec<f64> {
        let files = std::fs::read_dir(dir.join("csv/here/statsd")).into_iter().flatten().flatten();
        let mine =
            files.filter(|file| file.file_name().to_string_lossy().starts_with(&format!("{series}-2")));
        let texts = mine.map(|file| std::fs::read_to_string(file.path()).unwrap()).collect::<String>();
        texts.lines().filter_map(|line| line.split(',').nth(1)?.parse().ok()).collect()
    }
}

impl Drop for Collectd {
    fn drop(&mut self) {
        let _ended_meanwhile = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn a_receiver_that_people_use_reads_what_is_sent() {
    let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // It writes nowhere below a directory whose name begins with a dot.
    let dir = tempfile::Builder::new().prefix("collectd").tempdir().unwrap();
    let Ok(_collectd) = Collectd::start(dir.path(), port) else {
        let test = "metrics::a_receiver_that_people_use_reads_what_is_sent";
        return skipped(test, "collectd is not installed (apt install collectd-core)");
    };
    wait_for("the receiver", || UdpSocket::bind(("127.0.0.1", port)).is_err().then_some(()));
    let site = Site::start(&format!("[metrics]\nstatsd = \"127.0.0.1:{port}\"\ninterval_seconds = 1\n"));
    ask(&site.server, "/no/such/page", 9);
    wait_for("every request at the receiver", || {
        let sums = Collectd::values(dir.path(), "derive-veritable.request.status.404");
        (sums.last() == Some(&9.0)).then_some(())
    });
    wait_for("times and gauges", || {
        let times = Collectd::values(dir.path(), "latency-veritable.request.duration-average");
        let ready = Collectd::values(dir.path(), "gauge-veritable.processes.worker.ready");
        (times.iter().any(|time| *time > 0.0) && ready.last() == Some(&2.0)).then_some(())
    });
}

#[test]
fn top_prints_a_frame_for_scripts_and_wants_a_terminal_otherwise() {
    let site = Site::start("");
    let mut connection = site.server.connect();
    let asking = std::sync::atomic::AtomicBool::new(true);
    let out = std::thread::scope(|scope| {
        scope.spawn(|| {
            while asking.load(std::sync::atomic::Ordering::Relaxed) {
                connection.send("GET", "/latest", &[], b"").unwrap();
            }
        });
        let out = site.server.command("top", &["--once"]);
        asking.store(false, std::sync::atomic::Ordering::Relaxed);
        out
    });
    assert!(out.status.success(), "{out:?}");
    let frame = String::from_utf8_lossy(&out.stdout).into_owned();
    for part in [
        "requests ",
        "Processes",
        "master",
        "writer",
        "worker",
        "/latest",
        "forums",
        "notebooks",
        "Statements",
    ] {
        assert!(frame.contains(part), "{part:?} in {frame}");
    }
    assert!(!frame.contains("requests 0/s"), "{frame}");
    assert!(!frame.contains('\x1b'), "text and nothing else");
    let live = site.server.command("top", &[]);
    assert_eq!(live.status.code(), Some(2), "{live:?}");
    assert!(String::from_utf8_lossy(&live.stderr).contains("--once"), "{live:?}");
    let nobody = run(&["top", "--once", "--data-dir", nowhere(site.dir.path())]);
    assert_eq!(nobody.status.code(), Some(1), "{nobody:?}");
}

fn nowhere(dir: &Path) -> &str {
    dir.to_str().unwrap()
}
