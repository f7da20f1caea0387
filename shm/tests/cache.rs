//! What the cache promises to one caller: values come back whole, age, make room, and stay in bounds.

mod common;

use xxhash_rust::xxh3::xxh3_64;

use common::{LONG, Noise, SMALL, bench, describes, put, self_describing};
use veritable_shm::{
    Cache, Geometry, Inserted, KEY_BYTES_MAX, Lifetime, Lookup, Miss, NewEntry, Removed, Segment, TagRef,
    Tags,
};

fn get(cache: &Cache, key: &[u8], now_ms: u64) -> (Lookup, Vec<u8>) {
    let mut out = Vec::new();
    let found = cache.get(key, now_ms, &mut out);
    (found, out)
}

#[test]
fn values_of_every_length_come_back_whole() {
    let b = bench(SMALL);
    for len in (0..600).chain([4096, 60_000, 100_001]) {
        let key = format!("/page/{len}");
        let value = self_describing(len, len, len as usize);
        assert_eq!(put(&b.cache, key.as_bytes(), &value, &[]), Inserted::Stored);
        let (found, out) = get(&b.cache, key.as_bytes(), 0);
        let Lookup::Hit(info) = found else { panic!("{len}: {found:?}") };
        assert_eq!((info.digest, info.len), (xxh3_64(&value), value.len()));
        assert_eq!(out, value);
    }
    assert_eq!(b.cache.audit().wrong_shards, 0);
}

#[test]
fn keys_of_every_length_are_told_apart() {
    let b = bench(SMALL);
    for len in (0..40).chain([255, 256, 257, KEY_BYTES_MAX]) {
        let key = vec![b'k'; len];
        assert_eq!(put(&b.cache, &key, format!("{len}").as_bytes(), &[]), Inserted::Stored);
    }
    for len in (0..40).chain([255, 256, 257, KEY_BYTES_MAX]) {
        let (found, out) = get(&b.cache, &vec![b'k'; len], 0);
        assert!(matches!(found, Lookup::Hit(_)), "{len}");
        assert_eq!(out, format!("{len}").as_bytes());
    }
    // A key that ends in zeros is another key than the same without.
    put(&b.cache, b"zero", b"plain", &[]);
    assert_eq!(get(&b.cache, b"zero\0", 0).0, Lookup::Miss(Miss::Absent));
}

#[test]
fn a_value_is_appended_and_a_miss_appends_nothing() {
    let b = bench(SMALL);
    put(&b.cache, b"k", b"body", &[]);
    let mut out = b"head:".to_vec();
    assert!(matches!(b.cache.get(b"k", 0, &mut out), Lookup::Hit(_)));
    assert_eq!(out, b"head:body");
    assert_eq!(b.cache.get(b"absent", 0, &mut out), Lookup::Miss(Miss::Absent));
    assert_eq!(out, b"head:body");
}

#[test]
fn an_entry_is_fresh_then_stale_then_gone() {
    let b = bench(SMALL);
    let lifetime = Lifetime { ttl_ms: 100, stale_ms: 50 };
    let entry = NewEntry { value: b"v", tags: &[], snapshot: b.cache.snapshot(), lifetime };
    assert_eq!(b.cache.insert(b"k", &entry, 1000), Inserted::Stored);
    let at = |now| get(&b.cache, b"k", now);
    assert!(matches!(at(1099), (Lookup::Hit(info), out) if info.age_ms == 99 && out == b"v"));
    assert!(matches!(at(1100), (Lookup::Expired(_), out) if out == b"v"));
    assert!(matches!(at(1149), (Lookup::Expired(info), _) if info.lifetime == lifetime));
    assert!(matches!(at(1150), (Lookup::Miss(Miss::Expired), out) if out.is_empty()));
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let b = bench(SMALL);
    let most = b.cache.stats().value_bytes_max as usize;
    assert_eq!(put(&b.cache, b"k", &vec![1; most], &[]), Inserted::TooLarge, "key and head count too");
    assert_eq!(put(&b.cache, &[b'k'; KEY_BYTES_MAX + 1], b"v", &[]), Inserted::TooLarge);
    assert_eq!(put(&b.cache, b"k", &vec![1; most - 64], &[]), Inserted::Stored);
    assert_eq!(b.cache.stats().refusals, 2);
}

