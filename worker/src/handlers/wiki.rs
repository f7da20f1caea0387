//! Wiki pages in all their views, lists of pages, and recent changes.

use http::StatusCode;
use similar::{ChangeTag, TextDiff};
use veritable_domain::content::Format;
use veritable_domain::ids::PageId;
use veritable_domain::markup::{self, RenderContext, headings, mark_missing};
use veritable_domain::tag::Tag;
use veritable_domain::wiki::{page_path, split_title, upper_first};

use super::{PAGE, asked, before, cut, cut_by, invalid, missing, number, param, seal, unseal};
use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::reads::wiki;
use crate::routes::View;
use crate::views::{Changes, Diff, Line, Page, PageList, WikiPage, render};

/// Titles of a list of pages.
const LIST: usize = 200;
/// Titles that wikis give their first page, the likeliest first.
const MAIN_PAGES: [&str; 3] = ["Home", "Main Page", "Welcome"];
/// Sources above this are not compared: a difference takes time in the product of size and changes.
const MAX_DIFF_BYTES: usize = 512 * 1024;
/// After this long a difference stays coarse rather than keep a reader from others.
const DIFF_TIME: std::time::Duration = std::time::Duration::from_millis(300);
/// Unchanged lines shown around changes.
const DIFF_CONTEXT: usize = 3;

/// A title of an address: its namespace and the title in it, with spaces.
fn resolve(view: &View<'_>, text: &str) -> Result<(wiki::Space, String), Error> {
    let (space, title) = space_of(view.db, text)?;
    let title = veritable_domain::text::fold_line(&title.replace('_', " "));
    if title.is_empty() { Err(missing("page")) } else { Ok((space, title)) }
}

/// The address of the page a title means, whether or not there is one.
pub(crate) fn title_path(view: &View<'_>, text: &str) -> Result<String, Error> {
    let (space, title) = resolve(view, text)?;
    let title = if space.first_letter { upper_first(&title) } else { title };
    Ok(page_path(&space.name, &title))
}

/// The page of a title; its first letter in upper case when there is none as written.
fn find(view: &View<'_>, text: &str) -> Result<Option<wiki::Page>, Error> {
    let (space, title) = resolve(view, text)?;
    match wiki::page(view.db, space.id, &title)? {
        Some(page) => Ok(Some(page)),
        None => Ok(wiki::page(view.db, space.id, &upper_first(&title))?),
    }
}

fn tags(page: &wiki::Page) -> Vec<Tag> {
    vec![Tag::Site, Tag::Page(PageId(page.id)), Tag::Titles]
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    let page = find(view, param(view, "title"))?.ok_or_else(|| missing("page"))?;
    if let Some(new) = asked(view, "diff") {
        return difference(view, &page, number("diff", new)?);
    }
    if let Some(old) = asked(view, "oldid") {
        return old_revision(view, page, number("oldid", old)?);
    }
    match asked(view, "action") {
        None | Some("view") => {}
        Some("history") => return history(view, &page),
        Some("raw") => return raw(view, &page),
        Some(_) => return Err(invalid("action", "must be view, history or raw")),
    }
    if view.path.replace(' ', "_") != format!("/wiki/{}", page.full_title().replace(' ', "_")) {
        return Ok(Answer::moved(page.path(), tags(&page)));
    }
    let follow = asked(view, "redirect") != Some("no");
    // One step only, so that a ring of redirects ends.
    if let Some(target) = page.redirect_to.as_deref().filter(|_| follow)
        && let Some(target) = find(view, target)?
    {
        let from = (page.full_title(), page.path());
        let extra = Tag::Page(PageId(page.id));
        return show(view, target, Some(from), Some(extra));
    }
    show(view, page, None, None)
}

