//! The front page and lists of topics.

use veritable_domain::ids::CategoryId;
use veritable_domain::permission::{Deed, Groups};
use veritable_domain::tag::Tag;

use super::old::{Candidate, settle};
use super::{PAGE, around, asked, before, id, missing, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::previous::List;
use crate::reads::{forum, old, wiki};
use crate::routes::View;
use crate::views::{Front, Page, Topics, render};

/// Topics and changes on the front page: it introduces, the lists themselves are a click away.
const FRONT_ENTRIES: usize = 15;
/// Most pinned topics shown above a category.
const MAX_PINNED: usize = 10;

pub(crate) fn front(view: &View<'_>) -> Result<Answer, Error> {
    let mut page = Page::new(view, &view.site.name, "/".into());
    page.description.clone_from(&view.site.description);
    let categories = forum::categories(view.db, view.audience)?;
    let front = Front {
        page,
        can_write: categories.iter().any(|category| takes_topics(view, category)),
        categories,
        topics: forum::latest(view.db, view.audience, forum::Before::NOW, FRONT_ENTRIES)?,
        changes: wiki::changes(view.db, forum::Before::NOW, FRONT_ENTRIES)?,
    };
    Ok(Answer::html(render(&front)?, vec![Tag::Site, Tag::Categories, Tag::Latest, Tag::RecentChanges]))
}

pub(crate) fn latest(view: &View<'_>) -> Result<Answer, Error> {
    let mut topics = forum::latest(view.db, view.audience, before(view)?, PAGE + 1)?;
    let around = around(view, "/latest", List::Latest, &mut topics, PAGE, forum::Topic::place)?;
    let page = Page::new(view, "Latest topics", "/latest".into()).around(around);
    // Guests are spared the question.
    let open = view.audience != Groups::EVERYONE;
    let categories = if open { forum::categories(view.db, view.audience)? } else { Vec::new() };
    let can_write = categories.iter().any(|category| takes_topics(view, category));
    let list = Topics { page, category: None, pinned: Vec::new(), topics, can_write };
    Ok(Answer::html(render(&list)?, vec![Tag::Site, Tag::Latest, Tag::Categories]))
}

/// A category's topics. Discourse's address of a category within another has the other's slug as well.
pub(crate) fn category(view: &View<'_>) -> Result<Answer, Error> {
    let wanted = id(view).map_err(|_| missing("category"))?;
    let slug = param(view, "slug");
    let within = view.params.contains_key("parent");
    let category = match forum::category(view.db, view.audience, wanted)? {
        Some(own) if own.slug == slug && !within => own,
        own => {
            let mut theirs = Vec::new();
            for id in old::imported(view.db, "category", wanted)? {
                theirs.extend(forum::category(view.db, view.audience, id)?.map(candidate));
            }
            return settle(view, "category", own.map(candidate), theirs, slug, "");
        }
    };
    let tags = vec![Tag::Site, Tag::Categories, Tag::Category(CategoryId(category.id))];
    let path = category.path();
    let mut topics = forum::in_category(view.db, view.audience, category.id, before(view)?, PAGE + 1)?;
    let list = List::Category(category.id);
    let around = around(view, &path, list, &mut topics, PAGE, forum::Topic::place)?;
    let pinned = match asked(view, "before") {
        None => forum::pinned(view.db, view.audience, category.id, MAX_PINNED)?,
        Some(_) => Vec::new(),
    };
    let page = Page::new(view, &category.name, path).around(around);
    let can_write = takes_topics(view, &category);
    Ok(Answer::html(render(&Topics { page, category: Some(category), pinned, topics, can_write })?, tags))
}

/// Whether those who will see it may open topics in a category.
fn takes_topics(view: &View<'_>, category: &forum::Category) -> bool {
    view.may(Deed::CreateTopic { access: category.access, category_locked: category.locked })
}

fn candidate(category: forum::Category) -> Candidate {
    let path = category.path();
    Candidate { id: category.id, title: category.name, slug: category.slug, path, tag: Tag::Categories }
}
