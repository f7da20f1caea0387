//! Deleting, restoring and reporting a post. Each is asked about on a page of its own first: a link is followed by
//! mistake more easily than a form is sent.

use veritable_domain::ids::{PostId, UserId};
use veritable_domain::permission::{Deed, may};
use veritable_domain::report::Reason;
use veritable_domain::text::Comment;
use veritable_writer_api::message::{Command, Forum};

use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::{FAULTY, Faults, notice};
use crate::handlers::writing::{fault, hide, post_address, post_of};
use crate::handlers::{afterwards, missing, number};
use crate::reads::{forum, posts};
use crate::routes::{Asker, Pending, Submission, Visit};
use crate::views::{ConfirmPage, Page, ReportPage, render};

/// What may be done with a post.
#[derive(Clone, Copy)]
enum What {
    Delete,
    Restore,
    Report,
}

/// The post of an address, if whoever asks may do that with it, and if it can be done.
async fn found(
    app: &App,
    asker: &Asker,
    id: Option<&String>,
    what: What,
) -> Result<(posts::Post, forum::Topic), Error> {
    let (post, topic) = post_of(app, asker, number("id", id.map_or("", String::as_str))?).await?;
    let (access, topic_locked) = (topic.access, topic.locked);
    let deed = match what {
        What::Delete => Deed::EditPost { access, author: Some(UserId(post.author_id)), topic_locked },
        What::Restore => {
            Deed::RestorePost { access, deleted_by: post.deleted_by_id.map(UserId), topic_locked }
        }
        What::Report => Deed::Report { access },
    };
    may(asker.actor, deed).map_err(|denial| hide(denial, "post"))?;
    if post.deleted != matches!(what, What::Restore) {
        return Err(missing("post"));
    }
    Ok((post, topic))
}

async fn framed<'a>(
    app: &'a App,
    asker: &Asker,
    title: &str,
    topic: &forum::Topic,
) -> Result<Page<'a>, Error> {
    let page = Page::own(app, asker, title).await?;
    Ok(page.under(&topic.category, topic.category_path()).under(&topic.title, topic.path()))
}

pub(crate) fn delete_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (post, topic) = found(app, &visit.asker, visit.params.get("id"), What::Delete).await?;
        let text = if post.number == 1 && topic.post_count > 1 {
            "Its text is taken away; the topic and what was answered stay."
        } else {
            "Its text is taken away; its place stays, and so does what was answered to it."
        };
        confirm(app, &visit.asker, (post, topic), ("Delete this post?", text, "delete", "Delete it")).await
    })
}

pub(crate) fn restore_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let found = found(app, &visit.asker, visit.params.get("id"), What::Restore).await?;
        let text = "It is shown again as it was.";
        confirm(app, &visit.asker, found, ("Restore this post?", text, "restore", "Restore it")).await
    })
}

async fn confirm(
    app: &App,
    asker: &Asker,
    (post, topic): (posts::Post, forum::Topic),
    (title, text, deed, button): (&str, &str, &str, &'static str),
) -> Result<Answer, Error> {
    let page = framed(app, asker, title, &topic).await?;
    let action = format!("/posts/{}/{deed}", post.id);
    let back = post_address(&topic, post.number);
    let shown = ConfirmPage { page, text: text.to_owned(), action, button, back, post: Some(post) };
    Ok(Answer::html(render(&shown)?, Vec::new()))
}

pub(crate) fn delete<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move { change(app, &sent, |post| Forum::DeletePost { post }).await })
}

pub(crate) fn restore<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move { change(app, &sent, |post| Forum::RestorePost { post }).await })
}

/// Does something with a post, and shows its place.
async fn change(app: &App, sent: &Submission, what: impl FnOnce(PostId) -> Forum) -> Result<Answer, Error> {
    let id = number("id", sent.params.get("id").map_or("", String::as_str))?;
    // Before the change: a read that fails after it would look as if it had not been made.
    let (post, topic) = post_of(app, &sent.asker, id).await?;
    app.send(Command::forum(sent.asker.by(), what(PostId(id))), &sent.key).await?;
    Ok(Answer::see_other(post_address(&topic, post.number)))
}

pub(crate) fn report_page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let found = found(app, &visit.asker, visit.params.get("id"), What::Report).await?;
        show_report(app, &visit.asker, found, (None, ""), Faults::new()).await
    })
}

async fn show_report(
    app: &App,
    asker: &Asker,
    (post, topic): (posts::Post, forum::Topic),
    (chosen, note): (Option<Reason>, &str),
    faults: Faults,
) -> Result<Answer, Error> {
    let page = framed(app, asker, "Report this post", &topic).await?;
    let (back, note, is_faulty) = (post_address(&topic, post.number), note.to_owned(), !faults.is_empty());
    let answer = Answer::html(render(&ReportPage { page, post, back, chosen, note, faults })?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn report<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let found = found(app, &sent.asker, sent.params.get("id"), What::Report).await?;
        let (chosen, typed) = (Reason::from_name(sent.fields.get("reason")), sent.fields.get("note"));
        let mut faults = Faults::new();
        let note = Comment::new(typed).map_err(|error| faults.insert("note", fault(&error))).ok();
        if chosen.is_none() {
            faults.insert("reason", "Choose what is wrong with it.".into());
        } else if chosen == Some(Reason::Other) && note.as_ref().is_some_and(|note| note.as_str().is_empty())
        {
            faults.insert("note", "Say what is wrong with it.".into());
        }
        let (Some(reason), Some(note), true) = (chosen, note, faults.is_empty()) else {
            return show_report(app, &sent.asker, found, (chosen, typed), faults).await;
        };
        let (post, topic) = found;
        let report = Forum::ReportPost { post: PostId(post.id), reason, note };
        app.send(Command::forum(sent.asker.by(), report), &sent.key).await?;
        let back = post_address(&topic, post.number);
        let text = "The moderators will look at the post. Thank you.";
        let said = notice(app, &sent.asker, "Reported", text, Some(("Back to the topic", &back))).await;
        Ok(afterwards(said).unwrap_or_else(|| Answer::see_other(back)))
    })
}
