//! Mail on its way to a real mail server: secured or not at all, tried again, given up, and nobody's address in the log.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::accounts::{PASSWORD, sign_up};
use super::harness::browser::Browser;
use super::harness::server::{Server, veritable};
use super::harness::{free_port, skipped, wait_for};

/// A Python that has aiosmtpd; `None`, with a line that names the test, where there is none.
fn python(test: &str) -> Option<&'static str> {
    let has = |python: &&str| {
        let tried = Command::new(python).args(["-c", "import aiosmtpd"]).stderr(Stdio::null()).status();
        tried.is_ok_and(|status| status.success())
    };
    let found = ["/usr/bin/python3", "python3"].into_iter().find(has);
    if found.is_none() {
        skipped(test, "there is no Python with aiosmtpd (apt install python3-aiosmtpd)");
    }
    found
}

/// An authority of the test's own with a certificate for localhost; `None` where there is no openssl.
struct Certificate {
    authority: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Certificate {
    fn make(test: &str, dir: &Path) -> Option<Certificate> {
        let path = |name: &str| dir.join(name);
        let openssl = |args: &[&str]| Command::new("openssl").args(args).current_dir(dir).output();
        let ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        let authority = [
            &["req", "-x509", "-days", "2", "-subj", "/CN=Test", "-keyout", "ca.key", "-out", "ca.pem"],
            &ec[..],
        ]
        .concat();
        let Ok(made) = openssl(&authority) else {
            skipped(test, "there is no openssl (apt install openssl)");
            return None;
        };
        assert!(made.status.success(), "{made:?}");
        let request =
            [&["req", "-subj", "/CN=localhost", "-keyout", "mail.key", "-out", "mail.csr"], &ec[..]].concat();
        std::fs::write(path("names"), "subjectAltName=DNS:localhost\n").unwrap();
        let sign = [
            "x509",
            "-req",
            "-in",
            "mail.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "2",
            "-extfile",
            "names",
            "-out",
            "mail.pem",
        ];
        for args in [&request[..], &sign] {
            let made = openssl(args).unwrap();
            assert!(made.status.success(), "{made:?}");
        }
        Some(Certificate { authority: path("ca.pem"), certificate: path("mail.pem"), key: path("mail.key") })
    }
}

/// A mail server; ended when dropped.
struct MailServer {
    child: Child,
    record: PathBuf,
}

impl MailServer {
    fn start(
        python: &str,
        port: u16,
        mode: &str,
        record: &Path,
        certificate: Option<&Certificate>,
        login: &[&str],
    ) -> MailServer {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/harness/mail.py");
        let path = |path: Option<&PathBuf>| path.map_or(PathBuf::new(), PathBuf::clone);
        let mut child = Command::new(python)
            .args([script, &port.to_string(), mode])
            .arg(record)
            .arg(path(certificate.map(|certificate| &certificate.certificate)))
            .arg(path(certificate.map(|certificate| &certificate.key)))
            .args(login)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        MailServer { child, record: record.to_owned() }
    }

