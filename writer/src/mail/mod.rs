//! Mail on its way out: how a message is written down (RFC 5322), and the two ways it can go. Which message goes when is
//! `clerk`'s matter. Nothing here says anybody's address to the log.

mod smtp;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use veritable_config::Config;
use veritable_config::settings::MailTransport;

use self::smtp::Smtp;

/// A message of the outbox.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: i64,
    pub(crate) address: String,
    pub(crate) subject: String,
    pub(crate) body: String,
    /// Milliseconds since 1970.
    pub(crate) created_at: i64,
    /// Tries that failed.
    pub(crate) attempts: u32,
}

/// What went wrong, as `veritable status` shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum MailTrouble {
    /// The server cannot be reached, or broke off.
    Connection = 1,
    /// The connection could not be secured.
    Tls = 2,
    /// The server does not take the name and password.
    Login = 3,
    /// The server does not take this sender.
    Sender = 4,
    /// The server does not take this message, or its recipient.
    Message = 5,
    /// The file could not be written.
    File = 6,
    /// The message could not be written down: an address is none.
    Malformed = 7,
}

impl MailTrouble {
    const ALL: [MailTrouble; 7] = [
        MailTrouble::Connection,
        MailTrouble::Tls,
        MailTrouble::Login,
        MailTrouble::Sender,
        MailTrouble::Message,
        MailTrouble::File,
        MailTrouble::Malformed,
    ];

    /// Takes back the number that a store has; `None` for none.
    #[must_use]
    pub fn from_number(number: u64) -> Option<MailTrouble> {
        Self::ALL.into_iter().find(|trouble| *trouble as u64 == number)
    }

    /// In words, for people who run the server.
    #[must_use]
    pub fn said(self) -> &'static str {
        match self {
            MailTrouble::Connection => "the mail server cannot be reached, or broke off",
            MailTrouble::Tls => "the connection to the mail server could not be secured",
            MailTrouble::Login => "the mail server does not take mail.smtp_user with its password",
            MailTrouble::Sender => "the mail server does not take mail from mail.from",
            MailTrouble::Message => "the mail server does not take a message or its recipient",
            MailTrouble::File => "a message could not be written as a file",
            MailTrouble::Malformed => "a message could not be written down: an address is none",
        }
    }
}

/// Why a message did not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failed {
    pub(crate) trouble: MailTrouble,
    /// What the server answered (RFC 5321, 4.2).
    pub(crate) code: Option<u16>,
}

impl Failed {
    /// Whether the next message would fail alike.
    pub(crate) fn is_of_all(self) -> bool {
        !matches!(self.trouble, MailTrouble::Message | MailTrouble::Malformed)
    }

    /// Whether trying again is of no use: the server said for good that it does not take this message.
    pub(crate) fn is_for_good(self) -> bool {
        match self.trouble {
            MailTrouble::Malformed => true,
            MailTrouble::Message => self.code.is_some_and(|code| code >= 500),
            _ => false,
        }
    }

    /// In a line without anybody's address.
    pub(crate) fn said(self) -> String {
        match self.code {
            Some(code) => format!("{} (it answered {code})", self.trouble.said()),
            None => self.trouble.said().to_owned(),
        }
    }
}

impl From<MailTrouble> for Failed {
    fn from(trouble: MailTrouble) -> Failed {
        Failed { trouble, code: None }
    }
}

/// The way that mail goes.
pub(crate) struct Post {
    from: Option<Mailbox>,
    way: Way,
}

enum Way {
    File(PathBuf),
    Smtp(Box<Smtp>),
    Off,
}

impl Post {
    /// By the settings.
    pub(crate) fn of(config: &Config) -> Post {
        let from: Option<Mailbox> = config.mail.from.parse().ok();
        if from.is_none() {
            tracing::error!("mail.from is no address; no mail is sent");
        }
        let way = match config.mail.transport {
            MailTransport::File => Way::File(config.data_dir.join("mail")),
            MailTransport::Smtp => Way::Smtp(Box::new(Smtp::of(config, from.as_ref()))),
            MailTransport::Off => Way::Off,
        };
        Post { from, way }
    }

    /// Whether anything is sent at all.
    pub(crate) fn is_off(&self) -> bool {
        matches!(self.way, Way::Off)
    }

