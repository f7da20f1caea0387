//! A page that somebody is about to change or to make, and what becomes of its text.

use rusqlite::Connection;
use veritable_domain::content::{Content, Format};
use veritable_domain::draft::Place;
use veritable_domain::ids::{NamespaceId, PageId, RevisionId};
use veritable_domain::markup::{self, RenderContext};
use veritable_domain::permission::{Actor, Deed, Denial, may};
use veritable_domain::text::Source;
use veritable_domain::wiki::{PageTitle, full_title, page_path, tool_path};

use super::super::missing;
use super::{find, resolve};
use crate::error::Error;
use crate::reads::wiki;

/// The page a title means, or would be of.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) namespace: NamespaceId,
    pub(super) space: String,
    pub(super) title: PageTitle,
    /// The page, if there is one.
    pub(super) page: Option<wiki::Page>,
}

impl Subject {
    /// What `text` means, as it stands in an address.
    pub(super) fn named(db: &Connection, text: &str) -> Result<Subject, Error> {
        let (space, title) = resolve(db, text)?;
        let page = find(db, text)?;
        let title = match &page {
            // As it is stored, which is not always what would be made today.
            Some(page) => PageTitle::new(&page.title, false)?,
            None => PageTitle::new(&title, space.first_letter)?,
        };
        Ok(Subject { namespace: NamespaceId(space.id), space: space.name, title, page })
    }

    /// The page that a title means; there must be one.
    pub(super) fn page_named(db: &Connection, text: &str) -> Result<(Subject, wiki::Page), Error> {
        let mut subject = Subject::named(db, text)?;
        let page = subject.page.take().ok_or_else(|| missing("page"))?;
        Ok((subject, page))
    }

    pub(super) fn full_title(&self) -> String {
        full_title(&self.space, self.title.as_str())
    }

    pub(super) fn path(&self) -> String {
        page_path(&self.space, self.title.as_str())
    }

    pub(super) fn at(&self, tool: &str) -> String {
        tool_path(tool, &self.full_title())
    }

    pub(super) fn place(&self) -> Place {
        Place::Page(self.full_title())
    }

    pub(super) fn is_protected(&self) -> bool {
        self.page.as_ref().is_some_and(|page| page.protected)
    }

    /// Whether somebody may change it.
    pub(super) fn admits(&self, actor: Actor) -> Result<(), Denial> {
        may(actor, Deed::EditPage { protected: self.is_protected() })
    }

    /// Number of the page; none there is has 0.
    pub(super) fn page_id(&self) -> PageId {
        PageId(self.page.as_ref().map_or(0, |page| page.id))
    }

    /// The text that is shown, with its language; an empty one in Markdown where there is no page.
    pub(super) fn current(&self, db: &Connection) -> Result<(Format, String), Error> {
        match &self.page {
            Some(page) => source(db, page.revision_id),
            None => Ok((Format::Markdown, String::new())),
        }
    }

    /// The text of one of its revisions; `None` for a revision of another page, or none.
    pub(super) fn revision(
        &self,
        db: &Connection,
        revision: RevisionId,
    ) -> Result<Option<(Format, String)>, Error> {
        match wiki::revision(db, revision.0)? {
            Some(found) if PageId(found.page_id) == self.page_id() => Ok(Some(source(db, revision.0)?)),
            _ => Ok(None),
        }
    }

    /// What a text becomes as this page's.
    pub(super) fn content(&self, db: &Connection, format: Format, source: Source) -> Result<Content, Error> {
        let (namespaces, title) = (wiki::namespaces(db)?, self.full_title());
        let rendered = markup::render(format, source.as_str(), &RenderContext::page(&namespaces, &title));
        Ok(Content { format, source, rendered })
    }
}

/// A revision's text and language.
pub(super) fn source(db: &Connection, revision: i64) -> Result<(Format, String), Error> {
    let found = wiki::source(db, revision)?.ok_or_else(|| missing("revision"))?;
    Ok((Format::from_name(&found.format), found.source))
}