    /// What it was told and given.
    fn said(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(&self.record).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The messages to an address.
    fn messages(&self, to: &str) -> Vec<String> {
        let to_it = self.said().into_iter().filter(|said| said["to"][0] == to);
        to_it.map(|said| said["message"].as_str().unwrap().to_owned()).collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ended_meanwhile = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A site that sends by the server at a port; its log goes to a file.
fn site(dir: &Path, port: u16, set: &[(&str, &str)]) -> (Server, PathBuf) {
    let mut program = veritable();
    program
        .env("VERITABLE_SITE_BASE_URL", "http://test")
        .env("VERITABLE_MAIL_TRANSPORT", "smtp")
        .env("VERITABLE_MAIL_FROM", "Workshop <forum@example.org>")
        .env("VERITABLE_MAIL_SMTP_HOST", "localhost")
        .env("VERITABLE_MAIL_SMTP_PORT", port.to_string());
    for (name, value) in set {
        program.env(name, value);
    }
    let log = dir.join("log");
    let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
    let server = Server::start_logging(program, "demo", &dir.join("data"), &[], Stdio::from(file));
    (server, log)
}

fn join(server: &Server, name: &str) {
    let mut browser = Browser::new(server);
    let form = sign_up(&mut browser, name, &format!("{name}@example.org"));
    assert_eq!(browser.submit(&form).status, 200);
}

/// Waits until `status` says this of mail.
fn wait_for_status(server: &Server, field: &str, part: &str) -> serde_json::Value {
    wait_for(&format!("{field} to be {part:?}"), || {
        let mail = server.status()["mail"].clone();
        mail[field].to_string().contains(part).then_some(mail)
    })
}

/// Nothing that is nobody's business is in the log.
fn is_discreet(log: &Path) {
    let mut text = String::new();
    std::fs::File::open(log).unwrap().read_to_string(&mut text).unwrap();
    for secret in ["@example.org", "the mail password", PASSWORD, "/verify/"] {
        assert!(!text.contains(secret), "{secret} is in the log: {text}");
    }
}

#[test]
fn mail_goes_out_by_a_secured_connection_and_its_link_works() {
    let Some(python) = python("mail::mail_goes_out_by_a_secured_connection_and_its_link_works") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let Some(certificate) =
        Certificate::make("mail::mail_goes_out_by_a_secured_connection_and_its_link_works", dir.path())
    else {
        return;
    };
    for mode in ["starttls", "tls"] {
        let dir = tempfile::tempdir().unwrap();
        let (port, record) = (free_port(), dir.path().join("record"));
        let login = ["forum", "the mail password"];
        let mail = MailServer::start(python, port, mode, &record, Some(&certificate), &login);
        let (server, log) = site(
            dir.path(),
            port,
            &[
                ("VERITABLE_MAIL_SMTP_SECURITY", mode),
                ("VERITABLE_MAIL_SMTP_USER", login[0]),
                ("VERITABLE_MAIL_SMTP_PASSWORD", login[1]),
                ("VERITABLE_MAIL_SMTP_CA_FILE", certificate.authority.to_str().unwrap()),
            ],
        );
        join(&server, "mia");
        let text = wait_for("the message", || mail.messages("mia@example.org").pop());
        for line in
            ["From: Workshop <forum@example.org>", "To: mia@example.org", "Auto-Submitted: auto-generated"]
        {
            assert!(text.contains(line), "{line} is not in {text}");
        }
        let link = super::accounts::link_in(&text, "verify");
        let mut browser = Browser::new(&server);
        let form = browser.form(&link, &link);
        assert_eq!(browser.submit(&form).header("location"), Some("/login?done=verified"));
        assert!(mail.said().iter().all(|said| said["login"] != false && said["tls"] != false));
        let status = wait_for_status(&server, "waiting", "0");
        assert!(status["trouble"].is_null(), "{status}");
        drop(server);
        is_discreet(&log);
    }
}

#[test]
fn where_the_connection_cannot_be_secured_nothing_is_sent() {
    let Some(python) = python("mail::where_the_connection_cannot_be_secured_nothing_is_sent") else { return };
    let dir = tempfile::tempdir().unwrap();
    let Some(certificate) =
        Certificate::make("mail::where_the_connection_cannot_be_secured_nothing_is_sent", dir.path())
    else {
        return;
    };
    // It does not offer TLS; then it has a certificate that nobody vouches for.
    for (mode, of) in [("none", None), ("starttls", Some(&certificate))] {
        let dir = tempfile::tempdir().unwrap();
        let (port, record) = (free_port(), dir.path().join("record"));
        let mail = MailServer::start(python, port, mode, &record, of, &[]);
        let login =
            [("VERITABLE_MAIL_SMTP_USER", "forum"), ("VERITABLE_MAIL_SMTP_PASSWORD", "the mail password")];
        let (server, log) = site(dir.path(), port, &login);
        join(&server, "mia");
        let status = wait_for_status(&server, "trouble", "secured");
        assert_eq!(status["waiting"], 1, "{status}");
        assert!(mail.said().is_empty(), "{mode}: {:?}", mail.said());
        let shown = String::from_utf8(server.command("status", &[]).stdout).unwrap();
        assert!(shown.contains("mail: 1 waiting") && shown.contains("could not be secured"), "{shown}");
        let mut admin = server.administrator();
        let overview = admin.get("/admin");
        assert!(overview.text().contains("1 message waits") && overview.text().contains("secured"));
        drop(server);
        is_discreet(&log);
    }
}

#[test]
fn mail_waits_for_a_server_that_is_down_and_what_is_refused_holds_nothing_up() {
    let Some(python) =
        python("mail::mail_waits_for_a_server_that_is_down_and_what_is_refused_holds_nothing_up")
    else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (port, record) = (free_port(), dir.path().join("record"));
    let (mut server, log) = site(dir.path(), port, &[("VERITABLE_MAIL_SMTP_SECURITY", "none")]);
    join(&server, "mia");
    let status = wait_for_status(&server, "trouble", "reached");
    assert_eq!(status["waiting"], 1, "{status}");
    let mail = MailServer::start(python, port, "none", &record, None, &[]);
    wait_for("the message", || mail.messages("mia@example.org").pop());
    wait_for_status(&server, "waiting", "0");
    // One that is refused for good is given up, one refused for now waits, and others go meanwhile.
    for name in ["refused", "later", "otto"] {
        join(&server, name);
    }
    wait_for("the message", || mail.messages("otto@example.org").pop());
    let status = wait_for_status(&server, "waiting", "1");
    assert!(status["trouble"].is_null() || status["answer"] == 451 || status["answer"] == 550, "{status}");
    assert_eq!(mail.said().iter().filter(|said| said["rcpt"] == "refused@example.org").count(), 1);
    assert_eq!(mail.messages("mia@example.org").len(), 1, "sent once");
    // What waits outlives a restart.
    assert_eq!(server.command("stop", &[]).status.code(), Some(0));
    server.wait();
    let tries = || mail.said().iter().filter(|said| said["rcpt"] == "later@example.org").count();
    let before = tries();
    let (server, _log) = site(dir.path(), port, &[("VERITABLE_MAIL_SMTP_SECURITY", "none")]);
    wait_for("another try", || (tries() > before).then_some(()));
    drop(server);
    is_discreet(&log);
}