#[test]
fn a_new_value_replaces_the_old_one() {
    let b = bench(SMALL);
    for len in [10, 5000, 0, 300] {
        let value = self_describing(1, len, len as usize);
        assert_eq!(put(&b.cache, b"k", &value, &[]), Inserted::Stored);
        assert_eq!(get(&b.cache, b"k", 0).1, value);
    }
    assert_eq!(b.cache.stats().entries, 1);
    assert_eq!(b.cache.audit().used_blocks, 2, "the blocks of replaced values are free again");
}

#[test]
fn full_means_evict_and_the_bounds_hold_at_every_step() {
    let b = bench(SMALL);
    let mut noise = Noise(42);
    for i in 0..4000_u64 {
        let len = noise.below(if i % 50 == 0 { 200_000 } else { 20_000 }) as usize;
        let value = self_describing(i, i, len);
        assert_eq!(put(&b.cache, &i.to_le_bytes(), &value, &[]), Inserted::Stored);
        assert!(
            matches!(get(&b.cache, &i.to_le_bytes(), 0).0, Lookup::Hit(_)),
            "what was just stored is there"
        );
        let stats = b.cache.stats();
        assert!(stats.entries <= stats.capacity_entries);
        assert!(stats.used_bytes + stats.metadata_bytes <= stats.capacity_bytes);
    }
    let stats = b.cache.stats();
    assert!(stats.evictions > 3000, "{stats:?}");
    let audit = b.cache.audit();
    assert_eq!((audit.wrong_shards, audit.entries), (0, stats.entries));
}

#[test]
fn small_entries_fill_the_last_place() {
    let b = bench(SMALL);
    for i in 0..2000_u64 {
        put(&b.cache, &i.to_le_bytes(), b"small", &[]);
    }
    assert_eq!(b.cache.stats().entries, 128);
}

#[test]
fn what_is_used_stays_what_is_not_goes() {
    let b = bench(SMALL);
    put(&b.cache, b"popular", b"v", &[]);
    for i in 0..1000_u64 {
        put(&b.cache, &i.to_le_bytes(), b"once", &[]);
        assert!(matches!(get(&b.cache, b"popular", 0).0, Lookup::Hit(_)), "evicted after {i} others");
    }
}

#[test]
fn an_entry_nobody_may_see_is_evicted_before_one_in_use() {
    let b = bench(SMALL);
    let tag = TagRef::new(b"old");
    for i in 0..128_u64 {
        put(&b.cache, &i.to_le_bytes(), b"v", &[tag]);
        for _ in 0..3 {
            get(&b.cache, &i.to_le_bytes(), 0);
        }
    }
    veritable_shm::Tags::of(&b.segment).invalidate(&[tag]);
    let fresh: Vec<u64> = (1000..1050).collect();
    for key in &fresh {
        put(&b.cache, &key.to_le_bytes(), b"v", &[]);
        get(&b.cache, &key.to_le_bytes(), 0);
    }
    assert!(fresh.iter().all(|k| matches!(get(&b.cache, &k.to_le_bytes(), 0).0, Lookup::Hit(_))));
}

