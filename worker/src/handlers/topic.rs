//! A topic with its replies as a tree, whole or from one post down, and the old addresses of both.

use veritable_domain::ids::TopicId;
use veritable_domain::tag::Tag;
use veritable_domain::thread::ThreadPath;

use super::{PAGE, asked, cut_by, id, invalid, missing, number, param, seal, unseal};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::forum;
use crate::routes::View;
use crate::views::{Page, TopicPage, render};

/// Greater than every path of a topic: no code begins with it.
const END: &[u8] = &[0xFF];
/// Most posts named above one that is shown alone.
const MAX_CHAIN: usize = 50;

fn tags(topic: &forum::Topic) -> Vec<Tag> {
    vec![Tag::Site, Tag::Categories, Tag::Topic(TopicId(topic.id))]
}

/// The path after which to go on; empty at the beginning.
pub(crate) fn after(view: &View<'_>) -> Result<Vec<u8>, Error> {
    let Some(text) = asked(view, "after") else { return Ok(Vec::new()) };
    let path = ThreadPath::from_bytes(&unseal("after", text)?);
    path.map(|path| path.as_bytes().to_vec()).ok_or_else(|| invalid("after", "is not a cursor of this site"))
}

/// Posts of a topic in reading order and the cursor of those that follow.
pub(crate) fn page_of(
    view: &View<'_>,
    topic: i64,
    from: &[u8],
    until: &[u8],
    limit: usize,
) -> Result<(Vec<forum::Post>, Option<String>), Error> {
    let mut posts = forum::posts(view.db, topic, from, until, limit + 1)?;
    let next = cut_by(&mut posts, limit, |post| seal(&post.path));
    Ok((posts, next))
}

pub(crate) fn whole(view: &View<'_>) -> Result<Answer, Error> {
    let topic = match find(view)? {
        Found::Here(topic) => topic,
        Found::At(answer) => return Ok(answer),
    };
    let (posts, next) = page_of(view, topic.id, &after(view)?, END, PAGE)?;
    let next = next.map(|at| format!("{}?after={at}", topic.path()));
    let page = framed(view, &topic, topic.path(), topic.title.clone(), next);
    let tags = tags(&topic);
    Ok(Answer::html(render(&TopicPage { page, topic, posts, only: None, chain: Vec::new() })?, tags))
}

pub(crate) fn from_post(view: &View<'_>) -> Result<Answer, Error> {
    let topic = match find(view)? {
        Found::Here(topic) => topic,
        Found::At(answer) => return Ok(answer),
    };
    let wanted = number("number", param(view, "number"))?;
    let post = forum::post_by_number(view.db, topic.id, wanted)?.ok_or_else(|| missing("post"))?;
    let until = ThreadPath::from_bytes(&post.path)
        .ok_or_else(|| Error::Internal(format!("post {} has no readable path", post.id)))?
        .subtree_end();
    let given = after(view)?;
    // A cursor from elsewhere must not widen the range.
    let from = if given > post.path { given } else { post.path.clone() };
    let first = from == post.path;
    let (mut posts, next) = page_of(view, topic.id, &from, &until, PAGE)?;
    let chain = chain(view, &post)?;
    if first {
        posts.insert(0, post);
    }
    let path = format!("{}/{wanted}", topic.path());
    let next = next.map(|at| format!("{path}?after={at}"));
    let page = framed(view, &topic, path, format!("{} · #{wanted}", topic.title), next);
    let tags = tags(&topic);
    Ok(Answer::html(render(&TopicPage { page, topic, posts, only: Some(wanted), chain })?, tags))
}

fn framed<'a>(
    view: &View<'a>,
    topic: &forum::Topic,
    path: String,
    title: String,
    next: Option<String>,
) -> Page<'a> {
    Page::new(view.site, &title, path).under(&topic.category, topic.category_path()).next(next)
}

fn chain(view: &View<'_>, post: &forum::Post) -> Result<Vec<i64>, Error> {
    let mut chain = Vec::new();
    let mut above = post.parent;
    while let (Some(parent), true) = (above, chain.len() < MAX_CHAIN) {
        let Some(found) = forum::post(view.db, parent)? else { break };
        chain.push(found.number);
        above = found.parent;
    }
    chain.reverse();
    Ok(chain)
}

enum Found {
    Here(forum::Topic),
    At(Answer),
}

/// The topic of an address. Ours wins when the slug is ours; then an imported one that had this id and
/// slug; then ours whatever the slug; then any imported one.
fn find(view: &View<'_>) -> Result<Found, Error> {
    let wanted = id(view)?;
    let slug = param(view, "slug");
    let own = forum::topic(view.db, wanted)?;
    if own.as_ref().is_some_and(|topic| topic.slug == slug) {
        return own.map(Found::Here).ok_or_else(|| missing("topic"));
    }
    let imported = old_topics(view, wanted)?;
    let same = imported.iter().position(|topic| topic.slug == slug);
    let number = view.params.get("number");
    let chosen = match (same, own) {
        (Some(at), _) => imported.into_iter().nth(at),
        (None, Some(own)) => Some(own),
        (None, None) => imported.into_iter().next(),
    };
    let topic = chosen.ok_or_else(|| missing("topic"))?;
    let tail = number.map(|number| format!("/{}", crate::reads::escape_part(number))).unwrap_or_default();
    Ok(Found::At(Answer::moved(topic.path() + &tail, tags(&topic))))
}

fn old_topics(view: &View<'_>, foreign: i64) -> Result<Vec<forum::Topic>, Error> {
    let mut found = Vec::new();
    for id in forum::imported(view.db, "topic", &foreign.to_string())? {
        found.extend(forum::topic(view.db, id)?);
    }
    Ok(found)
}

/// `/t/{id}`: an old system's id before ours, which always comes with a slug.
pub(crate) fn by_id(view: &View<'_>) -> Result<Answer, Error> {
    let wanted = id(view)?;
    let topic = match old_topics(view, wanted)?.into_iter().next() {
        Some(topic) => topic,
        None => forum::topic(view.db, wanted)?.ok_or_else(|| missing("topic"))?,
    };
    Ok(Answer::moved(topic.path(), tags(&topic)))
}

/// `/p/{id}`: a post by an old system's id, or by ours.
pub(crate) fn post_by_id(view: &View<'_>) -> Result<Answer, Error> {
    let wanted = id(view)?;
    let ours = forum::imported(view.db, "post", &wanted.to_string())?.first().copied().unwrap_or(wanted);
    let post = forum::post(view.db, ours)?.ok_or_else(|| missing("post"))?;
    let topic = forum::topic(view.db, post.topic_id)?.ok_or_else(|| missing("topic"))?;
    Ok(Answer::moved(format!("{}/{}", topic.path(), post.number), tags(&topic)))
}
