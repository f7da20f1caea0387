//! Pictures on their way in and out: received within bounds, after it is known that a page of ours or a program with a
//! token sends them; sent so that a browser takes them for nothing but pictures.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, IF_NONE_MATCH};
use http::request::Parts;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use multer::{Constraints, Field, Multipart, SizeLimit};
use veritable_config::settings::Switch;
use veritable_domain::account::Scope;
use veritable_domain::permission::Role;
use veritable_domain::upload::{Upload, display_name, parse_file_name};

use super::asker::Asker;
use super::body;
use super::received::Received;
use super::reply::{self, Reply};
use super::router::UploadRoute;
use super::write::{CSRF_FIELD, check_header, check_secret, key, key_name};
use crate::answer::Answer;
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::routes::{ChangeKey, Sending, Who};

/// Begins the address of each picture.
pub(super) const PICTURES: &str = "/uploads/";
/// The field with the picture.
const FILE_FIELD: &str = "file";
/// Most bytes of any other field, and of all that stands between them.
const FIELD_BYTES: u64 = 4 * 1024;
/// Most parts of a form: several times as many as ours has.
const MAX_PARTS: usize = 8;
/// Most bytes that are read past when there are too many. A browser reads no answer before it has sent everything, and
/// says that the connection broke.
const MAX_PASSED_BYTES: u64 = 64 * 1024 * 1024;
/// What is told of bodies that are something else.
const TAKES: &str = "multipart/form-data with a field `file`, or the picture itself (image/png, image/jpeg, image/gif, \
                     image/webp)";

/// Takes a picture.
///
/// # Errors
/// Nobody may, no page of ours asks for it, it is too long, or whatever its handler fails with.
pub(super) async fn take(
    app: &App,
    route: UploadRoute,
    head: &Parts,
    body: Received,
    asker: Asker,
) -> Result<Answer, Error> {
    Who::Member.admit(asker.actor)?;
    let most = app.config.uploads.max_bytes;
    if most == 0 {
        return Err(Error::Invalid { where_: "file", why: "nobody uploads pictures on this site".into() });
    }
    if !route.is_form {
        asker.within(Scope::Write)?;
        check_header(&asker, head)?;
    }
    limit(app, &asker)?;
    let whole = most + MAX_PARTS as u64 * FIELD_BYTES;
    let announced =
        head.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if let Some(bytes) = announced.filter(|bytes| *bytes > whole) {
        if bytes <= MAX_PASSED_BYTES {
            pass(body).await;
        }
        return Err(too_large(most));
    }
    let _place = app.uploads.receive()?;
    let limited = Limited::new(body, usize::try_from(whole).unwrap_or(usize::MAX));
    let (name, file) = if body::is_of(&head.headers, "multipart/form-data") {
        let secret = route.is_form.then_some(&asker);
        parts(&head.headers, limited, most, secret).await?
    } else if !route.is_form && is_picture(&head.headers) {
        let whole = limited.collect().await.map_err(|error| broken(&*error, most))?.to_bytes();
        if whole.len() as u64 > most {
            return Err(too_large(most));
        }
        (String::new(), whole)
    } else {
        return Err(Error::UnsupportedType { takes: TAKES });
    };
    let key = match route.is_form {
        // The same picture again is the same upload.
        true => key(None, asker.actor.user, &[]),
        false => key_of(head, &asker, &file)?,
    };
    (route.run)(app, Sending { asker, name: display_name(&name), file, key }).await
}

/// Reads a body that nobody wants.
async fn pass(mut body: Received) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn key_of(head: &Parts, asker: &Asker, file: &[u8]) -> Result<ChangeKey, Error> {
    Ok(key(key_name(head)?, asker.actor.user, &[head.uri.path().as_bytes(), file]))
}

/// Counts a picture by an account; administrators and those from this host are not counted by address.
fn limit(app: &App, asker: &Asker) -> Result<(), Error> {
    if app.config.accounts.limits == Switch::Off || asker.actor.role == Role::Administrator {
        return Ok(());
    }
    app.limits.count_address(limits::WRITE_ADDRESS, asker.address)?;
    app.limits.count(limits::UPLOAD, &asker.user()?.0.to_le_bytes())
}

