//! Opening a topic.

use veritable_domain::content::Format;
use veritable_domain::draft::{Draft, Place};
use veritable_domain::ids::CategoryId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::text::TopicTitle;
use veritable_writer_api::message::{Command, Forum, Outcome};

use super::{Button, SAVED, blank, fault, hide, keep, preview, said, show, text};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::Faults;
use crate::handlers::changes::unexpected;
use crate::handlers::{drafts, missing, number};
use crate::reads::forum::{self, topic_path};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{ComposePage, Page, WhereToWritePage, render};

/// Where a topic may be opened; the only place there is, at once.
pub(crate) fn categories<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let actor = visit.asker.actor;
        let read = move |db: &rusqlite::Connection| Ok(forum::categories(db, actor.groups)?);
        let mut categories = app.run(Cost::Point, read).await?;
        categories.retain(|category| {
            let (access, category_locked) = (category.access, category.locked);
            may(actor, Deed::CreateTopic { access, category_locked }).is_ok()
        });
        if let [only] = categories.as_slice() {
            return Ok(Answer::see_other(format!("/new-topic/{}", only.id)));
        }
        let page = Page::own(app, &visit.asker, "New topic").await?;
        Ok(Answer::html(render(&WhereToWritePage { page, categories })?, Vec::new()))
    })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let category = category(app, &visit.asker, visit.params.get("category")).await?;
        let draft = drafts::find(app, visit.asker.user()?, &place(&category)).await?;
        let (is_draft, draft) = (draft.is_some(), draft.unwrap_or_default());
        let form = form(app, &visit.asker, &category, (draft.title, draft.body)).await?;
        show(&ComposePage { is_draft, said: said(visit.query.get(SAVED)), ..form })
    })
}

pub(crate) fn submit<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let category = category(app, &sent.asker, sent.params.get("category")).await?;
        let (title, body) = (sent.fields.get("title").to_owned(), sent.fields.get("body").to_owned());
        let mut faults = Faults::new();
        match Button::of(&sent.fields) {
            Button::Draft => {
                let draft = Draft { title, body, ..Draft::default() };
                keep(app, &sent.asker, place(&category), &draft).await?;
                return Ok(Answer::see_other(format!("/new-topic/{}?{SAVED}=1", category.id)));
            }
            Button::Preview => {
                let html = preview(app, Format::Markdown, &body).await?;
                let form = form(app, &sent.asker, &category, (title, body)).await?;
                return show(&ComposePage { preview: Some(html), ..form });
            }
            Button::Send => {}
        }
        let checked = TopicTitle::new(&title).map_err(|error| faults.insert("title", fault(&error))).ok();
        let content = text(app, Format::Markdown, &body, &mut faults).await?;
        let (Some(title), Some(content)) = (checked, content) else {
            let form = form(app, &sent.asker, &category, (title, body)).await?;
            return show(&ComposePage { faults, ..form });
        };
        let create = Forum::CreateTopic { category: CategoryId(category.id), title, content };
        match app.send(Command::forum(sent.asker.by(), create), &sent.key).await? {
            Outcome::TopicCreated { topic, slug, .. } => Ok(Answer::see_other(topic_path(&slug, topic.0))),
            other => Err(unexpected(&other)),
        }
    })
}

fn place(category: &forum::Category) -> Place {
    Place::Topic(CategoryId(category.id))
}

/// The category of an address, if whoever asks may open topics there.
async fn category(app: &App, asker: &Asker, id: Option<&String>) -> Result<forum::Category, Error> {
    let id = number("category", id.map_or("", String::as_str))?;
    let groups = asker.actor.groups;
    let found = app.run(Cost::Point, move |db| Ok(forum::category(db, groups, id)?)).await?;
    let category = found.ok_or_else(|| missing("category"))?;
    let (access, category_locked) = (category.access, category.locked);
    may(asker.actor, Deed::CreateTopic { access, category_locked })
        .map_err(|denial| hide(denial, "category"))?;
    Ok(category)
}

async fn form<'a>(
    app: &'a App,
    asker: &Asker,
    category: &forum::Category,
    (title, body): (String, String),
) -> Result<ComposePage<'a>, Error> {
    let page = Page::own(app, asker, &format!("New topic in {}", category.name)).await?;
    let page = page.under(&category.name, category.path());
    let action = format!("/new-topic/{}", category.id);
    Ok(ComposePage { title: Some(title), body, ..blank(page, action, place(category), "Open the topic") })
}
