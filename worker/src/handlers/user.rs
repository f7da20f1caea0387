//! A user's public page.

use veritable_domain::ids::UserId;
use veritable_domain::markup::{excerpt, plain_text};
use veritable_domain::tag::Tag;
use veritable_domain::text::user_key;

use super::{asked, before, cut, missing, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{accounts, forum, user_path, wiki};
use crate::routes::View;
use crate::views::{Item, Page, UserPage, render};

/// Posts on one page of a profile; each is read whole to show its beginning.
const POSTS: usize = 20;
/// Characters of a post shown in a list.
pub(crate) const EXCERPT_CHARS: usize = 240;

pub(crate) fn profile(view: &View<'_>) -> Result<Answer, Error> {
    let key = user_key(param(view, "name"));
    let profile = accounts::by_name(view.db, &key)?.ok_or_else(|| missing("user"))?;
    let tags = vec![Tag::Site, Tag::User(UserId(profile.id))];
    let path = user_path(&profile.name);
    let mut found = forum::by_author(view.db, profile.id, before(view)?, POSTS + 1)?;
    let next = cut(&mut found, POSTS, forum::RecentPost::place).map(|at| format!("{path}?before={at}"));
    let posts = found.into_iter().map(item).collect();
    let edits = match asked(view, "before") {
        None => wiki::edits(view.db, profile.id, forum::Before::NOW, POSTS)?,
        Some(_) => Vec::new(),
    };
    let page = Page::new(view.site, &profile.name, path).next(next);
    Ok(Answer::html(render(&UserPage { page, profile, posts, edits })?, tags))
}

fn item(post: forum::RecentPost) -> Item {
    Item {
        path: post.path(),
        title: post.topic_title,
        html: escape(&excerpt(&plain_text(&post.html), EXCERPT_CHARS)),
        author: None,
        at: post.created_at,
    }
}

/// `Item::html` is put into pages as it is.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
