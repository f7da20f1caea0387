//! Text that has been checked: a value of these types is fit to store and show.

use serde::Serialize;
use wincode::{SchemaRead, SchemaWrite};

use unicode_normalization::UnicodeNormalization;

use crate::ids::UserId;
use crate::looks;

/// Most characters of a topic's title (Discourse's limit; shown whole in lists).
pub const MAX_TITLE_CHARS: usize = 255;
/// Most characters of a user name (wikis allow 255 bytes; 60 is what a byline can hold).
pub const MAX_USER_NAME_CHARS: usize = 60;
/// Most bytes of a post's or page's source. MediaWiki's limit for a page is 2 MiB.
pub const MAX_SOURCE_BYTES: usize = 2 * 1024 * 1024;
/// Most characters of the name of a category or group: what a list shows in one line.
pub const MAX_LABEL_CHARS: usize = 80;
/// How the name begins that an account has whose person is gone.
const ERASED: &str = "deleted user ";
/// The same in the form by which names are unique.
const ERASED_KEY: &str = "deleted_user_";
/// Most characters of an edit's comment (MediaWiki's limit).
pub const MAX_COMMENT_CHARS: usize = 500;

/// Why a text was refused; the message is for the person who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing in it that is seen.
    #[error("{what} is empty")]
    Empty {
        /// Which text.
        what: &'static str,
    },
    /// Longer than its limit.
    #[error("{what} is too long: {found} {unit}, at most {most}")]
    TooLong {
        /// Which text.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The limit.
        most: usize,
        /// What is counted: `characters` or `bytes`.
        unit: &'static str,
    },
    /// Nothing in it that could be said aloud.
    #[error("{what} has neither a letter nor a digit")]
    Wordless {
        /// Which text.
        what: &'static str,
    },
    /// A word of letters of several scripts, which look alike.
    #[error("{what} has a word with letters of several scripts")]
    Mixed {
        /// Which text.
        what: &'static str,
    },
    /// Not of the form it must have.
    #[error("{what} is not of the form {like}")]
    Malformed {
        /// Which text.
        what: &'static str,
        /// One that is.
        like: &'static str,
    },
    /// A character that cannot stand there.
    #[error("{what} must not contain {character:?}")]
    Forbidden {
        /// Which text.
        what: &'static str,
        /// The first offender.
        character: char,
    },
}

macro_rules! checked {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, SchemaWrite, SchemaRead)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
    };
}

checked!(
    /// A topic's title: one line, white space folded, 1 to [`MAX_TITLE_CHARS`] characters.
    TopicTitle
);
checked!(
    /// A user's name as shown. Unique by [`UserName::key`].
    UserName
);
checked!(
    /// The source of a post or page: not blank, at most [`MAX_SOURCE_BYTES`], no NUL.
    Source
);
checked!(
    /// What an editor says of an edit: one line, possibly empty, at most [`MAX_COMMENT_CHARS`].
    Comment
);

checked!(
    /// How somebody is called beside the user name: one line, possibly empty, at most [`MAX_USER_NAME_CHARS`].
    DisplayName
);
checked!(
    /// The name of a category or of a group: one line, 1 to [`MAX_LABEL_CHARS`] characters.
    Label
);

