//! Pictures that people upload: taken, listed, removed.

use http::StatusCode;
use serde_json::json;
use veritable_domain::ids::UserId;
use veritable_domain::permission::{Deed, may};
use veritable_domain::time::UnixMillis;
use veritable_domain::upload::{UploadHash, display_name, parse_file_name};
use veritable_domain::wiki::upper_first;
use veritable_writer_api::message::{Command, Outcome, Refusal, Uploads};

use super::accounts::{FAULTY, Faults};
use super::changes::{done, unexpected};
use super::{Around, PAGE, afterwards, at_cursor, before_of, cut, invalid, missing};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::pictures::PictureError;
use crate::reads::When;
use crate::reads::uploads::{self, Picture};
use crate::routes::{Asker, Change, Cost, Pending, Sending, Submission, Visit};
use crate::views::{Page, Tabs, UploadsPage, render};

const HERE: &str = "/uploads";
/// What a picture is called that came without a name.
const NAMELESS: &str = "picture";
/// What is told to programs that send something else.
const TAKES: &str = "a picture in PNG, JPEG, GIF or WebP";

/// So many bytes in words.
fn megabytes(bytes: u64) -> String {
    let tenths = (bytes * 10).div_ceil(1024 * 1024);
    if tenths.is_multiple_of(10) {
        format!("{} MB", tenths / 10)
    } else {
        format!("{}.{} MB", tenths / 10, tenths % 10)
    }
}

async fn show(
    app: &App,
    asker: &Asker,
    before: &str,
    said: Option<&str>,
    faults: Faults,
) -> Result<Answer, Error> {
    let user = asker.user()?;
    let shown = before_of(before)?;
    let read = app.run(Cost::Point, move |db| {
        Ok((uploads::of_user(db, user, shown.0, PAGE + 1)?, uploads::taken(db, user)?))
    });
    let (mut pictures, taken) = read.await?;
    let next = cut(&mut pictures, PAGE, Picture::place);
    let next = next.map(|cursor| at_cursor(HERE, "before", Some(cursor)));
    let page = Page::own(app, asker, "Pictures").await?.around(Around { previous: None, next });
    let settings = &app.config.uploads;
    let is_faulty = !faults.is_empty();
    let shown = UploadsPage {
        page,
        tabs: Tabs::at(HERE),
        pictures,
        said,
        most: if settings.max_bytes == 0 { String::new() } else { megabytes(settings.max_bytes) },
        taken: megabytes(taken),
        room: megabytes(settings.account_bytes),
        keeps_order: may(asker.actor, Deed::KeepOrder).is_ok(),
        faults,
    };
    let answer = Answer::html(render(&shown)?, Vec::new());
    Ok(if is_faulty { answer.with_status(FAULTY) } else { answer })
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let said = match visit.query.get("done").map(String::as_str) {
            Some("stored") => {
                Some("Your picture is uploaded. Put the text beside it where it is to be shown.")
            }
            Some("removed") => Some("That picture is removed."),
            _ => None,
        };
        let before = visit.query.get("before").map_or("", String::as_str);
        show(app, &visit.asker, before, said, Faults::new()).await
    })
}

/// Makes a picture anew and has it stored.
async fn keep(app: &App, sending: &Sending) -> Result<Result<Picture, PictureError>, Error> {
    let made = match app.uploads.make(sending.file.clone()).await? {
        Ok(made) => made,
        Err(why) => return Ok(Err(why)),
    };
    let (user, upload, bytes) = (sending.asker.user()?, made.upload, made.content.len() as u64);
    let name = display_name(if sending.name.is_empty() { NAMELESS } else { &sending.name });
    let store = Uploads::StorePicture {
        upload,
        name: name.clone(),
        most: app.config.uploads.account_bytes,
        content: made.content,
    };
    match app.send(Command::uploads(sending.asker.by(), store), &sending.key).await? {
        Outcome::Done => {}
        other => return Err(unexpected(&other)),
    }
    // The same picture may be there already, under another name.
    let stored = app.run(Cost::Point, move |db| Ok(uploads::one(db, user, upload.hash)?)).await;
    let stored = afterwards(stored).flatten();
    Ok(Ok(stored.unwrap_or_else(|| Picture { upload, name, bytes, at: When(UnixMillis::now()) })))
}

