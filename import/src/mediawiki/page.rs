//! A page and its revisions while they are read, and what becomes of them here.

use veritable_domain::content::Format;
use veritable_domain::markup::{LinkOrder, RenderContext, as_source, language_links, try_render};
use veritable_domain::text::{Comment, MAX_COMMENT_CHARS, MAX_USER_NAME_CHARS, UserName, user_key};
use veritable_domain::time::UnixMillis;
use veritable_domain::wiki::{MAX_TITLE_BYTES, PageTitle, full_title};
use veritable_writer_api::message::{ImportPage, ImportRevision};

use super::site::Site;
use crate::Report;
use crate::discourse::source;
use crate::pipeline::MAX_COMMAND_BYTES;

/// A revision as the export has it.
#[derive(Default)]
pub(super) struct Revision {
    pub(super) id: String,
    pub(super) timestamp: String,
    pub(super) username: String,
    user_id: String,
    ip: String,
    comment: String,
    model: String,
    text: String,
    pub(super) minor: bool,
    pub(super) deleted: bool,
}

impl Revision {
    pub(super) fn field(&mut self, name: &str, text: String) {
        let field = match name {
            "id" => &mut self.id,
            "timestamp" => &mut self.timestamp,
            "contributor/username" => &mut self.username,
            "contributor/id" => &mut self.user_id,
            "contributor/ip" => &mut self.ip,
            "comment" => &mut self.comment,
            "model" => &mut self.model,
            "text" => &mut self.text,
            _ => return,
        };
        *field = text;
    }

    /// Foreign id of the author's account. Number 0 is MediaWiki's for accounts of other wikis.
    pub(super) fn user(&self) -> Option<String> {
        if self.username.trim().is_empty() {
            None
        } else if self.user_id.is_empty() || self.user_id == "0" {
            Some(format!("name:{}", user_key(&self.username)))
        } else {
            Some(self.user_id.clone())
        }
    }

    pub(super) fn convert(
        self,
        created_at: UnixMillis,
        report: &mut Report,
        place: &str,
    ) -> Result<ImportRevision, String> {
        if self.deleted {
            report.note("text was deleted there", place);
        }
        if self.comment.chars().count() > MAX_COMMENT_CHARS {
            report.loss("comment cut", place);
        }
        let author = self.user();
        report.read.revisions += 1;
        Ok(ImportRevision {
            foreign_id: self.id,
            author_name: if author.is_some() { self.username } else { self.ip },
            author,
            created_at,
            comment: Comment::truncated(&self.comment),
            minor: self.minor,
            format: match self.model.as_str() {
                "" | "wikitext" => Format::Wikitext,
                "markdown" => Format::Markdown,
                _ => Format::Plain,
            },
            source: source(report, &self.text, || place.to_owned())?,
        })
    }
}

/// A page being read.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) title: String,
    ns: String,
    id: String,
    pub(super) redirect: Option<String>,
    run: Vec<ImportRevision>,
    bytes: usize,
    /// Highest number of the revisions given back before.
    sent: u64,
}

impl Draft {
    pub(super) fn field(&mut self, name: &str, text: String) {
        match name {
            "title" => self.title = text,
            "ns" => self.ns = text,
            "id" => self.id = text,
            _ => {}
        }
    }

    /// Adds a revision; gives back those before it when they fill a command.
    pub(super) fn push(&mut self, revision: ImportRevision) -> Option<Vec<ImportRevision>> {
        let bytes = revision.source.as_str().len();
        let full = !self.run.is_empty() && self.bytes + bytes > MAX_COMMAND_BYTES;
        let before = full.then(|| self.rest());
        self.sent = before.iter().flatten().map(number).fold(self.sent, u64::max);
        self.bytes += bytes;
        self.run.push(revision);
        before
    }

    pub(super) fn rest(&mut self) -> Vec<ImportRevision> {
        self.bytes = 0;
        std::mem::take(&mut self.run)
    }