impl DisplayName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TextError`] when it is too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = fold_line(text);
        at_most("display name", folded.chars().count(), MAX_USER_NAME_CHARS, "characters")?;
        Ok(DisplayName(if looks::is_seen(&folded) { folded } else { String::new() }))
    }

    /// As [`UserName::likeness`].
    pub fn likeness(&self) -> String {
        looks::likeness(&self.0)
    }
}

impl Label {
    /// Checks a name.
    ///
    /// # Errors
    /// [`TextError`] when it is blank or too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = fold_line(text);
        not_empty("name", &folded)?;
        at_most("name", folded.chars().count(), MAX_LABEL_CHARS, "characters")?;
        Ok(Label(folded))
    }
}

impl TopicTitle {
    /// Checks a title.
    ///
    /// # Errors
    /// [`TextError`] when it is blank or too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = fold_line(text);
        not_empty("title", &folded)?;
        at_most("title", folded.chars().count(), MAX_TITLE_CHARS, "characters")?;
        Ok(TopicTitle(folded))
    }
}

impl UserName {
    /// Checks a name: letters, digits, spaces, `_ - .` and other marks, but nothing that separates parts
    /// of an address or of markup.
    ///
    /// # Errors
    /// [`TextError`] naming the offence.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = fold_line(text);
        if folded.is_empty() {
            return Err(TextError::Empty { what: "user name" });
        }
        at_most("user name", folded.chars().count(), MAX_USER_NAME_CHARS, "characters")?;
        if let Some(character) = folded.chars().find(|c| "/\\#?%@<>[]{}|&\"`:".contains(*c)) {
            return Err(TextError::Forbidden { what: "user name", character });
        }
        Ok(UserName(folded))
    }

    /// Checks a name that somebody wants to have here from now on. Names of other systems are as they were there; of a new
    /// one it is asked that people can tell it from others: nothing in it that is not seen, each word of one script, and a
    /// letter or a digit. Compatible forms of letters become the letters (NFKC).
    ///
    /// # Errors
    /// [`TextError`] naming the offence.
    pub fn wanted(text: &str) -> Result<Self, TextError> {
        let name = UserName::new(&text.nfkc().collect::<String>())?;
        if let Some(character) = name.0.chars().find(|c| looks::is_unseen(*c)) {
            return Err(TextError::Forbidden { what: "user name", character });
        }
        if !name.0.chars().any(char::is_alphanumeric) {
            return Err(TextError::Wordless { what: "user name" });
        }
        if !looks::is_of_one_script(&name.0) {
            return Err(TextError::Mixed { what: "user name" });
        }
        Ok(name)
    }

    /// What it has in common with all names that people would take for it: [`looks::likeness`].
    pub fn likeness(&self) -> String {
        looks::likeness(&self.0)
    }

    /// What an account is called whose person is gone.
    pub fn of_erased(user: UserId) -> Self {
        UserName(format!("{ERASED}{user}"))
    }

    /// Whether it is like those of [`UserName::of_erased`], which nobody may take.
    pub fn is_of_erased(&self) -> bool {
        self.key().starts_with(ERASED_KEY) || self.likeness().starts_with(&looks::likeness(ERASED_KEY))
    }

    /// The form by which names are unique: lower case, spaces as underscores.
    pub fn key(&self) -> String {
        user_key(&self.0)
    }
}

/// [`UserName::key`] of any text, for look-ups.
pub fn user_key(name: &str) -> String {
    name.trim().replace(' ', "_").to_lowercase()
}

impl Source {
    /// Checks a source. Line ends become `\n`.
    ///
    /// # Errors
    /// [`TextError`] when it is blank, too long or has a NUL.
    pub fn new(text: &str) -> Result<Self, TextError> {
        not_empty("text", text)?;
        Self::allowing_blank(text)
    }

    /// As [`Source::new`], for what may be empty: a wiki page can be blanked.
    ///
    /// # Errors
    /// [`TextError`] when it is too long or has a NUL.
    pub fn allowing_blank(text: &str) -> Result<Self, TextError> {
        at_most("text", text.len(), MAX_SOURCE_BYTES, "bytes")?;
        if text.contains('\0') {
            return Err(TextError::Forbidden { what: "text", character: '\0' });
        }
        Ok(Source(if text.contains('\r') {
            text.replace("\r\n", "\n").replace('\r', "\n")
        } else {
            text.to_owned()
        }))
    }
}

