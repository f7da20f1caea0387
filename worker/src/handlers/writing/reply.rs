//! Answering a topic, or a post of it.

use veritable_domain::content::Format;
use veritable_domain::draft::{Draft, Place};
use veritable_domain::ids::{PostId, TopicId};
use veritable_domain::permission::{Deed, may};
use veritable_writer_api::message::{Command, Forum, Outcome};

use super::quote::quoted;
use super::{Button, SAVED, blank, hide, keep, post_address, preview, said, show, text, topic_of};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::Faults;
use crate::handlers::changes::unexpected;
use crate::handlers::{afterwards, drafts, missing, number};
use crate::reads::{forum, posts};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{ComposePage, Page};

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let topic = topic(app, &visit.asker, visit.params.get("topic")).await?;
        let draft = drafts::find(app, visit.asker.user()?, &place(&topic)).await?;
        let (is_draft, mut draft) = (draft.is_some(), draft.unwrap_or_default());
        let asked = visit.query.get("to").filter(|number| !number.is_empty());
        let to = match asked {
            Some(text) => Some(number("to", text)?),
            None => draft.parent,
        };
        let answered = match answered(app, &topic, to).await {
            // What a draft answered may be gone since; then it answers the topic.
            Err(Error::NotFound { .. }) if asked.is_none() => None,
            found => found?,
        };
        if visit.query.contains_key("quote")
            && let Some(post) = &answered
        {
            let id = post.id;
            let version = app.run(Cost::Point, move |db| Ok(posts::version(db, id)?)).await?;
            let said = version.map(|version| quoted(post, &topic, &version)).unwrap_or_default();
            // A draft that quotes it already is not made longer by coming again.
            if !draft.body.contains(said.trim_end()) {
                draft.body = joined(&draft.body, &said);
            }
        }
        let form = form(app, &visit.asker, &topic, answered, draft.body).await?;
        show(&ComposePage { is_draft, said: said(visit.query.get(SAVED)), ..form })
    })
}

pub(crate) fn submit<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let topic = topic(app, &sent.asker, sent.params.get("topic")).await?;
        let to = match sent.fields.get("to") {
            "" => None,
            text => Some(number("to", text)?),
        };
        let answered = answered(app, &topic, to).await?;
        let body = sent.fields.get("body").to_owned();
        let (is_fresh, mut faults) = (sent.fields.has("fresh"), Faults::new());
        // What the topic's own page does not show is neither replaced nor ended by what is written there.
        let before = match drafts::find(app, sent.asker.user()?, &place(&topic)).await? {
            Some(draft) if is_fresh && !body.contains(draft.body.trim()) => Some(draft),
            _ => None,
        };
        match Button::of(&sent.fields) {
            Button::Draft => {
                let body = before.map_or_else(|| body.clone(), |draft| joined(&draft.body, &body));
                // The title names it among other drafts.
                let draft = Draft { title: topic.title.clone(), body, parent: to, ..Draft::default() };
                keep(app, &sent.asker, place(&topic), &draft).await?;
                return Ok(Answer::see_other(format!("/reply/{}?{SAVED}=1", topic.id)));
            }
            Button::Preview => {
                let html = preview(app, Format::Markdown, &body).await?;
                let form = form(app, &sent.asker, &topic, answered, body).await?;
                return show(&ComposePage { preview: Some(html), is_fresh, ..form });
            }
            Button::Send => {}
        }
        let Some(content) = text(app, Format::Markdown, &body, &mut faults).await? else {
            let form = form(app, &sent.asker, &topic, answered, body).await?;
            return show(&ComposePage { faults, is_fresh, ..form });
        };
        let parent = answered.map(|post| PostId(post.id));
        let reply = Forum::Reply { topic: TopicId(topic.id), parent, content };
        match app.send(Command::forum(sent.asker.by(), reply), &sent.key).await? {
            Outcome::PostCreated { number, .. } => {
                if let Some(draft) = before {
                    afterwards(keep(app, &sent.asker, place(&topic), &draft).await);
                }
                Ok(Answer::see_other(post_address(&topic, number.into())))
            }
            other => Err(unexpected(&other)),
        }
    })
}

fn place(topic: &forum::Topic) -> Place {
    Place::Reply(TopicId(topic.id))
}

/// One text below another.
fn joined(above: &str, below: &str) -> String {
    if above.trim().is_empty() { below.to_owned() } else { format!("{}\n\n{below}", above.trim_end()) }
}

/// The topic of an address, if whoever asks may answer in it.
async fn topic(app: &App, asker: &Asker, id: Option<&String>) -> Result<forum::Topic, Error> {
    let topic = topic_of(app, asker, number("topic", id.map_or("", String::as_str))?).await?;
    let (access, topic_locked) = (topic.access, topic.locked);
    may(asker.actor, Deed::Reply { access, topic_locked }).map_err(|denial| hide(denial, "topic"))?;
    Ok(topic)
}

/// The post of a topic that is answered.
async fn answered(app: &App, topic: &forum::Topic, to: Option<i64>) -> Result<Option<posts::Post>, Error> {
    let (Some(number), topic) = (to, topic.id) else { return Ok(None) };
    // Even for those who see it: what was deleted is not answered.
    let read = move |db: &rusqlite::Connection| Ok(posts::post_by_number(db, (topic, false), number)?);
    let found = app.run(Cost::Point, read).await?.filter(|post| !post.deleted);
    found.ok_or_else(|| missing("post")).map(Some)
}

async fn form<'a>(
    app: &'a App,
    asker: &Asker,
    topic: &forum::Topic,
    answered: Option<posts::Post>,
    body: String,
) -> Result<ComposePage<'a>, Error> {
    let page = Page::own(app, asker, &format!("Reply: {}", topic.title)).await?;
    let page = page.under(&topic.category, topic.category_path()).under(&topic.title, topic.path());
    let heading = match &answered {
        Some(post) => format!("Reply to #{}", post.number),
        None => "Reply".to_owned(),
    };
    let answered = answered.map(|post| (post, topic.path()));
    let blank = blank(page, format!("/reply/{}", topic.id), place(topic), "Send the reply");
    Ok(ComposePage { heading, answered, body, ..blank })
}
