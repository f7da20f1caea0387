//! Pages are written: the form, its preview, its draft, and what happens when two people write at once.

use http::StatusCode;
use rusqlite::Connection;
use veritable_domain::content::{Content, Format};
use veritable_domain::draft::Draft;
use veritable_domain::ids::RevisionId;
use veritable_domain::markup::{RenderContext, Section, mark_missing, replace_section, sections};
use veritable_domain::permission::Denial;
use veritable_domain::text::{Comment, Source};
use veritable_writer_api::message::{Command, Outcome, Refusal, Wiki};

use super::super::accounts::{FAULTY, Faults, notice};
use super::super::changes::unexpected;
use super::super::drafts;
use super::conflict;
use super::revisions::changed_lines;
use super::subject::Subject;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::http::body::Fields;
use crate::reads::wiki;
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{EditConflict, EditPage, Merged, Page, Preview, Tools, render};

/// What is in the form.
#[derive(Clone, Debug, Default)]
struct Typed {
    text: String,
    comment: String,
    minor: bool,
    /// The revision that was edited.
    base: Option<RevisionId>,
    /// The section that was edited alone.
    section: Option<usize>,
    /// The form was given out with marks of a conflict in it.
    marked: bool,
}

impl Typed {
    fn of(fields: &Fields) -> Typed {
        let number = |name: &str| fields.get(name).parse::<i64>().ok().filter(|number| *number >= 0);
        Typed {
            text: fields.get("body").to_owned(),
            comment: fields.get("comment").to_owned(),
            minor: fields.has("minor"),
            base: number("base").filter(|id| *id > 0).map(RevisionId),
            section: number("section").and_then(|number| usize::try_from(number).ok()),
            marked: fields.has("marked"),
        }
    }
}

/// What the page says besides the form.
#[derive(Default)]
struct Said {
    note: Option<String>,
    /// What is in the form is the draft.
    is_draft: bool,
    conflict: Option<EditConflict>,
    preview: Option<Preview>,
    faults: Faults,
}

async fn show(
    app: &App,
    asker: &Asker,
    subject: &Subject,
    format: Format,
    typed: Typed,
    said: Said,
) -> Result<Answer, Error> {
    let is_new = subject.page.is_none();
    let title = subject.full_title();
    let heading = if is_new { format!("Create “{title}”") } else { format!("Edit “{title}”") };
    let mut page = Page::own(app, asker, &heading).await?.under("Wiki", "/wiki".into());
    if !is_new {
        page = page.under(&title, subject.path());
    }
    let tools =
        if is_new { Tools::default() } else { Tools::own(asker.actor, title, subject.is_protected()) };
    let marked =
        typed.marked || matches!(&said.conflict, Some(conflict) if conflict.result == Merged::Marked);
    let status = match () {
        () if said.conflict.is_some() => StatusCode::CONFLICT,
        () if !said.faults.is_empty() => FAULTY,
        () => StatusCode::OK,
    };
    let shown = EditPage {
        page,
        tools,
        action: subject.at("edit"),
        back: if is_new { "/wiki".into() } else { subject.path() },
        is_new,
        format: (format != Format::Markdown).then_some(format.name()),
        text: typed.text,
        comment: typed.comment,
        minor: typed.minor,
        base: typed.base.map(|base| base.0),
        section: typed.section,
        marked,
        note: said.note,
        draft: said.is_draft.then(|| subject.place().to_string()),
        conflict: said.conflict,
        preview: said.preview,
        faults: said.faults,
    };
    Ok(Answer::html(render(&shown)?, Vec::new()).with_status(status))
}

/// What is opened for editing.
struct Opened {
    subject: Subject,
    format: Format,
    typed: Typed,
    note: Option<String>,
}

