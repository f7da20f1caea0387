//! What a read costs on the event loop and on the pool of threads: how long it takes whoever asks, how much of the
//! processor, and how long the event loop does nothing else meanwhile.
//!
//!     inline_or_pool DATA_DIR [SECONDS]
//!
//! DATA_DIR holds a community such as loadtests/community.py makes. Each question is asked without pause by one task,
//! and by 64 at once, on one event loop as a worker has it.

use std::cell::RefCell;
use std::io::Write;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rusqlite::Connection;
use tokio::task::LocalSet;
use veritable_config::settings::Reads;
use veritable_worker::error::Error;
use veritable_worker::reads::pool::Pool;

const ROW: &str = "SELECT title FROM topics WHERE id = ?1";
const LIST: &str = "SELECT t.id, t.title, t.slug, c.name, u.name, l.name, t.post_count FROM topics t
     CROSS JOIN categories c ON c.id = t.category_id CROSS JOIN users u ON u.id = t.author_id
     CROSS JOIN users l ON l.id = t.last_author_id
     WHERE t.deleted_at IS NULL AND (t.last_post_at, t.id) < (9e18 - ?1, 0)
     ORDER BY t.last_post_at DESC, t.id DESC LIMIT 50";
const THREAD: &str = "SELECT p.id, p.html, u.name FROM posts p CROSS JOIN users u ON u.id = p.author_id
     WHERE p.topic_id = ?1 ORDER BY p.path LIMIT 50";

/// Topics asked for in turn.
const TOPICS: i64 = 1_000;

fn ask(sql: &'static str, topic: i64) -> impl FnOnce(&Connection) -> Result<usize, Error> + Clone + Send {
    move |db| {
        let mut statement = db.prepare_cached(sql)?;
        let columns = statement.column_count();
        let (mut rows, mut bytes) = (statement.query([topic])?, 0);
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                // Read as an answer would have to.
                bytes +=
                    row.get_ref(column)?.as_bytes_or_null().map_or(0, |text| text.map_or(0, <[u8]>::len));
            }
        }
        Ok(bytes)
    }
}

fn cpu() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("the kernel knows");
    let micros = (usage.user_time() + usage.system_time()).num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// Asks with `tasks` at once for `within`; a line of the table.
async fn measure(pool: Rc<Pool>, sql: &'static str, inline: bool, tasks: usize, within: Duration) -> String {
    let (begun, before) = (Instant::now(), cpu());
    let times = Rc::new(RefCell::new(Vec::new()));
    let local = LocalSet::new();
    for task in 0..tasks {
        let (pool, times) = (pool.clone(), times.clone());
        local.spawn_local(async move {
            let mut topic = task as i64 * 7;
            while begun.elapsed() < within {
                topic = topic % TOPICS + 1;
                let asked = Instant::now();
                let question = ask(sql, topic);
                let answer = if inline { pool.inline(question).await } else { pool.pooled(question).await };
                answer.expect("an answer");
                times.borrow_mut().push(asked.elapsed());
                // The others are to have their turn, as between two requests.
                tokio::task::yield_now().await;
            }
        });
    }
    local.await;
    let mut times = times.take();
    times.sort_unstable();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |part: f64| micros(times[((times.len() - 1) as f64 * part) as usize]);
    let each = micros(cpu() - before) / times.len() as f64;
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    format!("{rate:.0} | {:.1} | {:.1} | {each:.1}", at(0.5), at(0.99))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, more @ ..] = args.as_slice() else { return Err("DATA_DIR is missing".into()) };
    let seconds = more.first().map_or(Ok(2), |seconds| seconds.parse())?;
    let path = PathBuf::from(dir).join("forums.db");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let pool = Rc::new(Pool::open_alone(&path, &Reads::default())?);
    let mut out = std::io::stdout();
    writeln!(
        out,
        "| what | where | tasks | reads/s | p50 us | p99 us | CPU us each |\n|---|---|---|---|---|---|---|"
    )?;
    for (what, sql) in [("one row", ROW), ("list of 50", LIST), ("thread of 50", THREAD)] {
        for tasks in [1, 64] {
            for (place, inline) in [("event loop", true), ("pool", false)] {
                let within = Duration::from_secs(seconds);
                let line = runtime.block_on(measure(pool.clone(), sql, inline, tasks, within));
                writeln!(out, "| {what} | {place} | {tasks} | {line} |")?;
            }
        }
    }
    Ok(())
}
