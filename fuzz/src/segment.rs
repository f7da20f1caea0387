//! Arbitrary bytes in the segment: attach() and everything a worker does return, and nobody is shown a value
//! that was not stored.

use std::fs::File;
use std::os::unix::fs::FileExt;

use veritable_shm::{
    Cache, Geometry, LEASE_MS_MAX, Leases, Lifetime, Limits, Lookup, NewEntry, NewSession, Rate, Scoreboard,
    Segment, Sessions, TagRef, Tags, Verdict,
};

const SMALLEST: Geometry = Geometry {
    cache_bytes: 256 << 10,
    cache_entries: 32,
    tag_slots: 64,
    lease_slots: 16,
    worker_slots: 4,
    session_slots: 4,
    limit_slots: 4,
    value_share: 4,
};
const LONG: Lifetime = Lifetime { ttl_ms: 3_600_000, stale_ms: 0 };
/// Bytes of a patch: where (four), then what.
const PATCH_BYTES: usize = 12;

fn value(key: u8) -> Vec<u8> {
    vec![key; 40 + usize::from(key) * 37]
}

pub(crate) fn check(data: &[u8]) {
    let (fd, segment) = Segment::create(&SMALLEST).expect("segment");
    let owner = Scoreboard::of(&segment).enlist(0, 1, 0).expect("slot");
    let cache = Cache::of(&segment, owner).expect("cache");
    let tag = TagRef::new(b"tag");
    let put = |cache: &Cache, key: u8| {
        let entry = NewEntry { value: &value(key), tags: &[tag], snapshot: cache.snapshot(), lifetime: LONG };
        cache.insert(&[key], &entry, 0);
    };
    for key in 0..24 {
        put(&cache, key);
    }
    // The input is patches over a sound segment: noise alone would not get past the header.
    let file = File::from(fd);
    for patch in data.chunks_exact(PATCH_BYTES) {
        let (place, bytes) = patch.split_first_chunk::<4>().expect("long enough");
        let at = u64::from(u32::from_le_bytes(*place)) % (segment.bytes() - 8);
        file.write_all_at(bytes, at).expect("write");
    }
    let attached = Segment::attach(&file).ok();
    for segment in std::iter::once(&segment).chain(&attached) {
        let Ok(cache) = Cache::of(segment, owner) else { continue };
        for key in 0..32_u8 {
            let mut out = b"before".to_vec();
            match cache.get(&[key], 0, &mut out) {
                Lookup::Miss(_) => assert_eq!(out, b"before"),
                Lookup::Hit(info) | Lookup::Expired(info) => {
                    assert_eq!(out[6..], value(key));
                    assert!(info.len == out.len() - 6 && cache.is_there(&info.place, 0) || info.age_ms > 0);
                }
            }
            if key % 3 == 0 {
                put(&cache, key);
            } else if key % 7 == 0 {
                cache.remove(&[key]);
            }
        }
        let stats = cache.stats();
        assert!(stats.entries <= stats.capacity_entries && stats.used_bytes <= stats.block_bytes);
        assert!(cache.keys(&[], 1_000, 0).len() as u64 <= stats.capacity_entries);
        let audit = cache.audit();
        assert!(audit.entries <= stats.capacity_entries + 1);
        if let Ok(leases) = Leases::of(segment, owner)
            && let veritable_shm::Flight::Follow { expires_in_ms } = leases.lease(b"k", 1_000, 5_000)
        {
            assert!(expires_in_ms <= LEASE_MS_MAX + 32);
        }
        if let Verdict::RetryAfter { ms } =
            Limits::of(segment).check(b"k", Rate { burst: 3, interval_ms: 100 }, 5_000)
        {
            assert!(ms <= 300);
        }
        if let Ok(sessions) = Sessions::of(segment, owner) {
            let snapshot = Tags::of(segment).snapshot();
            let session = NewSession { value: b"mine", tag, snapshot, expires_ms: 9_000 };
            sessions.put(&[1; 32], &session, 0);
            assert!(sessions.get(&[1; 32], 0).is_none_or(|value| value == b"mine"));
        }
        Tags::of(segment).invalidate(&[tag]);
        cache.clear();
        assert_eq!(cache.audit().wrong_shards, 0, "a cleared cache is whole");
    }
}