/// The text of a page, or of the section that `wanted` names by its number or its heading's id.
fn open(db: &Connection, title: &str, wanted: Option<&str>) -> Result<Opened, Error> {
    let subject = Subject::named(db, title)?;
    let (format, text) = subject.current(db)?;
    let base = subject.page.as_ref().map(|page| RevisionId(page.revision_id));
    let whole = Typed { base, ..Typed::default() };
    let Some(wanted) = wanted.filter(|_| base.is_some()) else {
        return Ok(Opened { subject, format, typed: Typed { text, ..whole }, note: None });
    };
    let (namespaces, full) = (wiki::namespaces(db)?, subject.full_title());
    let found = sections(format, &text, &RenderContext::page(&namespaces, &full));
    let is_wanted = |section: &&Section| match wanted.parse::<usize>() {
        Ok(number) => section.number == number,
        Err(_) => section.id == wanted,
    };
    let (typed, note) = match found.iter().find(is_wanted) {
        Some(section) => {
            let own = text[section.range.clone()].trim_end().to_owned();
            let said = match section.title.as_str() {
                "" => "This is the part before the first heading.".to_owned(),
                title => format!("This is the section “{title}”, with all below it."),
            };
            let comment =
                if section.title.is_empty() { String::new() } else { format!("{}: ", section.title) };
            (Typed { text: own, comment, section: Some(section.number), ..whole }, said)
        }
        None => {
            let said = "That section cannot be edited alone: this is the whole page.".to_owned();
            (Typed { text, ..whole }, said)
        }
    };
    Ok(Opened { subject, format, typed, note: Some(note) })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let title = visit.params.get("title").cloned().unwrap_or_default();
        let wanted = visit.query.get("section").cloned();
        let cost = if wanted.is_some() { Cost::Pool } else { Cost::Point };
        let opened = app.run(cost, move |db| open(db, &title, wanted.as_deref())).await?;
        let Opened { subject, format, mut typed, mut note } = opened;
        if let Some(refused) = refuse(app, &visit.asker, &subject).await? {
            return Ok(refused);
        }
        let draft = drafts::find(app, visit.asker.user()?, &subject.place()).await?;
        let mut is_draft = false;
        match draft {
            Some(draft) if typed.section.is_none() && !visit.query.contains_key("anew") => {
                let kept = if visit.query.contains_key("kept") {
                    "Your draft is kept."
                } else {
                    "This is your draft."
                };
                let base = draft.base.map(RevisionId);
                let stale = if base == typed.base { "" } else { " The page was changed since you began." };
                note = Some(format!("{kept}{stale}"));
                typed = Typed { text: draft.body, comment: draft.comment, base, ..Typed::default() };
                is_draft = true;
            }
            Some(_) if typed.section.is_some() => {
                let more = " You have a draft of the whole page, which this does not touch until you save.";
                note = note.map(|said| said + more);
            }
            _ => {}
        }
        show(app, &visit.asker, &subject, format, typed, Said { note, is_draft, ..Said::default() }).await
    })
}

/// The page for those who may not edit this one.
async fn refuse(app: &App, asker: &Asker, subject: &Subject) -> Result<Option<Answer>, Error> {
    match subject.admits(asker.actor) {
        Ok(()) => Ok(None),
        Err(denial @ Denial::Role) => {
            let link = Some(("See the page", subject.path()));
            let link = link.as_ref().map(|(name, path)| (*name, path.as_str()));
            let title = format!("“{}” is protected", subject.full_title());
            let said = "Only moderators change it.";
            let page = notice(app, asker, &title, said, link).await?;
            Ok(Some(page.with_status(Error::Denied(denial).status())))
        }
        Err(denial) => Err(denial.into()),
    }
}

/// What was sent, looked at against the database.
struct Ready {
    subject: Subject,
    format: Format,
    /// The whole page as it is to be; with faults it is not looked at.
    source: Option<Source>,
    comment: Option<Comment>,
    content: Option<Content>,
    preview: Option<Preview>,
    faults: Faults,
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Save,
    Preview,
    Draft,
}

