//! The menu of one's own account, on every page.

use askama::Template;
use veritable_domain::permission::Role;

use super::render;
use crate::app::App;
use crate::error::Error;
use crate::http::csrf::Secret;
use crate::reads::{accounts, moderation, user_path};
use crate::routes::{Asker, Cost};

#[derive(Template)]
#[template(path = "accounts/menu.html")]
struct Menu<'a> {
    name: &'a str,
    path: String,
    role: Role,
    /// Order is kept somewhere by this person.
    keeps: bool,
    /// How many reports wait; empty: none.
    open: &'a str,
    token: &'a str,
}

/// The menu of the one who asks.
///
/// # Errors
/// The database cannot be read, or a guest asks.
pub(crate) async fn of(app: &App, asker: &Asker) -> Result<String, Error> {
    let (user, groups) = (asker.user()?, asker.actor.groups);
    // Members who are in none of the site's own groups keep order nowhere, and are not asked about.
    let may_keep = asker.actor.role >= Role::Moderator || groups.own().bits() != 0;
    let read = app.run(Cost::Point, move |db| {
        let keeps = may_keep && moderation::keeps(db, groups)?;
        let open = if keeps { moderation::count(db, groups)? } else { 0 };
        Ok((accounts::name(db, user)?, keeps, open))
    });
    let (name, keeps, open) = read.await?;
    let name = name.ok_or(Error::Unauthorized)?;
    let open = match open {
        0 => String::new(),
        1..=moderation::MAX_COUNTED => open.to_string(),
        _ => format!("{}+", moderation::MAX_COUNTED),
    };
    let token = asker.secret().map(Secret::masked).unwrap_or_default();
    let role = asker.actor.role;
    render(&Menu { name: &name, path: user_path(&name), role, keeps, open: &open, token: &token })
}
