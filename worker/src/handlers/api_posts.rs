//! Keeping order over the API: topics changed, deleted and restored; posts deleted, restored and reported; reports
//! handled.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use veritable_domain::account::Scope;
use veritable_domain::ids::{CategoryId, PostId, TopicId};
use veritable_domain::report::{Reason, Verdict};
use veritable_domain::text::{Comment, TopicTitle};
use veritable_writer_api::message::{Command, Forum, Outcome};

use super::changes::{body, done, id, unexpected};
use super::writing::{post_of, topic_of};
use crate::answer::{Answer, ContentType};
use crate::app::App;
use crate::error::Error;
use crate::reads::forum::topic_path;
use crate::routes::{Change, Pending};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicChange {
    title: Option<String>,
    locked: Option<bool>,
    pinned: Option<bool>,
    category: Option<CategoryId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewReport {
    reason: Reason,
    #[serde(default)]
    note: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judgement {
    verdict: Verdict,
}

/// A token that is not for keeping order changes what its owner wrote, and nothing else.
///
/// # Errors
/// It is another's post, or nobody sees one.
pub(crate) async fn own_or_moderate(app: &App, change: &Change, post: PostId) -> Result<(), Error> {
    if change.asker.within(Scope::Moderate).is_ok() {
        return Ok(());
    }
    let (post, _) = post_of(app, &change.asker, post.0).await?;
    if change.asker.user()?.0 == post.author_id { Ok(()) } else { change.asker.within(Scope::Moderate) }
}

fn nothing_to_tell() -> Answer {
    Answer::new(StatusCode::NO_CONTENT, ContentType::Json, "")
}

/// `PATCH /api/topics/{id}`
pub(crate) fn change_topic<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: TopicChange = body(&change)?;
        let topic = id(&change)?;
        let TopicChange { title, locked, pinned, category } = asked;
        let keeps_order = locked.is_some() || pinned.is_some() || category.is_some();
        if keeps_order || change.asker.user()?.0 != topic_of(app, &change.asker, topic).await?.author_id {
            change.asker.within(Scope::Moderate)?;
        }
        let title = title.map(|title| TopicTitle::new(&title)).transpose()?;
        let command =
            Forum::ChangeTopic { topic: TopicId(topic), title, locked, pinned, category, base: None };
        match app.send(Command::forum(change.asker.by(), command), &change.key).await? {
            Outcome::TopicChanged { slug } => {
                let path = topic_path(&slug, topic);
                let value = json!({"topic": {"id": topic, "slug": slug}, "path": path});
                Ok(done(StatusCode::OK, Some(path), &value))
            }
            other => Err(unexpected(&other)),
        }
    })
}

async fn simple(app: &App, change: &Change, command: Forum) -> Result<Answer, Error> {
    app.send(Command::forum(change.asker.by(), command), &change.key).await?;
    Ok(nothing_to_tell())
}

/// `DELETE /api/topics/{id}`
pub(crate) fn delete_topic<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let topic = TopicId(id(&change)?);
        simple(app, &change, Forum::DeleteTopic { topic }).await
    })
}

/// `POST /api/topics/{id}/restore`
pub(crate) fn restore_topic<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let topic = TopicId(id(&change)?);
        simple(app, &change, Forum::RestoreTopic { topic }).await
    })
}

/// `DELETE /api/posts/{id}`
pub(crate) fn delete_post<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let post = PostId(id(&change)?);
        own_or_moderate(app, &change, post).await?;
        simple(app, &change, Forum::DeletePost { post }).await
    })
}

/// `POST /api/posts/{id}/restore`
pub(crate) fn restore_post<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let post = PostId(id(&change)?);
        own_or_moderate(app, &change, post).await?;
        simple(app, &change, Forum::RestorePost { post }).await
    })
}

/// `POST /api/posts/{id}/reports`
pub(crate) fn report<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let NewReport { reason, note } = body(&change)?;
        let (post, note) = (PostId(id(&change)?), Comment::new(&note)?);
        simple(app, &change, Forum::ReportPost { post, reason, note }).await
    })
}

/// `POST /api/moderation/posts/{id}`
pub(crate) fn handle_reports<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let Judgement { verdict } = body(&change)?;
        let post = PostId(id(&change)?);
        simple(app, &change, Forum::HandleReports { post, verdict }).await
    })
}
