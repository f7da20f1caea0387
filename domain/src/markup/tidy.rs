//! Makes HTML of any origin well-formed, bounded in depth and free of embedded things before it is
//! sanitised. A tree builder takes quadratic time over markup nested without end or misnested on
//! purpose; over what this writes it cannot. It tokenises by the standard (html5gum) and keeps a
//! stack of open elements with the usual implied ends; it decides nothing about safety.

use std::collections::{BTreeMap, HashMap};

use html5gum::{DefaultEmitter, HtmlString, Token, Tokenizer};

use super::RenderContext;
use super::elements::{self, CELL, Element, ROW, Shape};
use super::legacy::Legacy;
use crate::content::Format;

/// Most elements open at once. Replies quoted in quotes reach about 20 in real posts; what is deeper
/// loses its tags, not its text.
pub(super) const MAX_DEPTH: usize = 100;

/// Attributes of one tag.
pub(super) type Attributes = BTreeMap<String, String>;

/// Most tags of one rendering. A tag costs tidying, sanitising and each reader's browser some
/// microseconds; real pages and posts have at most 2,900.
pub(super) const MAX_TAGS: usize = 40_000;

/// Most bytes of one rendering: what a page of text, four bytes a character, may reach when all of it
/// must be escaped.
pub(super) const MAX_HTML_BYTES: usize = 4 * 1024 * 1024;

/// What tidying yields.
pub(super) struct Tidied {
    pub(super) html: String,
    pub(super) mentions: Vec<String>,
}

/// An element whose end has not come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    /// Name in the source, by which its end tag is known.
    pub(super) source: &'static str,
    /// Name in the result; empty for an element that writes no tags.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    /// An element of an old system that is treated apart until it ends.
    pub(super) part: Option<super::legacy::Part>,
}

/// Content being left out.
struct Skipping {
    name: String,
    depth: u32,
}

/// The writer of tidy HTML.
pub(super) struct Tidy<'c> {
    pub(super) out: String,
    pub(super) stack: Vec<Open>,
    pub(super) context: &'c RenderContext<'c>,
    pub(super) mentions: Vec<String>,
    /// Start tags beyond [`MAX_DEPTH`], whose ends must be dropped as well.
    overflow: HashMap<&'static str, u32>,
    skipping: Option<Skipping>,
    legacy: Option<Legacy>,
    /// Text read and not yet written.
    pub(super) text: String,
    /// Bytes of text since the last parting comment.
    pub(super) run: usize,
    pub(super) find_mentions: bool,
    /// Stands in every id behind its prefix, see [`super::sanitise::safe_id`].
    pub(super) scope: &'c str,
    /// Tags written.
    pub(super) tags: usize,
}

/// Tidies `html`, which came from a source of `format`; `None` when the result would be too large.
pub(super) fn tidy<'c>(
    html: &str,
    format: Format,
    context: &'c RenderContext<'c>,
    scope: &'c str,
) -> Option<Tidied> {
    let mut tidy = Tidy {
        out: String::with_capacity(html.len() + html.len() / 8),
        stack: Vec::new(),
        context,
        mentions: Vec::new(),
        overflow: HashMap::new(),
        skipping: None,
        legacy: (format == Format::Html).then(Legacy::default),
        text: String::new(),
        run: 0,
        find_mentions: format == Format::Markdown,
        scope,
        tags: 0,
    };
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        tidy.take(token);
        if tidy.is_too_large() {
            return None;
        }
    }
    tidy.finish()
}

