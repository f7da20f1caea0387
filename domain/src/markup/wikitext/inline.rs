//! The last pass: links and emphasis within a line.

use super::template::split_pipes;
use super::{MARK, MAX_NESTING, Renderer, escape_into};
use crate::content::WikiLink;
use crate::markup::{Kind, Namespaces, Role};
use crate::wiki::page_path;

/// Longest tag passed through; what is longer is text.
const MAX_TAG_BYTES: usize = 1_000;
/// Longest entity, `&CounterClockwiseContourIntegral;`.
const MAX_ENTITY_BYTES: usize = 33;

/// Emphasis that is open, innermost last.
#[derive(Default)]
struct Emphasis(Vec<&'static str>);

impl Emphasis {
    fn toggle(&mut self, out: &mut String, tag: &'static str) {
        let Some(at) = self.0.iter().position(|open| *open == tag) else {
            out.push_str(&format!("<{tag}>"));
            return self.0.push(tag);
        };
        let inner: Vec<_> = self.0.drain(at..).skip(1).collect();
        inner.iter().rev().for_each(|open| out.push_str(&format!("</{open}>")));
        out.push_str(&format!("</{tag}>"));
        for open in inner {
            self.toggle(out, open);
        }
    }

    fn close(&mut self, out: &mut String) {
        while let Some(open) = self.0.pop() {
            out.push_str(&format!("</{open}>"));
        }
    }
}

/// Writes the link to a page; `label` is HTML-escaped here.
pub(in super::super) fn write_wikilink(
    out: &mut String,
    target: &WikiLink,
    section: Option<&str>,
    label: &str,
) {
    open_wikilink(out, target, section);
    escape_into(out, label);
    out.push_str("</a>");
}

fn open_wikilink(out: &mut String, target: &WikiLink, section: Option<&str>) {
    out.push_str("<a data-wikilink=\"\" href=\"");
    let mut href = page_path(&target.namespace, &target.title);
    if let Some(section) = section {
        href.push('#');
        href.push_str(&section.trim().replace(' ', "_"));
    }
    escape_into(out, &href);
    out.push_str("\">");
}

impl Renderer<'_> {
    /// Renders one line.
    pub(super) fn inline(&mut self, line: &str, depth: usize) -> String {
        let links = bracket_pairs(line);
        let mut emphasis = Emphasis::default();
        let mut out = String::with_capacity(line.len() * 2);
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            let Some(step) = rest.find(['\'', '[', '<', '>', '&', 'h', '_', MARK]) else { break };
            out.push_str(&rest[..step]);
            at += step;
            at += match line.as_bytes()[at] {
                b'\'' => quotes(&line[at..], &mut out, &mut emphasis),
                b'[' => self.bracket(line, at, &links, depth, &mut out),
                b'<' => tag(&line[at..], &mut out),
                b'&' => entity(&line[at..], &mut out),
                b'h' => bare_address(&line[at..], line[..at].chars().next_back(), &mut out),
                b'_' => magic_word(&line[at..], &mut out),
                b'>' => {
                    out.push_str("&gt;");
                    1
                }
                _ => self.restore(&line[at..], &mut out),
            };
        }
        out.push_str(&line[at.min(line.len())..]);
        emphasis.close(&mut out);
        out
    }

    /// Puts back what was set aside; once, so that hostile marks cannot multiply it.
    fn restore(&mut self, rest: &str, out: &mut String) -> usize {
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        if rest[1 + digits..].starts_with(MARK)
            && let Some(html) = rest[1..=digits].parse::<usize>().ok().and_then(|at| self.aside.get_mut(at))
        {
            out.push_str(&std::mem::take(html));
            return digits + 2;
        }
        1
    }

    fn bracket(&mut self, line: &str, at: usize, links: &Links, depth: usize, out: &mut String) -> usize {
        if let Some(link) = links.pairs.get(&at) {
            let inside = &line[at + 2..link.end];
            let past = link.end + 2;
            let trail = line[past..].find(|c: char| !c.is_alphabetic()).unwrap_or(line.len() - past);
            if let Some(used) = self.wikilink(inside, link.nests, &line[past..past + trail], depth, out) {
                return past - at + used;
            }
        }
        if let Some(used) = external(&line[at..], links.last_close.saturating_sub(at), out) {
            return used;
        }
        out.push('[');
        1
    }

    /// Writes a wiki link; gives how much of the letters behind it was taken into the label.
    fn wikilink(
        &mut self,
        inside: &str,
        nests: bool,
        trail: &str,
        depth: usize,
        out: &mut String,
    ) -> Option<usize> {
        // Of nested links only a file's can be one; looking further for its name would be quadratic.
        if nests && !inside[..inside.floor_char_boundary(MAX_TAG_BYTES)].contains('|') {
            return None;
        }
        let (target, label) = match inside.split_once('|') {
            Some((target, label)) => (target, Some(label)),
            None => (inside, None),
        };
        let shown = target.trim_start().starts_with(':');
        let (name, section) = match target.split_once('#') {
            Some((name, section)) => (name.trim(), Some(section)),
            None => (target.trim(), None),
        };
        if name.is_empty() && section.is_some() {
            out.push_str("<a href=\"#");
            escape_into(out, &section.unwrap_or_default().trim().replace(' ', "_"));
            out.push_str("\">");
            escape_into(out, &format!("{}{trail}", label.unwrap_or(target)));
            out.push_str("</a>");
            return Some(trail.len());
        }
        let subpage = name.strip_prefix('/').filter(|_| !self.context.page.is_empty());
        let full = subpage.map(|sub| format!("{}/{}", self.context.page, sub.trim_end_matches('/')));
        let (page, role) = self.context.namespaces.resolve(full.as_deref().unwrap_or(name))?;
        match role {
            Role::File if !shown => {
                self.file(&page, label, depth, out);
                return Some(0);
            }
            _ if nests => return None,
            Role::Category if !shown => {
                if self.context.kind == Kind::Page {
                    self.references.category(&page, label);
                }
                return Some(0);
            }
            Role::Ordinary if is_other_language(name, &page) => {
                if shown {
                    escape_into(out, label.unwrap_or(name.trim_start_matches(':')));
                }
                return Some(0);
            }
            _ => {}
        }
        self.references.link(&page);
        open_wikilink(out, &page, section);
        match label.filter(|label| !label.trim().is_empty()) {
            Some(label) if depth < MAX_NESTING => {
                let label = self.inline(label, depth + 1);
                out.push_str(&label);
            }
            Some(label) => escape_into(out, label),
            None => escape_into(out, target.trim().trim_start_matches(':')),
        }
        escape_into(out, trail);
        out.push_str("</a>");
        Some(trail.len())
    }

    /// No file exists here: a figure with the file's name and its caption stands in.
    fn file(&mut self, page: &WikiLink, options: Option<&str>, depth: usize, out: &mut String) {
        self.references.link(page);
        let caption = options
            .and_then(|options| split_pipes(options).pop().map(str::trim))
            .filter(|text| !is_file_option(text));
        out.push_str("<span class=\"figure\">");
        write_wikilink(out, page, None, &page.title);
        if let Some(caption) = caption {
            out.push(' ');
            if depth < MAX_NESTING {
                let caption = self.inline(caption, depth + 1);
                out.push_str(&caption);
            } else {
                escape_into(out, caption);
            }
        }
        out.push_str("</span>");
    }
}

