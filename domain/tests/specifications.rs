//! The examples of CommonMark 0.31 and GFM 0.29. Expected and rendered HTML pass the same tidying and
//! sanitiser; the examples that still differ must be exactly those `docs/markup-differences.md` lists.

#[path = "../../tests/harness/skip.rs"]
mod skip;

use skip::real_data;
use veritable_domain::content::Format;
use veritable_domain::markup::{Namespaces, RenderContext, render};

const DIFFERENCES: &str = include_str!("../../docs/markup-differences.md");

/// White space between tags, and the ids that headings get here, are no differences.
fn normal(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once(" id=\"s-") {
        out.push_str(before);
        rest = after.split_once('"').map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("> <", "><")
        .replace("> ", ">")
        .replace(" <", "<")
}

fn listed(specification: &str) -> Vec<u64> {
    let section =
        DIFFERENCES.split("\n## ").find(|section| section.starts_with(specification)).unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split(' ').next()?.parse().ok());
    rows.collect()
}

fn compare(test: &str, file: &str, specification: &str) {
    let Some(path) = real_data(test, file) else { return };
    let examples: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let namespaces = Namespaces::default();
    let context = RenderContext::page(&namespaces, "X");
    let mut differing = Vec::new();
    let examples = examples.get("testCases").unwrap_or(&examples).as_array().unwrap();
    for (at, example) in examples.iter().enumerate() {
        let (source, html) = (example["markdown"].as_str().unwrap(), example["html"].as_str().unwrap());
        let expected = normal(&render(Format::Html, html, &context).html);
        let rendered = normal(&render(Format::Markdown, source, &context).html);
        if expected != rendered {
            let number = at as u64 + 1;
            eprintln!("{specification} {number} {source:?}\n  expected {expected}\n  rendered {rendered}");
            differing.push(number);
        }
    }
    assert_eq!(differing, listed(specification), "docs/markup-differences.md lists others");
}

#[test]
fn commonmark_examples_render_as_specified() {
    compare("commonmark_examples_render_as_specified", "commonmark/spec-0.31.json", "CommonMark 0.31");
}

#[test]
fn gfm_examples_render_as_specified() {
    compare("gfm_examples_render_as_specified", "commonmark/gfm-0.29.json", "GFM 0.29");
}
