//! Where the headings of a source are, without rendering it: as the first two passes would find them.

use super::block::heading;
use super::strip::{Construct, Ends, brace_pairs, construct, past_braces};
use super::{MARK, RenderContext, Renderer};
use crate::markup::plain_text;
use crate::markup::sections::Place;

/// The headings, in order.
pub(in super::super) fn outline(source: &str, context: &RenderContext<'_>) -> Vec<Place> {
    let mut renderer = Renderer::new(context);
    let mut places = Vec::new();
    let mut start = 0;
    for line in blotted(source).split_inclusive('\n') {
        let end = start + line.len();
        if heading(line.trim()).is_some() {
            let written = renderer.strip(&source[start..end], 0);
            // A title of nothing but a comment or a word that is computed is none.
            if let Some((level, title)) = heading(written.trim()) {
                let title = plain_text(&renderer.inline(title, 0));
                let id = renderer.heading_id(&title);
                places.push(Place { level: level as u8, id, title, start });
            }
        }
        start = end;
    }
    places
}

/// `source` with what the first pass sets aside blotted out, ends of lines too: of the same length, so that a place in
/// it is the same place in the source.
fn blotted(source: &str) -> String {
    let pairs = brace_pairs(source);
    let mut ends = Ends::default();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while let Some(step) = source[at..].find(['<', '{', MARK]) {
        out.push_str(&source[at..at + step]);
        at += step;
        let (next, blot) = match source.as_bytes()[at] {
            b'<' => match construct(source, at, &mut ends) {
                Construct::Comment { next } => (next, ' '),
                Construct::Tag { next, .. } => (next, MARK),
                Construct::Unclosed | Construct::Other => (at + 1, '<'),
            },
            b'{' => match pairs.get(&at) {
                Some(&end) => (past_braces(source, at, end), MARK),
                None => (at + 1, '{'),
            },
            _ => (at + 1, ' '),
        };
        out.extend(std::iter::repeat_n(blot, next - at));
        at = next;
    }
    out.push_str(&source[at..]);
    out
}
