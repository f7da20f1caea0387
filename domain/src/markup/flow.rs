//! How tidying writes running text: escaped, with its mentions, in pieces the sanitiser can take.

use super::elements::Shape;
use super::tidy::{Open, Tidy};
use super::{escape_into, mentions};

/// Longest run of text given to the sanitiser in one piece, a comment parting the pieces: html5ever's
/// serialiser looks through the rest of a text for `<` at each `&`, so a text of only `&` would take
/// quadratic time. The sanitiser drops the comments.
const TEXT_RUN_BYTES: usize = 2_048;

impl Tidy<'_> {
    /// Writes the text read so far.
    pub(super) fn flush(&mut self) {
        if self.text.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            self.ensure_cell();
        }
        let quiet =
            |open: &Open| open.shape == Shape::Link || matches!(open.name, "code" | "pre" | "kbd" | "samp");
        let mentions = self.find_mentions && !self.stack.iter().any(quiet);
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_length(rest));
            if self.run + piece.len() > TEXT_RUN_BYTES {
                self.out.push_str("<!---->");
                self.run = 0;
            }
            self.run += piece.len();
            if mentions {
                mentions::write(&mut self.out, piece, &mut self.mentions);
            } else {
                escape_into(&mut self.out, piece);
            }
            rest = after;
        }
    }
}

/// Where to part `text`: at a space where there is one, so as not to cut a mention.
fn piece_length(text: &str) -> usize {
    if text.len() <= TEXT_RUN_BYTES {
        return text.len();
    }
    let end = text.floor_char_boundary(TEXT_RUN_BYTES);
    text[..end].rfind(' ').filter(|at| *at > 0).unwrap_or(end)
}