fn prepare(db: &Connection, title: &str, typed: &Typed, purpose: Purpose) -> Result<Ready, Error> {
    let subject = Subject::named(db, title)?;
    let (current_format, current) = subject.current(db)?;
    let base = match typed.base {
        Some(base) => subject.revision(db, base)?,
        None => None,
    };
    let format = base.as_ref().map_or(current_format, |(format, _)| *format);
    let mut faults = Faults::new();
    let whole = match (typed.section, &base) {
        (Some(number), Some((format, text))) => {
            let (namespaces, full) = (wiki::namespaces(db)?, subject.full_title());
            let context = RenderContext::page(&namespaces, &full);
            let own = typed.text.replace("\r\n", "\n");
            replace_section(*format, text, number, &own, &context).map_err(|error| error.to_string())
        }
        // The page that the section was of is gone: what was sent is what there is.
        _ => Ok(typed.text.clone()),
    };
    let source = match whole.and_then(|text| Source::allowing_blank(&text).map_err(|error| error.to_string()))
    {
        Ok(source)
            if subject.page.is_none() && source.as_str().trim().is_empty() && purpose == Purpose::Save =>
        {
            faults.insert("body", "Write something: a new page cannot be empty.".into());
            None
        }
        Ok(source) => Some(source),
        Err(fault) => {
            faults.insert("body", veritable_domain::wiki::upper_first(&fault));
            None
        }
    };
    if purpose == Purpose::Save && typed.marked && conflict::has_marks(&typed.text) {
        let said = "There are still marks where both texts differ: choose, and take the marks out.";
        faults.insert("body", said.into());
    }
    let comment = Comment::new(&typed.comment)
        .map_err(|fault| faults.insert("comment", veritable_domain::wiki::upper_first(&fault.to_string())))
        .ok();
    let preview = match &source {
        Some(source) if purpose == Purpose::Preview => {
            let shown =
                if typed.section.is_some() { Source::allowing_blank(&typed.text)? } else { source.clone() };
            let rendered = subject.content(db, format, shown)?.rendered;
            let gone = wiki::missing_among(db, &rendered.links)?;
            let html = mark_missing(&rendered.html, |href| gone.contains(href));
            Some(Preview { html, lines: changed_lines(&current, source.as_str()) })
        }
        _ => None,
    };
    let content = match &source {
        Some(source) if purpose == Purpose::Save && faults.is_empty() => {
            Some(subject.content(db, format, source.clone())?)
        }
        _ => None,
    };
    Ok(Ready { subject, format, source, comment, content, preview, faults })
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let typed = Typed::of(&form.fields);
        let purpose = match () {
            () if form.fields.has("preview") => Purpose::Preview,
            () if form.fields.has("draft") => Purpose::Draft,
            () => Purpose::Save,
        };
        let title = form.params.get("title").cloned().unwrap_or_default();
        let sent = typed.clone();
        let ready = app.run(Cost::Pool, move |db| prepare(db, &title, &sent, purpose)).await?;
        let Ready { subject, format, source, comment, content, preview, mut faults } = ready;
        let asker = &form.asker;
        if purpose == Purpose::Preview || !faults.is_empty() {
            return show(app, asker, &subject, format, typed, Said { preview, faults, ..Said::default() })
                .await;
        }
        let (Some(source), Some(comment)) = (source, comment) else {
            return Err(Error::Internal("a text without faults that is none".into()));
        };
        if purpose == Purpose::Draft {
            let base = typed.base.map(|base| base.0);
            let (body, comment) = (source.as_str().to_owned(), typed.comment);
            let draft = Draft { body, comment, base, ..Draft::default() };
            drafts::save(app, asker, subject.place(), &draft, &form.key).await?;
            return Ok(Answer::see_other(format!("{}?kept=1", subject.at("edit"))));
        }
        let content = content.ok_or_else(|| Error::Internal("a text that was not rendered".into()))?;
        let edit = Wiki::EditPage {
            namespace: subject.namespace,
            title: subject.title.clone(),
            base_revision: typed.base,
            content,
            comment,
            minor: typed.minor,
        };
        match app.send(Command::wiki(asker.by(), edit), &form.key).await {
            Ok(Outcome::PageSaved { .. }) => Ok(Answer::see_other(subject.path())),
            Ok(other) => Err(unexpected(&other)),
            Err(Error::Refused(Refusal::Conflict { .. })) => {
                again_with_theirs(app, asker, subject, typed, source.as_str().to_owned()).await
            }
            Err(Error::Refused(Refusal::Denied(Denial::Role))) => {
                let said =
                    "This page is protected now: only moderators change it. Keep your text as a draft.";
                faults.insert("body", said.into());
                show(app, asker, &subject, format, typed, Said { faults, ..Said::default() }).await
            }
            Err(error) => Err(error),
        }
    })
}

/// The form again, after somebody else was quicker.
async fn again_with_theirs(
    app: &App,
    asker: &Asker,
    subject: Subject,
    typed: Typed,
    mine: String,
) -> Result<Answer, Error> {
    let (title, base) = (subject.full_title(), typed.base);
    let settled = app.run(Cost::Pool, move |db| {
        let subject = Subject::named(db, &title)?;
        let (format, current) = subject.current(db)?;
        let (conflict, text) = conflict::settle(db, &subject, base, &mine)?;
        // What saving would change of the page as it is now.
        let lines = changed_lines(&current, &text);
        Ok((subject, format, conflict, text, lines))
    });
    let (subject, format, conflict, text, lines) = settled.await?;
    let base = subject.page.as_ref().map(|page| RevisionId(page.revision_id));
    let preview = match conflict.result {
        Merged::Clean => Some(Preview { html: String::new(), lines }),
        Merged::Marked | Merged::Not => None,
    };
    let typed = Typed { text, base, section: None, ..typed };
    show(app, asker, &subject, format, typed, Said { conflict: Some(conflict), preview, ..Said::default() })
        .await
}
