//! What Veritable is compared with: the server that a good engineer writes in an afternoon from axum, moka and
//! rusqlite. It answers the same questions from the same `forums.db` (docs/api.md), reads nothing but that, and
//! does nothing else: no accounts, no writes, no invalidation, no other processes. It is not Veritable's code and
//! depends on none of it.

mod queries;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use bytes::Bytes;
use clap::Parser;
use moka::future::Cache;
use serde::Deserialize;

/// As Veritable has it: what is compared is not the allocator. Its settings come from whoever starts this (`MALLOC_CONF`);
/// `veritable-load peers` gives it Veritable's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Answers kept: as many entries as Veritable's cache has by default.
const ENTRIES: u64 = 10_000;
/// Entries of a list.
const LIMIT: u32 = 50;
/// Most that may be asked for.
const LIMIT_MOST: u32 = 100;

/// Answers Veritable's API from a forums.db, for comparison.
#[derive(Debug, Parser)]
struct Args {
    /// The database, which is only read
    forums: PathBuf,
    /// Where to listen; the address is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Threads that serve
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: u16,
    /// Make every answer anew
    #[arg(long)]
    no_cache: bool,
}

#[derive(Clone)]
struct App {
    forums: Arc<PathBuf>,
    cache: Option<Cache<String, Bytes>>,
}

#[derive(Clone, Deserialize)]
struct Asked {
    before: Option<String>,
    after: Option<u32>,
    limit: Option<u32>,
}

impl Asked {
    fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT).clamp(1, LIMIT_MOST)
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads.into())
        .enable_all()
        .build()?
        .block_on(serve(args))
}

async fn serve(args: Args) -> anyhow::Result<()> {
    // Fails now rather than at the first request.
    queries::open(&args.forums).with_context(|| args.forums.display().to_string())?;
    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let address = listener.local_addr()?;
    let cache = (!args.no_cache).then(|| Cache::new(ENTRIES));
    let app = App { forums: Arc::new(args.forums), cache };
    writeln!(std::io::stdout(), "listening on http://{address}/")?;
    axum::serve(listener, router(app)).await?;
    Ok(())
}

fn router(app: App) -> Router {
    Router::new()
        .route("/api/forums/topics", get(topics))
        .route("/api/topics/{id}/posts", get(posts))
        .route("/api/wiki/pages/{id}", get(page))
        .with_state(app)
}

async fn topics(State(app): State<App>, Query(asked): Query<Asked>) -> Result<Response, StatusCode> {
    let key = format!("topics {:?} {}", asked.before, asked.limit());
    answer(&app, key, move |db| queries::topics(db, asked.before.as_deref(), asked.limit())).await
}

async fn posts(
    State(app): State<App>,
    Path(topic): Path<i64>,
    Query(asked): Query<Asked>,
) -> Result<Response, StatusCode> {
    let key = format!("posts {topic} {:?} {}", asked.after, asked.limit());
    answer(&app, key, move |db| queries::posts(db, topic, asked.after.unwrap_or(0), asked.limit())).await
}

async fn page(State(app): State<App>, Path(page): Path<i64>) -> Result<Response, StatusCode> {
    answer(&app, format!("page {page}"), move |db| queries::page(db, page)).await
}

/// What is kept under `key`, or what `read` finds, once for all who ask meanwhile.
async fn answer(
    app: &App,
    key: String,
    read: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<Option<Vec<u8>>>,
) -> Result<Response, StatusCode> {
    // Indexed reads of a few rows take less than handing them to another thread.
    let make = async {
        match queries::with(&app.forums, read) {
            Ok(Some(json)) => Ok(Bytes::from(json)),
            Ok(None) => Err(StatusCode::NOT_FOUND),
            Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    };
    let body = match &app.cache {
        Some(cache) => cache.try_get_with(key, make).await.map_err(|status| *status)?,
        None => make.await?,
    };
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

#[cfg(test)]
mod tests;
