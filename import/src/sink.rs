//! Where commands go: the writer in production, a list in tests and dry runs.

use veritable_domain::ids::UserId;
use veritable_writer_api::message::{Accounts, Command, ImportTally, Outcome};

use crate::ImportError;

/// Takes commands in order.
pub trait Sink {
    /// Hands a command over. It may be carried out later; a refusal comes back from a later call.
    ///
    /// # Errors
    /// A refusal of this or an earlier command, or a lost connection.
    fn send(&mut self, command: Command) -> Result<(), ImportError>;

    /// Hands a command over and waits for what came of it.
    ///
    /// # Errors
    /// As [`Sink::send`].
    fn call(&mut self, command: Command) -> Result<Outcome, ImportError>;

    /// Waits for everything sent, and sums up what changed since the last call.
    ///
    /// # Errors
    /// As [`Sink::send`].
    fn finish(&mut self) -> Result<ImportTally, ImportError>;
}

/// Keeps every command; stores nothing.
#[derive(Debug, Default)]
pub struct Recorder {
    /// In the order they came.
    pub commands: Vec<Command>,
}

impl Sink for Recorder {
    fn send(&mut self, command: Command) -> Result<(), ImportError> {
        self.commands.push(command);
        Ok(())
    }

    fn call(&mut self, command: Command) -> Result<Outcome, ImportError> {
        let outcome = match &command {
            Command::Accounts(_, change) => match change.as_ref() {
                Accounts::CreateUser { .. } => Outcome::UserCreated { user: UserId(1) },
                _ => Outcome::Done,
            },
            Command::Import(_) => Outcome::Imported(ImportTally::default()),
            _ => Outcome::Done,
        };
        self.commands.push(command);
        Ok(outcome)
    }

    fn finish(&mut self) -> Result<ImportTally, ImportError> {
        Ok(ImportTally::default())
    }
}
