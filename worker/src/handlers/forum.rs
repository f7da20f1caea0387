//! The front page and lists of topics.

use veritable_domain::ids::CategoryId;
use veritable_domain::tag::Tag;

use super::{PAGE, around, asked, before, id, missing, param, with_query};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::previous::List;
use crate::reads::{forum, wiki};
use crate::routes::View;
use crate::views::{Front, Page, Topics, render};

/// Topics and changes on the front page: it introduces, the lists themselves are a click away.
const FRONT_ENTRIES: usize = 15;
/// Most pinned topics shown above a category.
const MAX_PINNED: usize = 10;

pub(crate) fn front(view: &View<'_>) -> Result<Answer, Error> {
    let mut page = Page::new(view.site, &view.site.name, "/".into());
    page.description.clone_from(&view.site.description);
    let front = Front {
        page,
        categories: forum::categories(view.db)?,
        topics: forum::latest(view.db, forum::Before::NOW, FRONT_ENTRIES)?,
        changes: wiki::changes(view.db, forum::Before::NOW, FRONT_ENTRIES)?,
    };
    Ok(Answer::html(render(&front)?, vec![Tag::Site, Tag::Categories, Tag::Latest, Tag::RecentChanges]))
}

pub(crate) fn latest(view: &View<'_>) -> Result<Answer, Error> {
    let mut topics = forum::latest(view.db, before(view)?, PAGE + 1)?;
    let around = around(view, "/latest", List::Latest, &mut topics, PAGE, forum::Topic::place)?;
    let page = Page::new(view.site, "Latest topics", "/latest".into()).around(around);
    let list = Topics { page, category: None, pinned: Vec::new(), topics };
    Ok(Answer::html(render(&list)?, vec![Tag::Site, Tag::Latest, Tag::Categories]))
}

pub(crate) fn category(view: &View<'_>) -> Result<Answer, Error> {
    let category = forum::category(view.db, id(view)?)?.ok_or_else(|| missing("category"))?;
    let tags = vec![Tag::Site, Tag::Categories, Tag::Category(CategoryId(category.id))];
    let path = category.path();
    if param(view, "slug") != category.slug {
        return Ok(Answer::moved(with_query(view, path), tags));
    }
    let mut topics = forum::in_category(view.db, category.id, before(view)?, PAGE + 1)?;
    let list = List::Category(category.id);
    let around = around(view, &path, list, &mut topics, PAGE, forum::Topic::place)?;
    let pinned = match asked(view, "before") {
        None => forum::pinned(view.db, category.id, MAX_PINNED)?,
        Some(_) => Vec::new(),
    };
    let page = Page::new(view.site, &category.name, path).around(around);
    Ok(Answer::html(render(&Topics { page, category: Some(category), pinned, topics })?, tags))
}
