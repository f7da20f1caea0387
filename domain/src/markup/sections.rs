//! The parts of a page's source under its headings, so that one can be edited alone and put back in its place.

use super::{Kind, MAX_RENDERED_BYTES, RenderContext, markdown, redirect, sanitise, wikitext};
use crate::content::Format;

/// A heading in a source.
pub(super) struct Place {
    /// 1 to 6.
    pub(super) level: u8,
    /// As its renderer makes it.
    pub(super) id: String,
    /// Its text.
    pub(super) title: String,
    /// Byte at which its line begins.
    pub(super) start: usize,
}

/// A heading with all below it, up to the next heading that is as high; or what is before the first heading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// 0 for what is before the first heading, then counted from 1.
    pub number: usize,
    /// 1 to 6; 0 for what is before the first heading.
    pub level: u8,
    /// The heading's `id` on the page; empty for what is before the first heading.
    pub id: String,
    /// The heading's text.
    pub title: String,
    /// Its bytes in the source.
    pub range: std::ops::Range<usize>,
}

/// Why a section cannot be put back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SectionError {
    /// The source has no such section.
    #[error("the page has no such section")]
    Missing,
    /// What follows would become part of it.
    #[error(
        "something in this section has no end (a block of code, a comment, a tag): what follows on the page would \
         become part of it"
    )]
    Unclosed,
}

/// The sections of a source, in order; none but the first of a source that has no headings or is not rendered.
pub fn sections(format: Format, source: &str, context: &RenderContext<'_>) -> Vec<Section> {
    let is_page = context.kind == Kind::Page;
    let places = match format {
        _ if source.len() > MAX_RENDERED_BYTES || !is_page || redirect::draft(source, context).is_some() => {
            Vec::new()
        }
        Format::Markdown => markdown::outline(source, context),
        Format::Wikitext => wikitext::outline(source, context),
        Format::Html | Format::Plain => Vec::new(),
    };
    let lead_end = places.first().map_or(source.len(), |first| first.start);
    let mut sections =
        vec![Section { number: 0, level: 0, id: String::new(), title: String::new(), range: 0..lead_end }];
    // The headings that are still open, by their index: each is ended by the next one that is as high.
    let mut open: Vec<usize> = Vec::new();
    for (at, place) in places.into_iter().enumerate() {
        while let Some(last) = open.pop_if(|last| sections[*last].level >= place.level) {
            sections[last].range.end = place.start;
        }
        open.push(at + 1);
        sections.push(Section {
            number: at + 1,
            level: place.level,
            id: sanitise::safe_id("", &place.id),
            title: place.title,
            range: place.start..source.len(),
        });
    }
    sections
}