fn show(
    view: &View<'_>,
    page: wiki::Page,
    from: Option<(String, String)>,
    extra: Option<Tag>,
) -> Result<Answer, Error> {
    let mut tags = tags(&page);
    tags.extend(extra);
    let gone = wiki::missing_links(view.db, page.id)?;
    let html = if gone.is_empty() {
        page.html.clone()
    } else {
        mark_missing(&page.html, |href| gone.contains(href))
    };
    let mut frame = Page::new(view.site, &page.full_title(), page.path()).under("Wiki", "/wiki".into());
    let mut members = Vec::new();
    if page.is_category {
        tags.push(Tag::RecentChanges);
        let (key, id) = member_place(view)?;
        members = wiki::members(view.db, &page.title, (&key, id), LIST + 1)?;
        let next = cut_by(&mut members, LIST, |last| {
            seal(format!("{}\0{}", last.page_id, last.sort_key).as_bytes())
        });
        frame = frame.next(next.map(|at| format!("{}?from={at}", page.path())));
    }
    let prefix = category_prefix(view)?;
    let categories = wiki::categories_of(view.db, page.id)?
        .into_iter()
        .map(|name| (name.clone(), page_path(&prefix, &name)))
        .collect();
    let shown = WikiPage {
        headings: headings(&html),
        page: frame,
        path: page.path(),
        html,
        redirected_from: from,
        old: None,
        members,
        categories,
    };
    Ok(Answer::html(render(&shown)?, tags))
}

/// The wiki's own name for categories: an imported wiki's localised one comes after ours.
fn category_prefix(view: &View<'_>) -> Result<String, Error> {
    let spaces = wiki::namespaces(view.db)?;
    Ok(spaces
        .with_role(markup::Role::Category)
        .map_or_else(|| "Category".to_owned(), |space| space.name.clone()))
}

fn member_place(view: &View<'_>) -> Result<(String, i64), Error> {
    let Some(text) = asked(view, "from") else { return Ok((String::new(), 0)) };
    let (id, key) = text_cursor(text)?;
    Ok((key, id))
}

/// A number and a text, as [`member_place`] and [`entry_place`] go on from.
fn text_cursor(text: &str) -> Result<(i64, String), Error> {
    let wrong = || invalid("from", "is not a cursor of this site");
    let text = String::from_utf8(unseal("from", text)?).map_err(|_| wrong())?;
    let (number, rest) = text.split_once('\0').ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, rest.to_owned()))
}

fn old_revision(view: &View<'_>, page: wiki::Page, id: i64) -> Result<Answer, Error> {
    let (revision, source) = revision_of(view, &page, id)?;
    let title = page.full_title();
    let namespaces = wiki::namespaces(view.db)?;
    let format = Format::from_name(&source.format);
    let rendered = markup::render(format, &source.source, &RenderContext::page(&namespaces, &title));
    let tags = tags(&page);
    let shown = WikiPage {
        page: Page::new(view.site, &title, String::new()).under("Wiki", "/wiki".into()),
        path: page.path(),
        headings: headings(&rendered.html),
        html: rendered.html,
        redirected_from: None,
        old: Some(revision),
        members: Vec::new(),
        categories: Vec::new(),
    };
    Ok(Answer::html(render(&shown)?, tags))
}

fn revision_of(view: &View<'_>, page: &wiki::Page, id: i64) -> Result<(wiki::Revision, wiki::Source), Error> {
    let revision = wiki::revision(view.db, id)?.filter(|revision| revision.page_id == page.id);
    let revision = revision.ok_or_else(|| missing("revision"))?;
    let source = wiki::source(view.db, id)?.ok_or_else(|| missing("revision"))?;
    Ok((revision, source))
}

