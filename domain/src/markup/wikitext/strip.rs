//! The first pass: what must not be read as wikitext, or spans lines, is finished and set aside.

use super::{MARK, MAX_NESTING, Renderer, escape_into, place_mark};

/// Tags whose content is literal.
const LITERAL: &[&str] = &["nowiki", "pre", "math", "source", "syntaxhighlight", "score", "timeline"];
/// Longest start tag recognised here; real ones have under 200 bytes.
const MAX_TAG_BYTES: usize = 1_000;

impl Renderer<'_> {
    /// `source` with comments gone and literal text, notes and templates set aside.
    pub(super) fn strip(&mut self, source: &str, depth: usize) -> String {
        let pairs = brace_pairs(source);
        let mut ends = Ends::default();
        let mut out = String::with_capacity(source.len());
        let mut at = 0;
        while let Some(step) = source[at..].find(['<', '{', MARK]) {
            // Marks already set by an outer pass are kept: they only ever name finished HTML.
            out.push_str(&source[at..at + step]);
            at += step;
            at = match source.as_bytes()[at] {
                b'<' => self.strip_tag(source, at, depth, &mut ends, &mut out),
                b'{' => self.strip_braces(source, at, depth, &pairs, &mut out),
                _ => {
                    if depth > 0 {
                        out.push(MARK);
                    }
                    at + 1
                }
            };
        }
        out.push_str(&source[at..]);
        out
    }

    fn strip_braces(
        &mut self,
        source: &str,
        at: usize,
        depth: usize,
        pairs: &Pairs,
        out: &mut String,
    ) -> usize {
        let Some(&end) = pairs.get(&at) else {
            out.push('{');
            return at + 1;
        };
        if depth < MAX_NESTING {
            let inside = self.strip(&source[at + 2..end], depth + 1);
            self.template(&inside, out);
        }
        past_braces(source, at, end)
    }

    /// Handles what begins with `<` at `at`; gives where to go on.
    fn strip_tag(
        &mut self,
        source: &str,
        at: usize,
        depth: usize,
        ends: &mut Ends,
        out: &mut String,
    ) -> usize {
        match construct(source, at, ends) {
            Construct::Comment { next } => next,
            Construct::Tag { name, attributes, content, next } => {
                self.finish_tag(&name, attributes, content, depth, out);
                next
            }
            Construct::Unclosed => {
                out.push_str("&lt;");
                at + 1
            }
            Construct::Other => {
                out.push('<');
                at + 1
            }
        }
    }

    fn finish_tag(&mut self, name: &str, attributes: &str, content: &str, depth: usize, out: &mut String) {
        match name {
            "ref" => self.note(attributes, content, depth, out),
            "references" => {
                if depth < MAX_NESTING && !content.is_empty() {
                    // Definitions inside number their notes; nothing of them is shown here.
                    self.strip(content, depth + 1);
                }
                let place = place_mark(self.aside.len());
                self.notes_place.get_or_insert(self.aside.len());
                self.set_aside(out, place);
            }
            "includeonly" => {}
            "gallery" => {
                for line in content.lines().filter(|line| !line.trim().is_empty()) {
                    out.push_str(&format!("\n* [[:{}]]", line.trim().replace(['[', ']', MARK], "")));
                }
                out.push('\n');
            }
            _ => {
                let mut html = String::new();
                let tag = if name == "nowiki" {
                    ""
                } else if name == "math" {
                    "code"
                } else {
                    "pre"
                };
                if !tag.is_empty() {
                    html.push_str(&format!("<{tag}>"));
                }
                escape_into(
                    &mut html,
                    &content
                        .replace(MARK, "")
                        .replace("&lt;", "<")
                        .replace("&gt;", ">")
                        .replace("&amp;", "&"),
                );
                if !tag.is_empty() {
                    html.push_str(&format!("</{tag}>"));
                }
                self.set_aside(out, html);
            }
        }
    }

    fn note(&mut self, attributes: &str, content: &str, depth: usize, out: &mut String) {
        let key = note_name(attributes);
        let known = key.as_ref().and_then(|key| self.named_notes.get(key)).copied();
        let number = match known {
            Some(number) => number,
            None => {
                self.notes.push(String::new());
                if let Some(key) = key {
                    self.named_notes.insert(key, self.notes.len() - 1);
                }
                self.notes.len() - 1
            }
        };
        if self.notes[number].is_empty() && !content.is_empty() && depth < MAX_NESTING {
            let stripped = self.strip(content, depth + 1);
            let html = self.inline(&stripped.replace('\n', " "), depth + 1);
            self.notes[number] = html;
        }
        let shown = number + 1;
        let id = if known.is_none() { format!(" id=\"noteref-{shown}\"") } else { String::new() };
        self.set_aside(
            out,
            format!("<sup class=\"footnote-ref\"{id}><a href=\"#note-{shown}\">[{shown}]</a></sup>"),
        );
    }
}

