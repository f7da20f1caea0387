//! How tidying writes: start tags, links, and running text, which is escaped, with its mentions, in
//! pieces the sanitiser can take.

use super::elements::{LINK, Shape};
use super::tidy::{Attributes, Open, Tidy};
use super::{escape_into, legacy, mentions};

/// Longest run of text given to the sanitiser in one piece, a comment parting the pieces: html5ever's
/// serialiser looks through the rest of a text for `<` at each `&`, so a text of only `&` would take
/// quadratic time. The sanitiser drops the comments.
const TEXT_RUN_BYTES: usize = 512;

/// Longest attribute kept, for the same reason and because no browser takes much longer addresses.
const MAX_ATTRIBUTE_BYTES: usize = 8_192;

/// Attributes worth carrying to the sanitiser, which knows where each may stand.
const ATTRIBUTES: &[&str] = &[
    "align", "alt", "checked", "cite", "class", "colspan", "datetime", "disabled", "dir", "height", "href",
    "id", "lang", "loading", "open", "reversed", "rowspan", "scope", "span", "src", "start", "title", "type",
    "value", "width",
];

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
                self.tags += mentions::write(&mut self.out, piece, &mut self.mentions);
            } else {
                escape_into(&mut self.out, piece);
            }
            if self.is_too_large() {
                return;
            }
            rest = after;
        }
    }

    /// A link where something would have been embedded. Its text is `label`, or else the address.
    pub(super) fn link_instead(&mut self, address: &str, label: Option<&str>, class: &str) {
        let address = if address.starts_with("//") { format!("https:{address}") } else { address.to_owned() };
        if address.is_empty() {
            return;
        }
        let label = label.filter(|label| !label.trim().is_empty()).unwrap_or(&address);
        let within_link = self.stack.iter().any(|open| open.shape == Shape::Link);
        self.ensure_cell();
        if within_link {
            return escape_into(&mut self.out, label);
        }
        let mut attributes =
            Attributes::from([("href".to_owned(), address.clone()), ("class".to_owned(), class.to_owned())]);
        self.write_start(LINK.name, &mut attributes);
        escape_into(&mut self.out, label);
        self.out.push_str("</a>");
    }

    pub(super) fn write_start(&mut self, name: &str, attributes: &mut Attributes) {
        legacy::settle(name, attributes, self);
        self.tags += 1;
        self.out.push('<');
        self.out.push_str(name);
        let kept = |key: &String, value: &String| {
            ATTRIBUTES.contains(&key.as_str()) && value.len() <= MAX_ATTRIBUTE_BYTES
        };
        for (key, value) in attributes.iter().filter(|(key, value)| kept(key, value)) {
            self.out.push(' ');
            self.out.push_str(key);
            self.out.push_str("=\"");
            escape_into(&mut self.out, value);
            self.out.push('"');
        }
        self.out.push('>');
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
