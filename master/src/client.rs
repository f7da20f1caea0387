//! The commands that talk to a running server over its control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use anyhow::{Context, bail};
use serde_json::Value;
use veritable_config::Config;

use crate::control::Request;
use crate::{lock, out, status};

/// The connection ended instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("the server ended before it answered")]
struct Ended;

/// A connection to the server of a data directory.
struct Client {
    stream: BufReader<UnixStream>,
}

/// Whether a server runs on the data directory of `config`.
pub(crate) fn is_running(config: &Config) -> bool {
    UnixStream::connect(config.control_socket()).is_ok()
}

impl Client {
    fn connect(config: &Config) -> anyhow::Result<Client> {
        match UnixStream::connect(config.control_socket()) {
            Ok(stream) => Ok(Client { stream: BufReader::new(stream) }),
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) =>
            {
                bail!("no server runs on {} (is --data-dir right?)", config.data_dir.display())
            }
            Err(error) => Err(error).with_context(|| format!("asking {}", config.control_socket().display())),
        }
    }

    fn ask(&mut self, request: Request) -> anyhow::Result<Value> {
        let mut line = serde_json::to_string(&request)?;
        line.push('\n');
        self.stream.get_mut().write_all(line.as_bytes()).context("asking the server")?;
        let mut answer = String::new();
        match self.stream.read_line(&mut answer) {
            Ok(0) => return Err(Ended.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Err(Ended.into()),
            Err(error) => return Err(error).context("asking the server"),
        }
        let answer: Value = serde_json::from_str(&answer).context("the server's answer")?;
        match answer["error"].as_str() {
            Some(reason) => bail!("{reason}"),
            None => Ok(answer),
        }
    }
}

/// Prints how the server is.
///
/// # Errors
/// No server runs, or it does not answer.
pub(crate) fn status(config: &Config, as_json: bool) -> anyhow::Result<()> {
    let answer = Client::connect(config)?.ask(Request::Status)?;
    out::line(&if as_json { answer.to_string() } else { status::table(&answer) });
    Ok(())
}

/// Reloads and waits for the outcome.
///
/// # Errors
/// Why the old processes go on serving.
pub(crate) fn reload(config: &Config) -> anyhow::Result<()> {
    let answer = Client::connect(config)?.ask(Request::Reload)?;
    out::line(&format!("Reloaded; this is generation {}.", answer["generation"]));
    Ok(())
}

/// Has the master replaced by the binary on disk, then everything else.
///
/// # Errors
/// Why the old master, or the old processes, go on.
pub(crate) fn upgrade(config: &Config) -> anyhow::Result<()> {
    let upgrades = |status: &Value| status["upgrades"].as_u64().unwrap_or_default();
    let before = upgrades(&Client::connect(config)?.ask(Request::Status)?);
    match Client::connect(config)?.ask(Request::Upgrade) {
        Ok(_) => bail!("the master answered where it should have ended the connection"),
        Err(error) if error.is::<Ended>() => {}
        Err(error) => return Err(error),
    }
    // The next image answers on the same socket.
    let status = Client::connect(config)?.ask(Request::Status)?;
    if upgrades(&status) == before {
        let why = status["last_upgrade_error"].as_str().unwrap_or("it does not say why");
        bail!("the new master gave up and the old one goes on: {why}");
    }
    reload(config)
}

/// Stops the server and waits until it is gone.
///
/// # Errors
/// No server runs.
pub(crate) fn stop(config: &Config) -> anyhow::Result<()> {
    let mut client = Client::connect(config)?;
    let answer = client.ask(Request::Stop)?;
    // The connection ends with the server, however it ends.
    match client.stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => return Err(error).context("waiting for the server's end"),
    }
    let pid = answer["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
    lock::wait_for_end(&config.data_dir, pid).context("waiting for the server's end")?;
    out::line("Stopped.");
    Ok(())
}
