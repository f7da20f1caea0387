//! What load balancers ask.

use http::StatusCode;

use crate::answer::{Answer, ContentType};
use crate::app::App;

/// `/livez`: this process answers. `/readyz`: it should be sent requests; one that can read and not write should,
/// and says so.
pub(crate) async fn answer(app: &App, path: &str) -> Option<Answer> {
    let (status, said) = match path {
        "/livez" => (StatusCode::OK, "alive"),
        "/readyz" if app.is_leaving() => (StatusCode::SERVICE_UNAVAILABLE, "leaving"),
        "/readyz" if app.is_draining() => (StatusCode::SERVICE_UNAVAILABLE, "draining"),
        "/readyz" if !app.has_quorum() => (StatusCode::SERVICE_UNAVAILABLE, "too few workers serve"),
        "/readyz" if app.writer_answers().await => (StatusCode::OK, "ready"),
        // It has said why it cannot be there.
        "/readyz" if app.troubles().iter().any(|(what, _)| *what == "writes") => (StatusCode::OK, "degraded"),
        "/readyz" => (StatusCode::SERVICE_UNAVAILABLE, "the writer does not answer"),
        _ => return None,
    };
    let mut body = serde_json::json!({ "status": said });
    let troubles = if path == "/readyz" { app.troubles() } else { Vec::new() };
    if status == StatusCode::OK && !troubles.is_empty() {
        body["status"] = "degraded".into();
    }
    for (what, trouble) in troubles {
        body[what] = trouble.to_string().into();
    }
    Some(Answer::new(status, ContentType::Json, body.to_string()))
}
