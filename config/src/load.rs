//! Reading the settings: defaults, then the file, then the environment, then flags, each value checked where
//! it stands, so that an error names its line, its variable or its flag.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use email_address::{EmailAddress, Options as EmailOptions};
use ipnet::IpNet;
use serde::de::Error as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Config;
use crate::keys::{KEYS, Key, Kind};
use crate::settings::MailTransport;

/// Longest path of a Unix socket, its final zero left out (`sun_path` of unix(7)).
const SOCKET_PATH_MAX: usize = 107;
/// Bytes of cache an entry needs at the least; the segment's own bound.
const CACHE_BYTES_PER_ENTRY: u64 = 512;
/// Largest configuration file read: a hundred times a complete one.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// What the names of settings in the environment begin with.
const VARIABLES: &str = "VERITABLE_";
/// What the project's own tests are told: no settings, but they may be there.
const OF_TESTS: [&str; 2] = ["VERITABLE_DATA", "VERITABLE_FULL"];

/// What the command line says; it wins over everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--listen`, each of them; empty: not given.
    pub listen: Vec<String>,
    /// `--workers`
    pub workers: Option<u16>,
    /// `--plain-http`
    pub plain_http: bool,
}

/// Why a configuration is refused: where, and what was expected there. One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    origin: String,
    reason: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.origin, self.reason)
    }
}

impl std::error::Error for ConfigError {}

fn refuse<T>(origin: &str, reason: impl Into<String>) -> Result<T, ConfigError> {
    Err(ConfigError { origin: origin.to_owned(), reason: reason.into() })
}

/// The settings that hold: those of `path` (none: no file), of the environment, of `overrides`.
///
/// # Errors
/// The file cannot be read, or anything in it or around it is not what it should be.
pub fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Config, ConfigError> {
    load_over(Config::default(), path, overrides)
}

/// Like [`load`], with other defaults.
///
/// # Errors
/// As [`load`].
pub fn load_over(base: Config, path: Option<&Path>, overrides: &Overrides) -> Result<Config, ConfigError> {
    let file = path.map(|path| Ok((path, read(path)?))).transpose()?;
    let environment = std::env::vars_os()
        .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_string_lossy().into_owned()))
        .collect();
    combine(base, file.as_ref().map(|(path, text)| (*path, text.as_str())), &environment, overrides)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let origin = path.display().to_string();
    let fail = |error: std::io::Error| ConfigError { origin: origin.clone(), reason: error.to_string() };
    if std::fs::metadata(path).map_err(fail)?.len() > FILE_BYTES_MAX {
        return refuse(&origin, format!("larger than {FILE_BYTES_MAX} bytes"));
    }
    std::fs::read_to_string(path).map_err(fail)
}

