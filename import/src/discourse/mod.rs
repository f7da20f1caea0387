//! Discourse: one topic a line as its topic JSON. A post is shown as its `cooked` HTML: there Discourse has
//! resolved what its Markdown source leaves open (`upload://` images, BBCode quotes, emoji codes), so it
//! looks right and is sanitised like everything else. Where the export has that source (`raw`) too, it is
//! what is kept and edited later; else the HTML is. Accounts become members, whatever
//! they were: nobody has proved yet to be who they were there.

mod convert;
mod lines;
mod topic;

use std::collections::{BTreeMap, HashSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use veritable_writer_api::message::{Import, ImportCategory};

use crate::pipeline::{self, Feed, Stop};
use crate::{ImportError, Progress, Report, Sink, input};
use convert::Converter;
pub(crate) use convert::source;
use lines::Lines;
use topic::Topic;

/// Looked through for links to the forum itself, to learn its address.
const PROBE_BYTES: u64 = 4 * 1024 * 1024;
/// Fewer links than this prove nothing.
const PROBE_LINKS: u64 = 3;
/// Users remembered as sent; past it they are sent again, which does nothing but cost time.
const MAX_KNOWN_USERS: usize = 1_000_000;

/// What to import.
#[derive(Clone, Debug, Default)]
pub struct DiscourseOptions {
    /// `topics.jsonl`, also `.gz` or `.bz2`, or a directory with it.
    pub path: PathBuf,
    /// Names of categories: Discourse's `categories.json`, or `{"10": "Support"}`.
    pub categories: Option<PathBuf>,
    /// The forum's host, such as `forum.example`; found out from links when not given.
    pub host: Option<String>,
}

/// Imports a forum.
///
/// # Errors
/// [`ImportError`] with the line of the fault; what came before it is stored.
pub fn run(
    options: &DiscourseOptions,
    sink: &mut dyn Sink,
    progress: &mut dyn Progress,
) -> Result<Report, ImportError> {
    let path = topics_file(&options.path)?;
    let names = options.categories.as_deref().map(category_names).transpose()?.unwrap_or_default();
    let host = match &options.host {
        Some(host) => Some(format!("https://{host}")),
        None => probe(&path)?,
    };
    let source = format!("discourse:{}", host.as_deref().map_or_else(|| stem(&options.path), bare_host));
    let (text, meter) = input::open(&path)?;
    let lines = Lines::new(text, path);
    pipeline::run(&meter, sink, progress, move |feed| {
        read(feed, lines, Converter::new(&source, host), &names)
    })
}

fn read(
    feed: &Feed,
    mut lines: Lines,
    mut converter: Converter,
    names: &BTreeMap<String, String>,
) -> Result<Report, Stop> {
    let mut users = HashSet::new();
    let mut categories = HashSet::new();
    let source = converter.report.source.clone();
    while let Some(line) = lines.next()? {
        let parsed = serde_json::from_slice::<Topic>(line);
        let topic = parsed.map_err(|error| ImportError::line(&lines.path, lines.number, error))?;
        if converter.skips(&topic) {
            continue;
        }
        let category = convert::category_id(&topic);
        if categories.insert(category.clone()) {
            let category = name_category(&mut converter.report, names, category);
            feed.import(Import::Categories { source: source.clone(), categories: vec![category] })?;
        }
        if users.len() > MAX_KNOWN_USERS {
            users.clear();
        }
        let converted = converter.topic(topic, &mut users);
        let (new_users, topics) =
            converted.map_err(|reason| ImportError::line(&lines.path, lines.number, reason))?;
        if !new_users.is_empty() {
            converter.report.read.users += new_users.len() as u64;
            feed.import(Import::Users { source: source.clone(), users: new_users })?;
        }
        for topic in topics {
            feed.import(Import::Topic { source: source.clone(), topic })?;
        }
    }
    Ok(converter.report)
}

fn name_category(report: &mut Report, names: &BTreeMap<String, String>, id: String) -> ImportCategory {
    let name = names.get(&id).cloned().unwrap_or_else(|| {
        report.note("category without a name (give --categories FILE)", format!("category {id}"));
        if id == convert::NO_CATEGORY { "Uncategorised".to_owned() } else { format!("Category {id}") }
    });
    report.read.categories += 1;
    let position = id.parse().unwrap_or(i64::MAX);
    ImportCategory { foreign_id: id, name, description: String::new(), position }
}

fn topics_file(path: &Path) -> Result<PathBuf, ImportError> {
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let names = ["topics.jsonl", "topics.jsonl.gz", "topics.jsonl.bz2"];
    let found = names.iter().map(|name| path.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| {
        let reason = "neither topics.jsonl nor topics.jsonl.gz in this directory";
        ImportError::file(path, std::io::Error::new(std::io::ErrorKind::NotFound, reason))
    })
}

fn stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().filter(|stem| !stem.is_empty()).unwrap_or("forum").to_owned()
}

fn bare_host(base: &str) -> String {
    base.split_once("://").map_or(base, |(_, host)| host).to_owned()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum CategoryFile {
    Discourse { category_list: CategoryList },
    Simple(BTreeMap<String, String>),
}

#[derive(Deserialize)]
struct CategoryList {
    categories: Vec<NamedCategory>,
}

#[derive(Deserialize)]
struct NamedCategory {
    id: i64,
    name: String,
}

fn category_names(path: &Path) -> Result<BTreeMap<String, String>, ImportError> {
    let bytes = std::fs::read(path).map_err(|error| ImportError::file(path, error))?;
    let parsed = serde_json::from_slice(&bytes).map_err(|error| {
        let line = error.line() as u64;
        ImportError::line(path, line, format!("neither categories.json nor {{\"id\": \"name\"}}: {error}"))
    })?;
    Ok(match parsed {
        CategoryFile::Simple(names) => names,
        CategoryFile::Discourse { category_list } => {
            category_list.categories.into_iter().map(|found| (found.id.to_string(), found.name)).collect()
        }
    })
}

/// The address most links to topics and users near the beginning have, if they agree on one. A file too
/// broken to look through is left to the import itself, which says where.
fn probe(path: &Path) -> Result<Option<String>, ImportError> {
    let (text, _) = input::open(path)?;
    let mut head = Vec::new();
    // What came before a fault is in `head` all the same.
    let _ = text.take(PROBE_BYTES).read_to_end(&mut head);
    Ok(most_linked(&String::from_utf8_lossy(&head)))
}

fn most_linked(text: &str) -> Option<String> {
    let mut counts = BTreeMap::<&str, u64>::new();
    for (at, _) in text.match_indices("://") {
        let scheme = if text[..at].ends_with("https") { 5 } else { 4 };
        let start = at.saturating_sub(scheme);
        let host = &text[at + 3..];
        let Some(end) = host.find(|c: char| !c.is_ascii_alphanumeric() && !".-:".contains(c)) else {
            continue;
        };
        let to_forum = host[end..].starts_with("/t/") || host[end..].starts_with("/u/");
        if to_forum && text.is_char_boundary(start) && text[start..].starts_with("http") {
            *counts.entry(&text[start..at + 3 + end]).or_default() += 1;
        }
    }
    let (base, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
    (count >= PROBE_LINKS).then(|| base.to_owned())
}