#[test]
fn remove_and_clear_give_everything_back() {
    let b = bench(SMALL);
    for i in 0..100_u64 {
        put(&b.cache, &i.to_le_bytes(), &self_describing(i, i, 700), &[]);
    }
    assert_eq!(b.cache.remove(&7_u64.to_le_bytes()), Removed::Removed);
    assert_eq!(b.cache.remove(&7_u64.to_le_bytes()), Removed::Absent);
    assert_eq!(get(&b.cache, &7_u64.to_le_bytes(), 0).0, Lookup::Miss(Miss::Absent));
    assert_eq!(b.cache.clear(), 0);
    let stats = b.cache.stats();
    assert_eq!((stats.entries, stats.used_bytes), (0, 0));
    assert_eq!(get(&b.cache, &8_u64.to_le_bytes(), 0).0, Lookup::Miss(Miss::Absent));
    put(&b.cache, b"after", b"v", &[]);
    assert!(matches!(get(&b.cache, b"after", 0).0, Lookup::Hit(_)));
}

#[test]
fn tools_see_keys_by_prefix() {
    let b = bench(SMALL);
    for key in ["/forum/1", "/forum/2", "/wiki/Main"] {
        put(&b.cache, key.as_bytes(), key.as_bytes(), &[]);
    }
    let mut keys: Vec<_> = b.cache.keys(b"/forum/", 10, 5).into_iter().map(|k| k.key).collect();
    keys.sort();
    assert_eq!(keys, [b"/forum/1".to_vec(), b"/forum/2".to_vec()]);
    assert_eq!(b.cache.keys(b"", 2, 5).len(), 2);
    let wiki = &b.cache.keys(b"/wiki", 10, 5)[0];
    assert_eq!((wiki.len, wiki.age_ms, wiki.lifetime, wiki.fresh), (10, 5, LONG, true));
}

#[test]
fn tools_see_what_an_invalidation_would_end_and_it_does() {
    let b = bench(SMALL);
    let [topic, page] = [TagRef::new(b"topic:1"), TagRef::new(b"page:1")];
    put(&b.cache, b"both", b"v", &[topic, page]);
    put(&b.cache, b"one", b"v", &[topic]);
    put(&b.cache, b"none", b"v", &[]);
    // Too many to be named: it depends on every tag.
    let many: Vec<TagRef> = (0..40_u8).map(|i| TagRef::new(&[i])).collect();
    put(&b.cache, b"many", b"v", &many);
    assert_eq!(b.cache.depending(&[page], 0), 2);
    assert_eq!(b.cache.depending(&[topic, page], 0), 3);
    assert_eq!(b.cache.depending(&[], 0), 0);
    Tags::of(&b.segment).invalidate(&[page]);
    assert_eq!(b.cache.depending(&[topic, page], 0), 1);
    assert_eq!(b.cache.keys(b"", 10, 0).iter().filter(|key| key.fresh).count(), 2);
}

#[test]
fn shards_add_up_to_the_totals() {
    let b = bench(Geometry { cache_bytes: 8 << 20, cache_entries: 512, ..SMALL });
    for i in 0..100_u64 {
        put(&b.cache, &i.to_le_bytes(), &self_describing(i, i, 700), &[]);
    }
    let (stats, shards) = (b.cache.stats(), b.cache.shard_stats());
    assert!(shards.len() > 1 && shards.len() as u64 == stats.shards);
    assert!(shards.iter().all(|shard| shard.entries <= shard.capacity_entries));
    assert_eq!((shards.iter().map(|shard| shard.entries).sum::<u64>(), stats.entries), (100, 100));
    assert_eq!(shards.iter().map(|shard| shard.used_bytes).sum::<u64>(), stats.used_bytes);
    assert_eq!(shards.iter().map(|shard| shard.block_bytes).sum::<u64>(), stats.block_bytes);
}

#[test]
fn another_mapping_sees_the_same_entries() {
    let b = bench(SMALL);
    let other = Segment::attach(&b.fd).expect("attach");
    let owner = b.board.enlist(1, 1, 0).expect("slot");
    let theirs = Cache::of(&other, owner).expect("cache");
    put(&b.cache, b"k", b"from one", &[]);
    assert_eq!(get(&theirs, b"k", 0).1, b"from one");
    put(&theirs, b"k", b"from two", &[]);
    assert_eq!(get(&b.cache, b"k", 0).1, b"from two");
}

