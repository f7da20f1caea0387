//! A user's public page.

use veritable_domain::ids::UserId;
use veritable_domain::markup::excerpt_of;
use veritable_domain::tag::Tag;
use veritable_domain::text::user_key;

use super::{PAGE, around, asked, before, cut, missing, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::previous::List;
use crate::reads::{accounts, forum, posts, user_path, wiki};
use crate::routes::View;
use crate::views::{Changes, Item, Page, UserPage, render};

/// Posts on one page of a profile; each is read whole to show its beginning.
const POSTS: usize = 20;
/// Changes to the wiki on a profile: a glance, all of them are a click away.
const EDITS: usize = 10;
/// Characters of a post shown in a list.
pub(crate) const EXCERPT_CHARS: usize = 240;

pub(crate) fn profile(view: &View<'_>) -> Result<Answer, Error> {
    let profile = account(view)?;
    let tags = vec![Tag::Site, Tag::User(UserId(profile.id))];
    let path = user_path(&profile.name);
    let mut found = posts::by_author(view.db, view.audience, profile.id, before(view)?, POSTS + 1)?;
    let list = List::Author(profile.id);
    let around = around(view, &path, list, &mut found, POSTS, posts::RecentPost::place)?;
    let posts = found.into_iter().map(item).collect();
    let mut edits = match asked(view, "before") {
        None => wiki::edits(view.db, profile.id, forum::Before::NOW, EDITS + 1)?,
        Some(_) => Vec::new(),
    };
    let more_edits = cut(&mut edits, EDITS, wiki::Revision::place).map(|_| format!("{path}/edits"));
    let page = Page::new(view, &profile.name, path).around(around);
    Ok(Answer::html(render(&UserPage { page, profile, posts, edits, more_edits })?, tags))
}

/// Every change a user made to the wiki.
pub(crate) fn edits(view: &View<'_>) -> Result<Answer, Error> {
    let profile = account(view)?;
    let path = user_path(&profile.name);
    let all = format!("{path}/edits");
    let mut changes = wiki::edits(view.db, profile.id, before(view)?, PAGE + 1)?;
    let list = List::Edits(profile.id);
    let around = around(view, &all, list, &mut changes, PAGE, wiki::Revision::place)?;
    let title = format!("Wiki edits by {}", profile.name);
    let page = Page::new(view, &title, all).under(&profile.name, path).around(around);
    let shown = Changes { page, changes };
    Ok(Answer::html(render(&shown)?, vec![Tag::Site, Tag::User(UserId(profile.id))]))
}

fn account(view: &View<'_>) -> Result<accounts::Profile, Error> {
    accounts::seen_by(view.db, &user_key(param(view, "name")), view.audience)?.ok_or_else(|| missing("user"))
}

fn item(post: posts::RecentPost) -> Item {
    Item {
        path: post.path(),
        title: post.topic_title,
        html: escape(&excerpt_of(&post.html, EXCERPT_CHARS)),
        author: None,
        at: post.created_at,
    }
}

/// `Item::html` is put into pages as it is.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
