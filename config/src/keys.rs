//! The table of keys: what the file may hold, in which bounds, and what it means. Loading checks against it,
//! and docs/configuration.md is printed from it; tests hold it, [`crate::Config`] and the page together.

mod table;

use std::fmt;

pub use self::table::KEYS;

/// One key of the file.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name, such as `cache.bytes`.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Its default, written as in the file.
    pub default: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A path of a file or directory, not empty unless its default is.
    Path,
    /// Any text.
    Text,
    /// A list of `IP:PORT` or `unix:PATH`, with at least this many.
    Addresses(usize),
    /// Where people reach the site, such as `https://forum.example.org`, or nothing.
    Origin,
    /// An `IP:PORT` to send to, or nothing. No name: who sends cannot look one up.
    Receiver,
    /// A list of networks such as `10.0.0.0/8`.
    Networks,
    /// A whole number from the first to the second.
    Integer(i64, i64),
    /// One of these words.
    Choice(&'static [&'static str]),
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Path => f.write_str("a path in quotes"),
            Kind::Text => f.write_str("text in quotes"),
            Kind::Addresses(_) => {
                f.write_str("a list of addresses such as [\"127.0.0.1:8080\", \"unix:/run/site.sock\"]")
            }
            Kind::Origin => f.write_str(
                "an address such as \"https://forum.example.org\" with nothing after the host, or \"\"",
            ),
            Kind::Receiver => f.write_str("an address such as \"127.0.0.1:8125\", or \"\""),
            Kind::Networks => f.write_str("a list of networks such as [\"10.0.0.0/8\"]"),
            Kind::Integer(least, most) => write!(f, "a whole number from {least} to {most}"),
            Kind::Choice(words) => write!(f, "one of \"{}\"", words.join("\", \"")),
        }
    }
}

impl Key {
    /// The environment variable that sets it: `VERITABLE_CACHE_BYTES` for `cache.bytes`.
    pub fn variable(&self) -> String {
        format!("VERITABLE_{}", self.name.replace('.', "_").to_uppercase())
    }
}

/// The page docs/configuration.md.
pub fn reference() -> String {
    let mut page = String::from(
        "# Configuration\n\n\
         One TOML file, named by `--config FILE`; without one, defaults hold. Every key can also be set by an\n\
         environment variable; a list is then separated by commas. Flags win over variables, which win over the\n\
         file. A key that does not exist and a value out of its bounds are refused at the start, with the line.\n\
         `veritable check-config --config FILE` only checks.\n\n\
         A reload (`veritable reload`, `SIGHUP`) applies all keys but `data_dir`, `runtime_dir`,\n\
         `cache.bytes`, `cache.entries`, `cache.value_share` and `cache.huge_pages`; it is refused when one of these has changed, as they need a restart.\n\n\
         This page is printed by `veritable check-config --print-reference`.\n",
    );
    let mut section = None;
    for key in KEYS {
        let of = key.name.split_once('.').map(|(section, _)| section);
        if section != Some(of) {
            section = Some(of);
            page.push_str(&match of {
                None => "\n## Top of the file\n".to_owned(),
                Some(name) => format!("\n## `[{name}]`\n"),
            });
            page.push_str("\n| key | value | default | variable | meaning |\n|---|---|---|---|---|\n");
        }
        let Key { name, kind, default, doc } = key;
        page.push_str(&format!("| `{name}` | {kind} | `{default}` | `{}` | {doc} |\n", key.variable()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Config;

    fn flatten(prefix: &str, table: &toml::Table, into: &mut Vec<(String, String)>) {
        for (name, value) in table {
            match value {
                toml::Value::Table(inner) => flatten(&format!("{prefix}{name}."), inner, into),
                other => into.push((format!("{prefix}{name}"), other.to_string())),
            }
        }
    }

    #[test]
    fn the_table_and_the_struct_agree_on_names_and_defaults() {
        let mut of_struct = Vec::new();
        flatten("", &toml::Table::try_from(Config::default()).unwrap(), &mut of_struct);
        of_struct.sort();
        let mut of_table: Vec<_> =
            KEYS.iter().map(|key| (key.name.to_owned(), key.default.to_owned())).collect();
        of_table.sort();
        assert_eq!(of_table, of_struct);
    }

    #[test]
    fn the_reference_page_is_the_one_printed() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let page = std::fs::read_to_string(path).unwrap();
        assert_eq!(page, reference(), "run this test with UPDATE=1 to write {path} anew");
    }
}
