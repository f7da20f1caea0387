//! What a wiki page was: its history, old revisions, differences between them.

use http::StatusCode;
use similar::{ChangeTag, TextDiff};
use veritable_domain::content::Format;
use veritable_domain::ids::PageId;
use veritable_domain::markup::{self, RenderContext, headings, mark_missing};
use veritable_domain::tag::Tag;

use super::super::{PAGE, around, asked, before, id, invalid, missing, number, param};
use super::tags;
use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::reads::previous::List;
use crate::reads::{old, wiki};
use crate::routes::View;
use crate::views::{Diff, HistoryPage, Line, Page, Tools, WikiPage, render};

/// Sources above this are not compared: a difference takes time in the product of size and changes.
pub(crate) const MAX_DIFF_BYTES: usize = 512 * 1024;
/// After this long a difference stays coarse rather than keep a reader from others.
const DIFF_TIME: std::time::Duration = std::time::Duration::from_millis(300);
/// Unchanged lines shown around changes.
const DIFF_CONTEXT: usize = 3;

/// MediaWiki's `?oldid=` and `?diff=` on a page's address, which ours never has: where these are here.
pub(super) fn old_address(view: &View<'_>, page: &wiki::Page) -> Result<Option<Answer>, Error> {
    let old = match asked(view, "oldid") {
        Some(text) => Some(of_page(view, page, number("oldid", text)?)?),
        None => None,
    };
    let parent = |revision: &wiki::Revision| {
        revision.parent_id.map(|parent| (parent, revision.id)).ok_or_else(|| missing("earlier revision"))
    };
    let current = page.revision_id;
    let path = match (asked(view, "diff"), old) {
        (None, None) => return Ok(None),
        (None, Some(old)) => old.address(),
        (Some("prev"), Some(old)) => wiki::difference_path(parent(&old)?),
        (Some("cur" | "0"), Some(old)) => wiki::difference_path((old.id, current)),
        (Some(new), old) => {
            let new = of_page(view, page, number("diff", new)?)?;
            wiki::difference_path(match old {
                Some(old) => (old.id, new.id),
                None => parent(&new)?,
            })
        }
    };
    Ok(Some(Answer::moved(path, tags(page))))
}

/// The revision of `page` that had this id in its old wiki; the one that has it here.
fn of_page(view: &View<'_>, page: &wiki::Page, wanted: i64) -> Result<wiki::Revision, Error> {
    for id in old::imported(view.db, "revision", wanted)?.into_iter().chain([wanted]) {
        if let Some(revision) = wiki::revision(view.db, id)?
            && revision.page_id == page.id
        {
            return Ok(revision);
        }
    }
    Err(missing("revision"))
}

/// A page as it was.
pub(crate) fn revision(view: &View<'_>) -> Result<Answer, Error> {
    let (revision, page, source) = revision_of(view, id(view)?)?;
    let title = page.full_title();
    let namespaces = wiki::namespaces(view.db)?;
    let format = Format::from_name(&source.format);
    let rendered = markup::render(format, &source.source, &RenderContext::page(&namespaces, &title));
    let gone = wiki::missing_among(view.db, &rendered.links)?;
    let html = mark_missing(&rendered.html, |href| gone.contains(href));
    let tags = tags(&page);
    let name = format!("{title} as of {}", revision.created_at.human());
    let frame = Page::new(view, &name, String::new()).under("Wiki", "/wiki".into());
    let shown = WikiPage {
        tools: Tools::shared(view, title.clone(), page.protected),
        path: page.path(),
        headings: headings(&html),
        html,
        old: Some(revision),
        ..WikiPage::empty(frame.under(&title, page.path()))
    };
    Ok(Answer::html(render(&shown)?, tags))
}

fn revision_of(view: &View<'_>, id: i64) -> Result<(wiki::Revision, wiki::Page, wiki::Source), Error> {
    let revision = wiki::revision(view.db, id)?.ok_or_else(|| missing("revision"))?;
    let page = wiki::page_by_id(view.db, revision.page_id)?.ok_or_else(|| missing("page"))?;
    let source = wiki::source(view.db, id)?.ok_or_else(|| missing("revision"))?;
    Ok((revision, page, source))
}

