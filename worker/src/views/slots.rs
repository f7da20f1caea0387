//! The few places of a page that are another for each person. A page for people with accounts is made once for all who
//! may see the same and kept with these places empty; they are filled when it is sent.
//!
//! While it is rendered a place is a comment that holds a number nobody can guess, so that nothing that people wrote
//! can pass for one; what is kept has the places' positions and none of the comments.

use std::fmt::Write;
use std::sync::LazyLock;

use uuid::Uuid;
use veritable_domain::codec::{SchemaRead, SchemaWrite};

use crate::http::csrf::random;

/// Most places of a page: several for each post.
const MAX: usize = 2_000;

/// What is to be put in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub(crate) enum Slot {
    /// The menu of one's own account.
    Menu,
    /// What a form must repeat.
    Token,
    /// From here to the next [`Slot::End`] it is for this account only.
    Only(i64),
    /// See [`Slot::Only`].
    End,
    /// A key by which a form that is sent twice is known again.
    Once,
}

/// A place in a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub(crate) struct Place {
    /// Bytes of the page before it.
    pub(crate) at: u32,
    /// What belongs there.
    pub(crate) slot: Slot,
}

/// Begins each comment of this process.
static MARK: LazyLock<String> = LazyLock::new(|| {
    // Without random numbers the process has ended long before.
    let number: [u8; 16] = random().unwrap_or_default();
    number.iter().fold(String::from("<!--"), |mut mark, byte| {
        // Writing to a string does not fail.
        let _ = write!(mark, "{byte:02x}");
        mark
    })
});

/// The comment that stands for a place while a page is rendered.
pub(crate) fn mark(slot: Slot) -> String {
    let said = match slot {
        Slot::Menu => "menu".to_owned(),
        Slot::Token => "token".to_owned(),
        Slot::Only(user) => format!("only{user}"),
        Slot::End => "end".to_owned(),
        Slot::Once => "once".to_owned(),
    };
    format!("{}{said}-->", *MARK)
}

/// Takes the comments out of a page.
pub(crate) fn split(page: &[u8]) -> (Vec<u8>, Vec<Place>) {
    let mark = MARK.as_bytes();
    let (mut rest, mut body, mut places) = (page, Vec::with_capacity(page.len()), Vec::new());
    while let Some(found) = memchr::memmem::find(rest, mark) {
        body.extend_from_slice(&rest[..found]);
        let after = &rest[found + mark.len()..];
        let Some(end) = memchr::memmem::find(after, b"-->") else { break };
        let slot = match &after[..end] {
            b"menu" => Some(Slot::Menu),
            b"token" => Some(Slot::Token),
            b"end" => Some(Slot::End),
            b"once" => Some(Slot::Once),
            said => said
                .strip_prefix(b"only")
                .and_then(|user| std::str::from_utf8(user).ok()?.parse().ok())
                .map(Slot::Only),
        };
        if let Some(slot) = slot.filter(|_| places.len() < MAX) {
            places.push(Place { at: u32::try_from(body.len()).unwrap_or(u32::MAX), slot });
        }
        rest = &after[end + 3..];
    }
    body.extend_from_slice(rest);
    (body, places)
}

/// A page with its places filled, for the account `user`.
pub(crate) fn fill(
    body: &[u8],
    places: &[Place],
    user: i64,
    menu: &str,
    token: &mut dyn FnMut() -> String,
) -> Vec<u8> {
    let mut page = Vec::with_capacity(body.len() + menu.len() + 64 * places.len());
    let (mut from, mut shown) = (0, true);
    for place in places {
        // What comes from the segment is not trusted.
        let at = usize::try_from(place.at).unwrap_or(usize::MAX).clamp(from, body.len());
        if shown {
            page.extend_from_slice(&body[from..at]);
        }
        from = at;
        match place.slot {
            Slot::Menu if shown => page.extend_from_slice(menu.as_bytes()),
            Slot::Token if shown => page.extend_from_slice(token().as_bytes()),
            Slot::Once if shown => page.extend_from_slice(Uuid::now_v7().to_string().as_bytes()),
            Slot::Menu | Slot::Token | Slot::Once => {}
            Slot::Only(of) => shown = of == user,
            Slot::End => shown = true,
        }
    }
    if shown {
        page.extend_from_slice(&body[from..]);
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_and_filled_for_each_person() {
        let page = format!(
            "<a>{}<b>{}{}mine{}{}<c><!--menu-->",
            mark(Slot::Menu),
            mark(Slot::Only(7)),
            mark(Slot::Token),
            mark(Slot::End),
            mark(Slot::Only(8)),
        );
        let (body, places) = split(page.as_bytes());
        assert_eq!(body, b"<a><b>mine<c><!--menu-->");
        let mut count = 0;
        let mut filled = |user| {
            let mut token = || {
                count += 1;
                format!("t{count}")
            };
            String::from_utf8(fill(&body, &places, user, "[m]", &mut token)).unwrap()
        };
        assert_eq!(filled(7), "<a>[m]<b>t1mine");
        assert_eq!(filled(8), "<a>[m]<b><c><!--menu-->");
        let (same, none) = split(b"no places at all");
        assert_eq!((same.as_slice(), none.len()), (&b"no places at all"[..], 0));
    }

    #[test]
    fn a_key_is_another_each_time() {
        let (body, places) = split(mark(Slot::Once).as_bytes());
        let mut keys = [(); 2].map(|()| {
            let key = fill(&body, &places, 7, "", &mut String::new);
            Uuid::try_parse(std::str::from_utf8(&key).unwrap()).unwrap()
        });
        keys.sort();
        assert!(body.is_empty() && keys[0] != keys[1]);
    }

    #[test]
    fn noise_from_the_segment_makes_no_panic() {
        let places: Vec<Place> = [u32::MAX, 3, 1, 0, 500]
            .into_iter()
            .zip([Slot::Token, Slot::Only(1), Slot::End, Slot::Menu, Slot::End])
            .map(|(at, slot)| Place { at, slot })
            .collect();
        let _page = fill(b"abcdef", &places, 1, "m", &mut String::new);
    }
}
