//! Turns Discourse's cooked HTML into plain elements while it is tidied: quotes, link boxes, lightboxes,
//! emoji, players. What a script of that forum would have completed is completed here.

use super::elements::{Element, LINK, Shape, known};
use super::sanitise::safe_id;
use super::tidy::{Attributes, Tidy};
use super::{RenderContext, mentions};

/// An element of Discourse that its contents must know they are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// `aside.quote`.
    Quote,
    /// `video` or `audio`, whose source becomes a link at its end.
    Media,
}

/// What is remembered between tags.
#[derive(Default)]
pub(super) struct Legacy {
    /// Source of the player that is open, until a link to it is seen.
    media: Option<String>,
    /// Address of the quoted post, until the quote's title begins.
    quoted: Option<String>,
}

const CONTAINER: Element = Element { source: "aside", name: "blockquote", shape: Shape::Block, void: false };
const QUOTED: Element = Element { source: "blockquote", name: "div", shape: Shape::Block, void: false };
const MEDIA: [Element; 2] = [
    Element { source: "audio", name: "", shape: Shape::Inline, void: false },
    Element { source: "video", name: "", shape: Shape::Inline, void: false },
];

impl Legacy {
    /// Handles a start tag; `true` when nothing is left to do about it.
    pub(super) fn start(&mut self, tidy: &mut Tidy<'_>, name: &str, attributes: &mut Attributes) -> bool {
        let class = attributes.get("class").cloned().unwrap_or_default();
        let has = |wanted: &str| class.split_ascii_whitespace().any(|class| class == wanted);
        match name {
            "div" if has("quote-controls") => {
                tidy.skip(name);
                self.link_quoted(tidy);
                true
            }
            "div" if has("meta") || has("onebox-metadata") => {
                tidy.skip(name);
                true
            }
            "div" if has("lazyYT") || has("lazyYT-container") => youtube(tidy, attributes),
            "div" if has("title") && in_quote(tidy) => rename(attributes, "attribution"),
            "aside" if has("quote") => self.quote(tidy, attributes),
            "aside" if has("onebox") => rename(attributes, "onebox"),
            "header" if has("source") => rename(attributes, "onebox-source"),
            "blockquote" if tidy.stack.last().is_some_and(|open| open.part == Some(Part::Quote)) => {
                tidy.open(QUOTED, &mut Attributes::new(), None);
                true
            }
            "img" => image(tidy, attributes, &has),
            "a" => self.anchor(attributes, tidy, &has),
            "span" => span(tidy, &has),
            "ol" | "ul" | "li" if tidy.stack.iter().any(|open| open.name == "pre") => true,
            "audio" | "video" => self.player(tidy, name, attributes),
            "source" => {
                self.media = self.media.take().or_else(|| attributes.get("src").cloned());
                true
            }
            _ => false,
        }
    }

    /// Handles an end tag before the element is closed.
    pub(super) fn end(&mut self, tidy: &mut Tidy<'_>, name: &str) {
        if matches!(name, "audio" | "video")
            && let Some(source) = self.media.take()
        {
            tidy.link_instead(&source, None, "embed");
        }
    }

    fn quote(&mut self, tidy: &mut Tidy<'_>, attributes: &Attributes) -> bool {
        let number = |key: &str| attributes.get(key).and_then(|value| value.parse::<u32>().ok());
        let topic = number("data-topic");
        self.quoted = topic.map(|topic| match number("data-post") {
            Some(post) => format!("/t/-/{topic}/{post}"),
            None => format!("/t/-/{topic}"),
        });
        let mut kept = Attributes::from([("class".to_owned(), "quote".to_owned())]);
        if let Some(address) = &self.quoted {
            kept.insert("cite".to_owned(), address.clone());
        }
        tidy.open(CONTAINER, &mut kept, Some(Part::Quote));
        true
    }