    /// A run of revisions with more to come.
    pub(super) fn page(
        &self,
        site: &Site,
        revisions: Vec<ImportRevision>,
        report: &mut Report,
    ) -> Result<ImportPage, String> {
        if self.id.is_empty() || self.title.is_empty() {
            return Err("a page without <id> or <title>".to_owned());
        }
        let number = if self.ns.is_empty() { Ok(0) } else { self.ns.parse() };
        let number = number.map_err(|_| format!("`{}` is not a namespace's number", self.ns))?;
        let (namespace, written, first_letter) = site.place(number, &self.title).unwrap_or_else(|| {
            report.loss("unknown namespace; page is in the main one", &self.title);
            (String::new(), &self.title, site.first_letter)
        });
        let title = match PageTitle::new(written, first_letter) {
            Ok(title) => title,
            Err(error) => {
                report.loss("page title changed", format!("{}: {error}", self.title));
                let clean = written.replace(['[', ']', '{', '}', '|', '#', '<', '>'], "-");
                let cut = &clean[..clean.floor_char_boundary(MAX_TITLE_BYTES)];
                PageTitle::new(cut, first_letter).map_err(|error| error.to_string())?
            }
        };
        Ok(ImportPage { foreign_id: self.id.clone(), namespace, title, revisions, rendered: None })
    }

    /// The last run, with the newest revision rendered.
    pub(super) fn newest(
        &self,
        site: &Site,
        revisions: Vec<ImportRevision>,
        report: &mut Report,
    ) -> Result<ImportPage, String> {
        let mut revisions = revisions;
        if revisions.iter().map(number).max().is_some_and(|newest| newest < self.sent) {
            return Err(format!(
                "the revisions of {:?} come newest first and are more than {MAX_COMMAND_BYTES} bytes: \
                 export them oldest first",
                self.title
            ));
        }
        if !revisions.is_sorted_by_key(number) {
            // Exports can be asked for newest first; numbers tell, clocks may err.
            report.note("revisions put in order of their numbers", &self.title);
            revisions.sort_by_key(number);
        }
        let mut page = self.page(site, revisions, report)?;
        let Some(newest) = page.revisions.last() else { return Err("a page without revisions".to_owned()) };
        let namespaces = site.namespaces();
        let full = full_title(&page.namespace, page.title.as_str());
        let gollum = newest.format == Format::Markdown && !site.generator.starts_with("MediaWiki");
        let link_order = if gollum { LinkOrder::LabelFirst } else { LinkOrder::TitleFirst };
        let context = RenderContext { link_order, ..RenderContext::page(&namespaces, &full) };
        let source = newest.source.as_str();
        if newest.format == Format::Wikitext && source.contains("{{") {
            report.loss("templates not expanded", full.as_str());
        }
        if newest.format == Format::Wikitext {
            let dropped = language_links(source, &namespaces) as u64;
            report.note_times("link to another language's wiki not shown", dropped, full.as_str());
        }
        let mut rendered = try_render(newest.format, source, &context).unwrap_or_else(|error| {
            report.loss(&error.to_string(), full.as_str());
            as_source(source)
        });
        if let (None, Some(target)) = (&rendered.redirect, &self.redirect) {
            rendered.redirect = namespaces.resolve(target).map(|(link, _)| link);
        }
        report.read.pages += 1;
        report.read.redirects += u64::from(rendered.redirect.is_some());
        page.rendered = Some(rendered);
        Ok(page)
    }
}

/// By which revisions are in order: clocks may err.
fn number(revision: &ImportRevision) -> u64 {
    revision.foreign_id.parse().unwrap_or(u64::MAX)
}

/// A name that fits here, noting when it had to be changed.
pub(super) fn user_name(written: &str, report: &mut Report) -> Result<UserName, String> {
    UserName::new(written)
        .or_else(|error| {
            report.loss("user name changed", format!("{written}: {error}"));
            let usable = |c: char| if c.is_alphanumeric() || "_-. ".contains(c) { c } else { '-' };
            let cut: String = written.chars().map(usable).take(MAX_USER_NAME_CHARS).collect();
            UserName::new(&cut)
        })
        .map_err(|error| error.to_string())
}
