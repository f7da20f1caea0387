//! Invalidation: nothing computed from before a commit is shown after that commit was acknowledged.

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use common::{LONG, SMALL, bench, put};
use veritable_shm::{Cache, ENTRY_TAGS_MAX, Inserted, Lookup, Miss, NewEntry, TagRef, Tags};

fn found(cache: &Cache, key: &[u8]) -> Lookup {
    cache.get(key, 0, &mut Vec::new())
}

fn tag(name: &str) -> TagRef {
    TagRef::new(name.as_bytes())
}

#[test]
fn a_bump_ends_what_names_the_tag_and_nothing_else() {
    let b = bench(SMALL);
    let tags = Tags::of(&b.segment);
    put(&b.cache, b"topic", b"v", &[tag("topic:1"), tag("user:7")]);
    put(&b.cache, b"other", b"v", &[tag("topic:2")]);
    put(&b.cache, b"untagged", b"v", &[]);
    tags.invalidate(&[tag("user:7")]);
    assert_eq!(found(&b.cache, b"topic"), Lookup::Miss(Miss::Invalidated));
    assert!(matches!(found(&b.cache, b"other"), Lookup::Hit(_)));
    assert!(matches!(found(&b.cache, b"untagged"), Lookup::Hit(_)));
    assert_eq!(put(&b.cache, b"topic", b"w", &[tag("topic:1"), tag("user:7")]), Inserted::Stored);
    assert!(matches!(found(&b.cache, b"topic"), Lookup::Hit(_)), "a new answer is fresh again");
}

#[test]
fn each_of_many_tags_counts() {
    let b = bench(SMALL);
    let tags = Tags::of(&b.segment);
    let names: Vec<TagRef> = (0..ENTRY_TAGS_MAX).map(|i| tag(&format!("topic:{i}"))).collect();
    for name in &names {
        assert_eq!(put(&b.cache, b"k", b"v", &names), Inserted::Stored);
        assert!(matches!(found(&b.cache, b"k"), Lookup::Hit(_)));
        tags.invalidate(&[*name]);
        assert_eq!(found(&b.cache, b"k"), Lookup::Miss(Miss::Invalidated));
    }
}

#[test]
fn an_entry_with_too_many_tags_ends_with_any_bump() {
    let b = bench(SMALL);
    let names: Vec<TagRef> = (0..=ENTRY_TAGS_MAX).map(|i| tag(&format!("topic:{i}"))).collect();
    assert_eq!(put(&b.cache, b"k", b"v", &names), Inserted::Stored);
    assert!(matches!(found(&b.cache, b"k"), Lookup::Hit(_)));
    Tags::of(&b.segment).invalidate(&[tag("something else")]);
    assert_eq!(found(&b.cache, b"k"), Lookup::Miss(Miss::Invalidated));
}

#[test]
fn an_answer_read_before_a_commit_and_stored_after_it_is_never_shown() {
    let b = bench(SMALL);
    let tags = Tags::of(&b.segment);
    let snapshot = tags.snapshot();
    // Here the reader reads, and the writer commits, bumps and acknowledges.
    tags.invalidate(&[tag("topic:1")]);
    let entry = NewEntry { value: b"old", tags: &[tag("topic:1")], snapshot, lifetime: LONG };
    assert_eq!(b.cache.insert(b"k", &entry, 0), Inserted::Stale);
    assert_eq!(found(&b.cache, b"k"), Lookup::Miss(Miss::Absent));
    assert_eq!(b.cache.stats().outdated, 1);
    let unrelated = NewEntry { tags: &[tag("topic:2")], ..entry };
    assert_eq!(b.cache.insert(b"k", &unrelated, 0), Inserted::Stored, "other tags are not touched");
}

#[test]
fn an_older_answer_does_not_replace_a_newer_one() {
    let b = bench(SMALL);
    let old = Tags::of(&b.segment).snapshot();
    Tags::of(&b.segment).invalidate(&[tag("elsewhere")]);
    put(&b.cache, b"k", b"new", &[tag("topic:1")]);
    let entry = NewEntry { value: b"old", tags: &[tag("topic:1")], snapshot: old, lifetime: LONG };
    assert_eq!(b.cache.insert(b"k", &entry, 0), Inserted::Stale);
}

#[test]
fn invalidating_everything_spares_only_what_is_read_later() {
    let b = bench(SMALL);
    let tags = Tags::of(&b.segment);
    let before = tags.snapshot();
    put(&b.cache, b"untagged", b"v", &[]);
    let after = tags.invalidate_all();
    assert_eq!(found(&b.cache, b"untagged"), Lookup::Miss(Miss::Invalidated));
    let entry = |snapshot| NewEntry { value: b"v", tags: &[], snapshot, lifetime: LONG };
    assert_eq!(b.cache.insert(b"k", &entry(before), 0), Inserted::Stale);
    assert_eq!(b.cache.insert(b"k", &entry(after), 0), Inserted::Stored);
    assert_eq!(b.cache.insert(b"j", &entry(before.min(after)), 0), Inserted::Stale);
}

/// A source of truth that one thread changes and others cache: whoever has seen the acknowledgement of
/// version n is never shown a version before n.
#[test]
fn no_reader_is_shown_a_version_older_than_one_acknowledged() {
    const VERSIONS: u64 = 20_000;
    let b = bench(SMALL);
    let (source, acknowledged, done) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let shown_count = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let tags = Tags::of(&b.segment);
            for version in 1..=VERSIONS {
                source.store(version, Ordering::Release);
                tags.invalidate(&[tag("topic:1")]);
                acknowledged.store(version, Ordering::Release);
                // Keeps the writer from being done before anybody has read.
                while shown_count.load(Ordering::Relaxed) < version / 4 {
                    std::thread::yield_now();
                }
            }
            done.store(true, Ordering::Release);
        });
        for _ in 0..3 {
            scope.spawn(|| {
                let mut out = Vec::new();
                while !done.load(Ordering::Acquire) {
                    let at_least = acknowledged.load(Ordering::Acquire);
                    out.clear();
                    if let Lookup::Hit(_) = b.cache.get(b"k", 0, &mut out) {
                        let shown = u64::from_le_bytes(out[..].try_into().expect("8 bytes"));
                        assert!(shown >= at_least, "shown {shown} after {at_least} was acknowledged");
                        shown_count.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                    let snapshot = b.cache.snapshot();
                    let value = source.load(Ordering::Acquire).to_le_bytes();
                    let tags = [tag("topic:1")];
                    let entry = NewEntry { value: &value, tags: &tags, snapshot, lifetime: LONG };
                    b.cache.insert(b"k", &entry, 0);
                }
            });
        }
    });
}