    fn link_quoted(&mut self, tidy: &mut Tidy<'_>) {
        if let Some(address) = self.quoted.take() {
            tidy.link_instead(&address, Some("↑"), "quote-source");
        }
    }

    fn anchor(
        &mut self,
        attributes: &mut Attributes,
        tidy: &mut Tidy<'_>,
        has: &impl Fn(&str) -> bool,
    ) -> bool {
        if has("anchor") {
            let name = attributes.get("name").or_else(|| attributes.get("id")).cloned().unwrap_or_default();
            tidy.out.push_str("<span class=\"anchor\" id=\"");
            super::escape_into(&mut tidy.out, &safe_id(tidy.scope, &name));
            tidy.out.push_str("\"></span>");
            tidy.tags += 1;
            tidy.skip("a");
            return true;
        }
        let address = attributes.get("href").cloned().unwrap_or_default();
        if self.media.is_some() {
            self.media = None;
        }
        let local = relative(&address, tidy.context);
        if has("mention")
            && let Some(name) = local.strip_prefix("/u/").or_else(|| local.strip_prefix("/users/"))
        {
            let name = name.split(['/', '?', '#']).next().unwrap_or_default().to_owned();
            mentions::note(&mut tidy.mentions, &name);
            attributes.insert("href".to_owned(), format!("/u/{name}"));
        }
        false
    }

    fn player(&mut self, tidy: &mut Tidy<'_>, name: &str, attributes: &Attributes) -> bool {
        self.media = attributes.get("src").cloned();
        tidy.open(MEDIA[usize::from(name == "video")], &mut Attributes::new(), Some(Part::Media));
        true
    }
}

fn in_quote(tidy: &Tidy<'_>) -> bool {
    tidy.stack.last().is_some_and(|open| open.part == Some(Part::Quote))
}

fn rename(attributes: &mut Attributes, class: &str) -> bool {
    attributes.insert("class".to_owned(), class.to_owned());
    false
}

fn youtube(tidy: &mut Tidy<'_>, attributes: &Attributes) -> bool {
    let Some(id) = attributes.get("data-youtube-id") else { return false };
    let address = format!("https://www.youtube.com/watch?v={id}");
    tidy.link_instead(&address, attributes.get("data-youtube-title").map(String::as_str), "embed");
    tidy.skip("div");
    true
}

fn image(tidy: &mut Tidy<'_>, attributes: &mut Attributes, has: &impl Fn(&str) -> bool) -> bool {
    if has("avatar") || has("site-icon") || has("ytp-thumbnail-image") {
        return true;
    }
    if has("emoji") {
        let told = attributes.get("title").or_else(|| attributes.get("alt")).map_or("", |code| code);
        super::escape_into(&mut tidy.out, emoji(told));
        return true;
    }
    if let Some(base) = tidy.context.old_base
        && let Some(src) =
            attributes.get_mut("src").filter(|src| src.starts_with('/') && !src.starts_with("//"))
    {
        *src = format!("{base}{src}");
    }
    false
}

/// The character that `:name:` means; the code itself where none is known (a forum's own pictures).
fn emoji(code: &str) -> &str {
    let name = code.trim_matches(':').split(':').next().unwrap_or_default();
    let alias = DISCOURSE_EMOJI.iter().find(|(discourse, _)| *discourse == name).map(|(_, github)| *github);
    emojis::get_by_shortcode(alias.unwrap_or(name)).map_or(code, |emoji| emoji.as_str())
}

/// Names that only Discourse has, and GitHub's for the same character.
const DISCOURSE_EMOJI: &[(&str, &str)] = &[
    ("crazy_face", "zany_face"),
    ("face_with_hand_over_mouth", "hand_over_mouth"),
    ("face_with_monocle", "monocle_face"),
    ("face_with_raised_eyebrow", "raised_eyebrow"),
    ("frowning_with_open_mouth", "frowning"),
    ("grinning_face_with_smiling_eyes", "smile"),
    ("nerd", "nerd_face"),
    ("slight_smile", "slightly_smiling_face"),
    ("smiling_face", "relaxed"),
    ("woman_zombie", "zombie_woman"),
];

