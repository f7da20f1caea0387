//! Wiki pages, and what is said where there is none.

use std::path::Path;

use http::StatusCode;
use rusqlite::{Connection, OpenFlags};
use similar::TextDiff;
use veritable_domain::ids::PageId;
use veritable_domain::markup::{headings, link_sections, mark_missing};
use veritable_domain::permission::Deed;
use veritable_domain::search::match_expression;
use veritable_domain::tag::Tag;
use veritable_domain::wiki::{PageTitle, full_title, page_path, split_title, tool_path, upper_first};

use super::{Around, asked, at_cursor, cut_by, invalid, missing, param, seal, unseal, with_query};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{escape_part, previous, search, wiki};
use crate::routes::View;
use crate::views::{Absent, Page, Tools, WikiPage, render};

pub(crate) mod api;
pub(crate) mod backlinks;
mod conflict;
pub(crate) mod editing;
pub(crate) mod keeping;
pub(crate) mod lists;
pub(crate) mod moving;
pub(crate) mod reverting;
pub(crate) mod revisions;
mod subject;

/// Pages that lead on to pages that lead on: followed so far, and a ring ends.
const MAX_REDIRECTS: usize = 3;
/// Titles of a list of pages.
const LIST: usize = 200;
/// Titles suggested where a page is missing.
const MAX_SIMILAR: usize = 5;
/// Titles that are compared with a missing one: comparing costs the product of their lengths.
const MAX_LOOKED_AT: usize = 50;

/// Words of a missing title that others are looked up by.
const MAX_WORDS: usize = 8;
/// Characters of a word that are taken to be right when the rest may be misspelt; the full-text index has
/// a table of beginnings this long.
const BEGINNING: usize = 3;

/// A title of an address: its namespace and the title in it, with spaces.
fn resolve(db: &Connection, text: &str) -> Result<(wiki::Space, String), Error> {
    let (space, title) = space_of(db, text)?;
    let title = veritable_domain::text::fold_line(&title.replace('_', " "));
    if title.is_empty() { Err(missing("page")) } else { Ok((space, title)) }
}

/// The address of the page a title means, whether or not there is one.
pub(crate) fn title_path(view: &View<'_>, text: &str) -> Result<String, Error> {
    let (space, title) = resolve(view.db, text)?;
    let title = if space.first_letter { upper_first(&title) } else { title };
    Ok(page_path(&space.name, &title))
}

/// The page of a title; its first letter in upper case when there is none as written.
fn find(db: &Connection, text: &str) -> Result<Option<wiki::Page>, Error> {
    let (space, title) = resolve(db, text)?;
    match wiki::page(db, space.id, &title)? {
        Some(page) => Ok(Some(page)),
        None => Ok(wiki::page(db, space.id, &upper_first(&title))?),
    }
}

/// The page a title means, as the wiki's addresses have it, for tools.
///
/// # Errors
/// The database cannot be read, or the text can be no title.
pub fn page_called(forums_db: &Path, title: &str) -> Result<Option<PageId>, Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(forums_db, flags)?;
    Ok(find(&db, title)?.map(|page| PageId(page.id)))
}

fn tags(page: &wiki::Page) -> Vec<Tag> {
    vec![Tag::Site, Tag::Page(PageId(page.id)), Tag::Titles]
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    if asked(view, "action") == Some("edit") {
        return edit_address(view);
    }
    let Some(page) = find(view.db, param(view, "title"))? else { return absent(view) };
    if let Some(moved) = revisions::old_address(view, &page)? {
        return Ok(moved);
    }
    match asked(view, "action") {
        None | Some("view") => {}
        Some("history") => return revisions::history(view, &page),
        Some("raw") => return revisions::raw(view, &page),
        Some(_) => return Err(invalid("action", "must be view, history, raw or edit")),
    }
    if view.path.replace(' ', "_") != format!("/wiki/{}", page.full_title().replace(' ', "_")) {
        return Ok(Answer::moved(with_query(view, page.path()), tags(&page)));
    }
    if asked(view, "redirect") == Some("no") {
        return show(view, page, None, Vec::new());
    }
    let from = page.redirect_to.is_some().then(|| (page.full_title(), page.path()));
    let (mut shown, mut passed) = (page, Vec::new());
    while let Some(target) = shown.redirect_to.as_deref()
        && passed.len() < MAX_REDIRECTS
        && let Some(next) = find(view.db, target)?
    {
        passed.push(Tag::Page(PageId(shown.id)));
        shown = next;
    }
    show(view, shown, from.filter(|_| !passed.is_empty()), passed)
}

