//! Sources of the usual sizes to safe HTML.

use divan::Bencher;
use divan::counter::BytesCount;
use veritable_domain::content::Format;
use veritable_domain::markup::{Namespaces, RenderContext, render};

fn main() {
    divan::main();
}

const MARKDOWN: &str = "Some *words* of a post, with a [link](https://example.org/), `code` and a @name.\n\n\
    - an item\n- another, longer than the first by a few words\n\n> what somebody said before\n\n";
const WIKITEXT: &str = "Some ''words'' of a page, with a [[Main page|link]] and '''weight'''.\n\n== Heading ==\n\
    * an item\n* another, see [[Other page]]\n\n{| class=\"wikitable\"\n| a || b\n|}\n\n[[Category:Things]]\n\n";
const HTML: &str = "<p>Some <em>words</em> of a post, with a <a href=\"https://example.org/\">link</a> and \
    <code>code</code>.</p>\n<ul><li>an item</li></ul><blockquote><p>said before</p></blockquote>\n";

/// Repetitions of the texts above: a short post, a long one, a page.
const SIZES: [usize; 3] = [1, 10, 100];

fn bench(bencher: Bencher<'_, '_>, format: Format, text: &str, times: usize) {
    let (source, namespaces) = (text.repeat(times), Namespaces::default());
    let context = RenderContext::post(&namespaces);
    bencher
        .counter(BytesCount::of_str(&source))
        .bench(|| render(format, divan::black_box(&source), &context));
}

#[divan::bench(args = SIZES, max_time = 1)]
fn markdown(bencher: Bencher<'_, '_>, times: usize) {
    bench(bencher, Format::Markdown, MARKDOWN, times);
}

#[divan::bench(args = SIZES, max_time = 1)]
fn wikitext(bencher: Bencher<'_, '_>, times: usize) {
    bench(bencher, Format::Wikitext, WIKITEXT, times);
}

#[divan::bench(args = SIZES, max_time = 1)]
fn html(bencher: Bencher<'_, '_>, times: usize) {
    bench(bencher, Format::Html, HTML, times);
}