/// Values by dotted name, each with where it came from.
#[derive(Default)]
struct Found(BTreeMap<&'static str, (toml::Value, String)>);

/// The settings that hold: those of a file's text, of variables, of `overrides`, over `base`.
///
/// # Errors
/// Anything in them is not what it should be.
pub fn combine(
    base: Config,
    file: Option<(&Path, &str)>,
    environment: &BTreeMap<String, String>,
    overrides: &Overrides,
) -> Result<Config, ConfigError> {
    let mut found = Found::default();
    if let Some((path, text)) = file {
        found.file(path, text)?;
    }
    for (name, text) in environment.iter().filter(|(name, _)| name.starts_with(VARIABLES)) {
        let origin = format!("environment variable {name}");
        match KEYS.iter().find(|key| key.variable() == *name) {
            Some(key) => found.put(key, from_text(key, text), origin)?,
            None if OF_TESTS.contains(&name.as_str()) => {}
            None => return refuse(&origin, unknown_variable(name)),
        }
    }
    found.flags(overrides)?;
    let values = found.0.iter().map(|(name, (value, _))| (*name, value.clone()));
    let config = assemble(base, values).map_err(|error| ConfigError {
        origin: "configuration".into(),
        reason: error.message().to_owned(),
    })?;
    found.check_together(&config)?;
    Ok(config)
}

impl Found {
    fn file(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let at = |offset: usize| {
            let line = 1 + text.bytes().take(offset).filter(|&byte| byte == b'\n').count();
            format!("{}:{line}", path.display())
        };
        let document = DeTable::parse(text).map_err(|error| ConfigError {
            origin: at(error.span().map_or(0, |span| span.start)),
            reason: error.message().lines().collect::<Vec<_>>().join("; "),
        })?;
        self.table("", document.get_ref(), &at)
    }

    fn table(
        &mut self,
        prefix: &str,
        table: &DeTable<'_>,
        at: &dyn Fn(usize) -> String,
    ) -> Result<(), ConfigError> {
        // In the file's order, so that the first fault is the one reported.
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in entries {
            let dotted = format!("{prefix}{}", name.get_ref());
            let is_section = KEYS.iter().any(|key| key.name.starts_with(&format!("{dotted}.")));
            match (value.get_ref(), KEYS.iter().find(|key| key.name == dotted)) {
                (_, Some(key)) => self.put(key, from_toml(value), at(value.span().start))?,
                (DeValue::Table(inner), None) if is_section => {
                    self.table(&format!("{dotted}."), inner, at)?;
                }
                (_, None) if is_section => {
                    return refuse(
                        &at(value.span().start),
                        format!("{dotted}: expected a section [{dotted}]"),
                    );
                }
                (_, None) => return refuse(&at(name.span().start), unknown(&dotted)),
            }
        }
        Ok(())
    }

    fn flags(&mut self, overrides: &Overrides) -> Result<(), ConfigError> {
        let mut flag = |name: &str, value: toml::Value, flag: &str| {
            let key = KEYS.iter().find(|key| key.name == name);
            key.map_or(Ok(()), |key| self.put(key, Some(value), flag.to_owned()))
        };
        if let Some(path) = &overrides.data_dir {
            flag("data_dir", path.to_string_lossy().into_owned().into(), "--data-dir")?;
        }
        if !overrides.listen.is_empty() {
            flag("listen", overrides.listen.clone().into(), "--listen")?;
        }
        if let Some(workers) = overrides.workers {
            flag("workers", i64::from(workers).into(), "--workers")?;
        }
        if overrides.plain_http {
            flag("accounts.plain_http", "on".into(), "--plain-http")?;
        }
        Ok(())
    }

    /// Takes a value over an earlier one. `None` is one of a type no key has.
    fn put(&mut self, key: &Key, value: Option<toml::Value>, origin: String) -> Result<(), ConfigError> {
        match value {
            Some(value) if fits(key, &value) => {
                self.0.insert(key.name, (value, origin));
                Ok(())
            }
            Some(value) => refuse(&origin, format!("{}: expected {}, found {value}", key.name, key.kind)),
            None => refuse(&origin, format!("{}: expected {}", key.name, key.kind)),
        }
    }

    /// What no key alone can show.
    fn check_together(&self, config: &Config) -> Result<(), ConfigError> {
        let origin = |names: &[&'static str]| {
            let set = names.iter().find_map(|name| self.0.get(name).map(|(_, origin)| origin.clone()));
            set.unwrap_or_else(|| "defaults".into())
        };
        if config.reads.min_connections > config.reads.max_connections {
            return refuse(
                &origin(&["reads.max_connections", "reads.min_connections"]),
                format!(
                    "reads.max_connections ({}) is below reads.min_connections ({})",
                    config.reads.max_connections, config.reads.min_connections
                ),
            );
        }
        if u64::from(config.cache.entries) > config.cache.bytes / CACHE_BYTES_PER_ENTRY {
            return refuse(
                &origin(&["cache.entries", "cache.bytes"]),
                format!(
                    "cache.entries: expected at most one per {CACHE_BYTES_PER_ENTRY} bytes of cache.bytes \
                     ({}), found {}",
                    config.cache.bytes, config.cache.entries
                ),
            );
        }
        let mail = &config.mail;
        if mail.transport == MailTransport::Smtp
            && (mail.smtp_host.is_empty() || config.site.base_url.is_empty())
        {
            return refuse(
                &origin(&["mail.transport"]),
                "mail.transport = \"smtp\" needs mail.smtp_host, and site.base_url for the links in mail"
                    .to_owned(),
            );
        }
        let sender = EmailAddress::parse_with_options(&mail.from, EmailOptions::default());
        if sender.is_err() {
            return refuse(
                &origin(&["mail.from"]),
                format!("mail.from: expected an e-mail address, found {:?}", mail.from),
            );
        }
        let socket = config.control_socket();
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return refuse(
                &origin(&["runtime_dir", "data_dir"]),
                format!(
                    "the path of a socket, {}, is longer than {SOCKET_PATH_MAX} bytes; set runtime_dir",
                    socket.display()
                ),
            );
        }
        Ok(())
    }
}

