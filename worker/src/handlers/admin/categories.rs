//! Categories: their names, their order, and who may do what in them.

use veritable_domain::ids::CategoryId;
use veritable_domain::permission::Access;
use veritable_domain::text::{Comment, Label};
use veritable_writer_api::message::{Administration, CategorySettings, Refusal};

use super::{asked_to_say, deed_of, id_of, send, ticked};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::handlers::accounts::{FAULTY, Faults};
use crate::handlers::{missing, number};
use crate::reads::admin;
use crate::routes::{Asker, Cost, Pending, Submission, Visit};
use crate::views::{CategoriesPage, CategoryForm, CategoryPage, Page, render};

const PATH: &str = "/admin/categories";

pub(crate) fn list<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        show_all(app, &visit.asker, asked_to_say(&visit), CategoryForm::empty(), Faults::new()).await
    })
}

async fn show_all(
    app: &App,
    asker: &Asker,
    said: Option<&str>,
    form: CategoryForm,
    faults: Faults,
) -> Result<Answer, Error> {
    let (categories, groups) =
        app.run(Cost::Point, |db| Ok((admin::categories(db)?, admin::groups(db)?))).await?;
    let page = Page::own(app, asker, "Categories").await?.under("Administration", "/admin".into());
    let is_faulty = !faults.is_empty();
    let shown = CategoriesPage { page, categories, groups, form, said, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let id = CategoryId(number("id", visit.params.get("id").map_or("", String::as_str))?);
        let read = app.run(Cost::Point, move |db| {
            Ok(admin::categories(db)?.into_iter().find(|category| category.id == id))
        });
        let category = read.await?.ok_or_else(|| missing("category"))?;
        show(app, &visit.asker, id, CategoryForm::of(&category), Faults::new()).await
    })
}

async fn show(
    app: &App,
    asker: &Asker,
    id: CategoryId,
    form: CategoryForm,
    faults: Faults,
) -> Result<Answer, Error> {
    let groups = app.run(Cost::Point, |db| Ok(admin::groups(db)?)).await?;
    let title = if form.name.is_empty() { "Category" } else { &form.name };
    let page = Page::own(app, asker, title).await?;
    let page = page.under("Administration", "/admin".into()).under("Categories", PATH.into());
    let is_faulty = !faults.is_empty();
    let shown = CategoryPage { page, action: format!("{PATH}/{id}/save"), groups, form, faults };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn create<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        match save(app, &form, None).await? {
            None => Ok(Answer::see_other(format!("{PATH}?done=created"))),
            Some(faults) => show_all(app, &form.asker, None, typed(&form), faults).await,
        }
    })
}

pub(crate) fn act<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let category = CategoryId(id_of(&form)?);
        match deed_of(&form) {
            "save" => match save(app, &form, Some(category)).await? {
                None => Ok(Answer::see_other(format!("{PATH}?done=saved"))),
                Some(faults) => show(app, &form.asker, category, typed(&form), faults).await,
            },
            deed @ ("up" | "down") => {
                send(app, &form, Administration::MoveCategory { category, up: deed == "up" }).await?;
                Ok(Answer::see_other(PATH))
            }
            _ => Err(missing("page here")),
        }
    })
}

fn access(form: &Submission) -> Access {
    let [read, post, moderate] = ["read", "post", "moderate"].map(|name| ticked(&form.fields, name));
    Access { read, post, moderate }.sound()
}

fn typed(form: &Submission) -> CategoryForm {
    CategoryForm {
        name: form.fields.get("name").to_owned(),
        description: form.fields.get("description").to_owned(),
        locked: form.fields.has("locked"),
        access: access(form),
    }
}

/// Makes a category or changes one; what is wrong with the form, if anything.
async fn save(app: &App, form: &Submission, category: Option<CategoryId>) -> Result<Option<Faults>, Error> {
    let mut faults = Faults::new();
    let name = Label::new(form.fields.get("name"));
    let name = name.map_err(|error| faults.insert("name", error.to_string())).ok();
    let description = Comment::new(form.fields.get("description"));
    let description = description.map_err(|error| faults.insert("description", error.to_string())).ok();
    let (Some(name), Some(description)) = (name, description) else { return Ok(Some(faults)) };
    let settings =
        CategorySettings { name, description, locked: form.fields.has("locked"), access: access(form) };
    match send(app, form, Administration::SaveCategory { category, settings }).await {
        Ok(_) => Ok(None),
        Err(Error::Refused(refusal @ (Refusal::NameTaken | Refusal::TooMany { .. }))) => {
            Ok(Some(Faults::from([("name", format!("{refusal}."))])))
        }
        Err(error) => Err(error),
    }
}
