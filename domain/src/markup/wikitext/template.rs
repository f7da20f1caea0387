//! Templates are named, not expanded: a small one is a discreet link to its page, one with several named
//! parameters (an infobox) a folded table of them.

use super::{Renderer, inline::write_wikilink};
use crate::markup::Role;

/// From this many named parameters on a template is shown as a table.
const TABLE_FROM: usize = 3;
/// Most parameters shown; the largest real infobox has 90.
const MAX_PARAMETERS: usize = 200;

impl Renderer<'_> {
    /// Writes the mark of what stands for `{{inside}}`.
    pub(super) fn template(&mut self, inside: &str, out: &mut String) {
        let parts = split_pipes(inside);
        let name = parts[0].trim();
        if name == "!" {
            out.push('|');
            return;
        }
        let computed = name.starts_with('#') || name.starts_with('{') || is_magic(name);
        let resolved = if computed { None } else { self.context.namespaces.resolve_in(Role::Template, name) };
        let Some((target, _)) = resolved else { return };
        self.references.link(&target);
        let named: Vec<_> = parts[1..]
            .iter()
            .take(MAX_PARAMETERS)
            .filter_map(|part| part.split_once('='))
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(key, value)| (key.trim(), value.trim()))
            .collect();
        let mut html = String::new();
        if named.len() < TABLE_FROM {
            html.push_str("<span class=\"template\">");
            write_wikilink(&mut html, &target, None, &format!("{{{{{}}}}}", target.title));
            html.push_str("</span>");
        } else {
            html.push_str("<details class=\"template\"><summary>");
            write_wikilink(&mut html, &target, None, &target.title);
            html.push_str("</summary><table class=\"params\">");
            for (key, value) in named {
                html.push_str("<tr><th>");
                super::escape_into(&mut html, key);
                html.push_str("</th><td>");
                // Its own templates were set aside a level deeper, so this ends.
                html.push_str(&self.inline(&value.replace('\n', " "), 1));
                html.push_str("</td></tr>");
            }
            html.push_str("</table></details>");
        }
        self.set_aside(out, html);
    }
}

/// `PAGENAME`, `localurl:x`, `{{{1}}}`: words the wiki's software computes, in capitals or with a colon
/// after a function's name.
fn is_magic(name: &str) -> bool {
    let word = name.split(':').next().unwrap_or_default();
    let capitals = word.len() > 2 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    capitals
        || [
            "localurl",
            "fullurl",
            "ns",
            "lc",
            "uc",
            "lcfirst",
            "ucfirst",
            "formatnum",
            "int",
            "plural",
            "grammar",
        ]
        .contains(&word)
            && name.contains(':')
}

/// Splits at `|` outside `[[...]]`.
pub(super) fn split_pipes(text: &str) -> Vec<&str> {
    let bytes = text.as_bytes();
    let (mut parts, mut start, mut depth, mut at) = (Vec::new(), 0, 0u32, 0);
    while at < bytes.len() {
        match bytes[at] {
            b'[' if bytes.get(at + 1) == Some(&b'[') => {
                depth += 1;
                at += 1;
            }
            b']' if bytes.get(at + 1) == Some(&b']') => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b'|' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&text[start..]);
    parts
}
