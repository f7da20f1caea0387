//! Who reads what of the wiki.

use super::table::{ALL, GONE, KEEPERS, MOVED, own, read, read_at};
use super::{Row, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        read("/wiki", ALL),
        read("/wiki/{*title}", ALL),
        read("/wiki-links/{*title}", ALL),
        read("/wiki-compare", MOVED),
        read("/wiki-revision/{id}", ALL),
        read("/wiki-diff/{old}/{new}", ALL),
        read("/wiki-all", ALL),
        read("/recent", ALL),
        read("/api/wiki/pages", ALL),
        read("/api/wiki/pages/{id}", ALL),
        read("/api/wiki/pages/{id}/history", ALL),
        read("/api/wiki/pages/{id}/links", ALL),
        read("/api/wiki/revisions/{id}", ALL),
        read("/api/wiki/diff/{old}/{new}", ALL),
        read("/api/wiki/changes", ALL),
        own("/wiki-deleted", KEEPERS),
        own("/wiki-deleted/{id}", KEEPERS),
    ];
    rows.extend(deleted());
    rows
}

/// A page goes with its history: moderators find it among what was deleted, and nowhere else.
fn deleted() -> Vec<Row> {
    macro_rules! deleted {
        ($($pattern:literal),*) => {
            vec![$(read_at($pattern, "of a deleted page", GONE, |world: &mut World, _| {
                world.deleted_page().asked($pattern)
            })),*]
        };
    }
    deleted![
        "/wiki/{*title}",
        "/wiki-compare",
        "/wiki-revision/{id}",
        "/wiki-diff/{old}/{new}",
        "/api/wiki/pages/{id}",
        "/api/wiki/pages/{id}/history",
        "/api/wiki/pages/{id}/links",
        "/api/wiki/revisions/{id}",
        "/api/wiki/diff/{old}/{new}"
    ]
}
