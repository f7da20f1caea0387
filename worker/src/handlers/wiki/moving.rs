//! Pages get other titles.

use rusqlite::Connection;
use veritable_domain::content::{Content, Format};
use veritable_domain::ids::{PageId, RevisionId};
use veritable_domain::markup::redirect_source;
use veritable_domain::permission::{Deed, Denial, may};
use veritable_domain::text::{Comment, Source};
use veritable_domain::wiki::{PageTitle, full_title, upper_first};
use veritable_writer_api::message::{Command, Outcome, Refusal, Wiki};

use super::super::accounts::{FAULTY, Faults};
use super::super::changes::unexpected;
use super::space_of;
use super::subject::Subject;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::wiki;
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{MovePage, Page, Tools, render};

/// What is in the form.
struct Typed {
    space: String,
    title: String,
    comment: String,
    redirect: bool,
    base: i64,
}

async fn show(
    app: &App,
    asker: &Asker,
    (subject, protected): (&Subject, bool),
    typed: Typed,
    faults: Faults,
) -> Result<Answer, Error> {
    let title = subject.full_title();
    let spaces = app.run(Cost::Point, |db| Ok(wiki::space_names(db)?)).await?;
    let page = Page::own(app, asker, &format!("Move “{title}”"))
        .await?
        .under("Wiki", "/wiki".into())
        .under(&title, subject.path());
    let is_faulty = !faults.is_empty();
    let shown = MovePage {
        page,
        tools: Tools::own(asker.actor, title, protected),
        action: subject.at("move"),
        spaces,
        space: typed.space,
        title: typed.title,
        comment: typed.comment,
        redirect: typed.redirect,
        base: typed.base,
        faults,
    };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let title = visit.params.get("title").cloned().unwrap_or_default();
        let (subject, page) = app.run(Cost::Point, move |db| Subject::page_named(db, &title)).await?;
        may(visit.asker.actor, Deed::EditPage { protected: page.protected })?;
        let typed = Typed {
            space: subject.space.clone(),
            title: subject.title.as_str().to_owned(),
            comment: String::new(),
            redirect: true,
            base: page.revision_id,
        };
        show(app, &visit.asker, (&subject, page.protected), typed, Faults::new()).await
    })
}

/// A move that was asked for, ready to be sent.
pub(super) struct Ready {
    pub(super) command: Wiki,
    /// Where the page will be.
    pub(super) path: String,
}

/// What moves a page to a title: its text as it is there, and the page that is left behind.
///
/// # Errors
/// The title can be none; the text cannot be read.
pub(super) fn prepare(
    db: &Connection,
    page: &wiki::Page,
    base: RevisionId,
    to: &str,
    leave: bool,
    comment: Comment,
) -> Result<Ready, Error> {
    let (space, title) = space_of(db, to)?;
    let title = PageTitle::new(&title, space.first_letter)?;
    let new = full_title(&space.name, title.as_str());
    let from = Subject::named(db, &page.full_title())?;
    let subject = Subject {
        namespace: veritable_domain::ids::NamespaceId(space.id),
        space: space.name,
        title: title.clone(),
        page: None,
    };
    let (format, text) = super::subject::source(db, page.revision_id)?;
    // It was within the bounds when it was saved.
    let rendered = subject.content(db, format, Source::allowing_blank(&text)?)?.rendered;
    let redirect: Option<Content> = match leave {
        true => Some(from.content(db, Format::Markdown, Source::new(&redirect_source(&new))?)?),
        false => None,
    };
    let path = subject.path();
    let command = Wiki::MovePage {
        page: PageId(page.id),
        base_revision: base,
        namespace: subject.namespace,
        title,
        rendered,
        redirect,
        comment,
    };
    Ok(Ready { command, path })
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let title = form.params.get("title").cloned().unwrap_or_default();
        let (subject, page) = app.run(Cost::Point, move |db| Subject::page_named(db, &title)).await?;
        let protected = page.protected;
        let fields = &form.fields;
        let typed = Typed {
            space: fields.get("space").to_owned(),
            title: fields.get("title").to_owned(),
            comment: fields.get("comment").to_owned(),
            redirect: fields.has("redirect"),
            base: fields.get("base").parse().unwrap_or_default(),
        };
        let mut faults = Faults::new();
        let comment = Comment::new(&typed.comment)
            .map_err(|error| faults.insert("comment", upper_first(&error.to_string())))
            .ok();
        let to = full_title(&typed.space, &typed.title);
        let (base, leave) = (RevisionId(typed.base), typed.redirect);
        let Some(comment) = comment else {
            return show(app, &form.asker, (&subject, protected), typed, faults).await;
        };
        let ready = app.run(Cost::Pool, move |db| prepare(db, &page, base, &to, leave, comment)).await;
        let Ready { command, path } = match ready {
            Ok(ready) => ready,
            Err(Error::Invalid { why, .. }) => {
                faults.insert("title", upper_first(&why));
                return show(app, &form.asker, (&subject, protected), typed, faults).await;
            }
            Err(error) => return Err(error),
        };
        let fault = match app.send(Command::wiki(form.asker.by(), command), &form.key).await {
            Ok(Outcome::PageSaved { .. }) => return Ok(Answer::see_other(path)),
            Ok(other) => return Err(unexpected(&other)),
            Err(Error::Refused(Refusal::TitleTaken)) => "There is a page of that title already.".to_owned(),
            Err(Error::Refused(Refusal::Conflict { current })) => {
                faults.insert(
                    "title",
                    "Somebody changed the page meanwhile; look at it, and move it again.".into(),
                );
                let typed = Typed { base: current, ..typed };
                return show(app, &form.asker, (&subject, protected), typed, faults).await;
            }
            Err(Error::Refused(Refusal::Denied(Denial::Role))) => {
                "The page is protected: only moderators move it.".to_owned()
            }
            Err(error) => return Err(error),
        };
        faults.insert("title", fault);
        show(app, &form.asker, (&subject, protected), typed, faults).await
    })
}
