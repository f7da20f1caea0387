//! From what people write to what browsers may show. Each format has a renderer that only has to make
//! sensible HTML; whether it is safe is decided in one place, [`sanitise`], which every rendering passes
//! last, after [`tidy`] has bounded its depth and size. Nothing here does input or output, and time and
//! memory stay proportional to the source, up to bounds beyond which a source is shown unrendered.

mod context;
mod elements;
mod flow;
mod legacy;
mod markdown;
mod mentions;
mod redirect;
mod sanitise;
mod scan;
mod sections;
mod text;
mod tidy;
mod wikitext;

pub use context::{Kind, LinkOrder, Namespace, Namespaces, RenderContext, Role};
pub use redirect::redirect_source;
pub use sanitise::{ID_PREFIX, clean};
pub use scan::{Heading, headings, link_sections, mark_missing};
pub use sections::{Section, SectionError, replace_section, sections};
pub(crate) use text::text_until;
pub use text::{excerpt, excerpt_of, plain_text};
pub use wikitext::language_links;

use xxhash_rust::xxh3::xxh3_64;

use crate::content::{Format, Rendered, WikiLink};

/// Most distinct links, categories or mentions kept of one source: each becomes a row, and a page of
/// hostile links must not become a million of them. The largest real page has about 600.
pub const MAX_REFERENCES: usize = 4_000;

/// Largest source rendered. The largest page of a real wiki here has 250 KB, of the largest wikis
/// 800 KB; half a megabyte of nothing but markup keeps a renderer busy for a third of a second.
pub const MAX_RENDERED_BYTES: usize = 512 * 1024;

/// A source makes so large a page that neither server nor browser should be asked to show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too large to be rendered")]
pub struct TooLarge;

/// Renders `source`, or shows it as it is when it is [`TooLarge`]. Any text is a valid source of any
/// format.
pub fn render(format: Format, source: &str, context: &RenderContext<'_>) -> Rendered {
    try_render(format, source, context).unwrap_or_else(|TooLarge| as_source(source))
}

/// Renders `source`.
///
/// # Errors
/// [`TooLarge`] when the source has more than [`MAX_RENDERED_BYTES`], or makes more tags or text than
/// a page may have.
pub fn try_render(format: Format, source: &str, context: &RenderContext<'_>) -> Result<Rendered, TooLarge> {
    if source.len() > MAX_RENDERED_BYTES {
        return Err(TooLarge);
    }
    let redirect = || redirect::draft(source, context);
    let (draft, mut references) = match format {
        Format::Markdown => redirect().unwrap_or_else(|| markdown::draft(source, context)),
        Format::Wikitext => redirect().unwrap_or_else(|| wikitext::draft(source, context)),
        Format::Html => (source.to_owned(), References::default()),
        Format::Plain => {
            return Ok(Rendered { html: plain(source), text: text::folded(source), ..Rendered::default() });
        }
    };
    let tidied = tidy::tidy(&draft, format, context, &scope(source, context)).ok_or(TooLarge)?;
    let html = clean(&tidied.html);
    references.mentions = mentions::distinct(tidied.mentions);
    Ok(Rendered {
        text: plain_text(&html),
        html,
        links: references.links,
        categories: references.categories,
        mentions: references.mentions,
        redirect: references.redirect,
    })
}

/// What is shown of a source that is [`TooLarge`]: all of it, as it was written.
pub fn as_source(source: &str) -> Rendered {
    let html = format!("<p class=\"unrendered\">{UNRENDERED}</p>{}", plain(source));
    Rendered { html, text: text::folded(source), ..Rendered::default() }
}

/// Told above a source that is shown as it is.
const UNRENDERED: &str = "This text is too large to be shown as a page. Here is its source:";

/// Posts are shown together: what they call their footnotes and headings must differ from post to
/// post, so each post's ids carry a digest of its source. A wiki page is alone on its page, and links
/// to its sections are written by hand.
fn scope(source: &str, context: &RenderContext<'_>) -> String {
    match context.kind {
        Kind::Post => format!("{:08x}-", xxh3_64(source.as_bytes()) >> 32),
        Kind::Page => String::new(),
    }
}

/// Nothing but escaped text: parsing megabytes of it to sanitise them would change nothing.
fn plain(source: &str) -> String {
    let mut html = String::with_capacity(source.len() + source.len() / 8 + 16);
    // The parser drops one line end after <pre>; this one is for it.
    html.push_str("<pre>\n");
    // Quotes mean nothing here; escaped they would make a text of them too long for a message.
    source.chars().for_each(|c| match c {
        '&' => html.push_str("&amp;"),
        '<' => html.push_str("&lt;"),
        '>' => html.push_str("&gt;"),
        c => html.push(c),
    });
    html.push_str("</pre>");
    html
}

/// What a renderer found besides text.
#[derive(Debug, Default)]
struct References {
    links: Vec<WikiLink>,
    categories: Vec<(String, Option<String>)>,
    mentions: Vec<String>,
    redirect: Option<WikiLink>,
    seen: std::collections::HashSet<WikiLink>,
}

impl References {
    fn link(&mut self, link: &WikiLink) {
        if self.links.len() < MAX_REFERENCES && self.seen.insert(link.clone()) {
            self.links.push(link.clone());
        }
    }

    fn category(&mut self, category: &WikiLink, key: Option<&str>) {
        let new = self.categories.len() < MAX_REFERENCES && self.seen.insert(category.clone());
        if new {
            let key = key.map(crate::text::fold_line).filter(|key| !key.is_empty());
            self.categories.push((category.title.clone(), key));
        }
    }
}

/// Appends `text` with the four characters escaped that mean something in HTML text or quoted attributes.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>', '"']) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            _ => "&quot;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}
