//! Addresses of older systems, and what machines ask for.

use http::StatusCode;
use veritable_domain::ids::PageId;
use veritable_domain::tag::Tag;

use super::{asked, missing, number, param, with_query};
use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::reads::{escape_part, old, user_path, wiki};
use crate::routes::View;
use crate::views::{Choices, Page, render};

/// Letters from which on a slug may have been cut: titles that differ only later are of one thing in
/// practice, and both would have to have the same id besides.
const CUT_SLUG_CHARS: usize = 40;

/// The answer where nothing has the address asked for but some things are like it.
pub(crate) fn choose(choices: Choices<'_>, tags: Vec<Tag>) -> Result<Answer, Error> {
    let answer = Answer::html(render(&choices)?, tags);
    Ok(Answer { status: StatusCode::NOT_FOUND, ..answer })
}

/// Something an address may mean.
pub(crate) struct Candidate {
    pub(crate) id: i64,
    pub(crate) title: String,
    pub(crate) slug: String,
    pub(crate) path: String,
    pub(crate) tag: Tag,
}

/// An address with id and slug that is not exactly one of ours, by the rule of
/// docs/decisions/0008-old-addresses.md. `ours` has this id here, `theirs` had it elsewhere; `tail` is
/// what follows in the address.
pub(crate) fn settle(
    view: &View<'_>,
    kind: &'static str,
    ours: Option<Candidate>,
    theirs: Vec<Candidate>,
    slug: &str,
    tail: &str,
) -> Result<Answer, Error> {
    let none_imported = theirs.is_empty() && !old::any(view.db, kind)?;
    let known_there = !theirs.is_empty();
    let mut candidates = theirs;
    if let Some(ours) = ours.filter(|ours| candidates.iter().all(|theirs| theirs.id != ours.id)) {
        candidates.push(ours);
    }
    let fitting = candidates.iter().filter(|candidate| fits(&candidate.slug, slug)).count();
    if fitting == 1 {
        candidates.retain(|candidate| fits(&candidate.slug, slug));
    }
    match candidates.as_slice() {
        [one] if fitting == 1 || known_there || none_imported => Ok(Answer::moved(
            with_query(view, format!("{}{tail}", one.path)),
            vec![Tag::Site, one.tag.clone()],
        )),
        several => in_doubt(view, kind, several, slug, tail),
    }
}

/// The page that asks which of several things an address means; with none, whether search may help.
pub(crate) fn in_doubt(
    view: &View<'_>,
    kind: &'static str,
    candidates: &[Candidate],
    slug: &str,
    tail: &str,
) -> Result<Answer, Error> {
    let query = slug.replace('-', " ");
    if candidates.is_empty() && query.chars().all(|c| !c.is_alphabetic()) {
        return Err(missing(kind));
    }
    let mut tags = vec![Tag::Site];
    tags.extend(candidates.iter().map(|candidate| candidate.tag.clone()));
    let choices = candidates.iter().map(|it| (it.title.clone(), format!("{}{tail}", it.path))).collect();
    let page = Page::new(view, &format!("Which {kind}?"), String::new());
    let about = &format!(
        "No {kind} has this address now. It may be from before a {kind} was renamed or brought here."
    );
    choose(Choices { page, about, query: &query, choices }, tags)
}

/// Whether an asked slug is another system's for the same title: the same letters, or as many of them as
/// the shorter limit on slugs left.
fn fits(ours: &str, asked: &str) -> bool {
    let letters = |slug: &str| -> String {
        slug.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let (ours, asked) = (letters(ours), letters(asked));
    let (short, long) = if ours.len() < asked.len() { (&ours, &asked) } else { (&asked, &ours) };
    short == long || (short.chars().count() >= CUT_SLUG_CHARS && long.starts_with(short.as_str()))
}

/// Discourse's list of categories: here the front page.
pub(crate) fn categories(_: &View<'_>) -> Result<Answer, Error> {
    Ok(Answer::moved("/".into(), vec![Tag::Site]))
}

/// Parts of a Discourse profile: here it is one page.
pub(crate) fn profile(view: &View<'_>) -> Result<Answer, Error> {
    Ok(Answer::moved(user_path(param(view, "name")), vec![Tag::Site]))
}

/// MediaWiki's `index.php`, by revision, page id or title. Ids are never ours: none of our addresses
/// has this form.
pub(crate) fn index_php(view: &View<'_>) -> Result<Answer, Error> {
    let path = match asked(view, "title") {
        Some(title) => Some(super::wiki::title_path(view, title)?),
        None => None,
    };
    if let (Some(foreign), None) = (asked(view, "oldid"), asked(view, "diff")) {
        return by_revision(view, number("oldid", foreign)?, path.as_deref());
    }
    if let (Some(foreign), None) = (asked(view, "curid"), &path) {
        return by_page(view, number("curid", foreign)?);
    }
    let tail: Vec<String> = ["action", "diff", "oldid", "redirect"]
        .into_iter()
        .filter_map(|name| asked(view, name).map(|value| format!("{name}={}", escape_part(value))))
        .collect();
    let path = path.unwrap_or_else(|| "/wiki".to_owned());
    let path = if tail.is_empty() { path } else { format!("{path}?{}", tail.join("&")) };
    Ok(Answer::moved(path, vec![Tag::Site, Tag::Titles]))
}

fn by_revision(view: &View<'_>, foreign: i64, path: Option<&str>) -> Result<Answer, Error> {
    let mut found = Vec::new();
    for id in old::imported(view.db, "revision", foreign)? {
        found.extend(wiki::revision(view.db, id)?);
    }
    // A page may have been renamed since: the title only decides between wikis.
    if found.len() > 1
        && let Some(path) = path
    {
        found.retain(|revision| revision.path == path);
    }
    match found.as_slice() {
        [revision] => Ok(Answer::moved(
            revision.address(),
            vec![Tag::Site, Tag::Titles, Tag::Page(PageId(revision.page_id))],
        )),
        [] => Err(missing("revision")),
        several => {
            let choices = several.iter().map(|it| (it.title.clone(), it.address())).collect();
            which_page(view, choices)
        }
    }
}

fn by_page(view: &View<'_>, foreign: i64) -> Result<Answer, Error> {
    let mut found = Vec::new();
    for id in old::imported(view.db, "page", foreign)? {
        found.extend(wiki::page_by_id(view.db, id)?);
    }
    match found.as_slice() {
        [page] => Ok(Answer::moved(page.path(), vec![Tag::Site, Tag::Titles])),
        [] => Err(missing("page")),
        several => {
            let choices = several.iter().map(|page| (page.full_title(), page.path())).collect();
            which_page(view, choices)
        }
    }
}

fn which_page(view: &View<'_>, choices: Vec<(String, String)>) -> Result<Answer, Error> {
    let page = Page::new(view, "Which page?", String::new());
    let about = "Several older wikis had this number.";
    choose(Choices { page, about, query: "", choices }, vec![Tag::Site, Tag::Titles])
}

pub(crate) fn robots(_: &View<'_>) -> Result<Answer, Error> {
    let said = "User-agent: *\nDisallow: /search\nDisallow: /api/\nDisallow: /login\nDisallow: /signup\n\
                Disallow: /reply/\nDisallow: /new-topic\nDisallow: /posts/\n";
    Ok(Answer { tags: vec![Tag::Site], ..Answer::new(StatusCode::OK, ContentType::Text, said) })
}
