//! The rules and the dashboard for those who watch: nothing in them is made up, and they work with the programs they
//! are for.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::harness::{free_port, skipped, wait_for};
use super::metrics::Site;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring")
}

fn read(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).unwrap()
}

/// Every `expr` of the dashboard.
fn expressions() -> Vec<String> {
    fn find(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                into.extend(fields.get("expr").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| find(value, into));
            }
            Value::Array(items) => items.iter().for_each(|value| find(value, into)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    find(&serde_json::from_str(&read("grafana.json")).expect("JSON"), &mut found);
    found
}

/// Every name in a text that begins as ours do.
fn names(text: &str) -> BTreeSet<String> {
    let parts = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    parts
        .filter(|part| part.starts_with("veritable_") || part.starts_with("veritable:"))
        .map(str::to_owned)
        .collect()
}

/// Every name that there is: those that docs/metrics.md lists, which a test of the worker holds to what is told, and
/// those that the rules record.
fn known() -> BTreeSet<String> {
    let page = std::fs::read_to_string(folder().join("../docs/metrics.md")).unwrap();
    let mut known = BTreeSet::new();
    for row in page.lines().filter(|line| line.starts_with("| `veritable_")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let name = cells[1].trim_matches('`');
        match cells[2] {
            "histogram" => known.extend(["_bucket", "_sum", "_count"].map(|part| format!("{name}{part}"))),
            _ => drop(known.insert(name.to_owned())),
        }
    }
    assert!(known.len() > 50, "{known:?}");
    known.extend(
        read("rules.yml").lines().filter_map(|line| Some(line.trim().strip_prefix("- record: ")?.to_owned())),
    );
    known
}

#[test]
fn dashboard_and_rules_ask_for_nothing_that_is_not_there() {
    let known = known();
    let dashboard = expressions().join("\n");
    assert!(expressions().len() > 40);
    for (file, text) in [("grafana.json", dashboard), ("rules.yml", read("rules.yml"))] {
        let unknown: Vec<String> = names(&text).into_iter().filter(|name| !known.contains(name)).collect();
        // A rule's group is named like a record and is none.
        let unknown: Vec<&String> = unknown.iter().filter(|name| !name.ends_with('.')).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    let recorded = names(&read("rules.yml")).into_iter().filter(|name| name.starts_with("veritable:"));
    for name in recorded {
        assert!(
            read("rules.yml").matches(&name).count() > 1 || name.contains(":p9"),
            "{name} is used by nobody"
        );
    }
}

/// Whether a program is installed; else says by name that the test is skipped.
fn is_installed(test: &str, program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_err() {
        skipped(test, &format!("{program} is not installed (apt install prometheus)"));
    }
    found.is_ok()
}

fn promtool(args: &[&str]) -> Result<String, String> {
    let out = Command::new("promtool").args(args).current_dir(folder()).output().expect("promtool");
    let said = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
    if out.status.success() { Ok(said) } else { Err(said) }
}

#[test]
fn promtool_finds_the_rules_good_and_each_alert_comes_when_it_should() {
    if !is_installed(
        "monitoring::promtool_finds_the_rules_good_and_each_alert_comes_when_it_should",
        "promtool",
    ) {
        return;
    }
    promtool(&["check", "rules", "rules.yml"]).unwrap_or_else(|said| panic!("{said}"));
    promtool(&["test", "rules", "rules_test.yml"]).unwrap_or_else(|said| panic!("{said}"));
    let tests = read("rules_test.yml");
    for alert in
        read("rules.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned))
    {
        assert!(tests.contains(&alert), "{alert} has no test");
    }
}

/// A Prometheus of the test's own; killed when dropped.
struct Prometheus {
    child: Child,
    address: String,
}

impl Prometheus {
    fn start(dir: &Path, target: u16) -> Prometheus {
        let rules = folder().join("rules.yml").canonicalize().unwrap();
        let config = dir.join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, evaluation_interval: 1s }}\nrule_files: [\"{}\"]\nscrape_configs:\n  \
             - job_name: veritable\n    static_configs: [{{ targets: [\"127.0.0.1:{target}\"] }}]\n",
            rules.display()
        );
        std::fs::write(&config, text).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("tsdb").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .spawn()
            .expect("prometheus");
        Prometheus { child, address: format!("http://{address}") }
    }

    /// What it says to an expression: one line for each series.
    fn query(&self, expression: &str) -> Result<Vec<String>, String> {
        let said = promtool(&["query", "instant", &self.address, expression])?;
        Ok(said.lines().filter(|line| line.contains("=>")).map(str::to_owned).collect())
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ended_meanwhile = self.child.kill();
        let _reaped = self.child.wait();
    }
}

#[test]
fn a_real_prometheus_reads_the_page_and_the_dashboard_has_something_to_show() {
    let test = "monitoring::a_real_prometheus_reads_the_page_and_the_dashboard_has_something_to_show";
    if !is_installed(test, "prometheus") || !is_installed(test, "promtool") {
        return;
    }
    let site = Site::start("");
    let token = site.server.token();
    let topic = site.server.get("/api/forums/topics").json()["topics"][0]["id"].as_i64().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let prometheus = Prometheus::start(dir.path(), site.health);
    let busy = || {
        for path in ["/", "/latest", "/wiki", "/search?q=a", "/no/such/page"] {
            site.server.get(path);
        }
        let path = format!("/api/topics/{topic}/posts");
        let reply = site.server.change(&token, "POST", &path, &serde_json::json!({ "body": "measured" }));
        assert_eq!(reply.status, 201, "{}", reply.text());
    };
    wait_for("a scrape", || {
        busy();
        let found = prometheus.query("up{job=\"veritable\"}").ok()?;
        found.iter().any(|line| line.contains("=> 1 ")).then_some(())
    });
    // Rates need two scrapes within their window, so there is something going on until all have something to show.
    let upkeep = "veritable_database_upkeep_timestamp_seconds";
    let mut left: Vec<String> = expressions();
    left.retain(|expression| !expression.contains(upkeep));
    wait_for("something to show in every panel", || {
        busy();
        left.retain(|expression| {
            let expression = expression
                .replace("$__rate_interval", "30s")
                .replace("$job", "veritable")
                .replace("$instance", ".+");
            let found = prometheus.query(&expression).unwrap_or_else(|said| panic!("{expression}: {said}"));
            found.is_empty()
        });
        left.is_empty().then_some(())
    });
    let recorded = prometheus.query("{__name__=~\"veritable:.+\", job=\"veritable\"}").unwrap();
    assert!(recorded.iter().any(|line| line.contains("veritable:http_requests:rate5m")), "{recorded:?}");
    let firing = prometheus.query("ALERTS{alertstate=\"firing\"}").unwrap();
    assert!(firing.is_empty(), "{firing:?}");
    let page = site.page("Accept: text/plain").text().to_owned();
    let mut lint = Command::new("promtool").args(["check", "metrics"]).stdin(Stdio::piped()).spawn().unwrap();
    lint.stdin.take().unwrap().write_all(page.as_bytes()).unwrap();
    assert!(lint.wait().unwrap().success(), "promtool finds fault with the page");
    let counted =
        prometheus.query("veritable_http_requests_total{route=\"/latest\", status=\"200\"}").unwrap();
    assert_eq!(counted.len(), 1, "{counted:?}");
}
