//! `@name` in running text becomes a link to the user.

use super::{MAX_REFERENCES, escape_into};
use crate::text::MAX_USER_NAME_CHARS;

/// Writes `text` escaped, with its mentions as links, and notes each name once. Yields how many links
/// it wrote.
pub(super) fn write(out: &mut String, text: &str, names: &mut Vec<String>) -> usize {
    let mut links = 0;
    let mut rest = text;
    let mut before = None;
    while let Some(at) = rest.find('@') {
        let previous = rest[..at].chars().next_back().or(before);
        escape_into(out, &rest[..at]);
        let name = name_at(&rest[at + 1..]);
        if name.is_empty() || previous.is_some_and(continues_word) {
            out.push('@');
            rest = &rest[at + 1..];
            before = Some('@');
            continue;
        }
        link(out, name);
        links += 1;
        note(names, name);
        before = name.chars().next_back();
        rest = &rest[at + 1 + name.len()..];
    }
    escape_into(out, rest);
    links
}

/// Notes `name` unless it is known or there are too many.
pub(super) fn note(names: &mut Vec<String>, name: &str) {
    if names.len() < MAX_REFERENCES && !names.iter().rev().take(NEAR).any(|known| known == name) {
        names.push(name.to_owned());
    }
}

/// How many names back a repetition is looked for: keeps noting linear; [`distinct`] does the rest.
const NEAR: usize = 16;

/// Drops repetitions, keeping the order.
pub(super) fn distinct(names: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().filter(|name| seen.insert(name.clone())).collect()
}

/// An address of mail or a path is no mention.
fn continues_word(c: char) -> bool {
    c.is_alphanumeric() || "@_/.-+&".contains(c)
}

/// The longest name at the start of `text`: marks at its end belong to the sentence.
fn name_at(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_.-".contains(c))).unwrap_or(text.len());
    let name = text[..end].trim_end_matches(['.', '-']);
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if starts_well && name.len() <= MAX_USER_NAME_CHARS { name } else { "" }
}

fn link(out: &mut String, name: &str) {
    out.push_str("<a class=\"mention\" href=\"/u/");
    out.push_str(name);
    out.push_str("\">@");
    out.push_str(name);
    out.push_str("</a>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> (String, Vec<String>) {
        let (mut out, mut names) = (String::new(), vec![]);
        write(&mut out, text, &mut names);
        (out, distinct(names))
    }

    #[test]
    fn mentions_are_words_beginning_with_an_at() {
        let (html, found) = names("Hi @jo.ann-b_2. me@home.org @@x <@z> @jo.ann-b_2");
        assert_eq!(found, ["jo.ann-b_2", "z"]);
        assert!(html.starts_with(
            "Hi <a class=\"mention\" href=\"/u/jo.ann-b_2\">@jo.ann-b_2</a>. me@home.org @@x &lt;"
        ));
        assert_eq!(names(&"@".repeat(1000)).1, Vec::<String>::new());
    }
}