pub(crate) fn submit<'a>(app: &'a App, sending: Sending) -> Pending<'a> {
    Box::pin(async move {
        let fault = |text: String| Faults::from([("file", upper_first(&text) + ".")]);
        if sending.file.is_empty() {
            return show(app, &sending.asker, "", None, fault("choose a picture".into())).await;
        }
        let faults = match keep(app, &sending).await {
            Ok(Ok(_)) => return Ok(Answer::see_other(format!("{HERE}?done=stored"))),
            Ok(Err(why)) => fault(why.to_string()),
            Err(Error::Refused(refusal @ Refusal::NoRoom { .. })) => fault(refusal.to_string()),
            Err(error) => return Err(error),
        };
        show(app, &sending.asker, "", None, faults).await
    })
}

pub(crate) fn store<'a>(app: &'a App, sending: Sending) -> Pending<'a> {
    Box::pin(async move {
        match keep(app, &sending).await? {
            Ok(picture) => {
                let value = serde_json::to_value(picture.described());
                let value = value.map_err(|error| Error::Internal(error.to_string()))?;
                Ok(done(StatusCode::CREATED, Some(picture.upload.path()), &value))
            }
            Err(PictureError::Kind) => Err(Error::UnsupportedType { takes: TAKES }),
            Err(why) => Err(invalid("file", &why.to_string())),
        }
    })
}

/// The picture that a text names: by its hash, or by its address wherever that stands.
fn named(text: &str) -> Option<UploadHash> {
    let last = text.trim().rsplit('/').next().unwrap_or_default();
    UploadHash::parse(last).or_else(|| parse_file_name(last).map(|(hash, _)| hash))
}

/// Whose picture goes: one's own; where one has none such, everybody's, which only a moderator may.
async fn whose(app: &App, user: UserId, hash: UploadHash) -> Result<Option<UserId>, Error> {
    let own = app.run(Cost::Point, move |db| Ok(uploads::one(db, user, hash)?)).await?;
    Ok(own.map(|_| user))
}

pub(crate) fn remove<'a>(app: &'a App, form: Submission) -> Pending<'a> {
    Box::pin(async move {
        let user = form.asker.user()?;
        let Some(hash) = named(form.fields.get("hash")) else {
            let faults = Faults::from([("hash", "This is no picture's address.".to_owned())]);
            return show(app, &form.asker, "", None, faults).await;
        };
        let of = if form.fields.has("everybody") { None } else { Some(user) };
        let remove = Uploads::RemovePicture { hash, of };
        match app.send(Command::uploads(form.asker.by(), remove), &form.key).await {
            Ok(_) => Ok(Answer::see_other(format!("{HERE}?done=removed"))),
            Err(Error::Refused(refusal @ Refusal::NotFound { .. })) => {
                let faults = Faults::from([("hash", upper_first(&refusal.to_string()) + ".")]);
                show(app, &form.asker, "", None, faults).await
            }
            Err(error) => Err(error),
        }
    })
}

pub(crate) fn api_remove<'a>(app: &'a App, change: Change) -> Pending<'a> {
    Box::pin(async move {
        let user = change.asker.user()?;
        let name = change.params.get("name").map_or("", String::as_str);
        let hash = named(name).ok_or_else(|| missing("picture"))?;
        let of = whose(app, user, hash).await?;
        if of.is_none() {
            change.asker.within(veritable_domain::account::Scope::Moderate)?;
            // Who may not is not told whether there is one.
            may(change.asker.actor, Deed::KeepOrder).map_err(|_| missing("picture"))?;
        }
        let remove = Uploads::RemovePicture { hash, of };
        app.send(Command::uploads(change.asker.by(), remove), &change.key).await?;
        Ok(done(StatusCode::OK, None, &json!({"removed": hash.to_string()})))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_said_in_megabytes() {
        let said = [0, 1, 1024 * 1024, 5 * 1024 * 1024, 1_600_000].map(megabytes);
        assert_eq!(said, ["0 MB", "0.1 MB", "1 MB", "5 MB", "1.6 MB"]);
    }

    #[test]
    fn a_picture_is_named_by_its_hash_or_its_address() {
        let hash = "ab".repeat(32);
        for text in
            [hash.clone(), format!(" https://forum.example/uploads/{hash}.png "), format!("{hash}.jpg")]
        {
            assert_eq!(named(&text), UploadHash::parse(&hash), "{text}");
        }
        assert_eq!(named("../../etc/passwd"), None);
    }
}
