//! A topic with its replies as a tree, whole or from one post down, and the old addresses of both.

use veritable_domain::ids::TopicId;
use veritable_domain::permission::{Actor, Deed, Groups, Role, may};
use veritable_domain::tag::Tag;
use veritable_domain::thread::ThreadPath;

use super::old::{Candidate, choose, in_doubt, settle};
use super::{
    Around, PAGE, asked, at_cursor, cut_by, id, invalid, missing, number, param, seal, unseal, with_query,
};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{escape_part, forum, old, posts, previous};
use crate::routes::View;
use crate::views::{About, Choices, Page, TopicPage, render};

/// Greater than every path of a topic: no code begins with it.
pub(crate) const END: &[u8] = &[0xFF];
/// Most posts named above one that is shown alone.
const MAX_CHAIN: usize = 50;

/// What an answer depends on that shows something of a topic.
pub(crate) fn tags(topic: &forum::Topic) -> Vec<Tag> {
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
    topic: &forum::Topic,
    from: &[u8],
    until: &[u8],
    limit: usize,
) -> Result<(Vec<posts::Post>, Option<String>), Error> {
    let mut posts = posts::posts(view.db, (topic.id, keeps(view, topic)), from, until, limit + 1)?;
    let next = cut_by(&mut posts, limit, |post| seal(&post.path));
    Ok((posts, next))
}

/// Whether those who will see it keep order in a topic.
pub(crate) fn keeps(view: &View<'_>, topic: &forum::Topic) -> bool {
    view.may(Deed::Moderate { access: topic.access })
}

/// A topic that those who ask may see: those who keep order see it when it was deleted, too.
pub(crate) fn seen(view: &View<'_>, id: i64) -> Result<Option<forum::Topic>, Error> {
    let there = forum::topic(view.db, view.audience, id)?;
    if there.is_some() || view.audience == Groups::EVERYONE {
        return Ok(there);
    }
    Ok(forum::deleted_topic(view.db, view.audience, id)?)
}

pub(crate) fn whole(view: &View<'_>) -> Result<Answer, Error> {
    let topic = match find(view)? {
        Found::Here(topic) => topic,
        Found::At(answer) => return Ok(answer),
    };
    let from = after(view)?;
    let (posts, next) = page_of(view, &topic, &from, END, PAGE)?;
    let around = around_posts(view, &topic, (&[], &from), &topic.path(), next)?;
    let page = framed(view, &topic, topic.path(), topic.title.clone()).around(around);
    let tags = tags(&topic);
    let namesakes = namesakes(view, &topic)?;
    let about = about(view, &topic)?;
    let shown = TopicPage { page, topic, posts, only: None, chain: Vec::new(), level: 0, namesakes, about };
    Ok(Answer::html(render(&shown)?, tags))
}

pub(crate) fn from_post(view: &View<'_>) -> Result<Answer, Error> {
    let topic = match find(view)? {
        Found::Here(topic) => topic,
        Found::At(answer) => return Ok(answer),
    };
    let wanted = number("number", param(view, "number"))?;
    let keeps = keeps(view, &topic);
    let post = posts::post_by_number(view.db, (topic.id, keeps), wanted)?.ok_or_else(|| missing("post"))?;
    let until = ThreadPath::from_bytes(&post.path)
        .ok_or_else(|| Error::Internal(format!("post {} has no readable path", post.id)))?
        .subtree_end();
    let given = after(view)?;
    // A cursor from elsewhere must not widen the range.
    let from = if given > post.path { given } else { post.path.clone() };
    let first = from == post.path;
    let (mut posts, next) = page_of(view, &topic, &from, &until, PAGE)?;
    let path = format!("{}/{wanted}", topic.path());
    let around = around_posts(view, &topic, (&post.path, &from), &path, next)?;
    let chain = chain(view, &post)?;
    let level = post.depth;
    if first {
        posts.insert(0, post);
    }
    let page = framed(view, &topic, path, format!("{} · #{wanted}", topic.title)).around(around);
    let tags = tags(&topic);
    let about = about(view, &topic)?;
    let namesakes = Vec::new();
    let shown = TopicPage { page, topic, posts, only: Some(wanted), chain, level, namesakes, about };
    Ok(Answer::html(render(&shown)?, tags))
}

/// The pages around one that begins after the path `from`, among the posts after the path `above`.
fn around_posts(
    view: &View<'_>,
    topic: &forum::Topic,
    (above, from): (&[u8], &[u8]),
    first: &str,
    next: Option<String>,
) -> Result<Around, Error> {
    let previous = if from > above {
        let cursor = previous::of_posts(view.db, topic.id, above, from, PAGE)?;
        Some(at_cursor(first, "after", cursor.map(|path| seal(&path))))
    } else {
        None
    };
    Ok(Around { previous, next: next.map(|cursor| at_cursor(first, "after", Some(cursor))) })
}

/// What those who will see a topic may do in it.
fn about(view: &View<'_>, topic: &forum::Topic) -> Result<About, Error> {
    let (access, is_there) = (topic.access, topic.deleted_at.is_none());
    let replies = |groups: Groups| {
        let actor = Actor { user: None, role: groups.role(), groups };
        is_there && may(actor, Deed::Reply { access, topic_locked: topic.locked }).is_ok()
    };
    Ok(About {
        can_reply: replies(view.audience),
        could_reply: replies(Groups::of_role(Role::Member)),
        keeps: keeps(view, topic),
        deleted_by: if is_there { None } else { forum::deleter(view.db, topic.id)? },
    })
}

