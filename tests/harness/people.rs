//! A demonstration with somebody of every role, and things of theirs: what a test that walks every address needs.

use rusqlite::{Connection as Database, params};
use sha2::{Digest, Sha256};

use super::browser::Browser;
use super::server::{Server, veritable};

/// The password of all of them.
pub(crate) const PASSWORD: &str = "several unusual words";
/// One password of all, so that their accounts are made at once: its hash, cheap to check.
const LOG_N: &str = "10";

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// Nobody in particular.
    Guest,
    /// The member whose things are asked for.
    Owner,
    /// Another member.
    Other,
    Moderator,
    Administrator,
}

impl Who {
    pub(crate) const ALL: [Who; 5] = [Who::Guest, Who::Owner, Who::Other, Who::Moderator, Who::Administrator];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Who::Guest => "guest",
            Who::Owner => "owner",
            Who::Other => "other",
            Who::Moderator => "keeper",
            Who::Administrator => "admin",
        }
    }
}

/// The server and everybody there.
pub(crate) struct Community {
    pub(crate) server: Server,
    pub(crate) browsers: Vec<Browser>,
    _dir: tempfile::TempDir,
}

impl Community {
    /// A demonstration with two workers; who is asked for is logged in.
    pub(crate) fn new() -> Community {
        Community::with(&[])
    }

    /// The same with more settings, as variables.
    pub(crate) fn with(settings: &[(&str, &str)]) -> Community {
        let dir = tempfile::tempdir().unwrap();
        let mut program = veritable();
        program
            .env("VERITABLE_ACCOUNTS_LIMITS", "off")
            .env("VERITABLE_ACCOUNTS_SCRYPT_LOG_N", LOG_N)
            // The proxy in front of it may say where people are: one host is all of them here.
            .env("VERITABLE_HTTP_TRUSTED_PROXIES", "127.0.0.0/8")
            .envs(settings.iter().copied());
        let server = Server::start(program, "demo", dir.path(), &[]);
        let administrator = server.administrator();
        let mut browsers = vec![Browser::new(&server)];
        for who in [Who::Owner, Who::Other, Who::Moderator] {
            let role = if who == Who::Moderator { 2 } else { 1 };
            browsers.push(join(&server, who.name(), role));
        }
        browsers.push(administrator);
        Community { server, browsers, _dir: dir }
    }

    pub(crate) fn database(&self) -> Database {
        let db = Database::open(self.server.data_dir.join("forums.db")).unwrap();
        db.busy_timeout(super::PATIENCE).unwrap();
        db
    }

    pub(crate) fn browser(&mut self, who: Who) -> &mut Browser {
        let at = Who::ALL.iter().position(|each| *each == who).unwrap();
        &mut self.browsers[at]
    }

    pub(crate) fn user(&self, who: Who) -> i64 {
        let name = who.name();
        self.database()
            .query_row("SELECT id FROM users WHERE name_key = ?1", [name], |row| row.get(0))
            .unwrap()
    }

    /// A token for the API of somebody's, with these scopes' bits.
    pub(crate) fn token(&self, who: Who, scopes: u8) -> String {
        let token = format!("vt_{}_{scopes}", who.name());
        let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let sql = "INSERT OR IGNORE INTO api_tokens (token_hash, user_id, name, created_at, scopes) VALUES (?1, ?2, ?3, 0, ?4)";
        self.database().execute(sql, params![hash, self.user(who), token, scopes]).unwrap();
        token
    }
}

/// Signs somebody up and logs in, from an address of its own.
fn join(server: &Server, name: &str, role: i64) -> Browser {
    let mut browser = Browser::new(server);
    browser.from = Some(format!("198.51.100.{}", name.len()));
    let address = format!("{name}@example.org");
    let form = browser.form("/signup", "/signup").set("name", name).set("address", &address);
    let joined = browser.submit(&form.set("password", PASSWORD));
    assert_eq!(joined.status, 200, "{}", joined.text());
    let db = Database::open(server.data_dir.join("forums.db")).unwrap();
    db.busy_timeout(super::PATIENCE).unwrap();
    let sql = "UPDATE users SET verified_at = 1, role = ?2 WHERE name_key = ?1";
    assert_eq!(db.execute(sql, params![name, role]).unwrap(), 1);
    assert_eq!(browser.log_in(name, PASSWORD).status, 303);
    browser
}
