//! What pages are made of: one struct for each template under `web/templates`.

mod counts;

use askama::Template;
use veritable_config::settings::Site;
use veritable_domain::markup::Heading;

use self::counts::count;
use crate::assets;
use crate::error::Error;
use crate::handlers::Around;
use crate::reads::accounts::Profile;
use crate::reads::forum::{Category, Post, Topic};
use crate::reads::wiki::{Entry, Member, Revision};
use crate::reads::{Person, When};

/// What the frame around every page needs.
pub(crate) struct Page<'a> {
    pub(crate) site: &'a Site,
    pub(crate) title: String,
    pub(crate) description: String,
    /// Address search engines should keep; empty: none.
    pub(crate) canonical: String,
    /// Names and addresses of what is above this page.
    pub(crate) crumbs: Vec<(String, String)>,
    /// Where the list begins.
    pub(crate) first: String,
    /// Where the page before this one is, and the page after it.
    pub(crate) around: Around,
    style: &'static str,
}

impl<'a> Page<'a> {
    pub(crate) fn new(site: &'a Site, title: &str, canonical: String) -> Self {
        Page {
            site,
            title: title.to_owned(),
            description: format!("{title}: {}", site.description),
            first: canonical.clone(),
            canonical,
            crumbs: Vec::new(),
            around: Around { previous: None, next: None },
            style: assets::style_path(),
        }
    }

    pub(crate) fn under(mut self, name: &str, path: String) -> Self {
        self.crumbs.push((name.to_owned(), path));
        self
    }

    pub(crate) fn around(mut self, around: Around) -> Self {
        self.around = around;
        self
    }
}

/// Headings up to which a page's contents are shown unasked: half a screen.
const OPEN_CONTENTS: usize = 12;

/// Renders a template.
pub(crate) fn render(template: &impl Template) -> Result<String, Error> {
    template.render().map_err(|error| Error::Internal(error.to_string()))
}

/// Something found or listed: `html` is a safe excerpt.
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) title: String,
    pub(crate) html: String,
    pub(crate) author: Option<Person>,
    pub(crate) at: When,
}

/// What several things of one address are shown with, or what is like something that is not there.
#[derive(Template)]
#[template(path = "choices.html")]
pub(crate) struct Choices<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) about: &'a str,
    pub(crate) query: &'a str,
    /// Titles and addresses.
    pub(crate) choices: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "forum/front.html")]
pub(crate) struct Front<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) categories: Vec<Category>,
    pub(crate) topics: Vec<Topic>,
    pub(crate) changes: Vec<Revision>,
}

#[derive(Template)]
#[template(path = "forum/topics.html")]
pub(crate) struct Topics<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) category: Option<Category>,
    pub(crate) pinned: Vec<Topic>,
    pub(crate) topics: Vec<Topic>,
}

#[derive(Template)]
#[template(path = "forum/topic.html")]
pub(crate) struct TopicPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) topic: Topic,
    pub(crate) posts: Vec<Post>,
    /// Number of the post that is shown with what is below it, instead of the whole topic.
    pub(crate) only: Option<i64>,
    /// Numbers of the posts above it, first level first.
    pub(crate) chain: Vec<i64>,
    /// Level of the first post shown: the others are indented from there.
    pub(crate) level: i64,
    /// Titles and addresses of imported topics that had this very address.
    pub(crate) namesakes: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "accounts/user.html")]
pub(crate) struct UserPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) profile: Profile,
    pub(crate) posts: Vec<Item>,
    pub(crate) edits: Vec<Revision>,
    /// Where all edits are, when there are more.
    pub(crate) more_edits: Option<String>,
}

#[derive(Template)]
#[template(path = "search/search.html")]
pub(crate) struct SearchPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) query: &'a str,
    pub(crate) within: &'a str,
    pub(crate) pages: Vec<Item>,
    pub(crate) posts: Vec<Item>,
}

#[derive(Template)]
#[template(path = "wiki/page.html")]
pub(crate) struct WikiPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) path: String,
    pub(crate) html: String,
    pub(crate) headings: Vec<Heading>,
    pub(crate) redirected_from: Option<(String, String)>,
    pub(crate) old: Option<Revision>,
    pub(crate) members: Vec<Member>,
    pub(crate) categories: Vec<(String, String)>,
}

impl<'a> WikiPage<'a> {
    /// A frame with nothing in it yet.
    pub(crate) fn empty(page: Page<'a>) -> Self {
        WikiPage {
            page,
            path: String::new(),
            html: String::new(),
            headings: Vec::new(),
            redirected_from: None,
            old: None,
            members: Vec::new(),
            categories: Vec::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "wiki/list.html")]
pub(crate) struct PageList<'a> {
    pub(crate) page: Page<'a>,
    /// Entries by namespace; the main one has no name.
    pub(crate) groups: Vec<(Option<String>, Vec<Entry>)>,
}

#[derive(Template)]
#[template(path = "wiki/changes.html")]
pub(crate) struct Changes<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) changes: Vec<Revision>,
    pub(crate) show_title: bool,
    /// Of the page whose history this is; empty: changes of many pages.
    pub(crate) path: String,
}

/// One line of a difference.
pub(crate) struct Line {
    pub(crate) class: &'static str,
    pub(crate) sign: &'static str,
    pub(crate) text: String,
}

#[derive(Template)]
#[template(path = "wiki/diff.html")]
pub(crate) struct Diff<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) path: String,
    pub(crate) old: Revision,
    pub(crate) new: Revision,
    pub(crate) lines: Vec<Line>,
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage<'a> {
    page: Page<'a>,
    status: u16,
    detail: &'a str,
    request_id: &'a str,
}

/// The page for a request that was not answered as asked. A template that cannot be rendered leaves the
/// heading alone, which has no markup in it.
pub fn error_page(site: &Site, status: u16, heading: &str, detail: &str, request_id: &str) -> String {
    let page = Page::new(site, heading, String::new());
    let detail = &format!("{}.", veritable_domain::wiki::upper_first(detail));
    ErrorPage { page, status, detail, request_id }.render().unwrap_or_else(|_| format!("<h1>{status}</h1>"))
}