/// Where a page is edited. Pages are kept for all who may see the same, and a form is another for each person: so it has
/// an address of its own.
fn edit_address(view: &View<'_>) -> Result<Answer, Error> {
    let (space, title) = resolve(view.db, param(view, "title"))?;
    let path = tool_path("edit", &full_title(&space.name, &title));
    let section = asked(view, "section").map(|section| format!("?section={}", escape_part(section)));
    Ok(Answer::moved(path + &section.unwrap_or_default(), vec![Tag::Site, Tag::Titles]))
}

/// A title that no page has: the members of a category nobody described, or what is like it.
fn absent(view: &View<'_>) -> Result<Answer, Error> {
    let (space, title) = resolve(view.db, param(view, "title"))?;
    // What cannot be a title is not suggested for, however long it is.
    let title = PageTitle::new(&title, space.first_letter).map_err(|_| missing("page"))?;
    let title = title.as_str();
    let full = full_title(&space.name, title);
    let create = tool_path("edit", &full);
    let tags = vec![Tag::Site, Tag::Titles, Tag::RecentChanges];
    if space.number == Some(wiki::CATEGORY_NUMBER) {
        let path = page_path(&space.name, title);
        let (members, around) = members(view, title, &path)?;
        if !members.is_empty() {
            let page = Page::new(view, &full, path).under("Wiki", "/wiki".into()).around(around);
            let shown = WikiPage { members, create: Some(create), ..WikiPage::empty(page) };
            return Ok(Answer::html(render(&shown)?, tags));
        }
    }
    let page = Page::new(view, &full, String::new()).under("Wiki", "/wiki".into());
    let similar = similar_titles(view, title)?;
    let links = tool_path("links", &full);
    let keeps_order = view.may(Deed::KeepOrder);
    let shown = Absent { page, title, create, links, keeps_order, similar };
    Ok(Answer::html(render(&shown)?, tags).with_status(StatusCode::NOT_FOUND))
}

/// Titles with words that begin as those of `title` do, as FTS5 expressions: all of them, any of them.
fn title_expressions(title: &str) -> Vec<String> {
    let beginnings: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().nth(1).is_some())
        .take(MAX_WORDS)
        .filter_map(|word| match_expression(&word.chars().take(BEGINNING).collect::<String>()))
        .collect();
    let joined = |by: &str| format!("{{title}} : ({})", beginnings.join(by));
    match beginnings.len() {
        0 => Vec::new(),
        1 => vec![joined("")],
        _ => vec![joined(" AND "), joined(" OR ")],
    }
}

/// Pages with titles like `title`, the closest first.
fn similar_titles(view: &View<'_>, title: &str) -> Result<Vec<(String, String)>, Error> {
    let wanted = title.to_lowercase();
    let mut found: Vec<(f32, String, String)> = Vec::new();
    for expression in title_expressions(title) {
        for (space, bare) in search::titles(view.db, &expression, MAX_LOOKED_AT)? {
            let path = page_path(&space, &bare);
            if found.iter().all(|(_, _, known)| *known != path) {
                let ratio = TextDiff::from_chars(wanted.as_str(), bare.to_lowercase().as_str()).ratio();
                found.push((ratio, full_title(&space, &bare), path));
            }
        }
    }
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    Ok(found.into_iter().take(MAX_SIMILAR).map(|(_, title, path)| (title, path)).collect())
}

