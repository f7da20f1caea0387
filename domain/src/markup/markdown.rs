//! CommonMark with GitHub's extensions and wiki links, by comrak. HTML in the source is passed on: the
//! sanitiser decides about it, as about everything else.

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::sync::{Mutex, PoisonError};

use comrak::adapters::{HeadingAdapter, HeadingMeta};
use comrak::nodes::{NodeValue, Sourcepos};
use comrak::options::Plugins;
use comrak::{Anchorizer, Arena, Options, format_html_with_plugins, parse_document};

use super::sections::Place;
use super::{Kind, LinkOrder, References, RenderContext, Role};
use crate::wiki::page_path;

/// HTML still to be tidied and sanitised, and what it refers to.
pub(super) fn draft(source: &str, context: &RenderContext<'_>) -> (String, References) {
    let options = options(context);
    let arena = Arena::new();
    let root = parse_document(&arena, source, &options);
    let references = resolve_links(root, context);
    let headings = Headings(Mutex::new(Anchorizer::new()));
    let mut plugins = Plugins::default();
    plugins.render.heading_adapter = Some(&headings);
    let mut html = String::with_capacity(source.len() * 2);
    // Writing to a String cannot fail; were it to, what is there is still fit to show.
    if format_html_with_plugins(root, &options, &mut html, &plugins).is_err() {
        html.push_str("<p>…</p>");
    }
    (html, references)
}

fn options(context: &RenderContext<'_>) -> Options<'static> {
    let mut options = Options::default();
    let extension = &mut options.extension;
    extension.strikethrough = true;
    extension.table = true;
    extension.autolink = true;
    extension.tasklist = true;
    extension.footnotes = true;
    match context.link_order {
        LinkOrder::TitleFirst => extension.wikilinks_title_after_pipe = true,
        LinkOrder::LabelFirst => extension.wikilinks_title_before_pipe = true,
    }
    options.render.r#unsafe = true;
    options
}

/// The headings that stand by themselves, not in a quote or a list, in order.
pub(super) fn outline(source: &str, context: &RenderContext<'_>) -> Vec<Place> {
    let mut options = options(context);
    options.render.sourcepos = true;
    let arena = Arena::new();
    let root = parse_document(&arena, source, &options);
    let lines: Vec<usize> = std::iter::once(0)
        .chain(source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1))
        .collect();
    let own: HashSet<usize> = root
        .children()
        .map(|node| node.data())
        .filter(|data| matches!(data.value, NodeValue::Heading(_)))
        .map(|data| data.sourcepos.start.line)
        .collect();
    resolve_links(root, context);
    let noted = Noted { headings: Headings(Mutex::new(Anchorizer::new())), places: Mutex::default() };
    let mut plugins = Plugins::default();
    plugins.render.heading_adapter = Some(&noted);
    // What is written is of no interest, and what was noted before an error stands.
    let _written = format_html_with_plugins(root, &options, &mut String::new(), &plugins);
    let places = noted.places.into_inner().unwrap_or_else(PoisonError::into_inner);
    let own = places.into_iter().filter(|(line, _)| own.contains(line));
    own.filter_map(|(line, place)| Some(Place { start: *lines.get(line.checked_sub(1)?)?, ..place }))
        .collect()
}

/// Gives every wiki link its address; a category's becomes membership. What names no page is left as
/// the text that was written.
fn resolve_links<'a>(root: comrak::nodes::Node<'a>, context: &RenderContext<'_>) -> References {
    let mut references = References::default();
    let mut memberships = Vec::new();
    for node in root.descendants() {
        let mut data = node.data_mut();
        let NodeValue::WikiLink(link) = &mut data.value else { continue };
        let (name, section) = match link.url.split_once('#') {
            Some((name, section)) => (name, Some(section.to_owned())),
            None => (link.url.as_str(), None),
        };
        let shown = name.starts_with(':');
        match context.namespaces.resolve(name) {
            Some((target, Role::Category)) if !shown && context.kind == Kind::Page => {
                references.category(&target, None);
                memberships.push(node);
            }
            Some((target, _)) => {
                references.link(&target);
                link.url = page_path(&target.namespace, &target.title);
                if let Some(section) = section {
                    link.url.push('#');
                    link.url.push_str(&Anchorizer::new().anchorize(&section));
                }
            }
            None if name.is_empty() && section.is_some() => {
                link.url = format!("#{}", Anchorizer::new().anchorize(&section.unwrap_or_default()));
            }
            None => link.url = String::new(),
        }
    }
    for node in memberships {
        node.detach();
    }
    references
}

/// Writes headings with their ids on themselves, made as GitHub makes them.
struct Headings(Mutex<Anchorizer>);

impl Headings {
    fn id(&self, heading: &HeadingMeta) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).anchorize(&heading.content)
    }
}

impl HeadingAdapter for Headings {
    fn enter(&self, output: &mut dyn Write, heading: &HeadingMeta, _at: Option<Sourcepos>) -> fmt::Result {
        let id = self.id(heading);
        write!(output, "<h{} id=\"{id}\">", heading.level)
    }

    fn exit(&self, output: &mut dyn Write, heading: &HeadingMeta) -> fmt::Result {
        writeln!(output, "</h{}>", heading.level)
    }
}

/// Notes headings with their lines, instead of writing them.
struct Noted {
    headings: Headings,
    places: Mutex<Vec<(usize, Place)>>,
}

impl HeadingAdapter for Noted {
    fn enter(&self, _output: &mut dyn Write, heading: &HeadingMeta, at: Option<Sourcepos>) -> fmt::Result {
        let (id, title) = (self.headings.id(heading), heading.content.clone());
        let place = Place { level: heading.level, id, title, start: 0 };
        let line = at.map_or(0, |at| at.start.line);
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push((line, place));
        Ok(())
    }

    fn exit(&self, _output: &mut dyn Write, _heading: &HeadingMeta) -> fmt::Result {
        Ok(())
    }
}
