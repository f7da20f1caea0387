//! The queue of those who keep order: reports that wait, those that were handled, topics that were deleted.

use veritable_domain::ids::PostId;
use veritable_domain::permission::Groups;
use veritable_domain::report::Verdict;
use veritable_domain::tag::Tag;
use veritable_writer_api::message::{Command, Forum, Refusal};

use super::keeper;
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::{
    Around, PAGE, at_cursor, before, cut, cut_by, invalid, limit, listed, number, seal_place, unseal_place,
};
use crate::reads::forum::{self, Before};
use crate::reads::moderation::{self, Report};
use crate::routes::{Cost, Pending, Submission, View, Visit};
use crate::views::{DeletedPage, ModerationPage, Page, Reported, render};

/// Open reports on one page, each with its post.
const OPEN: usize = 20;

/// Before every report.
const BEGINNING: Before = Before(0, 0);

pub(crate) fn open<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let actor = keeper(app, &visit.asker).await?;
        let after = match visit.query.get("after") {
            None => BEGINNING,
            Some(text) => unseal_place("after", text)?,
        };
        let read = move |db: &rusqlite::Connection| Ok(moderation::open(db, actor.groups, after, OPEN + 1)?);
        let mut found = app.run(Cost::Point, read).await?;
        let next = cut_by(&mut found, OPEN, |last| seal_place(last.open_place()));
        let next = next.map(|cursor| at_cursor("/moderation", "after", Some(cursor)));
        let said = visit.query.get("done").and_then(|name| said(name));
        let mut page = Page::own(app, &visit.asker, "Moderation").await?;
        // Handled ones are gone from here, so that there is no way back but to the beginning.
        let previous = (after != BEGINNING).then(|| "/moderation".to_owned());
        page.first = "/moderation".to_owned();
        let page = page.around(Around { previous, next });
        let open = by_post(found);
        let shown =
            ModerationPage { page, role: actor.role, open, handled: Vec::new(), shows_handled: false, said };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

/// Reports of one post together, in the order in which the first of each came.
fn by_post(reports: Vec<Report>) -> Vec<Reported> {
    let mut posts: Vec<Reported> = Vec::new();
    for report in reports {
        match posts.iter_mut().find(|reported| reported.first.post_id == report.post_id) {
            Some(reported) => reported.others.push(report),
            None => posts.push(Reported { first: report, others: Vec::new() }),
        }
    }
    posts
}

fn said(name: &str) -> Option<&'static str> {
    match name {
        "deleted" => Some("The post is deleted, and its reports are handled."),
        "dismissed" => Some("The reports are dismissed; the post stays."),
        "late" => Some("Somebody else has handled these reports already."),
        _ => None,
    }
}

pub(crate) fn handled<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let actor = keeper(app, &visit.asker).await?;
        let before = place(&visit)?;
        let read =
            move |db: &rusqlite::Connection| Ok(moderation::handled(db, actor.groups, before, PAGE + 1)?);
        let mut handled = app.run(Cost::Point, read).await?;
        let next = cut(&mut handled, PAGE, Report::handled_place);
        let page = Page::own(app, &visit.asker, "Handled reports").await?;
        let page = onward(page, "/moderation/handled", before, next);
        let (open, said) = (Vec::new(), None);
        let shown = ModerationPage { page, role: actor.role, open, handled, shows_handled: true, said };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

pub(crate) fn deleted<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let actor = keeper(app, &visit.asker).await?;
        let before = place(&visit)?;
        let read =
            move |db: &rusqlite::Connection| Ok(forum::deleted_topics(db, actor.groups, before, PAGE + 1)?);
        let mut topics = app.run(Cost::Point, read).await?;
        let next = cut(&mut topics, PAGE, forum::Topic::deleted_place);
        let page = Page::own(app, &visit.asker, "Deleted topics").await?;
        let page = onward(page, "/moderation/deleted", before, next);
        Ok(Answer::html(render(&DeletedPage { page, role: actor.role, topics })?, Vec::new()))
    })
}

fn place(visit: &Visit) -> Result<Before, Error> {
    visit.query.get("before").map_or(Ok(Before::NOW), |text| unseal_place("before", text))
}

/// A page of a list that is read from its beginning on.
fn onward<'a>(mut page: Page<'a>, first: &str, before: Before, next: Option<String>) -> Page<'a> {
    page.first = first.to_owned();
    let previous = (before != Before::NOW).then(|| first.to_owned());
    page.around(Around { previous, next: next.map(|cursor| at_cursor(first, "before", Some(cursor))) })
}

/// Handles all open reports of a post.
pub(crate) fn handle<'a>(app: &'a App, sent: Submission) -> Pending<'a> {
    Box::pin(async move {
        let post = PostId(number("id", sent.params.get("id").map_or("", String::as_str))?);
        let verdict = Verdict::from_name(sent.fields.get("verdict"))
            .ok_or_else(|| invalid("verdict", "must be deleted or dismissed"))?;
        let handle = Forum::HandleReports { post, verdict };
        match app.send(Command::forum(sent.asker.by(), handle), &sent.key).await {
            Ok(_) => Ok(Answer::see_other(format!("/moderation?done={}", verdict.name()))),
            // The post is there, but nobody waits for a verdict.
            Err(Error::Refused(Refusal::NotFound { what })) if what.contains("report") => {
                Ok(Answer::see_other("/moderation?done=late"))
            }
            Err(error) => Err(error),
        }
    })
}

/// Reports for programs: open ones, or with `state=handled` those that were.
pub(crate) fn api(view: &View<'_>) -> Result<Answer, Error> {
    if view.audience == Groups::EVERYONE {
        return Err(Error::Unauthorized);
    }
    if !moderation::keeps(view.db, view.audience)? {
        return Err(veritable_domain::permission::Denial::Role.into());
    }
    let limit = limit(view, PAGE)?;
    let tags = vec![Tag::Site, Tag::Categories, Tag::Reports, Tag::Latest];
    match super::super::asked(view, "state") {
        None | Some("open") => {
            let after =
                super::super::asked(view, "after").map_or(Ok(BEGINNING), |at| unseal_place("after", at))?;
            let mut found = moderation::open(view.db, view.audience, after, limit + 1)?;
            let next = cut_by(&mut found, limit, |last| seal_place(last.open_place()));
            listed("reports", &found, next, tags)
        }
        Some("handled") => {
            let mut found = moderation::handled(view.db, view.audience, before(view)?, limit + 1)?;
            let next = cut(&mut found, limit, Report::handled_place);
            listed("reports", &found, next, tags)
        }
        Some(_) => Err(invalid("state", "must be open or handled")),
    }
}
