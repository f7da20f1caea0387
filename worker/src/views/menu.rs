//! The menu of one's own account, on every page.

use askama::Template;
use veritable_domain::permission::Role;

use super::render;
use crate::app::App;
use crate::error::Error;
use crate::http::csrf::Secret;
use crate::reads::{accounts, user_path};
use crate::routes::{Asker, Cost};

#[derive(Template)]
#[template(path = "accounts/menu.html")]
struct Menu<'a> {
    name: &'a str,
    path: String,
    role: Role,
    token: &'a str,
}

/// The menu of the one who asks.
///
/// # Errors
/// The database cannot be read, or a guest asks.
pub(crate) async fn of(app: &App, asker: &Asker) -> Result<String, Error> {
    let user = asker.user()?;
    let name =
        app.run(Cost::Point, move |db| Ok(accounts::name(db, user)?)).await?.ok_or(Error::Unauthorized)?;
    let token = asker.secret().map(Secret::masked).unwrap_or_default();
    render(&Menu { name: &name, path: user_path(&name), role: asker.actor.role, token: &token })
}
