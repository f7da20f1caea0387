//! What a post was before: every version, one of them, and what lies between two.

use veritable_domain::content::Format;
use veritable_domain::markup::{self, RenderContext};

use super::super::topic::{seen, tags};
use super::super::wiki::revisions::{MAX_DIFF_BYTES, lines};
use super::super::{Around, PAGE, asked, at_cursor, id, invalid, limit, listed, missing, number, param};
use crate::answer::Answer;
use crate::error::Error;
use crate::reads::{forum, posts, wiki};
use crate::routes::View;
use crate::views::{Page, PostDiff, VersionPage, VersionsPage, post_path, render};

/// A post whose text those who ask may see, with its topic: of one that was deleted only those who keep order see what
/// it was.
fn found(view: &View<'_>) -> Result<(posts::Post, forum::Topic), Error> {
    let post = posts::post(view.db, view.audience, id(view)?)?.filter(posts::Post::is_shown);
    let post = post.ok_or_else(|| missing("post"))?;
    let topic = seen(view, post.topic_id)?.ok_or_else(|| missing("post"))?;
    Ok((post, topic))
}

/// A version that lists and pages show, with its text.
fn version(
    view: &View<'_>,
    post: &posts::Post,
    (name, text): (&'static str, &str),
) -> Result<(posts::VersionEntry, posts::Version), Error> {
    let wanted = number(name, text)?;
    let entry = posts::versions(view.db, post.id, wanted.saturating_add(1), 1)?.pop();
    let entry = entry.filter(|entry| entry.version == wanted).ok_or_else(|| missing("version"))?;
    let version = posts::version_at(view.db, post.id, wanted)?.ok_or_else(|| missing("version"))?;
    Ok((entry, version))
}

/// The version before which a list begins.
fn before(view: &View<'_>) -> Result<i64, Error> {
    asked(view, "before").map_or(Ok(i64::MAX), |text| number("before", text))
}

pub(crate) fn history(view: &View<'_>) -> Result<Answer, Error> {
    let (post, topic) = found(view)?;
    let before = before(view)?;
    let mut versions = posts::versions(view.db, post.id, before, PAGE + 1)?;
    let more = versions.len() > PAGE;
    versions.truncate(PAGE);
    let first = format!("/posts/{}/history", post.id);
    let page_at = |version: i64| at_cursor(&first, "before", Some(version.to_string()));
    let newest = posts::version(view.db, post.id)?.map_or(0, |newest| newest.version);
    // Versions are numbered without gaps.
    let previous = match before.checked_add(PAGE as i64) {
        Some(place) if before != i64::MAX && place <= newest => Some(page_at(place)),
        _ => (before != i64::MAX && before <= newest).then(|| first.clone()),
    };
    let next = versions.last().filter(|_| more).map(|last| page_at(last.version));
    let title = format!("History of #{}: {}", post.number, topic.title);
    let page = framed(view, &topic, &title, first.clone()).around(Around { previous, next });
    let (path, tags) = (post_path(&topic, post.number), tags(&topic));
    Ok(Answer::html(render(&VersionsPage { page, post, path, versions })?, tags))
}

/// A post as it was at one version.
pub(crate) fn shown(view: &View<'_>) -> Result<Answer, Error> {
    let (post, topic) = found(view)?;
    let (entry, version) = version(view, &post, ("version", param(view, "version")))?;
    let namespaces = wiki::namespaces(view.db)?;
    let format = Format::from_name(&version.format);
    let html = markup::render(format, &version.source, &RenderContext::post(&namespaces)).html;
    let title = format!("Version {} of #{}: {}", entry.version, post.number, topic.title);
    let page = framed(view, &topic, &title, String::new());
    let (path, tags) = (post_path(&topic, post.number), tags(&topic));
    let page = VersionPage { page, post, path, entry, html, source: version.source };
    Ok(Answer::html(render(&page)?, tags))
}

pub(crate) fn difference(view: &View<'_>) -> Result<Answer, Error> {
    let (post, topic) = found(view)?;
    let wanted = |name: &'static str| (name, asked(view, name).unwrap_or_default());
    let (mut old, mut old_text) = version(view, &post, wanted("old"))?;
    let (mut new, mut new_text) = version(view, &post, wanted("new"))?;
    if old.version > new.version {
        std::mem::swap(&mut old, &mut new);
        std::mem::swap(&mut old_text, &mut new_text);
    }
    if old_text.source.len() + new_text.source.len() > MAX_DIFF_BYTES {
        return Err(invalid("new", "these versions are too large to compare"));
    }
    let lines = lines(&old_text.source, &new_text.source);
    let title = format!("Changes of #{}: {}", post.number, topic.title);
    let page = framed(view, &topic, &title, String::new());
    let (path, tags) = (post_path(&topic, post.number), tags(&topic));
    Ok(Answer::html(render(&PostDiff { page, post, path, old, new, lines })?, tags))
}

fn framed<'a>(view: &View<'a>, topic: &forum::Topic, title: &str, canonical: String) -> Page<'a> {
    Page::new(view, title, canonical)
        .under(&topic.category, topic.category_path())
        .under(&topic.title, topic.path())
}

/// The same list for programs.
pub(crate) fn api_history(view: &View<'_>) -> Result<Answer, Error> {
    let (post, topic) = found(view)?;
    let limit = limit(view, PAGE)?;
    let mut versions = posts::versions(view.db, post.id, before(view)?, limit + 1)?;
    let more = versions.len() > limit;
    versions.truncate(limit);
    let next = versions.last().filter(|_| more).map(|last| last.version.to_string());
    listed("versions", &versions, next, tags(&topic))
}

/// One version for programs.
pub(crate) fn api_version(view: &View<'_>) -> Result<Answer, Error> {
    let (post, topic) = found(view)?;
    let (_, version) = version(view, &post, ("version", param(view, "version")))?;
    super::super::json(&version, tags(&topic))
}
