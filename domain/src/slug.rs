//! The readable part of an address.

/// Most characters of a slug; longer titles are cut at a word.
pub const MAX_SLUG_CHARS: usize = 80;

/// A title as an address part: lower-case letters and digits of any script with single hyphens, never
/// empty (`-` when nothing is left). Addresses carry an id as well, so two titles may share a slug.
pub fn slug(title: &str) -> String {
    let mut out = String::new();
    let mut chars = 0;
    for word in title.split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '’') {
        let word: String =
            word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
        let length = word.chars().count();
        if word.is_empty() {
            continue;
        }
        if chars + length > MAX_SLUG_CHARS {
            if out.is_empty() {
                out.extend(word.chars().take(MAX_SLUG_CHARS));
            }
            break;
        }
        if !out.is_empty() {
            out.push('-');
        }
        out.push_str(&word);
        chars += length + 1;
    }
    if out.is_empty() { "-".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_readable_and_bounded() {
        assert_eq!(slug("Where's the 0 Area Triangle?! (Crash)"), "wheres-the-0-area-triangle-crash");
        assert_eq!(slug("Привет, мир"), "привет-мир");
        assert_eq!(slug("!!!"), "-");
        assert_eq!(slug(&"x".repeat(500)).chars().count(), MAX_SLUG_CHARS);
        assert!(slug(&"word ".repeat(50)).chars().count() <= MAX_SLUG_CHARS);
    }
}