fn framed<'a>(view: &View<'a>, topic: &forum::Topic, path: String, title: String) -> Page<'a> {
    Page::new(view, &title, path).under(&topic.category, topic.category_path())
}

fn chain(view: &View<'_>, post: &posts::Post) -> Result<Vec<i64>, Error> {
    let mut chain = Vec::new();
    let mut above = post.parent;
    while let (Some(parent), true) = (above, chain.len() < MAX_CHAIN) {
        let Some(found) = posts::post(view.db, view.audience, parent)? else { break };
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

/// The topic of an address (docs/decisions/0008-old-addresses.md).
fn find(view: &View<'_>) -> Result<Found, Error> {
    let wanted = id(view)?;
    let slug = param(view, "slug");
    let own = seen(view, wanted)?;
    if let Some(own) = own {
        if own.slug == slug {
            return Ok(Found::Here(own));
        }
        if forum::had_slug(view.db, own.id, slug)? {
            let path = with_query(view, format!("{}{}", own.path(), tail(view)));
            return Ok(Found::At(Answer::moved(path, tags(&own))));
        }
        return elsewhere(view, wanted, slug, Some(own)).map(Found::At);
    }
    elsewhere(view, wanted, slug, None).map(Found::At)
}

/// What follows a topic in an address.
fn tail(view: &View<'_>) -> String {
    view.params.get("number").map_or(String::new(), |number| format!("/{}", escape_part(number)))
}

/// An address that is not one of ours: an older site's, or one of ours with another slug.
fn elsewhere(view: &View<'_>, wanted: i64, slug: &str, own: Option<forum::Topic>) -> Result<Answer, Error> {
    if !view.params.contains_key("number") && slug.bytes().all(|byte| byte.is_ascii_digit()) {
        return by_old_id(view, number("id", slug)?, &format!("/{wanted}"));
    }
    let tail = tail(view);
    // Where Discourse leaves the slug out it puts a hyphen.
    if slug == "-" {
        return by_old_id(view, wanted, &tail);
    }
    settle(view, "topic", own.map(candidate), old_topics(view, wanted)?, slug, &tail)
}

fn candidate(topic: forum::Topic) -> Candidate {
    let (path, tag) = (topic.path(), Tag::Topic(TopicId(topic.id)));
    Candidate { id: topic.id, title: topic.title, slug: topic.slug, path, tag }
}

/// `/t/{id}` and `/t/{id}/{number}`: ours always come with a slug, so these are an older site's, unless
/// there never was one.
fn by_old_id(view: &View<'_>, wanted: i64, tail: &str) -> Result<Answer, Error> {
    let mut candidates = old_topics(view, wanted)?;
    if candidates.is_empty() && !old::any(view.db, "topic")? {
        candidates.extend(forum::topic(view.db, view.audience, wanted)?.map(candidate));
    }
    match candidates.as_slice() {
        [topic] => Ok(Answer::moved(format!("{}{tail}", topic.path), vec![Tag::Site, topic.tag.clone()])),
        several => in_doubt(view, "topic", several, "", tail),
    }
}

fn old_topics(view: &View<'_>, foreign: i64) -> Result<Vec<Candidate>, Error> {
    let mut found = Vec::new();
    for id in old::imported(view.db, "topic", foreign)? {
        found.extend(forum::topic(view.db, view.audience, id)?.map(candidate));
    }
    Ok(found)
}

/// Imported topics that had the address of this one: whoever follows an old link may mean them.
fn namesakes(view: &View<'_>, topic: &forum::Topic) -> Result<Vec<(String, String)>, Error> {
    Ok(old::namesakes(view.db, topic.id, &topic.slug, topic.id, view.audience)?)
}

/// `/t/{id}`, and Discourse's `/t/{slug}`, which nothing but search can find.
pub(crate) fn by_id(view: &View<'_>) -> Result<Answer, Error> {
    match id(view) {
        Ok(wanted) => by_old_id(view, wanted, ""),
        Err(_) => in_doubt(view, "topic", &[], param(view, "id"), ""),
    }
}

/// `/p/{id}`: a post by an older site's id; by ours where there never was one.
pub(crate) fn post_by_id(view: &View<'_>) -> Result<Answer, Error> {
    let wanted = id(view)?;
    let mut ids = old::imported(view.db, "post", wanted)?;
    if ids.is_empty() && !old::any(view.db, "post")? {
        ids.push(wanted);
    }
    let mut topics = Vec::new();
    let mut choices = Vec::new();
    for id in ids {
        let Some(post) = posts::post(view.db, view.audience, id)? else { continue };
        let Some(topic) = seen(view, post.topic_id)? else { continue };
        choices.push((topic.title.clone(), format!("{}/{}", topic.path(), post.number)));
        topics.push(topic);
    }
    match (topics.as_slice(), choices.as_slice()) {
        ([topic], [(_, path)]) => Ok(Answer::moved(path.clone(), tags(topic))),
        ([], _) => Err(missing("post")),
        _ => {
            let page = Page::new(view, "Which post?", String::new());
            let about = "Several older sites had a post of this number.";
            choose(Choices { page, about, query: "", choices }, vec![Tag::Site])
        }
    }
}
