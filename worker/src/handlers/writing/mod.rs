//! Forms in which people write for the forum: what they are shown with, which button was pressed, and what is kept as a
//! draft. Whatever fails on the way, the text comes back (`http::again`).

pub(crate) mod edit;
pub(crate) mod history;
pub(crate) mod new_topic;
pub(crate) mod quote;
pub(crate) mod reply;

use veritable_domain::content::{Content, Format};
use veritable_domain::draft::{Draft, Place};
use veritable_domain::permission::Denial;
use veritable_domain::text::{Source, TextError};
use veritable_domain::wiki::upper_first;
use veritable_writer_api::message::{Accounts, Command, IdempotencyKey};

use super::accounts::{FAULTY, Faults};
use super::changes::content_as;
use super::{drafts, missing};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::http::write::{DRAFT_FIELD, PREVIEW_FIELD};
use crate::reads::{forum, posts};
use crate::routes::{Asker, ChangeKey, Cost, Fields};
use crate::views::{ComposePage, Page, render};

/// The query parameter of a form's page by which it says that a draft was kept.
pub(crate) const SAVED: &str = "saved";
/// What it then says.
const KEPT: &str = "Your draft is kept here until you send it.";

/// Which button of a form was pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Button {
    Send,
    Preview,
    Draft,
}

impl Button {
    pub(crate) fn of(fields: &Fields) -> Button {
        if fields.has(PREVIEW_FIELD) {
            Button::Preview
        } else if fields.has(DRAFT_FIELD) {
            Button::Draft
        } else {
            Button::Send
        }
    }
}

/// A topic that whoever asks may see.
pub(crate) async fn topic_of(app: &App, asker: &Asker, id: i64) -> Result<forum::Topic, Error> {
    let groups = asker.actor.groups;
    let found = app.run(Cost::Point, move |db| Ok(forum::topic(db, groups, id)?)).await?;
    found.ok_or_else(|| missing("topic"))
}

/// A post that whoever asks may see, deleted or not, with its topic.
pub(crate) async fn post_of(app: &App, asker: &Asker, id: i64) -> Result<(posts::Post, forum::Topic), Error> {
    let groups = asker.actor.groups;
    let read = move |db: &rusqlite::Connection| {
        let Some(post) = posts::post(db, groups, id)? else { return Ok(None) };
        Ok(forum::topic(db, groups, post.topic_id)?.map(|topic| (post, topic)))
    };
    app.run(Cost::Point, read).await?.ok_or_else(|| missing("post"))
}

/// What whoever may not see it is told of: nothing.
pub(crate) fn hide(denial: Denial, what: &'static str) -> Error {
    match denial {
        Denial::Hidden => missing(what),
        denial => denial.into(),
    }
}

/// Where a post is found after it was written: among the others on the topic's only page, or by itself.
pub(crate) fn post_address(topic: &forum::Topic, number: i64) -> String {
    if number <= super::PAGE as i64 {
        format!("{}#p{number}", topic.path())
    } else {
        format!("{}/{number}", topic.path())
    }
}

/// The HTML of what was written so far.
async fn preview(app: &App, format: Format, body: &str) -> Result<String, Error> {
    if body.trim().is_empty() {
        return Ok(String::new());
    }
    Ok(content_as(app, format, Source::new(body)?, None).await?.rendered.html)
}

/// The text of a form as it is to be stored; what is wrong with it goes to `faults`.
async fn text(app: &App, format: Format, body: &str, faults: &mut Faults) -> Result<Option<Content>, Error> {
    match Source::new(body) {
        Ok(source) if faults.is_empty() => Ok(Some(content_as(app, format, source, None).await?)),
        Ok(_) => Ok(None),
        Err(error) => {
            faults.insert("body", fault(&error));
            Ok(None)
        }
    }
}

/// What is said beside a field.
pub(crate) fn fault(error: &TextError) -> String {
    format!("{}.", upper_first(&error.to_string()))
}

/// Keeps a draft; one in which nothing is written ends the one before.
async fn keep(app: &App, asker: &Asker, place: Place, draft: &Draft) -> Result<(), Error> {
    let is_blank =
        draft.body.trim().is_empty() && (draft.title.trim().is_empty() || !matches!(place, Place::Topic(_)));
    // What is kept again is kept again, although the same was kept before.
    let key = ChangeKey::of(IdempotencyKey::fresh());
    if is_blank {
        app.send(Command::accounts(asker.by(), Accounts::DropDraft { place }), &key).await?;
        return Ok(());
    }
    drafts::save(app, asker, place, draft, &key).await
}

/// A form with nothing in it yet.
fn blank<'a>(page: Page<'a>, action: String, place: Place, send: &'static str) -> ComposePage<'a> {
    ComposePage {
        heading: page.title.clone(),
        page,
        action,
        place,
        title: None,
        body: String::new(),
        comment: None,
        base: None,
        answered: None,
        is_fresh: false,
        format: None,
        send,
        preview: None,
        conflict: None,
        is_draft: false,
        said: None,
        faults: Faults::new(),
    }
}

fn show(form: &ComposePage<'_>) -> Result<Answer, Error> {
    let answer = Answer::html(render(form)?, Vec::new());
    Ok(if form.faults.is_empty() { answer } else { answer.with_status(FAULTY) })
}

/// What is said above a form after its draft was kept.
fn said(saved: Option<&String>) -> Option<&'static str> {
    saved.map(|_| KEPT)
}
