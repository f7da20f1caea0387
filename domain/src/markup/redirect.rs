//! Pages that only lead on: `#REDIRECT [[Page]]` alone at the beginning of a page, in Markdown as in wikitext.

use super::wikitext::write_wikilink;
use super::{Kind, References, RenderContext};
use crate::wiki::full_title;

/// Words for `REDIRECT` in the languages of the largest wikis, in upper case.
const WORDS: &[&str] = &[
    "REDIRECT",
    "WEITERLEITUNG",
    "REDIRECTION",
    "REDIRECCIÓN",
    "REDIRECIONAMENTO",
    "RINVIA",
    "DOORVERWIJZING",
    "OMDIRIGERING",
    "PATRZ",
    "PRZEKIERUJ",
    "TAM",
    "ПЕРЕНАПРАВЛЕНИЕ",
    "ПЕРЕНАПРАВЛЕННЯ",
    "PERADRESAVIMAS",
    "OHJAUS",
    "SUUNA",
    "PĀRADRESĀCIJA",
    "PĀRSŪTĪŠANA",
    "転送",
    "重定向",
    "넘겨주기",
];
/// Longest word looked up, in bytes.
const MAX_WORD_BYTES: usize = 60;

/// The source of a page that leads to the one with this full title.
pub fn redirect_source(title: &str) -> String {
    format!("#REDIRECT [[{title}]]\n")
}

/// What is shown of a page that leads on, and where to; `None` for any other page.
pub(super) fn draft(source: &str, context: &RenderContext<'_>) -> Option<(String, References)> {
    if context.kind != Kind::Page {
        return None;
    }
    let rest = source.trim_start().strip_prefix('#')?;
    let (word, rest) = rest.split_once("[[")?;
    let word = word.trim().trim_end_matches(':').trim_end();
    if word.len() > MAX_WORD_BYTES || !WORDS.contains(&word.to_uppercase().as_str()) {
        return None;
    }
    let (inside, _) = rest.split_once("]]")?;
    let name = inside.split(['|', '#']).next().unwrap_or_default();
    let (target, _) = context.namespaces.resolve(name)?;
    let mut references = References::default();
    references.link(&target);
    let mut html = String::from("<p class=\"redirect\">→ ");
    write_wikilink(&mut html, &target, None, &full_title(&target.namespace, &target.title));
    html.push_str("</p>");
    references.redirect = Some(target);
    Some((html, references))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Format;
    use crate::markup::{Namespaces, render};

    #[test]
    fn a_page_leads_on_in_either_language_and_a_post_never_does() {
        let namespaces = Namespaces::default();
        let page = RenderContext::page(&namespaces, "Old");
        for format in [Format::Markdown, Format::Wikitext] {
            let rendered = render(format, &redirect_source("Help:New & good"), &page);
            let target = rendered.redirect.expect("a redirect");
            assert_eq!((target.namespace.as_str(), target.title.as_str()), ("Help", "New & good"));
            assert_eq!(rendered.links, [target]);
            assert!(rendered.html.contains("href=\"/wiki/Help:New_%26_good\""), "{}", rendered.html);
            assert_eq!(
                render(format, &redirect_source("New"), &RenderContext::post(&namespaces)).redirect,
                None
            );
            for other in ["# REDIRECTED [[New]]", "#REDIRECT New", "x #REDIRECT [[New]]", "#REDIRECT [[]]"] {
                assert_eq!(render(format, other, &page).redirect, None, "{other}");
            }
        }
    }
}
