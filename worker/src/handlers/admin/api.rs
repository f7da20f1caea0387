//! Administration over the API.

use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, Groups, Role, may};
use veritable_domain::text::Comment;
use veritable_writer_api::message::{Administration, Command, IdempotencyKey};

use super::{audit as log, users as list};
use crate::app::App;
use crate::error::Error;
use crate::handlers::changes::{body, done, id};
use crate::handlers::{afterwards, invalid, json as answer, missing, number};
use crate::reads::admin;
use crate::routes::{Change, ChangeKey, Cost, Pending, Visit};

pub(crate) fn users<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (query, which, before) = list::asked(&visit)?;
        let users = list::find(app, query.clone(), which, before).await?;
        let next = list::next(&users, &query, which);
        answer(&json!({"users": users, "next": next.map(|next| next.to_string())}), Vec::new())
    })
}

pub(crate) fn user<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let id = UserId(number("id", visit.params.get("id").map_or("", String::as_str))?);
        answer(&read(app, id).await?, Vec::new())
    })
}

async fn read(app: &App, id: UserId) -> Result<Value, Error> {
    let user = app.run(Cost::Point, move |db| Ok(admin::one(db, id)?)).await?;
    serde_json::to_value(user.ok_or_else(|| missing("user"))?)
        .map_err(|error| Error::Internal(error.to_string()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserChange {
    role: Option<String>,
    groups: Option<Vec<u8>>,
    disabled: Option<bool>,
    approved: Option<bool>,
    #[serde(default)]
    reason: String,
}

/// Each of what is named, one after the other: where one is refused, those before it are done.
pub(crate) fn change_user<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        // The answer is the whole account, also where nothing of it is changed.
        may(change.asker.actor, Deed::Administer)?;
        let asked: UserChange = body(&change)?;
        let (user, reason) = (UserId(id(&change)?), Comment::new(&asked.reason)?);
        let mut changes = Vec::new();
        if let Some(name) = &asked.role {
            let role = Role::of_account(name);
            let role = role.ok_or_else(|| invalid("role", "must be member, moderator or administrator"))?;
            changes.push(Administration::SetRole { user, role });
        }
        if let Some(numbers) = &asked.groups {
            let groups = numbers.iter().fold(Groups::NONE, |set, number| set.and(Groups::one(*number)));
            // Those of the roles come with the role; taken for others, somebody would believe they were given.
            if !numbers.iter().all(|number| (Groups::FIRST_OWN..Groups::MAX).contains(number)) {
                return Err(invalid("groups", "has a number that is no group's of this site's own"));
            }
            changes.push(Administration::SetGroups {
                user,
                into: groups,
                out_of: Groups::OWN.without(groups),
            });
        }
        if let Some(disabled) = asked.disabled {
            changes.push(Administration::SetDisabled { user, disabled, reason });
        }
        match asked.approved {
            None => {}
            Some(true) => changes.push(super::users::approval(app, user).await?),
            Some(false) => return Err(invalid("approved", "cannot be taken back; switch the account off")),
        }
        for asked in changes {
            // Each says what is to be, and may be said again.
            let key = ChangeKey::of(IdempotencyKey::fresh());
            app.send(Command::administration(change.asker.by(), asked), &key).await?;
        }
        let said = afterwards(read(app, user).await).unwrap_or_else(|| json!({"user": {"id": user}}));
        Ok(done(StatusCode::OK, None, &said))
    })
}

pub(crate) fn erase_user<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let user = UserId(id(&change)?);
        let command = Command::administration(change.asker.by(), Administration::Erase { user });
        app.send(command, &change.key).await?;
        Ok(done(StatusCode::OK, None, &json!({"user": {"id": user}})))
    })
}

pub(crate) fn groups<'a>(app: &'a App, _visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let groups = app.run(Cost::Point, |db| Ok(admin::groups(db)?)).await?;
        answer(&json!({"groups": groups}), Vec::new())
    })
}

pub(crate) fn audit<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (entries, next) = log::find(app, &visit).await?;
        answer(&json!({"entries": entries, "next": next.map(|next| next.to_string())}), Vec::new())
    })
}
