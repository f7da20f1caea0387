//! The pages of administrators, and the invitations of moderators.

pub(crate) mod api;
pub(crate) mod audit;
pub(crate) mod categories;
pub(crate) mod groups;
pub(crate) mod invitations;
pub(crate) mod overview;
pub(crate) mod users;

use veritable_domain::permission::Groups;
use veritable_writer_api::message::{Administration, Command, Outcome};

use crate::app::App;
use crate::error::Error;
use crate::handlers::number;
use crate::http::body::Fields;
use crate::routes::{Submission, Visit};

pub(crate) use super::PAGE;

/// What is said on arriving at a page after something was done; only these, by name.
pub(crate) fn said(name: &str) -> Option<&'static str> {
    Some(match name {
        "saved" => "It is saved.",
        "created" => "It is made.",
        "deleted" => "It is deleted.",
        "role" => "The role is changed. It holds at once.",
        "groups" => "The groups are changed. They hold at once.",
        "disable" => "The account is switched off, and its sessions are ended.",
        "enable" => "The account is switched on again.",
        "approve" => "The account is approved.",
        "reject" => "The account is turned away and deleted.",
        "confirm" => "The e-mail address counts as confirmed.",
        "end-sessions" => "Its sessions are ended.",
        "end-second-factor" => "Its password alone is asked for from now on.",
        "erase" => "The account is deleted; what it wrote has nobody's name.",
        "revoked" => "The invitation is taken back.",
        _ => return None,
    })
}

/// Has a change made.
async fn send(app: &App, form: &Submission, change: Administration) -> Result<Outcome, Error> {
    app.send(Command::administration(form.asker.by(), change), &form.key).await
}

/// The number in the path of a form.
fn id_of(form: &Submission) -> Result<i64, Error> {
    number("id", form.params.get("id").map_or("", String::as_str))
}

/// The last part of the path of a form.
fn deed_of(form: &Submission) -> &str {
    form.params.get("deed").map_or("", String::as_str)
}

/// What a page is asked to say.
fn asked_to_say(visit: &Visit) -> Option<&'static str> {
    visit.query.get("done").and_then(|name| said(name))
}

/// The number before which a list begins.
fn before_of(visit: &Visit) -> Result<i64, Error> {
    match visit.query.get("before").map(String::as_str) {
        None | Some("") => Ok(i64::MAX),
        Some(text) => number("before", text),
    }
}

/// The groups whose boxes `{name}-{number}` are ticked.
fn ticked(fields: &Fields, name: &str) -> Groups {
    (0..Groups::MAX)
        .filter(|number| fields.has(&format!("{name}-{number}")))
        .fold(Groups::NONE, |set, number| set.and(Groups::one(number)))
}