/// How many links to other languages' wikis a rendering of `source` leaves out, for a report. Those within
/// comments or literal text, where hardly any stand, are counted too.
pub fn language_links(source: &str, namespaces: &Namespaces) -> usize {
    let links = source.split("[[").skip(1).filter_map(|rest| rest.split(['|', ']', '\n']).next());
    links
        .filter(|name| {
            let resolved = namespaces.resolve(name.split('#').next().unwrap_or_default().trim());
            !name.starts_with(':') && resolved.is_some_and(|(page, _)| is_other_language(name, &page))
        })
        .count()
}

/// `en:Title`: a link to another language's wiki, of which nothing is shown.
fn is_other_language(name: &str, page: &WikiLink) -> bool {
    let Some((code, rest)) = name.trim_start_matches(':').split_once(':') else { return false };
    let plain =
        code.split('-').all(|part| part.bytes().all(|byte| byte.is_ascii_lowercase()) && !part.is_empty());
    page.namespace.is_empty()
        && plain
        && (2..=12).contains(&code.len())
        && !rest.starts_with(' ')
        && (code.len() <= 3 || code.contains('-') || code == "simple")
}

fn is_file_option(text: &str) -> bool {
    let size = text
        .strip_suffix("px")
        .is_some_and(|size| size.bytes().all(|byte| byte.is_ascii_digit() || byte == b'x'));
    let word = matches!(
        text,
        "" | "thumb"
            | "thumbnail"
            | "frame"
            | "frameless"
            | "border"
            | "left"
            | "right"
            | "center"
            | "none"
            | "upright"
            | "middle"
            | "top"
            | "bottom"
            | "baseline"
            | "sub"
            | "super"
    );
    size || word
        || ["link=", "alt=", "upright=", "page=", "lang="].iter().any(|option| text.starts_with(option))
}

