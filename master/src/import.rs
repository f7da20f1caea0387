//! Importing, and filling the demonstration: through the running server's writer if there is one, else
//! through a writer of our own, on a thread, for as long as it takes.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::thread::JoinHandle;

use anyhow::{Context, anyhow, bail};
use veritable_config::Config;
use veritable_config::channel::{Channel, DRAIN, READY};
use veritable_import::demo::{self, DemoAccounts};
use veritable_import::{Bar, WriterSink, discourse, mediawiki};
use veritable_writer::WriterError;
use veritable_writer_api::blocking::Client;

use crate::cli::{ImportTarget, Source};
use crate::{client, listeners, lock, out};

/// Present while the demonstration is being made: a first run that was broken off is finished by the next.
const SEEDING: &str = "demo.unfinished";

/// A writer in this process.
pub(crate) struct OwnWriter {
    master: UnixStream,
    thread: JoinHandle<Result<(), WriterError>>,
    socket: PathBuf,
}

impl OwnWriter {
    /// Starts it; the caller holds the data directory's lock.
    ///
    /// # Errors
    /// Its files or sockets cannot be used.
    pub(crate) fn start(config: &Config) -> anyhow::Result<OwnWriter> {
        listeners::make_runtime_dir(config)?;
        let socket = config.writer_socket();
        let listener = listeners::open_private(&socket)?;
        let (mut master, child) = UnixStream::pair().context("making a channel")?;
        let channel = Channel::new(child);
        let context = veritable_writer::Context {
            config: config.clone(),
            listener,
            segment: None,
            owner: None,
            channel,
        };
        let thread =
            std::thread::Builder::new().name("writer".into()).spawn(|| veritable_writer::run(context))?;
        let mut byte = [0];
        // It reports ready, or ends, and its end of the channel with it.
        let is_ready = master.read(&mut byte).is_ok_and(|count| count == 1) && byte[0] == READY;
        let writer = OwnWriter { master, thread, socket };
        if !is_ready {
            writer.join()?;
            bail!("the writer ended before it was ready");
        }
        Ok(writer)
    }

    /// Has it finish and waits for its end.
    ///
    /// # Errors
    /// It failed.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        self.master.write_all(&[DRAIN]).context("stopping the writer")?;
        self.join()
    }

    fn join(self) -> anyhow::Result<()> {
        let ended = self.thread.join().map_err(|_| anyhow!("the writer panicked"))?;
        fs::remove_file(&self.socket).context("removing the writer's socket")?;
        Ok(ended?)
    }
}

/// Runs an import and yields the exit code.
///
/// # Errors
/// One line that says where the import stopped.
pub(crate) fn run(config: &Config, source: &Source) -> anyhow::Result<u8> {
    if client::is_running(config) {
        return through(config, source);
    }
    let _lock = lock::take(&config.data_dir)?;
    let writer = OwnWriter::start(config)?;
    let outcome = through(config, source);
    writer.stop()?;
    outcome
}

/// Imports through the writer that listens.
fn through(config: &Config, source: &Source) -> anyhow::Result<u8> {
    let client = Client::connect(&config.writer_socket()).context("connecting to the writer")?;
    let (mut sink, mut bar) = (WriterSink::new(client), Bar::new("import"));
    let (target, report) = match source {
        Source::Discourse { target, categories, host } => {
            let (path, categories, host) = (target.path.clone(), categories.clone(), host.clone());
            let options = discourse::DiscourseOptions { path, categories, host };
            (target, discourse::run(&options, &mut sink, &mut bar)?)
        }
        Source::Mediawiki { target } => {
            let options = mediawiki::MediawikiOptions { path: target.path.clone() };
            (target, mediawiki::run(&options, &mut sink, &mut bar)?)
        }
    };
    if let Some(path) = &target.report {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(path, json).with_context(|| format!("writing the report {}", path.display()))?;
    }
    out::line(&report.to_string());
    Ok(report.completion().code())
}

impl Source {
    /// Whence and whither.
    pub(crate) fn target(&self) -> &ImportTarget {
        match self {
            Source::Discourse { target, .. } | Source::Mediawiki { target } => target,
        }
    }
}

/// Makes the demonstration's community in a data directory without databases, or finishes it. The caller
/// holds the lock.
///
/// # Errors
/// The community cannot be made.
pub(crate) fn seed_demo(config: &Config) -> anyhow::Result<Option<DemoAccounts>> {
    let mark = config.data_dir.join(SEEDING);
    if config.forums_db().exists() && !mark.exists() {
        return Ok(None);
    }
    veritable_writer::database::is_free(config, veritable_writer::database::Database::Forums)?;
    fs::write(&mark, b"").with_context(|| format!("writing {}", mark.display()))?;
    let writer = OwnWriter::start(config)?;
    let seeded = Client::connect(&config.writer_socket())
        .map_err(anyhow::Error::from)
        .and_then(|client| Ok(demo::seed(&mut WriterSink::new(client))?));
    writer.stop()?;
    let accounts = seeded.context("making the demonstration")?;
    fs::remove_file(&mark).with_context(|| format!("removing {}", mark.display()))?;
    Ok(Some(accounts))
}
