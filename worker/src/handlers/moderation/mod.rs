//! Keeping order: what waits for those who do, and what is done with posts and topics.

pub(crate) mod posts;
pub(crate) mod reports;
pub(crate) mod topics;

use veritable_domain::permission::{Actor, Denial};

use crate::app::App;
use crate::error::Error;
use crate::reads::moderation;
use crate::routes::{Asker, Cost};

/// Whether somebody keeps order anywhere.
async fn keeper(app: &App, asker: &Asker) -> Result<Actor, Error> {
    let actor = asker.actor;
    if app.run(Cost::Point, move |db| Ok(moderation::keeps(db, actor.groups)?)).await? {
        Ok(actor)
    } else {
        Err(Denial::Role.into())
    }
}