fn quotes(rest: &str, out: &mut String, emphasis: &mut Emphasis) -> usize {
    let count = rest.bytes().take_while(|byte| *byte == b'\'').count();
    match count {
        1 => out.push('\''),
        2 => emphasis.toggle(out, "i"),
        3 => emphasis.toggle(out, "b"),
        4 => {
            out.push('\'');
            emphasis.toggle(out, "b");
        }
        _ => {
            // Marks beyond five are text in front of the emphasis.
            out.extend(std::iter::repeat_n('\'', count - 5));
            let italic_inside = emphasis.0.last() == Some(&"i");
            let order = if italic_inside { ["i", "b"] } else { ["b", "i"] };
            order.into_iter().for_each(|tag| emphasis.toggle(out, tag));
        }
    }
    count
}

/// HTML in the source is passed on; the sanitiser decides about it.
fn tag(rest: &str, out: &mut String) -> usize {
    let window = &rest.as_bytes()[..rest.len().min(MAX_TAG_BYTES)];
    let opens = matches!(window.get(1), Some(byte) if byte.is_ascii_alphabetic() || *byte == b'/');
    let end = if opens { window.iter().position(|byte| *byte == b'>') } else { None };
    match end {
        Some(end) if !rest[..=end].contains(MARK) => {
            // A tag that closes itself means an empty element here, as in XML.
            let name = rest[1..end].trim_end_matches('/').trim();
            out.push_str(&rest[..=end]);
            if rest[..end].ends_with('/')
                && name.bytes().all(|b| b.is_ascii_alphabetic())
                && name != "br"
                && name != "hr"
            {
                out.push_str(&format!("</{name}>"));
            }
            end + 1
        }
        _ => {
            out.push_str("&lt;");
            1
        }
    }
}

fn entity(rest: &str, out: &mut String) -> usize {
    let window = &rest.as_bytes()[1..rest.len().min(MAX_ENTITY_BYTES)];
    let length = window.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'#').count();
    out.push_str(if length > 0 && window.get(length) == Some(&b';') { "&" } else { "&amp;" });
    1
}

fn scheme_length(text: &str) -> Option<usize> {
    ["https://", "http://", "mailto:", "//"]
        .iter()
        .find(|scheme| text.starts_with(**scheme))
        .map(|scheme| scheme.len())
}

fn address_length(text: &str) -> usize {
    text.find(|c: char| c.is_whitespace() || c.is_control() || "<>\"[]{}|".contains(c)).unwrap_or(text.len())
}

fn write_external(out: &mut String, address: &str, label: &str) {
    out.push_str("<a class=\"external\" href=\"");
    escape_into(out, &address.replace("&amp;", "&"));
    out.push_str("\">");
    escape_into(out, label);
    out.push_str("</a>");
}

/// `[http://address label]`. `last_close` is where the line's last `]` is: past it none need be sought.
fn external(rest: &str, last_close: usize, out: &mut String) -> Option<usize> {
    let inside = &rest[1..];
    let scheme = scheme_length(inside)?;
    let length = address_length(inside);
    if length <= scheme || last_close == 0 {
        return None;
    }
    let (address, after) = inside.split_at(length);
    let end = after.find(']')?;
    let label = after[..end].trim();
    let shown = if label.is_empty() { address } else { label };
    let plain: String = shown.chars().filter(|c| *c != MARK).collect();
    write_external(out, address, plain.replace("''", "").as_str());
    Some(1 + length + end + 1)
}

fn bare_address(rest: &str, before: Option<char>, out: &mut String) -> usize {
    let scheme = if before.is_some_and(char::is_alphanumeric) { None } else { scheme_length(rest) };
    let length = scheme.map_or(0, |_| {
        rest[..address_length(rest)].trim_end_matches([',', '.', ';', ':', '!', '?', ')', '\'']).len()
    });
    if scheme.is_none_or(|scheme| length <= scheme) {
        out.push('h');
        return 1;
    }
    write_external(out, &rest[..length], &rest[..length]);
    length
}

fn magic_word(rest: &str, out: &mut String) -> usize {
    let word = rest
        .strip_prefix("__")
        .map_or(0, |word| word.bytes().take_while(u8::is_ascii_uppercase).take(40).count());
    if word > 2 && rest[2 + word..].starts_with("__") {
        return word + 4;
    }
    out.push('_');
    1
}

/// Where `[[` ends, and whether another begins inside.
struct Link {
    end: usize,
    nests: bool,
}

struct Links {
    pairs: std::collections::HashMap<usize, Link>,
    last_close: usize,
}

/// Matches `[[` with `]]` from the inside out in one pass.
fn bracket_pairs(line: &str) -> Links {
    let bytes = line.as_bytes();
    let mut open: Vec<(usize, bool)> = Vec::new();
    let mut pairs = std::collections::HashMap::new();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"[[" => {
                open.push((at, false));
                at += 2;
            }
            b"]]" => {
                if let Some((start, nests)) = open.pop() {
                    pairs.insert(start, Link { end: at, nests });
                    if let Some(outer) = open.last_mut() {
                        outer.1 = true;
                    }
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    Links { pairs, last_close: line.rfind(']').unwrap_or(0) }
}