/// What one revision changed against another of the same page.
pub(crate) fn difference(view: &View<'_>) -> Result<Answer, Error> {
    let (old, page, old_source) = revision_of(view, number("old", param(view, "old"))?)?;
    let (new, of, new_source) = revision_of(view, number("new", param(view, "new"))?)?;
    if of.id != page.id {
        return Err(invalid("new", "is a revision of another page"));
    }
    let lines = changed_lines(&old_source.source, &new_source.source)
        .ok_or_else(|| invalid("new", "these revisions are too large to compare"))?;
    let title = format!("{}: changes", page.full_title());
    let frame = Page::new(view, &title, String::new())
        .under("Wiki", "/wiki".into())
        .under(&page.full_title(), page.path());
    let tags = tags(&page);
    let tools = Tools::shared(view, page.full_title(), page.protected);
    Ok(Answer::html(render(&Diff { page: frame, tools, old, new, lines })?, tags))
}

/// The two revisions chosen in a history: where their difference is.
pub(crate) fn compare(view: &View<'_>) -> Result<Answer, Error> {
    let chosen = |name| {
        let id = number(name, asked(view, name).ok_or_else(|| invalid(name, "choose a revision"))?)?;
        wiki::revision(view.db, id)?.ok_or_else(|| missing("revision"))
    };
    let (one, other) = (chosen("old")?, chosen("new")?);
    let tag = Tag::Page(PageId(one.page_id));
    let time = |revision: &wiki::Revision| (revision.created_at.0, revision.id);
    let (old, new) = if time(&one) <= time(&other) { (one, other) } else { (other, one) };
    Ok(Answer::moved(wiki::difference_path((old.id, new.id)), vec![Tag::Site, tag]))
}

/// The same, unless they are too large to compare.
pub(crate) fn changed_lines(old: &str, new: &str) -> Option<Vec<Line>> {
    (old.len() + new.len() <= MAX_DIFF_BYTES).then(|| lines(old, new))
}

/// Lines that differ, with some around them.
pub(crate) fn lines(old: &str, new: &str) -> Vec<Line> {
    let diff = TextDiff::configure().timeout(DIFF_TIME).diff_lines(old, new);
    let mut lines = Vec::new();
    for (at, group) in diff.grouped_ops(DIFF_CONTEXT).iter().enumerate() {
        if at > 0 {
            lines.push(Line { class: "gap", sign: "", text: "…".into() });
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let (class, sign) = match change.tag() {
                ChangeTag::Equal => ("same", ""),
                ChangeTag::Delete => ("del", "−"),
                ChangeTag::Insert => ("ins", "+"),
            };
            lines.push(Line { class, sign, text: change.value().trim_end_matches('\n').to_owned() });
        }
    }
    lines
}

pub(super) fn history(view: &View<'_>, page: &wiki::Page) -> Result<Answer, Error> {
    let mut revisions = wiki::history(view.db, page.id, before(view)?, PAGE + 1)?;
    let path = format!("{}?action=history", page.path());
    let list = List::History(page.id);
    let around = around(view, &path, list, &mut revisions, PAGE, wiki::Revision::place)?;
    let title = format!("{}: history", page.full_title());
    let frame = Page::new(view, &title, path)
        .under("Wiki", "/wiki".into())
        .under(&page.full_title(), page.path())
        .around(around);
    let tools = Tools::shared(view, page.full_title(), page.protected);
    let shown = HistoryPage { page: frame, tools, revisions, current: page.revision_id };
    Ok(Answer::html(render(&shown)?, tags(page)))
}

pub(super) fn raw(view: &View<'_>, page: &wiki::Page) -> Result<Answer, Error> {
    let source = wiki::source(view.db, page.revision_id)?.ok_or_else(|| missing("revision"))?;
    Ok(Answer { tags: tags(page), ..Answer::new(StatusCode::OK, ContentType::Text, source.source) })
}
