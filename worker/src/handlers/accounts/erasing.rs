//! Deleting one's own account.

use veritable_writer_api::message::{Accounts, Command, Refusal};

use super::{FAULTY, Faults, passwords};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::http::cookies::Kind;
use crate::routes::{Asker, Pending, Submission, Visit};
use crate::views::{ErasePage, Page, Tabs, render};

const PATH: &str = "/account/delete";

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move { show(app, &visit.asker, Faults::new()).await })
}

async fn show(app: &App, asker: &Asker, faults: Faults) -> Result<Answer, Error> {
    let page = Page::own(app, asker, "Delete your account").await?;
    let tabs = Tabs::at(PATH);
    let number = asker.user()?.0;
    let is_faulty = !faults.is_empty();
    let answer = Answer::html(render(&ErasePage { page, tabs, number, faults })?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn submit<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let mut faults = Faults::new();
        passwords::current(app, &form, &mut faults).await?;
        if !form.fields.has("sure") {
            faults.insert("sure", "Tick this if you are sure.".into());
        }
        if !faults.is_empty() {
            return show(app, &form.asker, faults).await;
        }
        match app.send(Command::accounts(form.asker.by(), Accounts::Erase), &form.key).await {
            Ok(_) => {}
            Err(Error::Refused(refusal @ Refusal::LastAdministrator)) => {
                return show(app, &form.asker, Faults::from([("sure", format!("{refusal}."))])).await;
            }
            Err(error) => return Err(error),
        }
        Ok(Answer::see_other("/login?done=erased").with_cookie(app.cookies.remove(Kind::Session)))
    })
}