fn difference(view: &View<'_>, page: &wiki::Page, new: i64) -> Result<Answer, Error> {
    let (new, new_source) = revision_of(view, page, new)?;
    let old = match asked(view, "oldid") {
        Some(old) => number("oldid", old)?,
        None => new.parent_id.ok_or_else(|| missing("earlier revision"))?,
    };
    let (old, old_source) = revision_of(view, page, old)?;
    if old_source.source.len() + new_source.source.len() > MAX_DIFF_BYTES {
        return Err(invalid("diff", "these revisions are too large to compare"));
    }
    let lines = lines(&old_source.source, &new_source.source);
    let title = format!("{}: changes", page.full_title());
    let frame = Page::new(view.site, &title, String::new()).under(&page.full_title(), page.path());
    Ok(Answer::html(render(&Diff { page: frame, old, new, lines })?, tags(page)))
}

fn lines(old: &str, new: &str) -> Vec<Line> {
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

fn history(view: &View<'_>, page: &wiki::Page) -> Result<Answer, Error> {
    let mut changes = wiki::history(view.db, page.id, before(view)?, PAGE + 1)?;
    let path = format!("{}?action=history", page.path());
    let next = cut(&mut changes, PAGE, wiki::Revision::place).map(|at| format!("{path}&before={at}"));
    let title = format!("{}: history", page.full_title());
    let frame = Page::new(view.site, &title, path).under(&page.full_title(), page.path()).next(next);
    Ok(Answer::html(render(&Changes { page: frame, changes, show_title: false })?, tags(page)))
}

fn raw(view: &View<'_>, page: &wiki::Page) -> Result<Answer, Error> {
    let source = wiki::source(view.db, page.revision_id)?.ok_or_else(|| missing("revision"))?;
    Ok(Answer {
        status: StatusCode::OK,
        content_type: ContentType::Text,
        body: source.source.into(),
        location: None,
        tags: tags(page),
    })
}

/// `/wiki`: the wiki's first page where it has one, all pages otherwise.
pub(crate) fn index(view: &View<'_>) -> Result<Answer, Error> {
    for title in MAIN_PAGES {
        if let Some(page) = wiki::page(view.db, veritable_domain::ids::NamespaceId::MAIN.0, title)? {
            return show(view, page, None, None);
        }
    }
    all(view)
}

/// Where a list of titles goes on.
pub(crate) fn entry_place(view: &View<'_>) -> Result<(i64, String), Error> {
    asked(view, "from").map_or_else(|| Ok((0, String::new())), text_cursor)
}

pub(crate) fn seal_entry(entry: &wiki::Entry) -> String {
    seal(format!("{}\0{}", entry.namespace_id, entry.bare_title).as_bytes())
}

pub(crate) fn all(view: &View<'_>) -> Result<Answer, Error> {
    let (space, title) = entry_place(view)?;
    let mut entries = wiki::all_pages(view.db, (space, &title), LIST + 1)?;
    let next = cut_by(&mut entries, LIST, seal_entry).map(|at| format!("/wiki-all?from={at}"));
    let page = Page::new(view.site, "All pages", "/wiki-all".into()).under("Wiki", "/wiki".into()).next(next);
    Ok(Answer::html(render(&PageList { page, entries })?, vec![Tag::Site, Tag::Titles]))
}

pub(crate) fn recent(view: &View<'_>) -> Result<Answer, Error> {
    let mut changes = wiki::changes(view.db, before(view)?, PAGE + 1)?;
    let next = cut(&mut changes, PAGE, wiki::Revision::place).map(|at| format!("/recent?before={at}"));
    let page = Page::new(view.site, "Recent changes", "/recent".into()).next(next);
    Ok(Answer::html(
        render(&Changes { page, changes, show_title: true })?,
        vec![Tag::Site, Tag::RecentChanges],
    ))
}

/// As [`resolve`], for titles in bodies of requests.
pub(crate) fn space_of(db: &rusqlite::Connection, text: &str) -> Result<(wiki::Space, String), Error> {
    let (prefix, rest) = split_title(text);
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty())
        && let Some(space) = wiki::namespace(db, prefix)?
    {
        return Ok((space, rest.to_owned()));
    }
    let main = wiki::namespace(db, "")?.ok_or_else(|| missing("namespace"))?;
    Ok((main, text.to_owned()))
}