impl Tidy<'_> {
    fn take(&mut self, token: Token) {
        match token {
            Token::String(text) if self.skipping.is_none() => self.text.push_str(&lossy(&text)),
            Token::StartTag(tag) => {
                let name = lossy(&tag.name).into_owned();
                if !self.skips_start(&name, tag.self_closing) {
                    self.flush();
                    let attributes =
                        tag.attributes.iter().map(|(k, v)| (lossy(k).into(), lossy(v).into())).collect();
                    self.start(&name, attributes, tag.self_closing);
                }
            }
            Token::EndTag(tag) => {
                let name = lossy(&tag.name);
                if !self.skips_end(&name) {
                    self.flush();
                    self.end(&name);
                }
            }
            Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }

    fn finish(mut self) -> Option<Tidied> {
        self.flush();
        if self.is_too_large() {
            return None;
        }
        self.close_to(0);
        Some(Tidied { html: self.out, mentions: self.mentions })
    }

    /// Whether so much was written that the rest need not be looked at.
    pub(super) fn is_too_large(&self) -> bool {
        self.tags > MAX_TAGS || self.out.len() > MAX_HTML_BYTES
    }

    /// Leaves out everything up to the end of the element `name`, whose start tag was just read.
    pub(super) fn skip(&mut self, name: &str) {
        self.skipping = Some(Skipping { name: name.to_owned(), depth: 1 });
    }

    fn skips_start(&mut self, name: &str, self_closing: bool) -> bool {
        let Some(skipping) = &mut self.skipping else { return false };
        let foreign = matches!(skipping.name.as_str(), "svg" | "math");
        if foreign
            && elements::known(name)
                .is_some_and(|element| element.shape != Shape::Inline && element.shape != Shape::Link)
        {
            // As in browsers, a block ends foreign content that was never closed.
            self.skipping = None;
            return false;
        }
        if skipping.name == name && !(foreign && self_closing) {
            skipping.depth += 1;
        }
        true
    }

    fn skips_end(&mut self, name: &str) -> bool {
        let Some(skipping) = &mut self.skipping else { return false };
        if skipping.name == name {
            skipping.depth -= 1;
            if skipping.depth == 0 {
                self.skipping = None;
            }
        }
        true
    }

    fn start(&mut self, name: &str, mut attributes: Attributes, self_closing: bool) {
        if let Some(mut legacy) = self.legacy.take() {
            let taken = legacy.start(self, name, &mut attributes);
            self.legacy = Some(legacy);
            if taken {
                return;
            }
        }
        if matches!(name, "iframe" | "embed") {
            self.link_instead(attributes.get("src").map_or("", |src| src), None, "embed");
        }
        if elements::is_dropped_whole(name) {
            if !(self_closing && matches!(name, "svg" | "math")) {
                self.skip(name);
            }
            return;
        }
        let Some(element) = elements::known(name) else { return };
        match name {
            "img" if !self.context.remote_images && is_remote(&attributes) => {
                let src = attributes.get("src").map_or("", |src| src);
                self.link_instead(src, attributes.get("alt").map(String::as_str), "embed");
            }
            "input" if attributes.get("type").is_none_or(|kind| kind != "checkbox") => {}
            _ => self.open(element, &mut attributes, None),
        }
    }

    /// Writes a start tag where it may stand.
    pub(super) fn open(
        &mut self,
        element: Element,
        attributes: &mut Attributes,
        part: Option<super::legacy::Part>,
    ) {
        if !self.make_room(element) {
            return;
        }
        if element.void {
            self.write_start(element.name, attributes);
        } else if self.stack.len() >= MAX_DEPTH {
            *self.overflow.entry(element.source).or_default() += 1;
        } else {
            self.push(element, attributes, part);
        }
    }

    fn push(&mut self, element: Element, attributes: &mut Attributes, part: Option<super::legacy::Part>) {
        if !element.name.is_empty() {
            self.write_start(element.name, attributes);
        }
        self.stack.push(Open { source: element.source, name: element.name, shape: element.shape, part });
    }

    /// Closes what `element` ends by standing here, and opens the row and cell it needs. `false` when it
    /// cannot stand here at all.
    fn make_room(&mut self, element: Element) -> bool {
        match element.shape {
            Shape::Inline | Shape::Link => {
                if element.shape == Shape::Link {
                    self.close_within_cell(|open| open.shape == Shape::Link);
                }
                self.ensure_cell();
            }
            Shape::Caption | Shape::Columns | Shape::Section | Shape::Row | Shape::Cell => {
                return self.make_room_in_table(element);
            }
            Shape::Table | Shape::Block | Shape::Paragraph | Shape::List => {
                self.close_within_cell(|open| open.shape == Shape::Paragraph);
                self.ensure_cell();
            }
            Shape::Heading => {
                self.close_within_cell(|open| open.shape == Shape::Paragraph || open.shape == Shape::Heading);
                self.ensure_cell();
            }
            Shape::Item => {
                self.close_sibling(|open| open.shape == Shape::Item, |open| open.shape == Shape::List);
                self.ensure_cell();
            }
            Shape::Term => {
                self.close_sibling(|open| open.shape == Shape::Term, |open| open.source == "dl");
                self.ensure_cell();
            }
        }
        true
    }

    fn make_room_in_table(&mut self, element: Element) -> bool {
        let Some(table) = self.stack.iter().rposition(|open| open.shape == Shape::Table) else {
            return false;
        };
        let holds = |open: &Open| match element.shape {
            Shape::Cell => matches!(open.shape, Shape::Row | Shape::Section),
            Shape::Row => open.shape == Shape::Section,
            Shape::Columns if element.void => open.shape == Shape::Columns,
            _ => false,
        };
        let keep = self.stack[table + 1..].iter().rposition(holds).map_or(table, |at| table + 1 + at);
        self.close_to(keep + 1);
        let needs_row =
            element.shape == Shape::Cell && self.stack.last().is_some_and(|open| open.shape != Shape::Row);
        if needs_row {
            self.push(ROW, &mut Attributes::new(), None);
        }
        true
    }

    /// Content straight inside a table belongs in a cell; browsers would move it in front of the table.
    pub(super) fn ensure_cell(&mut self) {
        let Some(open) = self.stack.last() else { return };
        if open.shape == Shape::Columns {
            self.close_to(self.stack.len() - 1);
            return self.ensure_cell();
        }
        if matches!(open.shape, Shape::Table | Shape::Section) {
            self.push(ROW, &mut Attributes::new(), None);
        }
        if self.stack.last().is_some_and(|open| open.shape == Shape::Row) {
            self.push(CELL, &mut Attributes::new(), None);
        }
    }

    /// Closes the innermost element that `is` picks, unless a table cell lies between.
    fn close_within_cell(&mut self, is: impl Fn(&Open) -> bool) {
        let found = self.stack.iter().rposition(|open| is(open) || is_fence(open));
        if let Some(at) = found.filter(|at| is(&self.stack[*at])) {
            self.close_to(at);
        }
    }

    fn close_sibling(&mut self, is: impl Fn(&Open) -> bool, parent: impl Fn(&Open) -> bool) {
        let found = self.stack.iter().rposition(|open| is(open) || parent(open) || is_fence(open));
        match found.filter(|at| is(&self.stack[*at])) {
            Some(at) => self.close_to(at),
            None => self.close_within_cell(|open| open.shape == Shape::Paragraph),
        }
    }

    /// Handles the end tag of `name`.
    pub(super) fn end(&mut self, name: &str) {
        if name == "br" {
            self.out.push_str("<br>");
            return;
        }
        if let Some(count) = self.overflow.get_mut(name).filter(|count| **count > 0) {
            *count -= 1;
            return;
        }
        if let Some(mut legacy) = self.legacy.take() {
            legacy.end(self, name);
            self.legacy = Some(legacy);
        }
        let heading = elements::known(name).is_some_and(|element| element.shape == Shape::Heading);
        let is = |open: &Open| open.source == name || heading && open.shape == Shape::Heading;
        let Some(at) = self.stack.iter().rposition(is) else { return };
        let inline = matches!(self.stack[at].shape, Shape::Inline | Shape::Link);
        let barred = self.stack[at + 1..].iter().any(|open| match open.shape {
            Shape::Inline | Shape::Link | Shape::Paragraph => false,
            Shape::Cell | Shape::Caption => !in_table(self.stack[at].shape),
            _ => inline,
        });
        if !barred {
            self.close_to(at);
        }
    }

    /// Closes all but the outermost `keep` elements.
    pub(super) fn close_to(&mut self, keep: usize) {
        while self.stack.len() > keep {
            let Some(open) = self.stack.pop() else { return };
            if !open.name.is_empty() {
                self.out.push_str("</");
                self.out.push_str(open.name);
                self.out.push('>');
            }
        }
    }
}

fn lossy(text: &HtmlString) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// Implied ends never reach through these.
fn is_fence(open: &Open) -> bool {
    matches!(open.shape, Shape::Table | Shape::Cell | Shape::Caption)
}

fn in_table(shape: Shape) -> bool {
    matches!(shape, Shape::Table | Shape::Section | Shape::Row | Shape::Cell | Shape::Caption)
}

fn is_remote(attributes: &Attributes) -> bool {
    attributes.get("src").is_some_and(|src| src.contains("//"))
}
