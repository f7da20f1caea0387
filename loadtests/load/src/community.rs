//! What there is to read: found through the API, whatever community the server holds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::task::LocalSet;

use crate::ask::{Ask, Kind, Reply};
use crate::connection::Connection;

/// Topics looked at, the latest first: the tail behind them is asked for by nobody in a run of minutes.
const TOPICS: usize = 5_000;
/// Pages of the wiki looked at.
const PAGES: usize = 5_000;
/// Entries of a list that are asked for at once: the API's most.
const LIMIT: usize = 100;
/// Letters from which a word of a title is searched for.
const WORD: usize = 4;
/// Longest wait for one answer while looking.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a path's part from the API may hold that a request's target must not.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'`').add(b'#').add(b'?');

/// A community as a reader finds it. All lists begin with what is read most.
#[derive(Debug, Default)]
pub struct Community {
    /// Lists: the front page, the latest topics, categories, changes, then their older parts.
    pub lists: Vec<Arc<str>>,
    /// Topics, the latest first.
    pub topics: Vec<Topic>,
    /// Pages of the wiki.
    pub pages: Vec<Page>,
    /// Addresses of profiles.
    pub profiles: Vec<Arc<str>>,
    /// Categories that may be written to.
    pub open_categories: Vec<i64>,
    /// Topics that may be written to, the latest first.
    pub open_topics: Vec<i64>,
    /// Words of titles.
    pub words: Vec<Arc<str>>,
    /// The style sheet.
    pub style: Option<Arc<str>>,
}

/// A topic.
#[derive(Debug)]
pub struct Topic {
    /// Its page.
    pub page: Arc<str>,
    /// Its posts in the API.
    pub posts: Arc<str>,
    /// How many posts it has.
    pub size: u64,
}

/// A page of the wiki.
#[derive(Debug)]
pub struct Page {
    /// Where people read it.
    pub page: Arc<str>,
    /// Where it is in the API.
    pub api: Arc<str>,
}

/// Why a community cannot be looked at.
#[derive(Debug, thiserror::Error)]
pub enum CommunityError {
    /// No answer.
    #[error("asked for {path}: {trouble}")]
    Unanswered {
        /// What was asked for.
        path: String,
        /// What came of it.
        trouble: String,
    },
    /// An answer of another kind than docs/api.md says.
    #[error("the answer to {path} is not of Veritable's API: {error}")]
    Foreign {
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        error: serde_json::Error,
    },
    /// Nothing to read.
    #[error("the community is empty: there is no topic to read (`veritable demo` makes some)")]
    Empty,
}

#[derive(Deserialize)]
struct Categories {
    categories: Vec<CategoryEntry>,
}

#[derive(Deserialize)]
struct CategoryEntry {
    id: i64,
    slug: String,
    locked: bool,
    topic_count: u64,
}

