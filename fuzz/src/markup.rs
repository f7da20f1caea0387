//! What people write, as pages show it: nothing in it acts, and the sanitiser leaves it alone.

use veritable_domain::codec::MAX_SEQUENCE_BYTES;
use veritable_domain::content::Format;
use veritable_domain::markup::{
    Kind, Namespaces, RenderContext, clean, excerpt, headings, plain_text, render,
};

use crate::dangers::dangers;

pub(crate) fn markdown(data: &[u8]) {
    check(Format::Markdown, data);
}

pub(crate) fn wikitext(data: &[u8]) {
    check(Format::Wikitext, data);
}

pub(crate) fn html(data: &[u8]) {
    check(Format::Html, data);
}

fn check(format: Format, data: &[u8]) {
    let source = String::from_utf8_lossy(data);
    let namespaces = Namespaces::default();
    for context in [RenderContext::post(&namespaces), RenderContext::page(&namespaces, "A page")] {
        let rendered = render(format, &source, &context);
        let html = &rendered.html;
        assert_eq!(dangers(html), Vec::<String>::new(), "{:?}: {html}", context.kind);
        assert_eq!(words(&clean(html)), words(html), "cleaning is not final: {:?}", context.kind);
        assert!(html.len() + rendered.text.len() + source.len() < MAX_SEQUENCE_BYTES);
        assert!(context.kind == Kind::Page || rendered.redirect.is_none(), "a post leads elsewhere");
        headings(html);
        let _shown = (plain_text(html), excerpt(html, 100));
    }
}

/// The parts of `html` in no order: a second cleaning may reorder attributes.
fn words(html: &str) -> Vec<&str> {
    let mut words: Vec<_> =
        html.split(['<', '>', ' ', '\n', '\t', '\r', '\u{c}']).filter(|w| !w.is_empty()).collect();
    words.sort_unstable();
    words
}
