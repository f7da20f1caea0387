//! What members report, and what moderators make of it.

use rusqlite::params;
use veritable_domain::ids::{PostId, TopicId, UserId};
use veritable_domain::permission::{Deed, Denial};
use veritable_domain::report::{Reason, Verdict};
use veritable_domain::tag::Tag;
use veritable_domain::text::Comment;
use veritable_writer_api::message::{By, Outcome};

use super::super::{Failure, Transaction, allowed, no_such};
use super::deletion::keep_away;
use super::post_found;

pub(super) fn report(
    tx: &mut Transaction<'_>,
    by: &By,
    post: PostId,
    reason: Reason,
    note: &Comment,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = post_found(tx, post)?.filter(|found| !found.deleted).ok_or_else(|| no_such("post"))?;
    allowed(actor, Deed::Report { access: found.access }, "post")?;
    let reporter = actor.user.ok_or(Denial::LoginRequired)?;
    tx.run(
        "INSERT INTO reports (post_id, category_id, reporter_id, reason, note, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (post_id, reporter_id) WHERE handled_at IS NULL
         DO UPDATE SET reason = excluded.reason, note = excluded.note",
        params![post.0, found.category.0, reporter.0, reason.name(), note.as_str(), tx.now.0],
    )?;
    tx.touch([Tag::Reports]);
    Ok(Outcome::Done)
}

pub(super) fn handle(
    tx: &mut Transaction<'_>,
    by: &By,
    post: PostId,
    verdict: Verdict,
) -> Result<Outcome, Failure> {
    let actor = tx.actor(by)?;
    let found = post_found(tx, post)?.ok_or_else(|| no_such("post"))?;
    allowed(actor, Deed::Moderate { access: found.access }, "post")?;
    let user = actor.user.ok_or(Denial::LoginRequired)?;
    if close(tx, user, post, verdict)? == 0 {
        return Err(no_such("open report of this post"));
    }
    let deed = match verdict {
        Verdict::Deleted => "report.delete",
        Verdict::Dismissed => "report.dismiss",
    };
    tx.audit(by, deed, &format!("post:{post}"), &found.title)?;
    if verdict == Verdict::Deleted {
        keep_away(tx, by, actor, post, &found)?;
    }
    Ok(Outcome::Done)
}

/// Ends the open reports of a post; yields how many there were.
pub(super) fn close(
    tx: &mut Transaction<'_>,
    by: UserId,
    post: PostId,
    verdict: Verdict,
) -> rusqlite::Result<usize> {
    let closed = tx.run(
        "UPDATE reports SET handled_at = ?2, handled_by = ?3, verdict = ?4
         WHERE post_id = ?1 AND handled_at IS NULL",
        params![post.0, tx.now.0, by.0, verdict.name()],
    )?;
    if closed > 0 {
        tx.touch([Tag::Reports]);
    }
    Ok(closed)
}

/// Ends the open reports of all posts of a topic that was deleted.
pub(super) fn close_topic(tx: &mut Transaction<'_>, by: UserId, topic: TopicId) -> rusqlite::Result<()> {
    tx.run(
        "UPDATE reports SET handled_at = ?2, handled_by = ?3, verdict = ?4
         WHERE handled_at IS NULL AND post_id IN (SELECT id FROM posts WHERE topic_id = ?1)",
        params![topic.0, tx.now.0, by.0, Verdict::Deleted.name()],
    )?;
    Ok(())
}
