//! All that is known of a person and was written by that person, as one JSON document. It is sent as it is read, by a
//! thread of its own, a little at a time: however much it is, it takes little memory and holds nobody up.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use rusqlite::{Connection, OpenFlags};
use serde_json::json;
use tokio::sync::mpsc::{Sender, channel};
use veritable_domain::ids::UserId;
use veritable_domain::permission::Groups;
use veritable_domain::time::UnixMillis;

use crate::answer::{Answer, ContentType, Parts};
use crate::app::App;
use crate::error::Error;
use crate::limits;
use crate::reads::{drafts, export};
use crate::routes::{Pending, Visit};
use crate::views::{DataPage, Page, Tabs, render};

/// Downloads at a time, of each worker.
const AT_ONCE: usize = 2;
/// Parts that may wait for a client that reads slowly.
const AHEAD: usize = 2;
/// Statements kept prepared: one for each section, and two for drafts.
const STATEMENTS: usize = 16;

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// One of those that run; counted as long as it is there.
struct Turn;

impl Turn {
    fn take() -> Option<Turn> {
        let taken = RUNNING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |running| {
            (running < AT_ONCE).then_some(running + 1)
        });
        taken.ok().map(|_| Turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(crate) fn page<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let page = Page::own(app, &visit.asker, "Your data").await?;
        let tabs = Tabs::at("/account/data");
        Ok(Answer::html(render(&DataPage { page, tabs })?, Vec::new()))
    })
}

pub(crate) fn download<'a>(app: &'a App, visit: Visit) -> Pending<'a> {
    Box::pin(async move {
        let user = visit.asker.user()?;
        let turn = Turn::take().ok_or(Error::Busy)?;
        app.limits.count(limits::EXPORT, &user.0.to_le_bytes())?;
        let (path, now, groups) = (app.config.forums_db(), visit.now, visit.asker.actor.groups);
        let (parts, body) = channel(AHEAD);
        let work = move || {
            let _turn = turn;
            let written = write(&path, (user, groups), now, &parts);
            if let Err(error) = written {
                tracing::warn!(%error, "a download of somebody's data was broken off");
                // The client sees that it is not whole.
                let _gone = parts.blocking_send(Err(std::io::Error::other("broken off")));
            }
        };
        std::thread::Builder::new()
            .name("export".into())
            .spawn(work)
            .map_err(|error| Error::Internal(error.to_string()))?;
        let answer = Answer::new(http::StatusCode::OK, ContentType::Json, Bytes::new());
        Ok(Answer { parts: Some(Parts::of(body, "veritable-account.json")), ..answer })
    })
}

type Part = Result<Bytes, std::io::Error>;

/// Why a download ends early.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the client is gone")]
    Gone,
}

fn write(
    path: &Path,
    (user, groups): (UserId, Groups),
    now: UnixMillis,
    parts: &Sender<Part>,
) -> Result<(), Broken> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    veritable_sql::keep_prepared(&db, STATEMENTS)?;
    let send = |text: String| parts.blocking_send(Ok(text.into())).map_err(|_| Broken::Gone);
    send(format!("{{\"exported_at\":\"{}\"", now.rfc3339()))?;
    for section in export::SECTIONS {
        send(format!(",\n\"{}\":[", section.name))?;
        let (mut place, mut separator) = (Some(export::BEGIN), "");
        while let Some(from) = place {
            // A read transaction for each part: no client that reads slowly holds the log.
            let (entries, next) = export::some(&db, (user, groups), section, from)?;
            let mut text = String::new();
            for entry in entries {
                text.push_str(std::mem::replace(&mut separator, ",\n"));
                text.push_str(&entry.to_string());
            }
            send(text)?;
            place = next;
        }
        send("]".to_owned())?;
    }
    send(",\n\"drafts\":[".to_owned())?;
    let mut separator = "";
    for place in drafts::places(&db, user)? {
        if let Some(draft) = drafts::draft(&db, user, &place)? {
            let entry = json!({"place": place.to_string(), "draft": draft});
            send(format!("{}{entry}", std::mem::replace(&mut separator, ",\n")))?;
        }
    }
    send("]}\n".to_owned())
}
