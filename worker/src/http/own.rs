//! Pages that are another for each person: those made for one, and those made for many with a few places to fill.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::HeaderMap;

use veritable_domain::permission::Denial;
use veritable_domain::time::UnixMillis;

use super::asker::{self, Asker};
use super::cookies::Kind;
use super::csrf::Secret;
use super::router::OwnRoute;
use crate::answer::{Answer, ContentType};
use crate::app::App;
use crate::cache::Kept;
use crate::error::Error;
use crate::reads::escape_part;
use crate::routes::{KnownBy, Visit};
use crate::views::menu;
use crate::views::slots;

/// What was asked for.
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) raw_query: Option<&'a str>,
    pub(crate) params: BTreeMap<&'static str, String>,
    pub(crate) query: BTreeMap<&'static str, String>,
}

/// A page made for the one who asks. A guest is sent to log in where that could help, and is given a cookie by which
/// the forms of the page are known again.
///
/// # Errors
/// What the page's handler fails with.
pub(crate) async fn answer(
    app: &App,
    page: &OwnRoute,
    asked: Asked<'_>,
    mut asker: Asker,
    now: UnixMillis,
) -> Result<Answer, Error> {
    let address = match asked.raw_query {
        Some(query) => format!("{}?{query}", asked.path),
        None => asked.path.to_owned(),
    };
    match page.scope {
        Some(scope) => asker.within(scope)?,
        // A page for a browser: what is on it is not what a token's scopes say.
        None if matches!(asker.known_by, KnownBy::Token { .. }) => return Err(Denial::Scope.into()),
        None => {}
    }
    match page.who.admit(asker.actor) {
        Ok(()) => {}
        Err(Denial::LoginRequired) if page.scope.is_none() => {
            return Ok(Answer::see_other(format!("/login?next={}", escape_part(&address))));
        }
        Err(denial) => return Err(denial.into()),
    }
    let mut fresh = None;
    if let KnownBy::Nothing(secret @ None) = &mut asker.known_by {
        let new = Secret::fresh()?;
        *secret = Some(new);
        fresh = Some(app.cookies.set(Kind::Guest, &new.text(), None));
    }
    let visit = Visit { asker, address, params: asked.params, query: asked.query, now };
    let answer = (page.run)(app, visit).await?;
    Ok(match fresh {
        Some(cookie) => answer.with_cookie(cookie),
        None => answer,
    })
}

/// The menu of whoever a request is from, for a page that says why it failed; `None` of a guest's, or where that cannot
/// be found out.
pub(crate) async fn menu(app: &App, head: (&HeaderMap, &str), address: Option<IpAddr>) -> Option<String> {
    let asker = asker::of(app, head, address, UnixMillis::now()).await.ok()?;
    menu::of(app, &asker).await.ok()
}

/// A page made for many, filled for the one who asks.
///
/// # Errors
/// The database cannot be read.
pub(crate) async fn fill(app: &App, kept: &Kept, asker: &Asker) -> Result<Vec<u8>, Error> {
    if kept.content_type != ContentType::Html || kept.places.is_empty() {
        return Ok(kept.body.to_vec());
    }
    let user = asker.user()?;
    let menu = menu::of(app, asker).await?;
    let secret = asker.secret();
    let mut token = || secret.map(Secret::masked).unwrap_or_default();
    Ok(slots::fill(&kept.body, &kept.places, user.0, &menu, &mut token))
}