/// A value of the file; `None` for types that no key has.
fn from_toml(value: &Spanned<DeValue<'_>>) -> Option<toml::Value> {
    match value.get_ref() {
        DeValue::String(text) => Some(toml::Value::String(text.to_string())),
        DeValue::Integer(integer) => {
            i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(toml::Value::Integer)
        }
        DeValue::Array(items) => {
            items.iter().map(from_toml).collect::<Option<Vec<_>>>().map(toml::Value::Array)
        }
        DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) | DeValue::Table(_) => None,
    }
}

/// A value of the environment.
fn from_text(key: &Key, text: &str) -> Option<toml::Value> {
    Some(match key.kind {
        Kind::Addresses(_) | Kind::Networks => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(str::to_owned).collect::<Vec<_>>().into()
        }
        // What is no number stays text, which the check then shows.
        Kind::Integer(..) => text.trim().parse::<i64>().map_or_else(|_| text.into(), toml::Value::Integer),
        Kind::Path | Kind::Text | Kind::Origin | Kind::Receiver | Kind::Choice(_) => text.into(),
    })
}

fn fits(key: &Key, value: &toml::Value) -> bool {
    match (key.kind, value) {
        (Kind::Path, toml::Value::String(path)) => !path.is_empty() || key.default == "\"\"",
        (Kind::Text, toml::Value::String(_)) => true,
        (Kind::Origin, toml::Value::String(text)) => text.is_empty() || is_origin(text),
        (Kind::Receiver, toml::Value::String(text)) => text.is_empty() || text.parse::<SocketAddr>().is_ok(),
        (Kind::Addresses(least), toml::Value::Array(items)) => {
            items.len() >= least && items.iter().all(|item| item.as_str().is_some_and(is_address))
        }
        (Kind::Networks, toml::Value::Array(items)) => {
            items.iter().all(|item| item.as_str().is_some_and(|text| text.parse::<IpNet>().is_ok()))
        }
        (Kind::Integer(least, most), toml::Value::Integer(n)) => (least..=most).contains(n),
        (Kind::Choice(words), toml::Value::String(word)) => words.contains(&word.as_str()),
        _ => false,
    }
}

/// Scheme, host and perhaps port (RFC 6454, 6.2). Whether a change comes from a page of ours is decided by it.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<http::Uri>() else { return false };
    let host = uri.authority().filter(|authority| !authority.as_str().contains('@'));
    let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
    host.zip(scheme).is_some_and(|(host, scheme)| text.eq_ignore_ascii_case(&format!("{scheme}://{host}")))
}

fn is_address(text: &str) -> bool {
    match text.strip_prefix("unix:") {
        Some(path) => path.starts_with('/') && path.len() <= SOCKET_PATH_MAX,
        None => text.parse::<SocketAddr>().is_ok(),
    }
}

/// Lays values over `base`.
fn assemble(
    base: Config,
    values: impl Iterator<Item = (&'static str, toml::Value)>,
) -> Result<Config, toml::de::Error> {
    let mut table = toml::Table::try_from(base).map_err(toml::de::Error::custom)?;
    for (name, value) in values {
        let place = match name.split_once('.') {
            None => table.get_mut(name),
            Some((section, rest)) => table.get_mut(section).and_then(|section| section.get_mut(rest)),
        };
        // The table of keys and the struct agree, as a test shows.
        *place.ok_or_else(|| toml::de::Error::custom(format!("no place for {name}")))? = value;
    }
    table.try_into()
}

fn unknown(name: &str) -> String {
    // Within a section the last part is what was misspelt; at the top it may be any.
    let last = name.rsplit('.').next().unwrap_or(name);
    let distance = |key: &&Key| {
        let whole = strsim::damerau_levenshtein(name, key.name);
        let tail =
            key.name.rsplit('.').next().map_or(whole, |tail| 1 + strsim::damerau_levenshtein(last, tail));
        whole.min(tail)
    };
    let nearest = KEYS.iter().min_by_key(distance).map_or("", |key| key.name);
    format!("unknown key {name}; the nearest known one is {nearest}")
}

fn unknown_variable(name: &str) -> String {
    let nearest = KEYS.iter().map(Key::variable).min_by_key(|known| strsim::damerau_levenshtein(name, known));
    format!("no setting has this name; the nearest is {}", nearest.unwrap_or_default())
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