impl Comment {
    /// Checks a comment.
    ///
    /// # Errors
    /// [`TextError`] when it is too long.
    pub fn new(text: &str) -> Result<Self, TextError> {
        let folded = fold_line(text);
        at_most("comment", folded.chars().count(), MAX_COMMENT_CHARS, "characters")?;
        Ok(Comment(folded))
    }

    /// As [`Comment::new`] for imported text: what is too long is cut.
    pub fn truncated(text: &str) -> Self {
        Comment(fold_line(text).chars().take(MAX_COMMENT_CHARS).collect())
    }
}

/// One line: runs of white space and control characters become one space; invisible direction overrides
/// (which let a name pose as another) are dropped.
pub fn fold_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let visible = text.chars().filter(|c| !matches!(c, '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'));
    for c in visible {
        if c.is_whitespace() || c.is_control() {
            if !line.is_empty() && !line.ends_with(' ') {
                line.push(' ');
            }
        } else {
            line.push(c);
        }
    }
    line.truncate(line.trim_end().len());
    line
}

fn not_empty(what: &'static str, text: &str) -> Result<(), TextError> {
    if !looks::is_seen(text) { Err(TextError::Empty { what }) } else { Ok(()) }
}

fn at_most(what: &'static str, found: usize, most: usize, unit: &'static str) -> Result<(), TextError> {
    if found > most { Err(TextError::TooLong { what, found, most, unit }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_folded_and_bounded() {
        assert_eq!(TopicTitle::new("  a \t\n b\u{202E} ").unwrap().as_str(), "a b");
        for blank in [" \u{7} ", "\u{3164}", "\u{200B} \u{AD}", "\u{2800}"] {
            assert_eq!(TopicTitle::new(blank), Err(TextError::Empty { what: "title" }));
            assert!(Label::new(blank).is_err() && Source::new(blank).is_err(), "{blank:?}");
            assert_eq!(DisplayName::new(blank).unwrap().as_str(), "");
        }
        assert!(TopicTitle::new(&"é".repeat(MAX_TITLE_CHARS)).is_ok());
        assert!(TopicTitle::new(&"é".repeat(MAX_TITLE_CHARS + 1)).is_err());
    }

    #[test]
    fn user_names_are_unique_by_key() {
        assert_eq!(UserName::new("DJ EV").unwrap().key(), "dj_ev");
        assert_eq!(user_key("Dj_Ev"), "dj_ev");
        assert_eq!(UserName::of_erased(UserId(7)).as_str(), "deleted user 7");
        assert!(UserName::new("Deleted_User 7").unwrap().is_of_erased());
        assert!(!UserName::new("deleted username").unwrap().is_of_erased());
        assert_eq!(UserName::new("a/b"), Err(TextError::Forbidden { what: "user name", character: '/' }));
    }

    #[test]
    fn names_that_are_wanted_can_be_told_from_others() {
        for (text, name) in
            [("Ada  Lovelace", "Ada Lovelace"), ("ａｄａ", "ada"), ("Нина", "Нина"), ("x.y_z-1", "x.y_z-1")]
        {
            assert_eq!(UserName::wanted(text).unwrap().as_str(), name);
        }
        for bad in [
            ".",
            "..",
            "-",
            "\u{3164}",
            "\u{2800}",
            "m\u{AD}ia",
            "mia\u{200B}",
            "аdmin",
            "a／b",
            "\u{E000}x",
            "😀",
        ] {
            assert!(UserName::wanted(bad).is_err(), "{bad:?}");
        }
        assert!(UserName::new("..").is_ok(), "names of other systems are as they were there");
        assert!(UserName::new("deIeted user 7").unwrap().is_of_erased());
    }

    #[test]
    fn sources_have_unix_line_ends_and_no_nul() {
        assert_eq!(Source::new("a\r\nb\rc").unwrap().as_str(), "a\nb\nc");
        assert!(Source::new(" \n").is_err());
        assert!(Source::allowing_blank("").is_ok());
        assert!(Source::new("a\0").is_err());
    }
}
