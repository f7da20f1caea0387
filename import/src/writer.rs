//! The sink that stores: commands go to the writer some ahead of their answers, which the writer's group
//! commits turn into few disk flushes.

use veritable_domain::text::fold_line;
use veritable_writer_api::CallError;
use veritable_writer_api::blocking::Client;
use veritable_writer_api::frame::FrameError;
use veritable_writer_api::message::{Command, IdempotencyKey, Import, ImportTally, Outcome};

use crate::{ImportError, Sink};

/// Commands sent ahead of their answers: enough to keep the writer busy, few enough that their text
/// stays within the importer's share of memory on both sides.
const MAX_IN_FLIGHT: usize = 16;
/// Notes of the writer kept until they are reported.
const MAX_NOTES: usize = 10_000;

/// Sends to a writer.
pub struct WriterSink {
    client: Client,
    tally: ImportTally,
}

impl WriterSink {
    /// Sends by `client`, which nobody else uses meanwhile.
    pub fn new(client: Client) -> Self {
        WriterSink { client, tally: ImportTally::default() }
    }

    fn receive(&mut self) -> Result<(), ImportError> {
        if let Outcome::Imported(step) = self.client.receive().map_err(broken)?.result? {
            self.tally.added += step.added;
            self.tally.changed += step.changed;
            self.tally.unchanged += step.unchanged;
            let room = MAX_NOTES.saturating_sub(self.tally.notes.len());
            self.tally.notes.extend(step.notes.into_iter().take(room));
        }
        Ok(())
    }

    fn receive_all(&mut self) -> Result<(), ImportError> {
        while self.client.in_flight() > 0 {
            self.receive()?;
        }
        Ok(())
    }
}

/// What a command is about, for an error.
fn name(command: &Command) -> String {
    let Command::Import(step) = command else { return "a command".to_owned() };
    match &**step {
        Import::Topic { topic, .. } => {
            let first = topic.posts.first().map_or(0, |post| post.number);
            format!("topic {} from post {first}", topic.foreign_id)
        }
        Import::Page { page, .. } => {
            let first = page.revisions.first().map_or("", |revision| &revision.foreign_id);
            format!("page {} ({:?}) from revision {first}", page.foreign_id, page.title.as_str())
        }
        _ => "a step of the import".to_owned(),
    }
}

fn broken(error: FrameError) -> ImportError {
    ImportError::Connection(fold_line(&error.to_string()))
}

impl Sink for WriterSink {
    fn send(&mut self, command: Command) -> Result<(), ImportError> {
        while self.client.in_flight() >= MAX_IN_FLIGHT {
            self.receive()?;
        }
        let what = name(&command);
        self.client.submit(IdempotencyKey::fresh(), command).map_err(|error| match error {
            source @ (FrameError::TooLong { .. } | FrameError::Codec(_)) => {
                ImportError::TooLarge { what, source }
            }
            error => broken(error),
        })?;
        Ok(())
    }

    fn call(&mut self, command: Command) -> Result<Outcome, ImportError> {
        self.receive_all()?;
        self.client.call(command).map_err(|error| match error {
            CallError::Refused(refusal) => ImportError::Refused(refusal),
            other => ImportError::Connection(other.to_string()),
        })
    }

    fn finish(&mut self) -> Result<ImportTally, ImportError> {
        self.receive_all()?;
        Ok(std::mem::take(&mut self.tally))
    }
}
