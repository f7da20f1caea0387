//! Search over posts and pages, as a page and as JSON.

use serde_json::json;
use veritable_domain::search::{Highlighter, match_expression};
use veritable_domain::tag::Tag;

use super::user::EXCERPT_CHARS;
use super::{Around, asked, invalid, limit, seal, unseal};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{escape_part, posts, search, wiki};
use crate::routes::View;
use crate::views::{Item, Page, SearchPage, render};

/// Results of each kind on one page.
const RESULTS: usize = 20;
/// Deepest page: ranking reads all matches up to it, and nobody reads further.
const MAX_PAGE: usize = 10;
/// Deepest result of each kind, for the same reason.
const MAX_RESULT: usize = RESULTS * MAX_PAGE;

/// Best matches first, one more than asked for if there are more.
struct Found {
    pages: Vec<wiki::Page>,
    posts: Vec<posts::RecentPost>,
    more: bool,
}

struct Asked<'v> {
    query: &'v str,
    within: &'v str,
}

fn question<'v>(view: &'v View<'_>) -> Result<Asked<'v>, Error> {
    let within = match asked(view, "in") {
        None | Some("all") => "all",
        Some(within @ ("posts" | "wiki")) => within,
        Some(_) => return Err(invalid("in", "must be all, posts or wiki")),
    };
    Ok(Asked { query: asked(view, "q").unwrap_or(""), within })
}

fn find(view: &View<'_>, asked: &Asked<'_>, skip: usize, limit: usize) -> Result<Found, Error> {
    let mut found = Found { pages: Vec::new(), posts: Vec::new(), more: false };
    let Some(expression) = match_expression(asked.query) else { return Ok(found) };
    if asked.within != "posts" {
        let ids = search::pages(view.db, &expression, limit + 1, skip)?;
        found.more |= ids.len() > limit;
        for id in ids.into_iter().take(limit) {
            found.pages.extend(wiki::page_by_id(view.db, id)?);
        }
    }
    if asked.within != "wiki" {
        let ids = search::posts(view.db, view.audience, &expression, limit + 1, skip)?;
        found.more |= ids.len() > limit;
        for id in ids.into_iter().take(limit) {
            found.posts.extend(posts::hit(view.db, view.audience, id)?);
        }
    }
    found.more &= skip + limit < MAX_RESULT;
    Ok(found)
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    let asked = question(view)?;
    let number = match super::asked(view, "page").map(str::parse) {
        None => 1,
        Some(Ok(page @ 1..=MAX_PAGE)) => page,
        Some(_) => return Err(invalid("page", "must be between 1 and 10")),
    };
    let found = find(view, &asked, (number - 1) * RESULTS, RESULTS)?;
    let first = format!("/search?q={}&in={}", escape_part(asked.query), asked.within);
    let address = |number: usize| match number {
        1 => first.clone(),
        _ => format!("{first}&page={number}"),
    };
    let around = Around {
        previous: (number > 1).then(|| address(number - 1)),
        next: found.more.then(|| address(number + 1)),
    };
    let title = if asked.query.is_empty() { "Search".to_owned() } else { format!("Search: {}", asked.query) };
    let mut page = Page::new(view, &title, String::new()).around(around);
    page.first = address(1);
    let shown = Highlighter::new(asked.query, EXCERPT_CHARS);
    let pages = found.pages.into_iter().map(|page| Item {
        path: page.path(),
        title: page.full_title(),
        html: shown.show(&page.html),
        author: None,
        at: page.updated_at,
    });
    let posts = found.posts.into_iter().map(|post| Item {
        path: post.path(),
        html: shown.show(&post.html),
        title: post.topic_title,
        author: Some(post.author),
        at: post.created_at,
    });
    let (pages, posts) = (pages.collect(), posts.collect());
    let results = SearchPage { page, query: asked.query, within: asked.within, pages, posts };
    Ok(Answer::html(render(&results)?, vec![Tag::Site, Tag::Search]))
}

/// How many results of each kind were shown before a cursor.
pub(crate) fn skipped(view: &View<'_>) -> Result<usize, Error> {
    let Some(text) = asked(view, "after") else { return Ok(0) };
    let wrong = || invalid("after", "is not a cursor of this site");
    let bytes = <[u8; 2]>::try_from(unseal("after", text)?).map_err(|_| wrong())?;
    let skip = usize::from(u16::from_be_bytes(bytes));
    if skip < MAX_RESULT { Ok(skip) } else { Err(wrong()) }
}

pub(crate) fn api(view: &View<'_>) -> Result<Answer, Error> {
    let asked = question(view)?;
    let (skip, limit) = (skipped(view)?, limit(view, RESULTS)?);
    let found = find(view, &asked, skip, limit)?;
    let url = |path: &str| format!("{}{path}", view.site.base_url);
    let shown = Highlighter::new(asked.query, EXCERPT_CHARS);
    let page = |page: &wiki::Page| {
        json!({
            "id": page.id, "title": page.full_title(), "url": url(&page.path()),
            "excerpt_html": shown.show(&page.html), "updated_at": page.updated_at,
        })
    };
    let post = |post: &posts::RecentPost| {
        json!({
            "id": post.id, "topic_id": post.topic_id, "number": post.number, "title": post.topic_title,
            "url": url(&post.path()), "excerpt_html": shown.show(&post.html),
            "author": post.author, "created_at": post.created_at,
        })
    };
    let next = u16::try_from(skip + limit).ok().filter(|_| found.more).map(|skip| seal(&skip.to_be_bytes()));
    let body = json!({
        "pages": found.pages.iter().map(page).collect::<Vec<_>>(),
        "posts": found.posts.iter().map(post).collect::<Vec<_>>(),
        "next": next,
    });
    super::json(&body, vec![Tag::Site, Tag::Search])
}
