//! The subset of MediaWiki's markup that `docs/decisions/0005-markup.md` lists, in three passes, each
//! linear in the source: set aside what is not wikitext or nests (comments, literal text, notes,
//! templates), then lines, then characters of a line. No template is expanded. The result may be as
//! sloppy as the source: tidying and sanitising follow.

mod block;
mod inline;
mod outline;
mod strip;
mod template;

use std::collections::HashMap;

pub use inline::language_links;
pub(super) use inline::write_wikilink;
pub(super) use outline::outline;

use super::{References, RenderContext, escape_into};

/// How deep templates in templates, notes in notes and links in captions are followed. Real pages
/// reach four; deeper content is left out or shown as text.
const MAX_NESTING: usize = 8;

/// HTML still to be tidied and sanitised, and what it refers to.
pub(super) fn draft(source: &str, context: &RenderContext<'_>) -> (String, References) {
    let mut renderer = Renderer::new(context);
    let stripped = renderer.strip(source, 0);
    let mut html = renderer.blocks(&stripped);
    renderer.write_notes(&mut html);
    (without_marks(&html), renderer.references)
}

/// The state of one rendering.
struct Renderer<'c> {
    context: &'c RenderContext<'c>,
    references: References,
    /// Finished HTML set aside; the text has its number between two [`MARK`]s.
    aside: Vec<String>,
    /// Contents of notes, by number.
    notes: Vec<String>,
    /// Numbers of named notes.
    named_notes: HashMap<String, usize>,
    /// Where the source asks for the list of notes.
    notes_place: Option<usize>,
    /// How often each heading id was used.
    ids: HashMap<String, u32>,
}

/// Stands around the number of what was set aside; removed from the source first.
const MARK: char = '\u{7F}';

impl<'c> Renderer<'c> {
    fn new(context: &'c RenderContext<'c>) -> Self {
        Renderer {
            context,
            references: References::default(),
            aside: Vec::new(),
            notes: Vec::new(),
            named_notes: HashMap::new(),
            notes_place: None,
            ids: HashMap::new(),
        }
    }

    /// Sets `html` aside and writes its mark.
    fn set_aside(&mut self, out: &mut String, html: String) {
        out.push(MARK);
        out.push_str(&self.aside.len().to_string());
        out.push(MARK);
        self.aside.push(html);
    }

    /// Puts the list of notes where it was asked for, or at the end.
    fn write_notes(&mut self, html: &mut String) {
        let mut list = String::new();
        if !self.notes.is_empty() {
            list.push_str("<ol class=\"references\">");
            for (at, note) in self.notes.iter().enumerate() {
                let number = at + 1;
                list.push_str(&format!(
                    "<li id=\"note-{number}\"><a class=\"footnote-backref\" href=\"#noteref-{number}\">↑</a> "
                ));
                list.push_str(note);
                list.push_str("</li>");
            }
            list.push_str("</ol>");
        }
        let place = self.notes_place.map(place_mark).filter(|mark| html.contains(mark));
        match place {
            Some(mark) => *html = html.replacen(&mark, &list, 1),
            None => html.push_str(&list),
        }
    }
}

/// `html` without marks that ended where nothing can be put back, such as in an address.
fn without_marks(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once(MARK) {
        out.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        rest = after[digits..].strip_prefix(MARK).unwrap_or(after);
    }
    out.push_str(rest);
    out
}

/// What stands in the HTML where the notes go: a mark, which no source can contain.
fn place_mark(number: usize) -> String {
    format!("{MARK}notes{number}{MARK}")
}
