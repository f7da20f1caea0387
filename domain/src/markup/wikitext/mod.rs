//! A subset of MediaWiki's markup.

use super::{References, RenderContext};

/// HTML still to be tidied and sanitised, and what it refers to.
pub(super) fn draft(source: &str, _context: &RenderContext<'_>) -> (String, References) {
    (super::plain(source), References::default())
}
