//! Every stored count equals a recount, after any sequence of commands.

use rusqlite::Connection;
use veritable_domain::ids::{CategoryId, PageId, PostId, RevisionId, TopicId, UserId};
use veritable_domain::report::{Reason, Verdict};
use veritable_writer_api::message::{By, Command, Forum, Outcome};

use super::harness::{
    Community, Writer, category, column, comment, content, create_topic, edit_post, reply_to, title,
};
use super::search::assert_in_step;
use super::wiki::edit;

/// Each query yields the ids of rows whose stored counts are wrong.
const WRONG: &[(&str, &str)] = &[
    (
        "topics",
        "SELECT t.id FROM topics t WHERE
            t.post_count   <> (SELECT count(*) FROM posts p WHERE p.topic_id = t.id AND p.deleted_at IS NULL)
         OR t.last_number  <> (SELECT max(number) FROM posts p WHERE p.topic_id = t.id)
         OR t.last_post_at <> (SELECT coalesce(max(created_at), t.created_at) FROM posts p
                               WHERE p.topic_id = t.id AND p.deleted_at IS NULL)
         OR t.like_count   <> (SELECT coalesce(sum(like_count), 0) FROM posts p
                               WHERE p.topic_id = t.id AND p.deleted_at IS NULL)
         OR NOT EXISTS (SELECT 1 FROM posts p WHERE p.topic_id = t.id AND p.author_id = t.last_author_id
                                                AND (p.created_at = t.last_post_at AND p.deleted_at IS NULL
                                                     OR t.post_count = 0 AND p.number = 1))",
    ),
    (
        "users",
        "SELECT u.id FROM users u WHERE
            u.post_count <> (SELECT count(*) FROM posts p JOIN topics t ON t.id = p.topic_id
                             WHERE p.author_id = u.id AND p.deleted_at IS NULL AND t.deleted_at IS NULL)
         OR u.edit_count <> (SELECT count(*) FROM revisions r WHERE r.author_id = u.id)",
    ),
    (
        "categories",
        "SELECT c.id FROM categories c WHERE
            c.topic_count <> (SELECT count(*) FROM topics t WHERE t.category_id = c.id AND t.deleted_at IS NULL)
         OR c.post_count  <> (SELECT count(*) FROM posts p JOIN topics t ON t.id = p.topic_id
                              WHERE p.category_id = c.id AND p.deleted_at IS NULL AND t.deleted_at IS NULL)",
    ),
    (
        "posts",
        "SELECT p.id FROM posts p JOIN topics t ON t.id = p.topic_id WHERE
            p.reply_count <> (SELECT count(*) FROM posts r WHERE r.parent_id = p.id AND r.deleted_at IS NULL)
         OR p.category_id <> t.category_id",
    ),
    (
        "reports",
        "SELECT r.id FROM reports r JOIN posts p ON p.id = r.post_id WHERE r.category_id <> p.category_id
         OR (r.handled_at IS NULL) <> (r.verdict = '')",
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
    let (mut done, mut refused, mut kept) = (0, 0, 0);
    for step in 0..500 {
        let actor = actors[dice.below(actors.len())];
        let words = format!("step {step}");
        let mut page = 0;
        let mut edited = None;
        let command = match dice.below(12) {
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
            8..=11 => match (dice.one(&topics), dice.one(&posts)) {
                (Some((topic, _)), Some((_, post, _))) => keep_order(dice, actor, topic, post, categories),
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
                    Outcome::Done | Outcome::TopicChanged { .. } => kept += 1,
                    other => panic!("{other:?}"),
                }
            }
            Err(_) => refused += 1,
        }
    }
    let told =
        format!("{done} done, {kept} of them to keep order, {refused} refused: the sequence tells little");
    assert!(done > 200 && kept > 50 && refused > 10, "{told}");
    let db = writer.forums();
    assert_counts(&db);
    assert_in_step(&db);
}

/// Something that changes what is counted, or where.
fn keep_order(
    dice: &mut Dice,
    by: UserId,
    topic: TopicId,
    post: PostId,
    categories: [CategoryId; 2],
) -> Command {
    let (category, number) = (Some(categories[dice.below(2)]), dice.below(100));
    let (title, pinned) = (title(&format!("Title {number}")), Some(number < 50));
    let change = match dice.below(9) {
        0 => Forum::DeleteTopic { topic },
        1 | 2 => Forum::RestoreTopic { topic },
        3 => Forum::DeletePost { post },
        4 => Forum::RestorePost { post },
        5 => Forum::ReportPost { post, reason: Reason::Spam, note: comment("") },
        6 => {
            let verdict = if number < 50 { Verdict::Deleted } else { Verdict::Dismissed };
            Forum::HandleReports { post, verdict }
        }
        7 => Forum::ChangeTopic {
            topic,
            title: Some(title),
            locked: None,
            pinned: None,
            category: None,
            base: None,
        },
        _ => Forum::ChangeTopic { topic, title: None, locked: None, pinned, category, base: None },
    };
    Command::forum(By::user(by), change)
}
