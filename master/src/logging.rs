//! Log lines of every role, to standard error: for people, or one JSON object a line, each naming the process
//! it comes from.

use std::fmt;

use tracing::{Event, Subscriber};
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
        match line.strip_prefix('{').filter(|_| self.is_json) {
            Some(rest) => write!(writer, "{{{}{rest}", self.title),
            None => write!(writer, "{} {line}", self.title),
        }
    }
}

/// Whether the level can be understood.
///
/// # Errors
/// One line that says why not.
pub(crate) fn check(log: &Log) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(&log.level).map_err(|error| format!("log.level: {:?}: {error}", log.level))
}

/// Starts logging for the process called `title`, such as `worker 0`.
///
/// # Errors
/// The level cannot be understood, or logging was started already.
pub(crate) fn init(log: &Log, title: &str) -> anyhow::Result<()> {
    let filter = check(log).map_err(anyhow::Error::msg)?;
    let builder =
        lines::Subscriber::builder().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    let started = match log.format {
        LogFormat::Text => {
            let format = Titled { inner: lines::format(), title: format!("[{title}]"), is_json: false };
            tracing::subscriber::set_global_default(builder.event_format(format).finish())
        }
        LogFormat::Json => {
            let format = Titled { inner: lines::format().json(), title: fields(title), is_json: true };
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
