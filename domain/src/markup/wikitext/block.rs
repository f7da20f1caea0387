//! The second pass: headings, lists, tables and paragraphs, line by line.

use super::{MARK, Renderer, escape_into};
use crate::markup::plain_text;

/// Deepest list; a deeper item stays at this depth. Real talk pages reach nine.
const MAX_LIST_DEPTH: usize = 20;
/// Longest attribute text of a table or cell; longer text in front of a `|` is content.
const MAX_ATTRIBUTE_BYTES: usize = 500;

/// What is open between lines.
#[derive(Default)]
struct Lines {
    out: String,
    /// Markers of the open lists, outermost first.
    list: Vec<u8>,
    tables: usize,
    paragraph: bool,
    preformatted: bool,
}

impl Renderer<'_> {
    /// Renders text whose literal parts and templates are set aside.
    pub(super) fn blocks(&mut self, text: &str) -> String {
        let mut lines = Lines::default();
        for line in text.lines() {
            self.line(&mut lines, line);
        }
        lines.end_list(0);
        lines.end_text();
        lines.out
    }

    fn line(&mut self, lines: &mut Lines, line: &str) {
        let bare = line.trim();
        let marker = bare.trim_start_matches(':');
        if marker.starts_with("{|") || lines.tables > 0 && bare.starts_with(['|', '!']) {
            lines.end_list(0);
            lines.end_text();
            return self.table_line(lines, if marker.starts_with("{|") { marker } else { bare });
        }
        let markers = line.bytes().take_while(|byte| b"*#:;".contains(byte)).count();
        if markers > 0 {
            lines.end_text();
            return self.item(lines, &line.as_bytes()[..markers.min(MAX_LIST_DEPTH)], &line[markers..]);
        }
        lines.end_list(0);
        if bare.is_empty() {
            lines.end_text();
        } else if let Some((level, title)) = heading(bare) {
            lines.end_text();
            self.heading(lines, level, title);
        } else if bare.starts_with("----") {
            lines.end_text();
            lines.out.push_str("<hr>");
            self.text_line(lines, bare.trim_start_matches('-'));
        } else if line.starts_with(' ') && lines.tables == 0 && !bare.starts_with(['<', MARK]) {
            lines.start_preformatted();
            let html = self.inline(&line[1..], 0);
            lines.out.push_str(&html);
            lines.out.push('\n');
        } else {
            self.text_line(lines, line);
        }
    }

    fn text_line(&mut self, lines: &mut Lines, line: &str) {
        if line.trim().is_empty() {
            return;
        }
        let html = self.inline(line, 0);
        if html.trim().is_empty() {
            return;
        }
        if lines.preformatted {
            lines.end_text();
        }
        if !lines.paragraph {
            lines.out.push_str("<p>");
            lines.paragraph = true;
        }
        lines.out.push_str(&html);
        lines.out.push('\n');
    }

    fn heading(&mut self, lines: &mut Lines, level: usize, title: &str) {
        let html = self.inline(title, 0);
        let id = self.heading_id(&plain_text(&html));
        lines.out.push_str(&format!("<h{level} id=\""));
        escape_into(&mut lines.out, &id);
        lines.out.push_str(&format!("\">{html}</h{level}>\n"));
    }

    /// The `id` of the next heading with this text.
    pub(super) fn heading_id(&mut self, text: &str) -> String {
        let base = text.replace([' ', '\n'], "_");
        let count = self.ids.entry(base.clone()).or_default();
        *count += 1;
        if *count == 1 { base } else { format!("{base}_{count}") }
    }

    fn item(&mut self, lines: &mut Lines, markers: &[u8], rest: &str) {
        let common = lines
            .list
            .iter()
            .zip(markers)
            .take_while(|(open, new)| list_tag(**open) == list_tag(**new))
            .count();
        lines.end_list(common);
        if common == markers.len()
            && let Some(last) = markers.last()
        {
            lines.out.push_str(&format!("<{}>", item_tag(*last)));
        }
        for marker in &markers[common..] {
            lines.out.push_str(&format!("<{}><{}>", list_tag(*marker), item_tag(*marker)));
            lines.list.push(*marker);
        }
        let definition = markers.last().filter(|marker| **marker == b';').and_then(|_| rest.split_once(" :"));
        let (term, definition) =
            definition.map_or((rest, None), |(term, definition)| (term, Some(definition)));
        let html = self.inline(term.trim(), 0);
        lines.out.push_str(&html);
        if let Some(definition) = definition {
            let html = self.inline(definition.trim(), 0);
            lines.out.push_str("<dd>");
            lines.out.push_str(&html);
        }
    }

    fn table_line(&mut self, lines: &mut Lines, line: &str) {
        if let Some(attributes) = line.strip_prefix("{|") {
            lines.tables += 1;
            lines.out.push_str(&format!("<table{}>", safe_attributes(attributes)));
        } else if let Some(rest) = line.strip_prefix("|}") {
            lines.tables -= 1;
            lines.out.push_str("</table>");
            self.text_line(lines, rest);
        } else if let Some(rest) = line.strip_prefix("|-") {
            lines.out.push_str(&format!("<tr{}>", safe_attributes(rest.trim_start_matches('-'))));
        } else if let Some(caption) = line.strip_prefix("|+") {
            self.cell(lines, "caption", caption);
        } else if let Some(rest) = line.strip_prefix('!') {
            rest.split("!!").flat_map(|part| part.split("||")).for_each(|cell| self.cell(lines, "th", cell));
        } else {
            line[1..].split("||").for_each(|cell| self.cell(lines, "td", cell));
        }
    }

    fn cell(&mut self, lines: &mut Lines, tag: &str, text: &str) {
        let window = &text[..text.floor_char_boundary(MAX_ATTRIBUTE_BYTES)];
        let split = window.find('|').filter(|at| !text[..*at].contains("[[") && !text[..*at].contains(MARK));
        let (attributes, content) = match split {
            Some(at) => (safe_attributes(&text[..at]), &text[at + 1..]),
            None => (String::new(), text),
        };
        lines.out.push_str(&format!("<{tag}{attributes}>"));
        let html = self.inline(content.trim(), 0);
        lines.out.push_str(&html);
        lines.out.push('\n');
    }
}

