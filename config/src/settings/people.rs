//! Who may join and how, mail, and what people upload.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Switch;

/// Who may join, and how they log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Accounts {
    /// Who may sign up.
    pub registration: Registration,
    /// Whether browsers reach the site by plain HTTP.
    pub plain_http: Switch,
    /// Whether browsers are told to come by HTTPS only.
    pub hsts: Switch,
    /// Days after its last use at which a session ends.
    pub session_days: u32,
    /// scrypt's N as a power of two.
    pub scrypt_log_n: u8,
    /// scrypt's block size.
    pub scrypt_r: u32,
    /// scrypt's parallelisation.
    pub scrypt_p: u32,
    /// Threads of each worker that hash passwords; 0: the cores divided by the workers.
    pub hash_threads: u16,
    /// Passwords that may wait for them; one more is refused at once.
    pub hash_queue: u32,
    /// Whether changes are counted and refused when there are too many.
    pub limits: Switch,
}

impl Default for Accounts {
    fn default() -> Self {
        Accounts {
            registration: Registration::Open,
            plain_http: Switch::Off,
            hsts: Switch::Off,
            session_days: 30,
            scrypt_log_n: 14,
            scrypt_r: 8,
            scrypt_p: 1,
            hash_threads: 0,
            hash_queue: 32,
            limits: Switch::On,
        }
    }
}

/// Who may sign up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Registration {
    /// Everybody.
    Open,
    /// Everybody with an invitation.
    Invitation,
    /// Everybody, but an administrator has to approve.
    Approval,
    /// Nobody: administrators make accounts.
    Closed,
}

/// How mail is sent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mail {
    /// By what.
    pub transport: MailTransport,
    /// The sender's address.
    pub from: String,
    /// Name or address of the server that takes it.
    pub smtp_host: String,
    /// Its port.
    pub smtp_port: u16,
    /// How the connection is secured.
    pub smtp_security: MailSecurity,
    /// Name to log in there; empty: without.
    pub smtp_user: String,
    /// The password for it.
    pub smtp_password: String,
    /// Certificates of authorities to trust instead of the system's; empty: the system's.
    pub smtp_ca_file: PathBuf,
}

impl std::fmt::Debug for Mail {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Mail { transport, from, smtp_host, smtp_port, smtp_security, smtp_user, .. } = self;
        f.debug_struct("Mail")
            .field("transport", transport)
            .field("from", from)
            .field("smtp_host", smtp_host)
            .field("smtp_port", smtp_port)
            .field("smtp_security", smtp_security)
            .field("smtp_user", smtp_user)
            .finish_non_exhaustive()
    }
}

impl Default for Mail {
    fn default() -> Self {
        Mail {
            transport: MailTransport::File,
            from: "veritable@localhost".into(),
            smtp_host: String::new(),
            smtp_port: 587,
            smtp_security: MailSecurity::Starttls,
            smtp_user: String::new(),
            smtp_password: String::new(),
            smtp_ca_file: PathBuf::new(),
        }
    }
}

/// By what mail is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTransport {
    /// A file a message, in `mail` within the data directory.
    File,
    /// A mail server.
    Smtp,
    /// Not at all: addresses are not verified, and nobody can reset a password alone.
    Off,
}

/// How the connection to a mail server is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailSecurity {
    /// It begins in clear and must change to TLS.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on this host.
    None,
}

/// Pictures that people upload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Uploads {
    /// Most bytes of a picture as it is sent; 0: nobody uploads anything.
    pub max_bytes: u64,
    /// Bytes that all pictures of one account may take.
    pub account_bytes: u64,
}

impl Default for Uploads {
    fn default() -> Self {
        Uploads { max_bytes: 5 * 1024 * 1024, account_bytes: 200 * 1024 * 1024 }
    }
}
