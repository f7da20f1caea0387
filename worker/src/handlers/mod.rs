//! What answers each route. A handler reads in steps: what was asked, what the database says, the page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use veritable_domain::tag::Tag;

use crate::answer::Answer;
use crate::error::Error;
use crate::reads::escape_part;
use crate::reads::forum::Before;
use crate::reads::previous::{self, List};
use crate::routes::View;

pub(crate) mod accounts;
pub(crate) mod admin;
pub(crate) mod api_forum;
pub(crate) mod api_posts;
pub(crate) mod api_wiki;
pub(crate) mod changes;
pub(crate) mod drafts;
pub(crate) mod forum;
pub(crate) mod moderation;
pub(crate) mod old;
pub(crate) mod search;
#[cfg(test)]
mod tests;
pub(crate) mod topic;
pub(crate) mod uploads;
pub(crate) mod user;
pub(crate) mod wiki;
pub(crate) mod writing;

/// Entries of a list page: a screenful or two, and what cached pages were sized for.
pub(crate) const PAGE: usize = 50;
/// Most entries an API answer carries.
const MAX_LIMIT: usize = 100;

pub(crate) fn invalid(where_: &'static str, why: &str) -> Error {
    Error::Invalid { where_, why: why.to_owned() }
}

/// What comes after a change that is stored: its failure is logged, and is none of the change.
pub(crate) fn afterwards<T>(came: Result<T, Error>) -> Option<T> {
    came.inspect_err(
        |error| tracing::warn!(%error, "a change is stored, but not all that follows it was done"),
    )
    .ok()
}

pub(crate) fn missing(what: &'static str) -> Error {
    Error::NotFound { what: what.into() }
}

/// A positive number in the path or query.
pub(crate) fn number(name: &'static str, text: &str) -> Result<i64, Error> {
    match text.parse::<i64>() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(invalid(name, "must be a positive whole number")),
    }
}

pub(crate) fn param<'v>(view: &'v View<'_>, name: &'static str) -> &'v str {
    view.params.get(name).map_or("", String::as_str)
}

pub(crate) fn id(view: &View<'_>) -> Result<i64, Error> {
    number("id", param(view, "id"))
}

pub(crate) fn asked<'v>(view: &'v View<'_>, name: &'static str) -> Option<&'v str> {
    view.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

/// How many entries an API answer is to have.
pub(crate) fn limit(view: &View<'_>, usual: usize) -> Result<usize, Error> {
    match view.query.get("limit").map(|text| text.parse()) {
        None => Ok(usual),
        Some(Ok(limit @ 1..=MAX_LIMIT)) => Ok(limit),
        Some(_) => Err(invalid("limit", "must be between 1 and 100")),
    }
}

/// Cursors are opaque so that what they hold may change.
pub(crate) fn seal(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unseal(name: &'static str, text: &str) -> Result<Vec<u8>, Error> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid(name, "is not a cursor of this site"))
}

pub(crate) fn before(view: &View<'_>) -> Result<Before, Error> {
    before_of(asked(view, "before").unwrap_or_default())
}

/// Where a list goes on that was given out with a cursor; from now on for an empty one.
pub(crate) fn before_of(text: &str) -> Result<Before, Error> {
    if text.is_empty() {
        return Ok(Before::NOW);
    }
    unseal_place("before", text)
}

/// Takes back [`seal_place`].
pub(crate) fn unseal_place(name: &'static str, text: &str) -> Result<Before, Error> {
    let halves = <[u8; 16]>::try_from(unseal(name, text)?)
        .map_err(|_| invalid(name, "is not a cursor of this site"))?;
    let (time, id) = halves.split_at(8);
    let read = |half: &[u8]| i64::from_be_bytes(std::array::from_fn(|at| half[at]));
    Ok(Before(read(time), read(id)))
}

pub(crate) fn seal_place(place: Before) -> String {
    seal(&[place.0.to_be_bytes(), place.1.to_be_bytes()].concat())
}

/// Cuts a list read with one entry too many to `limit`; the cursor of what follows, if anything does.
pub(crate) fn cut<T>(list: &mut Vec<T>, limit: usize, place: impl Fn(&T) -> Before) -> Option<String> {
    cut_by(list, limit, |last| seal_place(place(last)))
}

pub(crate) fn cut_by<T>(list: &mut Vec<T>, limit: usize, cursor: impl Fn(&T) -> String) -> Option<String> {
    let more = list.len() > limit;
    list.truncate(limit);
    if more { list.last().map(cursor) } else { None }
}

/// `path` with what was asked in the query, for redirects.
pub(crate) fn with_query(view: &View<'_>, path: String) -> String {
    let named: Vec<String> =
        view.query.iter().map(|(name, value)| format!("{name}={}", escape_part(value))).collect();
    if named.is_empty() { path } else { format!("{path}?{}", named.join("&")) }
}

/// The address of a list's page: its first one, or the one at a cursor.
pub(crate) fn at_cursor(first: &str, name: &str, cursor: Option<String>) -> String {
    match cursor {
        None => first.to_owned(),
        Some(cursor) => {
            let join = if first.contains('?') { '&' } else { '?' };
            format!("{first}{join}{name}={cursor}")
        }
    }
}

/// The addresses of the pages before and after the one shown.
pub(crate) struct Around {
    pub(crate) previous: Option<String>,
    pub(crate) next: Option<String>,
}

/// Cuts a list read with one entry too many to `size`; `first` is the address it begins at.
pub(crate) fn around<T>(
    view: &View<'_>,
    first: &str,
    list: List,
    entries: &mut Vec<T>,
    size: usize,
    place: impl Fn(&T) -> Before,
) -> Result<Around, Error> {
    let next = cut(entries, size, place).map(|cursor| at_cursor(first, "before", Some(cursor)));
    let previous = match before(view)? {
        Before::NOW => None,
        shown => {
            let cursor = previous::of_times(view.db, list, view.audience, shown, size)?.map(seal_place);
            Some(at_cursor(first, "before", cursor))
        }
    };
    Ok(Around { previous, next })
}

/// An API answer.
pub(crate) fn json(value: &impl Serialize, tags: Vec<Tag>) -> Result<Answer, Error> {
    let body = serde_json::to_vec(value).map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Answer::json(body, tags))
}

/// A part of a list as the API shows it: its entries under the name of what they are, and the cursor of those that
/// follow.
struct Listed<'a, T> {
    name: &'static str,
    entries: &'a [T],
    next: Option<String>,
}

impl<T: Serialize> Serialize for Listed<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.name, self.entries)?;
        map.serialize_entry("next", &self.next)?;
        map.end()
    }
}

/// An API answer that is a part of a list. The entries are written straight into it: as a [`serde_json::Value`] they
/// would be copied into a tree of maps before.
pub(crate) fn listed<T: Serialize>(
    name: &'static str,
    entries: &[T],
    next: Option<String>,
    tags: Vec<Tag>,
) -> Result<Answer, Error> {
    json(&Listed { name, entries, next }, tags)
}
