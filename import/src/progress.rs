//! How far an import or a backup is: a bar where somebody looks at a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// Between two lines in a log.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Told how far it is.
pub trait Progress {
    /// `done` of `total` bytes are done; of an import, of its file as it lies on the disk.
    fn at(&mut self, done: u64, total: u64);
    /// It is over.
    fn end(&mut self);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&mut self, _done: u64, _total: u64) {}
    fn end(&mut self) {}
}

/// A bar with rate and remaining time on standard error, or lines when that is no terminal.
#[derive(Debug)]
pub struct Bar {
    what: &'static str,
    bar: Option<ProgressBar>,
    last_line: Instant,
    start: Instant,
}

impl Bar {
    /// Nothing is shown before the first [`Progress::at`].
    /// `what` it is that takes so long begins each line.
    pub fn new(what: &'static str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let template = "{bar:30} {percent:>3} %  {bytes} of {total_bytes}  {bytes_per_sec}  {eta} left";
            // The template is constant; a default bar is still a bar.
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style)
        });
        Bar { what, bar, last_line: Instant::now(), start: Instant::now() }
    }

    fn line(&mut self, done: u64, total: u64) {
        if self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let seconds = self.start.elapsed().as_secs_f64();
        let rate = done as f64 / seconds.max(0.001);
        let left = total.saturating_sub(done) as f64 / rate.max(1.0);
        let percent = (done * 100).checked_div(total).unwrap_or(100);
        let text = format!("{}: {percent} %, {:.1} MB/s, {left:.0} s left\n", self.what, rate / 1e6);
        // Nobody to tell that nobody can be told.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

impl Progress for Bar {
    fn at(&mut self, done: u64, total: u64) {
        match &self.bar {
            Some(bar) => {
                bar.set_length(total);
                bar.set_position(done);
            }
            None => self.line(done, total),
        }
    }

    fn end(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