#[test]
fn a_retired_owner_changes_nothing_but_still_reads() {
    let b = bench(SMALL);
    put(&b.cache, b"k", b"v", &[]);
    b.board.retire(0).expect("slot");
    assert_eq!(put(&b.cache, b"k", b"w", &[]), Inserted::Contended);
    assert_eq!(b.cache.remove(b"k"), Removed::Contended);
    assert_eq!(get(&b.cache, b"k", 0).1, b"v");
}

#[test]
fn threads_of_one_process_share_it() {
    let b = bench(SMALL);
    std::thread::scope(|scope| {
        for thread in 1..=4_u64 {
            let cache = b.cache.clone();
            scope.spawn(move || {
                let mut noise = Noise(thread);
                let mut out = Vec::new();
                for nonce in 0..5000 {
                    let key = noise.below(200);
                    if noise.below(3) == 0 {
                        let value = self_describing(key, nonce, noise.below(6000) as usize);
                        put(&cache, &key.to_le_bytes(), &value, &[]);
                    } else {
                        out.clear();
                        if let Lookup::Hit(_) = cache.get(&key.to_le_bytes(), 0, &mut out) {
                            assert!(describes(&out, key), "wrong value for {key}");
                        }
                    }
                }
            });
        }
    });
    assert_eq!(b.cache.audit().wrong_shards, 0);
    assert_eq!(b.cache.stats().damages, 0);
}

#[test]
fn a_place_holds_until_its_entry_is_not_what_a_lookup_would_yield() {
    let b = bench(SMALL);
    let (cache, tags) = (&b.cache, Tags::of(&b.segment));
    let tag = [TagRef::new(b"topic:1")];
    let place = |now_ms| match get(cache, b"key", now_ms).0 {
        Lookup::Hit(info) => info.place,
        other => panic!("{other:?}"),
    };
    let again = || assert_eq!(put(cache, b"key", b"value", &tag), Inserted::Stored);
    again();
    let found = place(0);
    assert_eq!(place(0), found);
    assert!(cache.is_there(&found, 0) && cache.is_there(&found, 3_599_999));
    assert!(!cache.is_there(&found, 3_600_000), "over");
    let changes: [(&str, &dyn Fn()); 5] = [
        ("another value", &again),
        ("its tag", &|| assert!(tags.invalidate(&tag) <= tags.snapshot())),
        ("everything", &|| assert!(tags.invalidate_all() <= tags.snapshot())),
        ("removed", &|| assert_eq!(cache.remove(b"key"), Removed::Removed)),
        ("cleared", &|| assert_eq!(cache.clear(), 0)),
    ];
    for (what, change) in changes {
        again();
        let found = place(0);
        assert!(cache.is_there(&found, 0), "{what}: not yet");
        change();
        assert!(!cache.is_there(&found, 0), "{what}");
    }
    again();
    let found = place(0);
    let mut number = 0_u32;
    while get(cache, b"key", 0).0 != Lookup::Miss(Miss::Absent) {
        assert!(number < 10_000, "never evicted");
        number += 1;
        for other in 0..128 {
            put(cache, format!("{number}-{other}").as_bytes(), b"other", &[]);
        }
    }
    assert!(!cache.is_there(&found, 0), "evicted");
}

#[test]
fn what_one_value_may_take_is_configured() {
    for share in [1, 4, 64] {
        let b = bench(Geometry { value_share: share, ..SMALL });
        let stats = b.cache.stats();
        let most = usize::try_from(stats.value_bytes_max).expect("a size");
        assert_eq!(stats.value_bytes_max, stats.block_bytes / stats.shards / 256 / u64::from(share) * 256);
        assert_eq!(put(&b.cache, b"k", &vec![1; most - 512], &[]), Inserted::Stored, "{share}");
        assert_eq!(put(&b.cache, b"k", &vec![1; most + 1], &[]), Inserted::TooLarge, "{share}");
    }
}
