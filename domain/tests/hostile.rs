//! Hostile sources: nothing executable comes out of any format, and none takes the stack or quadratic
//! time (a quadratic renderer would not finish here).

#[path = "common/dangers.rs"]
mod html;
#[path = "../../tests/harness/skip.rs"]
mod skip;

use html::dangers;
use skip::real_data;
use veritable_domain::codec::MAX_SEQUENCE_BYTES;
use veritable_domain::content::Format;
use veritable_domain::markup::{
    Kind, MAX_RENDERED_BYTES, Namespaces, RenderContext, TooLarge, clean, render, sections, try_render,
};
use veritable_domain::search;
use veritable_domain::text::MAX_SOURCE_BYTES;

const FORMATS: [Format; 4] = [Format::Markdown, Format::Html, Format::Wikitext, Format::Plain];
/// A worker's threads have 2 MB; a quarter must do.
const STACK_BYTES: usize = 512 * 1024;

fn strings(path: &std::path::Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The parts of `html` in no order: a second cleaning may reorder attributes.
fn words(html: &str) -> Vec<String> {
    let mut words: Vec<_> = html.replace(['<', '>'], " ").split_whitespace().map(str::to_owned).collect();
    words.sort();
    words
}

fn check_every_format(payload: &str) {
    let namespaces = Namespaces::default();
    for format in FORMATS {
        for kind in [Kind::Post, Kind::Page] {
            let context = RenderContext { kind, ..RenderContext::post(&namespaces) };
            let html = render(format, payload, &context).html;
            assert_eq!(dangers(&html), Vec::<String>::new(), "{format:?}: {payload}\n{html}");
            assert_eq!(words(&clean(&html)), words(&html), "cleaning is not final: {format:?}: {payload}");
        }
    }
    let titled = format!("[[{payload}]] [[A|{payload}]] <a title=\"{payload}\">");
    for format in FORMATS {
        let html = render(format, &titled, &RenderContext::post(&namespaces)).html;
        assert_eq!(dangers(&html), Vec::<String>::new(), "{format:?} title: {payload}");
    }
    assert_eq!(
        dangers(&search::Highlighter::new("a", 50).show(&payload.replace('&', "&amp;").replace('<', "&lt;"))),
        Vec::<String>::new()
    );
}

#[test]
fn payloads_of_our_own_do_nothing() {
    for payload in [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[[x|<img src=x onerror=alert(1)>]]",
        "<svg><style><img src=x onerror=alert(1)></style></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<a href=\"java&#x09;script:alert(1)\">x</a><form id=x><input name=attributes></form>",
        "{| onclick=alert(1) style=\"x\"\n|onclick=alert(1)|x\n|}",
        "<iframe src=javascript:alert(1)></iframe><embed src=data:text/html,x>",
        "{{a|b=<script>alert(1)</script>|c=2|d=3}}<ref><script>x</script></ref>",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
    ] {
        check_every_format(payload);
    }
}

#[test]
fn dompurify_payloads_do_nothing() {
    let Some(path) = real_data("dompurify_payloads_do_nothing", "xss/dompurify-expect.json") else { return };
    let pairs = strings(&path);
    let pairs = pairs.as_array().unwrap();
    assert_eq!(pairs.len(), 223);
    pairs.iter().for_each(|pair| check_every_format(pair["payload"].as_str().unwrap()));
}

#[test]
fn naughty_strings_do_nothing() {
    let Some(path) = real_data("naughty_strings_do_nothing", "xss/blns.json") else { return };
    strings(&path).as_array().unwrap().iter().for_each(|text| check_every_format(text.as_str().unwrap()));
}

fn render_on_small_stack(source: String) {
    let work = move || {
        let namespaces = Namespaces::default();
        for format in FORMATS {
            let started = std::time::Instant::now();
            let rendered = render(format, &source, &RenderContext::page(&namespaces, "X"));
            let head = &source[..source.floor_char_boundary(30)];
            eprintln!(
                "{format:?} {head:?}: {} bytes -> {} in {:?}",
                source.len(),
                rendered.html.len(),
                started.elapsed()
            );
        }
    };
    std::thread::Builder::new().stack_size(STACK_BYTES).spawn(work).unwrap().join().unwrap();
}

#[test]
fn nesting_without_end_is_rendered() {
    let unclosed = [
        "[[",
        "{{",
        "{{{",
        "[",
        "![",
        "<div>",
        "<b>",
        "<p>",
        "<ref>",
        "<a href=x>",
        "<table>",
        "<td>",
        "{|\n",
        "> ",
        "''",
        "'''",
        "*",
        "`",
        "<!--",
        "<nowiki>",
        "[http://a ",
        "@a",
        "<details>",
        "<svg>",
        "&",
        "<",
        "_",
        "<li>",
        "<p><font a=1>",
        "<table><br><tr></tr>",
        "<aside class=quote>",
        "- ",
        "#",
        "[^1]",
        "|",
        "<a b c d",
        "[[File:",
        "{{a|",
        "[[a|",
    ];
    for part in unclosed {
        render_on_small_stack(part.repeat(120_000 / part.len()));
    }
    for (open, close) in [
        ("[[", "]]"),
        ("{{", "}}"),
        ("[", "](x)"),
        ("<div>", "</div>"),
        ("[[File:a|", "]]"),
        ("<ref>", "</ref>"),
    ] {
        render_on_small_stack(format!("{}{}", open.repeat(20_000), close.repeat(20_000)));
    }
    let attributes: String = (0..50_000).map(|n| format!(" a{n}")).collect();
    render_on_small_stack(format!("<a{attributes}>"));
}

#[test]
fn the_largest_source_takes_linear_time() {
    let namespaces = Namespaces::default();
    let context = RenderContext::post(&namespaces);
    let count = MAX_RENDERED_BYTES;
    let html = render(Format::Html, &"&".repeat(count), &context).html;
    assert_eq!(html.len(), "&amp;".len() * count);
    assert!(html.starts_with("&amp;"));
    let nested = format!("{}x{}", "[[".repeat(count / 5), "]]".repeat(count / 5));
    let html = render(Format::Wikitext, &nested, &context).html;
    assert_eq!(html.matches("class=\"wikilink\"").count(), 1);
    let page = RenderContext::page(&namespaces, "X");
    for (format, part) in [
        (Format::Markdown, "# a\n"),
        (Format::Wikitext, "=a=\n"),
        (Format::Wikitext, "=a{{=\n"),
        (Format::Wikitext, "=<!--=\n"),
    ] {
        let source = part.repeat(count / part.len());
        let found = sections(format, &source, &page).len();
        assert!(found >= 2 || part.contains("<!--"), "{part:?} {found}");
    }
}

#[test]
fn floods_of_tiny_constructs_are_shown_as_their_source() {
    let namespaces = Namespaces::default();
    let context = RenderContext::post(&namespaces);
    for (format, part) in [
        (Format::Markdown, "*a* "),
        (Format::Markdown, "[[a]] "),
        (Format::Markdown, "@a "),
        (Format::Markdown, "# a\n"),
        (Format::Wikitext, "{{a}}"),
        (Format::Wikitext, "<ref>a</ref>"),
        (Format::Html, "<b>a</b>"),
        (Format::Html, "<br>"),
    ] {
        let flood = part.repeat(400_000 / part.len());
        assert_eq!(try_render(format, &flood, &context), Err(TooLarge), "{format:?} {part:?}");
        let shown = render(format, &flood, &context);
        assert!(shown.links.is_empty() && shown.mentions.is_empty());
        assert!(shown.html.starts_with("<p class=\"unrendered\">"), "{format:?} {part:?}");
        assert_eq!(shown.html.matches('<').count(), 4, "{format:?} {part:?}");
        // A parser drops the line end after <pre>.
        assert!(shown.html.replace("<pre>\n", "<pre>") == clean(&shown.html), "{format:?} {part:?}");
    }
    for part in ["\"", "&", "a"] {
        let largest = part.repeat(MAX_SOURCE_BYTES);
        let shown = render(Format::Markdown, &largest, &context);
        let bytes = largest.len() + shown.html.len() + shown.text.len();
        assert!(bytes + 1_024 < MAX_SEQUENCE_BYTES, "{part:?} makes a message of {bytes} bytes");
    }
}

#[test]
fn posts_on_one_page_keep_their_ids_apart() {
    let namespaces = Namespaces::default();
    let post = |text: &str| render(Format::Markdown, text, &RenderContext::post(&namespaces)).html;
    let ids = |html: &str| -> Vec<String> {
        html.split(" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let one = post("# Notes\n\none[^1]\n\n[^1]: first");
    let two = post("# Notes\n\ntwo[^1]\n\n[^1]: second");
    assert_eq!(ids(&one).len(), 3, "{one}");
    assert!(ids(&one).iter().all(|id| !ids(&two).contains(id)), "{one}\n{two}");
    for target in one.split("href=\"#").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(ids(&one).iter().any(|id| id == target), "{target} leads nowhere: {one}");
    }
    assert_eq!(one, post("# Notes\n\none[^1]\n\n[^1]: first"), "a rendering is repeatable");
    let page = render(Format::Markdown, "# Notes", &RenderContext::page(&namespaces, "X")).html;
    assert_eq!(ids(&page), ["s-notes"]);
}
