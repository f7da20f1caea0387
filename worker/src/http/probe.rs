//! What a worker asks itself before it says that it is ready: a read of the database and its front page, the
//! way clients get it. A configuration or program that cannot answer these never replaces one that can.

use std::convert::Infallible;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use veritable_config::settings::Entry;

use super::received::Received;
use super::request;
use super::stream::Origin;
use crate::WorkerError;
use crate::app::App;
use crate::error::Error;
use crate::routes::Cost;

/// More than any front page, so that it never waits for its reader.
const PAGE_BYTES: usize = 1 << 20;

/// Where its own question comes from.
const ITSELF: Origin = Origin { entry: Entry::Public, unix: true, peer: None, proxied: false, begun: false };

/// Asks.
///
/// # Errors
/// What went wrong.
pub(crate) async fn check(app: &Arc<App>) -> Result<(), WorkerError> {
    let failed = |said: String| WorkerError::Probe { said };
    // The page itself may come out of the cache.
    let read = app.run(Cost::Pool, |db| {
        Ok(db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?)
    });
    read.await.map_err(|error| match error {
        Error::Database(error) => {
            WorkerError::Database { path: app.config.forums_db().display().to_string(), error }
        }
        error => failed(format!("could not read its database: {error}")),
    })?;
    let (ours, mut theirs) = duplex(PAGE_BYTES);
    let service = service_fn(|incoming| {
        let app = app.clone();
        let incoming: Request<Incoming> = incoming;
        let incoming = incoming.map(|body| Received::new(body, Arc::default()));
        async move { Ok::<_, Infallible>(request::answer(app, &ITSELF, incoming).await) }
    });
    let asking = async {
        theirs.write_all(b"GET / HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    let connection = http1::Builder::new().serve_connection(TokioIo::new(ours), service);
    let (served, answer) = tokio::join!(connection, asking);
    served.map_err(|error| failed(format!("broke off: {error}")))?;
    let answer = answer.map_err(|error| failed(format!("broke off: {error}")))?;
    let status = answer.split(|&byte| byte == b'\r').next().unwrap_or_default();
    if status.starts_with(b"HTTP/1.1 200 ") {
        return Ok(());
    }
    Err(failed(format!("said {}", String::from_utf8_lossy(status))))
}
