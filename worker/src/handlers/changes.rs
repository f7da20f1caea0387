//! Changes asked for over the API: read the body, render the text, send the command, tell what came of it.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use veritable_domain::content::{Content, Format};
use veritable_domain::ids::{CategoryId, PostId, TopicId};
use veritable_domain::markup::{self, RenderContext};
use veritable_domain::text::{Comment, Source, TopicTitle};
use veritable_writer_api::message::{Command, Forum, Outcome};

use super::{api_posts, number};
use crate::answer::{Answer, ContentType};
use crate::app::App;
use crate::error::Error;
use crate::reads::forum::topic_path;
use crate::reads::wiki;
use crate::routes::{Change, Cost, Pending};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewTopic {
    title: String,
    body: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewPost {
    body: String,
    parent: Option<PostId>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PostEdit {
    body: String,
    base_version: u32,
    #[serde(default)]
    comment: String,
}

pub(crate) fn body<'b, T: Deserialize<'b>>(change: &'b Change) -> Result<T, Error> {
    serde_json::from_slice(&change.body)
        .map_err(|error| Error::Invalid { where_: "body", why: error.to_string() })
}

pub(crate) fn id(change: &Change) -> Result<i64, Error> {
    number("id", change.params.get("id").map_or("", String::as_str))
}

/// Bytes of a text up to which rendering it takes less than handing it to a thread.
const SHORT: usize = 2_048;

/// Renders a post's text, or with its full title a page's. A long one on the reading pool: a text at its bounds takes
/// a third of a second, which others on the event loop would wait for.
pub(crate) async fn content(app: &App, source: Source, page: Option<String>) -> Result<Content, Error> {
    content_as(app, Format::Markdown, source, page).await
}

/// The same of a text in another format.
pub(crate) async fn content_as(
    app: &App,
    format: Format,
    source: Source,
    page: Option<String>,
) -> Result<Content, Error> {
    let cost = if source.as_str().len() <= SHORT { Cost::Point } else { Cost::Pool };
    app.run(cost, move |db| {
        let namespaces = wiki::namespaces(db)?;
        let context = match &page {
            Some(title) => RenderContext::page(&namespaces, title),
            None => RenderContext::post(&namespaces),
        };
        let rendered = markup::render(format, source.as_str(), &context);
        Ok(Content { format, source, rendered })
    })
    .await
}

pub(crate) fn done(status: StatusCode, location: Option<String>, value: &Value) -> Answer {
    Answer { location, ..Answer::new(status, ContentType::Json, value.to_string()) }
}

pub(crate) fn unexpected(outcome: &Outcome) -> Error {
    Error::Internal(format!("the writer answered another command: {outcome:?}"))
}

pub(crate) fn create_topic<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: NewTopic = body(&change)?;
        let category = CategoryId(id(&change)?);
        let title = TopicTitle::new(&asked.title)?;
        let content = content(app, Source::new(&asked.body)?, None).await?;
        let command = Command::forum(change.asker.by(), Forum::CreateTopic { category, title, content });
        match app.send(command, &change.key).await? {
            Outcome::TopicCreated { topic, slug, post } => {
                let path = topic_path(&slug, topic.0);
                let value = json!({"topic": {"id": topic, "slug": slug}, "post": {"id": post}, "path": path});
                Ok(done(StatusCode::CREATED, Some(path), &value))
            }
            other => Err(unexpected(&other)),
        }
    })
}

pub(crate) fn reply<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: NewPost = body(&change)?;
        let topic = TopicId(id(&change)?);
        let content = content(app, Source::new(&asked.body)?, None).await?;
        let command =
            Command::forum(change.asker.by(), Forum::Reply { topic, parent: asked.parent, content });
        match app.send(command, &change.key).await? {
            Outcome::PostCreated { post, topic, number } => {
                let value = json!({"post": {"id": post, "number": number}, "topic": {"id": topic}});
                Ok(done(StatusCode::CREATED, Some(format!("/api/posts/{post}")), &value))
            }
            other => Err(unexpected(&other)),
        }
    })
}

pub(crate) fn edit_post<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: PostEdit = body(&change)?;
        let post = PostId(id(&change)?);
        api_posts::own_or_moderate(app, &change, post).await?;
        let comment = Comment::new(&asked.comment)?;
        let content = content(app, Source::new(&asked.body)?, None).await?;
        let base_version = asked.base_version;
        let edit = Forum::EditPost { post, base_version, content, comment };
        let command = Command::forum(change.asker.by(), edit);
        match app.send(command, &change.key).await? {
            Outcome::PostEdited { version } => {
                let value = json!({"post": {"id": post, "version": version}});
                Ok(done(StatusCode::OK, Some(format!("/api/posts/{post}")), &value))
            }
            other => Err(unexpected(&other)),
        }
    })
}