fn span(tidy: &mut Tidy<'_>, has: &impl Fn(&str) -> bool) -> bool {
    let name = match () {
        () if has("bbcode-b") => "b",
        () if has("bbcode-i") => "i",
        () if has("bbcode-u") => "u",
        () if has("bbcode-s") => "s",
        () => return false,
    };
    let Some(element) = known(name) else { return false };
    tidy.open(Element { source: "span", ..element }, &mut Attributes::new(), None);
    true
}

/// `address` without the old forum's base; other addresses unchanged.
fn relative<'a>(address: &'a str, context: &RenderContext<'_>) -> &'a str {
    let Some(base) = context.old_base.filter(|base| !base.is_empty()) else { return address };
    let host = |address: &'a str| address.split_once("//").map(|(_, rest)| rest);
    let (Some(own), Some(rest)) = (base.split_once("//").map(|(_, rest)| rest), host(address)) else {
        return address;
    };
    match rest.strip_prefix(own) {
        Some("") => "/",
        Some(path) if path.starts_with('/') && !path.starts_with("//") => path,
        _ => address,
    }
}

/// Settles the attributes every format has: addresses, ids, alignment, classes of ours.
pub(super) fn settle(name: &str, attributes: &mut Attributes, tidy: &Tidy<'_>) {
    if let Some(id) = attributes.get_mut("id") {
        *id = safe_id(tidy.scope, id);
    } else if name == LINK.name
        && let Some(anchor) = attributes.get("name")
    {
        let id = safe_id(tidy.scope, anchor);
        attributes.insert("id".to_owned(), id);
    }
    if let Some(src) = attributes.get_mut("src").filter(|src| src.starts_with("//")) {
        src.insert_str(0, "https:");
    }
    if attributes.contains_key("data-wikilink") {
        attributes.insert("class".to_owned(), "wikilink".to_owned());
    }
    if let Some(href) = attributes.get_mut("href") {
        settle_link(href, tidy);
    }
    match name {
        "img" => drop(attributes.insert("loading".to_owned(), "lazy".to_owned())),
        "input" => drop(attributes.insert("disabled".to_owned(), String::new())),
        _ => {}
    }
    if matches!(name, "td" | "th") {
        settle_cell(attributes);
    }
}

fn settle_link(href: &mut String, tidy: &Tidy<'_>) {
    if href.starts_with("//") {
        href.insert_str(0, "https:");
    }
    let local = relative(href, tidy.context);
    if local.len() != href.len() {
        *href = local.to_owned();
    }
    let Some((path, section)) = href.split_once('#').filter(|(_, section)| !section.is_empty()) else {
        return;
    };
    if path.is_empty() {
        *href = format!("#{}", safe_id(tidy.scope, section));
    } else if path.starts_with("/wiki/") {
        *href = format!("{path}#{}", safe_id("", section));
    }
}

/// `style="text-align:center"` is how several systems align cells; styles do not survive, alignment does.
fn settle_cell(attributes: &mut Attributes) {
    let Some(style) = attributes.get("style") else { return };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).collect();
    let align =
        ["left", "right", "center"].into_iter().find(|align| style.contains(&format!("text-align:{align}")));
    if let Some(align) = align {
        attributes.insert("align".to_owned(), align.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emoji_are_characters_where_one_is_known() {
        for (code, shown) in [
            (":slightly_smiling_face:", "🙂"),
            (":wave:t3:", "👋"),
            ("slight_smile", "🙂"),
            (":urho3d:", ":urho3d:"),
            ("", ""),
        ] {
            assert_eq!(emoji(code), shown, "{code}");
        }
        for (discourse, github) in DISCOURSE_EMOJI {
            assert!(emojis::get_by_shortcode(github).is_some(), "{github} of {discourse}");
        }
    }
}
