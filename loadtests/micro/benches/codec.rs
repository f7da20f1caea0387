//! Sessions: what is known of one to bytes and back, and its record in the segment.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up is to stop")]

use divan::Bencher;
use veritable_domain::account::Session;
use veritable_domain::codec::{decode, encode};
use veritable_domain::ids::{SessionId, UserId};
use veritable_domain::permission::{Groups, Role};
use veritable_domain::time::UnixMillis;
use veritable_micro::segment;
use veritable_shm::{Cache, Geometry, NewSession, Sessions, TagRef, now_ms};

fn main() {
    divan::main();
}

fn session() -> Session {
    Session {
        id: SessionId(7),
        user: UserId(42),
        role: Role::Member,
        groups: Groups::from_bits(1),
        expires_at: UnixMillis(1_900_000_000_000),
        csrf: [7; 16],
    }
}

#[divan::bench]
fn encode_session() -> Vec<u8> {
    encode(divan::black_box(&session())).unwrap()
}

#[divan::bench]
fn decode_session(bencher: Bencher<'_, '_>) {
    let bytes = encode(&session()).unwrap();
    bencher.bench(|| decode::<Session>(divan::black_box(&bytes)).unwrap());
}

fn kept() -> (Sessions, [u8; 32]) {
    let (segment, owner) = segment(&Geometry::default()).unwrap();
    let sessions = Sessions::of(&segment, owner).unwrap();
    put(&sessions, &Cache::of(&segment, owner).unwrap(), &[9; 32]);
    (sessions, [9; 32])
}

fn put(sessions: &Sessions, cache: &Cache, digest: &[u8; 32]) {
    let value = encode(&session()).unwrap();
    let expires_ms = now_ms() + 3_600_000;
    let new =
        NewSession { value: &value, tag: TagRef::new(b"user:42"), snapshot: cache.snapshot(), expires_ms };
    assert!(sessions.put(digest, &new, now_ms()));
}

#[divan::bench(threads = [1, 2])]
fn find_session(bencher: Bencher<'_, '_>) {
    let (sessions, digest) = kept();
    let now = now_ms();
    bencher.bench(|| sessions.get(divan::black_box(&digest), now).unwrap());
}

#[divan::bench]
fn keep_session(bencher: Bencher<'_, '_>) {
    let (segment, owner) = segment(&Geometry::default()).unwrap();
    let (sessions, cache) = (Sessions::of(&segment, owner).unwrap(), Cache::of(&segment, owner).unwrap());
    bencher.bench(|| put(&sessions, &cache, divan::black_box(&[9; 32])));
}
