//! Addresses of older systems, and what machines ask for.

use http::StatusCode;
use veritable_domain::ids::PageId;
use veritable_domain::tag::Tag;

use super::{asked, missing, number};
use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::reads::{escape_part, old, wiki};
use crate::routes::View;
use crate::views::{Choices, Page, render};

/// The answer where nothing has the address asked for but some things are like it.
pub(crate) fn choose(choices: Choices<'_>, tags: Vec<Tag>) -> Result<Answer, Error> {
    let answer = Answer::html(render(&choices)?, tags);
    Ok(Answer { status: StatusCode::NOT_FOUND, ..answer })
}

/// MediaWiki's `index.php`, by revision, page id or title. Ids are never ours: none of our addresses
/// has this form.
pub(crate) fn index_php(view: &View<'_>) -> Result<Answer, Error> {
    let path = match asked(view, "title") {
        Some(title) => Some(super::wiki::title_path(view, title)?),
        None => None,
    };
    if let (Some(foreign), None) = (asked(view, "oldid"), asked(view, "diff")) {
        return by_revision(view, number("oldid", foreign)?, path.as_deref());
    }
    if let (Some(foreign), None) = (asked(view, "curid"), &path) {
        return by_page(view, number("curid", foreign)?);
    }
    let tail: Vec<String> = ["action", "diff", "oldid", "redirect"]
        .into_iter()
        .filter_map(|name| asked(view, name).map(|value| format!("{name}={}", escape_part(value))))
        .collect();
    let path = path.unwrap_or_else(|| "/wiki".to_owned());
    let path = if tail.is_empty() { path } else { format!("{path}?{}", tail.join("&")) };
    Ok(Answer::moved(path, vec![Tag::Site, Tag::Titles]))
}

fn by_revision(view: &View<'_>, foreign: i64, path: Option<&str>) -> Result<Answer, Error> {
    let mut found = Vec::new();
    for id in old::imported(view.db, "revision", foreign)? {
        found.extend(wiki::revision(view.db, id)?);
    }
    // A page may have been renamed since: the title only decides between wikis.
    if found.len() > 1
        && let Some(path) = path
    {
        found.retain(|revision| revision.path == path);
    }
    match found.as_slice() {
        [revision] => Ok(Answer::moved(
            revision.address(),
            vec![Tag::Site, Tag::Titles, Tag::Page(PageId(revision.page_id))],
        )),
        [] => Err(missing("revision")),
        several => {
            let choices = several.iter().map(|it| (it.title.clone(), it.address())).collect();
            which_page(view, choices)
        }
    }
}

fn by_page(view: &View<'_>, foreign: i64) -> Result<Answer, Error> {
    let mut found = Vec::new();
    for id in old::imported(view.db, "page", foreign)? {
        found.extend(wiki::page_by_id(view.db, id)?);
    }
    match found.as_slice() {
        [page] => Ok(Answer::moved(page.path(), vec![Tag::Site, Tag::Titles])),
        [] => Err(missing("page")),
        several => {
            let choices = several.iter().map(|page| (page.full_title(), page.path())).collect();
            which_page(view, choices)
        }
    }
}

fn which_page(view: &View<'_>, choices: Vec<(String, String)>) -> Result<Answer, Error> {
    let page = Page::new(view.site, "Which page?", String::new());
    let about = "Several older wikis had this number.";
    choose(Choices { page, about, query: "", choices }, vec![Tag::Site, Tag::Titles])
}

pub(crate) fn robots(_: &View<'_>) -> Result<Answer, Error> {
    Ok(Answer {
        status: StatusCode::OK,
        content_type: ContentType::Text,
        body: "User-agent: *\nDisallow: /search\nDisallow: /api/\n".into(),
        location: None,
        tags: vec![Tag::Site],
    })
}
