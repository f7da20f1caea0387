//! Lists of wiki pages and of changes.

use veritable_domain::permission::Deed;
use veritable_domain::tag::Tag;

use super::super::{Around, PAGE, around, asked, at_cursor, before, cut_by, seal};
use super::{LIST, show, text_cursor};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::previous::{self, List};
use crate::reads::wiki;
use crate::routes::View;
use crate::views::{Changes, Page, PageList, render};

/// Titles that wikis give their first page, the likeliest first.
const MAIN_PAGES: [&str; 4] = ["Home", "Main Page", "Main page", "Welcome"];

/// `/wiki`: the wiki's first page where it has one, all pages otherwise.
pub(crate) fn index(view: &View<'_>) -> Result<Answer, Error> {
    for title in MAIN_PAGES {
        if let Some(page) = wiki::page(view.db, veritable_domain::ids::NamespaceId::MAIN.0, title)? {
            return show(view, page, None, Vec::new());
        }
    }
    all(view)
}

/// Where a list of titles goes on.
pub(crate) fn entry_place(view: &View<'_>) -> Result<(i64, String), Error> {
    asked(view, "from").map_or_else(|| Ok((0, String::new())), text_cursor)
}

pub(crate) fn seal_entry(entry: &wiki::Entry) -> String {
    seal_title(entry.namespace_id, &entry.bare_title)
}

fn seal_title(space: i64, title: &str) -> String {
    seal(format!("{space}\0{title}").as_bytes())
}

const ALL: &str = "/wiki-all";

pub(crate) fn all(view: &View<'_>) -> Result<Answer, Error> {
    let (space, title) = entry_place(view)?;
    let mut entries = wiki::all_pages(view.db, (space, &title), LIST + 1)?;
    let next = cut_by(&mut entries, LIST, seal_entry).map(|at| at_cursor(ALL, "from", Some(at)));
    let previous = match asked(view, "from") {
        None => None,
        Some(_) => {
            let place = previous::of_titles(view.db, (space, &title), LIST)?;
            Some(at_cursor(ALL, "from", place.map(|(space, title)| seal_title(space, &title))))
        }
    };
    let page = Page::new(view, "All pages", ALL.into())
        .under("Wiki", "/wiki".into())
        .around(Around { previous, next });
    Ok(Answer::html(
        render(&PageList { page, groups: by_space(entries), keeps_order: view.may(Deed::KeepOrder) })?,
        vec![Tag::Site, Tag::Titles],
    ))
}

fn by_space(entries: Vec<wiki::Entry>) -> Vec<(Option<String>, Vec<wiki::Entry>)> {
    let mut groups: Vec<(Option<String>, Vec<wiki::Entry>)> = Vec::new();
    let mut space = None;
    for entry in entries {
        if space != Some(entry.namespace_id) {
            space = Some(entry.namespace_id);
            // The title is the namespace's name, a colon and the bare title; the main one has no name.
            let name = entry.title.strip_suffix(&entry.bare_title).and_then(|name| name.strip_suffix(':'));
            groups.push((name.map(str::to_owned), Vec::new()));
        }
        if let Some((_, group)) = groups.last_mut() {
            group.push(entry);
        }
    }
    groups
}

pub(crate) fn recent(view: &View<'_>) -> Result<Answer, Error> {
    let mut changes = wiki::changes(view.db, before(view)?, PAGE + 1)?;
    let around = around(view, "/recent", List::Changes, &mut changes, PAGE, wiki::Revision::place)?;
    let page = Page::new(view, "Recent changes", "/recent".into()).around(around);
    Ok(Answer::html(render(&Changes { page, changes })?, vec![Tag::Site, Tag::RecentChanges]))
}
