//! Sessions come back, end, and survive whoever dies while writing one.

use super::*;
use crate::geometry::Geometry;
use crate::scoreboard::Scoreboard;
use crate::tags::Tags;

struct Bench {
    segment: Segment,
    board: Scoreboard,
    sessions: [Sessions; 2],
}

fn bench() -> Bench {
    let geometry = Geometry { cache_bytes: 8 << 20, session_slots: 64, ..Geometry::default() };
    let (_fd, segment) = Segment::create(&geometry).expect("segment");
    let board = Scoreboard::of(&segment);
    let sessions =
        [0, 1].map(|slot| Sessions::of(&segment, board.enlist(slot, 1, 0).expect("slot")).expect("sessions"));
    Bench { segment, board, sessions }
}

fn digest(number: u64) -> SessionDigest {
    let mut digest = [7; 32];
    digest[..8].copy_from_slice(&number.to_le_bytes());
    digest
}

impl Bench {
    fn put(&self, who: usize, number: u64, value: &[u8], now_ms: u64) -> bool {
        let session = NewSession {
            value,
            tag: TagRef::new(&number.to_le_bytes()),
            snapshot: Tags::of(&self.segment).snapshot(),
            expires_ms: 1_000_000,
        };
        self.sessions[who].put(&digest(number), &session, now_ms)
    }

    fn get(&self, number: u64, now_ms: u64) -> Option<Vec<u8>> {
        self.sessions[1].get(&digest(number), now_ms)
    }
}

#[test]
fn a_session_is_known_everywhere_until_it_ends() {
    let b = bench();
    for len in 0..=SESSION_BYTES_MAX {
        let value = vec![len as u8; len];
        assert!(b.put(0, 1, &value, 5));
        assert_eq!(b.get(1, 10), Some(value));
    }
    assert!(!b.put(0, 1, &[0; SESSION_BYTES_MAX + 1], 5), "too long");
    assert_eq!(b.get(2, 10), None);
    assert_eq!(b.get(1, 1_000_000), None, "over");
    assert!(b.sessions[1].remove(&digest(1)));
    assert_eq!(b.get(1, 10), None, "logged out");
    assert!(b.put(0, 1, b"again", 5));
    Tags::of(&b.segment).invalidate(&[TagRef::new(&1_u64.to_le_bytes())]);
    assert_eq!(b.get(1, 10), None, "the user was changed");
}

#[test]
fn what_was_read_before_a_change_is_not_kept_after_it() {
    let b = bench();
    let tag = TagRef::new(b"user:1");
    let tags = Tags::of(&b.segment);
    let session = NewSession { value: b"old", tag, snapshot: tags.snapshot(), expires_ms: 1_000 };
    tags.invalidate(&[tag]);
    assert!(!b.sessions[0].put(&digest(1), &session, 0));
    assert_eq!(b.get(1, 0), None);
}

#[test]
fn a_full_table_forgets_those_not_asked_for_the_longest() {
    let b = bench();
    for number in 0..1_000 {
        assert!(b.put(0, number, &number.to_le_bytes(), number));
        if number >= 8 {
            // Asked for every time: it stays.
            assert_eq!(b.get(8, number), Some(8_u64.to_le_bytes().to_vec()), "{number}");
        }
    }
    let known = (0..1_000).filter(|&number| b.get(number, 1_000).is_some()).count();
    assert_eq!(known, 64, "every place is used");
}

#[test]
fn a_record_whose_writer_died_is_taken_over() {
    let b = bench();
    assert!(b.put(0, 1, b"whole", 5));
    let area = b.segment.area(Area::Sessions);
    let at =
        (0..area.len()).step_by(SESSION_WORDS).find(|&at| area[at + DIGEST].load(Ordering::Relaxed) == 1);
    let state = &area[at.expect("its place") + STATE];
    // As far as one gets who is killed before the end.
    let owner = b.sessions[0].owner;
    let held = u64::from(owner.slot) << 48 | u64::from(owner.epoch) << 32 | state.load(Ordering::Relaxed) | 1;
    state.store(held, Ordering::Relaxed);
    assert_eq!(b.get(1, 10), None, "half written");
    assert!(!b.sessions[1].remove(&digest(1)), "its writer may still be at it");
    b.board.retire(0).expect("slot");
    assert!(b.put(1, 1, b"anew", 5));
    assert_eq!(b.get(1, 10).as_deref(), Some(&b"anew"[..]));
    assert!(!b.put(0, 2, b"late", 5), "one who was declared dead changes nothing");
}

#[test]
fn noise_is_never_a_session() {
    let b = bench();
    let mut noise = 0x9E37_79B9_7F4A_7C15_u64;
    for round in 0..2_000_u64 {
        assert!(b.put(1, 1, b"mine", 5) || round > 0);
        for word in b.segment.area(Area::Sessions) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            if noise.is_multiple_of(7) {
                word.store(noise, Ordering::Relaxed);
            }
        }
        if let Some(value) = b.get(1, 10) {
            assert_eq!(value, b"mine");
        }
    }
}

#[test]
fn a_session_is_forgotten_though_its_neighbour_is_being_written() {
    let b = bench();
    // One set alone, so that they are neighbours: four places of which one is held by somebody alive.
    let here: Vec<u64> = (0..1_000)
        .filter(|&number| b.sessions[0].set_index(&digest(number)) == b.sessions[0].set_index(&digest(1)))
        .take(4)
        .collect();
    for number in &here {
        assert!(b.put(0, *number, b"value", 5));
    }
    let area = b.segment.area(Area::Sessions);
    let first = b.sessions[0].set_index(&digest(1)) * WAYS * SESSION_WORDS;
    let held = u64::from(b.sessions[0].owner.epoch) << 32 | area[first].load(Ordering::Relaxed) | 1;
    area[first].store(held, Ordering::Relaxed);
    let known: Vec<u64> = here.iter().copied().filter(|&number| b.get(number, 10).is_some()).collect();
    assert_eq!(known.len(), 3);
    for number in known {
        assert!(!b.sessions[1].remove(&digest(number)), "it cannot know what is being written");
        assert_eq!(b.get(number, 10), None, "but what it knows is gone");
    }
}
