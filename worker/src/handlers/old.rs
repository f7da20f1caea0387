//! Addresses of older systems, and what machines ask for.

use http::StatusCode;
use veritable_domain::tag::Tag;

use super::{asked, missing, number};
use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::reads::{forum, wiki};
use crate::routes::View;

/// MediaWiki's `index.php`, by revision, page id or title.
pub(crate) fn index_php(view: &View<'_>) -> Result<Answer, Error> {
    if let Some(old) = asked(view, "oldid") {
        let foreign = number("oldid", old)?;
        let ours = forum::imported(view.db, "revision", &foreign.to_string())?.first().copied();
        let revision =
            wiki::revision(view.db, ours.unwrap_or(foreign))?.ok_or_else(|| missing("revision"))?;
        return Ok(Answer::moved(
            format!("{}?oldid={}", revision.path, revision.id),
            vec![Tag::Site, Tag::Titles],
        ));
    }
    if let Some(id) = asked(view, "curid") {
        let foreign = number("curid", id)?;
        let ours = forum::imported(view.db, "page", &foreign.to_string())?.first().copied();
        let page = wiki::page_by_id(view.db, ours.unwrap_or(foreign))?.ok_or_else(|| missing("page"))?;
        return Ok(Answer::moved(page.path(), vec![Tag::Site, Tag::Titles]));
    }
    let path = match asked(view, "title") {
        Some(title) => super::wiki::title_path(view, title)?,
        None => "/wiki".to_owned(),
    };
    let tail = if asked(view, "action") == Some("history") { "?action=history" } else { "" };
    Ok(Answer::moved(path + tail, vec![Tag::Site, Tag::Titles]))
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
