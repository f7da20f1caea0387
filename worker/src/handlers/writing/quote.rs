//! What a reply begins with that quotes a post.

use veritable_domain::content::Format;
use veritable_domain::markup::plain_text;

use crate::reads::{forum, posts};

/// Characters of a post that are quoted: whoever wants to quote more takes it in.
const MAX_CHARS: usize = 2_000;

/// A post as a quotation, with a link to it, and an empty line to go on at. A script does the same with a part of one
/// (`web/static/quote.js`).
pub(super) fn quoted(post: &posts::Post, topic: &forum::Topic, version: &posts::Version) -> String {
    let text = match Format::from_name(&version.format) {
        Format::Markdown => version.source.clone(),
        _ => plain_text(&post.html),
    };
    let text = text.trim();
    let mut cut: String = text.chars().take(MAX_CHARS).collect();
    if cut.len() < text.len() {
        cut.truncate(cut.trim_end().len());
        cut.push_str(" …");
    }
    let mut said = format!("> [{}]({}/{}):\n>", escaped(&post.author.name), topic.path(), post.number);
    for line in cut.lines() {
        said.push_str("\n> ");
        said.push_str(line);
    }
    said.push_str("\n\n");
    said
}

/// A name as Markdown that shows it as it is.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_punctuation() {
            text.push('\\');
        }
        text.push(c);
    }
    text
}
