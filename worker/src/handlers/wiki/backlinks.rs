//! What links to a page, whether it is there or not.

use veritable_domain::tag::Tag;
use veritable_domain::wiki::{PageTitle, full_title, page_path, tool_path};

use super::super::{Around, asked, at_cursor, cut_by, invalid, missing, param, seal, unseal};
use super::{LIST, resolve};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{backlinks, wiki};
use crate::routes::View;
use crate::views::{Backlinks, Page, Tools, render};

/// The id that a list goes on after.
pub(super) fn after(view: &View<'_>) -> Result<i64, Error> {
    let Some(text) = asked(view, "from") else { return Ok(0) };
    let bytes = unseal("from", text)?;
    let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| invalid("from", "is not a cursor of this site"))?;
    Ok(i64::from_be_bytes(bytes))
}

pub(super) fn seal_id(id: i64) -> String {
    seal(&id.to_be_bytes())
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    let (space, title) = resolve(view.db, param(view, "title"))?;
    let title = PageTitle::new(&title, space.first_letter).map_err(|_| missing("page"))?;
    let target = (space.id, title.as_str());
    let full = full_title(&space.name, title.as_str());
    let address = tool_path("links", &full);
    let after = after(view)?;
    let mut entries = backlinks::linking(view.db, target, after, LIST + 1)?;
    let next = cut_by(&mut entries, LIST, |last| seal_id(last.id));
    let next = next.map(|cursor| at_cursor(&address, "from", Some(cursor)));
    let previous = match after {
        0 => None,
        after => {
            let place = backlinks::previous(view.db, target, after, LIST)?;
            Some(at_cursor(&address, "from", place.map(seal_id)))
        }
    };
    let found = wiki::page(view.db, space.id, title.as_str())?;
    let tools = match &found {
        Some(found) => Tools::shared(view, full.clone(), found.protected),
        None => Tools::default(),
    };
    let frame = Page::new(view, &format!("What links to “{full}”"), String::new())
        .under("Wiki", "/wiki".into())
        .under(&full, page_path(&space.name, title.as_str()))
        .first(&address)
        .around(Around { previous, next });
    let shown = Backlinks { page: frame, tools, exists: found.is_some(), title: full, entries };
    // Any edit may add a link or take one away.
    Ok(Answer::html(render(&shown)?, vec![Tag::Site, Tag::Titles, Tag::RecentChanges]))
}
