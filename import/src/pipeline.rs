//! Two threads: one reads and renders, the caller's hands the commands to the writer. Rendering is what
//! costs; done beside the writer's work it costs no time of its own.

use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;

use veritable_domain::text::fold_line;
use veritable_writer_api::message::{Command, Import};

use crate::input::Meter;
use crate::{ImportError, Progress, Report, Sink};

/// Commands between the threads. Each holds at most a few MiB; more would only be memory.
const AHEAD: usize = 8;
/// Most bytes of text in one command: a message must fit the writer's frame and share its commit.
pub(crate) const MAX_COMMAND_BYTES: usize = 4 * 1024 * 1024;

/// The reading thread's end.
pub(crate) struct Feed {
    to_sink: SyncSender<Command>,
}

/// The sending thread is gone; its own error says why.
pub(crate) enum Stop {
    /// Nobody listens any more.
    Hangup,
    /// The source is broken.
    Failed(ImportError),
}

impl From<ImportError> for Stop {
    fn from(error: ImportError) -> Self {
        Stop::Failed(error)
    }
}

impl Feed {
    pub(crate) fn import(&self, step: Import) -> Result<(), Stop> {
        self.to_sink.send(Command::Import(Box::new(step))).map_err(|_| Stop::Hangup)
    }
}

/// Runs `read` on a thread of its own and sends what it feeds.
pub(crate) fn run(
    meter: &Meter,
    sink: &mut dyn Sink,
    progress: &mut dyn Progress,
    read: impl FnOnce(&Feed) -> Result<Report, Stop> + Send,
) -> Result<Report, ImportError> {
    let (to_sink, commands) = sync_channel(AHEAD);
    let result = thread::scope(|scope| {
        let reader = scope.spawn(move || read(&Feed { to_sink }));
        let mut sent = Ok(());
        while let Ok(command) = commands.recv() {
            sent = sink.send(command);
            if sent.is_err() {
                break;
            }
            progress.at(meter.read(), meter.total);
        }
        // The reader must not wait for a place in a queue nobody empties.
        drop(commands);
        let read = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sent.and(match read {
            Ok(report) => Ok(report),
            Err(Stop::Failed(error)) => Err(error),
            Err(Stop::Hangup) => Err(ImportError::Connection("sending stopped".to_owned())),
        })
    });
    progress.end();
    // What a broken file held before its fault is stored all the same; the fault is what is told.
    let tally = sink.finish();
    let mut report = result?;
    report.take(tally?);
    sink.send(finish(&report))?;
    report.take(sink.finish()?);
    Ok(report)
}

fn finish(report: &Report) -> Command {
    let read = &report.read;
    let summary = format!(
        "{} topics, {} posts, {} users, {} pages, {} revisions",
        read.topics, read.posts, read.users, read.pages, read.revisions
    );
    Command::Import(Box::new(Import::Finish { source: report.source.clone(), summary: fold_line(&summary) }))
}
