//! The forum and its people as JSON.

use serde_json::json;
use veritable_domain::ids::{CategoryId, TopicId, UserId};
use veritable_domain::tag::Tag;
use veritable_domain::text::user_key;

use super::topic::END;
use super::{PAGE, before, cut, id, json as answer, limit, listed, missing, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{accounts, forum, posts};
use crate::routes::View;

pub(crate) fn categories(view: &View<'_>) -> Result<Answer, Error> {
    let body = json!({"categories": forum::categories(view.db, view.audience)?});
    answer(&body, vec![Tag::Site, Tag::Categories, Tag::Latest])
}

pub(crate) fn latest(view: &View<'_>) -> Result<Answer, Error> {
    let limit = limit(view, PAGE)?;
    let mut topics = forum::latest(view.db, view.audience, before(view)?, limit + 1)?;
    let next = cut(&mut topics, limit, forum::Topic::place);
    listed("topics", &topics, next, vec![Tag::Site, Tag::Latest, Tag::Categories])
}

fn category(view: &View<'_>) -> Result<(i64, Vec<Tag>), Error> {
    let category = forum::category(view.db, view.audience, id(view)?)?.ok_or_else(|| missing("category"))?;
    Ok((category.id, vec![Tag::Site, Tag::Categories, Tag::Category(CategoryId(category.id))]))
}

pub(crate) fn topics(view: &View<'_>) -> Result<Answer, Error> {
    let (id, tags) = category(view)?;
    let limit = limit(view, PAGE)?;
    let mut topics = forum::in_category(view.db, view.audience, id, before(view)?, limit + 1)?;
    let next = cut(&mut topics, limit, forum::Topic::place);
    listed("topics", &topics, next, tags)
}

pub(crate) fn category_posts(view: &View<'_>) -> Result<Answer, Error> {
    let (id, tags) = category(view)?;
    let limit = limit(view, PAGE)?;
    let mut found = posts::by_category(view.db, view.audience, id, before(view)?, limit + 1)?;
    let next = cut(&mut found, limit, posts::RecentPost::place);
    listed("posts", &found, next, tags)
}

pub(crate) fn topic(view: &View<'_>) -> Result<Answer, Error> {
    let topic = super::topic::seen(view, id(view)?)?.ok_or_else(|| missing("topic"))?;
    answer(&topic, vec![Tag::Site, Tag::Categories, Tag::Topic(TopicId(topic.id))])
}

pub(crate) fn posts(view: &View<'_>) -> Result<Answer, Error> {
    let topic = super::topic::seen(view, id(view)?)?.ok_or_else(|| missing("topic"))?;
    let from = super::topic::after(view)?;
    let (posts, next) = super::topic::page_of(view, &topic, &from, END, limit(view, PAGE)?)?;
    listed("posts", &posts, next, vec![Tag::Site, Tag::Topic(TopicId(topic.id))])
}

pub(crate) fn post(view: &View<'_>) -> Result<Answer, Error> {
    let post = posts::post(view.db, view.audience, id(view)?)?.ok_or_else(|| missing("post"))?;
    // What was taken back is not shown, in its source no more than in its HTML.
    let version = if post.is_shown() { posts::version(view.db, post.id)? } else { None };
    let tags = vec![Tag::Site, Tag::Topic(TopicId(post.topic_id))];
    answer(&json!({"post": post, "current": version}), tags)
}

pub(crate) fn user(view: &View<'_>) -> Result<Answer, Error> {
    let user = accounts::seen_by(view.db, &user_key(param(view, "name")), view.audience)?
        .ok_or_else(|| missing("user"))?;
    answer(&user, vec![Tag::Site, Tag::User(UserId(user.id))])
}

pub(crate) fn user_posts(view: &View<'_>) -> Result<Answer, Error> {
    let user = accounts::seen_by(view.db, &user_key(param(view, "name")), view.audience)?
        .ok_or_else(|| missing("user"))?;
    let limit = limit(view, PAGE)?;
    let mut found = posts::by_author(view.db, view.audience, user.id, before(view)?, limit + 1)?;
    let next = cut(&mut found, limit, posts::RecentPost::place);
    listed("posts", &found, next, vec![Tag::Site, Tag::User(UserId(user.id))])
}