impl Lines {
    fn end_text(&mut self) {
        if self.paragraph {
            self.out.push_str("</p>\n");
        }
        if self.preformatted {
            self.out.push_str("</pre>\n");
        }
        (self.paragraph, self.preformatted) = (false, false);
    }

    fn start_preformatted(&mut self) {
        if !self.preformatted {
            self.end_text();
            self.out.push_str("<pre>");
            self.preformatted = true;
        }
    }

    fn end_list(&mut self, keep: usize) {
        while self.list.len() > keep {
            if let Some(marker) = self.list.pop() {
                self.out.push_str(&format!("</{}>", list_tag(marker)));
            }
        }
    }
}

fn list_tag(marker: u8) -> &'static str {
    match marker {
        b'*' => "ul",
        b'#' => "ol",
        _ => "dl",
    }
}

fn item_tag(marker: u8) -> &'static str {
    match marker {
        b';' => "dt",
        b':' => "dd",
        _ => "li",
    }
}

/// Level and title of a line without white space around it that is a heading.
pub(super) fn heading(line: &str) -> Option<(usize, &str)> {
    let open = line.bytes().take_while(|byte| *byte == b'=').count();
    let close = line.bytes().rev().take_while(|byte| *byte == b'=').count();
    let level = open.min(close).min(6);
    let title = line.get(level..line.len().checked_sub(level)?)?.trim();
    (level > 0 && !title.is_empty()).then_some((level, title))
}

/// Attributes as written, with a space in front, when they cannot end the tag they stand in.
fn safe_attributes(text: &str) -> String {
    let text = text.trim();
    let unsafe_here = text.is_empty()
        || text.len() > MAX_ATTRIBUTE_BYTES
        || text.contains(['<', '>', MARK])
        || text.matches('"').count() % 2 == 1
        || text.matches('\'').count() % 2 == 1;
    if unsafe_here { String::new() } else { format!(" {text}") }
}
