//! From what people write to what browsers may show. Each format has a renderer that only has to make
//! sensible HTML; whether it is safe is decided in one place, [`sanitise`], which every rendering passes
//! last, after [`tidy`] has bounded its depth. Nothing here does input or output, and time and memory
//! stay proportional to the source.

mod context;
mod elements;
mod flow;
mod legacy;
mod markdown;
mod mentions;
mod sanitise;
mod scan;
mod text;
mod tidy;
mod wikitext;

pub use context::{Kind, LinkOrder, Namespace, Namespaces, RenderContext, Role};
pub use sanitise::{ID_PREFIX, clean};
pub use scan::{Heading, headings, mark_missing};
pub use text::{excerpt, plain_text};

use crate::content::{Format, Rendered, WikiLink};

/// Most distinct links, categories or mentions kept of one source: each becomes a row, and a page of
/// hostile links must not become a million of them. The largest real page has about 600.
pub const MAX_REFERENCES: usize = 4_000;

/// Renders `source`. Any text is a valid source of any format.
pub fn render(format: Format, source: &str, context: &RenderContext<'_>) -> Rendered {
    let (draft, mut references) = match format {
        Format::Markdown => markdown::draft(source, context),
        Format::Wikitext => wikitext::draft(source, context),
        Format::Html => (source.to_owned(), References::default()),
        Format::Plain => (plain(source), References::default()),
    };
    let tidied = tidy::tidy(&draft, format, context);
    let html = clean(&tidied.html);
    references.mentions = mentions::distinct(tidied.mentions);
    Rendered {
        text: plain_text(&html),
        html,
        links: references.links,
        categories: references.categories,
        mentions: references.mentions,
        redirect: references.redirect,
    }
}

fn plain(source: &str) -> String {
    let mut html = String::with_capacity(source.len() + source.len() / 8 + 16);
    // The parser drops one line end after <pre>; this one is for it.
    html.push_str("<pre>\n");
    escape_into(&mut html, source);
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
