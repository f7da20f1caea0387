//! Text with markup as it travels and is stored: the source in its own format, and what was made of it.

use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

/// The language of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, SchemaWrite, SchemaRead)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// CommonMark with GitHub's extensions and `[[wiki links]]`.
    Markdown,
    /// HTML from an older system, kept as it came and sanitised when shown.
    Html,
    /// MediaWiki's markup, of which a documented subset is rendered.
    Wikitext,
    /// Shown as it is: style sheets, scripts and modules of an imported wiki.
    Plain,
}

impl Format {
    /// The text stored in a `format` column.
    pub fn name(self) -> &'static str {
        match self {
            Format::Markdown => "markdown",
            Format::Html => "html",
            Format::Wikitext => "wikitext",
            Format::Plain => "plain",
        }
    }

    /// Takes back [`Format::name`]; anything unknown is shown as it is.
    pub fn from_name(name: &str) -> Format {
        match name {
            "markdown" => Format::Markdown,
            "html" => Format::Html,
            "wikitext" => Format::Wikitext,
            _ => Format::Plain,
        }
    }
}

/// A link to a wiki page, by the names written in the source, already normalised.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaWrite, SchemaRead)]
pub struct WikiLink {
    /// Namespace name; empty for the main one.
    pub namespace: String,
    /// Title with spaces.
    pub title: String,
}

/// What rendering a source yields. All of `html` has been through the sanitiser.
#[derive(Clone, Debug, Default, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Rendered {
    /// Safe HTML. Links to wiki pages are `<a class="wikilink" href="/wiki/...">`; mentions are
    /// `<a class="mention" href="/u/...">`.
    pub html: String,
    /// Plain text for search and excerpts.
    pub text: String,
    /// Distinct wiki pages linked to.
    pub links: Vec<WikiLink>,
    /// Wiki categories the page is in: titles in the category namespace, with an optional sort key.
    pub categories: Vec<(String, Option<String>)>,
    /// User names mentioned.
    pub mentions: Vec<String>,
    /// The page redirects there.
    pub redirect: Option<WikiLink>,
}

/// A source together with what was made of it: what a command carries.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Content {
    /// Language of `source`.
    pub format: Format,
    /// What the author wrote.
    pub source: crate::text::Source,
    /// What is shown.
    pub rendered: Rendered,
}