#[derive(Deserialize)]
struct Topics {
    topics: Vec<TopicEntry>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct TopicEntry {
    id: i64,
    slug: String,
    title: String,
    locked: bool,
    post_count: u64,
    author: Author,
}

#[derive(Deserialize)]
struct Author {
    name: String,
}

#[derive(Deserialize)]
struct Pages {
    pages: Vec<PageEntry>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct PageEntry {
    id: i64,
    title: String,
    path: String,
    redirect: bool,
}

/// Looks at the community of the server at `address`.
///
/// # Errors
/// It does not answer, is no Veritable, or has nothing to read.
pub fn discover(address: SocketAddr, host: &str) -> Result<Community, CommunityError> {
    let mut look = Look::at(address, host)?;
    let mut community = Community { style: style_of(&look.text("/")?), ..Community::default() };
    let mut categories = look.json::<Categories>("/api/forums")?.categories;
    categories.sort_by_key(|category| std::cmp::Reverse(category.topic_count));
    community.lists = ["/latest", "/"].map(Arc::from).to_vec();
    community.lists.extend(categories.iter().map(|c| format!("/c/{}/{}", escaped(&c.slug), c.id).into()));
    community.lists.extend(["/recent", "/wiki"].map(Arc::from));
    community.open_categories = categories.iter().filter(|c| !c.locked).map(|c| c.id).collect();

    let mut words = std::collections::BTreeSet::new();
    let mut names = std::collections::BTreeSet::new();
    let mut add_words = |title: &str| {
        let parts = title.split(|c: char| !c.is_alphabetic()).filter(|part| part.chars().count() >= WORD);
        words.extend(parts.map(str::to_lowercase));
    };
    let mut cursor = String::new();
    while community.topics.len() < TOPICS {
        let page: Topics = look.json(&format!("/api/forums/topics?limit={LIMIT}{cursor}"))?;
        for topic in page.topics {
            add_words(&topic.title);
            if names.insert(topic.author.name.clone()) {
                community
                    .profiles
                    .push(format!("/u/{}", escaped(&topic.author.name.replace(' ', "_"))).into());
            }
            if !topic.locked {
                community.open_topics.push(topic.id);
            }
            community.topics.push(Topic {
                page: format!("/t/{}/{}", escaped(&topic.slug), topic.id).into(),
                posts: format!("/api/topics/{}/posts", topic.id).into(),
                size: topic.post_count,
            });
        }
        let Some(next) = page.next else { break };
        community.lists.push(format!("/latest?before={}", escaped(&next)).into());
        cursor = format!("&before={}", escaped(&next));
    }
    let mut cursor = String::new();
    while community.pages.len() < PAGES {
        let page: Pages = look.json(&format!("/api/wiki/pages?limit={LIMIT}{cursor}"))?;
        for entry in page.pages.into_iter().filter(|entry| !entry.redirect) {
            add_words(&entry.title);
            community.pages.push(Page {
                page: escaped(&entry.path).into(),
                api: format!("/api/wiki/pages/{}", entry.id).into(),
            });
        }
        let Some(next) = page.next else { break };
        cursor = format!("&from={}", escaped(&next));
    }
    if community.topics.is_empty() {
        return Err(CommunityError::Empty);
    }
    community.words = words.into_iter().map(Arc::from).collect();
    if community.words.is_empty() {
        community.words = vec!["the".into()];
    }
    // The API gives pages and words by the alphabet, which is no order of popularity.
    scatter(&mut community.pages);
    scatter(&mut community.words);
    Ok(community)
}

/// Puts a list in an order that is always the same and has nothing to do with the one it is in.
fn scatter<T>(list: &mut [T]) {
    use rand::SeedableRng;
    use rand::seq::SliceRandom;
    list.shuffle(&mut rand::rngs::SmallRng::seed_from_u64(1));
}

fn escaped(part: &str) -> String {
    utf8_percent_encode(part, UNSAFE).to_string()
}

/// The address of the style sheet that a page asks for.
fn style_of(page: &str) -> Option<Arc<str>> {
    let from = page.find("/static/")?;
    let address = page[from..].split(['"', '\'', '>']).next()?;
    address.ends_with(".css").then(|| address.into())
}

/// Asks one thing after another.
#[derive(Debug)]
pub struct Look {
    runtime: tokio::runtime::Runtime,
    tasks: LocalSet,
    connection: Connection,
}

impl Look {
    /// At the server at `address`, which requests call `host`.
    ///
    /// # Errors
    /// There is no event loop to be had.
    pub fn at(address: SocketAddr, host: &str) -> Result<Look, CommunityError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CommunityError::Unanswered {
            path: "/".into(),
            trouble: format!("no event loop: {error}"),
        })?;
        Ok(Look { runtime, tasks: LocalSet::new(), connection: Connection::new(address, host.into()) })
    }

    /// The body of an answer, unencoded.
    ///
    /// # Errors
    /// There is none, or not a good one.
    pub fn bytes(&mut self, path: &str) -> Result<bytes::Bytes, CommunityError> {
        // As the API's askers are: no encoding.
        let ask = Ask { wants_body: true, plain: true, ..Ask::get(Kind::Api, path) };
        Ok(self.ask(&ask)?.body)
    }

    /// An answer.
    ///
    /// # Errors
    /// There is none, or not a good one.
    pub fn ask(&mut self, ask: &Ask) -> Result<Reply, CommunityError> {
        let asking = async { tokio::time::timeout(PATIENCE, self.connection.ask(ask)).await };
        let failed = |trouble: String| CommunityError::Unanswered { path: ask.target.to_string(), trouble };
        match self.tasks.block_on(&self.runtime, asking) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(trouble)) => Err(failed(trouble.to_string())),
            Err(_) => Err(failed("no answer".into())),
        }
    }

    fn text(&mut self, path: &str) -> Result<String, CommunityError> {
        Ok(String::from_utf8_lossy(&self.bytes(path)?).into_owned())
    }

    fn json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, CommunityError> {
        let body = self.bytes(path)?;
        serde_json::from_slice(&body)
            .map_err(|error| CommunityError::Foreign { path: path.to_owned(), error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_sheet_is_found_in_a_page_and_missed_where_there_is_none() {
        let page = r#"<link rel="icon" href="/favicon.svg"><link href="/static/style-91.css"><p>"#;
        assert_eq!(style_of(page).as_deref(), Some("/static/style-91.css"));
        assert_eq!(style_of("<p>plain</p>"), None);
        assert_eq!(style_of(r#"<script src="/static/a.js">"#), None);
    }

    #[test]
    fn what_cannot_stand_in_a_request_is_escaped_once() {
        assert_eq!(escaped("über uns?"), "%C3%BCber%20uns%3F");
        assert_eq!(escaped("/wiki/A%20b"), "/wiki/A%20b");
    }
}