    /// Sends one message.
    ///
    /// # Errors
    /// [`Failed`] says why it did not go.
    pub(crate) fn send(&mut self, outgoing: &Outgoing) -> Result<(), Failed> {
        let from = self.from.clone().ok_or(MailTrouble::Sender)?;
        let message = write_down(&from, outgoing).ok_or(MailTrouble::Malformed)?;
        match &mut self.way {
            Way::File(dir) => save(dir, outgoing.id, &message.formatted()).map_err(|error| {
                tracing::warn!(%error, dir = %dir.display(), "a message could not be written");
                MailTrouble::File.into()
            }),
            Way::Smtp(smtp) => smtp.send(message.envelope(), &message.formatted()),
            Way::Off => Ok(()),
        }
    }

    /// There are no more for now.
    pub(crate) fn rest(&mut self) {
        if let Way::Smtp(smtp) = &mut self.way {
            smtp.rest();
        }
    }
}

/// The message as it is sent. Its id is the same each time it is tried, so that mailboxes can tell a message that came
/// twice.
fn write_down(from: &Mailbox, outgoing: &Outgoing) -> Option<Message> {
    let Outgoing { id, address, subject, body, created_at, .. } = outgoing;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(*created_at).ok()?);
    // RFC 3834, 5: no holiday notes in answer.
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, address.parse().ok()?))
        .date(at)
        .message_id(Some(format!("<{created_at}.{id}.veritable@{}>", from.email.domain())))
        .subject(subject)
        .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
        .body(body.clone())
        .ok()
}

/// Writes a message as a file named by its number: one that is written twice is there once. Messages have links in them
/// that are good for whoever has them, so they are for this user alone.
fn save(dir: &Path, id: i64, bytes: &[u8]) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let (path, partial) = (dir.join(format!("{id:08}.eml")), dir.join(format!("{id:08}.partial")));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(partial, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(address: &str, subject: &str) -> Outgoing {
        let (subject, body) =
            (subject.to_owned(), "Hello Mia,\n\n.\nhttps://a.example/verify/x_y\n".to_owned());
        Outgoing {
            id: 7,
            address: address.to_owned(),
            subject,
            body,
            created_at: 1_479_014_551_250,
            attempts: 0,
        }
    }

    #[test]
    fn a_message_is_written_as_rfc_5322_has_it_and_once() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        config.mail.from = "Workshop <forum@example.org>".into();
        let mut post = Post::of(&config);
        post.send(&outgoing("mia@example.org", "Grüße\r\nBcc: x@example.org")).unwrap();
        post.send(&outgoing("mia@example.org", "Again")).unwrap();
        let files: Vec<_> = fs::read_dir(dir.path().join("mail")).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1);
        let text = fs::read_to_string(files[0].path()).unwrap();
        for line in [
            "From: Workshop <forum@example.org>",
            "To: mia@example.org",
            "Subject: Again",
            "Message-ID: <1479014551250.7.veritable@example.org>",
            "Date: Sun, 13 Nov 2016 05:22:31 +0000",
            "Auto-Submitted: auto-generated",
            "https://a.example/verify/x_y",
        ] {
            assert!(text.contains(&format!("{line}\r\n")), "{line} is not in {text}");
        }
        post.send(&outgoing("mia@example.org", "Grüße\r\nBcc: x@example.org")).unwrap();
        let text = fs::read_to_string(files[0].path()).unwrap();
        assert!(!text.contains("\r\nBcc:") && text.contains("Subject: =?utf-8?"), "{text}");
        let permissions =
            std::os::unix::fs::PermissionsExt::mode(&files[0].metadata().unwrap().permissions());
        assert_eq!(permissions & 0o777, 0o600);
    }

    #[test]
    fn failures_say_what_to_do_with_the_message_and_nobodys_address() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data_dir: dir.path().to_owned(), ..Config::default() };
        let failed = Post::of(&config).send(&outgoing("nonsense", "x")).unwrap_err();
        assert!(failed.is_for_good() && !failed.is_of_all());
        assert!(!failed.said().contains("nonsense"));
        let refused = |code| Failed { trouble: MailTrouble::Message, code: Some(code) };
        assert!(refused(550).is_for_good() && !refused(451).is_for_good());
        assert!(Failed::from(MailTrouble::Connection).is_of_all());
        for trouble in MailTrouble::ALL {
            assert_eq!(MailTrouble::from_number(trouble as u64), Some(trouble));
        }
        assert_eq!(MailTrouble::from_number(0), None);
    }
}
