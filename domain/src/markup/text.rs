//! The words of a page without its markup, for search and excerpts.

use std::cell::RefCell;

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

/// Elements that stand on lines of their own.
const BLOCKS: &[&str] = &[
    "blockquote",
    "br",
    "caption",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

/// Bytes of text after which [`text_until`] asks first; each time after that twice as many.
const FIRST_LOOK_BYTES: usize = 512;

/// The text of sanitised HTML: blocks on lines of their own, an image as its description.
pub fn plain_text(html: &str) -> String {
    let mut text = text_until(html, usize::MAX, |_| false);
    text.truncate(text.trim_end().len());
    text
}

/// As [`plain_text`], but no further than to where `enough` says so of what there is, or to about `most` bytes. It is
/// asked a few times, however long the text is.
pub(crate) fn text_until(html: &str, most: usize, mut enough: impl FnMut(&str) -> bool) -> String {
    let text = RefCell::new(String::new());
    let (mut in_image, mut is_described) = (false, false);
    let read = |event: CallbackEvent<'_>, _: Span<()>| {
        let mut text = text.borrow_mut();
        match event {
            CallbackEvent::String { value } => push_folded(&mut text, &String::from_utf8_lossy(value)),
            CallbackEvent::OpenStartTag { name } => {
                break_line(&mut text, name);
                in_image = name == b"img";
            }
            CallbackEvent::AttributeName { name } => is_described = in_image && name == b"alt",
            CallbackEvent::AttributeValue { value } if is_described => {
                push_folded(&mut text, &String::from_utf8_lossy(value));
            }
            CallbackEvent::EndTag { name } => break_line(&mut text, name),
            _ => {}
        }
        Some(())
    };
    let mut look = FIRST_LOOK_BYTES;
    for Ok(()) in Tokenizer::new_with_emitter(html, CallbackEmitter::new(read)) {
        let long = text.borrow().len() >= look;
        if long {
            if look >= most || enough(&text.borrow()) {
                break;
            }
            look = look.saturating_mul(2).min(most);
        }
    }
    text.into_inner()
}

/// Text that is no markup, folded as [`plain_text`] folds it.
pub(super) fn folded(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    push_folded(&mut text, source);
    text.truncate(text.trim_end().len());
    text
}

fn push_folded(text: &mut String, part: &str) {
    for word in part.split_inclusive(|c: char| c.is_whitespace() || c.is_control()) {
        let end = word.chars().next_back().filter(|c| c.is_whitespace() || c.is_control());
        text.push_str(&word[..word.len() - end.map_or(0, char::len_utf8)]);
        match end {
            Some('\n') => {
                text.truncate(text.trim_end_matches(' ').len());
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            Some(_) if !text.is_empty() && !text.ends_with([' ', '\n']) => text.push(' '),
            _ => {}
        }
    }
}

fn break_line(text: &mut String, name: &[u8]) {
    if BLOCKS.iter().any(|block| block.as_bytes() == name) {
        push_folded(text, "\n");
    }
}

/// The beginning of `text` as one line of at most `max_chars` characters, cut between words where it
/// can be, with an ellipsis when something was left out.
pub fn excerpt(text: &str, max_chars: usize) -> String {
    let mut line = String::new();
    let mut count = 0;
    let mut last_space = 0;
    for c in text.trim().chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c == ' ' && line.ends_with(' ') {
            continue;
        }
        if count == max_chars {
            // A long last word is cut rather than losing most of the excerpt.
            let cut = if last_space * 2 > line.len() { last_space } else { line.len() };
            line.truncate(cut);
            line.truncate(line.trim_end().len());
            line.push('…');
            return line;
        }
        if c == ' ' {
            last_space = line.len();
        }
        line.push(c);
        count += 1;
    }
    line
}

/// [`excerpt`] of the text of sanitised HTML, of which no more is read than is needed.
pub fn excerpt_of(html: &str, max_chars: usize) -> String {
    // What follows a space that may be the last is not known yet: it decides whether something is left out.
    let is_enough = |text: &str| text.trim_end().chars().nth(max_chars).is_some();
    excerpt(&text_until(html, usize::MAX, is_enough), max_chars)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_lines_and_inline_is_not() {
        let html =
            "<h2>A&amp;B</h2><p>one <b>t</b>wo<br>three <img alt=\"cat\"></p><ul><li>x</li><li>y</li></ul>";
        assert_eq!(plain_text(html), "A&B\none two\nthree cat\nx\ny");
    }

    #[test]
    fn excerpts_end_between_words() {
        assert_eq!(excerpt("one two\nthree", 100), "one two three");
        assert_eq!(excerpt("one two three", 9), "one two…");
        assert_eq!(excerpt(&"ž".repeat(50), 10).chars().count(), 11);
    }

    #[test]
    fn an_excerpt_of_html_is_that_of_its_whole_text() {
        let long =
            "<p>One <b>tw</b>o &amp; ž<br>\n three  <img alt=\"cat\"></p>\n<ul><li>x</li> </ul>".repeat(100);
        let ends_in_space = format!("<p>{}</p><p> </p><p>y</p>", "x".repeat(FIRST_LOOK_BYTES));
        for html in [&long, &ends_in_space, "", "<p> </p>", "<hr>", "a&nbsp;b"] {
            let text = plain_text(html);
            for max in (0..30).chain(FIRST_LOOK_BYTES - 3..FIRST_LOOK_BYTES + 6).chain([3_000, usize::MAX]) {
                assert_eq!(excerpt_of(html, max), excerpt(&text, max), "{max} of {html:.60}");
            }
        }
    }
}
