//! From a path to what answers it.

use std::collections::BTreeMap;

use http::Method;
use percent_encoding::percent_decode_str;
use veritable_domain::account::Scope;
use veritable_shm::{RouteId, Routes};

use crate::error::Error;
use crate::routes::{Cost, Endpoint, Form, Keep, Own, Read, Text, Upload, Who, Write};

/// The table, ready for look-ups.
pub(crate) struct Router {
    patterns: matchit::Router<usize>,
    routes: Vec<Route>,
}

/// One pattern's endpoints.
pub(crate) struct Route {
    pattern: &'static str,
    /// Where its answers are counted.
    pub(crate) id: RouteId,
    names: Vec<&'static str>,
    pub(crate) read: Option<ReadRoute>,
    pub(crate) own: Option<OwnRoute>,
    pub(crate) form: Option<FormRoute>,
    pub(crate) upload: Option<UploadRoute>,
    pub(crate) writes: Vec<(Method, Scope, Write)>,
}

/// Where a pattern takes a picture.
#[derive(Clone, Copy)]
pub(crate) struct UploadRoute {
    pub(crate) is_form: bool,
    pub(crate) run: Upload,
}

/// The page of a pattern that is another for each person.
#[derive(Clone, Copy)]
pub(crate) struct OwnRoute {
    pub(crate) who: Who,
    pub(crate) scope: Option<Scope>,
    pub(crate) query: &'static [&'static str],
    pub(crate) run: Own,
}

/// The form of a pattern.
#[derive(Clone, Copy)]
pub(crate) struct FormRoute {
    pub(crate) who: Who,
    /// People write in it: their text is shown back whatever fails.
    pub(crate) text: Text,
    pub(crate) run: Form,
}

/// The reading endpoint of a pattern.
#[derive(Clone, Copy)]
pub(crate) struct ReadRoute {
    pub(crate) cost: Cost,
    pub(crate) keep: Keep,
    pub(crate) query: &'static [&'static str],
    pub(crate) run: Read,
}

/// A route found, with the parts of the path.
pub(crate) struct Found<'a> {
    pub(crate) route: &'a Route,
    pub(crate) params: BTreeMap<&'static str, String>,
}

impl Router {
    /// Takes the table. A pattern that cannot be is a bug that every start would show.
    pub(crate) fn new(table: Vec<(&'static str, Endpoint)>) -> Router {
        let mut router = Router { patterns: matchit::Router::new(), routes: Vec::new() };
        let mut indexes = BTreeMap::new();
        for (pattern, endpoint) in table {
            let index = *indexes.entry(pattern).or_insert_with(|| {
                router.routes.push(Route {
                    pattern,
                    id: RouteId::OTHER,
                    names: names(pattern),
                    read: None,
                    own: None,
                    form: None,
                    upload: None,
                    writes: Vec::new(),
                });
                let index = router.routes.len() - 1;
                router.patterns.insert(pattern, index).expect("the route table has no conflicts");
                index
            });
            let route = &mut router.routes[index];
            match endpoint {
                Endpoint::Read { cost, keep, query, run } => {
                    route.read = Some(ReadRoute { cost, keep, query, run });
                }
                Endpoint::Own { who, scope, query, run } => {
                    route.own = Some(OwnRoute { who, scope, query, run });
                }
                Endpoint::Form { who, text, run } => {
                    route.form = Some(FormRoute { who, text, run });
                }
                Endpoint::Upload { is_form, run } => route.upload = Some(UploadRoute { is_form, run }),
                Endpoint::Write { method, scope, run } => route.writes.push((method, scope, run)),
            }
        }
        router
    }

    /// Has each pattern's answers counted under its own name.
    pub(crate) fn counted(mut self, routes: &Routes) -> Router {
        for route in &mut self.routes {
            route.id = routes.find(route.pattern);
        }
        self
    }

    /// The pattern whose answers are counted there.
    pub(crate) fn pattern(&self, id: RouteId) -> Option<&'static str> {
        if id == RouteId::OTHER {
            return None;
        }
        self.routes.iter().find(|route| route.id == id).map(|route| route.pattern)
    }

