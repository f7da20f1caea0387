//! Errors as people and programs read them: a page, or problem JSON (RFC 9457).

use http::StatusCode;
use serde::Serialize;
use veritable_config::settings::Site;

use crate::answer::{Answer, ContentType};
use crate::error::Error;
use crate::http::access::loggable;
use crate::views;

/// RFC 9457's members; `type` is `about:blank`, as the status says all there is, and of a change that was not made
/// `outcome` says whether that is certain.
#[derive(Serialize)]
struct Problem<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

/// Seconds after which a client may try again what was too much now.
pub(crate) const RETRY_SECONDS: u32 = 1;

/// The answer to a request that failed.
pub(crate) fn answer(
    site: &Site,
    path: &str,
    request_id: &str,
    error: &Error,
    menu: Option<String>,
) -> Answer {
    let status = error.status();
    if status.is_server_error() && status != StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(request_id, path = loggable(path), %error, "a request failed");
    }
    let said = match error {
        // What went wrong inside is for the log.
        Error::Database(_) | Error::Internal(_) => "something went wrong here; the log knows more".to_owned(),
        // Of keys know programs; a form has its own, and comes back with it (`again`).
        Error::OutcomeUnknown { why, .. } if !path.starts_with("/api") => {
            format!(
                "it is not known yet whether this was done ({why}): look whether it was before you send it again"
            )
        }
        other => other.to_string(),
    };
    let outcome = match error {
        Error::NotStored { .. } => Some("refused"),
        Error::OutcomeUnknown { .. } => Some("unknown"),
        _ => None,
    };
    told(site, path, request_id, status, &said, (menu, outcome))
}

/// The answer with a status and a sentence.
pub(crate) fn of_status(
    site: &Site,
    path: &str,
    request_id: &str,
    status: StatusCode,
    detail: &str,
) -> Answer {
    told(site, path, request_id, status, detail, (None, None))
}

fn told(
    site: &Site,
    path: &str,
    request_id: &str,
    status: StatusCode,
    detail: &str,
    (menu, outcome): (Option<String>, Option<&'static str>),
) -> Answer {
    let title = status.canonical_reason().unwrap_or("Error");
    let (content_type, body) = if path.starts_with("/api") {
        let problem = Problem {
            r#type: "about:blank",
            title,
            status: status.as_u16(),
            detail,
            instance: path,
            request_id,
            outcome,
        };
        (ContentType::Problem, serde_json::to_vec(&problem).unwrap_or_default())
    } else {
        (
            ContentType::Html,
            views::error_page(site, status.as_u16(), title, (detail, request_id), menu).into_bytes(),
        )
    };
    Answer::new(status, content_type, body)
}
