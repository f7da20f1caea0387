//! The one policy of what may reach a browser. Everything shown has been through [`clean`]; no renderer
//! is trusted to have made safe HTML.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use ammonia::{Builder, UrlRelative};

/// Begins every `id` in user content, so that none can take the name of something of ours or of the
/// browser's (`location`, `forms`).
pub const ID_PREFIX: &str = "s-";

/// Elements that may appear. No scripts, frames, forms, styles or foreign (SVG, MathML) content.
const TAGS: &[&str] = &[
    "a",
    "abbr",
    "b",
    "bdi",
    "bdo",
    "blockquote",
    "br",
    "caption",
    "cite",
    "code",
    "col",
    "colgroup",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "i",
    "img",
    "input",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "time",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "wbr",
];

/// Elements that go with all they contain, for what they contain is not prose.
const DROPPED_WHOLE: &[&str] =
    &["script", "style", "template", "noembed", "noframes", "iframe", "title", "svg", "math"];

/// Addresses may be relative or begin with one of these.
const SCHEMES: &[&str] = &["http", "https", "mailto"];

/// Classes that renderers use and style sheets know; any other is dropped, so that content cannot dress
/// as the interface.
const CLASSES: &[&str] = &[
    "anchor",
    "attribution",
    "category",
    "comment",
    "contains-task-list",
    "embed",
    "external",
    "figure",
    "footnote-backref",
    "footnote-ref",
    "footnotes",
    "info",
    "lightbox",
    "mention",
    "new",
    "onebox",
    "onebox-body",
    "onebox-source",
    "params",
    "poll",
    "quote",
    "quote-source",
    "redirect",
    "references",
    "spoiler",
    "task-list-item",
    "template",
    "unrendered",
    "wikilink",
];

/// Most characters of a language class, `lang-` included; the longest known name has under 20.
const MAX_LANGUAGE_CHARS: usize = 40;

static POLICY: LazyLock<Builder<'static>> = LazyLock::new(policy);

/// Makes any text safe HTML by the policy. Cleaning twice changes nothing.
pub fn clean(html: &str) -> String {
    let cleaned = POLICY.clean(html).to_string();
    // A parser takes what comes first for a byte order mark, also where what stood before it was dropped.
    cleaned.trim_start_matches('\u{feff}').to_owned()
}

/// `id` as it may appear in a page: prefixed, without what cannot stand in an address. `scope` keeps the
/// ids of documents shown on one page apart.
pub(super) fn safe_id(scope: &str, id: &str) -> String {
    let bare = id.strip_prefix(ID_PREFIX).unwrap_or(id);
    let kept = bare.trim().chars().map(|c| if c.is_whitespace() { '_' } else { c });
    let kept: String = kept.filter(|c| !c.is_control() && !"\"'<>&".contains(*c)).collect();
    format!("{ID_PREFIX}{scope}{kept}")
}

fn policy() -> Builder<'static> {
    let mut builder = Builder::empty();
    builder
        .tags(TAGS.iter().copied().collect())
        .clean_content_tags(DROPPED_WHOLE.iter().copied().collect())
        .generic_attributes(HashSet::from(["class", "dir", "id", "lang", "title"]))
        .tag_attributes(attributes())
        .url_schemes(SCHEMES.iter().copied().collect())
        .url_relative(UrlRelative::PassThrough)
        .link_rel(Some("nofollow ugc noopener"))
        .strip_comments(true)
        .attribute_filter(filter);
    // One for each element: more would be written in no fixed order, and a rendering is repeatable.
    builder.set_tag_attribute_value("img", "referrerpolicy", "no-referrer");
    builder.set_tag_attribute_value("input", "type", "checkbox");
    builder
}

