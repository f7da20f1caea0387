//! One's own account over the API.

use http::StatusCode;
use serde::Deserialize;
use serde_json::json;
use veritable_domain::account::{Scope, Scopes};
use veritable_domain::ids::{SessionId, TokenId};
use veritable_domain::text::{DisplayName, Label};
use veritable_domain::time::UnixMillis;
use veritable_writer_api::message::{Accounts, Command};

use super::passwords;
use super::tokens::{make, offered};
use crate::app::App;
use crate::error::Error;
use crate::handlers::changes::{body, done, id};
use crate::handlers::{invalid, json as answer};
use crate::limits;
use crate::reads::{accounts, settings};
use crate::routes::{Change, Cost, KnownBy, Pending, Visit};

/// Who asks, to programs that were given a token; the address only to those that may change the account.
pub(crate) fn me<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let user = visit.asker.user()?;
        let own = app.run(Cost::Point, move |db| Ok(accounts::own(db, user)?)).await?;
        let own = own.ok_or(Error::Unauthorized)?;
        let scopes = match &visit.asker.known_by {
            KnownBy::Token { scopes, .. } => *scopes,
            _ => Scopes::ALL,
        };
        let mut me = json!({
            "id": user,
            "name": own.name,
            "display_name": own.display_name,
            "role": own.role,
            "created_at": own.created_at.iso(),
            "scopes": list(scopes),
        });
        if scopes.has(Scope::Account) {
            me["address"] = own.address.into();
            me["second_factor"] = own.second_factor.into();
        }
        answer(&me, Vec::new())
    })
}

/// The names of scopes.
fn list(scopes: Scopes) -> Vec<String> {
    scopes.names().split_whitespace().map(str::to_owned).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Me {
    display_name: String,
}

pub(crate) fn change<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: Me = body(&change)?;
        let name = DisplayName::new(&asked.display_name)?;
        app.limits.count(limits::DISPLAY_NAME, &change.asker.user()?.0.to_le_bytes())?;
        let said = json!({"display_name": name});
        app.send(Command::accounts(change.asker.by(), Accounts::SetDisplayName { name }), &change.key)
            .await?;
        Ok(done(StatusCode::OK, None, &said))
    })
}

pub(crate) fn sessions<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let user = visit.asker.user()?;
        let sessions = app.run(Cost::Point, move |db| Ok(accounts::sessions(db, user)?)).await?;
        answer(&json!({"sessions": sessions}), Vec::new())
    })
}

pub(crate) fn end_session<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let session = SessionId(id(&change)?);
        app.send(Command::accounts(change.asker.by(), Accounts::RevokeSession { session }), &change.key)
            .await?;
        Ok(done(StatusCode::OK, None, &json!({"session": {"id": session}})))
    })
}

pub(crate) fn tokens<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let (user, now) = (visit.asker.user()?, visit.now);
        let tokens = app.run(Cost::Point, move |db| Ok(settings::tokens(db, user, now)?)).await?;
        answer(&json!({"tokens": tokens}), Vec::new())
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewToken {
    name: String,
    scopes: Vec<String>,
    expires_at: Option<String>,
    current: Option<String>,
}

/// A token for no more, and for no longer, than the one that asks is for; a session has to show the password.
/// Not kept anywhere but in its answer: each request makes another.
pub(crate) fn create_token<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let asked: NewToken = body(&change)?;
        let name = Label::new(&asked.name)?;
        let offered = offered(app, change.asker.actor).await?;
        let mut scopes = Scopes::NONE;
        for named in &asked.scopes {
            let scope: Scope = named.parse().map_err(|why| Error::Invalid { where_: "scopes", why })?;
            if !offered.contains(&scope) {
                return Err(invalid("scopes", "has more than this account may do"));
            }
            change.asker.within(scope)?;
            scopes = scopes.with(scope);
        }
        if scopes == Scopes::NONE {
            return Err(invalid("scopes", "is empty"));
        }
        let expires_at = match asked.expires_at.as_deref() {
            None => None,
            Some(text) => match UnixMillis::parse(text).filter(|at| *at > change.now) {
                None => {
                    return Err(invalid(
                        "expires_at",
                        "must be a time to come, such as 2030-01-31T00:00:00Z",
                    ));
                }
                at => at,
            },
        };
        let user = change.asker.user()?;
        let (login, expires_at) = match &change.asker.known_by {
            KnownBy::Token { expires_at: own, .. } => {
                if expires_at.zip(*own).is_some_and(|(wanted, own)| wanted > own) {
                    return Err(invalid("expires_at", "is later than the end of the token that asks"));
                }
                let login = app.run(Cost::Point, move |db| Ok(accounts::login_of(db, user)?)).await?;
                (login.ok_or(Error::Unauthorized)?, expires_at.or(*own))
            }
            _ => {
                let typed = asked.current.as_deref().unwrap_or_default();
                let (login, right) = passwords::is_current(app, user, typed).await?;
                if !right {
                    return Err(invalid("current", "is not your password"));
                }
                (login, expires_at)
            }
        };
        let (text, token) = make(app, &change.asker, &login, name.as_str(), (scopes, expires_at)).await?;
        let said = json!({"token": {"id": token, "name": name, "scopes": list(scopes)}, "secret": text});
        Ok(done(StatusCode::CREATED, None, &said))
    })
}

pub(crate) fn revoke_token<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let token = TokenId(id(&change)?);
        app.send(Command::accounts(change.asker.by(), Accounts::RevokeApiToken { token }), &change.key)
            .await?;
        Ok(done(StatusCode::OK, None, &json!({"token": {"id": token}})))
    })
}
