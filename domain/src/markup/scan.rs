//! Cheap passes over HTML that we have sanitised ourselves: its form is known exactly, so finding a tag
//! is finding a text. Not for any other HTML.

use super::{escape_into, plain_text};

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
        let from = &rest[start..];
        let Some(length) = tag_length(from) else { break };
        let (tag, after) = from.split_at(length);
        rest = after;
        if let Some((heading, _, next)) = heading_at(tag, after) {
            found.push(heading);
            rest = next;
            if found.len() == MAX_HEADINGS {
                break;
            }
        }
    }
    found
}

/// Elements without content and end tag.
const VOID: [&str; 6] = ["br", "col", "hr", "img", "input", "wbr"];

/// Puts a link beside each heading that has an id and stands by itself, not in a quote, list or table. `link` is told
/// the heading and gives the address.
pub fn link_sections(html: &str, link: impl Fn(&Heading) -> String) -> String {
    let mut out = String::with_capacity(html.len() + html.len() / 8);
    let (mut rest, mut depth) = (html, 0_usize);
    while let Some(start) = rest.find('<') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let Some(length) = tag_length(from) else {
            rest = from;
            break;
        };
        let (tag, after) = from.split_at(length);
        rest = after;
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if depth == 0
            && let Some((heading, inside, next)) = heading_at(tag, after)
        {
            let mut label = String::new();
            escape_into(&mut label, &heading.text);
            let mut href = String::new();
            escape_into(&mut href, &link(&heading));
            out.push_str(&format!(
                "<div class=\"heading\">{tag}{inside}</h{}><a class=\"edit\" href=\"{href}\" rel=\"nofollow\" \
                 aria-label=\"edit section {label}\">edit</a></div>",
                heading.level
            ));
            rest = next;
            continue;
        } else {
            let name = tag[1..].split([' ', '>', '/']).next().unwrap_or_default();
            depth += usize::from(!VOID.contains(&name));
        }
        out.push_str(tag);
    }
    out.push_str(rest);
    out
}

/// The heading that begins with `tag`, what is in it, and what follows it.
fn heading_at<'h>(tag: &str, after: &'h str) -> Option<(Heading, &'h str, &'h str)> {
    let level = match tag.as_bytes() {
        [b'<', b'h', digit @ b'1'..=b'6', ..] => digit - b'0',
        _ => return None,
    };
    let id = tag.split_once(" id=\"").and_then(|(_, value)| value.split('"').next())?;
    let (inside, next) = after.split_once(&format!("</h{level}>"))?;
    let heading = Heading { level, id: id.replace("&amp;", "&"), text: plain_text(inside) };
    Some((heading, inside, next))
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

    #[test]
    fn headings_that_stand_by_themselves_get_a_link() {
        let html = "<p>a<br>b</p><h2 id=\"s-a\">A &amp; <b>b</b></h2><blockquote><h2 id=\"s-q\">q</h2></blockquote>\
                    <h3>none</h3><hr><h1 id=\"s-&amp;\">x</h1>end";
        let linked = link_sections(html, |heading| format!("/e?s={}&x", heading.id));
        assert_eq!(linked.matches("class=\"edit\"").count(), 2, "{linked}");
        assert!(
            linked.contains("<h2 id=\"s-a\">A &amp; <b>b</b></h2><a class=\"edit\" href=\"/e?s=s-a&amp;x\"")
        );
        assert!(linked.contains("aria-label=\"edit section A &amp; b\"") && linked.ends_with("</div>end"));
        assert!(linked.contains("href=\"/e?s=s-&amp;&amp;x\""), "{linked}");
        assert_eq!(link_sections("<h2 id=\"s-a", |_| String::new()), "<h2 id=\"s-a");
    }
}