fn note_name(attributes: &str) -> Option<String> {
    let (_, value) = attributes.split_once("name")?;
    let value = value.trim_start().strip_prefix('=')?.trim().trim_end_matches('/').trim();
    let name = match value.chars().next()? {
        quote @ ('"' | '\'') => value[1..].split(quote).next()?,
        _ => value.split_whitespace().next()?,
    };
    Some(name.to_owned())
}

/// What begins with `<`.
pub(super) enum Construct<'s> {
    /// A comment.
    Comment { next: usize },
    /// An element whose content is not read as wikitext where it stands.
    Tag { name: String, attributes: &'s str, content: &'s str, next: usize },
    /// The start of such an element that never ends.
    Unclosed,
    /// Anything else: text, or HTML that is read where it stands.
    Other,
}

/// What begins at `at`, where a `<` is.
pub(super) fn construct<'s>(source: &'s str, at: usize, ends: &mut Ends) -> Construct<'s> {
    let rest = &source[at..];
    if rest.starts_with("<!--") {
        let next = ends.find(source, at + 4, "-->").map_or(source.len(), |end| end + 3);
        return Construct::Comment { next };
    }
    let head = &rest.as_bytes()[1..rest.len().min(20)];
    let length = head.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    let name = rest[1..1 + length].to_ascii_lowercase();
    let known = LITERAL.contains(&name.as_str())
        || matches!(name.as_str(), "ref" | "references" | "includeonly" | "gallery");
    let window = &rest.as_bytes()[..rest.len().min(MAX_TAG_BYTES)];
    let (true, Some(tag_end)) = (known, window.iter().position(|byte| *byte == b'>')) else {
        return Construct::Other;
    };
    let attributes = &rest[1 + length..tag_end];
    let after = at + tag_end + 1;
    let (content, next) = if attributes.ends_with('/') {
        ("", after)
    } else {
        match ends.find(source, after, &format!("</{name}")) {
            Some(end) => {
                let past = source[end..].find('>').map_or(source.len(), |step| end + step + 1);
                (&source[after..end], past)
            }
            None if name == "references" => ("", after),
            None => return Construct::Unclosed,
        }
    };
    Construct::Tag { name, attributes, content, next }
}

/// Finds ends without looking twice at a stretch that has none.
#[derive(Default)]
pub(super) struct Ends {
    missing: Vec<String>,
}

impl Ends {
    fn find(&mut self, source: &str, from: usize, end: &str) -> Option<usize> {
        if self.missing.iter().any(|missing| missing == end) {
            return None;
        }
        let found = find_ignoring_case(&source[from..], end).map(|step| from + step);
        if found.is_none() {
            self.missing.push(end.to_owned());
        }
        found
    }
}

fn find_ignoring_case(text: &str, needle: &str) -> Option<usize> {
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    text.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

/// Where to go on after the braces from `at` to `end`: a parameter, `{{{1}}}`, has a third one.
pub(super) fn past_braces(source: &str, at: usize, end: usize) -> usize {
    let parameter = source[at + 2..].starts_with('{') && source[end + 2..].starts_with('}');
    end + 2 + usize::from(parameter)
}

/// Where each `{{` ends.
pub(super) type Pairs = std::collections::HashMap<usize, usize>;

/// Matches `{{` with `}}` from the inside out in one pass; what stays unmatched is text.
pub(super) fn brace_pairs(source: &str) -> Pairs {
    let bytes = source.as_bytes();
    let mut open = Vec::new();
    let mut pairs = Pairs::new();
    let mut at = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"{{" => {
                open.push(at);
                at += 2;
            }
            b"}}" => {
                if let Some(start) = open.pop() {
                    pairs.insert(start, at);
                }
                at += 2;
            }
            _ => at += 1,
        }
    }
    pairs
}
