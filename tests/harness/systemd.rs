//! A real systemd for a test: booted as PID 1 of private namespaces, with the project's units installed as an
//! administrator would. The test's own body runs in there, as a unit, by starting the test binary once more.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::http::{Connection, Reply};
use super::{skipped, wait_for};

/// Set for the body's process.
const INSIDE: &str = "TEST_UNDER_SYSTEMD";
/// Where the units listen.
pub(crate) const ADDRESS: &str = "127.0.0.1:8080";
/// Longest run of one body; then everything in the namespaces is killed.
const LIFETIME: Duration = Duration::from_secs(240);
/// The first version the units are made for.
const VERSION_MIN: u32 = 252;

/// Runs `body` under a systemd of its own. `test` is the calling test's full name.
pub(crate) fn under_systemd(test: &str, body: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return body();
    }
    if let Err(reason) = possible() {
        return skipped(test, &reason);
    }
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let cgroup = Cgroup::make();
    fs::write(work.path().join("harness.service"), unit(test)).unwrap();
    fs::write(work.path().join("harness.target"), TARGET).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let log = fs::File::create(work.path().join("boot")).unwrap();
    // The shell enters the control group before the namespace makes it the root of what is seen.
    let status = Command::new("sh")
        .args(["-c", "echo $$ > \"$1/cgroup.procs\" && shift && exec timeout -s KILL \"$@\"", "sh"])
        .arg(&cgroup.0)
        .arg(LIFETIME.as_secs().to_string())
        .args(["unshare", "--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--net"])
        .args(["--kill-child", "bash"])
        .arg(root.join("tests/harness/systemd-init.sh"))
        .arg(work.path())
        .arg(root.join("systemd"))
        .arg(env!("CARGO_BIN_EXE_veritable"))
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .status()
        .expect("a shell");
    let said = |name| fs::read_to_string(work.path().join(name)).unwrap_or_default();
    let output = said("output");
    assert!(!output.is_empty(), "systemd did not start the test ({status}): {}", said("boot"));
    eprintln!("{output}");
    assert!(status.success(), "{test} failed under systemd ({status}, signal {:?})", status.signal());
}

/// Why there can be no systemd here.
fn possible() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("it needs root, to boot a systemd of its own".into());
    }
    let version = Command::new("/lib/systemd/systemd").arg("--version").output();
    let version = version.map_err(|error| format!("systemd is not installed ({error})"))?;
    let version =
        String::from_utf8_lossy(&version.stdout).split_whitespace().nth(1).unwrap_or("0").to_owned();
    if version.parse::<u32>().unwrap_or(0) < VERSION_MIN {
        return Err(format!("systemd is {version}, older than {VERSION_MIN}"));
    }
    for tool in [&["ip", "-V"][..], &["systemctl", "--version"], &["timeout", "--version"]] {
        let found = Command::new(tool[0]).args(&tool[1..]).output();
        found.map_err(|error| format!("{} is not installed ({error})", tool[0]))?;
    }
    let unshare = Command::new("unshare")
        .args(["--pid", "--fork", "--mount", "--uts", "--ipc", "--cgroup", "--net", "--kill-child"])
        .args(["mount", "-t", "tmpfs", "tmpfs", "/run"])
        .output()
        .map_err(|error| format!("unshare is not installed ({error})"))?;
    if !unshare.status.success() {
        return Err(format!("no namespaces: {}", String::from_utf8_lossy(&unshare.stderr).trim()));
    }
    match cgroup2() {
        Some(_) => Ok(()),
        None => Err("there is no cgroup2 file system to use".into()),
    }
}

/// Where control groups of the second version are mounted.
fn cgroup2() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let of = |line: &str| {
        let mut fields = line.split(' ').skip(1);
        let place = fields.next()?.to_owned();
        (fields.next()? == "cgroup2").then(|| PathBuf::from(place))
    };
    mounts.lines().find_map(of)
}

/// A control group of one systemd's own, or two that run at once would rule over each other's services.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make() -> Cgroup {
        let name = format!("veritable-test-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = cgroup2().unwrap().join(name);
        fs::create_dir(&path).expect("a control group");
        Cgroup(path)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // Its processes have been killed with their namespace; the kernel may need a moment. What stays behind
        // after a failure is empty and harms nobody.
        if std::thread::panicking() {
            let _first_failure_counts = remove(&self.0);
        } else {
            wait_for("the control groups' end", || remove(&self.0).ok());
        }
    }
}

fn remove(cgroup: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(cgroup)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove(&entry.path())?;
        }
    }
    fs::remove_dir(cgroup)
}

const TARGET: &str = "[Unit]
DefaultDependencies=no
Wants=systemd-journald.service harness.service
";

/// The unit that runs the body; its result becomes that of the whole systemd.
fn unit(test: &str) -> String {
    let binary = std::env::current_exe().unwrap();
    let binary = binary.display();
    // What lies in one of the folders that are overlays here may be gone from sight when somebody changes it
    // outside: the checkout is no place to stand in.
    format!(
        "[Unit]
DefaultDependencies=no
After=systemd-journald.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
WorkingDirectory=/run/harness
Environment={INSIDE}=1
ExecStart=\"{binary}\" --exact {test} --nocapture
ExecStopPost=/bin/sh -c '[ \"$EXIT_STATUS\" = 0 ] || journalctl --no-pager -n 200 -u veritable.service -u veritable.socket || true'
ExecStopPost=/bin/sh -c 'case $EXIT_STATUS in [0-9]*) systemctl exit $EXIT_STATUS ;; *) systemctl exit 1 ;; esac'
StandardOutput=append:/run/harness/output
StandardError=append:/run/harness/output
"
    )
}

/// Runs a command that must succeed, and yields what it printed.
pub(crate) fn run(command: &[&str]) -> String {
    let out = try_run(command);
    out.unwrap_or_else(|said| panic!("{command:?} failed: {said}"))
}

/// Runs a command; what it printed, as an error when it failed.
pub(crate) fn try_run(command: &[&str]) -> Result<String, String> {
    let out = Command::new(command[0]).args(&command[1..]).stdin(Stdio::null()).output().expect("a command");
    let said = [out.stdout, out.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if out.status.success() { Ok(said) } else { Err(said) }
}

/// A property of the service, such as `ActiveState`.
pub(crate) fn property(name: &str) -> String {
    run(&["systemctl", "show", "veritable.service", "--value", "-p", name]).trim().to_owned()
}

/// The texts of the service's own lines in the journal with these priorities.
pub(crate) fn journal(priorities: &str) -> String {
    run(&["journalctl", "--sync"]);
    let of_it = ["_SYSTEMD_UNIT=veritable.service", "_TRANSPORT=stdout"];
    run(&[&["journalctl", "--no-pager", "-o", "cat", "-p", priorities], &of_it[..]].concat())
}

/// Settings of a unit that stand in for some of its own; empty for none.
pub(crate) fn drop_in(unit: &str, text: &str) {
    let dir = format!("/run/systemd/system/{unit}.d");
    fs::create_dir_all(&dir).unwrap();
    fs::write(format!("{dir}/test.conf"), text).unwrap();
    run(&["systemctl", "daemon-reload"]);
}

/// One request on a connection of its own.
pub(crate) fn get(path: &str) -> Reply {
    try_get(path).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// Alike, for a server that may be gone.
pub(crate) fn try_get(path: &str) -> std::io::Result<Reply> {
    Connection::open(ADDRESS)?.send("GET", path, &["Connection: close"], b"")
}