/// Name and bytes of the file in a form. With somebody to be known by `secret`, the form's own is looked at before any
/// byte of the file: browsers send fields in the order of the page.
pub(crate) async fn parts<B>(
    headers: &HeaderMap,
    body: B,
    most: u64,
    secret: Option<&Asker>,
) -> Result<(String, Bytes), Error>
where
    B: hyper::body::Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let invalid = |why: &str| Error::Invalid { where_: "body", why: why.to_owned() };
    let boundary =
        headers.get(CONTENT_TYPE).and_then(|value| multer::parse_boundary(value.to_str().ok()?).ok());
    let boundary = boundary.ok_or_else(|| invalid("is a form in parts without a boundary"))?;
    let sizes = SizeLimit::new().per_field(FIELD_BYTES).for_field(FILE_FIELD, most);
    let constraints = Constraints::new().size_limit(sizes);
    let mut form = Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let mut is_ours = secret.is_none();
    let mut file = None;
    for part in 0.. {
        let Some(field) = form.next_field().await.map_err(|error| fault(&error, most))? else { break };
        if part == MAX_PARTS {
            return Err(invalid("has too many parts"));
        }
        match (field.name(), secret) {
            (Some(CSRF_FIELD), Some(asker)) => {
                let repeated = field.text().await.map_err(|error| fault(&error, most))?;
                check_secret(asker, &repeated)?;
                is_ours = true;
            }
            (Some(FILE_FIELD), _) if !is_ours => return Err(Error::StaleForm),
            (Some(FILE_FIELD), _) if file.is_none() => file = Some(read(field, most).await?),
            // What else a form may have is read past, within its bound.
            _ => drop(field.bytes().await.map_err(|error| fault(&error, most))?),
        }
    }
    if !is_ours {
        return Err(Error::StaleForm);
    }
    file.ok_or_else(|| invalid("has no field `file`"))
}

async fn read(mut field: Field<'_>, most: u64) -> Result<(String, Bytes), Error> {
    let name = field.file_name().unwrap_or_default().to_owned();
    let mut file = BytesMut::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| fault(&error, most))? {
        file.extend_from_slice(&chunk);
    }
    Ok((name, file.freeze()))
}

/// Whether a body is said to be a picture; which, its bytes say.
fn is_picture(headers: &HeaderMap) -> bool {
    let said = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    said.starts_with("image/") || said.starts_with("application/octet-stream")
}

fn too_large(most: u64) -> Error {
    Error::TooLarge { most: usize::try_from(most).unwrap_or(usize::MAX) }
}

fn broken(error: &(dyn std::error::Error + Send + Sync + 'static), most: u64) -> Error {
    if error.is::<LengthLimitError>() {
        too_large(most)
    } else {
        Error::Invalid { where_: "body", why: "ended early".into() }
    }
}

fn fault(error: &multer::Error, most: u64) -> Error {
    match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => too_large(most),
        multer::Error::StreamReadFailed(inner) => broken(&**inner, most),
        multer::Error::IncompleteStream | multer::Error::IncompleteFieldData { .. } => {
            Error::Invalid { where_: "body", why: "ended early".into() }
        }
        other => Error::Invalid { where_: "body", why: other.to_string() },
    }
}

/// Sends the picture that is called so at the end of an address.
///
/// # Errors
/// There is none, too many are being sent, or its file cannot be read.
pub(super) async fn send(app: &App, name: &str, asked: &HeaderMap) -> Result<Reply, Error> {
    let nothing = || Error::NotFound { what: "picture".into() };
    // Digits and an ending out of four: no other path than a picture's can come of it.
    let (hash, media) = parse_file_name(name).ok_or_else(nothing)?;
    let name = Upload { hash, media, width: 0, height: 0 }.file_name();
    let known = asked.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).is_some_and(|tags| {
        tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == format!("\"{name}\""))
    });
    if known {
        app.uploads.size(hash, media)?.ok_or_else(nothing)?;
        return Ok(reply::picture(&name, media.name(), None));
    }
    let content = app.uploads.read(hash, media).await?.ok_or_else(nothing)?;
    Ok(reply::picture(&name, media.name(), Some(content)))
}
