//! The wiki as JSON.

use serde_json::json;
use veritable_domain::ids::{PageId, UserId};
use veritable_domain::tag::Tag;
use veritable_domain::text::user_key;

use super::wiki::lists::{entry_place, seal_entry};
use super::{PAGE, before, cut, cut_by, id, json as answer, limit, listed, missing, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{accounts, wiki};
use crate::routes::View;

pub(crate) fn pages(view: &View<'_>) -> Result<Answer, Error> {
    let limit = limit(view, PAGE)?;
    let (space, title) = entry_place(view)?;
    let mut pages = wiki::all_pages(view.db, (space, &title), limit + 1)?;
    let next = cut_by(&mut pages, limit, seal_entry);
    // Times of the last change are shown, so changes matter besides titles.
    listed("pages", &pages, next, vec![Tag::Site, Tag::Titles, Tag::RecentChanges])
}

pub(crate) fn page(view: &View<'_>) -> Result<Answer, Error> {
    let page = wiki::page_by_id(view.db, id(view)?)?.ok_or_else(|| missing("page"))?;
    let source = wiki::source(view.db, page.revision_id)?.ok_or_else(|| missing("revision"))?;
    let body = json!({
        "id": page.id, "title": page.full_title(), "path": page.path(), "revision": page.revision_id,
        "created_at": page.created_at, "updated_at": page.updated_at, "redirect_to": page.redirect_to,
        "protected": page.protected, "html": page.html, "format": source.format, "source": source.source,
    });
    answer(&body, vec![Tag::Site, Tag::Page(PageId(page.id))])
}

pub(crate) fn history(view: &View<'_>) -> Result<Answer, Error> {
    let page = wiki::page_by_id(view.db, id(view)?)?.ok_or_else(|| missing("page"))?;
    let limit = limit(view, PAGE)?;
    let mut revisions = wiki::history(view.db, page.id, before(view)?, limit + 1)?;
    let next = cut(&mut revisions, limit, wiki::Revision::place);
    listed("revisions", &revisions, next, vec![Tag::Site, Tag::Page(PageId(page.id))])
}

pub(crate) fn revision(view: &View<'_>) -> Result<Answer, Error> {
    let revision = wiki::revision(view.db, id(view)?)?.ok_or_else(|| missing("revision"))?;
    let source = wiki::source(view.db, revision.id)?.ok_or_else(|| missing("revision"))?;
    let tags = vec![Tag::Site, Tag::Page(PageId(revision.page_id))];
    answer(&json!({"revision": revision, "format": source.format, "source": source.source}), tags)
}

pub(crate) fn changes(view: &View<'_>) -> Result<Answer, Error> {
    let limit = limit(view, PAGE)?;
    let mut changes = wiki::changes(view.db, before(view)?, limit + 1)?;
    let next = cut(&mut changes, limit, wiki::Revision::place);
    listed("changes", &changes, next, vec![Tag::Site, Tag::RecentChanges])
}

pub(crate) fn user_edits(view: &View<'_>) -> Result<Answer, Error> {
    let user = accounts::seen_by(view.db, &user_key(param(view, "name")), view.audience)?
        .ok_or_else(|| missing("user"))?;
    let limit = limit(view, PAGE)?;
    let mut changes = wiki::edits(view.db, user.id, before(view)?, limit + 1)?;
    let next = cut(&mut changes, limit, wiki::Revision::place);
    listed("changes", &changes, next, vec![Tag::Site, Tag::User(UserId(user.id))])
}