/// `source` with the text of one section replaced; an empty text takes it out. What is around it stays as it is.
///
/// # Errors
/// There is no such section, or what follows it would no longer be a section of its own.
pub fn replace_section(
    format: Format,
    source: &str,
    number: usize,
    text: &str,
    context: &RenderContext<'_>,
) -> Result<String, SectionError> {
    let sections = sections(format, source, context);
    let section = sections.get(number).ok_or(SectionError::Missing)?;
    let (before, after) = (&source[..section.range.start], &source[section.range.end..]);
    let old = &source[section.range.clone()];
    let (kept, text) = (old.trim_end(), text.trim_end());
    let mut replaced = String::with_capacity(source.len() + text.len());
    replaced.push_str(before);
    replaced.push_str(text);
    if text == kept {
        replaced.push_str(&old[kept.len()..]);
    } else if !text.is_empty() {
        // An underlined heading right below a line of text would take it in.
        replaced.push_str(if after.is_empty() { "\n" } else { "\n\n" });
    }
    let at = replaced.len();
    replaced.push_str(after);
    let is_parted = |sections: &[Section]| sections.iter().any(|section| section.range.start == at);
    if after.is_empty() || is_parted(&self::sections(format, &replaced, context)) {
        Ok(replaced)
    } else {
        Err(SectionError::Unclosed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::markup::{Namespaces, headings, render};

    const MARKDOWN: &str = "Lead\n\n# One\ntext\n\n```\n# no heading\n```\n\n## One *a*\n> # quoted\n\nUnder\n-----\nx\n\
                            # One\n* # listed\nend";
    const WIKITEXT: &str = "Lead {{Box\n== in a template ==\n}}\n= One =\n<!--\n== out ==\n--><nowiki>\n== raw ==\n\
                            </nowiki>\n== One ''a'' == <!-- why -->\n <pre>\n= pre =\n</pre>\n=== Deep ===\n= One =\nend";

    fn all(format: Format, source: &str) -> Vec<Section> {
        let namespaces = Namespaces::default();
        sections(format, source, &RenderContext::page(&namespaces, "X"))
    }

    fn replaced(format: Format, source: &str, number: usize, text: &str) -> Result<String, SectionError> {
        let namespaces = Namespaces::default();
        replace_section(format, source, number, text, &RenderContext::page(&namespaces, "X"))
    }

    #[test]
    fn sections_are_those_of_the_page_and_hold_what_is_below_them() {
        let namespaces = Namespaces::default();
        for (format, source, titles) in [
            (Format::Markdown, MARKDOWN, ["", "One", "One a", "Under", "One"]),
            (Format::Wikitext, WIKITEXT, ["", "One", "One a", "Deep", "One"]),
        ] {
            let found = all(format, source);
            let text = |number: usize| &source[found[number].range.clone()];
            assert_eq!(found.iter().map(|section| section.title.as_str()).collect::<Vec<_>>(), titles);
            assert!(text(0).starts_with("Lead") && text(4).ends_with("end"), "{format:?}");
            assert!(text(1).contains(text(2)) && text(1).ends_with(text(3)), "{format:?}");
            let whole: Vec<&str> = [0, 1, 4].into_iter().map(text).collect();
            assert_eq!(whole.concat(), source, "nothing is lost between them");
            // The ids are those that links to sections on the page have.
            let html = render(format, source, &RenderContext::page(&namespaces, "X")).html;
            let shown: Vec<String> = headings(&html).into_iter().map(|heading| heading.id).collect();
            for section in &found[1..] {
                assert!(shown.contains(&section.id), "{} is not among {shown:?}", section.id);
            }
        }
    }

    #[test]
    fn a_section_is_put_back_where_it_was() {
        for (format, source) in [(Format::Markdown, MARKDOWN), (Format::Wikitext, WIKITEXT)] {
            for section in all(format, source) {
                let old = &source[section.range.clone()];
                assert_eq!(replaced(format, source, section.number, old).as_deref(), Ok(source));
                let new = replaced(format, source, section.number, &format!("{}\n\nmore", old.trim_end()));
                let new = new.unwrap_or_else(|error| panic!("{error}: {old}"));
                assert!(new.starts_with(&source[..section.range.start]), "{new}");
                assert!(new.ends_with(&source[section.range.end..]), "{new}");
                assert_eq!(all(format, &new).len(), all(format, source).len(), "{new}");
            }
            assert_eq!(replaced(format, source, 5, "x"), Err(SectionError::Missing));
            let without = replaced(format, source, 1, "").unwrap();
            assert_eq!(all(format, &without).len(), 2, "{without}");
        }
    }

    #[test]
    fn what_would_take_in_the_next_section_is_refused() {
        let open = |format, source, text| replaced(format, source, 1, text);
        let unclosed = Err(SectionError::Unclosed);
        assert_eq!(open(Format::Markdown, "# a\nx\n# b\n", "# a\n```\ncode"), unclosed);
        assert_eq!(open(Format::Markdown, "# a\nx\n# b\n", "# a\n<!-- note"), unclosed);
        assert_eq!(open(Format::Wikitext, "= a =\nx\n= b =\n--> }}", "= a =\n<!-- note"), unclosed);
        assert_eq!(open(Format::Wikitext, "= a =\nx\n= b =\n}}", "= a =\n{{Box"), unclosed);
        let kept = open(Format::Markdown, "# a\nB\n---\n", "# a\ntext").unwrap();
        assert_eq!(kept, "# a\ntext\n");
        let kept = open(Format::Markdown, "# a\nB\n===\n", "# a\ntext").unwrap();
        assert_eq!(kept, "# a\ntext\n\nB\n===\n");
    }

    #[test]
    fn sources_without_headings_have_one_section() {
        let long = "# a\n".repeat(MAX_RENDERED_BYTES);
        for (format, source) in [
            (Format::Markdown, ""),
            (Format::Markdown, "#REDIRECT [[X]]\n# a"),
            (Format::Markdown, &long),
            (Format::Plain, "# a"),
            (Format::Html, "<h1>a</h1>"),
            (Format::Wikitext, "== ==\n=x"),
        ] {
            let found = all(format, source);
            assert_eq!((found.len(), found[0].range.clone()), (1, 0..source.len()), "{format:?}");
        }
    }
}