fn show(
    view: &View<'_>,
    page: wiki::Page,
    from: Option<(String, String)>,
    passed: Vec<Tag>,
) -> Result<Answer, Error> {
    let mut tags = tags(&page);
    tags.extend(passed);
    let gone = wiki::missing_links(view.db, page.id)?;
    let html = if gone.is_empty() {
        page.html.clone()
    } else {
        mark_missing(&page.html, |href| gone.contains(href))
    };
    let mut frame = Page::new(view, &page.full_title(), page.path()).under("Wiki", "/wiki".into());
    let mut shown_members = Vec::new();
    if page.is_category {
        tags.push(Tag::RecentChanges);
        let (members, around) = members(view, &page.title, &page.path())?;
        shown_members = members;
        frame = frame.around(around);
    }
    let tools = Tools::shared(view, page.full_title(), page.protected);
    let headings = headings(&html);
    let html = if tools.may_edit {
        let edit = tool_path("edit", &tools.title);
        link_sections(&html, |heading| format!("{edit}?section={}", escape_part(&heading.id)))
    } else {
        html
    };
    let shown = WikiPage {
        tools,
        is_start: view.path == "/wiki",
        headings,
        path: page.path(),
        html,
        redirected_from: from,
        members: shown_members,
        categories: categories(view, &page)?,
        ..WikiPage::empty(frame)
    };
    Ok(Answer::html(render(&shown)?, tags))
}

/// A page of a category's members, and the pages around it.
fn members(view: &View<'_>, title: &str, path: &str) -> Result<(Vec<wiki::Member>, Around), Error> {
    let (key, id) = member_place(view)?;
    let seal_member = |(id, key): (i64, &str)| seal(format!("{id}\0{key}").as_bytes());
    let mut members = wiki::members(view.db, title, (&key, id), LIST + 1)?;
    let next = cut_by(&mut members, LIST, |last| seal_member((last.page_id, &last.sort_key)));
    let previous = match asked(view, "from") {
        None => None,
        Some(_) => {
            let place = previous::of_members(view.db, title, (&key, id), LIST)?;
            Some(at_cursor(path, "from", place.map(|(id, key)| seal_member((id, &key)))))
        }
    };
    let next = next.map(|cursor| at_cursor(path, "from", Some(cursor)));
    Ok((members, Around { previous, next }))
}

/// The categories of a page with their addresses: in the namespace that describes the category, as a wiki
/// may have one of its own besides ours; without a description, in the wiki's own, which comes last.
fn categories(view: &View<'_>, page: &wiki::Page) -> Result<Vec<(String, String)>, Error> {
    let names = wiki::categories_of(view.db, page.id)?;
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let spaces = wiki::category_spaces(view.db)?;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let mut chosen = spaces.last().ok_or_else(|| missing("namespace"))?;
        for space in &spaces {
            if spaces.len() > 1 && wiki::exists(view.db, space.id, &name)? {
                chosen = space;
                break;
            }
        }
        let path = page_path(&chosen.name, &name);
        found.push((name, path));
    }
    Ok(found)
}

fn member_place(view: &View<'_>) -> Result<(String, i64), Error> {
    let Some(text) = asked(view, "from") else { return Ok((String::new(), 0)) };
    let (id, key) = text_cursor(text)?;
    Ok((key, id))
}

/// A number and a text, as `member_place` and the page of all titles go on from.
pub(crate) fn text_cursor(text: &str) -> Result<(i64, String), Error> {
    let wrong = || invalid("from", "is not a cursor of this site");
    let text = String::from_utf8(unseal("from", text)?).map_err(|_| wrong())?;
    let (number, rest) = text.split_once('\0').ok_or_else(wrong)?;
    Ok((number.parse().map_err(|_| wrong())?, rest.to_owned()))
}

/// As [`resolve`], for titles in bodies of requests.
pub(crate) fn space_of(db: &Connection, text: &str) -> Result<(wiki::Space, String), Error> {
    let (prefix, rest) = split_title(text);
    if let Some(prefix) = prefix.filter(|prefix| !prefix.is_empty())
        && let Some(space) = wiki::namespace(db, prefix)?
    {
        return Ok((space, rest.to_owned()));
    }
    let main = wiki::namespace(db, "")?.ok_or_else(|| missing("namespace"))?;
    Ok((main, text.to_owned()))
}
