//! A topic's title, whether it is locked or pinned, where it is, and whether it is there.

use http::StatusCode;
use veritable_domain::ids::{CategoryId, TopicId, UserId};
use veritable_domain::permission::{Deed, may};
use veritable_domain::text::TopicTitle;
use veritable_domain::thread::topic_state;
use veritable_writer_api::message::{Command, Forum, Outcome, Refusal};

use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::{FAULTY, Faults};
use crate::handlers::changes::unexpected;
use crate::handlers::writing::{fault, hide, topic_of};
use crate::handlers::{invalid, number};
use crate::reads::forum::{self, topic_path};
use crate::routes::{Asker, Cost, Fields, Pending, Submission, Visit};
use crate::views::{ConfirmPage, Page, TopicEditPage, render};

fn id(params: Option<&String>) -> Result<i64, Error> {
    number("id", params.map_or("", String::as_str))
}

/// Whether somebody keeps order in a topic.
fn keeps(asker: &Asker, topic: &forum::Topic) -> bool {
    may(asker.actor, Deed::Moderate { access: topic.access }).is_ok()
}

pub(crate) fn edit_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let topic = editable(app, &visit.asker, visit.params.get("id")).await?;
        let title = topic.title.clone();
        show(app, &visit.asker, topic, title, Faults::new()).await
    })
}

/// The topic of an address, if whoever asks may change anything of it.
async fn editable(app: &App, asker: &Asker, id_text: Option<&String>) -> Result<forum::Topic, Error> {
    let topic = topic_of(app, asker, id(id_text)?).await?;
    let author = Some(UserId(topic.author_id));
    let deed = Deed::EditPost { access: topic.access, author, topic_locked: topic.locked };
    may(asker.actor, deed).map_err(|denial| hide(denial, "topic"))?;
    Ok(topic)
}

async fn show(
    app: &App,
    asker: &Asker,
    topic: forum::Topic,
    title: String,
    faults: Faults,
) -> Result<Answer, Error> {
    let (keeps, is_faulty) = (keeps(asker, &topic), !faults.is_empty());
    let (actor, from) = (asker.actor, topic.access);
    let mut categories = Vec::new();
    if keeps {
        let read = move |db: &rusqlite::Connection| Ok(forum::categories(db, actor.groups)?);
        categories = app.run(Cost::Point, read).await?;
        let here = topic.category_id;
        let fits = |to: &forum::Category| may(actor, Deed::MoveTopic { from, to: to.access }).is_ok();
        categories.retain(|category| category.id == here || fits(category));
    }
    let page = Page::own(app, asker, &format!("Edit the topic: {}", topic.title)).await?;
    let page = page.under(&topic.category, topic.category_path()).under(&topic.title, topic.path());
    let base = topic_state(&topic.title, CategoryId(topic.category_id), topic.locked, topic.pinned);
    let shown = TopicEditPage { page, topic, base, title, categories, keeps, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

/// A mark that a form sets, if the form has it.
fn mark(fields: &Fields, name: &'static str) -> Result<Option<bool>, Error> {
    match fields.get(name) {
        "" => Ok(None),
        "0" => Ok(Some(false)),
        "1" => Ok(Some(true)),
        _ => Err(invalid(name, "must be 0 or 1")),
    }
}

/// Changes what the form has: all of a topic, or one mark by a button on its page.
pub(crate) fn edit<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let topic = editable(app, &sent.asker, sent.params.get("id")).await?;
        let fields = &sent.fields;
        let title = match fields.has("title").then(|| TopicTitle::new(fields.get("title"))) {
            None => None,
            Some(Ok(title)) => Some(title),
            Some(Err(error)) => {
                let (typed, faults) = (fields.get("title").to_owned(), [("title", fault(&error))]);
                return show(app, &sent.asker, topic, typed, Faults::from(faults)).await;
            }
        };
        let category = match fields.get("category") {
            "" => None,
            text => Some(CategoryId(number("category", text)?)),
        };
        let (locked, pinned) = (mark(fields, "locked")?, mark(fields, "pinned")?);
        let typed = title.as_ref().map_or_else(|| topic.title.clone(), |title| title.as_str().to_owned());
        // A button on the topic's page sets one mark, whatever the rest is by now.
        let base = Some(fields.line("base")?).filter(|base| !base.is_empty()).map(str::to_owned);
        let change = Forum::ChangeTopic { topic: TopicId(topic.id), title, locked, pinned, category, base };
        match app.send(Command::forum(sent.asker.by(), change), &sent.key).await {
            Ok(Outcome::TopicChanged { slug }) => Ok(Answer::see_other(topic_path(&slug, topic.id))),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::Refused(Refusal::Conflict { .. })) => {
                let text = "Somebody changed this topic meanwhile. Here it is as it is now, with your title; saving it \
                            again makes it so.";
                let topic = editable(app, &sent.asker, sent.params.get("id")).await?;
                let page =
                    show(app, &sent.asker, topic, typed, Faults::from([("title", text.to_owned())])).await?;
                Ok(page.with_status(StatusCode::CONFLICT))
            }
            Err(error) => Err(error),
        }
    })
}

pub(crate) fn delete_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let topic = topic_of(app, &visit.asker, id(visit.params.get("id"))?).await?;
        may(visit.asker.actor, Deed::Moderate { access: topic.access })
            .map_err(|denial| hide(denial, "topic"))?;
        let page = Page::own(app, &visit.asker, "Delete this topic?").await?;
        let page = page.under(&topic.category, topic.category_path()).under(&topic.title, topic.path());
        let posts = crate::views::count(&topic.post_count, "post", "posts");
        let text = format!(
            "“{}” is taken out of sight with its {posts}. Those who keep order in {} still see it, and can restore it.",
            topic.title, topic.category
        );
        let action = format!("/topics/{}/delete", topic.id);
        let shown = ConfirmPage { page, text, action, button: "Delete it", back: topic.path(), post: None };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

pub(crate) fn delete<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move { there(app, &sent, |topic| Forum::DeleteTopic { topic }).await })
}

pub(crate) fn restore<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move { there(app, &sent, |topic| Forum::RestoreTopic { topic }).await })
}

/// Takes a topic out of sight or brings it back, and shows it to those who see it.
async fn there(app: &App, sent: &Submission, what: impl FnOnce(TopicId) -> Forum) -> Result<Answer, Error> {
    let id = id(sent.params.get("id"))?;
    let groups = sent.asker.actor.groups;
    let read = move |db: &rusqlite::Connection| {
        Ok(forum::topic(db, groups, id)?.or(forum::deleted_topic(db, groups, id)?))
    };
    // Before the change: a read that fails after it would look as if it had not been made.
    let topic = app.run(Cost::Point, read).await?;
    // Who does not see it may not either: the writer says so.
    app.send(Command::forum(sent.asker.by(), what(TopicId(id))), &sent.key).await?;
    Ok(Answer::see_other(topic.map_or_else(|| "/latest".to_owned(), |topic| topic.path())))
}