fn attributes() -> HashMap<&'static str, HashSet<&'static str>> {
    HashMap::from([
        ("a", HashSet::from(["href"])),
        ("blockquote", HashSet::from(["cite"])),
        ("col", HashSet::from(["span"])),
        ("colgroup", HashSet::from(["span"])),
        ("details", HashSet::from(["open"])),
        ("img", HashSet::from(["src", "alt", "width", "height", "loading"])),
        ("input", HashSet::from(["checked", "disabled"])),
        ("li", HashSet::from(["value"])),
        ("ol", HashSet::from(["start", "reversed", "type"])),
        ("td", HashSet::from(["colspan", "rowspan", "align"])),
        ("th", HashSet::from(["colspan", "rowspan", "align", "scope"])),
        ("time", HashSet::from(["datetime"])),
    ])
}

fn filter<'v>(element: &str, attribute: &str, value: &'v str) -> Option<Cow<'v, str>> {
    match attribute {
        "class" => classes(value),
        "href" | "src" | "cite" => has_known_scheme(value).then(|| value.into()),
        "id" => value.strip_prefix(ID_PREFIX).filter(|rest| is_id(rest)).map(|_| value.into()),
        "width" | "height" | "colspan" | "rowspan" | "span" => small_number(value),
        "start" | "value" => value.parse::<i32>().ok().map(|_| value.into()),
        "align" => ["left", "right", "center"].contains(&value).then(|| value.into()),
        "type" if element == "input" => (value == "checkbox").then(|| value.into()),
        "type" => ["1", "a", "A", "i", "I"].contains(&value).then(|| value.into()),
        "dir" => ["ltr", "rtl", "auto"].contains(&value).then(|| value.into()),
        "loading" => (value == "lazy").then(|| value.into()),
        "checked" | "disabled" | "open" | "reversed" => Some("".into()),
        _ => Some(value.into()),
    }
}

/// Stricter than the standard: nothing that a lenient reader could take for another scheme.
fn has_known_scheme(address: &str) -> bool {
    let head = address.split(['/', '?', '#']).next().unwrap_or_default();
    match head.split_once(':') {
        Some((scheme, _)) => SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known)),
        None => true,
    }
}

/// Most rows, columns or pixels a number may ask for: enough for any real table or picture.
const MAX_SPAN: u32 = 10_000;

fn small_number(value: &str) -> Option<Cow<'_, str>> {
    value.parse::<u32>().ok().filter(|number| *number <= MAX_SPAN).map(|_| value.into())
}

fn is_id(rest: &str) -> bool {
    !rest.is_empty() && !rest.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'<>&".contains(c))
}

fn classes(value: &str) -> Option<Cow<'_, str>> {
    let kept: Vec<_> = value.split_ascii_whitespace().filter(|class| is_class(class)).collect();
    if kept.is_empty() { None } else { Some(kept.join(" ").into()) }
}

fn is_class(class: &str) -> bool {
    CLASSES.contains(&class) || is_language(class)
}

/// `lang-rust`, `language-c++`: what a highlighter would look for.
fn is_language(class: &str) -> bool {
    let name = class.strip_prefix("lang-").or_else(|| class.strip_prefix("language-"));
    class.len() <= MAX_LANGUAGE_CHARS
        && name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "+-_.#".contains(c))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_act_is_gone_and_what_can_be_read_stays() {
        let dirty = "<p onclick=x style='color:red' id=location class='new x lang-c++'>a<script>b</script>\
                     <a href='java\tscript:x'>c</a><form><input name=q></form><svg><p>d</p></svg></p>";
        let html = clean(dirty);
        for gone in ["onclick", "style", "location", "script", "form", "svg", "name"] {
            assert!(!html.contains(gone), "{gone}: {html}");
        }
        assert!(html.contains("class=\"new lang-c++\"") && html.contains("checkbox"), "{html}");
        assert_eq!(clean(&html), html);
    }

    #[test]
    fn ids_need_the_prefix() {
        assert_eq!(clean("<h2 id=s-a>x</h2>"), "<h2 id=\"s-a\">x</h2>");
        assert_eq!(clean("<h2 id=a>x</h2>"), "<h2>x</h2>");
    }
}
