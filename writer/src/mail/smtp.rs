//! Sending by a mail server (RFC 5321), over a connection that is kept for as long as there is something to send.

use std::path::PathBuf;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailBodyParameter, MailParameter};
use veritable_config::Config;
use veritable_config::settings::MailSecurity;

use super::{Failed, MailTrouble};

/// Longest wait for the server, for each thing it is to do. RFC 5321 (4.5.3.2) has minutes for servers that look at a
/// message while the sender waits; ours is asked again, and mail may come twice rather than block all other mail.
const PATIENCE: Duration = Duration::from_secs(60);
/// How the server may be told the password.
const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];

/// A mail server, and the connection to it while there is one.
pub(super) struct Smtp {
    host: String,
    port: u16,
    security: MailSecurity,
    login: Option<Credentials>,
    /// Authorities to trust instead of the system's.
    authorities: Option<PathBuf>,
    hello: ClientId,
    connection: Option<SmtpConnection>,
}

impl Smtp {
    pub(super) fn of(config: &Config, from: Option<&Mailbox>) -> Smtp {
        let mail = &config.mail;
        // What this host is called only its mail server knows; the sender's domain is ours in any case.
        let domain = from.map_or("localhost", |from| from.email.domain());
        Smtp {
            host: mail.smtp_host.clone(),
            port: mail.smtp_port,
            security: mail.smtp_security,
            login: (!mail.smtp_user.is_empty())
                .then(|| Credentials::new(mail.smtp_user.clone(), mail.smtp_password.clone())),
            authorities: (!mail.smtp_ca_file.as_os_str().is_empty()).then(|| mail.smtp_ca_file.clone()),
            hello: ClientId::Domain(domain.to_owned()),
            connection: None,
        }
    }

    /// Sends one message.
    ///
    /// # Errors
    /// Why the server did not take it.
    pub(super) fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<(), Failed> {
        let mut connection = match self.connection.take() {
            Some(open) => open,
            None => self.connect()?,
        };
        match hand_over(&mut connection, envelope, message) {
            Ok(()) => {
                self.connection = Some(connection);
                Ok(())
            }
            Err(failed) => {
                // Where the server is in its conversation is not known any more.
                connection.abort();
                Err(failed)
            }
        }
    }

    /// Ends the connection in good order.
    pub(super) fn rest(&mut self) {
        if let Some(mut connection) = self.connection.take()
            && let Err(error) = connection.quit()
        {
            tracing::debug!(code = ?code(&error), "the mail server did not say goodbye");
        }
    }

    fn connect(&self) -> Result<SmtpConnection, Failed> {
        let tls = match self.security {
            MailSecurity::None => None,
            MailSecurity::Starttls | MailSecurity::Tls => Some(self.tls()?),
        };
        let at_once = tls.as_ref().filter(|_| self.security == MailSecurity::Tls);
        let server = (self.host.as_str(), self.port);
        let mut connection = SmtpConnection::connect(server, Some(PATIENCE), &self.hello, at_once, None)
            .map_err(|error| failed(&error, MailTrouble::Connection))?;
        if let Some(tls) = tls.filter(|_| self.security == MailSecurity::Starttls) {
            // A server that does not offer it, or somebody in between who hides it, gets nothing.
            connection
                .starttls(&tls, &self.hello)
                .map_err(|error| Failed { trouble: MailTrouble::Tls, code: code(&error) })?;
        }
        if let Some(login) = &self.login {
            connection.auth(MECHANISMS, login).map_err(|error| failed(&error, MailTrouble::Login))?;
        }
        Ok(connection)
    }

    /// Read anew for each connection: certificates are renewed while the server runs.
    fn tls(&self) -> Result<TlsParameters, Failed> {
        let cannot = |error: &dyn std::fmt::Display| {
            tracing::warn!(%error, "the authorities for the mail server's certificate cannot be read");
            Failed::from(MailTrouble::Tls)
        };
        let mut parameters = TlsParameters::builder(self.host.clone());
        if let Some(path) = &self.authorities {
            let pem = std::fs::read(path).map_err(|error| cannot(&error))?;
            let authority = Certificate::from_pem(&pem).map_err(|error| cannot(&error))?;
            parameters = parameters.certificate_store(CertificateStore::None).add_root_certificate(authority);
        }
        parameters.build().map_err(|error| cannot(&error))
    }
}

/// One message over an open connection; each step tells by itself whose fault it is.
fn hand_over(connection: &mut SmtpConnection, envelope: &Envelope, message: &[u8]) -> Result<(), Failed> {
    let info = connection.server_info();
    let mut options = Vec::new();
    let mut addresses = envelope.from().into_iter().chain(envelope.to());
    if addresses.any(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        // RFC 6531: a server that does not say so cannot be given such an address.
        if !info.supports_feature(Extension::SmtpUtfEight) {
            return Err(MailTrouble::Malformed.into());
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !message.is_ascii() {
        if !info.supports_feature(Extension::EightBitMime) {
            return Err(MailTrouble::Malformed.into());
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    let from: Option<Address> = envelope.from().cloned();
    let of_message = |error: Error| failed(&error, MailTrouble::Message);
    connection.command(Mail::new(from, options)).map_err(|error| failed(&error, MailTrouble::Sender))?;
    for recipient in envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).map_err(of_message)?;
    }
    connection.command(Data).map_err(of_message)?;
    connection.message(message).map_err(of_message)?;
    Ok(())
}

/// `step` is what an answer of the server is about; what is no answer tells by itself.
fn failed(error: &Error, step: MailTrouble) -> Failed {
    // The server's words may name the recipient: only the code is kept.
    let trouble = if error.is_tls() || is_of_tls(error) {
        MailTrouble::Tls
    } else if code(error).is_some() || error.is_client() {
        step
    } else {
        MailTrouble::Connection
    };
    Failed { trouble, code: code(error) }
}

/// Whether the handshake failed: rustls says so as of data that make no sense, when they are first read.
fn is_of_tls(error: &Error) -> bool {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let mut causes = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    causes.any(|cause| cause.kind() == std::io::ErrorKind::InvalidData)
}

fn code(error: &Error) -> Option<u16> {
    error.status().map(u16::from)
}
