//! Where administrators begin.

use crate::answer::Answer;
use crate::app::App;
use crate::reads::admin;
use crate::routes::{Cost, Pending, Visit};
use crate::views::{AdminPage, Page, render};

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let due = app.run(Cost::Point, |db| Ok(admin::due(db)?)).await?;
        let page = Page::own(app, &visit.asker, "Administration").await?;
        Ok(Answer::html(render(&AdminPage { page, due })?, Vec::new()))
    })
}
