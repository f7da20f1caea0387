//! Log lines of every role, to standard error: for people, or one JSON object a line, each naming the process
//! it comes from. When standard error is the journal, a line begins with its priority (see sd-daemon(3)) and
//! leaves the time to the journal.

use std::fmt;
use std::io::{self, Write, stderr};
use std::os::fd::AsFd;

use nix::sys::stat::fstat;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{self as lines, FmtContext};
use tracing_subscriber::registry::LookupSpan;
use veritable_config::settings::{Log, LogFormat};

/// Lines of another format, with the process's title in them.
struct Titled<F> {
    inner: F,
    /// Put before the line, or after the opening brace of its object.
    title: String,
    is_json: bool,
    to_journal: bool,
}

impl<S, N, F> FormatEvent<S, N> for Titled<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        if self.to_journal {
            writer.write_str(priority(*event.metadata().level()))?;
        }
        match line.strip_prefix('{').filter(|_| self.is_json) {
            Some(rest) => write!(writer, "{{{}{rest}", self.title),
            None => write!(writer, "{} {line}", self.title),
        }
    }
}

/// How a line for the journal begins.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

/// Whether standard error is the journal: systemd names the stream it made, and one that was redirected since
/// is another.
fn is_to_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    fstat(stderr().as_fd()).is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// The last line of a process that failed, as standard error takes it.
pub(crate) fn last_line(reason: &str) -> String {
    let priority = if is_to_journal() { priority(Level::ERROR) } else { "" };
    format!("{priority}veritable: {reason}")
}

/// Whether the level can be understood.
///
/// # Errors
/// One line that says why not.
pub(crate) fn check(log: &Log) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(&log.level).map_err(|error| format!("log.level: {:?}: {error}", log.level))
}

/// Standard error, of which nobody hears that it failed: a line that cannot be written (its reader is gone, its disk is
/// full) is no reason for a server to end. Without this the subscriber would say so by `eprintln!`, which panics there.
struct Lossy;

impl Write for Lossy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _lost = stderr().write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Starts logging for the process called `title`, such as `worker 0`.
///
/// # Errors
/// The level cannot be understood, or logging was started already.
pub(crate) fn init(log: &Log, title: &str) -> anyhow::Result<()> {
    let filter = check(log).map_err(anyhow::Error::msg)?;
    let builder = lines::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(|| Lossy)
        .log_internal_errors(false)
        .with_ansi(false);
    let to_journal = is_to_journal();
    let started = match log.format {
        LogFormat::Text => {
            let title = format!("[{title}]");
            if to_journal {
                let inner = lines::format().without_time().with_level(false);
                let format = Titled { inner, title, is_json: false, to_journal };
                tracing::subscriber::set_global_default(builder.event_format(format).finish())
            } else {
                let format = Titled { inner: lines::format(), title, is_json: false, to_journal };
                tracing::subscriber::set_global_default(builder.event_format(format).finish())
            }
        }
        LogFormat::Json => {
            let inner = lines::format().json();
            let format = Titled { inner, title: fields(title), is_json: true, to_journal };
            let builder = builder.fmt_fields(lines::format::JsonFields::new());
            tracing::subscriber::set_global_default(builder.event_format(format).finish())
        }
    };
    Ok(started?)
}

/// `"role":"worker","place":0,` for `worker 0`.
fn fields(title: &str) -> String {
    let (role, place) =
        title.split_once(' ').map_or((title, None), |(role, place)| (role, place.parse::<u16>().ok()));
    let place = place.map(|place| format!("\"place\":{place},")).unwrap_or_default();
    format!("\"role\":\"{role}\",{place}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_fields() {
        assert_eq!(fields("worker 12"), "\"role\":\"worker\",\"place\":12,");
        assert_eq!(fields("writer"), "\"role\":\"writer\",");
    }

    #[test]
    fn levels_and_directives_are_understood() {
        for (level, good) in
            [("info", true), ("info,veritable_worker=debug", true), ("a=b=c", false), ("x=loud", false)]
        {
            assert_eq!(check(&Log { level: level.into(), ..Log::default() }).is_ok(), good, "{level}");
        }
    }
}
