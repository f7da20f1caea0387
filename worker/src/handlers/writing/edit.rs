//! Editing a post. Whoever is late is shown what somebody else made of it meanwhile, and goes on with both.

use http::StatusCode;
use veritable_domain::content::Format;
use veritable_domain::draft::{Draft, Place};
use veritable_domain::ids::PostId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::text::Comment;
use veritable_writer_api::message::{Command, Forum, Outcome, Refusal};

use super::{Button, SAVED, blank, fault, hide, keep, post_address, post_of, preview, said, show, text};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::Faults;
use crate::handlers::changes::unexpected;
use crate::handlers::wiki::revisions::{MAX_DIFF_BYTES, lines};
use crate::handlers::{drafts, invalid, missing, number};
use crate::reads::{forum, posts};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{ComposePage, Conflict, Page, render};

/// What is edited.
struct Edited {
    post: posts::Post,
    topic: forum::Topic,
    current: posts::Version,
}

impl Edited {
    fn place(&self) -> Place {
        Place::Post(PostId(self.post.id))
    }

    /// A post stays in the format that it came in.
    fn format(&self) -> Format {
        match Format::from_name(&self.current.format) {
            Format::Plain => Format::Markdown,
            format => format,
        }
    }
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let edited = edited(app, &visit.asker, visit.params.get("id")).await?;
        let draft = drafts::find(app, visit.asker.user()?, &edited.place()).await?;
        let is_draft = draft.is_some();
        let (body, comment, base) = match draft {
            Some(draft) => (draft.body, draft.comment, draft.base.unwrap_or(edited.current.version)),
            None => (edited.current.source.clone(), String::new(), edited.current.version),
        };
        let form = form(app, &visit.asker, &edited, (body, comment, base)).await?;
        show(&ComposePage { is_draft, said: said(visit.query.get(SAVED)), ..form })
    })
}

pub(crate) fn submit<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let edited = edited(app, &sent.asker, sent.params.get("id")).await?;
        let base = number("base", sent.fields.get("base"))?;
        let (body, comment) = (sent.fields.get("body").to_owned(), sent.fields.get("comment").to_owned());
        let mut faults = Faults::new();
        match Button::of(&sent.fields) {
            Button::Draft => {
                let title = edited.topic.title.clone();
                let draft = Draft { title, body, comment, base: Some(base), ..Draft::default() };
                keep(app, &sent.asker, edited.place(), &draft).await?;
                return Ok(Answer::see_other(format!("/posts/{}/edit?{SAVED}=1", edited.post.id)));
            }
            Button::Preview => {
                let html = preview(app, edited.format(), &body).await?;
                let form = form(app, &sent.asker, &edited, (body, comment, base)).await?;
                return show(&ComposePage { preview: Some(html), ..form });
            }
            Button::Send => {}
        }
        let checked = Comment::new(&comment).map_err(|error| faults.insert("comment", fault(&error))).ok();
        let content = text(app, edited.format(), &body, &mut faults).await?;
        let (Some(said_of_it), Some(content)) = (checked, content) else {
            let form = form(app, &sent.asker, &edited, (body, comment, base)).await?;
            return show(&ComposePage { faults, ..form });
        };
        let base_version = u32::try_from(base).map_err(|_| invalid("base", "is no version of this post"))?;
        let post = PostId(edited.post.id);
        let edit = Forum::EditPost { post, base_version, content, comment: said_of_it };
        match app.send(Command::forum(sent.asker.by(), edit), &sent.key).await {
            Ok(Outcome::PostEdited { .. }) => {
                Ok(Answer::see_other(post_address(&edited.topic, edited.post.number)))
            }
            Ok(other) => Err(unexpected(&other)),
            Err(Error::Refused(Refusal::Conflict { .. })) => {
                conflict(app, &sent.asker, post, body, comment).await
            }
            Err(error) => Err(error),
        }
    })
}

/// Shows both texts. What is sent next takes the place of the other.
async fn conflict(
    app: &App,
    asker: &Asker,
    post: PostId,
    body: String,
    comment: String,
) -> Result<Answer, Error> {
    let edited = edited(app, asker, Some(&post.to_string())).await?;
    let current = edited.current.source.clone();
    let version = edited.current.version;
    let theirs = current.clone();
    // A form's line ends are not those of what is stored.
    let mine = body.replace("\r\n", "\n");
    let lines = if theirs.len() + mine.len() > MAX_DIFF_BYTES {
        None
    } else {
        Some(app.run(Cost::Pool, move |_| Ok(lines(&theirs, &mine))).await?)
    };
    let form = form(app, asker, &edited, (body, comment, version)).await?;
    let form = ComposePage { conflict: Some(Conflict { current, version, lines }), ..form };
    Ok(Answer::html(render(&form)?, Vec::new()).with_status(StatusCode::CONFLICT))
}

/// The post of an address, if whoever asks may edit it.
async fn edited(app: &App, asker: &Asker, id: Option<&String>) -> Result<Edited, Error> {
    let id = number("id", id.map_or("", String::as_str))?;
    let (post, topic) = post_of(app, asker, id).await?;
    if post.deleted {
        return Err(missing("post"));
    }
    let deed = Deed::EditPost {
        access: topic.access,
        author: Some(veritable_domain::ids::UserId(post.author_id)),
        topic_locked: topic.locked,
    };
    may(asker.actor, deed).map_err(|denial| hide(denial, "post"))?;
    let current = app.run(Cost::Point, move |db| Ok(posts::version(db, id)?)).await?;
    Ok(Edited { current: current.ok_or_else(|| missing("post"))?, post, topic })
}

async fn form<'a>(
    app: &'a App,
    asker: &Asker,
    edited: &Edited,
    (body, comment, base): (String, String, i64),
) -> Result<ComposePage<'a>, Error> {
    let Edited { post, topic, .. } = edited;
    let page = Page::own(app, asker, &format!("Edit #{}: {}", post.number, topic.title)).await?;
    let page = page.under(&topic.category, topic.category_path()).under(&topic.title, topic.path());
    let format = match edited.format() {
        Format::Html => Some("HTML"),
        Format::Wikitext => Some("wikitext"),
        Format::Markdown | Format::Plain => None,
    };
    let blank = blank(page, format!("/posts/{}/edit", post.id), edited.place(), "Save the changes");
    let heading = format!("Edit post #{}", post.number);
    Ok(ComposePage { heading, body, comment: Some(comment), base: Some(base), format, ..blank })
}
