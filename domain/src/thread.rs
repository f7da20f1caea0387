//! Where a post stands in its topic's tree: a byte string that sorts in reading order.
//!
//! A path is the chain of post numbers from the topic's first level down to the post, each written in
//! an order-preserving, prefix-free code. Comparing two paths as bytes therefore compares the trees in
//! depth-first order with siblings oldest first, at any depth, and everything below a post lies in one
//! range, so that one indexed range read gives a page of a tree. (A text path of decimal ids, as in the
//! seed, sorts "10" before "2".)

use crate::ids::CategoryId;
use wincode::{SchemaRead, SchemaWrite};

/// A post's place. Non-empty for every stored post.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, SchemaWrite, SchemaRead)]
pub struct ThreadPath(Vec<u8>);

/// Deepest nesting that is stored; a reply to a post at this depth becomes its sibling. Real trees in
/// the communities studied are 47 deep; the bound keeps keys of the index below 1 KiB.
pub const MAX_DEPTH: u16 = 250;

impl ThreadPath {
    /// The path of a post on the first level.
    pub fn root(number: u32) -> Self {
        let mut bytes = Vec::with_capacity(4);
        push(&mut bytes, number);
        ThreadPath(bytes)
    }

    /// The path of a reply with post number `number` to the post at this path.
    pub fn child(&self, number: u32) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 4);
        bytes.extend_from_slice(&self.0);
        push(&mut bytes, number);
        ThreadPath(bytes)
    }

    /// The stored form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Takes back a stored form; `None` when the bytes are not a chain of numbers.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        while let Some(&lead) = rest.first() {
            rest = rest.get(code_len(lead)?..)?;
        }
        (!bytes.is_empty()).then(|| ThreadPath(bytes.to_vec()))
    }

    /// A byte string that is greater than every path below this one (and this one itself) and less than
    /// every path that follows the subtree. No code starts with 0xFF.
    pub fn subtree_end(&self) -> Vec<u8> {
        let mut end = self.0.clone();
        end.push(0xFF);
        end
    }

    /// The path of the post answered; `None` on the first level.
    pub fn parent(&self) -> Option<Self> {
        let mut last = 0;
        let mut at = 0;
        while let Some(len) = self.0.get(at).and_then(|&lead| code_len(lead)) {
            last = at;
            at += len;
        }
        (last > 0).then(|| ThreadPath(self.0[..last].to_vec()))
    }

    /// Number of levels above this post.
    pub fn depth(&self) -> u16 {
        let mut depth = 0u16;
        let mut at = 0;
        while let Some(len) = self.0.get(at).and_then(|&lead| code_len(lead)) {
            at += len;
            depth = depth.saturating_add(1);
        }
        depth.saturating_sub(1)
    }
}

/// Length of a code by its first byte: 7, 14, 21 or 32 bits in 1, 2, 3 or 5 bytes.
fn code_len(lead: u8) -> Option<usize> {
    match lead {
        0x00..=0x7F => Some(1),
        0x80..=0xBF => Some(2),
        0xC0..=0xDF => Some(3),
        0xE0 => Some(5),
        _ => None,
    }
}

fn push(bytes: &mut Vec<u8>, number: u32) {
    match number {
        0..=0x7F => bytes.push(number as u8),
        0x80..=0x3FFF => bytes.extend_from_slice(&(number as u16 | 0x8000).to_be_bytes()),
        0x4000..=0x1F_FFFF => bytes.extend_from_slice(&(number | 0xC0_0000).to_be_bytes()[1..]),
        _ => {
            bytes.push(0xE0);
            bytes.extend_from_slice(&number.to_be_bytes());
        }
    }
}

/// What a form that changes a topic was made of, as short text: another one whenever any of it is another.
pub fn topic_state(title: &str, category: CategoryId, locked: bool, pinned: bool) -> String {
    let state = format!("{category}:{locked}:{pinned}:{title}");
    format!("{:016x}", xxhash_rust::xxh3::xxh3_64(state.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_sort_as_numbers_over_every_code_length() {
        let edges = [0, 1, 2, 10, 0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000, u32::MAX];
        for pair in edges.windows(2) {
            assert!(ThreadPath::root(pair[0]) < ThreadPath::root(pair[1]), "{pair:?}");
            let parent = ThreadPath::root(5);
            assert!(parent.child(pair[0]) < parent.child(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn a_subtree_is_one_range_in_reading_order() {
        let two = ThreadPath::root(2);
        let inside = [two.child(3), two.child(200), two.child(3).child(70_000)];
        for path in &inside {
            assert!(path > &two && path.as_bytes() < two.subtree_end().as_slice());
        }
        assert!(ThreadPath::root(3).as_bytes() > two.subtree_end().as_slice());
        assert!(ThreadPath::root(0x80).as_bytes() > ThreadPath::root(0x7F).subtree_end().as_slice());
        assert_eq!(inside[2].depth(), 2);
        assert_eq!(two.depth(), 0);
        assert_eq!(two.parent(), None);
        assert_eq!(inside[2].parent(), Some(two.child(3)));
    }

    #[test]
    fn stored_bytes_are_checked() {
        let path = ThreadPath::root(2).child(70_000).child(9);
        assert_eq!(ThreadPath::from_bytes(path.as_bytes()), Some(path));
        assert_eq!(ThreadPath::from_bytes(&[]), None);
        assert_eq!(ThreadPath::from_bytes(&[0x80]), None);
        assert_eq!(ThreadPath::from_bytes(&[0xFF]), None);
    }
}
