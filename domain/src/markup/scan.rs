//! Cheap passes over HTML that we have sanitised ourselves: its form is known exactly, so finding a tag
//! is finding a text. Not for any other HTML.

use super::plain_text;

const WIKILINK: &str = "class=\"wikilink\"";

/// Adds the class `new` to links whose page `is_missing`, given the address without section.
pub fn mark_missing(html: &str, is_missing: impl Fn(&str) -> bool) -> String {
    let mut out = String::with_capacity(html.len() + 64);
    let mut rest = html;
    while let Some(start) = rest.find("<a ") {
        // The serialiser escapes < and > nowhere but in text, so a tag ends at the first > outside quotes.
        let Some(length) = tag_length(&rest[start..]) else { break };
        let tag = &rest[start..start + length];
        out.push_str(&rest[..start]);
        if tag.contains(WIKILINK) && target(tag).is_some_and(|href| is_missing(&href)) {
            out.push_str(&tag.replacen(WIKILINK, "class=\"wikilink new\"", 1));
        } else {
            out.push_str(tag);
        }
        rest = &rest[start + length..];
    }
    out.push_str(rest);
    out
}

fn tag_length(tag: &str) -> Option<usize> {
    let mut quoted = false;
    tag.bytes()
        .position(|byte| {
            quoted ^= byte == b'"';
            byte == b'>' && !quoted
        })
        .map(|at| at + 1)
}

fn target(tag: &str) -> Option<String> {
    let (_, value) = tag.split_once(" href=\"")?;
    let href = value.split(['"', '#']).next()?;
    href.starts_with("/wiki/").then(|| href.replace("&amp;", "&"))
}

/// A heading that can be linked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// 1 to 6.
    pub level: u8,
    /// Its `id`.
    pub id: String,
    /// Its text.
    pub text: String,
}

/// Most headings listed: no reader uses a longer table of contents.
const MAX_HEADINGS: usize = 1_000;

/// The headings of a page in order, for a table of contents.
pub fn headings(html: &str) -> Vec<Heading> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find("<h") {
        rest = &rest[start + 2..];
        let level = match rest.as_bytes().first() {
            Some(digit @ b'1'..=b'6') => digit - b'0',
            _ => continue,
        };
        let Some(length) = tag_length(rest) else { break };
        let Some((inside, after)) = rest[length..].split_once(&format!("</h{level}>")) else { break };
        let id = rest[..length].split_once(" id=\"").and_then(|(_, value)| value.split('"').next());
        if let Some(id) = id {
            found.push(Heading { level, id: id.replace("&amp;", "&"), text: plain_text(inside) });
        }
        rest = after;
        if found.len() == MAX_HEADINGS {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_missing_pages_are_marked() {
        let html = "<a class=\"wikilink\" href=\"/wiki/A#s-x\">a</a> <a href=\"/wiki/A\">b</a> \
                    <a class=\"wikilink\" href=\"/wiki/B&amp;C\">c</a>";
        let marked = mark_missing(html, |href| href == "/wiki/A");
        assert_eq!(marked.matches("wikilink new").count(), 1);
        assert!(mark_missing(html, |href| href == "/wiki/B&C").contains("new\" href=\"/wiki/B&amp;C"));
        assert_eq!(mark_missing(html, |_| false), html);
    }

    #[test]
    fn headings_are_listed_in_order() {
        let html = "<h1 id=\"s-a\">A <b>b</b></h1><hr><h3>no id</h3><h2 id=\"s-c\">C</h2>";
        let listed = headings(html);
        assert_eq!(listed.len(), 2);
        assert_eq!((listed[0].level, listed[0].text.as_str()), (1, "A b"));
        assert_eq!(listed[1].id, "s-c");
    }
}
