//! The groups that a site makes for itself.

use veritable_domain::ids::UserId;
use veritable_domain::permission::Groups;
use veritable_domain::text::{Comment, Label, user_key};
use veritable_writer_api::message::{Administration, Outcome, Refusal};

use super::{asked_to_say, deed_of, id_of, send};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::{FAULTY, Faults};
use crate::handlers::{missing, number};
use crate::reads::{accounts, admin};
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{GroupPage, GroupsPage, Page, render};

const PATH: &str = "/admin/groups";
/// Members of a group that its page shows.
pub(crate) const MEMBERS: usize = 200;

pub(crate) fn list<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move { show_all(app, &visit.asker, asked_to_say(&visit), ("", ""), Faults::new()).await })
}

async fn show_all(
    app: &App,
    asker: &Asker,
    said: Option<&str>,
    (name, description): (&str, &str),
    faults: Faults,
) -> Result<Answer, Error> {
    let groups = app.run(Cost::Point, |db| Ok(admin::groups(db)?)).await?;
    let page = Page::own(app, asker, "Groups").await?.under("Administration", "/admin".into());
    let is_faulty = !faults.is_empty();
    let shown = GroupsPage { page, groups, name, description, said, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn create<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        match save(app, &form, None).await? {
            Ok(group) => Ok(Answer::see_other(format!("{PATH}/{group}?done=created"))),
            Err(faults) => {
                let typed = (form.fields.get("name"), form.fields.get("description"));
                show_all(app, &form.asker, None, typed, faults).await
            }
        }
    })
}

/// Makes a group or describes one anew; its number, or what is wrong with the form.
async fn save(app: &App, form: &Submission, group: Option<u8>) -> Result<Result<u8, Faults>, Error> {
    let mut faults = Faults::new();
    let name = Label::new(form.fields.get("name"));
    let name = name.map_err(|error| faults.insert("name", error.to_string())).ok();
    let description = Comment::new(form.fields.get("description"));
    let description = description.map_err(|error| faults.insert("description", error.to_string())).ok();
    let (Some(name), Some(description)) = (name, description) else { return Ok(Err(faults)) };
    match send(app, form, Administration::SaveGroup { group, name, description }).await {
        Ok(Outcome::GroupSaved { group }) => Ok(Ok(group)),
        Ok(other) => Err(Error::Internal(format!("the writer answered another command: {other:?}"))),
        Err(Error::Refused(refusal @ (Refusal::NameTaken | Refusal::TooMany { .. }))) => {
            Ok(Err(Faults::from([("name", format!("{refusal}."))])))
        }
        Err(error) => Err(error),
    }
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let id = number("id", visit.params.get("id").map_or("", String::as_str))?;
        show(app, &visit.asker, id, asked_to_say(&visit), Faults::new()).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    id: i64,
    said: Option<&str>,
    faults: Faults,
) -> Result<Answer, Error> {
    let number = u8::try_from(id).map_err(|_| missing("group"))?;
    let read = app.run(Cost::Pool, move |db| {
        let group = admin::groups(db)?.into_iter().find(|group| group.id == number);
        Ok((group, admin::users_in(db, number, MEMBERS)?))
    });
    let (group, members) = read.await?;
    let group = group.ok_or_else(|| missing("group"))?;
    let page = Page::own(app, asker, &group.name).await?;
    let page = page.under("Administration", "/admin".into()).under("Groups", PATH.into());
    let is_faulty = !faults.is_empty();
    let answer = Answer::html(render(&GroupPage { page, group, members, said, faults })?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn act<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let id = id_of(&form)?;
        let group = u8::try_from(id).map_err(|_| missing("group"))?;
        let faults = match deed_of(&form) {
            "save" => save(app, &form, Some(group)).await?.err(),
            "delete" => {
                send(app, &form, Administration::DeleteGroup { group }).await?;
                return Ok(Answer::see_other(format!("{PATH}?done=deleted")));
            }
            "add" => membership(app, &form, group, true).await?,
            "remove" => membership(app, &form, group, false).await?,
            _ => return Err(missing("page here")),
        };
        match faults {
            None => Ok(Answer::see_other(format!("{PATH}/{group}?done=saved"))),
            Some(faults) => show(app, &form.asker, id, None, faults).await,
        }
    })
}

/// Takes somebody in by name, or out.
async fn membership(app: &App, form: &Submission, group: u8, is_in: bool) -> Result<Option<Faults>, Error> {
    let key = user_key(form.fields.get("user"));
    let read = app.run(Cost::Point, move |db| Ok(accounts::by_name(db, &key)?));
    let Some(user) = read.await? else {
        return Ok(Some(Faults::from([("user", "There is no such user.".to_owned())])));
    };
    let (user, one) = (UserId(user.id), Groups::one(group));
    let (into, out_of) = if is_in { (one, Groups::NONE) } else { (Groups::NONE, one) };
    send(app, form, Administration::SetGroups { user, into, out_of }).await?;
    Ok(None)
}
