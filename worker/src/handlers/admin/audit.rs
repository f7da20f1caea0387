//! What was done with a role's power.

use veritable_domain::text::user_key;

use super::{PAGE, before_of};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::reads::admin::{self, AuditEntry, AuditFilter};
use crate::reads::{accounts, escape_part};
use crate::routes::{Cost, Pending, Visit};
use crate::views::{AuditPage, Page, render};

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let asked = |name: &str| visit.query.get(name).map_or("", |text| text.trim()).to_owned();
        let (actor, deed, object) = (asked("actor"), asked("deed"), asked("object"));
        let (entries, before) = find(app, &visit).await?;
        let next = before.map(|before| {
            let named = [("actor", &actor), ("deed", &deed), ("object", &object)];
            let named = named.iter().filter(|(_, text)| !text.is_empty());
            let named: Vec<String> =
                named.map(|(name, text)| format!("{name}={}&", escape_part(text))).collect();
            format!("/admin/audit?{}before={before}", named.concat())
        });
        let page = Page::own(app, &visit.asker, "Audit log").await?.under("Administration", "/admin".into());
        let shown = AuditPage { page, entries, actor: &actor, deed: &deed, object: &object, next };
        Ok(Answer::html(render(&shown)?, Vec::new()))
    })
}

/// What is asked for, and the number to go on before.
pub(super) async fn find(app: &App, visit: &Visit) -> Result<(Vec<AuditEntry>, Option<i64>), Error> {
    let asked = |name: &str| visit.query.get(name).map_or("", |text| text.trim()).to_owned();
    let (actor, before) = (asked("actor"), before_of(visit)?);
    let (deed, object) = (asked("deed"), asked("object"));
    let entries = app
        .run(Cost::Pool, move |db| {
            let actor = match actor.as_str() {
                "" => None,
                // Somebody who is not there did nothing.
                name => Some(accounts::by_name(db, &user_key(name))?.map_or(0, |profile| profile.id)),
            };
            Ok(admin::audit(db, &AuditFilter { actor, deed, object }, before, PAGE)?)
        })
        .await?;
    let next = entries.last().filter(|_| entries.len() == PAGE).map(|entry| entry.id);
    Ok((entries, next))
}
