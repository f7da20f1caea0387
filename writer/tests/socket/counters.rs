//! Every stored count equals a recount, after any sequence of commands.

use rusqlite::Connection;
use veritable_domain::ids::{PageId, PostId, RevisionId, TopicId};
use veritable_writer_api::message::Outcome;

use super::harness::{Community, Writer, category, column, content, create_topic, edit_post, reply_to};
use super::search::assert_in_step;
use super::wiki::edit;

/// Each query yields the ids of rows whose stored counts are wrong.
const WRONG: &[(&str, &str)] = &[
    (
        "topics",
        "SELECT t.id FROM topics t WHERE
            t.post_count   <> (SELECT count(*) FROM posts p WHERE p.topic_id = t.id AND p.deleted_at IS NULL)
         OR t.last_number  <> (SELECT max(number) FROM posts p WHERE p.topic_id = t.id)
         OR t.last_post_at <> (SELECT max(created_at) FROM posts p WHERE p.topic_id = t.id)
         OR t.like_count   <> (SELECT sum(like_count) FROM posts p WHERE p.topic_id = t.id)
         OR NOT EXISTS (SELECT 1 FROM posts p WHERE p.topic_id = t.id AND p.author_id = t.last_author_id
                                                AND p.created_at = t.last_post_at)",
    ),
    (
        "users",
        "SELECT u.id FROM users u WHERE
            u.post_count <> (SELECT count(*) FROM posts p WHERE p.author_id = u.id)
         OR u.edit_count <> (SELECT count(*) FROM revisions r WHERE r.author_id = u.id)",
    ),
    (
        "categories",
        "SELECT c.id FROM categories c WHERE
            c.topic_count <> (SELECT count(*) FROM topics t WHERE t.category_id = c.id)
         OR c.post_count  <> (SELECT count(*) FROM posts p WHERE p.category_id = c.id)",
    ),
    (
        "posts",
        "SELECT p.id FROM posts p JOIN topics t ON t.id = p.topic_id WHERE
            p.reply_count <> (SELECT count(*) FROM posts r WHERE r.parent_id = p.id)
         OR p.category_id <> t.category_id",
    ),
    (
        "pages",
        "SELECT id FROM pages WHERE revision_id NOT IN (SELECT id FROM revisions WHERE page_id = pages.id)",
    ),
];

pub(crate) fn assert_counts(db: &Connection) {
    for (table, sql) in WRONG {
        assert_eq!(column::<i64>(db, sql), Vec::<i64>::new(), "{table} with wrong counts");
    }
    assert_eq!(column::<String>(db, "SELECT \"table\" FROM pragma_foreign_key_check"), Vec::<String>::new());
}

/// Marsaglia's xorshift: the same sequence in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> Option<T> {
        (!of.is_empty()).then(|| of[self.below(of.len())])
    }
}

#[test]
fn counts_survive_any_sequence() {
    for seed in [0x9E37_79B9_7F4A_7C15, 0x2545_F491_4F6C_DD1D, 7] {
        random_sequence(&mut Dice(seed));
    }
}

fn random_sequence(dice: &mut Dice) {
    let writer = Writer::start();
    let client = &mut writer.client();
    let here = Community::found(client);
    let actors = [here.administrator, here.moderator, here.member, here.other];
    let categories = [here.category, category(client, "Second")];
    let mut topics: Vec<(TopicId, PostId)> = Vec::new();
    let mut posts: Vec<(TopicId, PostId, u32)> = Vec::new();
    let mut pages: Vec<(usize, PageId, RevisionId)> = Vec::new();
    let (mut done, mut refused) = (0, 0);
    for step in 0..300 {
        let actor = actors[dice.below(actors.len())];
        let words = format!("step {step}");
        let mut page = 0;
        let mut edited = None;
        let command = match dice.below(8) {
            0 => create_topic(actor, categories[dice.below(2)], &words, &words),
            1..=3 => match (dice.one(&topics), dice.one(&posts)) {
                (Some((topic, _)), None) => reply_to(actor, topic, None, &words),
                // Half of the parents are of another topic, and refused.
                (Some((topic, _)), Some((_, post, _))) if dice.below(2) == 0 => {
                    reply_to(actor, topic, Some(post), &words)
                }
                (_, Some((topic, post, _))) => reply_to(actor, topic, Some(post), &words),
                (None, None) => continue,
            },
            4 | 5 => match dice.below(posts.len().max(1)) {
                at if at < posts.len() => {
                    edited = Some(at);
                    // Some bases are stale, and refused.
                    edit_post(actor, posts[at].1, posts[at].2 - u32::from(dice.below(4) == 0), &words)
                }
                _ => continue,
            },
            _ => {
                page = dice.below(5);
                let base =
                    pages.iter().rev().find(|(title, ..)| *title == page).map(|(.., revision)| *revision);
                edit(actor, &format!("Page {page}"), base.filter(|_| dice.below(4) > 0), content(&words))
            }
        };
        match client.call(command) {
            Ok(outcome) => {
                done += 1;
                match outcome {
                    Outcome::TopicCreated { topic, post, .. } => {
                        topics.push((topic, post));
                        posts.push((topic, post, 1));
                    }
                    Outcome::PostCreated { topic, post, .. } => posts.push((topic, post, 1)),
                    Outcome::PostEdited { version } => posts[edited.unwrap()].2 = version,
                    Outcome::PageSaved { page: id, revision, .. } => pages.push((page, id, revision)),
                    other => panic!("{other:?}"),
                }
            }
            Err(_) => refused += 1,
        }
    }
    assert!(done > 100 && refused > 10, "{done} done, {refused} refused: the sequence tells little");
    let db = writer.forums();
    assert_counts(&db);
    assert_in_step(&db);
}
