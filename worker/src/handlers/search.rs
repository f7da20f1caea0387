//! Search over posts and pages, as a page and as JSON.

use serde_json::json;
use veritable_domain::markup::plain_text;
use veritable_domain::search::{highlight, match_expression};
use veritable_domain::tag::Tag;

use super::user::EXCERPT_CHARS;
use super::{asked, invalid};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{escape_part, forum, search, wiki};
use crate::routes::View;
use crate::views::{Item, Page, SearchPage, render};

/// Results of each kind on one page.
const RESULTS: usize = 20;
/// Deepest page: ranking reads all matches up to it, and nobody reads further.
const MAX_PAGE: usize = 10;

struct Found {
    pages: Vec<Item>,
    posts: Vec<Item>,
    more: bool,
}

struct Asked<'v> {
    query: &'v str,
    within: &'v str,
    page: usize,
}

fn question<'v>(view: &'v View<'_>) -> Result<Asked<'v>, Error> {
    let page = match asked(view, "page").map(str::parse) {
        None => 1,
        Some(Ok(page @ 1..=MAX_PAGE)) => page,
        Some(_) => return Err(invalid("page", "must be between 1 and 10")),
    };
    let within = match asked(view, "in") {
        None | Some("all") => "all",
        Some(within @ ("posts" | "wiki")) => within,
        Some(_) => return Err(invalid("in", "must be all, posts or wiki")),
    };
    Ok(Asked { query: asked(view, "q").unwrap_or(""), within, page })
}

fn find(view: &View<'_>, asked: &Asked<'_>) -> Result<Found, Error> {
    let mut found = Found { pages: Vec::new(), posts: Vec::new(), more: false };
    let Some(expression) = match_expression(asked.query) else { return Ok(found) };
    let skip = (asked.page - 1) * RESULTS;
    if asked.within != "posts" {
        let mut ids = search::pages(view.db, &expression, RESULTS + 1, skip)?;
        found.more |= ids.len() > RESULTS;
        ids.truncate(RESULTS);
        for id in ids {
            found.pages.extend(wiki::page_by_id(view.db, id)?.map(|page| Item {
                path: page.path(),
                title: page.full_title(),
                html: highlight(&plain_text(&page.html), asked.query, EXCERPT_CHARS),
                author: None,
                at: page.updated_at,
            }));
        }
    }
    if asked.within != "wiki" {
        let mut ids = search::posts(view.db, &expression, RESULTS + 1, skip)?;
        found.more |= ids.len() > RESULTS;
        ids.truncate(RESULTS);
        for id in ids {
            found.posts.extend(forum::hit(view.db, id)?.map(|post| Item {
                path: post.path(),
                html: highlight(&plain_text(&post.html), asked.query, EXCERPT_CHARS),
                title: post.topic_title,
                author: Some(post.author),
                at: post.created_at,
            }));
        }
    }
    found.more &= asked.page < MAX_PAGE;
    Ok(found)
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    let asked = question(view)?;
    let found = find(view, &asked)?;
    let first = format!("/search?q={}&in={}", escape_part(asked.query), asked.within);
    let mut page = Page::new(view.site, "Search", String::new());
    page.next = found.more.then(|| format!("{first}&page={}", asked.page + 1));
    page.first = first;
    let Found { pages, posts, .. } = found;
    let shown = SearchPage { page, query: asked.query, within: asked.within, pages, posts };
    Ok(Answer::html(render(&shown)?, vec![Tag::Site, Tag::Search]))
}

pub(crate) fn api(view: &View<'_>) -> Result<Answer, Error> {
    let asked = question(view)?;
    let found = find(view, &asked)?;
    let list = |items: &[Item]| -> Vec<_> {
        items
            .iter()
            .map(|item| {
                json!({
                    "path": item.path, "title": item.title, "excerpt_html": item.html,
                    "author": item.author, "at": item.at,
                })
            })
            .collect()
    };
    let next = found.more.then_some(asked.page + 1);
    let body = json!({"pages": list(&found.pages), "posts": list(&found.posts), "next_page": next});
    super::json(&body, vec![Tag::Site, Tag::Search])
}