    /// What answers `path`, still percent-encoded.
    ///
    /// # Errors
    /// Nothing does, or a part of the path is not UTF-8.
    pub(crate) fn find(&self, path: &str) -> Result<Found<'_>, Error> {
        let matched = self.patterns.at(path).map_err(|_| Error::NotFound { what: "page here".into() })?;
        let route = &self.routes[*matched.value];
        let mut params = BTreeMap::new();
        for (name, (_, value)) in route.names.iter().zip(matched.params.iter()) {
            params.insert(*name, decode(value).ok_or_else(|| not_utf8("path"))?);
        }
        Ok(Found { route, params })
    }
}

impl Route {
    /// The methods this pattern answers, for the `Allow` header.
    pub(crate) fn allow(&self) -> String {
        let reads = (self.read.is_some() || self.own.is_some()).then_some(["GET", "HEAD"]);
        let form = (self.form.is_some() || self.upload.is_some()).then_some("POST");
        let writes = self.writes.iter().map(|(method, ..)| method.as_str());
        let methods: Vec<&str> = reads.into_iter().flatten().chain(form).chain(writes).collect();
        methods.join(", ")
    }
}

/// The names in a pattern, in order: `{name}` and `{*name}`.
fn names(pattern: &'static str) -> Vec<&'static str> {
    pattern
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
        .map(|name| name.trim_start_matches('*'))
        .collect()
}

/// Those parameters of a query string that are named, decoded; the last of a name wins.
///
/// # Errors
/// A value is not UTF-8.
pub(crate) fn query(
    raw: Option<&str>,
    named: &'static [&'static str],
) -> Result<BTreeMap<&'static str, String>, Error> {
    let mut found = BTreeMap::new();
    for pair in raw.unwrap_or_default().split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if let Some(name) = named.iter().find(|name| **name == key) {
            found.insert(*name, decode(&value.replace('+', " ")).ok_or_else(|| not_utf8("query"))?);
        }
    }
    Ok(found)
}

pub(crate) fn decode(text: &str) -> Option<String> {
    percent_decode_str(text).decode_utf8().ok().map(|text| text.into_owned())
}

fn not_utf8(where_: &'static str) -> Error {
    Error::Invalid { where_, why: "is not UTF-8".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_routes_with_decoded_parts() {
        let router = Router::new(crate::routes::table());
        let found = router.find("/t/caf%C3%A9/12").unwrap();
        assert_eq!(found.params["slug"], "café");
        assert_eq!(found.params["id"], "12");
        assert_eq!(router.find("/wiki/A/B:C").unwrap().params["title"], "A/B:C");
        assert!(matches!(router.find("/t/%FF/12"), Err(Error::Invalid { where_: "path", .. })));
        assert!(matches!(router.find("/nowhere"), Err(Error::NotFound { .. })));
        assert_eq!(router.find("/api/topics/1/posts").unwrap().route.allow(), "GET, HEAD, POST");
    }

    #[test]
    fn every_pattern_is_counted_under_its_own_name() {
        let (_fd, segment) = veritable_shm::Segment::create(&veritable_shm::Geometry::default()).unwrap();
        let router = Router::new(crate::routes::table()).counted(&Routes::of(&segment, 0));
        for route in &router.routes {
            assert_eq!(router.pattern(route.id), Some(route.pattern), "too long a name, or too many routes");
        }
    }

    #[test]
    fn only_named_parameters_count() {
        let found = query(Some("q=a+b%26&utm=x&q=last&flag"), &["q", "flag", "page"]).unwrap();
        assert_eq!(found["q"], "last");
        assert_eq!(found["flag"], "");
        assert_eq!(found.len(), 2);
        assert!(query(Some("q=%FF"), &["q"]).is_err());
        assert!(query(None, &["q"]).unwrap().is_empty());
    }
}
