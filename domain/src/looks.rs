//! What text looks like: whether anything of it is seen, and which names people take for one another. By the tables of
//! Unicode: UAX #44 (properties), UAX #15 (normal forms) and UTS #39 (confusables, scripts).

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory};
use icu_properties::{CodePointMapData, CodePointSetData};
use unicode_normalization::UnicodeNormalization;
use unicode_security::{MixedScript, skeleton};

/// A pattern of raised dots without dots: no white space, and nothing to see.
const BRAILLE_BLANK: char = '\u{2800}';

/// Whether a character takes part in text without being seen: what is to be ignored where it is not understood (soft
/// hyphens, fillers, joiners, marks of direction), and what is no character at all.
pub fn is_unseen(c: char) -> bool {
    let category = CodePointMapData::<GeneralCategory>::new().get(c);
    c == BRAILLE_BLANK
        || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
        || matches!(
            category,
            GeneralCategory::Control
                | GeneralCategory::Format
                | GeneralCategory::PrivateUse
                | GeneralCategory::Surrogate
                | GeneralCategory::Unassigned
        )
}

/// Whether anything of a text is seen.
pub fn is_seen(text: &str) -> bool {
    text.chars().any(|c| !c.is_whitespace() && !is_unseen(c))
}

/// Whether each word of a name is of one script, or of scripts that are written together (UTS #39, 5.1): `аdmin` with one
/// Cyrillic letter is not.
pub fn is_of_one_script(name: &str) -> bool {
    name.split([' ', '_', '-', '.']).all(|word| word.is_single_script())
}

/// What all names have in common that people take for one another, whatever letters they are of (the skeleton of UTS #39,
/// 4), in any case, and with what is not seen left out. Only for comparing.
pub fn likeness(name: &str) -> String {
    let seen: String = name.nfkc().filter(|c| !is_unseen(*c)).collect();
    // Letters look alike in one case and not in the other: I and l, M and rn.
    let first = skeleton(seen.trim()).collect::<String>().to_lowercase();
    skeleton(&first)
        .flat_map(char::to_lowercase)
        .map(|c| match c {
            'i' => 'l',
            c if c.is_whitespace() => '_',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_alike() {
        for (one, other) in [
            ("admin", "аdmin"),
            ("admin", "ADMIN"),
            ("Mia", "Міа"),
            ("mia", "Міа"),
            ("admin", "ａｄｍｉｎ"),
            ("Ivan", "lvan"),
            ("bob", "b0b"),
            ("josé", "jose\u{301}"),
            ("mia", "m\u{AD}ia"),
            ("mia", "mia\u{200B}"),
            ("mia", "mia\u{3164}"),
            ("DJ EV", "dj_ev"),
            ("deleted user 7", "deIeted user 7"),
        ] {
            assert_eq!(likeness(one), likeness(other), "{one} {other:?}");
        }
        for (one, other) in
            [("mia", "mio"), ("josé", "jose"), ("Нина", "Инна"), ("山田", "田中"), ("a b", "ab")]
        {
            assert_ne!(likeness(one), likeness(other), "{one} {other}");
        }
    }

    #[test]
    fn what_is_not_seen_is_nothing() {
        for blank in
            ["", " ", "\u{3164}", "\u{2800}", "\u{200B}\u{AD}", "\u{115F}\u{1160}", "\u{E000}", "\u{FE0F}"]
        {
            assert!(!is_seen(blank), "{blank:?}");
        }
        for seen in ["a", ".", "😀", "\u{200B}я", "한"] {
            assert!(is_seen(seen), "{seen:?}");
        }
    }

    #[test]
    fn words_are_of_one_script_and_names_of_several() {
        for good in
            ["Ada Lovelace", "Нина", "山田たろう", "김민준", "Anna Анна", "user_7", "Ñandú", "محمد", "李 Lee"]
        {
            assert!(is_of_one_script(good), "{good}");
        }
        for bad in ["аdmin", "Міа-mіа", "pаypal"] {
            assert!(!is_of_one_script(bad), "{bad}");
        }
    }
}
