//! Pages on which people write, and what they wrote before.

use askama::Template;
use veritable_domain::draft::Place;

use super::{Line, Page, count};
use crate::handlers::accounts::Faults;
use crate::reads::forum::{Category, Topic, topic_path};
use crate::reads::posts::{Post, VersionEntry};

/// Where a topic may be opened.
#[derive(Template)]
#[template(path = "writing/categories.html")]
pub(crate) struct WhereToWritePage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) categories: Vec<Category>,
}

/// A form for a new topic, a reply, or an edit.
#[derive(Template)]
#[template(path = "writing/form.html")]
pub(crate) struct ComposePage<'a> {
    pub(crate) page: Page<'a>,
    /// Shorter than the page's title, which names the topic too.
    pub(crate) heading: String,
    /// Where it is sent.
    pub(crate) action: String,
    /// Whose draft it is.
    pub(crate) place: Place,
    /// Only topics have one.
    pub(crate) title: Option<String>,
    pub(crate) body: String,
    /// Only edits have one.
    pub(crate) comment: Option<String>,
    /// The version that the edit began with.
    pub(crate) base: Option<i64>,
    /// The post answered, and the address of its topic.
    pub(crate) answered: Option<(Post, String)>,
    /// It was begun on the topic's own page, which does not show the draft that there may be.
    pub(crate) is_fresh: bool,
    /// What is written in another format than others.
    pub(crate) format: Option<&'static str>,
    /// What the button that sends it says.
    pub(crate) send: &'static str,
    /// HTML of what was written so far.
    pub(crate) preview: Option<String>,
    pub(crate) conflict: Option<Conflict>,
    /// The text is of a draft.
    pub(crate) is_draft: bool,
    pub(crate) said: Option<&'static str>,
    pub(crate) faults: Faults,
}

impl ComposePage<'_> {
    /// Where to go instead of writing: what is above the page.
    fn back(&self) -> &str {
        self.page.crumbs.last().map_or("/", |(_, path)| path)
    }
}

/// What somebody else made of a text meanwhile.
pub(crate) struct Conflict {
    /// Its source now.
    pub(crate) current: String,
    pub(crate) version: i64,
    /// What sending the form would change of it; `None`: too large to be compared.
    pub(crate) lines: Option<Vec<Line>>,
}

/// What could not be sent, to be sent again.
#[derive(Template)]
#[template(path = "writing/again.html")]
pub(crate) struct AgainPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) why: &'a str,
    pub(crate) is_guest: bool,
    pub(crate) action: &'a str,
    /// Names of fields, what they are called, and what was written in them.
    pub(crate) written: Vec<(&'a str, &'a str, &'a str)>,
    /// Other fields.
    pub(crate) carried: Vec<(&'a str, &'a str)>,
    pub(crate) button: &'a str,
}

/// A topic's title, and where moderators put it.
#[derive(Template)]
#[template(path = "writing/topic.html")]
pub(crate) struct TopicEditPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) topic: Topic,
    /// What the form was made of.
    pub(crate) base: String,
    /// As it was typed.
    pub(crate) title: String,
    /// Where it may be moved; empty for its author.
    pub(crate) categories: Vec<Category>,
    pub(crate) keeps: bool,
    pub(crate) faults: Faults,
}

impl TopicEditPage<'_> {
    fn is_in(&self, category: &Category) -> bool {
        self.topic.category_id == category.id
    }
}

/// Every version of a post.
#[derive(Template)]
#[template(path = "writing/versions.html")]
pub(crate) struct VersionsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) post: Post,
    /// Of the post in its topic.
    pub(crate) path: String,
    pub(crate) versions: Vec<VersionEntry>,
}

impl VersionsPage<'_> {
    /// The version before the newest one shown, which is compared with it unless others are chosen.
    fn is_second(&self, entry: &VersionEntry) -> bool {
        self.versions.get(1).is_some_and(|second| second.version == entry.version)
    }

    fn is_first(&self, entry: &VersionEntry) -> bool {
        self.versions.first().is_some_and(|first| first.version == entry.version)
    }
}

/// A post as it was.
#[derive(Template)]
#[template(path = "writing/version.html")]
pub(crate) struct VersionPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) post: Post,
    pub(crate) path: String,
    pub(crate) entry: VersionEntry,
    pub(crate) html: String,
    pub(crate) source: String,
}

/// What one version of a post changed against another.
#[derive(Template)]
#[template(path = "writing/diff.html")]
pub(crate) struct PostDiff<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) post: Post,
    pub(crate) path: String,
    pub(crate) old: VersionEntry,
    pub(crate) new: VersionEntry,
    pub(crate) lines: Vec<Line>,
}

/// Address of a topic by its id and slug, for templates.
pub(crate) fn post_path(topic: &Topic, number: i64) -> String {
    format!("{}/{number}", topic_path(&topic.slug, topic.id))
}
